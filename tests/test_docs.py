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
from typing import Any

import pydantic
import pytest
import yaml
from click.testing import CliRunner

from histo.cli import main as histo
from schemas.axes import Axis
from schemas.histo_config import HistoConfig
from schemas.manifest import Manifest, Partition, Source
from schemas.operations import FUNCTIONS, REDUCTIONS
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


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_what_a_page_shows_works(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for block in blocks(ROOT / page, "sh", "python"):
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


@pytest.mark.parametrize(
    "block", blocks(CONFIGURATION, "yaml"), ids=lambda block: f"line {block.line}"
)
def test_configuration_as_shown_fits_an_ntuple_or_a_dataset(block: Block, everything: Path) -> None:
    path = everything / f"{block.line}.yaml"
    path.write_text(block.text)
    if "histograms" in yaml.safe_load(block.text):
        result = CliRunner().invoke(histo, ["list", str(path), str(everything / "dataset")])
    else:
        command = ["run", str(path), "-o", str(everything / "new"), "--dry-run"]
        result = CliRunner().invoke(skim, command)
    assert result.exit_code == 0, result.stderr


def keys(model: type[pydantic.BaseModel]) -> Iterator[str]:
    """Iterate over the keys of a model and of all models in it, but not those of axes."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in models(field.annotation):
            yield from keys(inner)


def models(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        if annotation not in Axis.__args__:
            yield annotation
        return
    for part in getattr(annotation, "__args__", ()):
        yield from models(part)


@pytest.mark.parametrize("model", [SkimConfig, HistoConfig])
def test_every_key_is_documented(model: type[pydantic.BaseModel]) -> None:
    text = CONFIGURATION.read_text()
    missing = [key for key in keys(model) if not re.search(rf"^\| `([\w.]+\.)?{key}`", text, re.M)]
    assert not missing


@pytest.mark.parametrize("model", [Manifest, Partition, Source])
def test_every_key_of_the_manifest_is_documented(model: type[pydantic.BaseModel]) -> None:
    text = DATASET.read_text()
    missing = [key for key in (field.alias or name for name, field in model.model_fields.items())
               if not re.search(rf"`({key}|{key}\.[\w.]+)`", text)]  # fmt: skip
    assert not missing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_documented(name: str) -> None:
    assert f"`{name}({', '.join(FUNCTIONS[name].arguments)})`" in CONFIGURATION.read_text()


@pytest.mark.parametrize("name", REDUCTIONS)
def test_every_reduction_is_documented(name: str) -> None:
    assert re.search(rf"^\| .*`{name}\(\w+\)`", CONFIGURATION.read_text(), re.MULTILINE)


def test_every_kind_of_axis_is_documented() -> None:
    text = CONFIGURATION.read_text()
    for axis in Axis.__args__:
        for kind in axis.model_fields["kind"].annotation.__args__:
            assert re.search(rf"`(\{{{kind}: \[.*\]\}}|{kind})`", text), kind


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target
