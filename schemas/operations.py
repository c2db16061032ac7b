"""What expressions can do with numbers: operators, functions and reductions, all vectorised.

Arithmetic is NumPy's on the stored types: a number written in an expression never widens a
``float32`` column (NEP 50).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from math import pi
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.events import Array


class Function(Struct, frozen=True):
    """A function of the expression language.

    Attributes
    ----------
    arguments
        Their names, for messages and documentation.
    compute
        Vectorised over arrays and Python numbers.
    doc
        What it gives, in a few words.
    fields
        Fields of an object that stand for it where the function is given objects: ``deltar(leg0,
        leg1)``; empty if it only takes numbers.
    """

    arguments: tuple[str, ...]
    compute: Callable[..., Any]
    doc: str
    fields: tuple[str, ...] = ()


def deltaphi(first: Any, second: Any) -> Any:
    """Return ``first - second`` with one turn taken off or added, in the type of the arguments.

    Angles in rad, each within [-pi, pi], give a difference within [-pi, pi].
    """
    difference = first - second
    difference = np.where(difference > pi, difference - 2 * pi, difference)
    return np.where(difference < -pi, difference + 2 * pi, difference)


def deltar(eta1: Any, phi1: Any, eta2: Any, phi2: Any) -> Any:
    """Return the distance in eta and phi, ``sqrt(deta**2 + dphi**2)``."""
    return np.sqrt(deltar2(eta1, phi1, eta2, phi2))


def deltar2(eta1: Any, phi1: Any, eta2: Any, phi2: Any) -> Any:
    """Return the square of the distance in eta and phi, ``deta**2 + dphi**2``."""
    deta, dphi = eta1 - eta2, deltaphi(phi1, phi2)
    return deta * deta + dphi * dphi


def pair_pt(pt1: Any, phi1: Any, pt2: Any, phi2: Any) -> Any:
    """Return the transverse momentum in GeV of two objects together, in float64."""
    pt1, phi1, pt2, phi2 = (np.asarray(leg, np.float64) for leg in (pt1, phi1, pt2, phi2))
    return np.hypot(
        pt1 * np.cos(phi1) + pt2 * np.cos(phi2), pt1 * np.sin(phi1) + pt2 * np.sin(phi2)
    )


def invariant_mass(*legs: Any) -> Any:
    """Return the two-body mass in GeV of massless particles, in float64.

    ``m**2 = 2 pt1 pt2 (cosh(eta1 - eta2) - cos(phi1 - phi2))``: Review of Particle Physics,
    "Kinematics", in the limit of negligible masses. In float64, since the difference of nearly
    equal numbers loses what float32 has.
    """
    pt1, eta1, phi1, pt2, eta2, phi2 = (np.asarray(leg, np.float64) for leg in legs)
    square = 2 * pt1 * pt2 * (np.cosh(eta1 - eta2) - np.cos(phi1 - phi2))
    return np.sqrt(np.maximum(square, 0))


def _one(compute: Callable[..., Any], doc: str) -> Function:
    return Function(("x",), compute, doc)


FUNCTIONS: Mapping[str, Function] = {
    "abs": _one(np.abs, "absolute value"),
    "sqrt": _one(np.sqrt, "square root"),
    "exp": _one(np.exp, "exponential"),
    "log": _one(np.log, "natural logarithm"),
    "log10": _one(np.log10, "logarithm to base 10"),
    "sin": _one(np.sin, "sine"),
    "cos": _one(np.cos, "cosine"),
    "tan": _one(np.tan, "tangent"),
    "asin": _one(np.arcsin, "inverse sine"),
    "acos": _one(np.arccos, "inverse cosine"),
    "atan": _one(np.arctan, "inverse tangent"),
    "atan2": Function(("y", "x"), np.arctan2, "angle of the point (x, y), within [-pi, pi]"),
    "sinh": _one(np.sinh, "hyperbolic sine"),
    "cosh": _one(np.cosh, "hyperbolic cosine"),
    "tanh": _one(np.tanh, "hyperbolic tangent"),
    "floor": _one(np.floor, "largest integer not above x"),
    "ceil": _one(np.ceil, "smallest integer not below x"),
    "round": _one(np.rint, "nearest integer, halves to the even one"),
    "sign": _one(np.sign, "-1, 0 or 1"),
    "isfinite": _one(np.isfinite, "true unless NaN or infinite"),
    "isnan": _one(np.isnan, "true for NaN"),
    "hypot": Function(("x", "y"), np.hypot, "sqrt(x**2 + y**2)"),
    "minimum": Function(("x", "y"), np.minimum, "the smaller of two values"),
    "maximum": Function(("x", "y"), np.maximum, "the larger of two values"),
    "where": Function(("condition", "x", "y"), np.where, "x where the condition holds, else y"),
    "deltaphi": Function(("phi1", "phi2"), deltaphi, "phi1 - phi2 brought to [-pi, pi]", ("phi",)),
    "deltar": Function(
        ("eta1", "phi1", "eta2", "phi2"),
        deltar,
        "sqrt((eta1 - eta2)**2 + deltaphi(phi1, phi2)**2)",
        ("eta", "phi"),
    ),
    "deltar2": Function(
        ("eta1", "phi1", "eta2", "phi2"), deltar2, "the square of deltar", ("eta", "phi")
    ),
    "mass": Function(
        ("pt1", "eta1", "phi1", "pt2", "eta2", "phi2"),
        invariant_mass,
        "two-body mass of massless particles, in float64",
        ("pt", "eta", "phi"),
    ),
    "pair_pt": Function(
        ("pt1", "phi1", "pt2", "phi2"),
        pair_pt,
        "transverse momentum of two objects together, in float64",
        ("pt", "phi"),
    ),
}

ARITHMETIC: Mapping[type[ast.operator], tuple[str, Callable[..., Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
}

BITWISE: Mapping[type[ast.operator], tuple[str, Callable[..., Any]]] = {
    ast.BitAnd: ("&", operator.and_),
    ast.BitOr: ("|", operator.or_),
    ast.BitXor: ("^", operator.xor),
    ast.LShift: ("<<", operator.lshift),
    ast.RShift: (">>", operator.rshift),
}

COMPARISONS: Mapping[type[ast.cmpop], tuple[str, Callable[..., Any]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}


ELEMENTWISE: tuple[Callable[..., Any], ...] = (
    np.logical_and,
    np.logical_or,
    np.logical_not,
    np.negative,
    np.invert,
    *(function.compute for function in FUNCTIONS.values()),
    *(compute for table in (ARITHMETIC, BITWISE, COMPARISONS) for _, compute in table.values()),
)
"""What gives equal values for equal values: all of the above, not the functions of a user."""


class Reduction(Struct, frozen=True):
    """A function from the objects of each event to one value per event.

    Attributes
    ----------
    compute
        ``(values, offsets) -> values per event``; events without objects get NaN from the
        reductions that have no answer for them.
    condition
        Takes a condition, rather than numbers.
    defined_when_empty
        Has an answer for an event without objects.
    doc
        What it gives, in a few words.
    """

    compute: Callable[[Array, NDArray[np.int64]], Array]
    condition: bool
    defined_when_empty: bool
    doc: str


def _reduce(ufunc: np.ufunc, values: Array, offsets: NDArray[np.int64], empty: Any) -> Array:
    """Reduce each event's values; events without objects get ``empty``.

    ``reduceat`` gives an empty segment the element at its start, so only the others are given to
    it: between the starts of two successive non-empty events lie exactly the first one's objects.
    """
    filled = offsets[1:] > offsets[:-1]
    result = np.full(len(offsets) - 1, empty, dtype=values.dtype)
    if filled.any():
        result[filled] = ufunc.reduceat(values, offsets[:-1][filled])
    return result


def _count(values: Array, offsets: NDArray[np.int64]) -> Array:
    passed = np.concatenate((np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)))
    counts: Array = passed[offsets[1:]] - passed[offsets[:-1]]
    return counts


def _any(values: Array, offsets: NDArray[np.int64]) -> Array:
    return np.asarray(_count(values, offsets) > 0)


def _all(values: Array, offsets: NDArray[np.int64]) -> Array:
    return np.asarray(_count(values, offsets) == offsets[1:] - offsets[:-1])


def _sum(values: Array, offsets: NDArray[np.int64]) -> Array:
    wide = np.float64 if values.dtype.kind == "f" else np.int64
    return _reduce(np.add, values.astype(wide), offsets, 0)


def _extreme(ufunc: np.ufunc, values: Array, offsets: NDArray[np.int64]) -> Array:
    if values.dtype.kind != "f":  # only floating-point numbers can say "there is none"
        values = values.astype(np.float64)
    return _reduce(ufunc, values, offsets, np.nan)


def _min(values: Array, offsets: NDArray[np.int64]) -> Array:
    return _extreme(np.minimum, values, offsets)


def _max(values: Array, offsets: NDArray[np.int64]) -> Array:
    return _extreme(np.maximum, values, offsets)


def _mean(values: Array, offsets: NDArray[np.int64]) -> Array:
    means: Array = _sum(values.astype(np.float64), offsets) / (offsets[1:] - offsets[:-1])
    return means


REDUCTIONS: Mapping[str, Reduction] = {
    "any": Reduction(_any, True, True, "true if the condition holds for some object"),
    "all": Reduction(_all, True, True, "true if it holds for every object, also if there is none"),
    "count": Reduction(_count, True, True, "number of objects for which the condition holds"),
    "sum": Reduction(_sum, False, True, "sum in float64 (integers: int64), 0 without objects"),
    "min": Reduction(_min, False, False, "smallest value, NaN without objects"),
    "max": Reduction(_max, False, False, "largest value, NaN without objects"),
    "mean": Reduction(_mean, False, False, "mean in float64, NaN without objects"),
}
