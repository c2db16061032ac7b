"""Ranges of bytes as requests: nothing is lost, nothing is larger than servers allow."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from schemas.ranges import (
    GAP,
    MAX_BATCH,
    MAX_PIECE,
    MAX_PIECES,
    Range,
    batch_pieces,
    cut_range,
    merge_ranges,
)

ranges = st.lists(
    st.tuples(st.integers(0, 10**8), st.integers(0, 10**7)).map(lambda t: (t[0], t[0] + t[1])),
    max_size=50,
)


@given(ranges)
def test_each_range_is_in_exactly_one_of_those_merged(given: list[Range]) -> None:
    merged = merge_ranges(given)
    for start, stop in given:
        holding = [m for m in merged if m[0] <= start and stop <= m[1]]
        assert len(holding) == 1 or start == stop
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(merged))


@given(ranges)
def test_little_is_read_that_was_not_asked_for(given: list[Range]) -> None:
    asked = sum(stop - start for start, stop in merge_ranges(given, limit=0))
    read = sum(stop - start for start, stop in merge_ranges(given))
    assert asked <= read <= asked + GAP * len(given)


@given(ranges)
def test_requests_are_of_a_size_that_servers_allow(given: list[Range]) -> None:
    merged = merge_ranges(given)
    pieces = [piece for where in merged for piece in cut_range(where)]
    batches = list(batch_pieces(pieces))
    assert [piece for batch in batches for piece in batch] == pieces
    for batch in batches:
        sizes = [stop - start for start, stop in batch]
        assert min(sizes) > 0
        assert max(sizes) <= MAX_PIECE
        assert len(sizes) <= MAX_PIECES
        assert sum(sizes) <= MAX_BATCH


def test_pieces_cover_a_range() -> None:
    pieces = cut_range((5, 5 + 3 * MAX_PIECE))
    assert pieces[0][0] == 5
    assert pieces[-1][1] == 5 + 3 * MAX_PIECE
    assert all(first[1] == second[0] for first, second in itertools.pairwise(pieces))


def test_many_small_pieces_are_several_requests() -> None:
    pieces = [(10**6 * n, 10**6 * n + 1) for n in range(MAX_PIECES + 1)]
    assert [len(batch) for batch in batch_pieces(pieces)] == [MAX_PIECES, 1]
