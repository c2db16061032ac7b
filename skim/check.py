"""One partition against its manifest, and against the ntuple that it was made from."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schemas.digests import new_digest
from schemas.errors import DatasetError, InputError, RemoteError
from schemas.event_schema import EVENT, EventSchema
from schemas.events import Array, Events, Ragged, Values
from schemas.manifest import Partition
from schemas.pages import open_partition
from schemas.parquet import arrow_schema, read_events
from schemas.reduction import reduce_events
from schemas.storage import is_url, join, open_source
from schemas.trees import read_entries
from skim.origins import Remake
from skim.write import content_digest

SHOWN = 10
"""Columns of a partition whose first difference is shown; the others are counted."""

_AT_ONCE = 8_000_000
"""Bytes read at a time; of a remote file each is a request."""


@dataclass(frozen=True)
class Check:
    """A partition to check, with everything that a worker needs.

    Attributes
    ----------
    dataset
        Folder or URL.
    sample
        Its name.
    partition
        As the manifest has it.
    schema
        Of the dataset.
    remake
        How to make it again; None to leave the ntuple alone.
    """

    dataset: str
    sample: str
    partition: Partition
    schema: EventSchema
    remake: Remake | None = None


def check_partition(check: Check) -> list[str]:
    """Find everything that is wrong with a partition.

    Returns
    -------
    list of str
        A sentence for each problem, which starts with the path of the file.

    Raises
    ------
    RemoteError
        If it is on a server that does not answer.
    """
    path = join(check.dataset, check.partition.path)
    if not is_url(path) and not Path(path).is_file():
        return [f"{path}: is missing, or not a file"]
    try:
        problems = _check_bytes(path, check.partition)
    except RemoteError:
        raise  # it says nothing about the partition that the server does not answer
    except OSError as error:
        return [f"{path}: cannot be read: {error}"]
    stored = None
    try:
        stored = _read(path, check)
    except DatasetError as error:
        problems.append(str(error))
    if stored is not None:
        problems += _check_values(path, stored, check)
    if check.remake is not None:
        problems += _check_source(path, stored, check, check.remake)
    return problems


def _check_bytes(path: str, partition: Partition) -> list[str]:
    digest, size = new_digest(), 0
    with (
        open_source(path) as source,
        open(source, "rb") if isinstance(source, str) else contextlib.nullcontext(source) as file,
    ):
        while part := file.read(_AT_ONCE):
            digest.update(part)
            size += len(part)
            if size > partition.bytes:
                break
    if size != partition.bytes:
        return [f"{path}: does not have the {partition.bytes} bytes that the manifest says"]
    if digest.hexdigest() != partition.checksum:
        return [f"{path}: its bytes are not those that were written: the checksum differs"]
    return []


def _read(path: str, check: Check) -> Events:
    """Read all columns, requiring that there are no others."""
    schema, partition = check.schema, check.partition
    with open_partition(path, partition.footer) as (_, metadata):
        found = metadata.schema.to_arrow_schema()
    expected = arrow_schema(schema)
    if found.names != expected.names:
        raise DatasetError(
            f"{path}: has the columns {', '.join(found.names)}, and the manifest says "
            f"{', '.join(expected.names)}"
        )
    columns = [(EVENT, name) for name, _ in schema.event_columns()]
    columns += [(name, field) for name, c in schema.lists() for field in c.fields]
    return read_events(path, schema, columns, rows=partition.events_kept, footer=partition.footer)


def _check_values(path: str, stored: Events, check: Check) -> list[str]:
    for name, objects in stored.collections.items():
        values: list[Values] = list(objects.fields.values())
        whole = len(objects.offsets) == stored.size + 1 and _fits(objects.offsets, values)
        while inner := [part for part in values if isinstance(part, Ragged)]:
            whole = whole and all(_fits(part.offsets, [part.values]) for part in inner)
            values = [part.values for part in inner]
        if not whole:
            return [f"{path}: {name}: the numbers of objects do not fit the values"]
    if content_digest(stored, check.schema) != check.partition.content:
        return [f"{path}: its values are not those that were written: the digest differs"]
    return []


def _fits(offsets: Array, values: Sequence[Values]) -> bool:
    """Tell whether offsets begin at 0, never fall, and end where all values do."""
    ends = {len(part) for part in values}
    return bool(offsets[0] == 0 and ends == {int(offsets[-1])} and np.all(np.diff(offsets) >= 0))


def _check_source(path: str, stored: Events | None, check: Check, remake: Remake) -> list[str]:
    """Compare with the ntuple; what was read of the partition only serves to say what differs."""
    partition, url = check.partition, remake.source.url
    try:
        entries = read_entries(remake.source, partition.entry_start, partition.entry_stop)
        made = reduce_events(entries, remake.recipe, url, partition.entry_start)
    except InputError as error:
        return [str(error)]
    problems = []
    # sums of another version of NumPy may differ in the last digits
    if not math.isclose(made.sum_of_weights, partition.sum_of_weights, rel_tol=1e-9):
        problems.append(
            f"{path}: the manifest says {partition.sum_of_weights} for the sum of weights, and "
            f"{url} gives {made.sum_of_weights}"
        )
    if dict(made.errors) != partition.errors:
        problems.append(f"{path}: the manifest says other errors of narrowing than {url} gives")
    kept = made.events.size
    if kept != partition.events_kept:
        problems.append(
            f"{path}: the manifest says {partition.events_kept} events, and {url} gives {kept}"
        )
    elif stored is not None:
        found = list(_differences(stored, made.events, check, url))
        problems += [f"{path}: sample {check.sample}: {text}" for text in found[:SHOWN]]
        if len(found) > SHOWN:
            problems.append(f"{path}: ... {len(found) - SHOWN} more columns differ from {url}")
    if not problems and content_digest(made.events, check.schema) != partition.content:
        problems.append(f"{path}: {url} gives other values than those that were written")
    return problems


def _differences(stored: Events, made: Events, check: Check, url: str) -> Iterator[str]:
    """Say of each column that differs what its first difference is."""
    place = _Place(check.partition, url)
    for name, _ in check.schema.event_columns():
        ours, theirs = stored.columns[name], made.columns[name]
        where = _unequal(ours, theirs)
        if len(where):
            event = int(where[0])
            yield f"{name} {place(event)}: {_both(ours[event], theirs[event])}"
    for name, collection in check.schema.lists():
        mine, other = stored.collections[name], made.collections[name]
        where = np.flatnonzero(mine.counts != other.counts)
        if len(where):
            event = int(where[0])
            counts = _both(mine.counts[event], other.counts[event])
            yield f"number of {name} {place(event)}: {counts}"
            continue
        for field in collection.fields:
            found = _first(mine.fields[field], other.fields[field])
            if found:
                index, text = found
                event = int(np.searchsorted(mine.offsets, index, side="right")) - 1
                number = index - int(mine.offsets[event])
                yield f"{name}.{field} {place(event)}, object {number}: {text}"


def _both(ours: Any, theirs: Any) -> str:
    return f"{ours!s} stored, {theirs!s} from the ntuple"


def _first(ours: Values, theirs: Values) -> tuple[int, str] | None:
    """Return the first object whose values differ, and what they are."""
    if not isinstance(ours, Ragged) or not isinstance(theirs, Ragged):
        left, right = np.asarray(ours), np.asarray(theirs)
        where = _unequal(left, right)
        return (int(where[0]), _both(left[where[0]], right[where[0]])) if len(where) else None
    counts = np.diff(ours.offsets), np.diff(theirs.offsets)
    where = np.flatnonzero(counts[0] != counts[1])
    if len(where):
        index = int(where[0])
        return index, f"{_both(counts[0][index], counts[1][index])} values"
    found = _first(ours.values, theirs.values)
    if found is None:
        return None
    return int(np.searchsorted(ours.offsets, found[0], side="right")) - 1, found[1]


@dataclass(frozen=True)
class _Place:
    partition: Partition
    url: str

    def __call__(self, event: int) -> str:
        """Name an event; its entry is known unless events were cut in between."""
        if self.partition.events_kept == self.partition.events_read:
            return f"of entry {self.partition.entry_start + event} of {self.url}"
        entries = f"entries {self.partition.entry_start} to {self.partition.entry_stop}"
        return f"of event {event} of those left of {entries} of {self.url}"


def _unequal(first: Array, second: Array) -> Array:
    """Return where two columns differ in any bit: NaN equals itself, and 0.0 is not -0.0."""
    if first.dtype != second.dtype:
        return np.arange(len(first))
    bits = f"u{first.dtype.itemsize}"
    return np.flatnonzero(
        np.ascontiguousarray(first).view(bits) != np.ascontiguousarray(second).view(bits)
    )
