"""Columns with a dictionary as they are stored: codes of few bits, which are looked up.

To decode codes, and then to take from an array by them what is wanted of each object, takes Arrow
1.1 ns an object and NumPy 0.7 ns. To do both at once takes 0.6 ns, compiled (`schemas.loops`), and
1.5 ns by Arrow, which decodes a column by taking from its dictionary: if that holds what is wanted,
such as the bin of each value, it is all done in the first step. So a column stays as it is stored,
without compression and levels, and is gone through for each question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from schemas import loops
from schemas.errors import DatasetError
from schemas.events import Array, Numbers, add_words, count_cells
from schemas.flat_file import CODED_AS, FlatFile

WORD = FlatFile.DICTIONARY
"""Type of what is looked up at once, whatever its bits mean."""


class CodePages:
    """The codes of one column of a row group; for one thread at a time.

    Parameters
    ----------
    encoding
        Parquet's number of it.
    pages
        Encoded codes, and how many these are.
    entries
        Size of the dictionary.

    Attributes
    ----------
    rows
        Number of codes.
    """

    def __init__(
        self, encoding: int, pages: Sequence[tuple[memoryview, int]], entries: int
    ) -> None:
        self.rows = sum(number for _, number in pages)
        self.entries = entries
        self._encoding, self._pages = encoding, pages

    def read(self, words: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the word of each code, given as many as there are entries.

        Raises
        ------
        ValueError, pyarrow.ArrowException, OSError
            If the codes cannot be decoded.
        """
        compiled = loops.compiled()
        if compiled is None:
            return self._file.read(words).view(np.int32)
        found = np.empty(self.rows, np.int32)
        for page, _, part in self._parts():
            compiled.look_up(page, words, found[part])
        return found

    def add_bits(self, compiled: ModuleType, words: Numbers, bits: NDArray[np.uint16]) -> None:
        """Set the bits of the word of each code besides those that are set; see `read`."""
        for page, _, part in self._parts():
            compiled.add_bits(page, words, bits[part])

    def count(
        self, compiled: ModuleType, cells: Numbers, starts: Numbers | None, table: NDArray[np.int64]
    ) -> None:
        """Count each code in its cell, plus where it starts, of a table; see `read`."""
        for page, number, part in self._parts():
            own = None if starts is None else starts[part]
            compiled.count_codes(table, page, number, cells, own)

    def _parts(self) -> Iterator[tuple[memoryview, int, slice]]:
        """Iterate over pages, the number of their codes, and which of all codes these are."""
        start = 0
        for page, number in self._pages:
            yield page, number, slice(start, start + number)
            start += number

    @cached_property
    def _file(self) -> FlatFile:
        """The same for Arrow: a file in memory, into which each question puts a dictionary."""
        return FlatFile(CODED_AS, self._encoding, self._pages, self.entries)


class PackedCodes:
    """`Codes` as they are stored; for one thread at a time.

    Parameters
    ----------
    pages
        The codes of each row group, whose dictionaries follow one another.
    where
        File and column, for messages.
    """

    def __init__(self, pages: Sequence[CodePages], where: str) -> None:
        self._pages, self._where = pages, where
        self._starts = np.cumsum([0, *(group.entries for group in pages)]).tolist()

    def __len__(self) -> int:
        """Return the number of objects."""
        return sum(group.rows for group in self._pages)

    def look_up(self, values: Array) -> Array:
        """Return the value of each object, given those of the dictionary, not to be written to.

        Raises
        ------
        DatasetError
            For a code beyond the dictionary.
        """
        if values.itemsize != WORD.itemsize:
            return values.take(self.numbers)
        words = np.ascontiguousarray(values).view(WORD)
        return self._read(words).view(values.dtype)

    @cached_property
    def numbers(self) -> NDArray[np.int32]:
        """The position in the dictionary for each object."""
        return self._read(np.arange(self._starts[-1], dtype=WORD))

    def add_bits(self, words: Numbers, bits: NDArray[np.uint16]) -> None:
        """Set bits of each object; see `Codes`."""
        compiled = loops.compiled()
        if compiled is None:
            add_words(self.look_up(words), bits)
            return
        for group, entries, objects in self._groups():
            with self._damage():
                group.add_bits(compiled, words[entries], bits[objects])

    def count(self, cells: Numbers, starts: Numbers | None, table: NDArray[np.int64]) -> None:
        """Count each object in a cell of a table; see `Codes`."""
        compiled = loops.compiled()
        if compiled is None:
            count_cells(self.look_up(cells), starts, table)
            return
        for group, entries, objects in self._groups():
            own = None if starts is None else starts[objects]
            with self._damage():
                group.count(compiled, cells[entries], own, table)

    def _read(self, words: NDArray[np.int32]) -> NDArray[np.int32]:
        with self._damage():
            parts = [group.read(words[entries]) for group, entries, _ in self._groups()]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _groups(self) -> Iterator[tuple[CodePages, slice, slice]]:
        """Iterate over row groups, with their entries of the dictionary and their objects."""
        start = 0
        for group, (first, last) in zip(self._pages, pairwise(self._starts), strict=True):
            yield group, slice(first, last), slice(start, start + group.rows)
            start += group.rows

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Say of which column the codes are that cannot be decoded."""
        import pyarrow as pa

        try:
            yield
        except (ValueError, pa.ArrowException, OSError) as error:
            raise DatasetError.damaged(self._where, error) from error
