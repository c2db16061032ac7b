"""Collections computed from others: filters, unions, pairs, the highest, matched objects.

A `Derivation` says which objects of which collections make one object of the derived one; all it
adds to the data are index arrays. The functions at the end make these from flat arrays and offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.errors import ConfigError
from schemas.events import Array
from schemas.expressions import Node
from schemas.syntax import Expression

MAX_OBJECTS = 100_000_000
"""Objects of a derived collection in one block of events: 1.6 GB of indices for pairs."""

Index = NDArray[np.int64]
Kind = Literal["filter", "highest", "union", "pairs", "best"]

SELF = ""
"""The reference of a derived collection to the one whose objects it has."""


class Derived(Struct, frozen=True):
    """What a configuration says of a derived collection.

    Attributes
    ----------
    name
        Of the collection.
    kind
        ``filter``: objects of the source that pass ``condition``; ``highest``: the ``number``
        highest in ``by``; ``union``: the objects of all sources, one source after the other;
        ``pairs``: all of one source (i < j), or all combinations of two; ``best``: of the pairs
        that are the source, for each object of reference ``keep`` the one with the smallest ``by``
        among those that pass ``condition``.
    sources
        The collections it is made from.
    references
        Collection of each prefix that its objects have: ``leg0``, ``leg1``, ``obj``, ``gen``.
    bare
        The reference whose fields go without prefix; None if there is none.
    condition, by, number, keep
        As the kind needs them.
    passing
        A reference and the selections that its objects must pass, beside ``condition``.
    definitions
        Fields computed for it.
    """

    name: str
    kind: Kind
    sources: tuple[str, ...]
    references: Mapping[str, str] = {}
    bare: str | None = None
    condition: Expression | None = None
    by: Expression | None = None
    number: int = 0
    keep: str = ""
    passing: tuple[str, tuple[str, ...]] = ("", ())
    definitions: Mapping[str, Expression] = {}


class Derivation(Struct, frozen=True, eq=False):
    """A derived collection, bound: what an evaluation needs to make its index arrays.

    Attributes
    ----------
    name, kind, sources, number, keep
        As in `Derived`.
    references
        Names of the index arrays, in the order of the sources.
    condition, by
        Bound to the source; None if the kind has none.
    """

    name: str
    kind: Kind
    sources: tuple[str, ...]
    references: tuple[str, ...]
    condition: Node | None = None
    by: Node | None = None
    number: int = 0
    keep: str = ""

    def nodes(self) -> list[Node]:
        """Return what must be computed before its objects are known."""
        return [node for node in (self.condition, self.by) if node is not None]


class Made(Struct, frozen=True):
    """A derived collection in one block of events.

    Attributes
    ----------
    offsets
        int64, N + 1.
    index
        For each reference the positions in its flat arrays, one per object. A union has one
        index under `SELF`, into the concatenation of its sources.
    """

    offsets: Index
    index: Mapping[str, Index]


def check_size(what: Derivation, offsets: Sequence[Index]) -> None:
    """Refuse to make more objects than memory holds: pairs of pairs grow with the fourth power.

    Parameters
    ----------
    what
        The derived collection.
    offsets
        Of its sources.

    Raises
    ------
    ConfigError
        If there would be more than `MAX_OBJECTS`.
    """
    counts = [np.diff(own).astype(np.float64) for own in offsets]
    numbers = np.sum(counts, axis=0)
    if what.kind == "pairs":
        numbers = counts[0] * (counts[-1] if len(counts) > 1 else (counts[0] - 1) / 2)
    total = float(np.sum(numbers))
    if total > MAX_OBJECTS:
        raise ConfigError(
            f"collection {what.name!r} would have {total:.3g} objects in {len(numbers)} events; "
            f"{MAX_OBJECTS} fit into memory: filter what it is made of, or make smaller partitions"
        )


class Chosen(Struct, frozen=True):
    """A derived collection of some objects of its source, in one block of events.

    Where only the mask is asked for, as for matched objects, nothing else is computed.

    Attributes
    ----------
    mask
        Whether an object of the source is one of them.
    source
        Offsets of the source.
    """

    mask: NDArray[np.bool_]
    source: Index

    def objects(self) -> Made:
        """Return its offsets, and its positions in the source."""
        passed = np.concatenate((np.zeros(1, np.int64), np.cumsum(self.mask, dtype=np.int64)))
        return Made(passed[self.source], {SELF: np.flatnonzero(self.mask)})


def take_filter(mask: NDArray[np.bool_], offsets: Index) -> Chosen:
    """Keep the objects for which the mask is true."""
    return Chosen(mask, offsets)


def take_highest(values: Array, offsets: Index, number: int) -> Made:
    """Keep the highest of each event, the highest first, ties and NaN last in stored order."""
    counts = np.diff(offsets)
    events = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-values.astype(np.float64), events))  # stable; sorts NaN last
    rank = np.arange(len(values)) - np.repeat(offsets[:-1], counts)
    kept = np.minimum(counts, number)
    return Made(
        np.concatenate((np.zeros(1, np.int64), np.cumsum(kept))), {SELF: order[rank < number]}
    )


def take_union(offsets: Sequence[Index]) -> Made:
    """Put the objects of each source after those of the source before it, event by event."""
    counts = [np.diff(own) for own in offsets]
    total = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.sum(counts, axis=0))))
    index = np.empty(total[-1], np.int64)
    start = total[:-1].copy()
    base = 0
    for own, count in zip(offsets, counts, strict=True):
        size = int(own[-1])
        within = np.arange(size) - np.repeat(own[:-1], count)
        index[np.repeat(start, count) + within] = base + np.arange(size)
        start += count
        base += size
    return Made(total, {SELF: index})


def take_pairs(offsets: Index, names: Sequence[str]) -> Made:
    """Pair the objects i < j of each event, in the order of i, then j."""
    counts = np.diff(offsets)
    first = np.arange(offsets[-1])
    partners = np.repeat(offsets[1:], counts) - first - 1
    left = np.repeat(first, partners)
    starts = np.cumsum(partners) - partners
    right = np.arange(len(left)) - np.repeat(starts, partners) + left + 1
    pairs = counts * (counts - 1) // 2
    made = np.concatenate((np.zeros(1, np.int64), np.cumsum(pairs)))
    return Made(made, {names[0]: left, names[1]: right})


def take_product(first: Index, second: Index, names: Sequence[str]) -> Made:
    """Combine each object of one collection with each of another, in the order of the first."""
    counts, others = np.diff(first), np.diff(second)
    partners = np.repeat(others, counts)
    left = np.repeat(np.arange(first[-1]), partners)
    starts = np.cumsum(partners) - partners
    shift = np.repeat(second[:-1], counts) - starts
    right = np.arange(len(left)) + np.repeat(shift, partners)
    made = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts * others)))
    return Made(made, {names[0]: left, names[1]: right})


def take_best(mask: NDArray[np.bool_] | None, by: Array, kept: Index, offsets: Index) -> Chosen:
    """Keep, for each object of one side, the pair with the smallest value.

    Parameters
    ----------
    mask
        The pairs that may be kept; None for all.
    by
        Value of each pair; those with NaN are never kept.
    kept
        Position of each pair's object on that side; pairs of one object stand in a row.
    offsets
        Of the pairs.

    Returns
    -------
    Chosen
        The pairs kept, the first in stored order on a tie.
    """
    usable = ~np.isnan(by) if mask is None else mask & ~np.isnan(by)
    candidates = np.flatnonzero(usable)
    chosen = np.zeros(len(by), np.bool_)
    if len(candidates):
        owner, value = kept[candidates], by[candidates]
        starts = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
        sizes = np.diff(np.append(starts, len(owner)))
        ties = candidates[value == np.repeat(np.minimum.reduceat(value, starts), sizes)]
        owner = kept[ties]
        chosen[ties[np.concatenate(([True], owner[1:] != owner[:-1]))]] = True
    return take_filter(chosen, offsets)
