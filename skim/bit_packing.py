"""Small numbers as Parquet stores levels and codes: of few bits each, or as runs of equal ones.

::

    codes          3  1  0  2  1  3  0  2        groups of 8 codes of 2 bits each take 2 bytes,
    bits           11 01 00 10 01 11 00 10       the first code in the lowest bits of the first
    bytes          10000111     10001101
"""

from __future__ import annotations

import itertools

import numpy as np

from schemas.events import Array
from schemas.thrift import unsigned

LONG_RUN = 256
"""Average length of runs of equal numbers from which readers decode them faster than bits."""

GLANCE = 32
"""One of as many numbers is looked at before all of them."""

GROUP = 8
"""Numbers that are packed together, since they fill whole bytes."""


def encode_runs(numbers: Array, width: int) -> bytes:
    """Encode numbers in runs of equal ones if these are long, else bit by bit.

    Parameters
    ----------
    numbers
        At least one; no booleans unless the width is 1.
    width
        Bits of each, from 1 to 32.
    """
    if _runs_are_long(numbers):
        changes = numbers[1:] != numbers[:-1]
        edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(numbers)]
        size = -(-width // 8)
        return b"".join(
            unsigned((stop - start) << 1) + int(numbers[start]).to_bytes(size, "little")
            for start, stop in itertools.pairwise(edges)
        )
    return unsigned(-(-len(numbers) // GROUP) << 1 | 1) + pack(numbers, width)


def _runs_are_long(numbers: Array) -> bool:
    """Tell whether numbers change seldom; mostly the first ones tell that they don't."""
    most = len(numbers) // LONG_RUN
    return all(
        np.count_nonzero(part[1:] != part[:-1]) < most
        for part in (numbers[: len(numbers) // GLANCE], numbers)
    )


def pack(numbers: Array, width: int) -> bytes:
    """Put numbers of some bits after one another, filled up with zeros to a whole group.

    Neighbours are joined until they fill integers of 64 bits, all at once, which takes 0.4 to
    1.1 ns a number. Where loops are compiled, codes of a dictionary take 0.2 to 0.3 ns.

    Parameters
    ----------
    numbers
        Unsigned, none larger than the width allows; booleans if it is 1.
    width
        Bits of each, from 1 to 32.

    Examples
    --------
    >>> pack(np.array([3, 1, 0, 2, 1, 3, 0, 2]), 2).hex()
    '878d'
    """
    if width == 1:
        packed = np.packbits(numbers.astype(np.bool_, copy=False), bitorder="little")
        return packed.tobytes()
    groups = -(-len(numbers) // GROUP)
    size = 1 if width <= 8 else 2 if width <= 16 else 4
    joined = np.zeros(groups * GROUP, f"<u{size}")
    joined[: len(numbers)] = numbers
    if width == 8 * size:
        return joined.tobytes()
    bits = width
    while size < 8:
        joined = joined.view(f"<u{2 * size}")
        upper = joined >> 8 * size
        upper <<= bits
        joined &= (1 << 8 * size) - 1
        joined |= upper
        size, bits = 2 * size, 2 * bits
    return _concatenate(joined.reshape(groups, -1), bits)


def _concatenate(parts: Array, bits: int) -> bytes:
    """Put the lowest bits of all integers in a row after one another; these are whole bytes."""
    groups, number = parts.shape
    words = np.zeros((groups, -(-number * bits // 64)), "<u8")
    for index in range(number):
        word, shift = divmod(index * bits, 64)
        words[:, word] |= parts[:, index] << shift
        if shift + bits > 64:
            words[:, word + 1] |= parts[:, index] >> 64 - shift
    size = number * bits // 8
    # as a field of a structure, which is copied as one: rows of bytes take three times as long
    kind = np.dtype({"names": ["bytes"], "formats": [f"V{size}"], "itemsize": words[0].nbytes})
    return words.view(kind)["bytes"].tobytes()
