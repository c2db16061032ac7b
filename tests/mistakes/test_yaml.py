"""What users write wrongly in YAML; both commands answer alike."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

COMMANDS = {
    "histo run": "histo run config.yaml made -o out.root",
    "histo list": "histo list config.yaml",
    "skim run": "skim run config.yaml -o out",
}

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise("abcdefg")
)

MISTAKES = {
    "bracket not closed": ("schema: x\nkeep: {A: [pt, eta«}»\n", "expected ',' or ']'"),
    "end of file in a mapping": ("schema: x\nkeep: «{»A: [pt, eta]\n", "expected ',' or '}'"),
    "quote not closed": ("schema: «\"»fastpuppi\n", "unexpected end of stream"),
    "colon in a plain text": ("schema: a«:» b\n", "mapping values are not allowed"),
    "wrong indentation": ("keep:\n  A: [pt]\n «B»: [pt]\n", "did not find expected key"),
    "tab": ("keep:\n\tA: all\n", "config.yaml:2:1: not valid YAML: indent with blanks"),
    "exclamation mark": ("events: «!Tight»\n", "put it in quotes, or write 'not'"),
    "exclamation mark and more": ("events: «!(pt > 5)»\n", "put it in quotes, or write 'not'"),
    "key twice": ("schema: x\n«schema»: y\n", "key 'schema' stands here a second time"),
    "key twice below": ("keep:\n  A: all\n  «A»: pt\n", "key 'A' stands here a second time"),
    "list as a key": ("? «[a, b]»\n: x\n", "a key must be a name"),
    "merge key": ("«<<»: {a: b}\n", "merge keys ('<<') are not supported; use 'include'"),
    "unknown alias": ("schema: «*»other\n", "undefined alias"),
    "python object": ("keep: «!!python/object/apply:os.system ['touch ran']»\n", "!!python/object"),
    "python name": ("schema: «!!python/name:os.system»\n", "tags such as '!!python/name:os.sys"),
    "set": ("keep: «!!set {a, b}»\n", "tags such as '!!set' are not supported"),
    "two documents": ("schema: x\n«-»--\nschema: y\n", "a single document"),
    "billion laughs": (LAUGHS, "too large"),
    "alias of itself": ("a: «&a [*a]»\n", "too large"),
    "deep nesting": (f"a: {'[' * 100_000}\n", "nested deeper than 50"),
    "list at the top": ("- keep\n", "expected 'key: value' lines at the top"),
    "text at the top": ("keep everything\n", "expected 'key: value' lines at the top"),
    "empty file": ("", "expected 'key: value' lines at the top"),
    "control character": ("schema: \x07\n", "control characters are not allowed"),
    "include of a missing file": (
        "include: «histos.yaml»\n", "no file 'histos.yaml' to include; did you mean 'histo.yaml'",
    ),
    "include of itself": ("include: «config.yaml»\n", "'config.yaml' includes itself"),
    "include in a list": ("include: [skim.yaml, «config.yaml»]\n", "includes itself"),
    "include of a number": ("include: «5»\n", "'include' takes the name of a file or a list"),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(workshop: Any, command: str, case: tuple[str, str]) -> None:
    text, message = case
    assert message in workshop.mistake_in(text, command)
    assert not Path("ran").exists()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_files_that_include_each_other(workshop: Any, command: str) -> None:
    Path("other.yaml").write_text("include: config.yaml\n")
    said = workshop.mistake_in("include: other.yaml\n", command)
    assert said.startswith("Error: other.yaml:1:10: 'config.yaml' includes itself\n")


def test_mistake_in_an_included_file(workshop: Any) -> None:
    Path("other.yaml").write_text("# thresholds\nselections:\n  Tight: ptt > 5\n")
    group = "{fill: {pt: {axis: [5, 0, 9]}}, for: {TkEleL2: Tight}}"
    text = f"include: other.yaml\nselections: {{Loose: pt > 3}}\nhistograms: {{H: {group}}}\n"
    said = workshop.mistake_in(text, COMMANDS["histo run"])
    assert said.startswith("Error: other.yaml:3:10: 'ptt' is neither")


def test_file_that_is_not_text(workshop: Any) -> None:
    Path("config.yaml").write_bytes(b"\xff\xfe\x00")
    assert "config.yaml: not a text file" in workshop.mistake(COMMANDS["skim run"])
