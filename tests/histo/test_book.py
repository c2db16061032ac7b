"""Bins of the axes of a configuration: those that a boost-histogram fills."""

from __future__ import annotations

import boost_histogram as bh
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from histo.axis_bins import bins_of, bins_of_made
from histo.book import Binning, fillable, make_axis
from schemas.axes import (
    Axis,
    BooleanAxis,
    CategoryAxis,
    IntegerAxis,
    RegularAxis,
    VariableAxis,
    cells,
)

AXES: list[Axis] = [
    RegularAxis(kind="regular", bins=100, start=-3.2, stop=3.2),
    RegularAxis(kind="regular", bins=7, start=0.0, stop=0.1),
    RegularAxis(kind="log", bins=9, start=0.01, stop=300.0),
    VariableAxis(kind="edges", edges=[-1.0, -0.5, 0.1, 3.0, 3.1]),
    IntegerAxis(kind="integer", start=-2, stop=5),
    CategoryAxis(kind="categories", categories=[7, -1, 3]),
    BooleanAxis(kind="boolean"),
]


def kinds(axis: Axis) -> list[str]:
    if isinstance(axis, BooleanAxis):
        return ["bool"]
    integers = ["int8", "uint16", "int32", "uint32", "int64", "uint64"]
    whole = isinstance(axis, IntegerAxis | CategoryAxis)
    return integers if whole else ["float32", "float64", "bool", *integers]


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.kind)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_numbers_of_bins_are_where_boost_histogram_fills(axis: Axis, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(kinds(axis)))
    elements = st.floats(-4, 4, width=32) | st.floats(width=32) if kind[0] == "f" else None
    values = data.draw(npst.arrays(kind, st.integers(0, 20), elements=elements))
    made = make_axis(axis)
    filled = bh.Histogram(made, storage=bh.storage.Int64())
    filled.fill(fillable(values, axis))
    with np.errstate(all="ignore"):
        numbers = Binning(axis).index(values) + Binning(axis).first
    assert cells(axis) == made.extent
    counts = np.bincount(numbers, minlength=cells(axis))
    np.testing.assert_array_equal(counts, filled.view(flow=True))


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.kind)
def test_bins_are_those_of_boost_histogram(axis: Axis) -> None:
    assert bins_of(axis) == bins_of_made(make_axis(axis))


@settings(max_examples=300, deadline=None)
@given(
    bins=st.integers(1, 300),
    start=st.floats(-1e6, 1e6) | st.floats(-1e300, 1e300),
    width=st.floats(1e-6, 1e6) | st.floats(1e-300, 1e300),
    others=st.lists(st.floats()),
    kind=st.sampled_from(["float32", "float64"]),
)
def test_edges_of_a_regular_axis_round_as_in_boost_histogram(
    bins: int, start: float, width: float, others: list[float], kind: str
) -> None:
    assume(start < start + width)
    axis = RegularAxis(kind="regular", bins=bins, start=start, stop=start + width)
    edges = make_axis(axis).edges
    np.testing.assert_array_equal(bins_of(axis).edges, edges)
    with np.errstate(all="ignore"):
        near = [edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), others]
        values = np.concatenate(near).astype(kind)
        found = Binning(axis).index(values)
    np.testing.assert_array_equal(found, make_axis(axis).index(values))
