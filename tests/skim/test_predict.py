"""What a dry run predicts, against what the skim then writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.scheduler import Scheduler
from schemas.load import load_model
from schemas.manifest import Manifest
from schemas.skim_config import SkimConfig
from skim.predict import ENTRIES, FILES, Predicted, predict
from skim.run import SkimJob, prepare, run
from skim.sample import write_sample

HERE = Scheduler(workers=2)
EG = yaml.safe_load((Path(__file__).parents[2] / "configs/skim/fastpuppi_eg.yaml").read_text())


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_sample(folder, "doubleele", events=4800, files=4, seed=3)
    write_sample(folder, "minbias", events=2000, files=1, seed=3)
    return folder


def job(inputs: Path, write_config: Callable, tmp_path: Path, **keys: Any) -> SkimJob:
    samples = {name: f"{inputs}/{name}_*.root" for name in ("doubleele", "minbias")}
    config = write_config(samples=samples, **keys)
    model = load_model(config, SkimConfig)
    return prepare(model, base=config.parent, output=tmp_path / "out", scheduler=HERE)


def accuracy(predicted: dict[str, Predicted], manifest: Manifest) -> dict[str, float]:
    return {name: predicted[name].bytes / record.bytes for name, record in manifest.samples.items()}


CONFIGURATIONS = {
    "everything": {},
    "e/gamma menu": {"keep": EG["keep"]},
    "cuts": {"keep": EG["keep"], "events": "any(TkEleL2.pt > 30)", "objects": {"TkEmL2": "pt > 5"}},
    "small partitions": {"keep": EG["keep"], "storage": {"partition_events": 600}},
    "narrower": {"keep": EG["keep"], "storage": {"narrow": {"*": "5 bits"}}},
    "uncompressed": {"keep": EG["keep"], "storage": {"compression": "none"}},
}


@pytest.mark.parametrize("keys", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_predictions_are_within_a_quarter(
    keys: dict, inputs: Path, write_config: Callable, tmp_path: Path
) -> None:
    todo = job(inputs, write_config, tmp_path, **keys)
    predicted = predict(todo, scheduler=HERE)
    assert list(predicted) == ["doubleele", "minbias"]
    for name, ratio in accuracy(predicted, run(todo, scheduler=HERE)).items():
        assert ratio == pytest.approx(1, abs=0.25), name


def test_little_is_read_of_few_files(inputs: Path, write_config: Callable, tmp_path: Path) -> None:
    todo = job(inputs, write_config, tmp_path, keep=EG["keep"])
    found = predict(todo, scheduler=HERE)
    assert found["doubleele"].entries == FILES * ENTRIES == 3000
    assert found["minbias"].entries == ENTRIES


def test_collections_add_up_to_the_whole(
    inputs: Path, write_config: Callable, tmp_path: Path
) -> None:
    keep = {"event": "run", "L1PuppiMet": ["pt", "phi"], "TkEleL2": "all"}
    found = predict(job(inputs, write_config, tmp_path, keep=keep), scheduler=HERE)["doubleele"]
    assert list(found.collections) == ["event", "L1PuppiMet", "TkEleL2"]
    assert all(found.collections.values())
    assert found.bytes == sum(found.collections.values()) + found.overhead


def test_a_complete_dataset_needs_no_room(
    inputs: Path, write_config: Callable, tmp_path: Path
) -> None:
    run(job(inputs, write_config, tmp_path, keep={"TkEleL2": "pt"}), scheduler=HERE)
    again = job(inputs, write_config, tmp_path, keep={"TkEleL2": "pt"})
    assert [found.bytes for found in predict(again, scheduler=HERE).values()] == [0, 0]


def test_a_cut_that_no_event_passes(inputs: Path, write_config: Callable, tmp_path: Path) -> None:
    keys = {"keep": {"TkEleL2": "pt"}, "events": "count(TkEleL2) < 0"}
    todo = job(inputs, write_config, tmp_path, **keys)
    found = predict(todo, scheduler=HERE)
    for ratio in accuracy(found, run(todo, scheduler=HERE)).values():
        assert ratio == pytest.approx(1, abs=0.25)


def test_the_command_shows_samples_and_collections(
    inputs: Path, write_config: Callable, tmp_path: Path, skim: Callable
) -> None:
    config = write_config(keep=EG["keep"], samples={"ele": f"{inputs}/doubleele_*.root"})
    result = skim("run", config, "-o", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0, result.output
    row = r"ele +4 +4,800 +[\d.]+ MB +4,800 +4 +[\d.]+ MB +[\d.]+ %"
    assert re.search(row, result.stdout)
    assert re.search(r"TkEleL2 \(18\) .* [\d.]+ kB +[\d.]+ %", result.stdout)
    assert "predicted from 3,000 entries" in result.stdout
    assert not (tmp_path / "out").exists()
