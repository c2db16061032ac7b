"""The compiled loops: what they take and refuse. What comes out is compared where they are used."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import loops
from schemas.errors import DatasetError
from schemas.packed_codes import CodePages, PackedCodes
from schemas.thrift import read_varint, unsigned

COMPILED: Any = loops.compiled()

built = pytest.mark.skipif(COMPILED is None, reason="the loops are not compiled here")


def test_they_are_built_where_there_is_a_compiler() -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include"), "Python.h")
    if shutil.which(compiler) is None or not header.exists():
        pytest.skip(f"there is no {compiler}, or no {header}")
    assert COMPILED is not None


def test_without_them_commands_work() -> None:
    program = (
        "import sys; sys.modules['schemas._loops'] = None\n"
        "from schemas import loops; assert loops.compiled() is None\n"
        "from histo.cli import main; sys.argv[1:] = ['--version']; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# -- codes ------------------------------------------------------------------------------------


def decoded(page: bytes, number: int) -> list[int] | None:
    """Decode codes one by one; None if there are too few, or too wide ones."""
    width, position, codes = page[0], 1, list[int]()
    if number and width > 32:
        return None
    while len(codes) < number:
        try:
            head, position = read_varint(page, position)
        except (IndexError, ValueError):
            return None
        size = (head >> 1) * width if head & 1 else -(-width // 8)
        bits = int.from_bytes(page[position : position + size], "little")
        if position + size > len(page):
            return None
        many = min(head >> 1, number)
        if head & 1:
            codes += [bits >> width * index & 2**width - 1 for index in range(8 * many)]
        else:
            codes += [bits] * many
        position += size
    return codes[:number]


@st.composite
def pages(draw: st.DrawFn) -> bytes:
    """Draw pages of runs of both kinds, some of them cut off or damaged."""
    width = draw(st.integers(0, 32))
    parts = [bytes([width])]
    for _ in range(draw(st.integers(1, 4))):
        number = draw(st.integers(0, 40))
        if draw(st.booleans()):
            size = number * width
            parts += [unsigned(number << 1 | 1), draw(st.binary(min_size=size, max_size=size))]
        else:
            size = -(-width // 8)
            parts += [unsigned(number << 1), draw(st.binary(min_size=size, max_size=size))]
    page = b"".join(parts)
    return page[: draw(st.integers(1, len(page)))] if draw(st.booleans()) else page


@built
@settings(deadline=None, max_examples=300)
@given(pages() | st.binary(min_size=1, max_size=60), st.integers(0, 300), st.integers(1, 300))
def test_codes_are_looked_up_and_counted_or_refused(page: bytes, number: int, entries: int) -> None:
    words = np.arange(entries, dtype=np.int32) * 3
    starts = (np.arange(number, dtype=np.int32) % 5) * 7
    group = CodePages(8, [(memoryview(page), number)], entries)
    codes = PackedCodes([group], "here")
    expected = decoded(page, number)
    table = np.zeros(3 * entries + 30, np.int64)
    if expected is None or max(expected, default=0) >= entries:
        for call in (
            lambda: codes.look_up(words),
            lambda: codes.count(words, starts, table),
            lambda: codes.add_bits(words, np.zeros(number, np.uint16)),
        ):
            with pytest.raises(DatasetError, match="here is damaged"):
                call()
        return
    found = words[np.array(expected, np.int64)]
    np.testing.assert_array_equal(codes.look_up(words), found)
    bits = np.arange(number, dtype=np.uint16)
    codes.add_bits(words, bits)
    np.testing.assert_array_equal(bits, (np.arange(number) | found).astype(np.uint16))
    for own in (starts, None):
        table[:] = 0
        codes.count(words, own, table)
        cells = found if own is None else found + own
        np.testing.assert_array_equal(table, np.bincount(cells, minlength=len(table)))


@built
@settings(deadline=None)
@given(st.integers(1, 32), st.integers(1, 5000), st.integers(0, 9))
def test_packed_codes_of_any_width(width: int, number: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    entries = min(2**width, 4000)
    codes = random.integers(0, entries, number)
    filled = np.concatenate([codes, np.zeros(-number % 8, np.int64)]).tolist()
    bits = sum(code << width * index for index, code in enumerate(filled))
    page = bytes([width]) + unsigned(len(filled) // 8 << 1 | 1)
    page += bits.to_bytes(width * len(filled) // 8, "little")
    words = random.integers(-(2**31), 2**31, entries).astype(np.int32)
    found = PackedCodes([CodePages(8, [(memoryview(page), number)], entries)], "here").look_up(
        words
    )
    np.testing.assert_array_equal(found, words[codes])


# -- what would lead outside --------------------------------------------------------------------

INT32, INT64 = np.zeros(8, np.int32), np.zeros(8, np.int64)
PAGE = bytes([3, 16, 1])  # eight times the code 1
UINT16, BYTES = np.zeros(8, np.uint16), np.zeros(8, np.uint8)
FLOATS = np.zeros(8, np.float32)
FOUND = np.zeros(1 << 17, np.uint32)
LOOSE = memoryview(bytearray(33))[1:]  # not aligned
CONTENT = bytes(40)


def basket(start: int = 0, border: int = 16, key: int = 0, entries: int = 2) -> Any:
    """Return the table of one basket."""
    return np.array([start, border, key, entries], np.int64)


@built
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("look_up", (PAGE, LOOSE, INT32)),
        ("look_up", (PAGE, INT32, LOOSE)),
        ("look_up", (PAGE, BYTES[:7], INT32)),
        ("look_up", (PAGE, INT32[:0], INT32)),
        ("look_up", (PAGE, INT32[:1], INT32)),
        ("look_up", (b"", INT32, INT32)),
        ("count", (INT64[:4], INT32 + 4, None)),
        ("count", (INT64, INT32 - 1, None)),
        ("count", (INT64, INT32 + 4, INT32 + 4)),
        ("count", (INT64, INT32, INT32[:7])),
        ("count", (INT32[:7], INT32, None)),
        ("count_codes", (INT64, PAGE, -1, INT32, None)),
        ("count_codes", (INT64, PAGE, 9, INT32, None)),
        ("count_codes", (INT64, PAGE, 8, INT32, INT32[:7])),
        ("count_codes", (INT64, PAGE, 8, INT32 + 8, None)),
        ("count_codes", (INT64, PAGE, 8, INT32 + 4, INT32 + 4)),
        ("join_bytes", (BYTES, 4, FLOATS)),
        ("join_bytes", (BYTES, 2, UINT16[:4])),
        ("join_bytes", (BYTES, 4, LOOSE[:8])),
        ("add_bits", (PAGE, LOOSE, UINT16)),
        ("add_bits", (PAGE, INT32, BYTES[:7])),
        ("add_bits", (PAGE, INT32[:1], UINT16)),
        ("count_values", (INT64, FLOATS, 4, 0.0, 1.0, 0, None)),
        ("count_values", (INT64, FLOATS, 2, 0.0, 1.0, 3, None)),
        ("count_values", (INT64, FLOATS, 4, 0.0, 1.0, 3, INT32[:7])),
        ("count_values", (INT64, FLOATS, 4, 0.0, 1.0, 3, INT32 + 7)),
        ("count_values", (INT64, FLOATS + 9, 4, 0.0, 1.0, 7, None)),
        ("count_values", (INT64, FLOATS * np.nan, 4, 0.0, 1.0, 7, None)),
        ("encode_codes", (INT32, 4, b"", FOUND[:-1])),
        ("encode_codes", (INT32, 2, b"", FOUND)),
        ("encode_codes", (INT64, 8, b"", FOUND)),
        ("encode_codes", (INT32[:0], 4, b"", FOUND)),
        ("encode_codes", (LOOSE[:32], 4, b"", FOUND)),
        ("count_slots", (INT32, 2, 1, 4)),
        ("count_slots", (INT32, 4, 1, 17)),
        ("count_slots", (INT32, 4, 1, 0)),
        ("count_slots", (LOOSE[:32], 4, 1, 4)),
        (
            "open_baskets",
            (0, b"", INT64[:1], INT64[:1], INT64[:1], 4, 0, 0, BYTES.copy(), basket()),
        ),
        (
            "open_baskets",
            (0, b"", INT64[:1], INT64[:2], INT64[:2], 4, 0, 0, BYTES.copy(), basket()),
        ),
        (
            "open_baskets",
            (0, b"", INT64[:1], INT64[:1], INT64[:2], 0, 0, 0, BYTES.copy(), basket()),
        ),
        (
            "open_baskets",
            (0, b"", INT64[:2], INT64[:2], INT64[:3], 4, 0, 0, BYTES.copy(), basket()),
        ),
        (
            "open_baskets",
            (0, b"", INT64[:1], INT64[:1], INT64[:2], 4, 1, 65, BYTES.copy(), basket()),
        ),
        ("join_nested", (CONTENT, basket(), 3, 10, FLOATS.copy(), INT64.copy(), INT64.copy())),
        ("join_nested", (CONTENT, basket(), 4, 3, FLOATS.copy(), INT64.copy(), INT64.copy())),
        ("join_nested", (CONTENT, basket(), 4, 10, LOOSE[:32], INT64.copy(), INT64.copy())),
        ("join_nested", (CONTENT, basket(), 4, 10, FLOATS.copy(), INT64.copy(), INT64[:0].copy())),
        ("join_nested", (CONTENT, basket(start=41), 4, 10, FLOATS, INT64.copy(), INT64.copy())),
        ("join_nested", (CONTENT, basket(entries=-1), 4, 10, FLOATS, INT64.copy(), INT64.copy())),
        ("join_baskets", (CONTENT, basket(), 4, 3, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(), 4, 65, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(), 4, 10, FLOATS.copy(), INT64[:0].copy())),
        ("join_baskets", (CONTENT, basket(border=9), 4, 10, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket()[:3], 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(), 3, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(), 4, 0, LOOSE[:32], INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(start=-1), 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(start=41), 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(border=-4), 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(border=6), 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(border=36), 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(border=44), 4, 0, np.zeros(20, "f4"), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(entries=-1), 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(entries=3), 4, 0, FLOATS.copy(), INT64[:2].copy())),
        ("join_baskets", (CONTENT, basket(entries=6), 4, 0, FLOATS.copy(), INT64.copy())),
        ("join_baskets", (CONTENT, basket(key=-(2**63)), 4, 0, FLOATS.copy(), INT64[:2].copy())),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"arrays of other|codes that|a cell outside"):
        getattr(COMPILED, name)(*arguments)


@built
def test_arrays_that_are_not_contiguous_or_not_writable_are_refused() -> None:
    with pytest.raises((ValueError, BufferError)):
        COMPILED.look_up(PAGE, np.zeros(16, np.int32)[::2], INT32)
    with pytest.raises((ValueError, BufferError, TypeError)):
        COMPILED.look_up(PAGE, INT32, bytes(32))
