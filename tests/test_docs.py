"""What the documentation shows is run: shell and Python blocks, configurations, error messages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from histo.cli import main as histo
from schemas.axes import Axis
from schemas.event_schema import Field
from schemas.histo_config import (
    BinnedLevel,
    DerivedCollection,
    Dimension,
    Fill,
    Group,
    HistoConfig,
    MatchedObjects,
    Matching,
    Rate,
    Selection,
    TableConfig,
)
from schemas.load import Document, load_document, validate
from schemas.manifest import Manifest, Partition, Skipped, Source
from schemas.model import Path as Path_
from schemas.narrow import Rounding
from schemas.ntuple import (
    CollectionInfo,
    FieldInfo,
    NtupleFormat,
    TreeFormat,
    format_names,
    load_format,
)
from schemas.operations import FUNCTIONS, REDUCTIONS
from schemas.probe import probe
from schemas.skim_config import SkimConfig
from skim.cli import main as skim
from skim.sample import write_sample

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "docs" / "configuration.md"
DATASET = ROOT / "docs" / "dataset.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the one that follows it."""

    language: str
    text: str
    line: int
    answer: str = ""


def blocks(page: Path, *languages: str) -> list[Block]:
    text = page.read_text()
    found = [
        Block(match[1], match[2], text[: match.start()].count("\n") + 1)
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]
    followed = zip(found, [*found[1:], Block("", "", 0)], strict=True)
    return [
        Block(b.language, b.text, b.line, n.text if n.text.startswith("Error: ") else "")
        for b, n in followed
        if b.language in languages
    ]


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a user with the commands on the path would."""
    python = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([python, os.environ["PATH"]])}
    program = [sys.executable, "-W", "error", "-c"] if block.language == "python" else ["sh", "-ec"]
    return subprocess.run(
        [*program, block.text], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("page", "languages"),
    [
        ("README.md", ("sh", "python")),
        ("docs/tutorial.md", ("sh", "python")),
        ("docs/configuration.md", ("sh",)),
    ],
)
def test_what_a_page_shows_works(page: str, languages: tuple[str, ...], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for block in blocks(ROOT / page, *languages):
        done = run(block, tmp_path)
        where = f"{page}:{block.line}: {done.stdout}{done.stderr}"
        if block.answer:
            assert (done.returncode, done.stdout) == (2, ""), where
            assert done.stderr == block.answer, where
        else:
            assert (done.returncode, done.stderr) == (0, ""), where


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ntuples, and a dataset of all that is in them."""
    folder = tmp_path_factory.mktemp("documented")
    shutil.copytree(ROOT / "configs", folder / "configs")
    write_sample(folder / "ntuples", "doubleele", events=40, files=2, seed=1)
    (folder / "all.yaml").write_text('schema: fastpuppi\nkeep: {"*": all}\n')
    files = f"doubleele={folder}/ntuples/*.root"
    command = ["run", f"{folder}/all.yaml", "-o", f"{folder}/dataset", "--files", files]
    assert CliRunner().invoke(skim, command).exit_code == 0
    return folder


@pytest.mark.parametrize("block", blocks(DATASET, "python"), ids=lambda block: f"line {block.line}")
def test_dataset_is_read_as_shown(block: Block, everything: Path) -> None:
    done = run(block, everything)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def kind_of(block: Block) -> type[HistoConfig | SkimConfig | NtupleFormat]:
    """Tell what a block of YAML is."""
    keys = yaml.safe_load(block.text).keys()
    if keys & {"tree", "trees"}:
        return NtupleFormat
    return HistoConfig if "histograms" in keys else SkimConfig


def assert_reads(schema: Path, ntuples: Path) -> None:
    """Require a schema to read the ntuples, if it is one of these."""
    form = load_format(schema.name, schema.parent)
    if form.tree == "Events":
        layout = probe(str(next(ntuples.glob("*.root"))), form).layout
        for name, info in form.collections.items():
            assert info.doc == layout.schema.collections[name].doc
            assert info.fields.keys() <= layout.schema.collections[name].fields.keys()


@pytest.mark.parametrize(
    "block", blocks(CONFIGURATION, "yaml"), ids=lambda block: f"line {block.line}"
)
def test_configuration_as_shown_fits_an_ntuple_or_a_dataset(block: Block, everything: Path) -> None:
    path = everything / f"{block.line}.yaml"
    path.write_text(block.text)
    kind = kind_of(block)
    if kind is NtupleFormat:
        assert_reads(path, everything / "ntuples")
        return
    if kind is HistoConfig:
        dataset = str(everything / "dataset")
        allowed = ["--allow-functions", "numpy"] if "functions" in block.text else []
        result = CliRunner().invoke(histo, ["list", str(path), dataset, *allowed])
        assert result.exit_code == 0, result.stderr
        output = str(everything / f"{block.line}.root")
        command = ["run", str(path), dataset, "--output", output, *allowed]
        result = CliRunner().invoke(histo, command)
    else:
        command = ["run", str(path), "-o", str(everything / "new"), "--dry-run"]
        result = CliRunner().invoke(skim, command)
    assert result.exit_code == 0, result.stderr


def test_the_example_of_an_efficiency_is_computed_as_shown(
    everything: Path, tmp_path: Path
) -> None:
    *_, example, python = (
        block
        for block in blocks(CONFIGURATION, "yaml", "python")
        if "efficiency: eg" in block.text or block.language == "python"
    )
    (tmp_path / "example.yaml").write_text(example.text)
    arguments = ["run", f"{tmp_path}/example.yaml", f"{everything}/dataset"]
    arguments += ["--output", f"{tmp_path}/histograms.root"]
    result = CliRunner().invoke(histo, arguments)
    assert result.exit_code == 0, result.stderr
    done = run(python, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def models_below(model: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Iterate over a model and all models in it, but not those of axes."""
    yield model
    for field in msgspec.structs.fields(model):
        for inner in models(field.type):
            yield from models_below(inner)


def keys(model: type[msgspec.Struct]) -> tuple[str, ...]:
    return model.__struct_encode_fields__


def models(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
        return
    for part in getattr(annotation, "__args__", ()):
        yield from models(part)


ROOTS = (SkimConfig, HistoConfig, NtupleFormat)
MODELS = list(dict.fromkeys(model for root in ROOTS for model in models_below(root)))

SECTIONS: dict[type[msgspec.Struct], tuple[str, str]] = {
    HistoConfig: ("Histogram configuration", ""),
    Selection: ("Selections and groups", "selections.NAME."),
    Group: ("Selections and groups", "histograms.GROUP."),
    Fill: ("fill", ""),
    Dimension: ("fill", ""),
    Rate: ("Rates", ""),
    DerivedCollection: ("Derived collections", ""),
    TableConfig: ("Tables", "tables.NAME."),
    BinnedLevel: ("Tables", "tables.NAME.by."),
    Matching: ("Matchings", "matches.NAME."),
    MatchedObjects: ("Matchings", "matches.NAME.for.COLLECTION."),
    NtupleFormat: ("Schemas", ""),
    TreeFormat: ("Schemas", "trees."),
    CollectionInfo: ("Schemas", "collections.NAME."),
    FieldInfo: ("Schemas", "fields.NAME."),
}
"""Heading under which the keys of a model stand, and what they are written with."""


def section(heading: str) -> str:
    """Return what stands between a heading and the next one."""
    found = re.search(
        rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", CONFIGURATION.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found, heading
    return found[1]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_documented(model: type[msgspec.Struct]) -> None:
    if model in SECTIONS:
        heading, prefix = SECTIONS[model]
        text, before = section(heading), re.escape(prefix)
    else:
        text, before = section("Skim configuration"), r"([\w.]+\.)?"
        text += section("What both have in common")
    missing = [key for key in keys(model) if not re.search(rf"^\| `{before}{key}`", text, re.M)]
    assert not missing


def test_every_format_is_documented() -> None:
    text = section("Schemas")
    assert [name for name in format_names() if f"| `{name}` |" not in text] == []


def given(value: Any, path: Path_, document: Document) -> Iterator[tuple[type, str]]:
    """Iterate over the keys that a configuration gives, with their models."""
    if isinstance(value, msgspec.Struct):
        for name, key in zip(value.__struct_fields__, keys(type(value)), strict=True):
            if (*path, key) in document.keys:
                yield type(value), key
                yield from given(getattr(value, name), (*path, key), document)
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from given(inner, (*path, key), document)


def test_every_key_has_an_example(everything: Path) -> None:
    shown: set[tuple[type, str]] = set()
    for block in blocks(CONFIGURATION, "yaml"):
        path = everything / f"{block.line}.yaml"
        path.write_text(block.text)
        document = load_document(path)
        shown |= set(given(validate(document, kind_of(block)), (), document))
    missing = [(m.__name__, key) for m in MODELS for key in keys(m) if (m, key) not in shown]
    assert not missing


@pytest.mark.parametrize("model", [Manifest, Partition, Skipped, Source, Field, Rounding])
def test_every_key_of_the_manifest_is_documented(model: type[msgspec.Struct]) -> None:
    text = DATASET.read_text()
    missing = [key for key in keys(model) if not re.search(rf"`({key}|{key}\.[\w.]+)`", text)]
    assert not missing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_documented(name: str) -> None:
    assert f"`{name}({', '.join(FUNCTIONS[name].arguments)})`" in CONFIGURATION.read_text()


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if FUNCTIONS[name].fields])
def test_functions_of_two_objects_are_documented_with_their_fields(name: str) -> None:
    fields = ", ".join(f"`{field}`" for field in FUNCTIONS[name].fields)
    row = rf"^\| .*`{name}\(leg0, leg1\)`.* \| {fields} \|$"
    assert re.search(row, CONFIGURATION.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_every_reduction_is_documented(name: str) -> None:
    assert re.search(rf"^\| .*`{name}\(\w+\)`", CONFIGURATION.read_text(), re.MULTILINE)


def test_every_kind_of_axis_is_documented() -> None:
    text = CONFIGURATION.read_text()
    for axis in Axis.__args__:
        for kind in get_type_hints(axis)["kind"].__args__:
            assert re.search(rf"`(\{{{kind}: \[.*\]\}}|{kind})`", text), kind


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target
