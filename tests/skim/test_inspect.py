"""What `skim inspect` shows of a ROOT file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from skim.contents import describe

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


def test_trees_collections_fields_and_sizes_are_shown(ntuples: list[Path], skim: Callable) -> None:
    result = skim("inspect", ntuples[0])
    assert result.exit_code == 0
    assert "Events (TTree): 150 entries, 239 branches" in result.stdout
    for words in ("TkEleL2 (18)", "genMet (2)", "event (4)", "int32: charge, hwQual", "kB"):
        assert words in result.stdout


def test_branches_become_collections_singletons_and_event_fields(ntuples: list[Path]) -> None:
    [tree] = describe(str(ntuples[0]))
    kinds = {name: c.kind for name, c in tree.layout.schema.collections.items()}
    assert (kinds["TkEleL2"], kinds["genMet"], kinds["event"]) == ("list", "singleton", "event")
    assert tree.layout.unsupported == {}
    assert 0 < tree.compressed < ntuples[0].stat().st_size


def test_one_tree_can_be_named(ntuples: list[Path], skim: Callable) -> None:
    assert skim("inspect", f"{ntuples[0]}:Events").stdout == skim("inspect", ntuples[0]).stdout


def test_an_unknown_tree_is_answered_with_the_nearest(ntuples: list[Path], skim: Callable) -> None:
    result = skim("inspect", f"{ntuples[0]}:Event")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "has no tree 'Event'; did you mean 'Events'?" in result.stderr


@pytest.mark.parametrize("name", TREES)
def test_every_format_can_be_inspected(name: str, shared: Path) -> None:
    trees = describe(str(shared / name))
    assert {tree.name: tree.entries for tree in trees} == TREES[name]


def test_branches_that_no_column_can_hold_are_shown_with_their_type(
    shared: Path, skim: Callable
) -> None:
    lines = skim("inspect", shared / "l1ntuple_run3_0.root").stdout.splitlines()
    [line] = [line for line in lines if line.strip().startswith("hlt")]
    assert "unsupported" in line


@pytest.mark.parametrize("name", ["truncated.root", "not_root.root", "zero_bytes.root"])
def test_a_file_that_cannot_be_opened_is_named(name: str, shared: Path, skim: Callable) -> None:
    result = skim("inspect", shared / "bad" / name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert str(shared / "bad" / name) in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_text_file_is_no_root_file(tmp_path: Path, skim: Callable) -> None:
    (tmp_path / "notes.root").write_text("not a ROOT file" * 100)
    result = skim("inspect", tmp_path / "notes.root")
    assert result.exit_code == 1
    assert "cannot be opened as a ROOT file" in result.stderr
