"""Run work in threads of this process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from runtime.graph_run import GraphRun
from runtime.work import Key, Work

PATIENCE = 5.0
"""Seconds that tasks have to finish after an interrupt."""

_WORKER = "l1skim-worker"  # how the names of threads start that run tasks


def run_in_threads(work: Work, workers: int) -> list[Any]:
    """Run a graph in threads.

    Parameters
    ----------
    work
        What to run.
    workers
        Number of threads.

    Returns
    -------
    list
        The wanted results, in their order.

    Raises
    ------
    Exception
        Whatever the first failing node raised. No other is started then, and those that run have
        ended before it is raised.
    """
    with _open_pool(workers) as pool:
        run = GraphRun(work)
        running: dict[Future[Any], Key] = {}
        finished: SimpleQueue[Future[Any]] = SimpleQueue()
        while run.left:
            while len(running) < workers and (node := run.take()):
                future = pool.submit(node.function, *node.arguments)
                running[future] = node.key
                future.add_done_callback(finished.put)
            future = finished.get()
            run.finish(running.pop(future), future.result())
        return run.wanted()


@contextlib.contextmanager
def _open_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of threads that are all idle when it closes, unless it is interrupted.

    A thread cannot be ended from outside, and one that waits for a server may do so for minutes:
    after an interrupt, tasks get `PATIENCE` to finish and are abandoned then.
    """
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
