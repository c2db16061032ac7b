"""Many ranges of bytes in few requests.

::

    ranges      |---|  |--|      |-|  |-------------------------|     what is asked for
    segments    |---------|      |-|  |-------------------------|     near ones are read together
    pieces      |---------|      |-|  |------------|------------|     what a server takes at once
    batches     0                0    0            1                  one request each
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

Range = tuple[int, int]
"""First and one-past-last byte."""

GAP = 32 * 1024
"""Bytes between two ranges up to which reading them too is cheaper than another piece."""

MAX_PIECE = 2 * 1024 * 1024 - 16
"""Bytes of a piece of a vector read; more is refused by default (`readv_ior_max` of XRootD)."""

MAX_PIECES = 1024
"""Pieces of a vector read; more is refused by default (`readv_iov_max`)."""

MAX_BATCH = 16 * 1024 * 1024
"""Bytes of one request: the time-out is meant for no more."""


def merge_ranges(ranges: Sequence[Range], limit: int = MAX_PIECE) -> list[Range]:
    """Join ranges that are near each other, as long as the whole is not longer than a limit.

    Returns
    -------
    list
        Sorted, without overlaps; each range is in exactly one of these. Empty ranges are in none.

    Examples
    --------
    >>> merge_ranges([(100, 200), (0, 50), (1_000_000, 1_000_001), (7, 7)])
    [(0, 200), (1000000, 1000001)]
    """
    merged: list[Range] = []
    for start, stop in sorted(ranges):
        if start == stop:
            continue
        first, last = merged[-1] if merged else (0, -GAP - 1)
        if start < last or (start <= last + GAP and stop - first <= limit):
            merged[-1] = (first, max(last, stop))
        else:
            merged.append((start, stop))
    return merged


def cut_range(where: Range) -> list[Range]:
    """Cut a range into pieces.

    Examples
    --------
    >>> cut_range((0, 3_000_000))
    [(0, 2097136), (2097136, 3000000)]
    """
    start, stop = where
    return list(itertools.pairwise([*range(start, stop, MAX_PIECE), stop]))


def batch_pieces(pieces: Sequence[Range]) -> Iterator[list[Range]]:
    """Group pieces into requests, in their order."""
    batch: list[Range] = []
    size = 0
    for start, stop in pieces:
        if batch and (len(batch) == MAX_PIECES or size + stop - start > MAX_BATCH):
            yield batch
            batch, size = [], 0
        batch.append((start, stop))
        size += stop - start
    if batch:
        yield batch
