"""What users write wrongly in a schema, which stands in place of a skim configuration or in one."""

from __future__ import annotations

from typing import Any

import pytest

TOP = "name: mine\ntree: Events\n"

MISTAKES = {
    "unknown key": (f"{TOP}«colections»: {{A: {{}}}}\n", "did you mean 'collections'?"),
    "no name": ("«tree: Events»\n", "key 'name' is missing"),
    "samples": (f"{TOP}«samples»: {{a: x}}\n", "unknown key 'samples'"),
    "unknown type": (
        f"{TOP}event: {{run: {{type: «flot32»}}}}\n", "'flot32' is not the name of a NumPy type",
    ),
    "type of texts": (f"{TOP}event: {{run: {{type: «str»}}}}\n", "is not a boolean, integer or"),
    "tree of a configuration": (
        "schema: fastpuppi\n«tree»: Events\nkeep: {A: all}\n", "unknown key 'tree'",
    ),
    "tree and no schema": ("«tree»: Events\nkeep: {A: all}\n", "unknown key 'tree'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
@pytest.mark.parametrize(
    "command",
    ["skim run config.yaml -o out", "histo run histo.yaml --ntuples config.yaml -o o.root"],
)
def test_mistake(workshop: Any, case: tuple[str, str], command: str) -> None:
    text, message = case
    assert message in workshop.mistake_in(text, command)


def test_a_schema_alone_has_no_samples(workshop: Any) -> None:
    said = workshop.mistake_in(TOP, "skim run config.yaml -o out")
    assert "or give --files NAME=GLOB" in said


def test_a_tree_that_the_files_lack_is_named(workshop: Any) -> None:
    (workshop.folder / "mine.yaml").write_text("name: mine\ntree: Event\n")
    code, stdout, stderr = workshop.ask("skim run mine.yaml -o out --files a=ntuples/*.root")
    assert (code, stdout) == (1, "")
    assert "has no tree 'Event'; did you mean 'Events'?" in stderr
