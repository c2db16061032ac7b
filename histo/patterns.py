"""Which combinations of selections occur: the patterns that objects fall into."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.events import Array, Coded, Codes

PatternCodes = NDArray[np.int32] | NDArray[np.uint16]

Mask = NDArray[np.bool_] | Coded | None
"""Which entries pass a condition; None if all of them do."""

Numbering = Callable[[NDArray[np.int32]], NDArray[np.int32]]
"""Returns the number of each entry, given those of the words that occur."""

CHUNK = 16
"""Selections packed at once: their patterns are numbered by a table of 2**16 entries."""

PART = 65536
"""Entries whose conditions are packed at a time."""

SMALL_PRODUCT = 2**18
"""Multiplications up to which OpenBLAS stays in the thread that calls it."""

FEW = 8
"""Conditions whose words are the numbers of the patterns, without asking which of them occur."""

MANY = 256
"""Entries for each word from which that is done: it saves 10 %, with tables for every word."""

MAX_TABLE = 4_000_000
"""Entries of the largest table that numbers patterns (32 MB); beyond, they are sorted."""


class Patterns(Struct, frozen=True):
    """Which combination of selections each entry passes.

    Attributes
    ----------
    codes
        Number of the pattern of each entry, int32 or uint16.
    passed
        Patterns x selections: whether entries of the pattern pass the selection. Not every pattern
        has to occur.
    """

    codes: PatternCodes
    passed: NDArray[np.bool_]


def pack(
    masks: Sequence[Mask],
    size: int,
    combine: Callable[[NDArray[np.bool_]], Sequence[Mask]] | None = None,
) -> Patterns:
    """Give a number to each combination of selections that occurs, at least.

    Parameters
    ----------
    masks
        One array per condition, an entry per object; None passes everything.
    size
        Number of entries.
    combine
        Returns selections that are combinations of the conditions, given which conditions hold;
        it is given patterns instead of objects, of which there are far fewer. None if the
        conditions are the selections.
    """
    if len(masks) <= FEW and size >= MANY << len(masks):
        words, flags = _bits(masks, size), _flags(np.arange(1 << len(masks)), len(masks))
        if combine is None:
            return Patterns(words, flags)
        combined = pack(combine(flags), len(flags))
        return Patterns(words, combined.passed[combined.codes])
    flags, number = _occurring(masks, size)
    if combine is None:
        return Patterns(number(np.arange(len(flags), dtype=np.int32)), flags)
    combined = pack(combine(flags), len(flags))
    return Patterns(number(combined.codes.astype(np.int32, copy=False)), combined.passed)


def _occurring(masks: Sequence[Mask], size: int) -> tuple[NDArray[np.bool_], Numbering]:
    """Return the combinations that occur, combinations x masks, and who numbers entries by them."""
    if len(masks) <= CHUNK:
        words, number = _distinct(_bits(masks, size), 1 << len(masks))
        return _flags(words, len(masks)), number
    start = (len(masks) - 1) // CHUNK * CHUNK
    first, last = pack(masks[:start], size), pack(masks[start:], size)
    pairs = first.codes.astype(np.int64) * len(last.passed) + last.codes
    words, number = _distinct(pairs, len(first.passed) * len(last.passed))
    rows = first.passed[words // len(last.passed)], last.passed[words % len(last.passed)]
    return np.hstack(rows), number


def _flags(words: NDArray[np.int64], conditions: int) -> NDArray[np.bool_]:
    """Return which conditions hold in words, words x conditions."""
    return (words[:, None] >> np.arange(conditions) & 1).astype(np.bool_)


def _bits(masks: Sequence[Mask], size: int) -> NDArray[np.uint16]:
    """Pack up to 16 conditions into the bits of one word an entry, those of equal codes at once."""
    always = sum(1 << index for index, mask in enumerate(masks) if mask is None)
    bits = np.full(size, always, np.uint16)
    plain: list[tuple[Array, np.uint16]] = []
    coded: dict[int, tuple[Codes, NDArray[np.int32]]] = {}
    for index, mask in enumerate(masks):
        if isinstance(mask, Coded):
            new = np.zeros(len(mask.values), np.int32)
            _, words = coded.setdefault(id(mask.codes), (mask.codes, new))
            words |= mask.values.astype(np.int32) << np.int32(index)
        elif mask is not None:
            plain.append((mask, np.uint16(index)))
    for start in range(0, size, PART):  # the words of a part stay in the cache of a core
        part = slice(start, start + PART)
        target = bits[part]
        for mask, shift in plain:
            bit = mask[part].astype(np.uint16)
            bit <<= shift
            target |= bit
    for codes, words in coded.values():
        codes.add_bits(words, bits)
    return bits


def sum_patterns(passed: NDArray[np.bool_], table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add up, for each selection, the rows of the patterns that pass it.

    A product of matrices, left to BLAS: sums of integers below 2**53 are exact in float64 whatever
    their order. In small pieces, since OpenBLAS starts threads for larger ones, which wait for
    more work by turning in circles: 60 selections of 2,000 patterns took 12 ms of processor time
    in one piece and 1.2 ms in these, 10 ms as integers (100 bins).

    Parameters
    ----------
    passed
        Patterns x selections.
    table
        Patterns x bins: counts.

    Returns
    -------
    numpy.ndarray
        Selections x bins.
    """
    patterns, selections = passed.shape
    weights, numbers = passed.T.astype(np.float64), table.astype(np.float64)
    sums = np.empty((selections, table.shape[1]))
    rows = max(1, SMALL_PRODUCT // 8 // max(patterns, 1))
    columns = max(1, SMALL_PRODUCT // max(patterns * min(rows, selections), 1))
    for row in range(0, selections, rows):
        for column in range(0, table.shape[1], columns):
            part = (slice(row, row + rows), slice(column, column + columns))
            np.matmul(weights[part[0]], numbers[:, part[1]], sums[part])
    return sums.astype(np.int64)


def _distinct(words: Array, limit: int) -> tuple[NDArray[np.int64], Numbering]:
    """Find the distinct words, in increasing order.

    Parameters
    ----------
    words
        Integers from 0 up to ``limit``.

    Returns
    -------
    distinct
        The words that occur.
    number
        Given a number for each of these, returns that of each entry.
    """
    if limit > MAX_TABLE:  # too many for a table of all words
        found, inverse = np.unique(words, return_inverse=True)
        return found.astype(np.int64), lambda numbers: numbers.take(inverse)
    places = words.astype(np.intp, copy=False)
    seen = np.zeros(limit, np.bool_)
    seen[places] = True
    distinct = np.flatnonzero(seen)

    def number(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        lookup = np.zeros(limit, np.int32)
        lookup[distinct] = numbers
        return lookup.take(places)

    return distinct, number
