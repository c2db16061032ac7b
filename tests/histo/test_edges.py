"""Counting the edges that values reach: a binary search, only faster."""

from __future__ import annotations

import boost_histogram as bh
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histo.edges import Edges

finite = st.floats(allow_nan=False, allow_infinity=False)
grids = st.builds(
    lambda bins, start, width: np.asarray(bh.axis.Regular(bins, start, start + width).edges),
    st.integers(1, 200),
    st.floats(-1e3, 1e3),
    st.floats(1e-3, 1e3),
)
free = st.lists(finite, min_size=1, max_size=20, unique=True).map(lambda e: np.sort(np.array(e)))
edges = grids | free


def around(edges: np.ndarray) -> np.ndarray:
    """Values on, just below and just above the edges, and everything that is special."""
    with np.errstate(over="ignore"):
        narrow = edges.astype(np.float32).astype(np.float64)
        both = [np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), narrow]
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1.7e308, -1.7e308]
    return np.concatenate([edges, *both, (edges[1:] + edges[:-1]) / 2, special])


@settings(max_examples=300, deadline=None)
@given(edges=edges, more=st.lists(st.floats(), max_size=20))
def test_it_is_a_binary_search(edges: np.ndarray, more: list[float]) -> None:
    with np.errstate(over="ignore"):
        values = np.concatenate([around(edges), more])
    expected = np.searchsorted(edges, values, side="right")
    np.testing.assert_array_equal(Edges(edges).reached(values), expected)


@settings(max_examples=100, deadline=None)
@given(edges=edges.filter(lambda e: len(e) > 1))
def test_it_is_the_bin_of_a_variable_axis(edges: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        values = around(edges)
    expected = bh.axis.Variable(edges).index(values) + 1
    np.testing.assert_array_equal(Edges(edges).reached(values), expected)


@pytest.mark.parametrize("kind", ["float32", "int32", "uint8", "bool"])
def test_values_of_any_type_are_compared_in_float64(kind: str) -> None:
    values = np.array([0, 1, 2, 7]).astype(kind)
    edges = np.array([0.0, 0.1, 1.0, 2.5])
    expected = np.searchsorted(edges, values.astype(np.float64), side="right")
    np.testing.assert_array_equal(Edges(edges).reached(values), expected)


def test_regular_edges_need_no_search() -> None:
    assert Edges(np.asarray(bh.axis.Regular(100, 0, 100).edges)).usable
    assert not Edges(np.geomspace(1e-3, 1e3, 50)).usable
