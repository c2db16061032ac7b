"""Files put together here: what Arrow would write, to Arrow and to everybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event_schema import Collection, EventSchema, Field, nest
from schemas.events import Events, Objects, Ragged
from schemas.parquet import to_table
from schemas.skim_config import Storage
from skim.encode import write_options
from skim.parquet_file import write_parquet
from tests import strategies

RANDOM = np.random.default_rng(11)
TYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip


def one_field(kind: str) -> EventSchema:
    return EventSchema(
        collections={
            "event": Collection(kind="event", fields={"id": Field(type=kind)}),
            "Jet": Collection(kind="list", fields={"pt": Field(type=kind)}),
        }
    )


def make(kind: str, values: Any, counts: Any) -> Events:
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    chosen = np.asarray(values).astype(kind)
    jets = Objects(offsets, {"pt": np.resize(chosen, offsets[-1])})
    return Events(len(counts), {"Jet": jets}, {"id": np.resize(chosen, len(counts))})


def require_same(events: Events, schema: EventSchema, folder: Path, **storage: Any) -> None:
    """Compare values, schema and statistics with those of a file that Arrow wrote."""
    options = write_options(events, schema, Storage(**storage))
    own, other = folder / "own.parquet", folder / "arrow.parquet"
    with own.open("wb") as file:
        write_parquet(file, events, schema, options)
    pq.write_table(to_table(events, schema), other, **options)
    with (
        pq.ParquetFile(own, page_checksum_verification=True) as file,
        pq.ParquetFile(other) as expected,
    ):
        tables = [opened.read().cast(expected.schema_arrow) for opened in (file, expected)]
        # as texts, since NaN is not equal to itself
        assert repr(tables[0].to_pydict()) == repr(tables[1].to_pydict())
        assert file.schema_arrow.equals(expected.schema_arrow, check_metadata=True)
        assert file.schema.equals(expected.schema)
        found, known = file.metadata, expected.metadata
    assert (found.num_rows, found.num_row_groups) == (known.num_rows, known.num_row_groups)
    assert found.metadata == known.metadata
    for number in range(found.num_row_groups):
        for column in range(found.num_columns):
            chunk, like = (m.row_group(number).column(column) for m in (found, known))
            assert chunk.num_values == like.num_values
            assert chunk.physical_type == like.physical_type
            assert chunk.compression == like.compression
            stated = [found and found.to_dict() for found in (chunk.statistics, like.statistics)]
            assert repr(stated[0]) == repr(stated[1])


@settings(deadline=None)
@given(data=st.data(), rows=st.integers(1, 9))
def test_any_events(
    data: st.DataObject, rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    events = data.draw(strategies.events())
    folder = tmp_path_factory.mktemp("files")
    require_same(events, strategies.SCHEMA, folder, row_group_events=rows)


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_and_encoding(kind: str, tmp_path: Path) -> None:
    counts = RANDOM.integers(0, 4, 5000)
    for values in (RANDOM.normal(0, 50, 20_000), np.arange(100), [1]):
        if kind.startswith("u"):
            values = np.abs(values)
        require_same(make(kind, values, counts), one_field(kind), tmp_path)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "none"])
def test_every_compression(compression: str, tmp_path: Path) -> None:
    events = make("float32", RANDOM.normal(size=100), RANDOM.integers(0, 4, 500))
    require_same(events, one_field("float32"), tmp_path, compression=compression)
    if compression in ("zstd", "gzip"):
        require_same(events, one_field("float32"), tmp_path, compression=compression, level=1)


@pytest.mark.parametrize(
    "counts",
    [[], [0], [1], [0, 0, 0], [0, 5, 0], np.ones(70_000, int), np.arange(70_000) % 1000 > 0],
    ids=len,
)
def test_levels(counts: Any, tmp_path: Path) -> None:
    require_same(make("float32", [1.5, 2.5, 2.5], counts), one_field("float32"), tmp_path)


def test_a_row_group_without_objects(tmp_path: Path) -> None:
    events = make("float32", [1, 2, 3], [2, 1, 0, 0, 4, 0])
    require_same(events, one_field("float32"), tmp_path, row_group_events=2)


def test_special_values_have_the_statistics_that_arrow_gives_them(tmp_path: Path) -> None:
    for values in ([np.nan], [0.0, -0.0], [-0.0], [np.inf, -np.inf, np.nan], [2.0**-149]):
        for kind in ("float16", "float32", "float64"):
            require_same(make(kind, values, [3, 0, 3]), one_field(kind), tmp_path)
    for kind in ("int8", "int32", "int64", "uint8", "uint32", "uint64"):
        limits = np.iinfo(kind)
        values = np.array([limits.min, limits.max], kind)
        require_same(make(kind, values, [3, 0, 3]), one_field(kind), tmp_path)


def test_lists_within_objects_are_left_to_arrow(tmp_path: Path) -> None:
    schema = EventSchema(
        collections={
            "Jet": Collection(kind="list", fields={"hits": Field(type=nest("float32", 1))}),
        }
    )
    hits = Ragged(np.array([0, 2, 2]), np.float32([1, 2]))
    events = Events(1, {"Jet": Objects(np.array([0, 2]), {"hits": hits})}, {})
    require_same(events, schema, tmp_path)


def test_other_readers(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    events = strategies.random_events(3000)
    path = tmp_path / "part.parquet"
    options = write_options(events, strategies.SCHEMA, Storage(row_group_events=1000))
    with path.open("wb") as file:
        write_parquet(file, events, strategies.SCHEMA, options)
    expected = repr(ak.to_list(strategies.awkward(events)["Ele"]["pt"]))
    assert repr(ak.to_list(ak.from_parquet(path)["Ele"]["pt"])) == expected
    frame = polars.read_parquet(path)
    own = frame["Ele"].list.eval(polars.element().struct.field("pt")).to_list()
    assert repr(own) == expected
