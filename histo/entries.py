"""What histograms are filled with: entries, the bins of their values, the patterns they are in."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from histo.atoms import combine, find_atoms
from histo.axis_bins import bins_of
from histo.batches import Batch, Booking
from histo.book import Binning
from histo.cells import Cells, bins, cell_type
from histo.edges import Edges
from histo.patterns import PatternCodes, Patterns, pack
from schemas.axes import Axis
from schemas.evaluate import Evaluator
from schemas.event_schema import EVENT
from schemas.events import Array, Coded
from schemas.expressions import Node
from schemas.needs import Parts
from schemas.tally import step

T = TypeVar("T", Array, Array | Coded)

Index = NDArray[np.intp]
Numbers = NDArray[np.integer[Any]]


class Entries(Struct, frozen=True):
    """The objects of a level that are filled, and the selections that they pass.

    Attributes
    ----------
    positions
        Among the objects of the level; None for all of them.
    codes, passed
        Number of the pattern of each entry, and patterns x selections, as in `Patterns`.
    """

    positions: Index | None
    codes: PatternCodes
    passed: NDArray[np.bool_]
    _passing: dict[int, Index] = {}
    _starts: dict[int, Numbers] = {}

    def of(self, values: T) -> T:
        """Return the values of the entries, of those of the level."""
        return values if self.positions is None else values.take(self.positions)

    def starts(self, cells: int) -> Numbers:
        """Return where the bins of the pattern of each entry start in a table of ``cells`` each."""
        if cells not in self._starts:
            starts = self.codes.astype(cell_type(cells * len(self.passed)))
            starts *= starts.dtype.type(cells)
            self._starts[cells] = starts
        return self._starts[cells]

    def passing(self, selection: int) -> Index:
        """List the entries that pass a selection."""
        if selection not in self._passing:
            passed = self.passed[:, selection].take(self.codes)
            self._passing[selection] = np.flatnonzero(passed)
        return self._passing[selection]


class Finder:
    """Finds entries and bins in one block of events, what batches share only once.

    Parameters
    ----------
    evaluate
        Of the block.
    """

    def __init__(self, evaluate: Evaluator) -> None:
        self.evaluate = evaluate
        self._binnings: dict[int, Binning] = {}
        self._entries: dict[tuple[str, ...], Entries] = {}
        self._reached: dict[tuple[str, int], Numbers] = {}
        self._scratch = np.empty(0, np.intp)

    def forget(self, parts: Parts) -> None:
        """Give up the memory of what no batch to come needs."""
        self.evaluate.forget(parts)
        levels, nodes = parts.levels, parts.nodes
        self._entries = {k: v for k, v in self._entries.items() if k[0] not in levels}
        self._reached = {k: v for k, v in self._reached.items() if k[0] not in nodes}

    def entries(self, batch: Batch) -> Entries:
        """Return the entries of a batch; its selections are those of the patterns."""
        defined = self._defined(batch.first)
        known = (batch.first.level, *batch.keys)
        with step("select"):
            if known not in self._entries:
                patterns = self._find_patterns(batch)
                self._entries[known] = Entries(None, patterns.codes, patterns.passed)
            every = self._entries[known]
            if defined is None:
                return every
            positions = np.flatnonzero(defined)
            return Entries(positions, every.codes.take(positions), every.passed)

    def cells(self, batch: Batch, entries: Entries, *, patterns: bool) -> Cells:
        """Return the cell of each entry in a table of bins, or of patterns x bins."""
        booking = batch.first
        size = batch.cells * (len(entries.passed) if patterns else 1)
        terms = []
        for position, (node, axis) in enumerate(zip(booking.values, booking.axes, strict=True)):
            stride = math.prod(booking.shape[position + 1 :])
            values = entries.of(self._compute(node))
            terms.append(bins(self._binning(axis), stride, values, size))
        several = patterns and len(entries.passed) > 1
        return Cells(
            len(entries.codes), size, terms, entries.starts(batch.cells) if several else None
        )

    def every(self, cells: Cells) -> Index:
        """Write down all cells.

        They are overwritten by the next call: to find memory anew for each batch costs as much as
        to fill it.
        """
        if len(self._scratch) < cells.entries:
            self._scratch = np.empty(cells.entries, np.intp)
        return cells.every(self._scratch)

    def weights(self, booking: Booking) -> NDArray[np.float64]:
        """Return the weight of each object of the level, for a rate of each event."""
        if booking.weight is None:
            raise AssertionError(f"{booking.name} has no weight")
        with step("derive"):
            return np.asarray(self.evaluate(booking.weight), np.float64)

    def highest(self, booking: Booking, selection: Node | None) -> Numbers:
        """Return for each event how many thresholds the highest selected object reaches.

        That is the largest of the numbers that the objects reach, so the thresholds are searched
        once for all selections; to find the highest of the values first, for each of 29 selections,
        took 4 times as long in all.
        """
        reached = self._thresholds_reached(booking)
        with step("select"):
            mask = None if selection is None else self.evaluate(selection)
        if booking.level == EVENT:
            return reached if mask is None else reached * mask
        events = self.evaluate.owners(booking.level)
        if mask is not None:
            passing = np.flatnonzero(mask)
            reached, events = reached.take(passing), events.take(passing)
        best = np.zeros(self.evaluate.columns.size, reached.dtype)
        np.maximum.at(best, events, reached)
        return best

    def _find_patterns(self, batch: Batch) -> Patterns:
        size = self.evaluate.columns.size
        if batch.first.level != EVENT:
            size = int(self.evaluate.offsets(batch.first.level)[-1])
        atoms = find_atoms(batch.distinct)
        if len(atoms) > len(batch.distinct):
            return pack([self.evaluate.coded(n) if n else None for n in batch.distinct], size)

        def combined(flags: NDArray[np.bool_]) -> list[NDArray[np.bool_] | None]:
            holds = {atom.key: flags[:, index] for index, atom in enumerate(atoms)}
            known: dict[str, NDArray[np.bool_]] = {}
            return [combine(node, holds, len(flags), known) for node in batch.distinct]

        return pack([self.evaluate.coded(atom) for atom in atoms], size, combined)

    def _defined(self, booking: Booking) -> NDArray[np.bool_] | None:
        """Return the objects of the level for which every value exists, None if it always does."""
        empty: NDArray[np.bool_] | None = None
        for node in (*booking.values, *([booking.weight] if booking.weight else [])):
            missing = self.evaluate.empty_events(node)
            if missing is not None:
                empty = missing if empty is None else empty | missing
        if empty is None or booking.level == EVENT:
            return None if empty is None else ~empty
        return ~empty.take(self.evaluate.owners(booking.level))

    def _thresholds_reached(self, booking: Booking) -> Numbers:
        """Return how many thresholds each object of the level reaches; none if it is NaN."""
        (node,), (axis,) = booking.values, booking.axes
        known = (node.key, id(axis))
        if known not in self._reached:
            values = self._compute(node)
            edges = Edges(bins_of(axis).edges[:-1])
            if isinstance(values, Coded):
                reached = _reached(edges, values.values)
                self._reached[known] = values.codes.look_up(reached)
            else:
                self._reached[known] = _reached(edges, values)
        return self._reached[known]

    def _compute(self, node: Node) -> Array | Coded:
        with step("derive"):
            return self.evaluate.coded(node)

    def _binning(self, axis: Axis) -> Binning:
        if id(axis) not in self._binnings:
            self._binnings[id(axis)] = Binning(axis)
        return self._binnings[id(axis)]


def _reached(edges: Edges, values: Array) -> Numbers:
    reached = edges.reached(values)
    reached[np.isnan(values)] = 0
    return reached
