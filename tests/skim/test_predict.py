"""What a dry run predicts, against what the skim then writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas import open_dataset
from schemas.sizes import parse_size
from skim.predict import ENTRIES, FILES
from skim.sample import write_sample

EG = yaml.safe_load((Path(__file__).parents[2] / "configs/skim/fastpuppi_eg.yaml").read_text())
SIZE = r"([\d.]+ k?M?B)"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_sample(folder, "doubleele", events=4800, files=4, seed=3)
    write_sample(folder, "minbias", events=2000, files=1, seed=3)
    return folder


@pytest.fixture
def run(inputs: Path, write_config: Callable, tmp_path: Path, skim: Callable) -> Run:
    """How to skim both samples into the folder ``out``; what it prints."""

    def call(*options: str, **keys: Any) -> str:
        samples = {name: f"{inputs}/{name}_*.root" for name in ("doubleele", "minbias")}
        config = write_config(samples=samples, **keys)
        result = skim("run", config, "-o", tmp_path / "out", *options)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    return call


def predicted(text: str) -> dict[str, float]:
    """Return the predicted bytes by sample."""
    rows = re.findall(rf"^ *(\w+) .* {SIZE} +(?:[\d.]+ %|-) *$", text, re.MULTILINE)
    return {name: parse_size(size) for name, size in rows if name in ("doubleele", "minbias")}


CONFIGURATIONS = {
    "everything": {},
    "e/gamma menu": {"keep": EG["keep"]},
    "cuts": {"keep": EG["keep"], "events": "any(TkEleL2.pt > 30)", "objects": {"TkEmL2": "pt > 5"}},
    "small partitions": {"keep": EG["keep"], "storage": {"partition_events": 600}},
    "narrower": {"keep": EG["keep"], "storage": {"narrow": {"*": "5 bits"}}},
    "uncompressed": {"keep": EG["keep"], "storage": {"compression": "none"}},
    "no event": {"keep": {"TkEleL2": "pt"}, "events": "count(TkEleL2) < 0"},
}


@pytest.mark.parametrize("keys", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_predictions_are_within_a_quarter(keys: dict, run: Run, tmp_path: Path) -> None:
    found = predicted(run("--dry-run", **keys))
    assert not (tmp_path / "out").exists()
    run(**keys)
    written = open_dataset(tmp_path / "out").samples
    assert found.keys() == written.keys()
    for name, record in written.items():
        assert found[name] / record.bytes == pytest.approx(1, abs=0.25), name


def test_little_is_read_of_few_files(run: Run) -> None:
    # of the four files with 1,200 events of one sample, and of the one of the other
    expected = f"predicted from {(FILES + 1) * ENTRIES:,} entries"
    assert expected in run("--dry-run", keep=EG["keep"])


def test_samples_and_collections_are_shown_with_their_shares(run: Run) -> None:
    keep = {"event": "run", "L1PuppiMet": ["pt", "phi"], "TkEleL2": "all"}
    text = run("--dry-run", keep=keep)
    row = rf"doubleele +4 +4,800 +{SIZE} +4,800 +4 +{SIZE} +[\d.]+ %"
    assert re.search(row, text)
    shares = [
        float(re.search(rf"{name} \({fields}\) .* {SIZE} +([\d.]+) %", text)[2])
        for name, fields in (("event", 1), ("L1PuppiMet", 2), ("TkEleL2", 18))
    ]
    assert shares == sorted(shares)
    assert 90 < sum(shares) < 100  # the rest is what the files hold besides columns


def test_a_complete_dataset_needs_no_room(run: Run) -> None:
    run(keep={"TkEleL2": "pt"})
    assert predicted(run("--dry-run", keep={"TkEleL2": "pt"})) == {"doubleele": 0, "minbias": 0}
