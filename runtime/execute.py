"""Run one function over many partitions, on threads, processes, a cluster or a batch system alike.

On a cluster Dask carries opaque tasks, one a partition, and never sees an array. The graph is a
plain dictionary, the oldest of Dask's interfaces and one that its clusters take in every release.
Threads and processes of this machine take it without Dask, which costs more to import than what
they often have to do, see `runtime.graph_run`.

::

    partitions   0   1   2   3 | 4   5   6   7 | 8     one task each
    merges             0       |       1       |       up to `FAN_IN` neighbours each
    merges                     0                       ... until one is left
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar
from uuid import uuid4

from msgspec import Struct

from runtime.scheduler import Scheduler
from runtime.work import Graph, Key, Work
from schemas.tally import Tally, absorb, step, tallying

T = TypeVar("T")
R = TypeVar("R")

FAN_IN = 4
"""Partial results merged by one node.

Two would hold the least in memory, but costs half as many nodes again and, with processes and
clusters, twice the transfers; a tree of 4 over 10,000 partitions still holds some 20 at a time.
"""


def run_tasks(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    scheduler: Scheduler,
    progress: Callable[[int], None] | None = None,
    tally: Tally | None = None,
) -> list[R]:
    """Apply a function to every task.

    Parameters
    ----------
    function
        What to do with one task. It should keep to one thread, since as many run at a time as
        there are workers, and bear being repeated: a cluster does so when it loses a worker.
    tasks
        What to apply it to, usually descriptions of partitions.
    scheduler
        Where to run. All but threads need everything to be picklable.
    progress
        Called in this process with the number of tasks that have just finished.
    tally
        What all tasks tallied is added to it, and to the tally that is open here.

    Returns
    -------
    list
        The results in the order of the tasks.

    Raises
    ------
    RunError
        If workers or the whole cluster went away.
    Exception
        Whatever the first failing task raised. No other is started then, and those that run
        on this machine have ended before the error is raised.

    Examples
    --------
    >>> run_tasks(abs, [-1, 2, -3], scheduler=Scheduler(workers=2))
    [1, 2, 3]
    """
    if not tasks:
        return []
    tallied = _Tallied(function)
    if _is_trivial(tasks, scheduler):
        return [_open(_run_here(tallied, tasks[0], progress), tally)]
    leaves = _leaf_keys(tasks)
    graph = _leaf_nodes(leaves, _ship(tallied, scheduler), tasks)
    results: list[Outcome[R]] = _compute(graph, leaves, leaves, tasks, scheduler, progress)
    return [_open(result, tally) for result in results]


def map_reduce(
    function: Callable[[T], R],
    merge: Callable[[R, R], R],
    tasks: Sequence[T],
    *,
    scheduler: Scheduler,
    progress: Callable[[int], None] | None = None,
    tally: Tally | None = None,
) -> R:
    """Apply a function to every task and merge the results into one.

    Results are merged with their neighbours as soon as these are there, so few are held at a
    time. What is merged with what depends on the number of tasks alone: sums of floating-point
    numbers come out the same to the last bit on any scheduler with any number of workers.

    Parameters
    ----------
    function, tasks, scheduler, progress, tally
        As in `run_tasks`.
    merge
        Makes one result of two neighbours, the earlier given first. It has to be associative
        within what rounding forgives, and must leave its arguments alone.

    Returns
    -------
    object
        The merged result; that of the only task if there is but one.

    Raises
    ------
    ValueError
        If there is no task, since there is no result then.
    RunError, Exception
        As in `run_tasks`.

    Examples
    --------
    >>> map_reduce(len, max, ["a", "abc", "ab"], scheduler=Scheduler(workers=2))
    3
    """
    if not tasks:
        raise ValueError("nothing to merge: there are no tasks")
    tallied = _Tallied(function)
    if _is_trivial(tasks, scheduler):
        return _open(_run_here(tallied, tasks[0], progress), tally)
    leaves = _leaf_keys(tasks)
    graph = _leaf_nodes(leaves, _ship(tallied, scheduler), tasks)
    nodes, root = _merge_nodes(leaves, _ship(_Merge(merge), scheduler))
    results: list[Outcome[R]] = _compute(graph | nodes, [root], leaves, tasks, scheduler, progress)
    return _open(results[0], tally)


class Outcome(Struct, Generic[R], frozen=True):
    """What a task or a merge returned, and what was tallied on the way."""

    result: R
    tally: Tally


class _Tallied(Struct, Generic[T, R], frozen=True):
    """A function of a task, which returns its tally as well."""

    function: Callable[[T], R]

    def __call__(self, task: T) -> Outcome[R]:
        with tallying() as tally:
            return Outcome(self.function(task), tally)


class _Merge(Struct, Generic[R], frozen=True):
    """A merge of neighbours, which merges their tallies as well."""

    merge: Callable[[R, R], R]

    def __call__(self, *parts: Outcome[R]) -> Outcome[R]:
        with tallying() as tally:
            with step("merge"):
                result = functools.reduce(self.merge, (part.result for part in parts))
            for part in parts:
                tally.add(part.tally)
            return Outcome(result, tally)


def _open(outcome: Outcome[R], tally: Tally | None) -> R:
    if tally is not None:
        tally.add(outcome.tally)
    absorb(outcome.tally)
    return outcome.result


def _is_trivial(tasks: Sequence[Any], scheduler: Scheduler) -> bool:
    """Tell whether threads or processes could do nothing that a call does not."""
    return len(tasks) == 1 and scheduler.kind in ("threads", "processes")


def _run_here(function: Callable[[T], R], task: T, progress: Callable[[int], None] | None) -> R:
    result = function(task)
    if progress:
        progress(1)
    return result


def _ship(function: Callable[..., Any], scheduler: Scheduler) -> Callable[..., Any]:
    """Return what stands for a function in the graph: itself, unless it leaves this process."""
    if scheduler.kind == "threads":
        return function
    from runtime.transport import Shipped

    return Shipped.pack(function)


def _leaf_keys(tasks: Sequence[Any]) -> list[Key]:
    # unique, since all users of a cluster share one namespace
    name = f"partition-{uuid4().hex}"
    return [(name, index) for index in range(len(tasks))]


def _leaf_nodes(keys: Iterable[Key], function: Callable[..., Any], tasks: Iterable[Any]) -> Graph:
    # bound by `partial`, tasks are not searched for keys and nested tasks, as arguments would be
    return {
        key: (functools.partial(function, task),) for key, task in zip(keys, tasks, strict=True)
    }


def _merge_nodes(leaves: Sequence[Key], merge: Callable[..., Any]) -> tuple[Graph, Key]:
    """Return the merges above the leaves, and the key of the last."""
    graph: Graph = {}
    token = uuid4().hex
    level, depth = list(leaves), 0
    while len(level) > 1:
        depth += 1
        above: list[Key] = []
        for index, start in enumerate(range(0, len(level), FAN_IN)):
            group = level[start : start + FAN_IN]
            key = group[0]
            if len(group) > 1:
                key = (f"merge{depth}-{token}", index)
                graph[key] = (merge, *group)
            above.append(key)
        level = above
    return graph, level[0]


def _compute(
    graph: Graph,
    wanted: Sequence[Key],
    leaves: Sequence[Key],
    tasks: Sequence[Any],
    scheduler: Scheduler,
    progress: Callable[[int], None] | None,
) -> list[Any]:
    """Hand the graph to the scheduler and return the wanted results."""
    work = Work(graph, list(wanted), leaves[0][0], tasks, progress or _ignore)
    if scheduler.kind == "cluster":
        from runtime.cluster import run_on_cluster

        return run_on_cluster(work, scheduler)
    workers = min(scheduler.workers, len(tasks))
    if scheduler.kind == "threads":
        from runtime.threads import run_in_threads

        return run_in_threads(work, workers)
    if scheduler.kind == "processes":
        from runtime.processes import run_in_processes

        return run_in_processes(work, workers)
    from runtime.batch import run_in_jobs

    return run_in_jobs(work, scheduler, workers)


def _ignore(_: int) -> None:
    """Stand for a progress report that nobody asked for."""
