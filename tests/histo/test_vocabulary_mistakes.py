"""What users write wrongly in the analysis vocabulary: one paragraph, the place, the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.strategies import random_events, write_dataset

Command = Callable[..., Any]

# every part can be added to; what is added stands on a line of its own
TEXT = """\
collections:
  Pair: {{pairs: Ele, define: {{dpt: leg0.pt - leg1.pt}}}}
  Both: {{union: [Ele, Jet]}}
  {collections}
tables:
  threshold:
    arguments: [x, what]
    by: [what, selection]
    formula: x * a
    values: {{Loose: {{EB: {{a: 1}}, EE: {{a: 2}}}}, Tight: {{EB: {{a: 3}}}}}}
  {tables}
functions: {{one: numpy:hypot}}
selections:
  EB: abs(eta) < 1.5
  EE: abs(eta) >= 1.5
  Good: pt > 5
  {selections}
matches:
  eg: {{to: Jet, gen: all, within: abs(obj.pt - gen.pt) < 3, best: abs(obj.pt - gen.pt), for: {{Ele: all}}}}
  {matches}
histograms:
  H: {{fill: {{x: {{of: pt, axis: [5, 0, 9]}}}}, for: {{Ele: all}}}}
  {histograms}
"""  # noqa: E501  # YAML in one line
ALLOWED = [part for name in ("numpy", "math", "no_module") for part in ("--allow-functions", name)]
PARTS = ("collections", "tables", "selections", "matches", "histograms")
MARK = re.compile("«(.*?)»")


def text_of(**parts: str) -> str:
    return TEXT.format(**{part: parts.get(part, "") for part in PARTS})


def fill(of: str, families: str) -> dict[str, str]:
    """A group that fills an expression for some collections and selections."""
    return {
        "histograms": f"G: {{fill: {{x: {{of: '{of}', axis: [5, 0, 9]}}}}, for: {{{families}}}}}"
    }


def group(text: str) -> dict[str, str]:
    return {"histograms": f"G: {{{text}}}"}


def selected(cut: str, collection: str = "Ele") -> dict[str, str]:
    return {"selections": f"S: {cut}", **fill("1", f"{collection}: S")}


PT = "pt: {axis: [5, 0, 9]}"

LEGS = {
    "unknown leg": (fill("«leg2».pt", "Pair: all"), "did you mean 'leg1' or 'leg0'?"),
    "unknown leg in a selection": (selected("leg0.Good and «leg3».Good", "Pair"), "mean 'leg1'"),
    "unknown leg of a function": (fill("pair_pt(leg0, «leg2»)", "Pair: all"), "mean 'leg1'"),
    "unknown field of a leg": (fill("«leg0.ptt»", "Pair: all"), "Ele has no field 'ptt'", "'pt'?"),
    "leg of no pair": (fill("«leg0».pt", "Ele: all"), "valid names: Both, Ele, Jet, MET, Pair"),
    "leg without a field": (fill("«leg0»", "Pair: all"), "for instance leg0.pt"),
    "field that only legs have": (fill("«pt»", "Pair: all"), "neither a field of Pair nor a sel"),
    "unknown collection": (fill("«both».x", "Pair: all"), "did you mean 'Both'?"),
    "field that one of a union lacks": (fill("«eta»", "Both: all"), "did you mean 'Ele.eta'?"),
}

FAMILIES = {
    "pattern that matches nothing": (
        fill("1", "Ele: «Menu*»"), "pattern matches no selection 'Menu*'", "EB, EE, Good, all",
    ),
    "pattern in a product": (fill("1", "Ele: Good x (all | «Eta*»)"), "no selection 'Eta*'"),
    "pattern of a matching": (
        {"matches": "m: {to: Jet, gen: «GEN*», within: obj.pt < 3, best: obj.pt, for: {Ele: all}}",
         **group(f"match: m, fill: {{{PT}}}")},
        "pattern matches no selection 'GEN*'",
    ),
    "selection of a rate": (group(f"rate: {{{PT}}}, for: {{Ele: «Godo»}}"), "did you mean 'Good'?"),
}  # fmt: skip

TABLES = {
    "no such entry": (selected("pt > threshold(3, «Lose»)"), "has no entry 'Lose'", "'Loose'?"),
    "field for a word": (selected("pt > threshold(3, «pt»)"), "valid names: Loose, Tight"),
    "too few arguments": (selected("pt > «threshold(3)»"), "is called as threshold(x, what)"),
    "unknown table": (selected("pt > «treshold»(3, Loose)"), "did you mean 'threshold'?"),
    "unknown selection": (
        {"tables": "t: {by: [selection], values: {«EBB»: 1}}"},
        "table 't': unknown selection 'EBB'; did you mean 'EB'?",
    ),
    "unknown level": (
        {"tables": "t: {arguments: [what], by: [«wat»], values: {Loose: 3}}"},
        "cannot be looked up by 'wat'; did you mean 'what'?",
    ),
    "mapping where bins are": (
        {"tables": "«t»: {by: [{of: pt, edges: [0, 5, 10]}], values: {EB: 1}}"},
        "expected a list of 2 values, one for each bin, at t, got a mapping",
    ),
    "other number of bins": (
        {"tables": "t: {by: [selection, {of: pt, edges: [0, 5]}], values: {«EE»: [1, 2]}}"},
        "expected a list of 1 value, one for each bin, at t.EE, got a list of 2",
    ),
    "level too few": (
        {"tables": "t: {arguments: [w], by: [w, selection], values: {«Loose»: 3}}"},
        "expected 'key: value' entries at t.Loose, got 3",
    ),
    "level too many": (
        {"tables": "t: {by: [selection], formula: a, values: {«EB»: {a: {b: 1}}}}"},
        "expected a number at t.EB, got a mapping",
    ),
    "names without a formula": (
        {"tables": "t: {by: [selection], values: {«EB»: {a: 1}}}"},
        "expected a number at t.EB, got a mapping",
    ),
    "text for a number": (
        {"tables": "t: {by: [selection], values: {«EB»: one}}"},
        "expected a number at t.EB, got 'one'",
    ),
    "edges in disorder": (
        {"tables": "t: {by: [{of: «pt», edges: [5, 0]}], values: [1]}"},
        "the edges must increase: [5.0, 0.0]",
    ),
    "unknown field of the bins": (
        {"tables": "t: {by: [{of: «ptt», edges: [0, 5]}], values: [1]}", **selected("pt > t()")},
        "did you mean 'pt'?",
    ),
    "unknown name in the formula": (
        {"tables": "t: {by: [selection], formula: «slop» * 2, values: {EB: {slope: 1}}}",
         **selected("pt > t()")},
        "did you mean 'slope'?",
    ),
}  # fmt: skip

SELECTIONS = {
    "not a condition": (selected("«pt + 1»"), "a condition is needed, and this is a number"),
    "table as a condition": (selected("«threshold(3, Loose)»"), "a condition is needed"),
    "filter by a number": (
        {"collections": "Hard: {filter: Ele, where: «pt + 1»}", **fill("1", "Hard: all")},
        "a condition is needed, and this is a number",
    ),
    "reach that is a number": (
        {"matches": "m: {to: Jet, gen: all, within: «obj.pt», best: obj.pt, for: {Ele: all}}",
         **group(f"match: m, fill: {{{PT}}}")},
        "a condition is needed, and this is a number",
    ),
}  # fmt: skip

NAMES = {
    "two histograms of one name": (
        {"selections": "A: pt > 1\n  A_x: pt > 2",
         **group("fill: {x_y: {of: pt, axis: [5, 0, 9]}, «y»: {of: pt, axis: [5, 0, 9]}}, "
                 "for: {Ele: A | A_x}")},
        "two histograms are called 'G/Ele_A_x_y'; rename a selection or a histogram",
    ),
    "rate called norm": (
        group("rate: {«norm»: {of: pt, axis: [5, 0, 9]}}, for: {Ele: all}"),
        "two histograms are called 'G/Ele_all_norm'",
    ),
    "collection of a name that is taken": (
        {"collections": "«Jet»: {filter: Ele, where: pt > 1}"},
        "the dataset has a collection 'Jet' already; choose another name",
    ),
}  # fmt: skip

COLLECTIONS = {
    "pairs of an unknown one": ("Z: {pairs: «Elle»}", "'Elle'; did you mean 'Ele'?"),
    "union with an unknown one": ("Z: {union: [Ele, «Jat»]}", "'Jat'; did you mean 'Jet'?"),
    "filter of an unknown one": ("Z: {filter: «El», where: pt > 1}", "did you mean 'Ele'?"),
    "highest of an unknown one": ("Z: {highest: 1, of: «El», by: pt}", "did you mean 'Ele'?"),
    "filter of an event-level one": ("Z: {filter: «MET», where: pt > 1}", "collection 'MET'"),
    "of itself": ("«Z»: {filter: Z, where: pt > 1}", "'Z' is made from itself: Z -> Z"),
    "of itself by way of another": (
        "«Y»: {filter: Z, where: pt > 1}\n  Z: {union: [Y, Ele]}", "made from itself: Y -> Z -> Y",
    ),
    "pairs of three": ("Z: {pairs: «[Ele, Ele, Jet]»}", "expected at most 2 entries, got 3"),
    "union of one": ("Z: {union: «[Ele]»}", "expected at least 2 entries, got 1"),
    "nothing said": ("Z: «{define: {x: pt}}»", "give one of union, pairs, filter, highest, match"),
    "two things said": ("Z: «{pairs: Ele, filter: Jet, where: pt > 1}»", "give one of union"),
    "filter without a condition": ("Z: «{filter: Ele}»", "'filter' needs 'where'"),
    "pairs with a condition": ("Z: {pairs: Ele, «where»: dpt > 1}", "does not go with 'pairs'"),
    "highest none": ("Z: {highest: «0», of: Ele, by: pt}", "expected at least 1, got 0"),
    "unknown key": ("Z: {«pair»: Ele}", "unknown key 'pair'; did you mean 'pairs'"),
}  # fmt: skip

USED_COLLECTIONS = {
    "field defined by itself": (
        {"collections": "Z: {filter: Ele, where: pt > 5, define: {a: b, b: «a»}}",
         **fill("a", "Z: all")},
        "'a' is defined by itself: a -> b -> a",
    ),
    "condition that needs the collection": (
        {"collections": "Z: {filter: Ele, where: «count(Z) > 1»}", **fill("pt", "Z: all")},
        "collection 'Z' is needed to tell which objects it has",
    ),
    "unknown field to rank by": (
        {"collections": "Z: {highest: 1, of: Ele, by: «ptt»}", **fill("pt", "Z: all")},
        "did you mean 'pt'?",
    ),
    "unknown field of a definition": (
        {"collections": "Z: {filter: Ele, where: pt > 5, define: {a: 2 * «ptt»}}",
         **fill("a", "Z: all")},
        "did you mean 'pt'?",
    ),
}  # fmt: skip

MATCHINGS = {
    "unknown matching": (group(f"match: «egg», fill: {{{PT}}}"), "'egg'; did you mean 'eg'?"),
    "unknown matching of an efficiency": (
        group(f"efficiency: «egg», fill: {{{PT}}}"), "unknown matching 'egg'; did you mean 'eg'?",
    ),
    "match with for": (
        group(f"match: eg, fill: {{{PT}}}, «for»: {{Ele: all}}"), "the matching itself says 'for'",
    ),
    "match with a rate": (group(f"match: eg, «rate»: {{{PT}}}"), "'rate' does not go with a match"),
    "match and efficiency": (
        group(f"match: eg, «efficiency»: eg, fill: {{{PT}}}"), "give one of 'match' and 'efficien",
    ),
    "efficiency of the event": (
        {"histograms": "G: «{efficiency: eg, fill: {n: {per_event: count(), axis: [5, 0, 9]}}}»"},
        "'per_event' does not go with 'efficiency'",
    ),
    "unknown particles": (
        {"matches": "m: {to: «Jat», gen: all, within: obj.pt < 3, best: obj.pt, for: {Ele: all}}"},
        "unknown collection 'Jat'; did you mean 'Jet'?",
    ),
    "unknown objects": (
        {"matches": "m: {to: Jet, gen: all, within: obj.pt < 3, best: obj.pt, for: {«Elle»: all}}"},
        "unknown collection 'Elle'; did you mean 'Ele'?",
    ),
    "no reach": (
        {"matches": "m: «{to: Jet, gen: all, best: obj.pt, for: {Ele: all}}»"},
        "'within' is missing, for all collections or for 'Ele'",
    ),
    "unknown field behind obj": (
        group("match: eg, fill: {x: {of: «obj.ptt», axis: [5, 0, 9]}}"),
        "Ele has no field 'ptt'", "did you mean 'pt'?",
    ),
    "unknown field behind gen": (
        group("match: eg, fill: {x: {of: «gen.mas», axis: [5, 0, 9]}}"),
        "Jet has no field 'mas'", "did you mean 'mass'?",
    ),
    "unknown prefix": (
        group("match: eg, fill: {x: {of: «ob».pt, axis: [5, 0, 9]}}"), "did you mean 'obj'?",
    ),
    "name that particles lack": (
        group("efficiency: eg, fill: {«eta»: {axis: [5, 0, 9]}}"),
        "'eta' is neither a field of Jet nor a selection", "did you mean 'Ele.eta'?",
    ),
}  # fmt: skip

RATES = {
    "integer axis": (
        group("rate: {pt: {axis: «{integer: [0, 5]}»}}, for: {Ele: all}"),
        "a rate curve needs thresholds, and 'integer' axes have none",
    ),
    "boolean axis": (
        group("rate: {pt: {axis: «boolean»}}, for: {Ele: all}"), "and 'boolean' axes have none",
    ),
    "no for": ({"histograms": f"G: «{{rate: {{{PT}}}}}»"}, "say 'for' which"),
    "counter without for": ({"histograms": "G: «{counter: true}»"}, "say 'for' which collections"),
    "condition": (
        group("rate: {«x»: {of: pt > 5, axis: [5, 0, 9]}}, for: {Ele: all}"),
        "a rate curve needs a number",
    ),
    "unknown field": (
        group("rate: {«ptt»: {axis: [5, 0, 9]}}, for: {Ele: all}"), "did you mean 'pt'?",
    ),
    "unknown unit": (
        group("rate: {pt: {axis: [5, 0, 9], unit: «Hz»}}, for: {Ele: all}"),
        "expected 'events' or 'kHz', got 'Hz'",
    ),
    "rate and fill": (
        {"histograms": f"G: «{{rate: {{{PT}}}, fill: {{{PT}}}, for: {{Ele: all}}}}»"},
        "give one of 'fill', 'rate' and 'counter'",
    ),
    "unknown collection": (group(f"rate: {{{PT}}}, for: {{«Elle»: all}}"), "did you mean 'Ele'"),
}  # fmt: skip

ONLY = {
    "no collection of the group": (
        group("fill: {x: {of: pt, axis: [5, 0, 9], only: «Jat»}}, for: {Ele: all, Jet: all}"),
        "group 'G' is not about 'Jat'; did you mean 'Jet'?",
    ),
    "no collection of the matching": (
        group("match: eg, fill: {x: {of: pt, axis: [5, 0, 9], only: [Ele, «Jet»]}}"),
        "group 'G' is not about 'Jet'; ",
    ),
    "in a group of the event": (
        group("fill: {x: {of: MET.pt, axis: [5, 0, 9], only: «Ele»}}"),
        "group 'G' is not about 'Ele'",
    ),
    "none": (
        group("fill: {x: {of: pt, axis: [5, 0, 9], only: «[]»}}, for: {Ele: all}"),
        "must not be empty",
    ),
}  # fmt: skip

MISTAKES: dict[str, tuple[Any, ...]] = {
    **LEGS,
    **FAMILIES,
    **{f"table: {name}": mistake for name, mistake in TABLES.items()},
    **SELECTIONS,
    **NAMES,
    **{f"collection: {n}": ({"collections": c}, said) for n, (c, said) in COLLECTIONS.items()},
    **{f"collection: {name}": mistake for name, mistake in USED_COLLECTIONS.items()},
    **MATCHINGS,
    **{f"rate: {name}": mistake for name, mistake in RATES.items()},
    **{f"only: {name}": mistake for name, mistake in ONLY.items()},
    "function without all arguments": (fill("«one(pt)»", "Ele: all"), "does not work with float32"),
    "unknown function": (fill("«oen»(pt, pt)", "Ele: all"), "did you mean 'one'"),
}

FUNCTIONS = {
    "module that does not exist": ("«no_module:f»", "cannot import 'no_module'"),
    "function that does not exist": (
        "«numpy:hypott»",
        "no function 'hypott'; did you mean 'hypot'",
    ),
    "no module": ("«hypot»", "expected 'module:function', got 'hypot'"),
    "no function": ("'«numpy:»'", "expected 'module:function', got 'numpy:'"),
    "not a function": ("«math:pi»", "module 'math' has no function 'pi'"),
    "module that is not allowed": ("«json:loads»", "runs code of module 'json'"),
    "path": ("«numpy.hypot»", "expected 'module:function', got 'numpy.hypot'"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("mistakes") / "dataset", {"s": [random_events(9)]})


@pytest.fixture
def refused(
    dataset: Path, histo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Fill by a configuration of which «this part» is wrong; return what the command says."""
    monkeypatch.chdir(tmp_path)

    def run(text: str) -> str:
        Path("config.yaml").write_text(MARK.sub(r"\1", text))
        result = histo("run", "config.yaml", dataset, "-o", "out.root", *ALLOWED)
        said: str = result.stderr
        assert result.exit_code == 2, said
        assert result.stdout == ""
        assert not Path("out.root").exists()
        assert "Traceback" not in said
        assert all(line.strip() for line in said.splitlines()), "more than one paragraph"
        wrong = MARK.search(text)
        assert wrong is not None
        assert marked(said) == wrong.group(1), said
        line = text[: wrong.start()].count("\n") + 1
        assert re.match(rf"Error: config\.yaml:{line}:\d+: ", said), said
        return said

    return run


def marked(said: str) -> str:
    """Return the words above the carets of a message."""
    lines = said.splitlines()
    below = next(i for i, line in enumerate(lines) if re.fullmatch(r" +\^+", line))
    return lines[below - 1][lines[below].index("^") : len(lines[below])]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_marked_and_explained(name: str, refused: Callable[[str], str]) -> None:
    parts, *messages = MISTAKES[name]
    said = refused(text_of(**parts))
    for message in messages:
        assert message in said


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_cannot_be_used_are_refused(
    name: str, refused: Callable[[str], str]
) -> None:
    function, message = FUNCTIONS[name]
    assert message in refused(text_of().replace("numpy:hypot", function))


def test_the_configuration_without_a_mistake_is_right(
    dataset: Path, histo: Command, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(text_of())
    output = tmp_path / "out.root"
    made = histo("run", tmp_path / "config.yaml", dataset, "-o", output, *ALLOWED)
    assert made.exit_code == 0, made.output


def test_what_a_matching_makes_for_itself_is_not_suggested(refused: Callable[[str], str]) -> None:
    said = refused(text_of(**fill("«leg0».pt", "Ele: all")))
    assert "~" not in said
