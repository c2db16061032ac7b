"""The bins of an axis, whatever it was made of: a configuration, or an axis of boost-histogram.

To import boost-histogram takes 11 ms, a twentieth of a small job, and what fills and writes most
histograms needs no more of it than these numbers. They are the same to the last bit.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from histo.book import make_axis
from schemas.axes import Axis, BooleanAxis, CategoryAxis, IntegerAxis, VariableAxis


class AxisBins(Struct, frozen=True, eq=False):
    """The bins of one axis.

    Attributes
    ----------
    edges
        n + 1, increasing; of integers, booleans and categories 1 apart.
    kind
        ``regular`` if edges follow from the first and last one, ``variable`` if each is stored.
    categories
        Label of each bin; None if the edges say what a bin holds.
    underflow
        Whether the contents of the axis have an underflow bin.
    """

    edges: NDArray[np.float64]
    kind: Literal["regular", "variable"] = "regular"
    categories: tuple[str, ...] | None = None
    underflow: bool = True

    @property
    def size(self) -> int:
        """Number of bins, without flow bins."""
        return len(self.edges) - 1

    @property
    def centers(self) -> NDArray[np.float64]:
        """Middle of each bin, n; of a logarithmic one too, where boost-histogram has another."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def __eq__(self, other: object) -> bool:
        """Tell whether another axis has the same bins, and stores them alike."""
        if not isinstance(other, AxisBins):
            return NotImplemented
        kinds = (self.kind, self.categories, self.underflow)
        if kinds != (other.kind, other.categories, other.underflow):
            return False
        return np.array_equal(self.edges, other.edges)

    __hash__ = None  # type: ignore[assignment]  # edges are an array


def bins_of(axis: Axis) -> AxisBins:
    """Return the bins of an axis of a configuration."""
    match axis:
        case VariableAxis():
            return AxisBins(np.asarray(axis.edges, np.float64), "variable")
        case IntegerAxis():
            return AxisBins(np.arange(axis.start, axis.stop + 1, dtype=np.float64))
        case CategoryAxis():
            edges = np.arange(len(axis.categories) + 1, dtype=np.float64)
            categories = tuple(map(str, axis.categories))
            return AxisBins(edges, categories=categories, underflow=False)
        case BooleanAxis():
            return AxisBins(np.array([0.0, 1.0, 2.0]), underflow=False)
    if axis.kind == "log":
        return bins_of_made(make_axis(axis))  # its exponential function is that of C++
    place = np.arange(axis.bins + 1) / axis.bins  # the arithmetic of boost-histogram, step by step
    return AxisBins((1 - place) * axis.start + place * (axis.start + (axis.stop - axis.start)))


def bins_of_made(axis: Any) -> AxisBins:
    """Return the bins of an axis of boost-histogram."""
    import boost_histogram as bh

    edges = np.asarray(axis.edges, np.float64)
    underflow = bool(axis.traits.underflow)
    match axis:
        case bh.axis.StrCategory() | bh.axis.IntCategory():
            return AxisBins(edges, categories=tuple(map(str, axis)), underflow=underflow)
        case bh.axis.Variable():
            return AxisBins(edges, "variable", underflow=underflow)
        case bh.axis.Regular() if axis.transform is not None:
            return AxisBins(edges, "variable", underflow=underflow)
    return AxisBins(edges, underflow=underflow)
