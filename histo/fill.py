"""Filling all histograms of a plan from one block of events.

Objects fall into few distinct *patterns* of passed selections. So the conditions that the
selections of a level combine (`histo.atoms`) are packed into the number of a pattern, each variable
is counted once, against the pattern, and the histogram of a selection is the sum over the patterns
in which it passes. The cost of filling does not grow with the number of selections: 20 selections
of 580,000 objects take 3 ms to pack, and then 0.6 ms for a variable with its decoding (1.5 ms if it
is not coded), filled one by one 60 ms.

The bin of a value is boost-histogram's, from `histo.book`; of a coded value it is looked up by code
(`histo.cells`). Entries are counted by a compiled loop (`schemas.loops`), or by ``numpy.bincount``,
which takes twice as long. To make and fill a histogram object costs 40 us even for no entries.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from histo.batches import Batch
from histo.entries import Finder, Numbers
from histo.patterns import sum_patterns
from histo.plan import Plan
from schemas.evaluate import Evaluator
from schemas.events import Array
from schemas.expressions import Columns
from schemas.tally import step

MAX_CELLS = 4_000_000
"""Cells of a table of patterns x bins (32 MB); beyond, selections are filled one by one."""

FEW_CELLS = 16_384
"""Cells that are cheap to go through however few the entries are (128 kB, the cache of a core)."""

Counts = NDArray[np.int64]
Sums = NDArray[np.float64]

Contents = tuple[Array, Array | None]
"""Values and variances of one histogram."""


class Filled(Struct, frozen=True):
    """Contents of all histograms of a plan, flow bins included, in the order of its batches.

    Attributes
    ----------
    counts
        Of the unweighted histograms.
    sums, squares
        Sums of weights and of their squares of the weighted ones.
    """

    counts: Counts
    sums: Sums
    squares: Sums

    @classmethod
    def empty(cls, plan: Plan) -> Filled:
        """Return contents without any entry."""
        counts, sums = (
            max((b.place.stop for b in plan.batches if b.first.weighted == weighted), default=0)
            for weighted in (False, True)
        )
        return cls(np.zeros(counts, np.int64), np.zeros(sums), np.zeros(sums))

    def contents(self, plan: Plan) -> list[Contents]:
        """Return views of values and variances of each histogram, in the order of the bookings.

        Values are int64 counts without variances, or float64 sums of weights.
        """
        contents: dict[int, Contents] = {}
        for batch in plan.batches:
            shape = (len(batch.indices), *batch.first.shape)
            if batch.first.weighted:
                sums = self.sums[batch.place].reshape(shape)
                squares = self.squares[batch.place].reshape(shape)
                for row, index in enumerate(batch.indices):
                    contents[index] = sums[row], squares[row]
            else:
                counts = self.counts[batch.place].reshape(shape)
                for row, index in enumerate(batch.indices):
                    contents[index] = counts[row], None
        return [contents[index] for index in range(len(plan.bookings))]


def merge(first: Filled, second: Filled) -> Filled:
    """Add the contents of two blocks."""
    return Filled(
        first.counts + second.counts, first.sums + second.sums, first.squares + second.squares
    )


def fill(plan: Plan, columns: Columns, events_read: int) -> Filled:
    """Fill all histograms from one block of events.

    Parameters
    ----------
    plan
        The histograms.
    columns
        The events.
    events_read
        Number of events that these are what a skim left of.
    """
    filled = Filled.empty(plan)
    finder = Finder(Evaluator(columns, plan.derivations))
    with step("fill"):
        for batch, finished in zip(plan.batches, plan.finished, strict=True):
            shape = (len(batch.indices), batch.cells)
            if batch.first.weighted:
                sums, squares = (part[batch.place] for part in (filled.sums, filled.squares))
                _weigh(finder, batch, sums.reshape(shape), squares.reshape(shape))
            elif batch.first.kind == "norm":
                filled.counts[batch.place].reshape(shape)[:, 1] = events_read
            else:
                _count(finder, batch, filled.counts[batch.place].reshape(shape))
            finder.forget(finished)
    return filled


def _count(finder: Finder, batch: Batch, counts: Counts) -> None:
    """Count the entries of the histograms of a batch; ``counts`` has a row for each."""
    if batch.first.kind == "rate":
        for row, selection in zip(counts, batch.selections, strict=True):
            best = finder.highest(batch.first, selection)
            row[1:] = np.bincount(best, minlength=batch.cells)[1:]
        return
    entries = finder.entries(batch)
    size = len(entries.passed) * batch.cells
    if not _by_pattern(size, len(entries.codes), len(batch.keys)):
        cells = finder.every(finder.cells(batch, entries, patterns=False))
        for row, selected in zip(counts, batch.numbers, strict=True):
            row[:] = np.bincount(cells.take(entries.passing(selected)), minlength=batch.cells)
        return
    table = finder.cells(batch, entries, patterns=True).count()
    counts[:] = sum_patterns(entries.passed[:, batch.numbers], table.reshape(-1, batch.cells))


def _by_pattern(size: int, entries: int, selections: int) -> bool:
    """Tell whether counting against patterns is faster than selection by selection.

    The first takes 1.5 ns a cell to make the table and 0.1 ns a cell and selection to add it up,
    the second 3 ns for each entry that passes, of which 40 % do.
    """
    if size > MAX_CELLS:
        return False
    return size <= FEW_CELLS or size * (15 + selections) <= 12 * selections * entries


def _weigh(finder: Finder, batch: Batch, sums: Sums, squares: Sums) -> None:
    """Add up the weights of a batch; ``sums`` and ``squares`` have a row for each histogram."""
    weights = finder.weights(batch.first)
    if batch.first.kind == "rate":
        for index, selection in enumerate(batch.selections):
            best = finder.highest(batch.first, selection)
            events = np.flatnonzero(best)
            made = _add(best.take(events), weights.take(events), batch.cells)
            sums[index], squares[index] = made
        return
    entries = finder.entries(batch)
    weights = entries.of(weights)
    size = len(entries.passed) * batch.cells
    if size > MAX_CELLS:
        cells = finder.every(finder.cells(batch, entries, patterns=False))
        for index, selected in enumerate(batch.numbers):
            passing = entries.passing(selected)
            made = _add(cells.take(passing), weights.take(passing), batch.cells)
            sums[index], squares[index] = made
        return
    tables = _add(finder.every(finder.cells(batch, entries, patterns=True)), weights, size)
    for target, flat in zip((sums, squares), tables, strict=True):
        table = flat.reshape(-1, batch.cells)
        for row, selected in zip(target, batch.numbers, strict=True):
            # added in the order of the patterns, which a matrix product would not promise
            row[:] = table[entries.passed[:, selected]].sum(axis=0)


def _add(numbers: Numbers, weights: Sums, cells: int) -> tuple[Sums, Sums]:
    """Return the sums of weights in each cell, and of their squares, added in the order given."""
    sums = np.bincount(numbers, weights=weights, minlength=cells)
    squares = np.bincount(numbers, weights=weights * weights, minlength=cells)
    return sums.astype(np.float64, copy=False), squares.astype(np.float64, copy=False)
