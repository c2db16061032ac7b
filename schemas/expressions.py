"""Expressions with types: which level and type each part has, which columns it needs, its values.

`schemas.binding` turns a parsed expression into a tree of `Node`; `Evaluator` computes nodes on
events, each distinct one once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ExpressionError
from schemas.event_schema import EVENT
from schemas.events import Array
from schemas.operations import REDUCTIONS

CONSTANT = ""
"""Level of a number that is the same for all events."""

Dtype = np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Node:
    """A part of an expression with its type.

    Attributes
    ----------
    key
        The part as text with all names resolved: equal keys are equal computations.
    level
        `CONSTANT`, `EVENT` (one value per event) or the collection (one value per object).
    dtype
        Type of the values.
    parts
        What it is computed from.
    """

    key: str
    level: str
    dtype: Dtype
    parts: tuple[Node, ...] = ()

    @property
    def is_condition(self) -> bool:
        """Whether the values are booleans."""
        return self.dtype.kind == "b"

    def walk(self) -> Iterator[Node]:
        """Iterate over this node and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """A number; weakly typed, as Python numbers are to NumPy."""

    value: bool | int | float = 0


@dataclass(frozen=True, eq=False)
class Column(Node):
    """A field of a collection, or an event-level column."""

    field: str = ""


@dataclass(frozen=True, eq=False)
class Apply(Node):
    """A function of the parts, element by element."""

    compute: Callable[..., Any] = operator.pos


@dataclass(frozen=True, eq=False)
class Broadcast(Node):
    """One value per event, repeated for each object of the collection that is the level."""


@dataclass(frozen=True, eq=False)
class Reduce(Node):
    """The values of each event's objects (those passing the second part, if any) to one.

    Attributes
    ----------
    reduction
        Name in `REDUCTIONS`.
    over
        The collection.
    default
        Value for events without objects; None keeps the reduction's own.
    """

    reduction: str = ""
    over: str = ""
    default: bool | int | float | None = None


@dataclass(frozen=True, eq=False)
class Number(Node):
    """The number of objects of each event in the collection ``over``."""

    over: str = ""


class Columns(Protocol):
    """What an evaluation reads from."""

    @property
    def size(self) -> int:
        """Number of events."""

    def offsets(self, collection: str) -> NDArray[np.int64]:
        """Return the offsets of a collection, N + 1 * int64."""

    def column(self, collection: str, field: str) -> Array:
        """Return a flat column."""


def needed(nodes: Iterator[Node] | list[Node]) -> tuple[set[tuple[str, str]], set[str]]:
    """Tell what nodes read.

    Returns
    -------
    columns
        ``(collection, field)``; for event-level columns ``(EVENT, column name)``.
    collections
        Those whose offsets are needed, with or without any of their fields.
    """
    columns: set[tuple[str, str]] = set()
    collections: set[str] = set()
    for root in nodes:
        for node in root.walk():
            if isinstance(node, Column):
                columns.add((node.level, node.field))
            if isinstance(node, Reduce | Number):
                collections.add(node.over)
            if node.level not in (CONSTANT, EVENT):
                collections.add(node.level)
    return columns, collections


class Evaluator:
    """Computes nodes on one block of events.

    Parameters
    ----------
    columns
        The events. What is computed is kept as long as the evaluator, so that a part which occurs
        in many expressions is computed once.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._known: dict[str, Any] = {}

    def __call__(self, node: Node) -> Array:
        """Return the values of a node, as many as its level has (constants: one per event)."""
        with np.errstate(all="ignore"):  # x/0 and log(-1) are NaN or inf, as everywhere in NumPy
            values = self._value(node)
        if np.ndim(values) == 0:
            return np.full(self.columns.size, values)
        return np.asarray(values)

    def empty_events(self, node: Node) -> NDArray[np.bool_] | None:
        """Return which events leave a node without a value, or None if no event can.

        These are the events in which ``min``, ``max`` or ``mean`` find no object (N * bool).
        """
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
        return missing

    def _value(self, node: Node) -> Any:
        if isinstance(node, Constant):
            return node.value
        if node.key not in self._known:
            self._known[node.key] = self._compute(node)
        return self._known[node.key]

    def _compute(self, node: Node) -> Any:
        match node:
            case Column():
                return self.columns.column(node.level, node.field)
            case Apply():
                return _apply(node, [self._value(part) for part in node.parts])
            case Broadcast():
                values, offsets = self._value(node.parts[0]), self.columns.offsets(node.level)
                if np.ndim(values) == 0:
                    return np.full(offsets[-1], values)
                return np.repeat(values, np.diff(offsets))
            case Number():
                return np.diff(self.columns.offsets(node.over))
            case Reduce():
                values, offsets = self._selected(node)
                result = REDUCTIONS[node.reduction].compute(values, offsets)
                if node.default is not None:
                    result = np.where(offsets[1:] == offsets[:-1], node.default, result)
                return result
        raise AssertionError(f"{type(node).__name__} has no value")

    def _selected(self, node: Reduce) -> tuple[Array, NDArray[np.int64]]:
        """Return values and offsets of the objects that a reduction runs over."""
        offsets = self.columns.offsets(node.over)
        values = self._value(node.parts[0])
        if np.ndim(values) == 0:
            values = np.full(offsets[-1], values)
        if len(node.parts) == 2:
            mask = self._value(node.parts[1])
            values = values[mask]
            offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(mask)))[offsets]
        return values, offsets


def _apply(node: Apply, values: list[Any]) -> Any:
    """Compute one part; what NumPy refuses depends on the values, and so is found only here."""
    try:
        return node.compute(*values)
    except ValueError as error:
        raise ExpressionError(
            f"cannot be computed: {error}",
            node.key,
            (0, len(node.key)),
            "write one of the numbers with a decimal point, for instance 2.0 ** n",
        ) from error


def apply(symbol: str, compute: Callable[..., Any], parts: tuple[Node, ...], level: str) -> Node:
    """Make the node of an element-wise computation, finding its type by running it on ones.

    Raises
    ------
    TypeError, ValueError, OverflowError
        By NumPy, if the computation does not exist for these types.
    """
    infix = len(parts) == 2 and (symbol in ("and", "or") or not symbol[0].isalpha())
    key = (
        f"({parts[0].key} {symbol} {parts[1].key})"
        if infix
        else f"{symbol}({', '.join(part.key for part in parts)})"
    )
    if level == CONSTANT:
        values = [part.value for part in parts if isinstance(part, Constant)]
        return constant(_fold(symbol, compute, values))
    # one object, not none: NumPy refuses "hwQual ** -1" only where there is a value
    samples = [
        part.value if isinstance(part, Constant) else np.ones(1, part.dtype) for part in parts
    ]
    with np.errstate(all="ignore"):
        dtype = np.asarray(compute(*samples)).dtype
    return Apply(key, level, dtype, parts, compute)


def _fold(symbol: str, compute: Callable[..., Any], values: list[bool | int | float]) -> Any:
    """Compute with plain numbers, never building an integer beyond 64 bits."""
    if symbol in ("**", "<<") and abs(values[1]) > 64:
        raise OverflowError("the exponent is larger than 64")
    with np.errstate(all="ignore"):
        result = compute(*values)
    result = result.item() if isinstance(result, np.generic | np.ndarray) else result
    if isinstance(result, complex):
        raise OverflowError("the result is not a real number")
    if isinstance(result, int) and abs(result) >= 2**64:
        raise OverflowError("the result does not fit 64 bits")
    return result


def constant(value: bool | int | float) -> Constant:
    """Make the node of a number."""
    return Constant(repr(value), CONSTANT, np.asarray(value).dtype, (), value)


def broadcast(node: Node, level: str) -> Node:
    """Bring a constant or a value per event to the level of a collection."""
    if node.level == level or level == EVENT:
        return node
    return Broadcast(f"{node.key}@{level}", level, node.dtype, (node,))
