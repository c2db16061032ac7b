"""Headers of pages: read whatever the bytes are, and compared with the footer."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DatasetError
from schemas.pages import check_pages, find_columns, footer_digest, open_partition
from schemas.thrift import read_struct


def write(path: Path, **options: object) -> str:
    """Write a column of reals in several pages of two row groups, and one of few integers."""
    values = np.random.default_rng(1).normal(size=3000).astype(np.float32)
    table = pa.table({"x": values, "n": np.arange(3000, dtype=np.int32) // 7})
    settings = {
        "use_dictionary": ["n"],
        "column_encoding": {"x": "BYTE_STREAM_SPLIT"},
        "row_group_size": 2000,
        "data_page_size": 2000,
        "write_batch_size": 100,
        "write_page_checksum": True,
    }
    pq.write_table(table, path, **(settings | options))
    return str(path)


def check(path: str, footer: str = "") -> None:
    with open_partition(path, footer or footer_digest(path)) as (file, metadata):
        check_pages(file, metadata, find_columns(metadata, ["x", "n"], path), path)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "none"])
@pytest.mark.parametrize("options", [{}, {"write_statistics": False}, {"write_page_index": True}])
def test_what_pyarrow_writes_passes(
    compression: str, options: dict[str, object], tmp_path: Path
) -> None:
    check(write(tmp_path / "a.parquet", compression=compression, **options))


def test_pages_without_checksum_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", write_page_checksum=False)
    with pytest.raises(DatasetError, match=r"a\.parquet: column x is damaged: .* no checksum"):
        check(path)


def test_any_value_of_every_byte_of_a_header_is_survived(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")
    content = Path(path).read_bytes()
    chunk = pq.read_metadata(path).row_group(0).column(0)
    footer, refused = footer_digest(path), 0
    for place, value in itertools.product(range(24), range(0, 256, 3)):
        changed = bytearray(content)
        changed[chunk.data_page_offset + place] = value
        Path(path).write_bytes(changed)
        try:
            check(path, footer)
        except DatasetError:
            refused += 1
    # sizes, number of values and encodings; a checksum is compared with the data by Arrow, and
    # statistics by nobody, since nobody uses them
    assert refused > 12 * 256 // 3


@given(st.binary(max_size=200))
def test_any_bytes_are_a_structure_or_an_error(data: bytes) -> None:
    try:
        _, end = read_struct(data, 0)
    except (IndexError, ValueError):
        return
    assert 0 < end <= len(data)


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"PAR1PAR1", b"\xff" * 12, b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1"],
)
def test_what_is_no_parquet_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.parquet: is not a whole Parquet file"):
        footer_digest(str(path))


@pytest.mark.parametrize("change", [1, 0x10, 0x80, 0xFF])
def test_every_changed_byte_of_a_header_is_noticed(change: int, tmp_path: Path) -> None:
    """With a page index, as partitions have it, headers hold nothing that is not compared."""
    path = tmp_path / "a.parquet"
    write(path, write_page_index=True, row_group_size=3000)
    whole, footer = path.read_bytes(), footer_digest(str(path))
    chunk = pq.read_metadata(path).row_group(0).column(0)
    _, length = read_struct(whole[chunk.data_page_offset :][:300], 0)
    for position in range(chunk.data_page_offset, chunk.data_page_offset + length):
        damaged = bytearray(whole)
        damaged[position] ^= change
        path.write_bytes(damaged)
        with pytest.raises((DatasetError, OSError)):
            read_checked(str(path), footer)


def read_checked(path: str, footer: str) -> None:
    with open_partition(path, footer) as (source, metadata):
        check_pages(source, metadata, find_columns(metadata, ["x"], path), path)
        file = pq.ParquetFile(source, metadata=metadata, page_checksum_verification=True)
        file.read(columns=["x"])
