"""Codes as they are stored: whatever is looked up, each object gets what its code stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import DatasetError
from schemas.events import PlainCodes
from schemas.packed_codes import CodePages, PackedCodes
from schemas.thrift import unsigned

pytestmark = pytest.mark.usefixtures("any_loops")


def packed(codes: list[int], entries: int) -> CodePages:
    """Make a page of codes of 16 bits."""
    filled = [*codes, *[0] * (-len(codes) % 8)]
    page = bytes([16]) + unsigned(len(filled) // 8 << 1 | 1) + np.array(filled, "<u2").tobytes()
    return CodePages(8, [(memoryview(page), len(codes))], entries)


GROUP = st.integers(1, 300).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(0, size - 1), min_size=1, max_size=60), st.just(size)
    )
)


@settings(deadline=None)
@given(
    st.lists(GROUP, min_size=1, max_size=3),
    st.sampled_from(["f4", "f8", "i2", "u4", "i8", "?"]),
    st.randoms(),
)
def test_what_is_looked_up_is_taken_by_code(
    groups: list[tuple[list[int], int]], kind: str, random: np.random.Generator
) -> None:
    starts = np.cumsum([0, *(size for _, size in groups)])
    numbers = np.concatenate(
        [np.array(codes) + start for (codes, _), start in zip(groups, starts, strict=False)]
    ).astype(np.int32)
    plain = PlainCodes(numbers)
    stored = PackedCodes([packed(*group) for group in groups], "here")
    assert len(stored) == len(plain)
    assert stored.numbers.dtype == np.int32
    np.testing.assert_array_equal(stored.numbers, plain.numbers)
    for _ in range(2):  # a question leaves nothing behind for the next one
        words = np.frombuffer(random.randbytes(8 * starts[-1]), np.uint64)
        values = words % 2 == 0 if kind == "?" else words.view(kind)[: starts[-1]]
        found = stored.look_up(values)
        assert found.dtype == values.dtype
        assert found.tobytes() == plain.look_up(values).tobytes()


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_code_beyond_the_dictionary_names_the_column(kind: str) -> None:
    codes = PackedCodes([packed([0, 3, 1], 2)], "part.parquet: column A.pt")
    with pytest.raises(DatasetError, match=r"part.parquet: column A.pt is damaged"):
        codes.look_up(np.zeros(2, kind))
