"""One task of a skim: a range of entries of one file becomes one partition and its receipt."""

from __future__ import annotations

import math

from msgspec import Struct

from runtime.probing import OnError
from runtime.target import Target
from schemas.errors import InputError
from schemas.manifest import Partition, Skipped, Source
from schemas.pages import footer_digest
from schemas.reduction import Recipe, Reduced, reduce_events
from schemas.skim_config import Storage
from schemas.tally import count, step
from schemas.trees import Input, read_entries
from skim.journal import Receipt, Stamp
from skim.write import write_partition


class SkimTask(Struct, frozen=True):
    """One partition to make, with everything that a worker needs."""

    sample: str
    number: int
    origin: Source
    source_input: Input
    start: int
    stop: int
    recipe: Recipe
    storage: Storage
    target: Target
    stamp: Stamp
    on_error: OnError

    def __str__(self) -> str:
        """Name the partition as messages about workers do."""
        return f"{self.origin.url}, entries {self.start} to {self.stop}"


def make_partition(task: SkimTask) -> Receipt | Skipped:
    """Read a range of entries, reduce it, write it as one partition and note that.

    Returns
    -------
    Receipt or Skipped
        The second if the entries cannot be read and the file is to be left out then.

    Raises
    ------
    InputError
        If the entries cannot be read, or their weights have no finite sum.
    RunError
        If the partition cannot be written.
    """
    try:
        reduced = _read(task)
    except InputError as error:
        if task.on_error == "fail":
            raise
        return Skipped(url=task.origin.url, cause=str(error), entries=task.origin.entries)
    folder = f"sample={task.sample}"
    with step("write"), task.target.stage(folder) as local:
        path, checksum, content = write_partition(
            reduced.events, task.recipe.kept, task.storage, local, task.number
        )
        size = path.stat().st_size
        footer = footer_digest(str(path))
    partition = Partition(
        path=f"{folder}/{path.name}",
        source=0,
        entry_start=task.start,
        entry_stop=task.stop,
        events_read=reduced.events_read,
        events_kept=reduced.events.size,
        sum_of_weights=reduced.sum_of_weights,
        bytes=size,
        checksum=checksum,
        content=content,
        footer=footer,
        errors=dict(reduced.errors),
    )
    receipt = Receipt(sample=task.sample, origin=task.origin, stamp=task.stamp, partition=partition)
    receipt.write(task.target)
    return receipt


def _read(task: SkimTask) -> Reduced:
    events = read_entries(task.source_input, task.start, task.stop)
    with step("derive"):
        reduced = reduce_events(events, task.recipe, task.source_input.url, task.start)
    count("events", reduced.events_read)
    if not math.isfinite(reduced.sum_of_weights):
        raise InputError(
            f"{task.source_input.url}: the weights of entries {task.start} to {task.stop} sum up "
            f"to {reduced.sum_of_weights}; write a weight that is finite for every event"
        )
    return reduced
