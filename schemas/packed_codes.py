"""Columns with a dictionary as they are stored: codes of few bits, which are looked up.

To decode codes, and then to take from an array by them what is wanted of each object, takes Arrow
1.1 ns an object and NumPy 0.7 ns. To do both at once takes 0.7 ns, compiled (`schemas.loops`), and
1.5 ns by Arrow, which decodes a column by taking from its dictionary: if that holds what is wanted,
such as the bin of each value, it is all done in the first step. So a column stays as it is stored,
without compression and levels, and is gone through for each question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import loops
from schemas.errors import DatasetError
from schemas.events import Array
from schemas.flat_file import CODED_AS, FlatFile

Numbers = NDArray[np.integer[Any]]

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
        start = 0
        for page, number in self._pages:
            compiled.look_up(page, words, found[start : start + number])
            start += number
        return found

    def count(self, cells: Numbers, starts: Numbers | None, table: NDArray[np.int64]) -> None:
        """Add 1 for each code to its cell of a table; only if loops are compiled."""
        compiled = loops.compiled()
        if compiled is None:
            raise AssertionError("there are no compiled loops")
        start = 0
        for page, number in self._pages:
            own = None if starts is None else starts[start : start + number]
            compiled.count_codes(table, page, number, cells, own)
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

    def count(self, cells: Numbers, starts: Numbers | None, table: NDArray[np.int64]) -> None:
        """Count each object in a cell of a table; only if loops are compiled.

        Parameters
        ----------
        cells
            Number of the cell for each value of the dictionary, int32.
        starts
            What is to be added to it for each object, int32; None for 0.
        table
            Where 1 is added.

        Raises
        ------
        DatasetError
            For a code beyond the dictionary.
        """
        start = 0
        for group, (first, last) in zip(self._pages, pairwise(self._starts), strict=True):
            own = None if starts is None else starts[start : start + group.rows]
            with self._damage():
                group.count(cells[first:last], own, table)
            start += group.rows

    def _read(self, words: NDArray[np.int32]) -> NDArray[np.int32]:
        with self._damage():
            parts = [
                group.read(words[start:stop])
                for group, (start, stop) in zip(self._pages, pairwise(self._starts), strict=True)
            ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Say of which column the codes are that cannot be decoded."""
        import pyarrow as pa

        try:
            yield
        except (ValueError, pa.ArrowException, OSError) as error:
            raise DatasetError.damaged(self._where, error) from error
