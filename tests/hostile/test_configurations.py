"""Configurations that ask for code, for other files, or for all the memory or time there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FILL = "{fill: {x: {of: %s, axis: [10, 0, 1]}}, for: {TkEleL2: all}}"
MANY = "selections: {" + ", ".join(f"S{i}: pt > {i}" for i in range(1000)) + "}\n"


def histogram(of: str) -> str:
    return f"histograms: {{H: {FILL % repr(of)}}}\n"


def fill(axes: str, families: str = "all", before: str = "") -> str:
    return f"{before}histograms: {{H: {{fill: {{x: {axes}}}, for: {{TkEleL2: {families!r}}}}}}}\n"


def mapping(key: str, entries: dict[str, str]) -> str:
    return f"{key}: {{{', '.join(f'{name}: {text}' for name, text in entries.items())}}}\n"


def chain(last: str, entry: str, length: int) -> dict[str, str]:
    """Entries of which each names the next one."""
    names = [*(f"n{i}" for i in range(length)), last]
    return {names[i]: entry.format(next=names[i + 1], number=i) for i in range(length)}


ONE = "{axis: [10, 0, 1], of: pt}"
MILLION = "{of: pt, axis: [1000000, 0, 1]}"

HISTO = {
    # -- histograms
    "an axis of 10^12 bins": (
        fill("{of: pt, axis: [1000000000000, 0, 1]}"), "number of bins must be from 1 to 1000000",
    ),
    "integers up to 10^12": (
        fill("{of: hwQual, axis: {integer: [0, 1000000000000]}}"), "the axis is empty",
    ),
    "three axes of 10^6 bins": (
        fill(f"{{axes: [{MILLION}, {MILLION}, {MILLION}]}}"), "too many histograms: 1 with 1000006",
    ),
    "a thousand histograms of 10^6 bins": (
        fill(MILLION, "S*", MANY), "too many histograms: 50 with 50000100 bins",
    ),
    "a family of 10^6": (fill(ONE, "S* x S*", MANY), "the family has 1000000 selections"),
    "a family of 10^9": (fill(ONE, "S* x S* x S*", MANY), "the family has 1000000 selections"),
    "a family in 10^5 parentheses": (
        fill(ONE, "(" * 100_000 + "S1" + ")" * 100_000, MANY), "nested deeper than 100 levels",
    ),
    "pairs of selections": (
        MANY
        + "matches: {m: {to: GenEl, gen: S*, within: obj.pt > 1, best: obj.pt, "
        + "for: {TkEleL2: S*}}}\n"
        + "histograms: {H: {match: m, fill: {pt: {axis: [10, 0, 1]}}}}\n",
        "1000 selections of objects and 1000 of particles are too many pairs",
    ),
    "pairs of pairs of pairs": (
        "collections: {A: {pairs: TkEleL2}, B: {pairs: A}, C: {pairs: B}, D: {pairs: C}}\n"
        "histograms: {H: {fill: {x: {of: leg0.leg0.leg0.leg0.pt, axis: [9, 0, 1]}}, "
        "for: {D: all}}}\n",
        " fit into memory: filter what it is made of",
    ),
    "a pattern that matches slowly": (
        fill(ONE, "*a" * 25 + "*b", f"selections: {{{'a' * 60}: pt > 1}}\n"),
        "pattern matches no selection",
    ),
    # -- names that lead to names
    "selections of selections": (
        fill(ONE, "n0", mapping("selections", chain("pt > 1", "{next}", 2000))),
        "too many levels deep",
    ),
    "collections of collections": (
        mapping("collections", chain("TkEleL2", "{{filter: {next}, where: pt > 1}}", 2000))
        + f"histograms: {{H: {{fill: {{x: {ONE}}}, for: {{n0: all}}}}}}\n",
        "too many levels deep",
    ),
    "unions of unions, twice each": (
        mapping("collections", chain("TkEleL2", "{{union: [{next}, {next}]}}", 40))
        + f"histograms: {{H: {{fill: {{x: {ONE}}}, for: {{n0: all}}}}}}\n",
        "takes over 500000 steps",
    ),
    # -- expressions
    "a tower of powers": (histogram("10**10**10"), "the exponent is larger than 64"),
    "a large power": (histogram("2**64 + pt"), "does not fit 64 bits"),
    "a wide shift": (histogram("1 << 10000000000"), "the exponent is larger than 64"),
    "an integer of 9,000 digits": (histogram("9" * 9000), "not a valid expression"),
    "an expression of 1 MB": (histogram("pt + " * 200_000 + "pt"), "longer than 10000 characters"),
    "a sum of 3,000 terms": (histogram("+".join(["pt"] * 3000)), "nested too deeply"),
    "4,000 parentheses": (histogram("(" * 4000 + "pt" + ")" * 4000), "too many nested parentheses"),
    "5,000 signs": (histogram("-" * 5000 + "pt"), "nested too deeply"),
    "2,000 comparisons": (
        histogram(f"where({'<'.join(['pt'] * 2000)}, 1, 2)"), "over 200 levels of computations",
    ),
    "a call of a method": (histogram("pt.tofile(1)"), "only functions given by their name"),
    "an import": (histogram("__import__(1)"), "unknown function '__import__'"),
    "a name of Python's": (histogram("__builtins__"), "__builtins__"),
    # -- other files and code
    "a table from a file": (
        "tables: {t: {file: /etc/passwd}}\n" + histogram("pt"), "unknown key 'file'",
    ),
    "a function": (
        "functions: {f: os:system}\n" + histogram("f(pt)"), "runs code of module 'os'",
    ),
    "a group named like a path": (
        "histograms: {'../../up': {fill: {pt: {axis: [10, 0, 1]}}, for: {TkEleL2: all}}}\n",
        "is not a name",
    ),
}  # fmt: skip

BOTH = {
    "a tag": ("a: !!python/object/apply:os.system ['touch ran']\n", "are not supported"),
    "billion laughs": (
        "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)),
        "too large",
    ),
    "a million lists": (f"a: [{','.join(['[]'] * 1_000_000)}]\n", "over 200000 values"),
    "100,000 brackets": (f"a: {'[' * 100_000}\n", "nested deeper than 50"),
    "100,000 indentations": (
        "\n".join(" " * i + "a:" for i in range(1000)) + "\n", "nested deeper than 50",
    ),
    "an include of a device": ("include: /dev/zero\n", "no file '/dev/zero' to include"),
    "an include of a pipe": ("include: pipe.yaml\n", "no file 'pipe.yaml' to include"),
    "includes that double": ("include: double0.yaml\n", "over 200000 values or 100 files"),
    "a file of 5 MB": ("a: " + "x" * 5_000_000 + "\n", "larger than 4000000 bytes"),
}  # fmt: skip

SKIM = {
    "a schema outside": ("schema: /etc/passwd\nkeep: {a: all}\n", "unknown schema '/etc/passwd'"),
    "a sample named like a path": (
        "schema: fastpuppi\nkeep: {a: all}\nsamples: {../../up: x.root}\n", "is not a name",
    ),
    "definitions of definitions": (
        "schema: fastpuppi\nkeep: {TkEleL2: pt}\nsamples: {a: ntuples/*.root}\ndefine: {TkEleL2: {"
        + ", ".join(f"{name}: {text}" for name, text in chain("pt", "{next} + 1", 2000).items())
        + "}}\n",
        "too many levels deep",
    ),
}  # fmt: skip

INPUT = {
    "a device for an ntuple": ("/dev/zero", "/dev/zero: is not a file"),
    "a pipe for an ntuple": ("pipe.yaml", "pipe.yaml: is not a file"),
}

Answers = dict[tuple[str, str], Any]


@pytest.fixture(scope="module")
def answers(
    ntuples: list[Path], dataset: Path, tmp_path_factory: pytest.TempPathFactory, run_limited: Any
) -> Answers:
    """What the commands say to each case, all in one process; nothing may be written."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "ntuples").symlink_to(ntuples[0].parent)
    os.mkfifo(folder / "pipe.yaml")
    for i in range(20):
        inner = f"include: [double{i + 1}.yaml, double{i + 1}.yaml]\n" if i < 19 else "a: 1\n"
        (folder / f"double{i}.yaml").write_text(inner)
    cases: list[tuple[str, str, str]] = [("histo", name, text) for name, (text, _) in HISTO.items()]
    cases += [(tool, name, text) for name, (text, _) in BOTH.items() for tool in ("histo", "skim")]
    cases += [("skim", name, text) for name, (text, _) in SKIM.items()]
    cases += [
        ("skim", name, f"schema: fastpuppi\nkeep: {{TkEleL2: pt}}\nsamples: {{a: {path}}}\n")
        for name, (path, _) in INPUT.items()
    ]
    commands = []
    for number, (tool, _, text) in enumerate(cases):
        path = folder / f"{number}.yaml"
        path.write_text(text)
        histo = ["histo", "run", path.name, dataset, "-o", "out.root"]
        commands.append(histo if tool == "histo" else ["skim", "run", path.name, "-o", "out"])
    before = sorted(folder.rglob("*"))
    outcomes = run_limited(folder, *commands, timeout=300)
    assert sorted(folder.rglob("*")) == before
    return {(tool, name): o for (tool, name, _), o in zip(cases, outcomes, strict=True)}


@pytest.mark.parametrize("name", HISTO)
def test_histograms_are_refused(name: str, answers: Answers, refused: Callable[..., str]) -> None:
    assert HISTO[name][1] in refused(answers["histo", name], 2)


@pytest.mark.parametrize("tool", ["histo", "skim"])
@pytest.mark.parametrize("name", BOTH)
def test_yaml_is_refused(
    tool: str, name: str, answers: Answers, refused: Callable[..., str]
) -> None:
    assert BOTH[name][1] in refused(answers[tool, name], 2)


@pytest.mark.parametrize("name", SKIM)
def test_skims_are_refused(name: str, answers: Answers, refused: Callable[..., str]) -> None:
    assert SKIM[name][1] in refused(answers["skim", name], 2)


@pytest.mark.parametrize("name", INPUT)
def test_what_is_no_file_is_refused(
    name: str, answers: Answers, refused: Callable[..., str]
) -> None:
    assert INPUT[name][1] in refused(answers["skim", name], 1)
