"""One run's work, in the form in which `runtime.execute` hands it to a scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct

Key = tuple[str, int]
"""Name and index of a node; all partitions of a run have one name, whose index is the task's."""

Graph = dict[Key, tuple[Any, ...]]
"""Nodes of a run, each a function followed by the keys of its arguments."""

_LONGEST = 160


class Work(Struct, frozen=True):
    """A graph and what is needed to run it and to talk about it.

    Attributes
    ----------
    graph
        All nodes.
    wanted
        The keys of the results to return, in their order.
    partition
        The name that the keys of all partitions have.
    tasks
        What the partitions are, for messages.
    progress
        Called in this process with the number of partitions that have just finished.
    """

    graph: Graph
    wanted: list[Key]
    partition: str
    tasks: Sequence[Any]
    progress: Callable[[int], None]

    def is_partition(self, key: object) -> bool:
        """Tell whether a key is that of a partition, not of a merge."""
        return isinstance(key, tuple) and key[0] == self.partition

    def keys_of_partitions(self) -> list[Key]:
        """List the keys of all partitions, in the order of the tasks."""
        return [(self.partition, index) for index in range(len(self.tasks))]

    def describe(self, keys: Iterable[object]) -> str:
        """Say which tasks these are, at most three of them, counted from 1.

        Returns
        -------
        str
            Such as ``task 3 of 10 (Partition(path='a.root', ...)``, on one line.
        """
        indices = sorted(
            key[1] for key in keys if isinstance(key, tuple) and self.is_partition(key)
        )
        if not indices:
            return "a merge of results"
        count = len(self.tasks)
        shown = [f"task {index + 1} of {count} ({self._name(index)})" for index in indices[:3]]
        more = len(indices) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")

    def _name(self, index: int) -> str:
        text = " ".join(str(self.tasks[index]).split())
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
