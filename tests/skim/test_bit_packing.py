"""Numbers of few bits: what is packed is what the format says, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.thrift import read_varint
from skim.bit_packing import LONG_RUN, encode_runs, pack

WIDTHS = st.integers(1, 32)


@given(WIDTHS, st.data())
def test_packed_bits_are_those_of_one_large_integer(width: int, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=40))
    expected = sum(number << width * index for index, number in enumerate(numbers))
    size = width * -(-len(numbers) // 8)
    packed = pack(np.array(numbers, np.uint32), width)
    assert packed == expected.to_bytes(size, "little")


@pytest.mark.parametrize("width", range(1, 33))
def test_the_largest_numbers_of_each_width(width: int) -> None:
    packed = pack(np.full(16, 2**width - 1, np.uint32), width)
    assert packed == b"\xff" * 2 * width


@given(WIDTHS, st.lists(st.integers(1, 20 * LONG_RUN), min_size=1, max_size=5))
def test_runs_come_back(width: int, lengths: list[int]) -> None:
    values = [(7 * index + 1) % 2**width for index in range(len(lengths))]
    numbers = np.repeat(np.array(values, np.uint32), lengths)
    data, position, found = encode_runs(numbers, width), 0, []
    size = -(-width // 8)
    while position < len(data):
        head, position = read_varint(data, position)
        if head & 1:
            stop = position + (head >> 1) * width
            bits = int.from_bytes(data[position:stop], "little")
            number = 8 * (head >> 1)
            found += [bits >> width * index & 2**width - 1 for index in range(number)]
        else:
            stop = position + size
            found += [int.from_bytes(data[position:stop], "little")] * (head >> 1)
        position = stop
    assert found[: len(numbers)] == numbers.tolist()
    assert not any(found[len(numbers) :])
