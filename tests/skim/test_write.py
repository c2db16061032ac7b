"""How partitions are stored: encodings, checksums, names, and a digest of the values alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas.event_schema import Collection, EventSchema, Field
from schemas.events import Events, Objects
from schemas.skim_config import Storage
from skim.write import content_digest, write_partition

SCHEMA = EventSchema(
    collections={
        "event": Collection(kind="event", fields={"run": Field(type="uint32")}),
        "A": Collection(
            kind="list", fields={"pt": Field(type="float32"), "hw": Field(type="int16")}
        ),
    }
)


def make_events(counts: list[int], seed: int = 0) -> Events:
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    objects = {
        "pt": random.uniform(0, 100, offsets[-1]).astype(np.float32),
        "hw": random.integers(0, 8, offsets[-1]).astype(np.int16),
    }
    run = np.full(len(counts), 7, np.uint32)
    return Events(len(counts), {"A": Objects(offsets, objects)}, {"run": run})


EVENTS = make_events([3, 0, 5, 1] * 50)


def columns(path: Path) -> dict[str, object]:
    """Return the metadata of each Parquet column of the first row group."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    found = [group.column(index) for index in range(group.num_columns)]
    return {column.path_in_schema: column for column in found}


def test_quantised_columns_have_a_dictionary(tmp_path: Path) -> None:
    path, _, _ = write_partition(EVENTS, SCHEMA, Storage(), tmp_path, 0)
    for name in ("run", "A.list.element.hw"):
        assert columns(path)[name].has_dictionary_page
        assert "RLE_DICTIONARY" in columns(path)[name].encodings


def test_full_entropy_floats_are_split_by_byte(tmp_path: Path) -> None:
    path, _, _ = write_partition(EVENTS, SCHEMA, Storage(), tmp_path, 0)
    column = columns(path)["A.list.element.pt"]
    assert not column.has_dictionary_page
    assert "BYTE_STREAM_SPLIT" in column.encodings


def test_columns_of_synthetic_ntuples_are_encoded_by_what_they_hold(dataset: Path) -> None:
    found = columns(next(dataset.glob("sample=*/part-00000-*.parquet")))
    for name in ("TkEleL2.list.element.hwQual", "GenEl.list.element.charge", "run"):
        assert "RLE_DICTIONARY" in found[name].encodings, name
    for name in ("GenEl.list.element.pt", "TkEleL2.list.element.phi", "genMet_pt"):
        assert "BYTE_STREAM_SPLIT" in found[name].encodings, name


def test_every_column_has_statistics(dataset: Path) -> None:
    found = columns(next(dataset.glob("sample=*/part-00000-*.parquet")))
    assert all(column.is_stats_set for column in found.values())


@pytest.mark.parametrize("column", ["run", "A.list.element.pt", "A.list.element.hw"])
def test_a_flipped_bit_fails_the_checksum_of_its_page(column: str, tmp_path: Path) -> None:
    storage = Storage(compression="none")  # so that nothing but the checksum can notice
    path, _, _ = write_partition(EVENTS, SCHEMA, storage, tmp_path, 0)
    chunk = columns(path)[column]
    last = _start(chunk) + chunk.total_compressed_size - 1
    damaged = bytearray(path.read_bytes())
    damaged[last] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(path, page_checksum_verification=True)


def _start(chunk: object) -> int:
    return chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "none"])
def test_each_compression_keeps_the_digest_of_the_values(compression: str, tmp_path: Path) -> None:
    storage = Storage(compression=compression)
    path, _, content = write_partition(EVENTS, SCHEMA, storage, tmp_path, 0)
    used = {column.compression for column in columns(path).values()}
    assert used == {"UNCOMPRESSED" if compression == "none" else compression.upper()}
    assert content == content_digest(EVENTS, SCHEMA)


def test_the_digest_is_that_of_a_dataset_stored_otherwise(
    ntuples: list[Path], make_dataset: Callable
) -> None:
    keep = {"TkEleL2": "all", "event": "run"}
    stored = [
        {"compression": "zstd", "level": 9},
        {"compression": "none", "row_group_events": 17},
    ]
    one, two = (make_dataset(ntuples, keep=keep, storage=storage) for storage in stored)
    first, second = ([p for _, p in dataset.partitions()] for dataset in (one, two))
    assert [p.content for p in first] == [p.content for p in second]
    assert [p.path for p in first] == [p.path for p in second]
    assert all(a.checksum != b.checksum for a, b in zip(first, second, strict=True))


def test_the_digest_covers_names_types_offsets_and_values_in_little_endian() -> None:
    events = make_events([1, 0, 2])
    objects = events.collections["A"]
    digest = xxhash.xxh3_128()
    for name, kind, values in (
        ("run", "<u4", events.columns["run"]),
        ("A", "<i8", objects.offsets),
        ("A.list.element.pt", "<f4", objects.fields["pt"]),
        ("A.list.element.hw", "<i2", objects.fields["hw"]),
    ):
        digest.update(f"{name}:{kind}:{len(values)};".encode() + values.astype(kind).tobytes())
    assert content_digest(events, SCHEMA) == digest.hexdigest()


@given(hnp.arrays(np.float32, st.integers(1, 20)), st.data())
def test_another_bit_gives_another_digest(values: np.ndarray, data: st.DataObject) -> None:
    schema = EventSchema(
        collections={"event": Collection(kind="event", fields={"x": Field(type="float32")})}
    )
    other = values.copy().view(np.uint32)
    other[data.draw(st.integers(0, len(values) - 1))] ^= 1 << data.draw(st.integers(0, 31))
    digests = {
        content_digest(Events(len(values), {}, {"x": found}), schema)
        for found in (values, other.view(np.float32))
    }
    assert len(digests) == 2


def test_objects_of_other_events_give_another_digest() -> None:
    moved = make_events([1, 2])
    kept = make_events([2, 1])
    assert (
        moved.collections["A"].fields["pt"].tolist() == kept.collections["A"].fields["pt"].tolist()
    )
    assert content_digest(moved, SCHEMA) != content_digest(kept, SCHEMA)


def test_the_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    path, checksum, _ = write_partition(EVENTS, SCHEMA, Storage(), tmp_path, 0)
    assert checksum == xxhash.xxh3_128_hexdigest(path.read_bytes())


def test_a_partition_is_named_by_number_and_values(tmp_path: Path) -> None:
    path, _, content = write_partition(EVENTS, SCHEMA, Storage(), tmp_path / "sample=a", 12)
    assert path == tmp_path / "sample=a" / f"part-00012-{content[:8]}.parquet"
    assert list(path.parent.iterdir()) == [path]


def test_the_same_events_give_the_same_bytes(tmp_path: Path) -> None:
    paths = [write_partition(EVENTS, SCHEMA, Storage(), tmp_path / n, 0)[0] for n in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_row_groups_have_the_configured_size(tmp_path: Path) -> None:
    path, _, _ = write_partition(EVENTS, SCHEMA, Storage(row_group_events=64), tmp_path, 0)
    metadata = pq.ParquetFile(path).metadata
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [64, 64, 64, 8]


def test_no_column_may_be_null_at_any_level(tmp_path: Path) -> None:
    path, _, _ = write_partition(EVENTS, SCHEMA, Storage(), tmp_path, 0)
    schema = pq.read_schema(path)
    element = schema.field("A").type.value_field
    levels = [schema.field("run"), schema.field("A"), element, *element.type]
    assert not any(level.nullable for level in levels)
