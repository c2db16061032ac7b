"""Trees described without uproot: as uproot describes them, or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from msgspec.structs import replace

from schemas.columnar import open_tree
from schemas.errors import InputError
from schemas.ntuple import NtupleFormat
from schemas.plain_file import NotPlainError, open_plain
from schemas.plain_tree import open_plain_tree
from schemas.probe import probe
from schemas.root_files import open_file

REPOSITORY = Path(__file__).parents[2]
FORM = NtupleFormat(name="own", tree="Events")
LISTS = ak.Array([[1.5, 2.5], [], [3.5]])


def write(path: Path, tree: str = "Events", **branches: Any) -> Path:
    with uproot.recreate(path) as file:
        made = file.mktree(tree, {name: array.type for name, array in branches.items()})
        made.extend(branches)
    return path


def require_same(path: Path, name: str = "Events") -> None:
    """Compare all that is said of a tree with what uproot says."""
    with open_plain(str(path)) as file:
        found = open_plain_tree(file, name)
    with open_file(str(path)) as (opened, classes):
        expected = open_tree(opened, name, classes[name])
        assert (file.uuid, file.size) == (str(opened.file.uuid), opened.file.source.num_bytes)
        assert file.classes == classes
        assert (found.entries, found.clusters) == (expected.entries, expected.clusters)
        branches = expected.branches()
        assert found.branches() == [replace(branch, typename="") for branch in branches]
        paths = [branch.path for branch in branches]
        numbers, theirs = found.numbers(paths), expected.numbers(paths)
        assert theirs.keys() == {path for path, own in numbers.items() if own.depth < 2}
        for own, other in ((numbers[path], theirs[path]) for path in theirs):
            assert (own.dtype, own.depth, own.header) == (other.dtype, other.depth, other.header)
            for mine, known in zip(
                (own.seeks, own.sizes, own.entries),
                (other.seeks, other.sizes, other.entries),
                strict=True,
            ):
                assert np.array_equal(mine, known)


def refuse(path: Path) -> str:
    with pytest.raises(NotPlainError) as error, open_plain(str(path)) as file:
        open_plain_tree(file, "Events")
    return str(error.value)


def test_synthetic_ntuples(ntuples: list[Path]) -> None:
    require_same(ntuples[0])


@pytest.mark.parametrize("name", ["doubleele_0", "doubleele_1", "nugun_0"])
def test_reference_ntuples(name: str) -> None:
    require_same(REPOSITORY / "tests" / "data" / "eg" / f"{name}.root")


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
              "float32", "float64"],
)  # fmt: skip
def test_every_type(dtype: str, tmp_path: Path) -> None:
    values = ak.values_astype(LISTS, dtype)
    path = write(tmp_path / "types.root", one=ak.Array(np.arange(3).astype(dtype)), many=values)
    require_same(path)


def test_tree_without_entries(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "empty.root") as file:
        file.mktree("Events", {"pt": "float32"})
    require_same(tmp_path / "empty.root")


def test_several_clusters_and_trees(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "two.root") as file:
        tree = file.mktree("Events", {"pt": LISTS.type.content, "run": "int32"})
        for _ in range(15):  # more than there is room for at first
            tree.extend({"pt": LISTS, "run": np.arange(3)})
        file.mktree("Runs", {"run": "int32"}).extend({"run": [1]})
        file["note"] = "text"
    require_same(tmp_path / "two.root")
    require_same(tmp_path / "two.root", "Runs")


def test_arrays_of_fixed_length_are_left_to_uproot(tmp_path: Path) -> None:
    path = write(tmp_path / "fixed.root", p4=ak.Array(np.zeros((3, 4), np.float32)))
    assert refuse(path) == "an array of fixed length"
    assert probe(str(path), FORM).entries == 3


def test_trees_in_folders(tmp_path: Path) -> None:
    path = write(tmp_path / "folder.root", "outer/inner/Events", pt=LISTS)
    require_same(path, "outer/inner/Events")


def test_a_folder_in_itself_is_left_to_uproot(tmp_path: Path) -> None:
    path = write(tmp_path / "folder.root", "outer/inner/Events", pt=LISTS)
    content = path.read_bytes()
    with open_plain(str(path)) as file:
        outer, inner = file.keys["outer"].seek, file.keys["outer/inner"].seek
    entry = b"\nTDirectory\5inner"  # before it is where the folder is, and where its parent is
    for place in (found.start() for found in re.finditer(re.escape(entry), content)):
        head = content[place - 16 : place].replace(inner.to_bytes(4), outer.to_bytes(4), 1)
        content = content[: place - 16] + head + content[place:]
    path.write_bytes(content)
    with pytest.raises(NotPlainError, match="without end"), open_plain(str(path)):
        pass


def test_vectors(shared: Path) -> None:
    require_same(shared / "hgcal_ntuple_0.root", "l1tHGCalTriggerNtuplizer/HGCalTriggerNtuple")


@pytest.mark.parametrize("length", [0, 40, 300, 1000])
def test_what_is_cut_off_is_left_to_uproot(length: int, tmp_path: Path) -> None:
    path = write(tmp_path / "cut.root", pt=LISTS)
    path.write_bytes(path.read_bytes()[:length])
    refuse(path)
    with pytest.raises(InputError, match="cut"):
        probe(str(path), FORM)


@pytest.mark.parametrize("name", ["Events", "folder/Events"])
def test_damage_is_left_to_uproot_or_changes_no_structure(name: str, tmp_path: Path) -> None:
    """No changed byte of what describes a tree leads to any other error."""
    path = write(tmp_path / "damaged.root", name, pt=LISTS)
    whole = path.read_bytes()
    with open_plain(str(path)) as file:
        key = file.keys[name]
    for position in [*range(600), *range(key.seek, len(whole), 3)]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        try:
            with open_plain(str(path)) as file:
                described = open_plain_tree(file, name) if name in file.classes else None
        except NotPlainError:
            continue
        if described is None:  # has another name now
            continue
        assert len(described.branches()) == 2
