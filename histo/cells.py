"""Which cell of a table of bins, or of patterns x bins, each entry is counted in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from histo.book import Binning
from schemas import loops
from schemas.axes import Axis, RegularAxis
from schemas.events import Array, Coded, Codes, Numbers, count_cells

CHUNK = 262_144
"""Entries that are counted at a time, unless the table is longer.

Memory for their cells, of 1 MB, is used again and again, where larger arrays are given new pages by
the system. Two threads hand Python's lock to each other around each call into NumPy: with 65,536
entries at a time 580,000 take 7 % longer on two threads, with all at once 12 %.
"""

Counts = NDArray[np.int64]


def cell_type(size: int) -> type[np.signedinteger[Any]]:
    """Return the type of numbers of the cells of a table: the one that bins have, if it will do."""
    return np.int32 if size <= 1 << 31 else np.int64


class CodedBins(Struct, frozen=True):
    """The bins of values of few kinds, looked up by code when they are asked for.

    Attributes
    ----------
    codes
        Which value each entry has.
    bins
        That of each value.
    """

    codes: Codes
    bins: Numbers
    _found: list[Numbers] = []

    def __call__(self, part: slice) -> Numbers:
        """Return the bin of each entry of a part."""
        if not self._found:
            self._found.append(self.codes.look_up(self.bins))
        return self._found[0][part]

    def count(self, starts: Numbers | None, table: Counts) -> bool:
        """Count entries in their bins at once, from where those of each start, if that can be."""
        self.codes.count(self.bins, starts, table)
        return True


class PlainBins(Struct, frozen=True):
    """The bins of values that are looked up part by part.

    Attributes
    ----------
    values
        One for each entry.
    axis
        What they are binned by.
    find
        Returns the bins of some values.
    """

    values: Array
    axis: Axis
    find: Callable[[Array], Numbers]

    def __call__(self, part: slice) -> Numbers:
        """Return the bin of each entry of a part."""
        return self.find(self.values[part])

    def count(self, starts: Numbers | None, table: Counts) -> bool:
        """Count entries in their bins at once, from where those of each start, if that can be."""
        compiled, axis, values = loops.compiled(), self.axis, self.values
        if (
            compiled is None
            or not isinstance(axis, RegularAxis)
            or axis.kind != "regular"
            or values.dtype not in (np.float32, np.float64)
            or not values.flags.c_contiguous
        ):
            return False
        compiled.count_values(
            table, values, values.itemsize, axis.start, axis.stop - axis.start, axis.bins, starts
        )
        return True


Term = CodedBins | PlainBins


class Cells(Struct, frozen=True):
    """The cell of each entry; found part by part, where it is needed.

    Attributes
    ----------
    entries
        Number of entries.
    size
        Number of cells of the table.
    terms
        Each returns a number for each entry of a part; the cell is the sum of them.
    starts
        One more number for each entry; None for 0.
    """

    entries: int
    size: int
    terms: Sequence[Term]
    starts: Numbers | None = None

    def count(self) -> Counts:
        """Count the entries in each cell."""
        table = np.zeros(self.size, np.int64)
        if len(self.terms) == 1 and self.terms[0].count(self.starts, table):
            return table
        for part in self._parts(max(CHUNK, 4 * self.size)):
            starts = None if self.starts is None else self.starts[part]
            count_cells(self._sum(part), starts, table)
        return table

    def every(self, memory: NDArray[np.intp]) -> NDArray[np.intp]:
        """Write down the cell of each entry in memory that is at least as long."""
        for part in self._parts(CHUNK):
            memory[part] = self._find(part)
        return memory[: self.entries]

    def _parts(self, length: int) -> list[slice]:
        starts = range(0, self.entries, length)
        return [slice(start, min(start + length, self.entries)) for start in starts]

    def _find(self, part: slice) -> Numbers:
        cells = self._sum(part)
        return cells if self.starts is None else cells + self.starts[part]

    def _sum(self, part: slice) -> Numbers:
        first, *others = self.terms
        cells = first(part)
        for term in others:
            cells = cells + term(part)
        return cells


def bins(binning: Binning, stride: int, values: Array | Coded, size: int) -> Term:
    """Return what finds the bins of values on one axis, as a term of the cells of a table.

    Parameters
    ----------
    binning
        Of the axis.
    stride
        How many cells lie between one bin and the next.
    values
        One for each entry. If they are coded, the bins of the dictionary are found at once.
    size
        Number of cells of the table.
    """
    kind = cell_type(size)

    def find(plain: Array) -> Numbers:
        index = binning.index(plain)
        index += binning.first
        cells = index.astype(kind, copy=False)
        return np.multiply(cells, stride, out=cells) if stride > 1 else cells

    if isinstance(values, Coded):
        return CodedBins(values.codes, find(values.values))
    return PlainBins(values, binning.axis, find)
