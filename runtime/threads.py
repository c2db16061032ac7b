"""Run work in threads of this process.

Dask's own threads would do the same, and take 0.1 s to import, as long as 100,000 events take to
fill; and 0.1 s for 1,000 empty tasks, which take 0.03 s here.
"""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from runtime.work import Key, Work

PATIENCE = 5.0
"""Seconds that tasks have to finish after an interrupt."""

_WORKER = "l1skim-worker"  # how the names of threads start that run tasks


def run_in_threads(work: Work, workers: int) -> list[Any]:
    """Run a graph in threads.

    Whatever merges results goes first, so that few are held at a time.

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
        return _Run(work, pool).collect(workers)


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


class _Run:
    """One graph on its way to results."""

    def __init__(self, work: Work, pool: ThreadPoolExecutor) -> None:
        self.work = work
        self.pool = pool
        self.results: dict[Key, Any] = {}
        self.finished: SimpleQueue[tuple[Key, Future[Any]]] = SimpleQueue()
        self.missing = {key: len(arguments) for key, (_, *arguments) in work.graph.items()}
        self.users = {key: user for user, (_, *keys) in work.graph.items() for key in keys}
        # merges before partitions, each in their order
        self.ready = [self.rank(key) for key, count in self.missing.items() if not count]
        heapq.heapify(self.ready)

    def rank(self, key: Key) -> tuple[bool, int, Key]:
        return self.work.is_partition(key), key[1], key

    def collect(self, workers: int) -> list[Any]:
        """Start nodes as threads get free, and return the wanted results."""
        running = 0
        for _ in range(len(self.work.graph)):
            while self.ready and running < workers:
                self.start(heapq.heappop(self.ready)[-1])
                running += 1
            key, future = self.finished.get()
            running -= 1
            self.finish(key, future.result())
        return [self.results[key] for key in self.work.wanted]

    def start(self, key: Key) -> None:
        function, *keys = self.work.graph[key]
        arguments = [self.results.pop(argument) for argument in keys]
        future = self.pool.submit(function, *arguments)
        future.add_done_callback(lambda done: self.finished.put((key, done)))

    def finish(self, key: Key, result: Any) -> None:
        self.results[key] = result
        user = self.users.get(key)
        if user is not None:
            self.missing[user] -= 1
            if not self.missing[user]:
                heapq.heappush(self.ready, self.rank(user))
        if self.work.is_partition(key):
            self.work.progress(1)
