"""What the tests of stage one share: how to skim, and what uproot alone reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import awkward as ak
import pytest
import uproot
import yaml

from schemas import Dataset, open_dataset

Skim = Callable[..., Dataset]
ReadBranches = Callable[[Sequence[Path]], dict[str, ak.Array]]


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """How to write a skim configuration; what is not given keeps everything of FastPUPPI."""

    def write(**keys: object) -> Path:
        path = tmp_path / f"skim{len(list(tmp_path.glob('*.yaml')))}.yaml"
        path.write_text(yaml.safe_dump({"schema": "fastpuppi", "keep": {"*": "all"}} | keys))
        return path

    return write


@pytest.fixture
def make_dataset(
    tmp_path: Path, write_config: Callable[..., Path], skim: Callable[..., object]
) -> Skim:
    """How to skim files with the keys of a configuration into a new dataset."""

    def make(files: Sequence[Path], *options: object, **keys: object) -> Dataset:
        config = write_config(**keys)
        given = [text for path in files for text in ("--files", f"sample={path}")]
        output = tmp_path / config.stem
        result = skim("run", config, "-o", output, *given, *options)
        assert result.exit_code == 0, result.output
        return open_dataset(output)

    return make


@pytest.fixture(scope="session")
def read_branches() -> ReadBranches:
    """How to read all branches of files with nothing but uproot, by name."""

    def read(paths: Sequence[Path]) -> dict[str, ak.Array]:
        trees = [uproot.open(path)["Events"] for path in sorted(paths)]
        parts = [tree.arrays(library="ak", how=dict) for tree in trees]
        return {name: ak.concatenate([part[name] for part in parts]) for name in parts[0]}

    return read
