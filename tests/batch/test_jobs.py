"""Both stages as jobs of a batch system: the same output, and no job or key left behind."""

from __future__ import annotations

import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import dask
import pytest
import uproot
from click.testing import CliRunner

import runtime.batch
from histo.cli import main as histo
from runtime.execute import run_tasks
from runtime.scheduler import Scheduler
from schemas.errors import RunError
from tests.batch.batch import Batch

HISTO = """
histograms:
  Pt:
    fill: {pt: {axis: [20, 0, 100]}}
    for: {TkEleL2: all}
"""


@pytest.fixture
def skimming(ntuples: list[Path], tmp_path: Path) -> list[object]:
    """A skim of ten partitions; the output comes after it."""
    config = tmp_path / "skim.yaml"
    config.write_text("""
schema: fastpuppi
keep: {TkEleL2: all}
storage: {partition_events: 30}
""")
    return ["run", config, "--files", f"s={ntuples[0].parent}/*.root", "-o"]


def test_both_stages_give_the_same_as_here(
    batch: Batch, skimming: list[object], tmp_path: Path, skim: Callable
) -> None:
    assert skim(*skimming, tmp_path / "here").exit_code == 0
    done = batch.run("skim", *skimming, tmp_path / "there")
    assert done.returncode == 0, done.stderr
    assert "300 of 300 events kept" in done.stdout
    assert _content(tmp_path / "there") == _content(tmp_path / "here")

    config = tmp_path / "histo.yaml"
    config.write_text(HISTO)
    filled = ["run", str(config), str(tmp_path / "here"), "-o"]
    assert CliRunner().invoke(histo, [*filled, str(tmp_path / "here.root")]).exit_code == 0
    done = batch.run("histo", *filled, tmp_path / "there.root")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there.root").read_bytes() == (tmp_path / "here.root").read_bytes()

    batch.await_end()
    assert batch.kept() == []


@pytest.mark.parametrize(
    ("how", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
)
def test_an_interrupted_run_takes_its_jobs_with_it(
    batch: Batch, skimming: list[object], how: signal.Signals, code: int, word: str, tmp_path: Path
) -> None:
    with batch.start("skim", *skimming, tmp_path / "out", **_stuck(batch)) as process:
        assert "waiting for workers" in _line(process)
        assert len(batch.jobs()) == 2
        process.send_signal(how)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"{word}: 0 of 10 partitions are done; run the same command again" in stderr
    batch.await_end()
    assert batch.kept() == []


def test_a_killed_run_leaves_jobs_that_end_by_themselves(
    batch: Batch, skimming: list[object], tmp_path: Path, skim: Callable
) -> None:
    soon = _set(batch, DEATH_TIMEOUT="5")
    with batch.start("skim", "-v", *skimming, tmp_path / "out", **soon) as process:
        assert "submitted 2 jobs" in _line(process)
        process.kill()
    batch.await_end()
    assert batch.run("skim", *skimming, tmp_path / "out").returncode == 0
    assert skim(*skimming, tmp_path / "here").exit_code == 0
    assert _content(tmp_path / "out") == _content(tmp_path / "here")


def test_jobs_that_never_become_workers_are_an_error(
    batch: Batch, skimming: list[object], tmp_path: Path
) -> None:
    done = batch.run("skim", *skimming, tmp_path / "out", **_set(batch, PYTHON="/nowhere/python"))
    assert done.returncode == 1
    assert f"all 2 jobs of {batch.kind} have ended, and work is left" in done.stderr
    assert "/nowhere/python" in done.stderr
    kept = batch.kept()
    assert f"what the jobs wrote is kept in {kept[0].parent}" in done.stderr
    assert not [path for path in kept if path.suffix == ".pem"]


def test_jobs_that_run_without_becoming_workers_are_given_up(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.batch, "ASK_EVERY", 0.2)
    monkeypatch.setattr(runtime.batch, "STARTS_WITHIN", 1.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(batch.folder))
    scheduler = Scheduler(kind=batch.kind, workers=1)
    with (
        dask.config.set({f"jobqueue.{batch.kind}.python": "exec sleep 100;"}),
        pytest.raises(RunError, match="have been running for 1 s, and none of them is a worker"),
    ):
        run_tasks(str, [1, 2], scheduler=scheduler)


def test_what_the_batch_system_refuses_is_said_in_its_words(
    batch: Batch, skimming: list[object], tmp_path: Path
) -> None:
    if batch.kind == "slurm":
        settings, words = {"QUEUE": "nowhere"}, "invalid partition specified: nowhere"
    else:
        settings, words = {"JOB_EXTRA_DIRECTIVES": '{"request_cpus": "a b"}'}, "RequestCpus = a b"
    done = batch.run("skim", *skimming, tmp_path / "out", **_set(batch, **settings))
    assert done.returncode == 1
    assert words in done.stderr
    assert f"jobqueue.{batch.kind}" in done.stderr
    assert "Traceback" not in done.stderr
    assert batch.jobs() == []
    assert batch.kept() == []


def test_a_mistake_in_the_configuration_of_jobs_is_one_of_usage(
    batch: Batch, skimming: list[object], tmp_path: Path
) -> None:
    done = batch.run("skim", *skimming, tmp_path / "out", **_set(batch, MEMORY="lots"))
    assert done.returncode == 2
    assert f"configuration of jobqueue.{batch.kind}" in done.stderr
    assert "lots" in done.stderr
    assert batch.kept() == []


def test_an_error_of_a_task_is_that_of_any_scheduler(
    batch: Batch, skimming: list[object], ntuples: list[Path], tmp_path: Path
) -> None:
    with uproot.open(ntuples[0]) as file:
        basket = int(file["Events"]["TkEleL2_pt"].member("fBasketSeek")[0])
    content = bytearray(ntuples[0].read_bytes())
    content[basket + 100 : basket + 150] = bytes(50)
    damaged = tmp_path / "damaged.root"
    damaged.write_bytes(content)
    done = batch.run("skim", *skimming[:3], f"s={damaged}", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert f"{damaged}: branch 'TkEleL2_pt', entries" in done.stderr
    batch.await_end()
    assert batch.kept() == []


def _set(batch: Batch, **options: str) -> dict[str, str]:
    """Return the environment in which Dask's configuration of jobs says something."""
    return {f"DASK_JOBQUEUE__{batch.kind.upper()}__{key}": text for key, text in options.items()}


def _stuck(batch: Batch) -> dict[str, str]:
    """Return the environment in which no job ever starts."""
    directive = {"slurm": '["--begin=now+1hour"]', "htcondor": '{"requirements": "False"}'}
    return _set(batch, JOB_EXTRA_DIRECTIVES=directive[batch.kind])


def _line(process: subprocess.Popen[str]) -> str:
    """Wait for a line on standard error."""
    assert process.stderr
    assert select.select([process.stderr], [], [], 60)[0], "nothing was said within 60 s"
    return process.stderr.readline()


def _content(dataset: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(dataset)): path.read_bytes()
        for path in dataset.rglob("*")
        if path.is_file()
    }
