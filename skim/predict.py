"""How large a dataset will be: a little of each sample read, reduced and encoded in memory."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from typing import TYPE_CHECKING

import numpy as np

from runtime.console import Watch, progress_bar
from runtime.execute import run_tasks
from schemas.arrow_parquet import read_metadata
from schemas.reduction import reduce_events
from schemas.trees import read_entries
from skim.encode import write_options
from skim.parquet_file import write_parquet

if TYPE_CHECKING:
    from runtime.scheduler import Scheduler
    from schemas.event_schema import EventSchema
    from schemas.events import Events
    from schemas.skim_config import Storage
    from skim.job import SkimJob
    from skim.partition import SkimTask

FILES = 3
"""Files of a sample of which a little is read: the first, the last and one between."""

ENTRIES = 1000
"""Entries read of each; with half as many, predictions were off by up to 17 % instead of 8 %."""

LASTING = 0.85
"""What each further doubling of the events in a file saves, of what the one before did."""


@dataclass(frozen=True)
class Predicted:
    """The size that partitions will have.

    Attributes
    ----------
    entries
        Number of entries that were read for it.
    collections
        Bytes by collection; fields of the event itself, and of collections with one object per
        event, go by the name of theirs.
    overhead
        Bytes of the files that belong to no column.
    """

    entries: int = 0
    collections: Mapping[str, float] = field(default_factory=dict)
    overhead: float = 0.0

    @property
    def bytes(self) -> float:
        """Of all together."""
        return sum(self.collections.values()) + self.overhead


def predict(
    job: SkimJob, *, scheduler: Scheduler, watch: Watch = progress_bar
) -> dict[str, Predicted]:
    """Predict the size of the partitions that a skim will make.

    Parameters
    ----------
    job
        What there is to do.
    scheduler
        Where the samples are read.
    watch
        Shows how far the reading has come.

    Returns
    -------
    dict
        By sample, in the order of the job; samples without a partition to make have size 0.

    Raises
    ------
    InputError
        If what is read of a file is damaged.
    """
    probes = {
        name: choose_tasks([t for t in job.tasks if t.sample == name]) for name in job.sources
    }
    flat = [task for tasks in probes.values() for task in tasks]
    with watch("reading a little of the samples", len(flat)) as advance:
        encoded = iter(run_tasks(encode_some, flat, scheduler=scheduler.at_once, progress=advance))
    predicted = {}
    for name, tasks in probes.items():
        left = [t.stop - t.start for t in job.tasks if t.sample == name]
        predicted[name] = scale([next(encoded) for _ in tasks], sum(left), len(left))
    return predicted


def choose_tasks(tasks: Sequence[SkimTask]) -> list[SkimTask]:
    """Choose partitions of up to `FILES` files, spread over all."""
    first = {task.origin.url: task for task in reversed(tasks)}
    sources = list(dict.fromkeys(task.origin.url for task in tasks))
    last = len(sources) - 1
    chosen = sorted({round(n * last / (FILES - 1)) for n in range(FILES)}) if sources else []
    return [first[sources[position]] for position in chosen]


@dataclass(frozen=True)
class Encoded:
    """What a few events take.

    Attributes
    ----------
    entries
        Number of entries that were read.
    whole
        Bytes by collection, of all events that were kept of them in one file.
    halves
        The same, of one half and the other in a file each.
    overhead
        Bytes of the file that belong to no column.
    """

    entries: int
    whole: Mapping[str, int]
    halves: Mapping[str, int]
    overhead: int


def encode_some(task: SkimTask) -> Encoded:
    """Write the first events of a partition to memory.

    Raises
    ------
    InputError
        If they cannot be read.
    """
    stop = min(task.stop, task.start + ENTRIES)
    events = read_entries(task.source_input, task.start, stop)
    kept = reduce_events(events, task.recipe, task.source_input.url, task.start).events
    schema, storage = task.recipe.kept, task.storage
    first = np.arange(kept.size) < kept.size // 2
    parts = [measure(kept.select(half), schema, storage)[0] for half in (first, ~first)]
    halves = {name: sum(part[name] for part in parts) for name in schema.collections}
    whole, overhead = measure(kept, schema, storage)
    return Encoded(stop - task.start, whole, halves, overhead)


def measure(events: Events, schema: EventSchema, storage: Storage) -> tuple[dict[str, int], int]:
    """Write events to memory; return the bytes of each collection, and those of no column."""
    import pyarrow as pa

    sink = io.BytesIO()
    write_parquet(sink, events, schema, write_options(events, schema, storage))
    written = sink.getvalue()
    owners = {
        schema.column_name(name, field): name
        for name, collection in schema.collections.items()
        if not schema.is_list(name)
        for field in collection.fields
    }
    sizes = dict.fromkeys(schema.collections, 0)
    metadata = read_metadata(pa.BufferReader(written))
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            path = column.path_in_schema
            sizes[owners.get(path) or path.partition(".")[0]] += column.total_compressed_size
    return sizes, len(written) - sum(sizes.values())


def scale(encoded: Sequence[Encoded], entries: int, partitions: int) -> Predicted:
    """Predict the size of partitions from what some of their events take.

    Larger files take less per event: dictionaries are shared by more values, and compression finds
    more. What a doubling saves is seen from the halves of what was read to the whole of it, and
    extrapolated to the size of the partitions; without that, predictions were up to 18 % too large.

    Parameters
    ----------
    encoded
        Of some events of some partitions.
    entries
        Number of entries that are read for all partitions.
    partitions
        Their number.
    """
    if not encoded or not partitions:
        return Predicted()
    read = sum(part.entries for part in encoded)
    doublings = max(0.0, log2(entries / partitions * len(encoded) / max(read, 1)))
    savings = (1 - LASTING**doublings) / (1 - LASTING)
    collections = {}
    for name in encoded[0].whole:
        whole, halves = (
            sum(sizes[name] for sizes in kind)
            for kind in ([part.whole for part in encoded], [part.halves for part in encoded])
        )
        saved = min(1.0, whole / halves) if halves else 1.0
        collections[name] = entries / max(read, 1) * whole * saved**savings
    overhead = partitions * sum(part.overhead for part in encoded) / len(encoded)
    return Predicted(read, collections, overhead)
