"""Run work in processes on this machine.

::

    this process                            a worker
    function and arguments, pickled   --->  calls it, and does nothing else
    result or exception, pickled      <---

Each worker has a pipe of its own, so that a worker can be killed at any moment, be it in the middle
of an answer, and nobody else notices. The pools of Python's library share one pipe among all
workers: one that was killed while it wrote an answer left the others and the command waiting
forever. Partial results stay pickled in this process, which merges none of them itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, cast

from runtime.graph_run import GraphRun
from runtime.memory import reuse_memory
from runtime.transport import Parcel, call
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
        Whatever the first failing node raised. No other is started then, and those that run have
        ended before it is raised.
    """
    run = GraphRun(work)
    running: dict[Connection, Key] = {}
    with _processes(workers) as idle:
        while run.left:
            while idle and (node := run.take()):
                request = Parcel.pack(node.function), node.arguments
                connection = idle.pop()
                running[connection] = node.key
                with _alive(work, node.key):
                    connection.send(request)
            for connection in cast("list[Connection]", wait(list(running))):
                key = running.pop(connection)
                with _alive(work, key):
                    answer: Parcel = connection.recv()
                if answer.failed:
                    answer.open()
                run.finish(key, answer)
                idle.append(connection)
    return [answer.open() for answer in run.wanted()]


@contextlib.contextmanager
def _alive(work: Work, key: Key) -> Iterator[None]:
    """Talk to a worker about a node, and say so if it has died."""
    try:
        yield
    except (EOFError, OSError) as error:  # between answers, or in the middle of one
        raise RunError(
            f"a worker process died while it ran {work.describe([key])}. If the machine ran out "
            "of memory, use fewer workers or smaller partitions; then run the same command again"
        ) from error


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[list[Connection]]:
    """Start workers, to each of which a connection leads; all are gone when this ends.

    Unlike a Dask cluster on this machine they need no ports, and one that was killed is an error at
    once, not replaced by another for the same fate.
    """
    copies = _has_one_thread()
    context: ForkContext | SpawnContext = (
        multiprocessing.get_context("fork") if copies else multiprocessing.get_context("spawn")
    )
    connections: list[Connection] = []
    processes: list[BaseProcess] = []
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            connections.append(ours)
            inherited = tuple(connections) if copies else ()
            process: BaseProcess = context.Process(
                target=_serve, args=(theirs, inherited), daemon=True
            )
            process.start()
            processes.append(process)
            theirs.close()  # or the end of the worker would not be the end of the connection
        yield list(connections)
    except KeyboardInterrupt:
        for process in processes:
            process.terminate()
        raise
    finally:
        for connection in connections:
            connection.close()  # upon which a worker ends, as soon as its task has
        for process in processes:
            process.join()


def _has_one_thread() -> bool:
    """Tell whether this process can be copied, by which workers start in 10 ms and not in 250.

    A copy has the one thread that made it: what others held locked, as those of Arrow and XRootD
    may, would stay locked in it. The system is asked, which also knows the threads of libraries.
    """
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:  # not Linux, where libraries of the system may have threads, too
        return False


def _serve(connection: Connection, inherited: Sequence[Connection]) -> None:
    """Answer requests until there are no more; runs in a worker.

    Parameters
    ----------
    connection
        To the process that asks.
    inherited
        Its ends of connections, which a copy of it must not keep open.
    """
    for other in inherited:
        other.close()
    # the terminal sends Ctrl-C to all processes, and this one is ended by the one that started it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # read by Arrow and by BLAS libraries when they are imported: one task, one thread
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    reuse_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # nobody asks for more, or waits for the answer
        while True:
            function, arguments = connection.recv()
            connection.send(call(function, arguments))


def _end_with_parent() -> None:
    """End this process when its parent is gone; a killed parent would leave it waiting."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
