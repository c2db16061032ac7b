"""Sizes of partitions and row groups: texts such as ``256 MB``, and how many events fit in one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.skim_config import Storage

UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)")


SIZE = f"a number of bytes, or one with a unit, such as '256 MB' (units: {', '.join(UNITS)})"
"""What a size may be, in words."""


def parse_size(value: Any) -> Any:
    """Turn a text such as ``256 MB`` into a number of bytes; leave all else alone.

    Examples
    --------
    >>> parse_size("1.5 MB")
    1500000
    """
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found or found[2] not in UNITS:
        return value
    return round(float(found[1]) * UNITS[found[2]])


def events_per_partition(storage: Storage, bytes_per_event: float) -> int:
    """Return how many events a partition may be made from.

    Parameters
    ----------
    storage
        Its limits in events and bytes.
    bytes_per_event
        In memory, of the branches that are read. Taken from the file alone, so that the same file
        is always cut at the same entries.

    Returns
    -------
    int
        At least 1.
    """
    return _within(storage.partition_events, storage.partition_bytes, bytes_per_event)


def row_group_events(storage: Storage, bytes_per_event: float) -> int:
    """Return how many events a row group may have, at least 1; see `events_per_partition`.

    ``bytes_per_event`` is about the events that are written.
    """
    return _within(storage.row_group_events, storage.row_group_bytes, bytes_per_event)


def _within(events: int, size: int, bytes_per_event: float) -> int:
    if bytes_per_event <= 0:
        return events
    return max(1, min(events, int(size / bytes_per_event)))
