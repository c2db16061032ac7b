"""Axes of histograms, in the short forms of a configuration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from schemas.model import StrictModel

MAX_BINS = 1_000_000

MAX_INTEGER = 2**31 - 2
"""On an axis of integers; the largest 32-bit one is left to stand for everything beyond."""


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return value


def _check_integers(*values: int) -> None:
    for value in values:
        if abs(value) > MAX_INTEGER:
            raise ValueError(
                f"{value} is too large for an axis of integers, which has 32 bits; take a regular "
                "axis, [bins, start, stop]"
            )


class _AnyAxis:
    """Base of all axes: what msgspec takes for the type of an axis in any of its short forms."""

    __slots__ = ()

    JSON_SCHEMA: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "array", "items": {"type": "number"}},
            {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "number"}},
            },
            {"const": "boolean"},
        ]
    }

    @staticmethod
    def parse(value: Any) -> Axis:
        """Make an axis of its short form."""
        return _axis(value)


class RegularAxis(_AnyAxis, StrictModel, frozen=True, kw_only=True):
    """Bins of equal width, or of equal ratio for ``log``.

    Attributes
    ----------
    kind
        ``regular`` or ``log``.
    bins
        Their number.
    start, stop
        Lower edge of the first, upper edge of the last.
    """

    kind: Literal["regular", "log"]
    bins: int
    start: float
    stop: float

    def __post_init__(self) -> None:
        _finite(self.start), _finite(self.stop)
        if not self.start < self.stop:
            raise ValueError(f"the axis is empty: from {self.start:g} to {self.stop:g}")
        if not math.isfinite(self.stop - self.start):
            raise ValueError(f"the axis is too wide: from {self.start:g} to {self.stop:g}")
        if self.kind == "log" and self.start <= 0:
            raise ValueError(f"a log axis must start above 0, not at {self.start:g}")


class VariableAxis(_AnyAxis, StrictModel, frozen=True, kw_only=True):
    """Bins between given edges, which increase."""

    kind: Literal["edges"]
    edges: list[float]

    def __post_init__(self) -> None:
        for low, high in zip(self.edges, self.edges[1:], strict=False):
            if not low < high:
                raise ValueError(f"the edges must increase: {low:g} is followed by {high:g}")


class IntegerAxis(_AnyAxis, StrictModel, frozen=True, kw_only=True):
    """One bin for each integer from ``start`` up to and without ``stop``."""

    kind: Literal["integer"]
    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 < self.stop - self.start <= MAX_BINS:
            raise ValueError(f"the axis is empty: from {self.start} up to {self.stop}")
        _check_integers(self.start, self.stop)


class CategoryAxis(_AnyAxis, StrictModel, frozen=True, kw_only=True):
    """One bin for each of the given integers; all others go to the overflow bin."""

    kind: Literal["categories"]
    categories: list[int]

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for value in self.categories:
            if value in seen:
                raise ValueError(f"category {value} stands twice")
            seen.add(value)
        _check_integers(*self.categories)


class BooleanAxis(_AnyAxis, StrictModel, frozen=True, kw_only=True):
    """Two bins, for false and true."""

    kind: Literal["boolean"]


Axis: TypeAlias = RegularAxis | VariableAxis | IntegerAxis | CategoryAxis | BooleanAxis


def cells(axis: Axis) -> int:
    """Return the number of bins of an axis, flow bins included."""
    match axis:
        case VariableAxis():
            return len(axis.edges) + 1
        case IntegerAxis():
            return axis.stop - axis.start + 2
        case CategoryAxis():
            return len(axis.categories) + 1
        case BooleanAxis():
            return 2
    return axis.bins + 2


_AXIS_FORMS = (
    "[bins, start, stop], {log: [bins, start, stop]}, {edges: [...]}, {integer: [start, stop]}, "
    "{categories: [...]} or 'boolean'"
)


def _axis(value: Any) -> Axis:
    """Turn the short forms of an axis into the model's."""
    if isinstance(value, list):
        value = {"regular": value}
    if value == "boolean":
        return BooleanAxis(kind="boolean")
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"expected an axis: {_AXIS_FORMS}")
    (kind, content), *_ = value.items()
    if kind in ("regular", "log"):
        if not isinstance(content, list) or len(content) != 3:
            raise ValueError("expected three numbers: [bins, start, stop]")
        bins, start, stop = (_number(item) for item in content)
        if not isinstance(bins, int):
            raise ValueError(f"the number of bins must be an integer, not {bins}")
        if not 1 <= bins <= MAX_BINS:
            raise ValueError(f"the number of bins must be from 1 to {MAX_BINS}, not {bins}")
        return RegularAxis(kind=kind, bins=bins, start=float(start), stop=float(stop))
    if not isinstance(content, list):
        raise ValueError(f"expected a list of numbers after {str(kind)!r}")
    numbers = [_number(item) for item in content]
    if kind == "edges":
        if len(numbers) < 2:
            raise ValueError("an axis needs at least two edges")
        return VariableAxis(kind="edges", edges=[float(number) for number in numbers])
    integers = [number for number in numbers if isinstance(number, int)]
    if kind in ("integer", "categories") and len(integers) != len(numbers):
        raise ValueError(f"{kind!r} takes integers")
    if kind == "integer":
        if len(integers) != 2:
            raise ValueError("expected two integers: [start, stop]")
        return IntegerAxis(kind="integer", start=integers[0], stop=integers[1])
    if kind == "categories":
        if not integers:
            raise ValueError("an axis needs at least one category")
        return CategoryAxis(kind="categories", categories=integers)
    raise ValueError(f"unknown kind of axis {str(kind)!r}; write {_AXIS_FORMS}")


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{str(value)!r} is not a number")
    return _finite(value)


if TYPE_CHECKING:
    AxisForm: TypeAlias = Axis
else:
    AxisForm = _AnyAxis
"""An axis in any of its short forms; msgspec needs a class here, and not a union."""
