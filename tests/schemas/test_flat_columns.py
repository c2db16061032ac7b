"""Columns that are read without their levels hold what they hold when read as they are stored."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import DatasetError
from schemas.event_schema import Collection, EventSchema, Field
from schemas.events import Coded, Events, Objects, decoded
from schemas.flat_columns import WORTHWHILE
from schemas.pages import footer_digest
from schemas.parquet import leaf, read_events, to_table

pytestmark = pytest.mark.usefixtures("any_loops")

TYPES = (
    "bool", "int8", "uint8", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64",
)  # fmt: skip


def block(types: dict[str, str], objects: int, empty: float, distinct: int, seed: int) -> Any:
    """Make events of one collection with some of them empty, and some number of distinct values."""
    random = np.random.default_rng(seed)
    counts = random.poisson(3, objects // 3) + 1
    counts[random.random(len(counts)) < empty] = 0
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)

    def values(kind: str) -> Any:
        dtype = np.dtype(kind)
        words = random.integers(0, 256, (distinct, dtype.itemsize), dtype=np.uint8)
        dictionary = words.view(dtype)[:, 0] if kind != "bool" else words[:, 0] > 127
        return dictionary[random.integers(0, distinct, offsets[-1])]

    fields = {name: values(kind) for name, kind in types.items()}
    known = {name: Field(type=kind) for name, kind in types.items()}
    schema = EventSchema(collections={"A": Collection(kind="list", fields=known)})
    return Events(len(counts), {"A": Objects(offsets, fields)}, {}), schema


def read(path: Path, schema: EventSchema, rows: int, *, coded: bool) -> Objects:
    fields = schema.collections["A"].fields
    found = read_events(
        str(path), schema, [("A", name) for name in fields],
        rows=rows, footer=footer_digest(str(path)), coded=coded,
    )  # fmt: skip
    return found.collections["A"]


@settings(deadline=None, max_examples=60)
@given(
    types=st.lists(st.sampled_from(TYPES), min_size=1, max_size=4),
    objects=st.sampled_from([0, 3, WORTHWHILE, 3 * WORTHWHILE]),
    empty=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
    distinct=st.sampled_from([1, 2, 100, 100_000]),
    row_groups=st.integers(1, 3),
    options=st.fixed_dictionaries(
        {
            "compression": st.sampled_from(["zstd", "none", "gzip", "snappy"]),
            "data_page_size": st.sampled_from([500, 20_000, 1 << 20]),
            "dictionary_pagesize_limit": st.sampled_from([1000, 1 << 20]),
        }
    ),
    plain=st.sampled_from(["PLAIN", "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED", ""]),
    seed=st.integers(0, 100),
)
def test_what_is_read_is_the_same_with_levels_and_without(
    types: list[str], objects: int, empty: float, distinct: int, row_groups: int,
    options: dict[str, Any], plain: str, seed: int,
) -> None:  # fmt: skip
    names = {f"f{index}": kind for index, kind in enumerate(types)}
    events, schema = block(names, objects, empty, distinct, seed)
    if plain:
        able = {"BYTE_STREAM_SPLIT": "f", "DELTA_BINARY_PACKED": "iu", "PLAIN": "fiu"}[plain]
        chosen = [leaf("A", n) for n, kind in names.items() if np.dtype(kind).kind in able]
        rest = [leaf("A", n) for n in names if leaf("A", n) not in chosen]
        options |= {"use_dictionary": rest, "column_encoding": dict.fromkeys(chosen, plain)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        size = max(1, -(-events.size // row_groups))
        pq.write_table(
            to_table(events, schema), path, row_group_size=size, write_page_checksum=True, **options
        )
        found, expected = (read(path, schema, events.size, coded=coded) for coded in (True, False))
    assert found.offsets.tolist() == expected.offsets.tolist()
    for name, values in expected.fields.items():
        same = decoded(found.fields[name])
        assert same.dtype == values.dtype
        assert same.tobytes() == values.tobytes()


def written(path: Path, empty: float = 0.1) -> tuple[Events, EventSchema]:
    types = {"few": "float32", "number": "int16", "real": "float32"}
    events, schema = block(types, 2 * WORTHWHILE, empty, 50, 1)
    pq.write_table(
        to_table(events, schema), path, compression="zstd", write_page_checksum=True,
        use_dictionary=[leaf("A", "few"), leaf("A", "number")],
        column_encoding={leaf("A", "real"): "BYTE_STREAM_SPLIT"},
    )  # fmt: skip
    return events, schema


def test_columns_with_a_dictionary_stay_coded(tmp_path: Path) -> None:
    events, schema = written(tmp_path / "part.parquet")
    found = read(tmp_path / "part.parquet", schema, events.size, coded=True).fields
    assert isinstance(found["few"], Coded)
    assert isinstance(found["number"], Coded)
    assert found["number"].values.dtype == np.int16
    assert not isinstance(found["real"], Coded)  # it is the one that gives the offsets


def test_any_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    events, schema = written(path)
    content = path.read_bytes()
    expected = read(path, schema, events.size, coded=False)
    metadata, random = pq.read_metadata(path).row_group(0), np.random.default_rng(1)
    refused = 0
    for index in range(3):
        column = metadata.column(index)
        start = column.dictionary_page_offset or column.data_page_offset
        places = random.integers(start, start + column.total_compressed_size, 60)
        for place in [*range(start, start + 30), *places]:
            changed = bytearray(content)
            changed[place] ^= 1 << int(random.integers(8))
            path.write_bytes(changed)
            try:
                found = read(path, schema, events.size, coded=True)
            except DatasetError:
                refused += 1
                continue
            for name, values in expected.fields.items():
                assert decoded(found.fields[name]).tobytes() == values.tobytes()
    assert refused > 3 * 60


@pytest.mark.parametrize("field", ["few", "number"])
def test_values_of_a_damaged_column_are_refused_by_name(field: str, tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    events, schema = written(path)
    group = pq.read_metadata(path).row_group(0)
    [column] = [c for c in map(group.column, range(3)) if c.path_in_schema == leaf("A", field)]
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"A\.{field} is damaged: .*checksum"):
        read(path, schema, events.size, coded=True)
