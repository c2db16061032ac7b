"""What is particular to clusters: parts of them, or all, may go away."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import pytest

import runtime.cluster
from runtime.execute import map_reduce, run_tasks
from runtime.scheduler import Scheduler
from schemas.errors import RunError, UsageError

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class StartCluster(Protocol):
    def __call__(self, workers: int = 2, **settings: str) -> AbstractContextManager[Any]: ...


def be_slow(task: int) -> int:
    time.sleep(0.1)
    return task


def kill_worker(task: int) -> int:
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


class KillAfter:
    """Progress that kills processes once two tasks are done."""

    def __init__(self, *processes: Any) -> None:
        self.processes = processes
        self.done = 0

    def __call__(self, steps: int) -> None:
        self.done += steps
        if self.done >= 2:
            for process in self.processes:
                process.kill()


def test_a_lost_worker_costs_nothing_but_time(start_cluster: StartCluster) -> None:
    with start_cluster(workers=2) as cluster:
        scheduler = Scheduler(kind="cluster", address=cluster.address)
        kill = KillAfter(cluster.workers[0])
        total = map_reduce(be_slow, max, range(12), scheduler=scheduler, progress=kill)
        assert total == 11
        assert kill.done == 12


def test_a_cluster_without_workers_is_given_up(start_cluster: StartCluster) -> None:
    with start_cluster(workers=1) as cluster:
        scheduler = Scheduler(kind="cluster", address=cluster.address, patience=1.0)
        with pytest.raises(RunError, match="has had no workers for 1 s"):
            run_tasks(be_slow, range(12), scheduler=scheduler, progress=KillAfter(*cluster.workers))


def test_a_lost_scheduler_is_an_error(
    start_cluster: StartCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    with start_cluster(workers=1) as cluster:
        scheduler = Scheduler(kind="cluster", address=cluster.address)
        with pytest.raises(RunError, match="lost the connection to the cluster at tcp://"):
            map_reduce(
                be_slow, max, range(12), scheduler=scheduler, progress=KillAfter(cluster.scheduler)
            )
    assert capfd.readouterr().err == ""


def test_a_task_that_kills_its_workers_is_named(start_cluster: StartCluster) -> None:
    with start_cluster(2, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster:
        scheduler = Scheduler(kind="cluster", address=cluster.address)
        with pytest.raises(RunError, match=r"1 workers .* died .* task 2 of 3 \(1\)"):
            map_reduce(kill_worker, max, range(3), scheduler=scheduler)


def test_an_address_where_nothing_listens_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RunError, match=f"{address}: Connection refused"):
            run_tasks(str, [1], scheduler=Scheduler(kind="cluster", address=address))
    assert capfd.readouterr().err == ""


def test_something_that_is_no_scheduler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.cluster, "ANSWER_WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RunError, match="no answer"):
            run_tasks(str, [1], scheduler=Scheduler(kind="cluster", address=address))


def test_tls_without_certificates_is_a_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"tls://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(UsageError, match="needs certificates"):
            run_tasks(str, [1], scheduler=Scheduler(kind="cluster", address=address))


def test_a_module_that_the_workers_lack_is_named(
    dask_cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "known_only_here.py").write_text("def double(task):\n    return 2 * task\n")
    monkeypatch.syspath_prepend(tmp_path)
    from known_only_here import double  # type: ignore[import-not-found]

    scheduler = Scheduler(kind="cluster", address=dask_cluster)
    with pytest.raises(RunError, match=r"cannot import 'known_only_here'.*install there"):
        run_tasks(double, range(3), scheduler=scheduler)


def test_a_cluster_serves_run_after_run(dask_cluster: str) -> None:
    scheduler = Scheduler(kind="cluster", address=dask_cluster)
    for _ in range(2):
        with contextlib.suppress(ZeroDivisionError):
            run_tasks(lambda task: 1 // task, range(5), scheduler=scheduler)
        assert run_tasks(abs, [-1, 1], scheduler=scheduler) == [1, 1]
