"""Levels of the pages of a collection's field: which value begins an event, which stands for none.

Both are one bit a value, in runs of equal ones and of packed bits, with their size before them::

    events         [a b] [] [c]
    repetition      0 1   0  0       0 begins an event
    definition      1 1   0  1       0 stands for no object
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.thrift import read_varint


class Levels(NamedTuple):
    """The levels of a page as they are stored.

    Attributes
    ----------
    repetition, definition
        Runs of one bit for each value; empty for a column with one value per event.
    values
        Number of values, with one for each event that has none.
    """

    repetition: bytes
    definition: bytes
    values: int


class LevelsError(ValueError):
    """Levels are not as many as the values, or no such runs."""


def cut_levels(page: memoryview, values: int) -> tuple[Levels, memoryview]:
    """Cut a page into its levels and what follows.

    Raises
    ------
    LevelsError
        If they are longer than the page.
    """
    repetition, page = _cut(page)
    definition, page = _cut(page)
    return Levels(repetition, definition, values), page


def join_levels(levels: Levels) -> bytes:
    """Return what stands in a page before its values; nothing if each event has one value."""
    stored = [level for level in levels[:2] if level]
    return b"".join(part for level in stored for part in (len(level).to_bytes(4, "little"), level))


def _cut(page: memoryview) -> tuple[bytes, memoryview]:
    size = int.from_bytes(page[:4], "little")
    if len(page) < 4 + size:
        raise LevelsError("the levels of a page are longer than it")
    return bytes(page[4 : 4 + size]), page[4 + size :]


def count_objects(levels: Levels) -> int:
    """Count the values that are of objects.

    Raises
    ------
    LevelsError
        If the levels make no sense.
    """
    return int(np.count_nonzero(_flags(levels.definition, levels.values)))


def find_offsets(pages: Sequence[Levels]) -> NDArray[np.int64]:
    """Return the offsets of a collection, from the levels of one of its fields.

    Parameters
    ----------
    pages
        All of the column, in their order; an event may begin in one and end in the next.

    Returns
    -------
    numpy.ndarray
        N + 1 entries from 0 to the number of objects, for N events.

    Raises
    ------
    LevelsError
        If the levels make no sense, or the first value begins no event.
    """
    empty = np.zeros(0, np.bool_)
    repeats = np.concatenate([empty, *(_flags(page.repetition, page.values) for page in pages)])
    exists = np.concatenate([empty, *(_flags(page.definition, page.values) for page in pages)])
    begin = np.flatnonzero(~repeats)
    if len(repeats) and (not len(begin) or begin[0]):
        raise LevelsError("the first value of a column begins no event")
    offsets = np.append(begin, len(repeats)).astype(np.int64, copy=False)
    if not exists.all():
        offsets[1:] -= np.cumsum(~exists[begin])
    return offsets


def _flags(data: bytes, values: int) -> NDArray[np.bool_]:
    """Decode levels of one bit, a run after the other."""
    flags = np.empty(values, np.bool_)
    start = position = 0
    while position < len(data) and start < values:
        try:
            head, position = read_varint(data, position)
        except (IndexError, ValueError) as error:
            raise LevelsError("the levels of a page make no sense") from error
        packed, size = head & 1, head >> 1
        if packed:  # groups of 8
            stop = min(start + 8 * size, values)
            bits = np.frombuffer(data[position : position + size], np.uint8)
            if len(bits) < size:
                break
            flags[start:stop] = np.unpackbits(bits, count=stop - start, bitorder="little")
            position += size
        else:
            stop = min(start + size, values)
            flags[start:stop] = bool(data[position] & 1) if position < len(data) else False
            position += 1
        start = stop
    if start < values or position > len(data):
        raise LevelsError(f"the levels of a page are not as many as its {values} values")
    return flags
