"""Blocks of events from a dataset: a partition, or small ones together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from histo.plan import Plan
from schemas.event_schema import EventSchema
from schemas.events import Events, Objects, decoded
from schemas.parquet import read_events
from schemas.small_partitions import SMALL, read_together
from schemas.tally import step

EVENTS_PER_BLOCK = 16_384
"""Events up to which partitions are filled together.

To fill from a block takes 10 to 60 ms however few events are in it, for all the calls into NumPy
of a large configuration: 1,000 partitions of 10 events each would take as long as 1,000,000 events.
"""


PARTITIONS_PER_BLOCK = 64
"""The most partitions that are filled together: to open each takes 1 ms, which workers share."""


class PartitionBlock(Struct, frozen=True):
    """The first events of a partition of a dataset.

    Attributes
    ----------
    path
        Of the Parquet file.
    schema
        Of the dataset, as far as it is read.
    rows, footer
        Events in the file, and digest of its footer, as the manifest says.
    events
        How many of them to take, from the first on.
    events_read
        Number of events that these are what the skim left of.
    bytes
        Size of the file, as the manifest says.
    """

    path: str
    schema: EventSchema
    rows: int
    footer: str
    events: int
    events_read: int
    bytes: int

    @property
    def is_small(self) -> bool:
        """Whether it is taken whole and may be read with others."""
        return self.bytes <= SMALL and self.events == self.rows

    def load(self, plan: Plan) -> Events:
        """Read what a plan needs of the partition.

        Raises
        ------
        DatasetError
            If it is damaged.
        """
        return read_events(
            self.path, self.schema, plan.columns, plan.collections, rows=self.rows,
            footer=self.footer, events=self.events, coded=True,
        )  # fmt: skip


class PartitionsBlock(Struct, frozen=True):
    """Consecutive partitions of one sample or several, as one block of events.

    Attributes
    ----------
    parts
        At least one.
    """

    parts: tuple[PartitionBlock, ...]

    @property
    def events_read(self) -> int:
        """Number of events that these are what the skim left of."""
        return sum(part.events_read for part in self.parts)

    def load(self, plan: Plan) -> Events:
        """Read what a plan needs of all partitions.

        Raises
        ------
        DatasetError
            If one is damaged.
        """
        with step("read"):
            if len(self.parts) > 1 and all(part.is_small for part in self.parts):
                schema = self.parts[0].schema
                return read_together(self.parts, schema, plan.columns, plan.collections)
            return concatenate([part.load(plan) for part in self.parts])


def group_partitions(parts: Sequence[PartitionBlock]) -> list[PartitionsBlock]:
    """Put small partitions together, those next to each other, in their order."""
    groups: list[list[PartitionBlock]] = []
    left = 0
    for part in parts:
        if not groups or part.events > left or len(groups[-1]) == PARTITIONS_PER_BLOCK:
            groups.append([])
            left = EVENTS_PER_BLOCK
        groups[-1].append(part)
        left -= part.events
    return [PartitionsBlock(tuple(group)) for group in groups]


def concatenate(blocks: Sequence[Events]) -> Events:
    """Put events of the same collections and columns after one another.

    Those of several blocks are decoded: each has a dictionary of its own, which in blocks of few
    events is hardly shorter than the column.
    """
    first = blocks[0]
    if len(blocks) == 1:
        return first
    lists = {}
    for name, objects in first.collections.items():
        every = [block.collections[name] for block in blocks]
        counts = np.concatenate([own.counts for own in every])
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        fields = {
            field: np.concatenate([decoded(own.fields[field]) for own in every])
            for field in objects.fields
        }
        lists[name] = Objects(offsets, fields)
    columns = {
        name: np.concatenate([decoded(block.columns[name]) for block in blocks])
        for name in first.columns
    }
    return Events(sum(block.size for block in blocks), lists, columns)
