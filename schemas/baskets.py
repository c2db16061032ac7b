"""Baskets of numbers to arrays, with next to nothing done for each basket in Python.

A basket of an L1T ntuple holds a few thousand numbers of 4 bytes: what uproot does for each one
takes longer than decompressing it. So for branches of plain numbers, one value or any number of
them per entry, as arrays, vectors or vectors of vectors, the bytes are taken apart here; uproot
reads all other types. Of 53 branches of 24,776 events, 530 baskets of zstd (two cores):

==========================  ==============
processor time              ms
==========================  ==============
here                        53
uproot                      111
decompressing, and no more  46
==========================  ==============

Compiled loops take all baskets of a branch apart at once if zstd compressed them. Of another
compression, or where no loops are compiled, Python takes one after another apart.

::

    key                     fKeylen bytes, of which the last 19 are about the basket
    compressed blocks       9 bytes of header each, 17 with LZ4
    uncompressed:  values   fLast - fKeylen bytes, big-endian; of a vector after its header, and
                            of those in it each after its number of values
                   offsets  of each entry, if they can have any number of values
"""

from __future__ import annotations

import itertools
import os
import queue
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas import loops
from schemas.compression import ZSTD, decompress, inflate
from schemas.events import Array, Ragged, Values
from schemas.number_branches import NumberBranch
from schemas.remote_file import RemoteFile
from schemas.tally import count

_KEY = struct.Struct(">ihiIhh")  # bytes, version, length of the object, time, length of key, cycle
_NUMBER = struct.Struct(">i")
_BASKET = struct.Struct(">Hiiii")  # version, size of buffer, ... of an entry, entries, last byte

MODEST = 2**26
"""Bytes that baskets may always claim to have when they are decompressed."""

LARGEST_RATIO = 1000
"""How many times larger than their frames they may be beyond that to be read at once.

Memory is reserved for what headers of blocks claim, and a damaged one may claim anything.
"""

_CONTRADICTING = "the positions of entries in a basket contradict each other"


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
        As in `read_chunks`.

    Returns
    -------
    list
        Values of each branch, in the machine's byte order.

    Raises
    ------
    ValueError
        If a basket is not what the tree says, or cannot be decompressed.
    """
    wanted = [_Wanted.of(branch, start, stop) for branch in branches]
    count("bytes_read", sum(int(own.sizes.sum()) for own in wanted))
    values: list[Values] = []
    for own, opened in zip(wanted, _open(url, wanted, source), strict=True):
        joined = _join(own, opened, start, stop)
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
        Of a file that is not local: the file itself, or uproot's source of it.
    """
    if source is None:
        with open(url, "rb") as file:
            yield from _read_local(file.fileno(), places)
        return
    ranges = [(seek, seek + size) for seek, size in places]
    if isinstance(source, RemoteFile):
        for part in source.request(ranges):
            yield memoryview(part.result())
        return
    arrived: queue.Queue[Any] = queue.Queue()
    for chunk in source.chunks(ranges, arrived):
        yield memoryview(chunk.raw_data)


def _read_local(file: int, places: Iterable[tuple[int, int]]) -> Iterator[memoryview]:
    for seek, size in places:
        yield memoryview(os.pread(file, size, seek))


class _Wanted(NamedTuple):
    """The baskets of a branch that have some entries, as the tree describes them.

    Attributes
    ----------
    branch
        The branch.
    seeks, sizes, entries
        As in `NumberBranch`, all of int64.
    """

    branch: NumberBranch
    seeks: Array
    sizes: Array
    entries: Array

    @classmethod
    def of(cls, branch: NumberBranch, start: int, stop: int) -> _Wanted:
        """Choose those with entries from ``start`` to ``stop``."""
        numbers = branch.baskets(start, stop)
        own = slice(numbers.start, numbers.stop)
        entries = branch.entries[numbers.start : numbers.stop + 1]
        parts = branch.seeks[own], branch.sizes[own], entries
        return cls(branch, *(np.ascontiguousarray(part, np.int64) for part in parts))

    def places(self) -> list[tuple[int, int]]:
        """Return first byte and number of bytes of each basket in the file."""
        return list(zip(self.seeks.tolist(), self.sizes.tolist(), strict=True))


class _Opened(NamedTuple):
    """Baskets of a branch, decompressed.

    Attributes
    ----------
    table
        For each basket, as int64: first byte of its content; from there, first byte after its
        values; length of the key, from whose beginning the positions of its entries are counted;
        number of its entries.
    content
        All contents, one after another.
    """

    table: Array
    content: Any


def _open(url: str, wanted: Sequence[_Wanted], source: Any) -> Iterator[_Opened]:
    """Read and decompress the baskets of each branch."""
    if source is not None:
        chunks = read_chunks(url, [place for own in wanted for place in own.places()], source)
        for own in wanted:
            held = list(itertools.islice(chunks, len(own.sizes)))
            usual = _open_usual(own, content=b"".join(held))
            yield usual or _open_any(own, held)
        return
    with open(url, "rb") as file:
        number = file.fileno()
        for own in wanted:
            usual = _open_usual(own, number)
            yield usual or _open_any(own, _read_local(number, own.places()))


def _open_usual(own: _Wanted, file: int = -1, content: bytes = b"") -> _Opened | None:
    """Open baskets that are compressed by zstd, all of a branch at once.

    Frames of zstd that follow each other are one stream: to decompress it takes 7 % less than one
    after another, and Python's lock is given away once and not twenty times.

    Parameters
    ----------
    own
        The baskets.
    file
        From which they are read; or else
    content
        Their bytes, one after another.

    Returns
    -------
    _Opened or None
        None if anything about any of them is unusual, or damaged: `_open_any` says what.
    """
    compiled = loops.compiled()
    total = int(own.sizes.sum())
    # no memory for what is not there: a damaged tree may say anything
    there = len(content) if file < 0 else os.fstat(file).st_size
    if compiled is None or not 0 <= total <= there:
        return None
    table, frames = np.empty((len(own.sizes), 4), np.int64), np.empty(total, np.uint8)
    branch = own.branch
    found = compiled.open_baskets(
        file, content, own.seeks, own.sizes, own.entries,
        _unit(branch), branch.depth > 0, branch.header, frames, table,
    )  # fmt: skip
    if found is None:
        return None
    packed, length = found
    if length > max(MODEST, LARGEST_RATIO * packed):
        return None
    return _Opened(table, decompress(ZSTD, frames[:packed].data, length))


def _open_any(own: _Wanted, chunks: Iterable[memoryview]) -> _Opened:
    """Take baskets apart and decompress them, one after another."""
    rows, contents = [], []
    start = 0
    for chunk, entries in zip(chunks, np.diff(own.entries).tolist(), strict=True):
        border, key, length = _parts(chunk, own.branch, entries)
        payload = chunk[key:]
        contents.append(payload if len(payload) == length else inflate(payload, length))
        rows.append((start, border, key, entries))
        start += length
    table = np.array(rows, np.int64).reshape(-1, 4)
    return _Opened(table, contents[0] if len(contents) == 1 else b"".join(contents))


def _parts(chunk: memoryview, branch: NumberBranch, entries: int) -> tuple[int, int, int]:
    """Return where the values of a basket end, the length of its key, and that of its content."""
    if len(chunk) < _KEY.size:
        raise ValueError("the file ends before a basket does")
    size, _, length, _, key, _ = _KEY.unpack_from(chunk)
    if size != len(chunk) or not _KEY.size + _BASKET.size < key <= size:
        raise ValueError("what stands where a basket should be is none")
    _, _, _, found, last = _BASKET.unpack_from(chunk, key - _BASKET.size - 1)
    border = last - key
    # positions come after a length, and before one of no use
    least = border + 4 * (entries + 1) if branch.depth else border
    if found != entries or not 0 <= border <= least <= length:
        raise ValueError(f"a basket has {found} entries where the tree says {entries}")
    values, rest = divmod(border - branch.header * entries, _unit(branch))
    if rest or values < 0:
        raise ValueError("a basket ends within a value")
    if not branch.depth and values != entries:
        raise ValueError(f"a basket has {values} values for {entries} entries")
    return border, key, length


def _unit(branch: NumberBranch) -> int:
    """Return the bytes of which the content of a basket is a multiple, without headers."""
    return 1 if branch.depth > 1 else branch.dtype.itemsize


def _join(own: _Wanted, opened: _Opened, start: int, stop: int) -> Values:
    """Put baskets together in the machine's byte order, without entries that are not wanted."""
    if own.branch.depth > 1:
        return _join_nested(own, opened, start, stop)
    dtype, jagged, header = own.branch.dtype, own.branch.depth > 0, own.branch.header
    size = int(opened.table[:, 1].sum() - header * opened.table[:, 3].sum())
    values = np.empty(size // dtype.itemsize, dtype.newbyteorder("="))
    before = int(own.entries[0])
    offsets = np.empty(int(own.entries[-1]) - before + 1 if jagged else 0, np.int64)
    offsets[-1:] = len(values)
    compiled = loops.compiled()
    if compiled is None:
        _join_slowly(opened, header, values, offsets)
    else:
        compiled.join_baskets(
            opened.content, opened.table, values.itemsize, header, values, offsets
        )
    if not jagged:
        return values[start - before : stop - before]
    offsets, first, last = _cut(offsets, start - before, stop - before)
    return Ragged(offsets, values[first:last])


def _cut(offsets: Array, start: int, stop: int) -> tuple[Array, int, int]:
    """Return offsets of some lists that begin at 0, and where these begin and end in all values."""
    offsets = offsets[start : stop + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    if first:
        offsets -= first
    return offsets, first, last


def _join_slowly(opened: _Opened, header: int, values: Array, offsets: Array) -> None:
    """Do what the compiled loop does: fill values, and the offsets of all entries if there are any.

    Raises
    ------
    ValueError
        If positions do not begin at the key, rise by whole values, and end before the border, or
        if a vector has another number of values than it says.
    """
    stored, size = values.dtype.newbyteorder(">"), values.itemsize
    filled = begun = 0
    for start, border, key, entries in opened.table.tolist():
        number = (border - header * entries) // size
        content = np.frombuffer(opened.content, np.uint8, border, start)
        if len(offsets) and entries:
            positions = np.frombuffer(opened.content, ">i4", entries, start + border + 4)
            places = positions.astype(np.int64) - key
            lengths = np.diff(places, append=border) - header
            if places[0] or (lengths < 0).any() or (lengths % size).any():
                raise ValueError(_CONTRADICTING)
            begins = np.cumsum(lengths) - lengths
            offsets[begun : begun + entries] = filled + begins // size
            if header:
                heads = content[places[:, np.newaxis] + np.arange(header)]
                if (heads[:, -4:].copy().view(">u4")[:, 0] != lengths // size).any():
                    raise ValueError(_CONTRADICTING)
                content = content[
                    np.repeat(places + header - begins, lengths) + np.arange(number * size)
                ]
        values[filled : filled + number] = content.view(stored)
        filled, begun = filled + number, begun + entries


def _join_nested(own: _Wanted, opened: _Opened, start: int, stop: int) -> Values:
    """Do the same with vectors of vectors."""
    dtype, header = own.branch.dtype, own.branch.header
    before, after = int(own.entries[0]), int(own.entries[-1])
    size = int(opened.table[:, 1].sum() - header * opened.table[:, 3].sum())
    # as many as there can be: each list takes 4 bytes, and its values
    values = np.empty(size // dtype.itemsize, dtype.newbyteorder("="))
    inner = np.empty(size // 4 + 1, np.int64)
    offsets = np.empty(after - before + 1, np.int64)
    compiled = loops.compiled()
    if compiled is None:
        lists, number = _join_nested_slowly(opened, header, values, inner, offsets)
    else:
        lists, number = compiled.join_nested(
            opened.content, opened.table, values.itemsize, header, values, inner, offsets
        )
    offsets[-1], inner[lists] = lists, number
    offsets, first, last = _cut(offsets, start - before, stop - before)
    inner, begin, end = _cut(inner, first, last)
    return Ragged(offsets, Ragged(inner, values[begin:end]))


def _join_nested_slowly(
    opened: _Opened, header: int, values: Array, inner: Array, offsets: Array
) -> tuple[int, int]:
    """Do what the compiled loop does: fill all three; return how many lists and values there are.

    Raises
    ------
    ValueError
        If positions or numbers contradict each other.
    """
    stored, size = values.dtype.newbyteorder(">"), values.itemsize
    lists = filled = begun = 0
    for start, border, key, entries in opened.table.tolist():
        positions = np.frombuffer(opened.content, ">i4", entries, start + border + 4)
        edges = [*(positions.astype(np.int64) - key).tolist(), border]
        if edges[0]:
            raise ValueError(_CONTRADICTING)
        for place, end in itertools.pairwise(edges):
            at = place + header
            if not at <= end <= border:
                raise ValueError(_CONTRADICTING)
            offsets[begun], begun = lists, begun + 1
            own = _number(opened.content, start + at - _NUMBER.size)
            if own < 0:
                raise ValueError(_CONTRADICTING)
            for _ in range(own):
                if end - at < _NUMBER.size:
                    raise ValueError(_CONTRADICTING)
                number = _number(opened.content, start + at)
                at += _NUMBER.size
                if not 0 <= number <= (end - at) // size:
                    raise ValueError(_CONTRADICTING)
                found = np.frombuffer(opened.content, stored, number, start + at)
                values[filled : filled + number] = found
                inner[lists], lists = filled, lists + 1
                at, filled = at + number * size, filled + number
            if at != end:
                raise ValueError(_CONTRADICTING)
    return lists, filled


def _number(content: Any, place: int) -> int:
    """Return the number of lists or values that is stored at a place."""
    (number,) = _NUMBER.unpack_from(content, place)
    return int(number)
