"""Offsets from the levels of pages, as they were written and as others might write them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.levels import (
    Levels,
    LevelsError,
    count_objects,
    cut_levels,
    find_offsets,
    join_levels,
)
from schemas.thrift import unsigned
from skim.parquet_page import encode_levels

COUNTS = st.lists(st.integers(0, 12) | st.just(0) | st.integers(0, 4000), min_size=1, max_size=40)


def page(counts: list[int]) -> Levels:
    written = encode_levels(np.array(counts))
    levels, rest = cut_levels(memoryview(join_levels(written) + b"values"), written.values)
    assert bytes(rest) == b"values"
    assert levels == written
    return levels


def runs(flags: list[bool], cuts: list[int]) -> bytes:
    """Encode levels in runs of the given lengths, of packed bits where they are groups of 8."""
    data, start = b"", 0
    for length in [*cuts, len(flags)]:
        part = flags[start : start + length]
        if not part:
            break
        if len(set(part)) == 1:
            data += unsigned(len(part) << 1) + bytes([part[0]])
        elif len(part) % 8 == 0 or start + len(part) == len(flags):
            bits = np.packbits(part, bitorder="little").tobytes()
            data += unsigned(len(bits) << 1 | 1) + bits
        else:
            data += b"".join(unsigned(2) + bytes([flag]) for flag in part)
        start += len(part)
    return data


@given(COUNTS)
def test_offsets_are_those_that_were_written(counts: list[int]) -> None:
    levels = page(counts)
    assert count_objects(levels) == sum(counts)
    assert np.diff(find_offsets([levels])).tolist() == counts
    assert find_offsets([levels])[0] == 0


@given(COUNTS.filter(lambda counts: sum(counts) < 2000), st.data())
def test_offsets_do_not_depend_on_runs_and_pages(counts: list[int], data: st.DataObject) -> None:
    repeats = [i > 0 for count in counts for i in range(max(count, 1))]
    exists = [count > 0 for count in counts for _ in range(max(count, 1))]
    edges = sorted({0, len(repeats), *data.draw(st.lists(st.integers(0, len(repeats))))})
    cuts = data.draw(st.lists(st.integers(1, 9) | st.just(16), max_size=200))
    pages = [
        Levels(runs(repeats[a:b], cuts), runs(exists[a:b], cuts), b - a)
        for a, b in itertools.pairwise(edges)
    ]
    assert np.diff(find_offsets(pages)).tolist() == counts
    assert sum(map(count_objects, pages)) == sum(counts)


def test_a_column_without_values_has_no_events() -> None:
    assert find_offsets([]).tolist() == [0]


@pytest.mark.parametrize(
    "data",
    [
        b"",  # too few
        unsigned(2) + b"\1",  # one of three
        unsigned(6),  # a run without its value
        unsigned(1 << 1 | 1),  # packed bits that are not there
        b"\xff" * 12,  # no number of 64 bits
        b"\x80",  # half a number
    ],
)
def test_levels_that_are_no_runs_of_all_values_are_refused(data: bytes) -> None:
    with pytest.raises(LevelsError):
        count_objects(Levels(b"", data, 3))


def test_levels_longer_than_their_page_are_refused() -> None:
    with pytest.raises(LevelsError, match="longer than it"):
        cut_levels(memoryview((100).to_bytes(4, "little") + b"ab"), 3)


def test_a_first_value_that_begins_no_event_is_refused() -> None:
    ones = unsigned(6) + b"\1"
    with pytest.raises(LevelsError, match="begins no event"):
        find_offsets([Levels(ones, ones, 3)])
