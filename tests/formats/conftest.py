"""Ntuples of every format, and what uproot and ROOT read from them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from schemas import Dataset, open_dataset
from schemas.model import from_data
from schemas.ntuple import NtupleFormat

HERE = Path(__file__).parent
HZZ = {"name": "hzz", "tree": "events"}

Column = tuple[str, str]
"""Collection and field of a dataset; a column with one value per event has no field."""


@dataclass(frozen=True)
class Case:
    """An ntuple, and what is known of it without the code that is tested.

    Attributes
    ----------
    file
        Its name.
    format
        Name of its format, or the schema itself.
    trees
        The trees that the format reads.
    unsupported
        Branches that no column can hold.
    made
        Whether the tests make it; others come with the shared test ntuples.
    """

    file: str
    format: str | dict[str, Any]
    trees: tuple[str, ...] = ("Events",)
    unsupported: frozenset[str] = frozenset()
    made: bool = False

    def place(self, tree: str, branch: str, depth: int) -> Column:
        """Say by the names alone in which column a branch has to be."""
        if not depth:
            return branch, ""
        if self.format == "l1ntuple":
            for collection, beginning in L1.items():
                rest = branch.removeprefix(beginning)
                if rest != branch and rest[0].isupper():
                    prefix = "Emu" if "Emu" in tree else ""
                    return prefix + collection, rest[0].lower() + rest[1:]
        collection, _, field = branch.partition("_")
        return collection, field or "value"

    def counted(self, tree: str, branch: str) -> str:
        """Return the collection that a branch would count by its name."""
        if self.format == "hgcal":
            return branch.removesuffix("_n")
        if self.format == "l1ntuple":
            prefix = "Emu" if "Emu" in tree else ""
            return prefix + branch.removeprefix("n").removesuffix("s")
        return branch[1:] if branch[0] in "nN" else ""


L1 = {"EG": "eg", "Tau": "tau", "Jet": "jet", "Muon": "muon", "Sum": "sum"}
L1_TREES = ("l1EventTree/L1EventTree", "l1UpgradeTree/L1UpgradeTree",
            "l1UpgradeEmuTree/L1UpgradeTree")  # fmt: skip
HGCAL_TREE = ("l1tHGCalTriggerNtuplizer/HGCalTriggerNtuple",)
OLD_HGCAL_TREE = ("hgcalTriggerNtuplizer/HGCalTriggerNtuple",)
NOTE = frozenset({"note"})
CMS_OPEN_DATA = "cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root"

CASES = (
    Case("flat.root", "nanoaod", unsupported=frozenset({"pair"}), made=True),
    Case("flat_rntuple.root", "l1nano", unsupported=NOTE, made=True),
    Case("hgcal.root", "hgcal", OLD_HGCAL_TREE, made=True),
    Case("hgcal_rntuple.root", "hgcal", HGCAL_TREE, NOTE, made=True),
    Case("l1ntuple.root", "l1ntuple", L1_TREES, frozenset({"hlt"}), made=True),
    Case("l1ntuple_rntuple.root", "l1ntuple", L1_TREES, NOTE, made=True),
    Case("fastpuppi_doubleele_0.root", "fastpuppi"),
    Case("fastpuppi_doubleele_1.root", "fastpuppi"),
    Case("fastpuppi_nugun_0.root", "fastpuppi"),
    Case("fastpuppi_doubleele_rntuple.root", "fastpuppi"),
    Case("l1nano_dy_0.root", "l1nano"),
    Case("l1nano_minbias_0.root", "l1nano"),
    Case("hgcal_ntuple_0.root", "hgcal", HGCAL_TREE),
    Case("l1ntuple_run3_0.root", "l1ntuple", L1_TREES, frozenset({"hlt"})),
    Case("nanoAOD_2015_CMS_Open_Data_ttbar.root", "nanoaod"),
    Case(CMS_OPEN_DATA, "nanoaod"),
    Case("uproot-HZZ-lzma.root", HZZ, ("events",)),
)
FOR_ROOT = (
    "fastpuppi_doubleele_0.root", "fastpuppi_doubleele_rntuple.root", "l1nano_dy_0.root",
    "hgcal_ntuple_0.root", "l1ntuple_run3_0.root", "nanoAOD_2015_CMS_Open_Data_ttbar.root",
)  # fmt: skip
"""Those of the shared ntuples that ROOT reads as well: one of each format."""


@dataclass(frozen=True)
class Flat:
    """A column as numbers, and the lengths of lists at each level."""

    values: np.ndarray
    lengths: tuple[np.ndarray, ...]

    def same(self, other: Flat) -> bool:
        """Tell whether type, all lengths and all bits are the same."""
        return (
            self.values.dtype == other.values.dtype
            and len(self.lengths) == len(other.lengths)
            and all(map(np.array_equal, self.lengths, other.lengths))
            and self.values.tobytes() == other.values.tobytes()
        )


def flatten(array: ak.Array) -> Flat:
    """Return an array of lists as numbers and lengths."""
    lengths = []
    while array.ndim > 1:
        lengths.append(ak.to_numpy(ak.num(array)))
        array = ak.flatten(array)
    return Flat(ak.to_numpy(array), tuple(lengths))


def columns_of(dataset: Dataset) -> dict[Column, Flat]:
    """Return all columns of a dataset."""
    arrays = dataset.arrays()
    found: dict[Column, Flat] = {}
    for column in arrays.fields:
        if not arrays[column].fields:
            found[column, ""] = flatten(arrays[column])
        for field in arrays[column].fields:
            found[column, field] = flatten(arrays[column, field])
    return found


Branches = dict[tuple[str, str], Flat]
"""By tree and name of the branch."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of small ntuples that ROOT writes for these tests; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    run_root("make_with_root.py", str(folder))
    return folder


def run_root(script: str, *arguments: str) -> None:
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def locate(request: pytest.FixtureRequest) -> Callable[[Case], Path]:
    """How to find the file of a case."""
    return lambda case: request.getfixturevalue("made" if case.made else "shared") / case.file


@pytest.fixture(scope="session")
def uproot_reads(locate: Callable[[Case], Path]) -> Callable[[Case], tuple[Branches, set[str]]]:
    """How to read the branches of a case, and which hold no numbers, with nothing but uproot."""
    known: dict[str, tuple[Branches, set[str]]] = {}

    def read(case: Case) -> tuple[Branches, set[str]]:
        if case.file not in known:
            with uproot.open(locate(case)) as file:
                known[case.file] = _read(file, case)
        return known[case.file]

    return read


def _read(file: Any, case: Case) -> tuple[Branches, set[str]]:
    found: Branches = {}
    others: set[str] = set()
    for tree in case.trees:
        for name, array in _arrays(file[tree]):
            numbers = array is not None and _holds_numbers(array)
            if numbers:
                found[tree, name] = flatten(array)
            else:
                others.add(name)
    return found, others


def _arrays(tree: Any) -> list[tuple[str, ak.Array | None]]:
    if hasattr(tree, "branches"):
        leaves = [branch for branch in tree.itervalues(recursive=True) if not branch.branches]
        return [(branch.name, _array(branch)) for branch in leaves]
    arrays = tree.arrays()
    records = {name for name in arrays.fields if name.startswith("_collection")}
    for record in records:  # what an importer adds: fields that are there by themselves as well
        assert set(arrays[record].fields) <= set(arrays.fields)
    return [(name, arrays[name]) for name in arrays.fields if name not in records]


def _array(branch: Any) -> ak.Array | None:
    try:
        return branch.array(library="ak")
    except (uproot.interpretation.objects.CannotBeAwkward, NotImplementedError):
        return None


def _holds_numbers(array: ak.Array) -> bool:
    layout = array.layout
    while isinstance(layout, ak.contents.ListOffsetArray | ak.contents.RegularArray):
        layout = layout.content
    return isinstance(layout, ak.contents.NumpyArray) and not layout.parameters


@pytest.fixture(scope="session")
def root_reads(
    locate: Callable[[Case], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Case], Branches]:
    """How to read the branches of a case with ROOT."""
    read: dict[bool, Path] = {}

    def start(made: bool) -> Path:
        folder = tmp_path_factory.mktemp("root")
        chosen = [c for c in CASES if c.made == made and (made or c.file in FOR_ROOT)]
        request = {}
        for case in chosen:
            with uproot.open(locate(case)) as file:
                kinds = file.classnames(cycle=False)
            request[str(locate(case))] = {tree: kinds[tree] for tree in case.trees}
        run_root("read_with_root.py", str(folder), json.dumps(request))
        return folder

    def load(case: Case) -> Branches:
        if case.made not in read:
            locate(case)  # skips if it is not there
            read[case.made] = start(case.made)  # all at once: starting ROOT takes longest
        with np.load(read[case.made] / f"{Path(case.file).stem}.npz") as stored:
            arrays = dict(stored)
        found: Branches = {}
        for key, values in arrays.items():
            if "#" not in key:
                tree, name = key.split(":")
                levels = [arrays[f"{key}#{i}"] for i in (0, 1) if f"{key}#{i}" in arrays]
                found[tree, name] = Flat(values, tuple(levels))
        return found

    return load


MakeDataset = Callable[..., Dataset]


@pytest.fixture
def make_dataset(tmp_path: Path, skim: Callable[..., Any]) -> MakeDataset:
    """How to skim files with a format, or a schema, and the keys of a configuration."""

    def make(
        files: Path | list[Path], schema: str | Mapping[str, Any], *options: object, **keys: object
    ) -> Dataset:
        number = len(list(tmp_path.glob("*.skim.yaml")))
        if not isinstance(schema, str):
            from_data(schema, NtupleFormat)
            (tmp_path / f"{number}.schema.yaml").write_text(yaml.safe_dump(dict(schema)))
            schema = f"{number}.schema.yaml"
        config = tmp_path / f"{number}.skim.yaml"
        config.write_text(yaml.safe_dump({"schema": schema, "keep": {"*": "all"}} | keys))
        listed = files if isinstance(files, list) else [files]
        given = [text for path in listed for text in ("--files", f"sample={path}")]
        output = tmp_path / f"{number}.dataset"
        result = skim("run", config, "-o", output, *given, *options)
        assert result.exit_code == 0, result.output
        return open_dataset(output)

    return make
