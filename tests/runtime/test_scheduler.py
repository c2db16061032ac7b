from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.scheduler import BATCH_WORKERS, Scheduler, parse_scheduler, usable_cpus
from schemas.errors import UsageError


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_local_schedulers_take_a_number_of_workers(kind: str) -> None:
    scheduler = parse_scheduler(kind, 3)
    assert (scheduler.kind, scheduler.workers, scheduler.address) == (kind, 3, "")


def test_workers_default_to_the_processors_that_may_be_used() -> None:
    assert parse_scheduler("threads", None).workers == usable_cpus() == Scheduler().workers


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be pinned here")
def test_pinning_a_process_to_one_processor_leaves_one_worker() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://login7.cern.ch:8786", "tcp://login7.cern.ch:8786"),
        ("tls://10.0.0.1:1234/", "tls://10.0.0.1:1234"),
        ("tcp://[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_an_address_is_a_running_cluster(text: str, address: str) -> None:
    scheduler = parse_scheduler(text, None)
    assert (scheduler.kind, scheduler.address) == ("cluster", address)


@pytest.mark.parametrize(
    ("text", "workers", "message"),
    [
        ("thread", None, "did you mean 'threads'?"),
        ("process", None, "did you mean 'processes'?"),
        ("local", None, "valid names: .*threads"),
        ("", None, "valid names"),
        ("login7:8786", None, "did you mean 'tcp://login7:8786'?"),
        ("tcp://login7", None, r"expected tcp://host:port"),
        ("tcp://:8786", None, r"expected tcp://host:port"),
        ("tcp://login7:port", None, r"expected tcp://host:port"),
        ("tcp://login7:87860", None, r"expected tcp://host:port"),
        ("http://login7:8787", None, "cannot reach a cluster by http://"),
        ("condor", None, "did you mean 'htcondor'?"),
        ("tcp://login7:8786", 4, "--workers has no effect"),
        ("threads", 0, "at least 1, not 0"),
    ],
)
def test_what_cannot_be_followed_is_explained(text: str, workers: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        parse_scheduler(text, workers)


@pytest.mark.parametrize(("kind", "command"), [("htcondor", "condor_submit"), ("slurm", "sbatch")])
def test_batch_systems_need_the_command_that_submits(
    kind: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=f"no command {command} here.*tcp://"):
        parse_scheduler(kind)
    (tmp_path / command).touch(mode=0o755)
    assert parse_scheduler(kind).workers == BATCH_WORKERS
    assert parse_scheduler(kind, 7).workers == 7


def test_work_that_is_over_at_once_is_done_on_threads_of_this_machine() -> None:
    assert Scheduler(kind="slurm", workers=70).at_once == Scheduler()
    here = Scheduler(kind="processes", workers=3)
    assert here.at_once is here
