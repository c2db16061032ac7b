"""Counting in a table: the same cells, however the values come and whatever counts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from histo.book import Binning
from histo.cells import Cells, bins
from schemas.axes import Axis, RegularAxis
from schemas.events import Array, Coded, PlainCodes
from tests.histo.test_book import AXES

pytestmark = pytest.mark.usefixtures("any_loops")


def require_counts(axis: Axis, values: Array, patterns: int) -> None:
    """Compare with the bin of each value, one by one; in a table of patterns x bins, too."""
    binning = Binning(axis)
    with np.errstate(all="ignore"):
        numbers = binning.index(values) + binning.first
    size = patterns * binning.size
    starts = (np.arange(len(values)) % patterns * binning.size).astype(np.int32)
    expected = np.bincount(numbers + starts, minlength=size)
    coded = Coded(PlainCodes(np.arange(len(values), dtype=np.int32)), values)
    strided = np.repeat(values, 2)[::2]
    for given_values in (values, coded, strided):
        term = bins(binning, 1, given_values, size)
        cells = Cells(len(values), size, [term], starts if patterns > 1 else None)
        np.testing.assert_array_equal(cells.count(), expected)


@pytest.mark.parametrize("axis", [a for a in AXES if a.kind in ("regular", "edges", "log")])
@settings(deadline=None)
@given(
    npst.arrays(
        st.sampled_from(["float32", "float64"]), st.integers(0, 30),
        elements=st.floats(-4, 4, width=32) | st.floats(width=32),
    ),
    st.integers(1, 4),
)  # fmt: skip
def test_any_values(axis: Axis, values: Array, patterns: int) -> None:
    require_counts(axis, values, patterns)


@settings(deadline=None, max_examples=300)
@given(
    number=st.integers(1, 300),
    start=st.floats(-1e6, 1e6) | st.floats(-1e300, 1e300),
    width=st.floats(1e-6, 1e6) | st.floats(1e-300, 1e300),
    kind=st.sampled_from(["float32", "float64"]),
)
def test_values_at_edges(number: int, start: float, width: float, kind: str) -> None:
    assume(start < start + width)
    edges = start + width * np.arange(number + 1) / number
    with np.errstate(all="ignore"):
        near = [edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)]
        values = np.concatenate([*near, [np.nan, np.inf, -np.inf, -0.0]]).astype(kind)
    axis = RegularAxis(kind="regular", bins=number, start=start, stop=start + width)
    require_counts(axis, values, 2)


@pytest.mark.parametrize("kind", ["int8", "uint64", "bool", "float16"])
def test_values_of_other_types(kind: str) -> None:
    values = np.arange(100).astype(kind)
    require_counts(RegularAxis(kind="regular", bins=9, start=0.5, stop=40.0), values, 3)
