"""What is kept of the files of a run: little of each, and what they have in common once."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import uproot

from runtime.console import progress_bar
from runtime.inputs import Opened, open_samples
from runtime.scheduler import Scheduler
from schemas.ntuple import load_format
from schemas.probe import probe
from schemas.skim_config import SkimConfig, load_skim_config
from schemas.trees import read_entries

EG = Path(__file__).parents[2] / "configs" / "skim" / "fastpuppi_eg.yaml"
THREADS = Scheduler(workers=2)
OF_ITS_OWN = 10_000
"""Bytes that may be kept of a file of 239 branches, of which 53 are read, in one basket each."""


@pytest.fixture(scope="module")
def many(ntuples: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files that differ in nothing but their names."""
    folder = tmp_path_factory.mktemp("many")
    paths = [folder / f"{number:02d}.root" for number in range(24)]
    for path in paths:
        os.link(ntuples[0], path)
    return paths


def open_files(paths: Sequence[Path], scheduler: Scheduler, config: SkimConfig) -> Opened:
    form = load_format(config.format, Path())
    return open_samples(config, form, {"s": [*map(str, paths)]}, scheduler, progress_bar)


def test_little_is_kept_of_each_file(many: list[Path], scheduler: Scheduler) -> None:
    config = load_skim_config(EG)
    sizes = []
    for paths in (many[:4], many):
        opened = open_files(paths, scheduler, config)
        inputs = opened.inputs(opened.samples["s"])
        assert list(inputs) == [str(path) for path in paths]
        sizes.append(len(pickle.dumps((opened, inputs))))
    assert (sizes[1] - sizes[0]) / (len(many) - 4) < OF_ITS_OWN


def test_files_of_equal_layouts_have_the_same_one(tmp_path: Path) -> None:
    names = [f"{number}{'ab'[number % 2]}.root" for number in range(12)]
    for name in names:
        with uproot.recreate(tmp_path / name) as file:
            other = {"other": "int32"} if "b" in name else {}
            file.mktree("Events", {"run": "int32", **other})
            file["Events"].extend({key: np.arange(3, dtype="i4") for key in ["run", *other]})
    config = SkimConfig(format="nanoaod", keep={"event": ["run"]})
    paths = [tmp_path / name for name in names]
    opened = open_files(paths, THREADS, config)
    layouts = {id(ntuple.layout): ntuple.layout for ntuple in opened.samples["s"]}
    assert len(layouts) == 2
    for path, ntuple in zip(paths, opened.samples["s"], strict=True):
        assert ntuple.url == str(path)
        fields = ntuple.layout.schema.collections["event"].fields
        assert ("other" in fields) == ("b" in path.name)


def test_the_order_of_branches_may_differ(tmp_path: Path) -> None:
    types = {"one": "int32", "two": "float64", "three": "int64"}
    values = {name: np.arange(5).astype(kind) * 2 for name, kind in types.items()}
    orders = list(itertools.permutations(types))
    for number, order in enumerate(orders):
        with uproot.recreate(tmp_path / f"{number}.root") as file:
            file.mktree("Events", {name: types[name] for name in order})
            file["Events"].extend(values)
    config = SkimConfig(format="nanoaod", keep={"event": ["t*"]})
    paths = [tmp_path / f"{number}.root" for number in range(len(orders))]
    opened = open_files(paths, THREADS, config)
    inputs = opened.inputs(opened.samples["s"])
    for path, ntuple in zip(paths, opened.samples["s"], strict=True):
        alone = probe(str(path), load_format("nanoaod", Path()))
        for name in types:
            size = ntuple.bytes_per_entry([("event", name)])
            assert size == alone.bytes_per_entry([("event", name)])
        columns = read_entries(inputs[str(path)], 1, 4).columns
        assert {name: own.tolist() for name, own in columns.items()} == {
            name: values[name][1:4].tolist() for name in ("two", "three")
        }
