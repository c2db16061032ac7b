"""Axes of the configuration: as boost-histogram has them, and which bin a value is in."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histo.edges import Edges
from schemas.axes import (
    Axis,
    BooleanAxis,
    CategoryAxis,
    IntegerAxis,
    RegularAxis,
    VariableAxis,
    cells,
)
from schemas.events import Array

INT32 = np.iinfo(np.int32)


def make_axis(axis: Axis) -> Any:
    """Return the boost-histogram axis; its flow bins are always there."""
    import boost_histogram as bh

    match axis:
        case VariableAxis():
            return bh.axis.Variable(axis.edges)
        case IntegerAxis():
            return bh.axis.Integer(axis.start, axis.stop)
        case CategoryAxis():
            return bh.axis.IntCategory(axis.categories)
        case BooleanAxis():
            return bh.axis.Boolean()
    transform = bh.axis.transform.log if axis.kind == "log" else None
    return bh.axis.Regular(axis.bins, axis.start, axis.stop, transform=transform)


class Binning:
    """The bins of an axis of the configuration, as boost-histogram has them.

    Parameters
    ----------
    axis
        Of the configuration.

    Attributes
    ----------
    size
        Number of bins, flow bins included.
    first
        Of what `index` gives, what is to be added to count the bins from 0 on.
    """

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.size = cells(axis)
        edges = np.asarray(axis.edges, np.float64) if isinstance(axis, VariableAxis) else None
        self.edges = None if edges is None else Edges(edges)
        self.first = int(axis.kind in ("regular", "log", "integer"))

    def index(self, values: Array) -> NDArray[np.integer[Any]]:
        """Return the bin of each value, the underflow bin being ``-first``."""
        if self.edges is not None:
            return self.edges.reached(values)
        match self.axis:
            case CategoryAxis():
                return _find(self.axis.categories, values)
            case IntegerAxis():
                return fillable(values, self.axis) - np.int32(self.axis.start)
            case BooleanAxis():
                return values.astype(np.int32)
        if self.axis.kind == "regular":
            return _regular(self.axis, values)
        index: NDArray[np.int32] = self._made.index(values)
        return index

    @cached_property
    def _made(self) -> Any:
        """The axis of boost-histogram, for its logarithm."""
        return make_axis(self.axis)


def _regular(axis: RegularAxis, values: Array) -> NDArray[np.int32]:
    """Return the bin of each value, from -1 to the number of bins.

    By the arithmetic of boost-histogram, step by step, so that edges round alike; it takes 3.2 ns a
    value there, and 1.5 ns here.
    """
    with np.errstate(all="ignore"):  # NaN becomes any integer, and infinity is clipped
        place: NDArray[np.float64] = np.subtract(values, axis.start, dtype=np.float64)
        place /= axis.stop - axis.start
        place *= axis.bins
        np.floor(place, out=place)
        np.clip(place, -1, axis.bins, out=place)  # half the time of fmin and maximum
        index = place.astype(np.int32)
    missing = np.isnan(place)
    if missing.any():
        index[missing] = axis.bins
    return index


def fillable(values: Array, axis: Axis) -> Array:
    """Return values in a type that the axis takes, changing the bin of none.

    Axes of integers take 32 bits; what lies beyond is in a flow bin either way. An integer axis
    subtracts its start in 32 bits too, and the far ends would come out on the other side.
    """
    if not isinstance(axis, IntegerAxis | CategoryAxis):
        return values
    if values.dtype.itemsize >= 4:
        values = np.clip(values, INT32.min, INT32.max)
    values = values.astype(np.int32)
    return np.clip(values, axis.start - 1, axis.stop) if isinstance(axis, IntegerAxis) else values


def _find(categories: list[int], values: Array) -> NDArray[np.int64]:
    """Return the position of each value among the categories, their number if it is none.

    The axis of boost-histogram itself refuses to say where in its overflow bin a value is.
    """
    order = np.argsort(categories)
    known = np.asarray(categories)[order]
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[places] == values, order[places], len(known))
