"""The configuration of stage one: its short forms, its defaults and its hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.load import load_model, parse_yaml, validate
from schemas.manifest import configuration_hash
from schemas.skim_config import SkimConfig, load_skim_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "skim").glob("*.yaml"))


def read(text: str) -> SkimConfig:
    return validate(parse_yaml(text, "skim.yaml"), SkimConfig)


def hash_of(text: str) -> str:
    return configuration_hash(read(text).normalised())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path: Path) -> None:
    assert load_model(path, SkimConfig).version == 1


def test_a_schema_is_a_configuration_that_keeps_everything(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{name: mine, tree: Events}")
    (tmp_path / "skim.yaml").write_text("{schema: mine.yaml, keep: {'*': all}}")
    assert load_skim_config(tmp_path / "mine.yaml") == load_skim_config(tmp_path / "skim.yaml")


def test_defaults() -> None:
    config = read("schema: fastpuppi\nkeep: {TkEleL2: all}\n")
    assert config.normalised() == {
        "version": 1,
        "schema": "fastpuppi",
        "keep": {"TkEleL2": ["*"]},
        "define": {},
        "objects": {},
        "events": None,
        "weight": None,
        "drift": {"fill": {}, "widen": []},
        "storage": {
            "partition_events": 50_000,
            "partition_bytes": 256_000_000,
            "row_group_events": 50_000,
            "row_group_bytes": 128_000_000,
            "compression": "zstd",
            "level": 3,
            "narrow": {},
        },
    }


@pytest.mark.parametrize(
    ("written", "files"),
    [("a.root", ["a.root"]), ("[a.root, b.root]", ["a.root", "b.root"]),
     ("{files: a.root}", ["a.root"]), ("{files: [a.root]}", ["a.root"])],
)  # fmt: skip
def test_samples_have_short_forms(written: str, files: list[str]) -> None:
    config = read(f"schema: x\nkeep: {{A: all}}\nsamples: {{s: {written}}}\n")
    assert config.samples["s"].files == files


@pytest.mark.parametrize(
    ("written", "patterns"), [("all", ["*"]), ("pt", ["pt"]), ("['*Iso', pt]", ["*Iso", "pt"])]
)
def test_kept_fields_have_short_forms(written: str, patterns: list[str]) -> None:
    assert read(f"schema: x\nkeep: {{A: {written}}}\n").keep["A"] == patterns


@pytest.mark.parametrize(("written", "text"), [("1", "1"), ("1.5", "1.5"), ("true", "True")])
def test_numbers_and_truth_values_are_expressions(written: str, text: str) -> None:
    assert read(f"schema: x\nkeep: {{A: all}}\nevents: {written}\n").events == text


def test_hash_does_not_depend_on_samples_order_or_blanks() -> None:
    first = "schema: x\nkeep: {A: [pt], B: [pt]}\nevents: pt >  5\nsamples: {s: a.root}\n"
    second = "events: |\n  pt\n  > 5\nkeep: {B: pt, A: pt}\nschema: x\nversion: 1\n"
    assert hash_of(first) == hash_of(second)


@pytest.mark.parametrize(
    "other",
    [
        "schema: y\nkeep: {A: pt}\n",
        "schema: x\nkeep: {A: eta}\n",
        "schema: x\nkeep: {A: pt}\nevents: pt > 5\n",
        "schema: x\nkeep: {A: pt}\ndefine: {A: {b: pt}}\n",
        "schema: x\nkeep: {A: pt}\nobjects: {A: pt > 5}\n",
        "schema: x\nkeep: {A: pt}\nweight: w\n",
        "schema: x\nkeep: {A: pt}\nstorage: {level: 4}\n",
    ],
)
def test_hash_depends_on_everything_that_changes_the_data(other: str) -> None:
    assert hash_of(other) != hash_of("schema: x\nkeep: {A: pt}\n")
