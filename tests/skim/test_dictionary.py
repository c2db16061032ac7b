"""Distinct values: by their bits, each once, whatever they are and however they are spread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from schemas import loops
from schemas.events import Array
from schemas.packed_codes import CodePages, PackedCodes
from skim.bit_packing import encode_runs
from skim.dictionary import GOLDEN, count_distinct, encode_codes, find_distinct

pytestmark = pytest.mark.usefixtures("any_loops")

KINDS = [
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip
RANDOM = np.random.default_rng(5)


def encoded(values: Array) -> tuple[Array, Array]:
    """Return distinct values, and the codes that are read back; the same without the loops."""
    dictionary, content = encode_codes(values, b"head")
    assert content[:4] == b"head"
    if loops.compiled() is not None:
        found, codes = find_distinct(values)
        assert found.tobytes() == dictionary.tobytes()
        assert content[5:] == encode_runs(codes, content[4])
    pages = [(memoryview(content)[4:], len(values))]
    return dictionary, PackedCodes([CodePages(8, pages, len(dictionary))], "here").numbers


def require_distinct(values: Array) -> int:
    """Compare with the values, bit by bit, and return the number of distinct ones."""
    dictionary, codes = encoded(values)
    assert dictionary.dtype == values.dtype
    assert dictionary[codes].tobytes() == values.tobytes()
    words = dictionary.view(f"u{dictionary.itemsize}")
    assert len(np.unique(words)) == len(words)
    assert np.array_equal(np.unique(codes), np.arange(len(words)))
    return len(words)


@st.composite
def columns(draw: st.DrawFn) -> Array:
    """Draw any bits, and repeat them in any order."""
    dtype = np.dtype(draw(st.sampled_from(KINDS)))
    words = draw(npst.arrays(f"u{dtype.itemsize}", st.integers(1, 30)))
    random = np.random.default_rng(draw(st.integers(0, 9)))
    size = draw(st.sampled_from([1, 7, 999, 1000, 1001, 9000]))
    chosen = random.integers(0, len(words), size)
    return words[np.sort(chosen) if draw(st.booleans()) else chosen].view(dtype)


@settings(deadline=None)
@given(columns())
def test_any_values(values: Array) -> None:
    require_distinct(values)


@pytest.mark.parametrize("kind", ["uint32", "uint64", "float32", "float64"])
@pytest.mark.parametrize("distinct", [1, 256, 257, 20_000, 65_536, 65_537, 150_000])
def test_any_number_of_them(kind: str, distinct: int) -> None:
    size = np.dtype(kind).itemsize
    words = RANDOM.choice(2**32, distinct, replace=False).astype(f"u{size}") * 7919
    values = np.concatenate([words, RANDOM.choice(words, 60_000)]).view(kind)
    assert require_distinct(values) == distinct
    assert require_distinct(RANDOM.permutation(values)) == distinct


@pytest.mark.parametrize(
    "values",
    [
        np.arange(300_000, dtype=np.int32) // 7,
        np.arange(50_000, dtype=np.int64) << 44,
        np.repeat(np.float32([0.0, -0.0, 1.0]), 5000),
        np.uint32([0xFFC00000, 0x7FC00000, 0x7FC00001, 0x7F800001] * 3000).view(np.float32),
        np.zeros(5000, np.uint64),
        np.r_[np.zeros(100_000, np.int16), 1],
        np.r_[np.arange(1, 20_000), np.zeros(8, int)],
        np.linspace(-3, 3, 40_000).astype(np.float32).repeat(2)[::2],
    ],
    ids=repr,
)
def test_how_they_are_spread(values: Array) -> None:
    words = values.view(f"u{values.itemsize}")
    assert require_distinct(values) == len(np.unique(words))


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("bits", [32, 64])
def test_values_made_to_share_a_slot(bits: int, rounds: int) -> None:
    one = 1 << bits
    parts = []
    for done in range(rounds):  # products with the factor of a round that begin alike
        factor = pow(GOLDEN >> 64 - bits, 2 * done + 1, one)
        inverse = pow(factor, -1, one)
        parts.append([(5 << bits - 16 | index) * inverse % one for index in range(5000)])
    words = np.unique(np.array(parts, f"u{bits // 8}"))
    assert require_distinct(RANDOM.permutation(np.tile(words, 3))) == len(words)


def test_the_order_depends_on_nothing_but_the_values() -> None:
    values = np.round(RANDOM.normal(0, 300, 50_000)).astype(np.float32)
    spread = np.repeat(values, 2)[::2]
    for other in (values.copy(), spread, values.astype(">f4").astype("<f4")):
        for one, two in zip(encoded(values), encoded(other), strict=True):
            assert (one.dtype, one.tobytes()) == (two.dtype, two.tobytes())


@pytest.mark.parametrize("kind", ["float32", "int64"])
def test_what_is_frequent_comes_first(kind: str) -> None:
    values: Any = np.repeat(np.arange(100, dtype=kind), 100 * np.arange(100))
    dictionary, _ = encoded(RANDOM.permutation(values))
    assert set(dictionary[:30].tolist()) > set(range(80, 100))


@pytest.mark.parametrize("distinct", [1, 16, 300, 4096])
@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
def test_a_count_is_nearly_that_of_all(kind: str, distinct: int) -> None:
    values = RANDOM.permutation(np.resize(np.arange(distinct, dtype=kind), 4096))
    assert 0.95 * distinct <= count_distinct(values) <= distinct
