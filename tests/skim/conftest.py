"""What the tests of stage one share: how to skim, and what uproot alone reads."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
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


WriteTiny = Callable[..., Path]


@pytest.fixture(scope="session")
def write_tiny() -> WriteTiny:
    """How to write a ntuple of a collection ``A`` and the field ``event`` that is read at once."""

    def write(path: Path, seed: int, events: int = 200, baskets: int = 1) -> Path:
        random = np.random.default_rng(seed)
        counts = random.integers(0, 4, events)
        pt = ak.unflatten(random.exponential(30, counts.sum()).astype(np.float32), counts)
        objects = ak.zip({"pt": pt, "hw": pt // 1})
        path.parent.mkdir(exist_ok=True)
        with uproot.recreate(path) as file:
            file.mktree("Events", {"event": "int64", "A": objects.type})
            edges = np.linspace(0, events, baskets + 1).astype(int)
            for start, stop in itertools.pairwise(edges):
                numbers = np.arange(start, stop) + 1000 * seed
                file["Events"].extend({"event": numbers, "A": objects[start:stop]})
        return path

    return write


TINY = {
    "schema": "nanoaod",
    "keep": {"A": "all", "event": "all"},
    "storage": {"partition_events": 50},
}


@pytest.fixture
def tiny(tmp_path: Path, write_tiny: WriteTiny) -> Path:
    """A configuration of a sample ``s`` of three ntuples, of four partitions each."""
    for seed in (1, 2, 3):
        write_tiny(tmp_path / "input" / f"{seed}.root", seed)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY | {"samples": {"s": "input/*.root"}}))
    return path


Content = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="session")
def content() -> Content:
    """How to get all bytes of a folder, by path."""

    def read(folder: Path) -> dict[str, bytes]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


@pytest.fixture
def undisturbed(tiny: Path, skim: Callable[..., object]) -> Path:
    """The dataset of the tiny configuration."""
    result = skim("run", tiny, "-o", tiny.with_name("undisturbed"))
    assert result.exit_code == 0, result.output
    return tiny.with_name("undisturbed")


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """How to start the command ``skim`` as a process, which does not outlive the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            command = [Path(sys.executable).with_name("skim"), *map(str, arguments)]
            process = stack.enter_context(subprocess.Popen(command, **pipes | options))
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture(scope="session")
def await_path() -> Callable[..., None]:
    """How to wait until a pattern in a folder matches something."""

    def wait(folder: Path, pattern: str, process: subprocess.Popen[str], count: int = 1) -> None:
        for _ in range(6000):
            if len(list(folder.glob(pattern))) >= count:
                return
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        raise TimeoutError(f"no {pattern} in {folder} within 30 s")

    return wait
