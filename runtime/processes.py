"""Run work in processes on this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor
from typing import Any

from runtime.memory import reuse_memory
from runtime.work import Key, Work
from schemas.errors import RunError


def run_in_processes(work: Work, workers: int) -> list[Any]:
    """Run a graph in processes of its own.

    Parameters
    ----------
    work
        What to run.
    workers
        Number of processes.

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
    import dask.multiprocessing
    from dask.callbacks import Callback

    running: set[Key] = set()

    def started(key: Key, _graph: object, _state: object) -> None:
        running.add(key)

    def finished(key: Key, *_: object) -> None:
        running.discard(key)
        if work.is_partition(key):
            work.progress(1)

    try:
        with _processes(workers) as pool, Callback(pretask=started, posttask=finished):
            # by default 6 tasks travel together and chains become one task: here tasks are long
            results = dask.multiprocessing.get(
                work.graph, work.wanted, pool=pool, chunksize=1, optimize_graph=False
            )
            return list(results)
    except BrokenExecutor as error:
        raise RunError(
            f"a worker process died while it ran {work.describe(running)}. If the machine ran out "
            "of memory, use fewer workers or smaller partitions; then run the same command again"
        ) from error


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
    reuse_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone; a killed parent would leave it waiting."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
