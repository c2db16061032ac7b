"""Run work in processes on this machine.

Partial results stay pickled in this process, which merges none of them itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from runtime.memory import reuse_memory
from runtime.pool_run import PoolRun
from runtime.transport import FailedCallError, Parcel, call
from runtime.work import Work
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
    with _processes(workers) as pool:

        def submit(function: Callable[..., Any], *arguments: Parcel) -> Future[Parcel]:
            return pool.submit(call, Parcel.pack(function), *arguments)

        run = PoolRun(work, submit)
        try:
            return [parcel.open() for parcel in run.collect(workers)]
        except BrokenExecutor as broken:
            raise RunError(
                f"a worker process died while it ran {work.describe(run.running)}. If the machine "
                "ran out of memory, use fewer workers or smaller partitions; then run the same "
                "command again"
            ) from broken
        except FailedCallError as failure:
            error = failure.open()
    raise error  # not inside the handler, where the failure would become its context


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
