"""Baskets of numbers to arrays, with next to nothing done for each basket in Python.

A basket of an L1T ntuple holds a few thousand numbers of 4 bytes: what uproot does for each one
takes longer than decompressing it. So for branches of plain numbers, one value or any number of
them per entry, the bytes are taken apart here; uproot finds the tree, says where its baskets are,
and reads all other types. Of 53 branches of 24,776 events, 530 baskets of zstd (two cores):

==========================  ==============
processor time              ms
==========================  ==============
here                        62
uproot                      125
decompressing, and no more  37
==========================  ==============

::

    key                     fKeylen bytes, of which the last 19 are about the basket
    compressed blocks       9 bytes of header each, 17 with LZ4
    uncompressed:  values   fLast - fKeylen bytes, big-endian
                   offsets  of each entry, if they can have any number of values
"""

from __future__ import annotations

import functools
import lzma
import os
import queue
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct

from schemas.events import Array, Ragged, Values
from schemas.number_branches import NumberBranch
from schemas.tally import count

_KEY = struct.Struct(">ihiIhh")  # bytes, version, length of the object, time, length of key, cycle
_BASKET = struct.Struct(">Hiiii")  # version, size of buffer, ... of an entry, entries, last byte
_CHECKSUM = struct.Struct(">Q")
# of a block: compression, its version, and two sizes of three bytes, the lowest first
_BLOCK = struct.Struct("<2sBHBHB")


def read_numbers(
    url: str, branches: Sequence[NumberBranch], start: int, stop: int, source: Any = None
) -> list[Values]:
    """Read a range of entries of some branches.

    Parameters
    ----------
    url
        The file.
    branches
        What to read.
    start, stop
        First and one-past-last entry.
    source
        Of uproot's file, if it is a remote one.

    Returns
    -------
    list
        Values of each branch, in the machine's byte order.

    Raises
    ------
    ValueError
        If a basket is not what the tree says, or cannot be decompressed.
    """
    wanted = [branch.baskets(start, stop) for branch in branches]
    places: list[tuple[int, int]] = []
    for branch, numbers in zip(branches, wanted, strict=True):
        own = slice(numbers.start, numbers.stop)
        places += zip(branch.seeks[own].tolist(), branch.sizes[own].tolist(), strict=True)
    count("bytes_read", sum(size for _, size in places))
    chunks = read_chunks(url, places, source)
    values: list[Values] = []
    for branch, numbers in zip(branches, wanted, strict=True):
        edges = branch.entries[numbers.start : numbers.stop + 1].tolist()
        baskets = [
            _open_basket(next(chunks), branch, last - first) for first, last in pairwise(edges)
        ]
        joined = _join(branch, baskets, start - edges[0], stop - start)
        values.append(_share_offsets(joined, values[-1] if values else joined))
    return values


def _share_offsets(values: Values, before: Values) -> Values:
    """Return values with the offsets of those before if they are the same.

    Those of the fields of a collection are; each on its own, they took a quarter of the memory.
    """
    if not isinstance(values, Ragged) or not isinstance(before, Ragged):
        return values
    same = np.array_equal(values.offsets, before.offsets)
    return Ragged(before.offsets, values.values) if same else values


def read_chunks(
    url: str, places: Sequence[tuple[int, int]], source: Any = None
) -> Iterator[memoryview]:
    """Iterate over the bytes at some places of a file, in their order.

    Parameters
    ----------
    url
        The file.
    places
        First byte and number of bytes of each.
    source
        Of uproot's file, if it is a remote one.
    """
    if source is None:
        with open(url, "rb") as file:
            number = file.fileno()
            for seek, size in places:
                yield memoryview(os.pread(number, size, seek))
        return
    arrived: queue.Queue[Any] = queue.Queue()
    for chunk in source.chunks([(seek, seek + size) for seek, size in places], arrived):
        yield memoryview(chunk.raw_data)


class _Basket(Struct, frozen=True):
    """The content of a basket, where it was decompressed to.

    Attributes
    ----------
    values
        Big-endian.
    positions
        Of the first byte of each entry, counted from the beginning of the key; big-endian. None if
        an entry has one value.
    key
        Length of the key.
    """

    values: Array
    positions: Array | None
    key: int


def _open_basket(chunk: memoryview, branch: NumberBranch, entries: int) -> _Basket:
    """Decompress a basket and find its parts."""
    if len(chunk) < _KEY.size:
        raise ValueError("the file ends before a basket does")
    size, _, length, _, key, _ = _KEY.unpack_from(chunk)
    if size != len(chunk) or not _KEY.size + _BASKET.size < key <= size:
        raise ValueError("what stands where a basket should be is none")
    _, _, _, found, last = _BASKET.unpack_from(chunk, key - _BASKET.size - 1)
    border = last - key
    if found != entries or not 0 <= border <= length:
        raise ValueError(f"a basket has {found} entries where the tree says {entries}")
    data = chunk[key:] if size - key == length else inflate(chunk[key:], length)
    if border % branch.dtype.itemsize:
        raise ValueError("a basket ends within a value")
    values = np.frombuffer(data, branch.dtype, border // branch.dtype.itemsize)
    if not branch.jagged:
        if len(values) != entries:
            raise ValueError(f"a basket has {len(values)} values for {entries} entries")
        return _Basket(values, None, key)
    # the table has a length before the positions, and one of no use after them
    positions = np.frombuffer(data, ">i4", entries, border + 4)
    if positions[0] != key:
        raise ValueError("the entries of a basket do not begin where it does")
    return _Basket(values, positions, key)


def _join(branch: NumberBranch, baskets: Sequence[_Basket], skip: int, entries: int) -> Values:
    """Put baskets together in the machine's byte order, without the first ``skip`` entries."""
    joined = np.empty(sum(len(basket.values) for basket in baskets), branch.dtype.newbyteorder("="))
    if baskets:
        np.concatenate([basket.values for basket in baskets], out=joined)
    if not branch.jagged:
        return joined[skip : skip + entries]
    total = sum(len(b.positions) for b in baskets if b.positions is not None)
    offsets = np.empty(total + 1, np.int64)
    filled = end = 0
    for basket in baskets:
        if basket.positions is not None:
            stop = filled + len(basket.positions)
            np.add(basket.positions, end - basket.key, out=offsets[filled:stop])
            filled, end = stop, end + basket.values.nbytes
    offsets[filled] = end
    offsets = offsets[: filled + 1]
    size = branch.dtype.itemsize  # a power of two, and division is slow
    if (offsets[1:] < offsets[:-1]).any() or (offsets & (size - 1)).any():
        raise ValueError("the positions of entries in a basket contradict each other")
    offsets = offsets[skip : skip + entries + 1] >> (size.bit_length() - 1)
    first, last = int(offsets[0]), int(offsets[-1])
    if first:
        offsets -= first
    return Ragged(offsets, joined[first:last])


def inflate(data: memoryview, length: int) -> bytes:
    """Decompress the blocks of an object.

    Raises
    ------
    ValueError
        If they are damaged, compressed in an unknown way, or do not make ``length`` bytes.
    """
    blocks = []
    position, end = 0, len(data)
    while position < end:
        start = position + _BLOCK.size
        if start > end:
            raise ValueError("a compressed block ends within its header")
        method, _, low, high, unpacked_low, unpacked_high = _BLOCK.unpack_from(data, position)
        unpacked = unpacked_high << 16 | unpacked_low
        position = start + (high << 16 | low)
        made = _decompress(method, data[start:position], unpacked)
        if len(made) != unpacked:
            raise ValueError(f"{len(made)} bytes were decompressed where {unpacked} are expected")
        blocks.append(made)
    whole = blocks[0] if len(blocks) == 1 else b"".join(blocks)
    if len(whole) != length:
        raise ValueError(f"{len(whole)} bytes were decompressed where {length} are expected")
    return whole


def _decompress(method: bytes, block: memoryview, size: int) -> Any:
    decompress, errors = _decompressors()
    if method not in decompress:
        raise ValueError(f"unknown compression {method!r}")
    try:
        return decompress[method](block, size)
    except errors as error:
        raise ValueError(f"a block cannot be decompressed: {error}") from error


@functools.cache
def _decompressors() -> tuple[dict[bytes, Callable[[memoryview, int], Any]], Any]:
    """Return what decompresses blocks, by the letters that mark them, and the errors of all."""
    import cramjam
    from isal import isal_zlib

    zlib, zstd = isal_zlib.decompress, cramjam.zstd.decompress
    return {
        b"ZL": lambda block, size: zlib(block, bufsize=size),  # 0.6 of the time of Python's own
        b"XZ": _lzma,
        b"ZS": lambda block, size: zstd(block, output_len=size),
        b"L4": _lz4,
    }, (isal_zlib.error, lzma.LZMAError, cramjam.DecompressionError)


def _lzma(block: memoryview, size: int) -> bytes:
    decompressor = _lzma_library().LZMADecompressor(lzma.FORMAT_XZ)
    # one byte more, or the checksum would not be read
    made: bytes = decompressor.decompress(block, size + 1)
    if not decompressor.eof:
        raise ValueError("an LZMA block ends too early or too late")
    return made


@functools.cache
def _lzma_library() -> Any:
    """Return what decompresses LZMA: with liblzma 5.8 if it is there, else Python's own module.

    5.8 takes three quarters of the time of 5.4, which itself takes 7 % less than cramjam, and a
    skim of LZMA is little else. Both raise the same errors.
    """
    try:
        import lzma_mt
    except ImportError:  # there is no wheel of it for this platform
        return lzma
    return lzma_mt


def _lz4(block: memoryview, size: int) -> Any:
    import cramjam
    import xxhash

    (stated,) = _CHECKSUM.unpack_from(block)
    if xxhash.xxh64(block[_CHECKSUM.size :]).intdigest() != stated:
        raise ValueError("an LZ4 block fails its checksum")
    return cramjam.lz4.decompress_block(block[_CHECKSUM.size :], output_len=size)
