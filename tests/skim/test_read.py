"""What is read from ROOT files: every value as uproot alone reads it, and damage by its name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from schemas.errors import InputError
from schemas.event_schema import Collection, EventSchema, Field
from schemas.grouping import Place
from schemas.ntuple import load_format
from schemas.probe import probe
from schemas.trees import Input, read_entries
from skim.sample import write_sample

CONFIGS = Path(__file__).parents[2] / "configs" / "skim"
NANOAOD = "nanoAOD_2015_CMS_Open_Data_ttbar.root"
DAMAGED = ("truncated.root", "not_root.root", "zero_bytes.root")


def place(branch: str, branches: Mapping[str, ak.Array]) -> tuple[str, str]:
    """Say by the names alone in which column, and which field of it, a branch must be."""
    collection, _, field = branch.partition("_")
    if branches[branch].ndim == 1:
        return branch, ""
    return collection, field or "value"


def assert_same(kept: ak.Array, read: ak.Array, branch: str) -> None:
    """Require the same type, number of values per event and bits of all values."""
    assert str(kept.type) == str(read.type), branch
    if read.ndim > 1:
        assert ak.to_list(ak.num(kept)) == ak.to_list(ak.num(read)), branch
    kept, read = (ak.to_numpy(ak.flatten(array, axis=None)) for array in (kept, read))
    assert kept.tobytes() == read.tobytes(), branch


def assert_holds(arrays: ak.Array, branches: Mapping[str, ak.Array]) -> None:
    """Require every branch to be in the dataset, and nothing else."""
    expected: set[tuple[str, str]] = set()
    for branch, read in branches.items():
        column, field = place(branch, branches)
        if branch[0] == "n" and branch[1:] in arrays.fields:
            assert ak.to_list(ak.num(arrays[branch[1:]])) == ak.to_list(read), branch
            continue
        expected.add((column, field))
        assert_same(arrays[column, field] if field else arrays[column], read, branch)
    found = {(column, field) for column in arrays.fields for field in arrays[column].fields or [""]}
    assert found == expected


def test_every_value_of_synthetic_ntuples_is_kept(
    ntuples: list[Path], make_dataset: Callable, read_branches: Callable
) -> None:
    assert_holds(make_dataset(ntuples).arrays(), read_branches(ntuples))


def test_the_nanoaod_configuration_keeps_what_it_says(
    shared: Path, tmp_path: Path, skim: Callable, read_branches: Callable
) -> None:
    from schemas import open_dataset

    file = shared / NANOAOD
    result = skim("run", CONFIGS / "nanoaod.yaml", "-o", tmp_path / "nano", "--files", f"tt={file}")
    assert result.exit_code == 0, result.output
    arrays = open_dataset(tmp_path / "nano").arrays()
    read = read_branches([file])
    passed = ak.num(read["Muon_pt"]) + ak.num(read["Electron_pt"]) > 0
    assert 0 < ak.sum(passed) < len(passed)
    for column in arrays.fields:
        for field in arrays[column].fields:
            branch = f"{column}_{field}"
            objects = read["Jet_pt"] > 15 if column == "Jet" else np.True_
            wanted = read[branch][objects] if column == "Jet" else read[branch]
            assert_same(arrays[column, field], wanted[passed], branch)
    singles = {column for column in arrays.fields if not arrays[column].fields}
    assert {"run", "luminosityBlock", "event", "MET_pt", "MET_phi", "PV_npvs"} < singles
    for column in singles:
        assert_same(arrays[column], read[column][passed], column)
    assert {"Muon", "Electron", "Jet"} == set(arrays.fields) - singles


def test_a_range_of_entries_is_that_part_of_the_file(ntuples: list[Path]) -> None:
    form = load_format("fastpuppi", Path())
    ntuple = probe(str(ntuples[0]), form)
    pairs = [("TkEleL2", "pt"), ("event", "event")]
    branches = {pair: ntuple.layout.branches[pair] for pair in pairs}
    source = Input(ntuple.url, branches, ntuple.layout.schema)
    events = read_entries(source, 40, 97)
    read = uproot.open(ntuples[0])["Events"].arrays(["TkEleL2_pt", "event"])[40:97]
    assert events.size == 57
    assert events.columns["event"].tolist() == read["event"].tolist()
    objects = events.collections["TkEleL2"]
    assert objects.offsets[0] == 0
    assert objects.counts.tolist() == ak.num(read["TkEleL2_pt"]).tolist()
    assert objects.fields["pt"].tolist() == ak.flatten(read["TkEleL2_pt"]).tolist()


def test_fields_with_other_counts_than_their_collection_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "uneven.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"A_pt": "var * float32", "A_eta": "var * float32"})
        file["Events"].extend({"A_pt": ak.Array([[1], [3]]), "A_eta": ak.Array([[1], [3, 4]])})
    fields = {name: Field(type="float32") for name in ("pt", "eta")}
    schema = EventSchema(collections={"A": Collection(kind="list", fields=fields)})
    branches = {("A", f): Place("Events", f"A_{f}") for f in ("pt", "eta")}
    source = Input(str(path), branches, schema)
    with pytest.raises(InputError, match=r"uneven\.root: in entry 1 branch 'A_eta' has 2 values"):
        read_entries(source, 0, 2)


def assert_refused(result: object, output: Path, *words: str) -> None:
    """Require a message of one line with these words, and that there is no dataset."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
    assert not (output / "manifest.json").exists()


@pytest.fixture
def damage(ntuples: list[Path], shared: Path, tmp_path: Path) -> Callable[[str], Path]:
    """How to put a bad file beside a good one; returns the folder."""

    def put(name: str, *, good: Path) -> Path:
        folder = tmp_path / "files"
        folder.mkdir()
        shutil.copy(good, folder / "good.root")
        shutil.copy(shared / "bad" / name, folder / name)
        return folder

    return put


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_cannot_be_opened_is_named(
    name: str, damage: Callable, ntuples: list[Path], write_config: Callable, skim: Callable,
    tmp_path: Path,
) -> None:  # fmt: skip
    folder = damage(name, good=ntuples[0])
    config = write_config(samples={"s": f"{folder}/*.root"})
    result = skim("run", config, "-o", tmp_path / "out")
    assert_refused(result, tmp_path / "out", str(folder / name), "copy the file again")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_basket_is_named_by_its_branch(
    workers: int, damage: Callable, ntuples: list[Path], write_config: Callable, skim: Callable,
    tmp_path: Path,
) -> None:  # fmt: skip
    folder = damage("flipped.root", good=ntuples[0])
    config = write_config(
        samples={"s": f"{folder}/*.root"},
        keep={"TkEleL2": "all"},
        storage={"partition_events": 300},
    )
    result = skim("run", config, "-o", tmp_path / "out", "--workers", workers)
    assert_refused(
        result, tmp_path / "out", str(folder / "flipped.root"), "'TkEleL2_pt', entries 300 to 600"
    )


@pytest.mark.parametrize("first", ["good", "bad"])
def test_a_missing_branch_is_named_whichever_file_comes_first(
    first: str,
    shared: Path,
    ntuples: list[Path],
    write_config: Callable,
    skim: Callable,
    tmp_path: Path,
) -> None:
    bad = tmp_path / ("a.root" if first == "bad" else "c.root")
    shutil.copy(shared / "bad" / "missing_branch.root", bad)
    shutil.copy(ntuples[0], tmp_path / "b.root")
    config = write_config(samples={"s": f"{tmp_path}/*.root"}, keep={"TkEleL2": "all"})
    result = skim("run", config, "-o", tmp_path / "out")
    said = f"{bad}: has no branch 'TkEleL2_tkIso', which 1 of 2 files have"
    assert_refused(result, tmp_path / "out", said)


def test_a_branch_of_another_type_than_the_format_says_is_named(
    damage: Callable, ntuples: list[Path], write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    folder = damage("retyped_branch.root", good=ntuples[0])
    config = write_config(samples={"s": f"{folder}/*.root"}, keep={"TkEleL2": "all"})
    result = skim("run", config, "-o", tmp_path / "out")
    said = "branch 'TkEleL2_hwQual' holds float32"
    assert_refused(result, tmp_path / "out", str(folder / "retyped_branch.root"), said)


def write_tree(path: Path, **branches: object) -> Path:
    with uproot.recreate(path) as file:
        types = {name: np.asarray(values).dtype for name, values in branches.items()}
        file.mktree("Events", types).extend(branches)
    return path


def test_a_branch_that_changes_type_between_files_is_named(
    write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    write_tree(tmp_path / "a.root", run=np.arange(3), score=np.ones(3, np.float32))
    write_tree(tmp_path / "b.root", run=np.arange(3), score=np.ones(3, np.float64))
    config = write_config(schema="nanoaod", samples={"s": "*.root"})
    result = skim("run", config, "-o", tmp_path / "out")
    said = f"{tmp_path / 'b.root'}: branch 'score' holds float64, and float32 is expected"
    assert_refused(result, tmp_path / "out", said)


def test_a_truncated_copy_of_a_good_file_is_refused(
    ntuples: list[Path], write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    whole = ntuples[0].read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(whole[: len(whole) // 2])
    config = write_config(samples={"s": "cut.root"})
    result = skim("run", config, "-o", tmp_path / "out")
    assert_refused(
        result, tmp_path / "out", f"{path}: cannot be opened as a ROOT file: it is cut off after "
        f"{len(whole) // 2} of {len(whole)} bytes",
    )  # fmt: skip


def test_an_ntuple_without_entries_is_named(
    tmp_path: Path, write_config: Callable, skim: Callable
) -> None:
    [empty] = write_sample(tmp_path / "none", "minbias", events=0, files=1, seed=1)
    config = write_config(samples={"s": str(empty)})
    result = skim("run", config, "-o", tmp_path / "out")
    assert_refused(result, tmp_path / "out", f"{empty}: tree 'Events' has no entries")


def test_a_file_with_another_tree_names_what_it_has(
    write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("Event", {"run": "int32"})
    config = write_config(samples={"s": "other.root"})
    result = skim("run", config, "-o", tmp_path / "out")
    assert_refused(result, tmp_path / "out", "has no tree 'Events'; did you mean 'Event'?")
