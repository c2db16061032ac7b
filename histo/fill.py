"""Filling all histograms of a plan from one block of events.

Objects fall into few distinct *patterns* of passed selections. So the selections of a level are
packed into the number of a pattern, each variable is filled once, against the pattern, and the
histogram of a selection is the sum over the patterns in which it passes. The cost of filling does
not grow with the number of selections: 20 selections of 500,000 objects take 9 ms for a variable,
filled one by one 60 ms (two cores, boost-histogram 1.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boost_histogram as bh
import numpy as np
from numpy.typing import NDArray

from histo.book import fillable, make_axis
from histo.plan import Batch, Booking, Plan
from histo.rates import passed_thresholds
from schemas.evaluate import Evaluator
from schemas.event_schema import EVENT
from schemas.events import Array
from schemas.expressions import Columns

MAX_CELLS = 4_000_000
"""Cells of a histogram against patterns (32 MB); beyond, selections are filled one by one."""

CHUNK = 16
"""Selections packed at once: their patterns are numbered by a table of 2**16 entries."""


@dataclass(frozen=True)
class Filled:
    """Contents of all histograms of a plan, flow bins included.

    Attributes
    ----------
    values
        One array per histogram: int64 counts, or float64 sums of weights.
    variances
        Sums of squared weights; None for unweighted histograms.
    """

    values: tuple[Array, ...]
    variances: tuple[Array | None, ...]


Contents = tuple[Array, Array | None]
"""Values and variances of one histogram."""


def merge(first: Filled, second: Filled) -> Filled:
    """Add the contents of two blocks."""
    return Filled(
        tuple(a + b for a, b in zip(first.values, second.values, strict=True)),
        tuple(
            None if a is None or b is None else a + b
            for a, b in zip(first.variances, second.variances, strict=True)
        ),
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
    evaluate = Evaluator(columns, plan.derivations)
    patterns: dict[tuple[str, ...], Patterns] = {}
    values: list[Array] = [np.empty(0)] * len(plan.bookings)
    variances: list[Array | None] = [None] * len(plan.bookings)
    for batch in plan.batches:
        filled: list[Contents]
        if batch.first.kind == "norm":
            filled = [(np.array([0, events_read, 0]), None)] * len(batch.indices)
        else:
            filled = _fill_batch(batch, evaluate, patterns)
        for index, (value, variance) in zip(batch.indices, filled, strict=True):
            values[index], variances[index] = value, variance
    return Filled(tuple(values), tuple(variances))


def _fill_batch(
    batch: Batch, evaluate: Evaluator, cache: dict[tuple[str, ...], Patterns]
) -> list[Contents]:
    """Fill histograms that differ by their selection only."""
    first = batch.first
    keys = [selection.key if selection else "" for selection in batch.selections]
    distinct = dict(zip(keys, batch.selections, strict=True))
    known = (first.level, *distinct)
    if known not in cache:
        masks = [evaluate(s) if s else None for s in distinct.values()]
        cache[known] = pack(masks, len(evaluate(first.values[0])))
    patterns = cache[known]
    position = {key: index for index, key in enumerate(distinct)}

    entries = [evaluate(node) for node in first.values]
    weight = None if first.weight is None else evaluate(first.weight)
    codes = patterns.codes
    present = _defined(first, evaluate)
    if present is not None:
        entries = [values[present] for values in entries]
        weight = None if weight is None else weight[present]
        codes = codes[present]

    axes = [make_axis(axis) for axis in first.axes]
    if first.kind == "rate":  # bins are numbers of passed thresholds, made cumulative at the end
        entries = [passed_thresholds(entries[0], np.asarray(axes[0].edges))]
        axes = [bh.axis.Integer(1, axes[0].size + 1)]
    else:
        entries = [fillable(v, axis) for v, axis in zip(entries, first.axes, strict=True)]
    cells = int(np.prod([axis.extent for axis in axes]))
    rows = [position[key] for key in keys]
    if len(patterns.passed) * cells > MAX_CELLS:
        return [_fill_one(axes, entries, weight, patterns.passed[:, row][codes]) for row in rows]
    return _fill_patterns(axes, entries, weight, codes, patterns.passed, rows)


def _defined(booking: Booking, evaluate: Evaluator) -> NDArray[np.bool_] | None:
    """Return the entries for which every value exists, or None if it always does."""
    empty: NDArray[np.bool_] | None = None
    if booking.kind == "rate":  # also where all values are NaN
        return ~np.isnan(evaluate(booking.values[0]))
    for node in (*booking.values, *([booking.weight] if booking.weight else [])):
        missing = evaluate.empty_events(node)
        if missing is not None:
            empty = missing if empty is None else empty | missing
    if empty is None:
        return None
    if booking.level == EVENT:
        return ~empty
    return np.repeat(~empty, np.diff(evaluate.offsets(booking.level)))


def _fill_one(
    axes: Sequence[Any],
    entries: Sequence[Array],
    weight: Array | None,
    mask: NDArray[np.bool_],
) -> Contents:
    chosen = [values[mask] for values in entries]
    if weight is None:
        counts = bh.Histogram(*axes, storage=bh.storage.Int64())
        counts.fill(*chosen)
        return np.asarray(counts.view(flow=True)), None
    sums = bh.Histogram(*axes, storage=bh.storage.Weight())
    sums.fill(*chosen, weight=weight[mask])
    view = sums.view(flow=True)
    return np.asarray(view["value"]), np.asarray(view["variance"])


def _fill_patterns(
    axes: Sequence[Any],
    entries: Sequence[Array],
    weight: Array | None,
    codes: Array,
    passed: NDArray[np.bool_],
    rows: Sequence[int],
) -> list[Contents]:
    """Fill once against the pattern, then add up the patterns of each selection."""
    numbers = bh.axis.Integer(0, len(passed), underflow=False, overflow=False)
    if weight is None:
        counts = bh.Histogram(numbers, *axes, storage=bh.storage.Int64())
        counts.fill(codes, *entries)
        view = counts.view(flow=True)
        return [(view[passed[:, row]].sum(axis=0), None) for row in rows]
    sums = bh.Histogram(numbers, *axes, storage=bh.storage.Weight())
    sums.fill(codes, *entries, weight=weight)
    view = sums.view(flow=True)
    values, variances = np.asarray(view["value"]), np.asarray(view["variance"])
    chosen = [passed[:, row] for row in rows]
    return [(values[mask].sum(axis=0), variances[mask].sum(axis=0)) for mask in chosen]


@dataclass(frozen=True)
class Patterns:
    """Which combination of selections each entry passes.

    Attributes
    ----------
    codes
        Number of the pattern of each entry, int32.
    passed
        Patterns x selections: whether entries of the pattern pass the selection.
    """

    codes: NDArray[np.int32]
    passed: NDArray[np.bool_]


def pack(masks: Sequence[NDArray[np.bool_] | None], size: int) -> Patterns:
    """Give a number to each combination of conditions that occurs.

    Parameters
    ----------
    masks
        One array per selection, an entry per object; None passes everything.
    size
        Number of entries.
    """
    codes = np.zeros(size, np.int32)
    passed = np.zeros((1, 0), np.bool_)
    for start in range(0, len(masks), CHUNK):
        chunk = masks[start : start + CHUNK]
        bits = np.zeros(size, np.uint16)
        for index, mask in enumerate(chunk):
            if mask is None:
                bits |= np.uint16(1 << index)
            else:
                bits |= mask.astype(np.uint16) << np.uint16(index)
        own, table = _number(bits, 1 << CHUNK)
        flags = (table[:, None] >> np.arange(len(chunk)) & 1).astype(np.bool_)
        if start == 0:
            codes, passed = own, flags
            continue
        words = codes.astype(np.int64) * len(table) + own
        codes, pairs = _number(words, len(passed) * len(table))
        passed = np.hstack([passed[pairs // len(table)], flags[pairs % len(table)]])
    return Patterns(codes, passed)


def _number(words: Array, limit: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give a number to each distinct word, in increasing order.

    Parameters
    ----------
    words
        Integers from 0 up to ``limit``.

    Returns
    -------
    numbers
        For each word.
    table
        The word of each number.
    """
    if limit > MAX_CELLS:  # too many for a table of all words
        distinct, inverse = np.unique(words, return_inverse=True)
        return inverse.astype(np.int32), distinct.astype(np.int64)
    table = np.flatnonzero(np.bincount(words, minlength=1))
    lookup = np.zeros(limit, np.int32)
    lookup[table] = np.arange(len(table), dtype=np.int32)
    return lookup[words], table
