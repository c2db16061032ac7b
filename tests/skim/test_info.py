"""What `skim info` says of a dataset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def test_json_counts_the_events_that_were_read(
    shared: Path, tmp_path: Path, skim: Callable, write_config: Callable
) -> None:
    config = write_config(
        samples={"ele": f"{shared}/fastpuppi_doubleele_[01].root"},
        keep={"TkEleL2": ["pt", "eta"]},
        events="any(TkEleL2.pt > 30)",
    )
    assert skim("run", config, "-o", tmp_path / "out").exit_code == 0
    result = skim("info", tmp_path / "out", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["events_read"] == 5000
    assert 0 < found["events_kept"] < 5000
    assert found["samples"]["ele"]["files"] == 2


def test_json_describes_the_dataset(dataset: Path, ntuples: list[Path], skim: Callable) -> None:
    found = json.loads(skim("info", dataset, "--json").stdout)
    size = sum(path.stat().st_size for path in dataset.glob("sample=*/*.parquet"))
    assert (found["format_version"], found["path"]) == (1, str(dataset))
    assert found["samples"]["doubleele"] == {
        "files": 2,
        "entries": 300,
        "events_read": 300,
        "events_kept": 300,
        "sum_of_weights": 300.0,
        "partitions": 6,
        "bytes": size,
        "source_bytes": sum(path.stat().st_size for path in ntuples),
        "left_out": [],
    }
    assert found["bytes"] == size
    assert found["collections"]["TkEleL2"]["fields"]["pt"]["unit"] == "GeV"
    assert found["configuration"]["keep"] == {"*": ["*"]}
    assert {"l1skim", "pyarrow", "uproot"} <= found["software"].keys()


def test_the_text_names_samples_collections_cuts_and_versions(
    ntuples: list[Path], make_dataset: Callable, skim: Callable
) -> None:
    dataset = make_dataset(
        ntuples, keep={"TkEleL2": "pt"}, objects={"TkEleL2": "pt > 25"}, events="count(TkEleL2) > 0"
    )
    text = skim("info", dataset.path).stdout
    kept = dataset.samples["sample"].events_kept
    for words in ("sample", "300", str(kept), "TkEleL2 (1)", "TkEleL2: pt > 25"):
        assert words in text
    assert "events: count(TkEleL2) > 0" in text
    assert dataset.manifest.configuration_hash in text


def test_nothing_but_the_manifest_is_read(dataset: Path, tmp_path: Path, skim: Callable) -> None:
    shutil.copy(dataset / "manifest.json", tmp_path)
    assert skim("info", tmp_path).exit_code == 0


@pytest.mark.parametrize("name", ["datasett", "."])
def test_a_folder_that_is_no_dataset_is_refused(name: str, dataset: Path, skim: Callable) -> None:
    result = skim("info", dataset.parent / name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert ("did you mean 'dataset'?" if name != "." else "is not a dataset") in result.stderr


def test_a_damaged_manifest_is_named(tmp_path: Path, skim: Callable) -> None:
    (tmp_path / "manifest.json").write_text("{")
    result = skim("info", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert str(tmp_path / "manifest.json") in result.stderr
    assert "Traceback" not in result.stderr
