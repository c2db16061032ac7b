"""Run work on this machine, in threads or in processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor
from typing import Any

from runtime.scheduler import Scheduler
from runtime.work import Graph, Key, Work
from schemas.errors import RunError

PATIENCE = 5.0
"""Seconds that tasks in threads have to finish after an interrupt."""

_WORKER = "l1skim-worker"  # how the names of threads start that run tasks


def run_locally(work: Work, scheduler: Scheduler) -> list[Any]:
    """Run a graph in threads of this process or in processes of its own.

    Parameters
    ----------
    work
        What to run.
    scheduler
        Of kind ``threads`` or ``processes``.

    Returns
    -------
    list
        The wanted results, in their order.

    Raises
    ------
    RunError
        If a worker process died.
    Exception
        Whatever the first failing node raised.
    """
    from dask.callbacks import Callback

    running: set[Key] = set()

    def started(key: Key, _graph: object, _state: object) -> None:
        running.add(key)

    def finished(key: Key, *_: object) -> None:
        running.discard(key)
        if work.is_partition(key):
            work.progress(1)

    workers = min(scheduler.workers, len(work.tasks))
    open_pool = _threads if scheduler.kind == "threads" else _processes
    try:
        with open_pool(workers) as pool, Callback(pretask=started, posttask=finished):
            return list(_get(work.graph, work.wanted, pool, scheduler))
    except BrokenExecutor as error:
        raise RunError(
            f"a worker process died while it ran {work.describe(running)}. If the machine ran out "
            "of memory, use fewer workers or smaller partitions; then run the same command again"
        ) from error


def _get(graph: Graph, keys: list[Key], pool: Executor, scheduler: Scheduler) -> tuple[Any, ...]:
    """Compute the values of some keys."""
    results: tuple[Any, ...]
    if scheduler.kind == "threads":
        import dask.threaded

        results = dask.threaded.get(graph, keys, pool=pool)
    else:
        import dask.multiprocessing

        # by default 6 tasks travel together and chains become one task: here tasks are long
        results = dask.multiprocessing.get(
            graph, keys, pool=pool, chunksize=1, optimize_graph=False
        )
    return results


@contextlib.contextmanager
def _threads(workers: int) -> Iterator[Executor]:
    """Open a pool of threads that are all idle when it closes, unless it is interrupted.

    A thread cannot be ended from outside, and one that waits for a server may do so for minutes:
    after an interrupt, tasks get `PATIENCE` to finish and are abandoned then.
    """
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix=_WORKER)
    try:
        yield pool
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + PATIENCE
        for thread in busy_threads():
            thread.join(max(0.0, deadline - time.monotonic()))
        raise
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


def busy_threads() -> list[threading.Thread]:
    """Return the threads that still run tasks; Python would wait for them when it ends."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(_WORKER)]


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Open a pool of processes that are all gone when it closes.

    Unlike a Dask cluster on this machine it starts in a quarter of a second, needs no ports, and
    says at once when a process was killed, instead of starting another for the same fate.
    """
    from concurrent.futures import ProcessPoolExecutor

    others = set(multiprocessing.active_children())
    # a forked copy of a process with threads, as Arrow has them, may hang
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)
    try:
        yield pool
    except KeyboardInterrupt:
        # a terminal sends Ctrl-C to the workers as well, but `kill -INT` reaches only this one
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_worker() -> None:
    """Set a new worker process up; runs in it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it, without a traceback
    # read by Arrow and by BLAS libraries when they are imported: one task, one thread
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone; a killed parent would leave it waiting."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
