"""What users write wrongly in the configuration of ``histo run``."""

from __future__ import annotations

from typing import Any

import pytest

KEYS = {
    "histograms missing": ("«selections: {A: pt > 5}»\n", "key 'histograms' is missing"),
    "unknown key": ("«histogram»: {}\n", "unknown key 'histogram'; did you mean 'histograms'?"),
    "nothing": ("histograms: «{}»\n", "histograms: must not be empty"),
    "list": ("histograms: «[1]»\n", "histograms: expected 'key: value' entries, got [1]"),
    "configuration of skim": ("«schema»: fastpuppi\n", "unknown key 'schema'; valid names: coll"),
    "another version": ("version: «2»\nhistograms: {}\n", "version: expected 1, got 2"),
    "unknown key of a group": ("histograms:\n  H: {«fil»: {}}\n", "did you mean 'fill'?"),
    "group without fill": (
        "histograms:\n  H: «{for: {TkEleL2: all}}»\n",
        "give one of 'fill', 'rate' and",
    ),
}

AXES = {
    "two numbers": ("[10, 0]", "expected three numbers: [bins, start, stop]"),
    "four numbers": ("[10, 0, 50, 100]", "expected three numbers: [bins, start, stop]"),
    "no bins": ("[0, 0, 100]", "the number of bins must be from 1 to 1000000, not 0"),
    "fraction of a bin": ("[10.5, 0, 100]", "the number of bins must be an integer, not 10.5"),
    "too many bins": ("[2000000, 0, 100]", "the number of bins must be from 1 to 1000000"),
    "wrong order": ("[10, 100, 0]", "the axis is empty: from 100 to 0"),
    "no width": ("[10, 5, 5]", "the axis is empty: from 5 to 5"),
    "word": ("[ten, 0, 100]", "'ten' is not a number"),
    "infinite": ("[10, 0, 1e999]", "inf is not a finite number"),
    "log from zero": ("{log: [10, 0, 100]}", "a log axis must start above 0, not at 0"),
    "log of two numbers": ("{log: [1, 100]}", "expected three numbers: [bins, start, stop]"),
    "one edge": ("{edges: [1]}", "an axis needs at least two edges"),
    "edges in disorder": ("{edges: [0, 20, 10]}", "the edges must increase: 20 is followed by 10"),
    "no list of edges": ("{edges: 5}", "expected a list of numbers after 'edges'"),
    "integers with a fraction": ("{integer: [0, 2.5]}", "'integer' takes integers"),
    "no integers": ("{integer: [5, 5]}", "the axis is empty: from 5 up to 5"),
    "one integer": ("{integer: [5]}", "expected two integers: [start, stop]"),
    "no categories": ("{categories: []}", "an axis needs at least one category"),
    "category twice": ("{categories: [1, 2, 1]}", "category 1 stands twice"),
    "category of text": ("{categories: [barrel]}", "'barrel' is not a number"),
    "unknown kind": ("{logg: [10, 1, 100]}", "unknown kind of axis 'logg'; write [bins, start"),
    "two kinds": ("{regular: [1, 0, 1], log: [1, 1, 2]}", "expected an axis: [bins, start, stop]"),
    "unknown word": ("bool", "{categories: [...]} or 'boolean'"),
    "number": ("5", "expected an axis: [bins, start, stop]"),
}

# of pt, the name of the histogram, which a line of its own shows
WRONG_AXES = {
    "integers of a real number": ("{integer: [0, 5]}", "'integer' axis needs an integer"),
    "categories of a real number": ("{categories: [1]}", "'pt' is float32; a regular axis"),
    "boolean of a number": ("boolean", "'boolean' axis needs a condition, and 'pt' is float32"),
}

FILLS = {
    "unknown key": ("pt: {«lable»: x, axis: [5, 0, 9]}", "did you mean 'label'?"),
    "no mapping": ("pt: «5»", "H.fill.pt: expected 'key: value' entries, got 5"),
    "no axis": ("pt: «{of: eta}»", "give either 'axis' (one dimension) or 'axes'"),
    "axis and axes": ("pt: «{axis: [5, 0, 9], axes: [{axis: [5, 0, 9]}]}»", "give either 'axis'"),
    "numbers as axes": ("pt: {axes: [«5», 0, 9]}", "axes.0: expected 'key: value' entries, got 5"),
    "dimension without an axis": ("pt: {axes: [«{of: pt}»]}", "key 'axis' is missing"),
    "of beside axes": ("pt: «{of: pt, axes: [{axis: [5, 0, 9]}]}»", "belong to each entry of"),
    "number as a title": ("pt: {title: «5», axis: [5, 0, 9]}", "title: expected a text, got 5"),
    "name that is no field": (
        "«ptt»: {axis: [5, 0, 9]}", "has no 'of: EXPRESSION', and 'ptt' is not a field of TkEleL2;"
        " did you mean 'pt'?",
    ),
    "unknown field": ("x: {of: 2 * «ptt», axis: [5, 0, 9]}", "did you mean 'pt'?"),
    "collections mixed": ("x: {of: «pt - TkEmL2.pt», axis: [5, 0, 9]}", "reduce one of them with"),
    "objects per event": ("n: {per_event: «pt», axis: [5, 0, 9]}", "reduce it with one of"),
    "of beside per_event": (
        "n: «{per_event: count(), of: pt, axis: [5, 0, 9]}»", "'per_event' takes the place of 'of'",
    ),
}  # fmt: skip

GROUPS = {
    "unknown collection": ("for: {«TkElL2»: all}", "collection 'TkElL2'; did you mean 'TkEleL2'"),
    "singleton": ("for: {«L1PuppiMet»: all}", "fill it for 'event', with 'of: L1PuppiMet.FIELD'"),
    "no mapping": ("for: «TkEleL2»", "for: expected 'key: value' entries, got 'TkEleL2'"),
    "no family": ("for: {TkEleL2: «[]»}", "for.TkEleL2: must not be empty"),
    "unknown selection": ("for: {TkEleL2: all | «Tigth»}", "no selection 'Tigth'", "mean 'Tight'?"),
    "family without a match": (
        "for: {TkEleL2: «Menu*»}", "pattern matches no selection 'Menu*'", "valid names: Loose,",
    ),
    "word in a family": ("for: {TkEleL2: Tight «and» Loose}", "expected 'x', '|' or the end"),
    "parenthesis not closed": ("for: {TkEleL2: Tight x (all | «Loos»}", "no selection 'Loos'"),
    "nothing after x": ("for: {TkEleL2: Tight x «|»}", "expected the name of a selection"),
    "weight of no field": ("for: {TkEleL2: all}, weight: «w»", "'w' is neither a field of TkEleL2"),
    "weight by a condition": ("for: {TkEleL2: all}, weight: «pt > 5»", "a weight is a number"),
}  # fmt: skip

SELECTIONS = {
    "cycle": (
        "  A: B\n  B: C and pt > 5\n  C: not «A»\n", "'A' is defined by itself: A -> B -> C -> A",
    ),
    "itself": ("  A: «A» or pt > 5\n", "'A' is defined by itself: A -> A"),
    "not a condition": ("  A: «pt + eta»\n", "a condition is needed, and this is a number"),
    "unknown field": ("  A: «ptt» > 5\n", "did you mean 'pt'?"),
    "unknown selection": ("  Tight: pt > 5\n  A: «Tigth»\n", "did you mean 'Tight'?"),
    "name of a field": ("  pt: eta > 5\n  A: «pt» > 5\n", "a selection and also a field of Tk"),
    "no expression": ("  A: «[pt]»\n", "expected an expression, such as 'pt > 5'"),
    "nothing": ("  A: «{}»\n", "selections.A: key 'cut' is missing"),
    "unknown key": ("  A: {«cuts»: pt > 5}\n", "unknown key 'cuts'; did you mean 'cut'?"),
    "number as a label": ("  A: {cut: pt > 5, label: «5»}\n", "expected a text, got 5"),
    "blank in a name": ("  «A B»: pt > 5\n  A: pt > 5\n", "'A B' is not a name"),
    "called all": ("  «all»: pt > 5\n  A: pt > 5\n", "'all' is the selection without any cut"),
}  # fmt: skip


def group(fill: str, rest: str = "for: {TkEleL2: all}") -> str:
    return f"histograms:\n  H:\n    {{fill: {{{fill}}}, {rest}}}\n"


MISTAKES = {
    **KEYS,
    **{f"axis: {n}": (group(f"pt: {{axis: «{a}»}}"), m) for n, (a, m) in AXES.items()},
    **{f"axis: {n}": (group(f"«pt»: {{axis: {a}}}"), m) for n, (a, m) in WRONG_AXES.items()},
    **{f"fill: {n}": (group(f), m) for n, (f, m) in FILLS.items()},
    **{f"group: {n}": ("selections: {Tight: pt > 5, Loose: pt > 3}\n"
                       + group("pt: {axis: [5, 0, 9]}", g), *said)
       for n, (g, *said) in GROUPS.items()},
    **{f"selection: {n}": (f"selections:\n{s}" + group("eta: {axis: [5, 0, 9]}",
                                                       "for: {TkEleL2: A}"), m)
       for n, (s, m) in SELECTIONS.items()},
    "event: per_event": (
        group("n: {per_event: «count()», axis: [5, 0, 9]}", "for: {event: all}"),
        "'per_event' is computed from the objects of a collection; give one under 'for'",
    ),
    "event: objects": (
        group("n: {of: «TkEleL2.pt», axis: [5, 0, 9]}", "for: {event: all}"),
        "this has one value per object of TkEleL2, where one per event is needed",
    ),
    "event: name that is no field": (
        group("«pt»: {axis: [5, 0, 9]}", "for: {event: all}"), "valid names: HGCal3DCl.pt, L1Pu",
    ),
    "two selections of one name": (
        "selections: {A: pt > 5, B: pt > 6, AB: pt > 7}\n"
        + group("pt: {axis: [5, 0, 9]}", "for: {TkEleL2: [A x B, «AB»]}"),
        "A x B and AB are both called 'AB'; rename one",
    ),
    "two histograms of one name": (
        "selections: {A: pt > 5, A_x: pt > 6}\n"
        + group("x_pt: {of: pt, axis: [5, 0, 9]}, «pt»: {axis: [5, 0, 9]}",
                "for: {TkEleL2: A | A_x}"),
        "two histograms are called 'H/TkEleL2_A_x_pt'; rename a selection or a histogram",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(workshop: Any, case: tuple[str, ...]) -> None:
    text, *parts = case
    said = workshop.mistake_in(text, "histo run config.yaml made -o out.root")
    assert all(part in said for part in parts), said


def test_list_finds_the_same_mistakes(workshop: Any) -> None:
    workshop.mistake_in(group("x: {of: «ptt», axis: [5, 0, 9]}"), "histo list config.yaml made")
