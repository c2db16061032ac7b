"""Values of bound expressions on one block of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import derived
from schemas.derived import SELF, Chosen, Derivation, Index, Made
from schemas.elementwise import apply_coded, apply_plain
from schemas.events import Array, Coded, Codes, PlainCodes, decoded
from schemas.expressions import (
    Apply,
    Broadcast,
    Column,
    Columns,
    Constant,
    Join,
    Member,
    Node,
    Number,
    Reduce,
    Take,
)
from schemas.needs import Derivations, Parts
from schemas.operations import REDUCTIONS


@dataclass(slots=True)
class _Level:
    """What is known of a collection in a block of events.

    Attributes
    ----------
    made, objects
        If it is derived: the outcome, and with offsets and positions.
    references
        Positions that a filter has from its source.
    owners
        Number of the event of each object.
    taken
        Codes at positions of a reference (None for the events), by that and the identity of the
        codes that they are taken from, and these, which keeps the identity theirs.
    """

    made: Made | Chosen | None = None
    objects: Made | None = None
    references: dict[str, Index] = field(default_factory=dict)
    owners: Index | None = None
    taken: dict[tuple[str | None, int], tuple[Codes, PlainCodes]] = field(default_factory=dict)


class Evaluator:
    """Computes nodes on one block of events.

    Parameters
    ----------
    columns
        The events.
    derivations
        The derived collections that nodes may be about.

    Notes
    -----
    What is computed is kept until `forget`, so that a part which occurs in many expressions, or a
    derived collection, is computed once. What is computed of one coded column, element by element,
    is computed of its dictionary.
    """

    def __init__(self, columns: Columns, derivations: Derivations | None = None) -> None:
        self.columns = columns
        self.derivations = derivations or {}
        self._known: dict[str, Any] = {}
        self._decoded: dict[str, Array] = {}
        self._empty: dict[str, NDArray[np.bool_] | None] = {}
        self._levels: dict[str, _Level] = {}

    def forget(self, parts: Parts) -> None:
        """Give up the memory of what is not asked for any more; asked for, it is computed again."""
        for key in parts.nodes:
            for kept in (self._known, self._decoded, self._empty):
                kept.pop(key, None)
        for name in parts.levels:
            self._levels.pop(name, None)

    def __call__(self, node: Node) -> Array:
        """Return the values of a node, as many as its level has (constants: one per event)."""
        values = self.coded(node)
        return self._decode(node, values) if isinstance(values, Coded) else values

    def coded(self, node: Node) -> Array | Coded:
        """Return the same as a call, as `Coded` if that is how the values were computed."""
        with np.errstate(all="ignore"):  # x/0 and log(-1) are NaN or inf, as everywhere in NumPy
            values = self._value(node)
        if isinstance(values, Coded):
            return values
        if np.ndim(values) == 0:
            return np.full(self.columns.size, values)
        return np.asarray(values)

    def offsets(self, level: str) -> Index:
        """Return the offsets of a collection, stored or derived, N + 1 * int64."""
        if level in self.derivations:
            return self._objects(level).offsets
        return self.columns.offsets(level)

    def owners(self, level: str) -> Index:
        """Return the number of the event that each object of a collection belongs to."""
        kept = self._level(level)
        if kept.owners is None:
            counts = np.diff(self.offsets(level))
            kept.owners = np.repeat(np.arange(len(counts)), counts)
        return kept.owners

    def empty_events(self, node: Node) -> NDArray[np.bool_] | None:
        """Return which events leave a node without a value, or None if no event can.

        These are the events in which ``min``, ``max`` or ``mean`` find no object (N * bool).
        """
        if node.key in self._empty:
            return self._empty[node.key]
        missing: NDArray[np.bool_] | None = None
        for part in node.walk():
            if (
                isinstance(part, Reduce)
                and part.default is None
                and not REDUCTIONS[part.reduction].defined_when_empty
            ):
                offsets = self._selected(part)[1]
                empty = offsets[1:] == offsets[:-1]
                missing = empty if missing is None else missing | empty
        self._empty[node.key] = missing
        return missing

    def _value(self, node: Node) -> Any:
        """Return a number, an array, or `Coded`."""
        if isinstance(node, Constant):
            return node.value
        if node.key not in self._known:
            self._known[node.key] = self._compute(node)
        return self._known[node.key]

    def _take(self, node: Broadcast | Take, index: Index, reference: str | None) -> Any:
        """Return the values of a part at positions; what has the same codes has so again."""
        (part,) = node.parts
        values = self._value(part)
        if not _pays(values, len(index)):
            return self._plain(part).take(index)
        taken = self._level(node.level).taken
        known = (reference, id(values.codes))
        if known not in taken:
            taken[known] = values.codes, PlainCodes(values.codes.numbers.take(index))
        return Coded(taken[known][1], values.values)

    def _plain(self, node: Node) -> Any:
        """Return a number or an array."""
        values = self._value(node)
        return self._decode(node, values) if isinstance(values, Coded) else values

    def _decode(self, node: Node, values: Coded) -> Array:
        if node.key not in self._decoded:
            self._decoded[node.key] = values.decode()
        return self._decoded[node.key]

    def _compute(self, node: Node) -> Any:
        match node:
            case Column():
                column: Any = self.columns.column(node.level, node.field)
                return column if _pays(column, len(column)) else decoded(column)
            case Apply():
                coded = apply_coded(node, [self._value(part) for part in node.parts])
                if coded is not None:
                    return coded
                return apply_plain(node, [self._plain(part) for part in node.parts])
            case Broadcast():
                if np.ndim(value := self._value(node.parts[0])) == 0:
                    return np.full(self.offsets(node.level)[-1], value)
                return self._take(node, self.owners(node.level), None)
            case Take():
                return self._take(node, self._index(node.level, node.reference), node.reference)
            case Join():
                values = np.concatenate([self._plain(part) for part in node.parts])
                return values.take(self._index(node.level, SELF))
            case Member():
                made = self._make(node.of)
                if isinstance(made, Chosen):
                    return made.mask
            case Number():
                return np.diff(self.offsets(node.over))
            case Reduce(reduction="any" | "count"):
                return self._count(node)
            case Reduce():
                values, offsets = self._selected(node)
                result = REDUCTIONS[node.reduction].compute(values, offsets)
                if node.default is not None:
                    result = np.where(offsets[1:] == offsets[:-1], node.default, result)
                return result
        raise AssertionError(f"{type(node).__name__} has no value")

    def _count(self, node: Reduce) -> Array:
        """Count the objects that pass, or tell whether there is one.

        From the events of those that pass, which takes half the time of a running sum over all.
        """
        mask = self._full(node.parts[0], self.offsets(node.over))
        if len(node.parts) == 2:
            mask = mask & self._full(node.parts[1], self.offsets(node.over))
        events = self.owners(node.over).take(np.flatnonzero(mask))
        if node.reduction == "count":
            return np.bincount(events, minlength=self.columns.size).astype(np.int64, copy=False)
        found = np.zeros(self.columns.size, np.bool_)
        found[events] = True
        return found

    def _selected(self, node: Reduce) -> tuple[Array, Index]:
        """Return values and offsets of the objects that a reduction runs over."""
        offsets = self.offsets(node.over)
        values = self._plain(node.parts[0])
        if np.ndim(values) == 0:
            values = np.full(offsets[-1], values)
        if len(node.parts) == 2:
            mask = self._plain(node.parts[1])
            values = values.take(np.flatnonzero(mask))  # a fifth of the time of values[mask]
            offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(mask)))[offsets]
        return values, offsets

    def _level(self, name: str) -> _Level:
        if name not in self._levels:
            self._levels[name] = _Level()
        return self._levels[name]

    def _make(self, name: str) -> Made | Chosen:
        """Return which objects a derived collection has, as it was made."""
        level = self._level(name)
        if level.made is None:
            with np.errstate(all="ignore"):
                level.made = self._derive(self.derivations[name])
        return level.made

    def _objects(self, name: str) -> Made:
        """Return the same with offsets and positions."""
        level = self._level(name)
        if level.objects is None:
            made = self._make(name)
            level.objects = made.objects() if isinstance(made, Chosen) else made
        return level.objects

    def _index(self, name: str, reference: str) -> Index:
        """Return the positions that a derived collection refers to.

        A filter has its source's references, too: those of the objects that it keeps.
        """
        index = self._objects(name).index
        if reference in index:
            return index[reference]
        references = self._level(name).references
        if reference not in references:
            (source,) = self.derivations[name].sources
            references[reference] = self._index(source, reference).take(index[SELF])
        return references[reference]

    def _derive(self, what: Derivation) -> Made | Chosen:
        sources = [self.offsets(source) for source in what.sources]
        derived.check_size(what, sources)
        condition = None if what.condition is None else self._full(what.condition, sources[0])
        match what.kind, sources:
            case "union", _:
                return derived.take_union(sources)
            case "pairs", [offsets]:
                return derived.take_pairs(offsets, what.references)
            case "pairs", [first, second]:
                return derived.take_product(first, second, what.references)
            case "filter", [offsets] if condition is not None:
                return derived.take_filter(condition, offsets)
            case "highest", [offsets] if what.by is not None:
                return derived.take_highest(self._full(what.by, offsets), offsets, what.number)
            case "best", [offsets] if what.by is not None:
                kept = self._index(what.sources[0], what.keep)
                return derived.take_best(condition, self._full(what.by, offsets), kept, offsets)
        raise AssertionError(f"{what.name} cannot be a {what.kind} of {len(sources)}")

    def _full(self, node: Node, offsets: Index) -> Array:
        values = self._plain(node)
        return np.full(offsets[-1], values) if np.ndim(values) == 0 else np.asarray(values)


def _pays(values: Any, size: int) -> bool:
    """Tell whether to compute on the dictionary is less work than for each of ``size`` objects."""
    return isinstance(values, Coded) and 2 * len(values.values) <= size
