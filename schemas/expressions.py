"""Expressions with types: which level and type each part has, which columns it needs, its values.

`schemas.binding` turns a parsed expression into a tree of `Node`; `schemas.evaluate` computes nodes
on events, each distinct one once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.digests import digest
from schemas.errors import ConfigError, Location
from schemas.event_schema import EVENT
from schemas.events import Array
from schemas.operations import REDUCTIONS

CONSTANT = ""
"""Level of a number that is the same for all events."""

MAX_DEPTH = 200
"""Levels of computations inside each other; more cannot be sent to other processes."""

MAX_KEY = 4_000
"""Characters of a key that is still written out."""

Dtype = np.dtype[Any]


class Node(Struct, frozen=True, eq=False):
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
        """Iterate over this node and all below it, each once."""
        seen: set[str] = set()
        open_ = [self]
        while open_:
            node = open_.pop()
            if node.key not in seen:
                seen.add(node.key)
                yield node
                open_.extend(node.parts)


class Constant(Node, frozen=True, eq=False):
    """A number; weakly typed, as Python numbers are to NumPy."""

    value: bool | int | float = 0


class Column(Node, frozen=True, eq=False):
    """A field of a collection, or an event-level column."""

    field: str = ""


class Apply(Node, frozen=True, eq=False):
    """A function of the parts, element by element."""

    compute: Callable[..., Any] = operator.pos


class Broadcast(Node, frozen=True, eq=False):
    """One value per event, repeated for each object of the collection that is the level."""


class Take(Node, frozen=True, eq=False):
    """A value of the objects that a derived collection (the level) refers to.

    Attributes
    ----------
    reference
        Which of its references.
    """

    reference: str = ""


class Member(Node, frozen=True, eq=False):
    """Whether an object of a collection (the level) is in one derived from it.

    Attributes
    ----------
    of
        The derived collection: a filter of the level, or the best of it.
    """

    of: str = ""


class Join(Node, frozen=True, eq=False):
    """The values of all sources of a union (the level), one part each."""


class Reduce(Node, frozen=True, eq=False):
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


class Number(Node, frozen=True, eq=False):
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


@contextmanager
def following_names() -> Iterator[None]:
    """Turn the end of Python's stack, where names lead to names, into an error of this project.

    Raises
    ------
    ConfigError
        Instead of a RecursionError.
    """
    try:
        yield
    except RecursionError:
        raise ConfigError(
            "selections, definitions, tables or collections use each other too many levels deep; "
            "write some of them out"
        ) from None


def check_depth(nodes: Iterable[Node], what: str, location: Location | None = None) -> None:
    """Refuse computations that are nested too deeply.

    Parameters
    ----------
    nodes
        To be computed.
    what
        What they are for, for the message.
    location
        Where that stands.

    Raises
    ------
    ConfigError
        If there are more than `MAX_DEPTH` levels.
    """
    depths: dict[int, int] = {}
    waiting = list(nodes)
    while waiting:
        node = waiting[-1]
        missing = [part for part in node.parts if id(part) not in depths]
        if missing:
            waiting.extend(missing)
            continue
        waiting.pop()
        depths[id(node)] = 1 + max((depths[id(part)] for part in node.parts), default=0)
        if depths[id(node)] > MAX_DEPTH:
            raise ConfigError(
                f"{what}: over {MAX_DEPTH} levels of computations inside each other; split it up",
                location,
            )


def apply(symbol: str, compute: Callable[..., Any], parts: tuple[Node, ...], level: str) -> Node:
    """Make the node of an element-wise computation, finding its type by running it on ones.

    Raises
    ------
    TypeError, ValueError, OverflowError
        By NumPy, if the computation does not exist for these types.
    """
    infix = len(parts) == 2 and (symbol in ("and", "or") or not symbol[0].isalpha())
    key = shorten(
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


def shorten(key: str) -> str:
    """Return a key, or its digest where selections of selections made it long.

    Without it, a chain of selections that each use the next one twice would grow exponentially.
    """
    if len(key) <= MAX_KEY:
        return key
    return f"{key[:80]}...#{digest(key.encode())}"


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
    return Broadcast(shorten(f"{node.key}@{level}"), level, node.dtype, (node,))


def reduce(
    name: str, values: Node, where: Node | None = None, default: bool | int | float | None = None
) -> Reduce:
    """Make the node that reduces the values of objects to one per event.

    Parameters
    ----------
    name
        Of the reduction.
    values
        One per object.
    where
        The condition for an object to take part; None for all.
    default
        Value for events without objects.
    """
    parts = (values,) if where is None else (values, where)
    extra = "" if where is None else f" where {where.key}"
    extra += "" if default is None else f", default={default!r}"
    samples = np.empty(0, values.dtype), np.zeros(1, np.int64)
    dtype = REDUCTIONS[name].compute(*samples).dtype
    key = shorten(f"{name}({values.key}{extra})")
    return Reduce(key, EVENT, dtype, parts, name, values.level, default)


def number(collection: str) -> Number:
    """Make the node of the number of objects of each event in a collection."""
    return Number(f"count({collection})", EVENT, np.dtype(np.int64), (), collection)


def member(level: str, of: str) -> Member:
    """Make the node that tells whether an object is among those of a derived collection."""
    return Member(f"{level} in {of}", level, np.dtype(np.bool_), (), of)
