"""What `skim inspect` shows of a ROOT file."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import uproot
from rich.console import Console

from skim.contents import describe, render

TREES = {
    "fastpuppi_nugun_0.root": {"Events": 5000},
    "l1nano_dy_0.root": {"Events": 2000},
    "fastpuppi_doubleele_rntuple.root": {"Events": 2500},
    "hgcal_ntuple_0.root": {"l1tHGCalTriggerNtuplizer/HGCalTriggerNtuple": 200},
    "l1ntuple_run3_0.root": {
        "l1EventTree/L1EventTree": 500,
        "l1UpgradeTree/L1UpgradeTree": 500,
        "l1UpgradeEmuTree/L1UpgradeTree": 500,
    },
    "nanoAOD_2015_CMS_Open_Data_ttbar.root": {"Events": 200},
    "uproot-HZZ-lzma.root": {"events": 2421},
    "bad/empty.root": {"Events": 0},
}


GOOD = [name for name in TREES if not name.startswith("bad/")]


def test_trees_collections_fields_and_sizes_are_shown(ntuples: list[Path], skim: Callable) -> None:
    result = skim("inspect", ntuples[0])
    assert result.exit_code == 0
    assert "Events (TTree): 150 entries, 239 branches, 1 cluster" in result.stdout
    assert re.search(
        r"^  TkEleL2 +list +18 +[\d.]+ kB +[\d.]+ kB +[\d.]+ % *$", result.stdout, re.M
    )
    for words in ("int32     charge, hwQual", "counters", "kB"):
        assert words in result.stdout
    assert result.stdout.endswith("\nread it with schema: fastpuppi\n")


def test_branches_become_collections_singletons_and_event_fields(ntuples: list[Path]) -> None:
    [tree] = describe(str(ntuples[0])).trees
    kinds = {name: c.kind for name, c in tree.layout.schema.collections.items()}
    assert (kinds["TkEleL2"], kinds["genMet"], kinds["event"]) == ("list", "singleton", "event")
    assert tree.layout.unsupported == {}


def assert_sizes_add_up(path: Path) -> None:
    trees = describe(str(path)).trees
    for tree in trees:
        parts = [*tree.sizes.values(), tree.counters[1], tree.unsupported[1]]
        assert tuple(map(sum, zip(*parts, strict=True))) == tree.bytes
        assert tree.bytes[0] > 0
    assert sum(tree.bytes[0] for tree in trees) < path.stat().st_size


def test_sizes_add_up_to_less_than_the_file(ntuples: list[Path]) -> None:
    assert_sizes_add_up(ntuples[0])


@pytest.mark.parametrize("name", GOOD)
def test_sizes_of_every_format_add_up_to_less_than_the_file(name: str, shared: Path) -> None:
    assert_sizes_add_up(shared / name)


ROOT_SIZES = """
import sys, ROOT
file = ROOT.TFile.Open(sys.argv[1])
trees = file.Get("Events")
tuples = ROOT.Experimental.RNTupleInspector.Create("Events", sys.argv[2])
for found in (trees.GetZipBytes(), trees.GetTotBytes(),
              tuples.GetCompressedSize(), tuples.GetUncompressedSize()):
    sys.stdout.write(f"{int(found)} ")
"""


def test_sizes_are_those_that_root_says(shared: Path) -> None:
    files = [shared / f"fastpuppi_doubleele_{kind}.root" for kind in ("0", "rntuple")]
    command = [sys.executable, "-W", "ignore", "-c", ROOT_SIZES, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sizes = [size for path in files for size in describe(str(path)).trees[0].bytes]
    assert sizes == [int(word) for word in done.stdout.split()]


SMALL = """
import sys, ROOT
file = ROOT.TFile(sys.argv[1], "RECREATE")
file.WriteObject(ROOT.TH1F("pt", "", 10, 0, 1), "pt")
tree = ROOT.TTree("Events", "")
tree.SetAutoFlush(0)
number, values = ROOT.std.array["int", 1](), ROOT.std.array["float", 10]()
tree.Branch("nA", number, "nA/I")
tree.Branch("A_x", values, "A_x[nA]/F")
for entry in range(100):
    number[0] = 10
    tree.Fill()
tree.AutoSave()  # writes the tree with its baskets in it
file.Close()
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ROOT's with a histogram beside a tree."""
    path = tmp_path_factory.mktemp("small") / "small.root"
    command = [sys.executable, "-W", "ignore", "-c", SMALL, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_other_objects_are_named_in_one_line(small: Path, skim: Callable) -> None:
    lines = skim("inspect", small).stdout.splitlines()
    assert lines[-2:] == [
        "also in the file: TH1F pt",
        "no schema that comes with the project fits; --schema drafts one",
    ]


def test_baskets_in_the_tree_itself_are_counted(small: Path) -> None:
    [tree] = describe(str(small)).trees
    values, offsets = 4 * 10 * 100, 4 * (100 + 2)
    assert tree.sizes["A"][1] == pytest.approx(values + offsets, abs=8)
    assert 0 < tree.sizes["A"][0] < small.stat().st_size


def test_a_file_without_trees_says_what_it_holds(tmp_path: Path, skim: Callable) -> None:
    with uproot.recreate(tmp_path / "histograms.root") as file:
        file["pt"] = np.histogram([1.0])
    result = skim("inspect", tmp_path / "histograms.root")
    assert result.exit_code == 1
    assert "histograms.root: has no tree; it holds TH1D pt" in result.stderr


@pytest.mark.parametrize("option", [(), ("--schema",)])
def test_a_folder_is_refused(option: tuple[str, ...], tmp_path: Path, skim: Callable) -> None:
    result = skim("inspect", tmp_path, *option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is a folder; name a file in it" in result.stderr


def test_long_lists_wrap_and_nothing_is_cut(shared: Path, skim: Callable) -> None:
    path = shared / "nanoAOD_2015_CMS_Open_Data_ttbar.root"
    [tree] = describe(str(path)).trees
    for width in (80, 200):
        console = Console(width=width, highlight=False, markup=False, file=io.StringIO())
        for part in render(describe(str(path))):
            console.print(part)
        lines = console.file.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        assert not any("…" in line for line in lines)
        words = set(re.split(r"[\s,]+", "\n".join(lines)))
        names = {n for c in tree.layout.schema.collections.values() for n in c.fields}
        if width == 200:
            assert names <= words


@pytest.mark.parametrize(("name", "schema"), [
    ("fastpuppi_nugun_0.root", "fastpuppi"),
    ("hgcal_ntuple_0.root", "hgcal"),
    ("l1ntuple_run3_0.root", "l1ntuple"),
    ("nanoAOD_2015_CMS_Open_Data_ttbar.root", "nanoaod"),
    ("fastpuppi_doubleele_rntuple.root", "fastpuppi"),
    ("uproot-HZZ-lzma.root", ""),
])  # fmt: skip
def test_the_schema_that_fits_is_named(name: str, schema: str, shared: Path) -> None:
    assert describe(str(shared / name)).schema == schema


def test_one_tree_can_be_named(ntuples: list[Path], skim: Callable) -> None:
    assert skim("inspect", f"{ntuples[0]}:Events").stdout == skim("inspect", ntuples[0]).stdout


def test_an_unknown_tree_is_answered_with_the_nearest(ntuples: list[Path], skim: Callable) -> None:
    result = skim("inspect", f"{ntuples[0]}:Event")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "has no tree 'Event'; did you mean 'Events'?" in result.stderr


@pytest.mark.parametrize("name", TREES)
def test_every_format_can_be_inspected(name: str, shared: Path) -> None:
    trees = [contents.tree for contents in describe(str(shared / name)).trees]
    assert {tree.name: tree.entries for tree in trees} == TREES[name]


def test_branches_that_no_column_can_hold_are_shown_with_their_type(
    shared: Path, skim: Callable
) -> None:
    lines = skim("inspect", shared / "l1ntuple_run3_0.root").stdout.splitlines()
    assert any(line.split() == ["unsupported", "std::vector<TString>", "hlt"] for line in lines)


@pytest.mark.parametrize("option", [(), ("--schema",)])
@pytest.mark.parametrize("name", ["truncated.root", "not_root.root", "zero_bytes.root"])
def test_a_file_that_cannot_be_opened_is_named(
    name: str, option: tuple[str, ...], shared: Path, skim: Callable
) -> None:
    result = skim("inspect", shared / "bad" / name, *option)
    assert (result.exit_code, result.stdout) == (1, "")
    assert str(shared / "bad" / name) in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_text_file_is_no_root_file(tmp_path: Path, skim: Callable) -> None:
    (tmp_path / "notes.root").write_text("not a ROOT file" * 100)
    result = skim("inspect", tmp_path / "notes.root")
    assert result.exit_code == 1
    assert "cannot be opened as a ROOT file" in result.stderr
