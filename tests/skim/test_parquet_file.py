"""Files put together here: what Arrow would write, to Arrow and to everybody else."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import duckdb
import numpy as np
import polars
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from schemas.event_schema import Collection, EventSchema, Field, nest
from schemas.events import Array, Events, Objects, Ragged, decoded
from schemas.pages import footer_digest
from schemas.parquet import leaves, read_events, to_table
from schemas.skim_config import Storage
from skim.encode import write_options
from skim.parquet_file import write_parquet
from tests import strategies

RANDOM = np.random.default_rng(11)
TYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip


FIELDS = ("pt", "mass")  # one of which gives the offsets where they are read


def of_type(kind: str) -> EventSchema:
    return EventSchema(
        collections={
            "event": Collection(kind="event", fields={"id": Field(type=kind)}),
            "Jet": Collection(kind="list", fields=dict.fromkeys(FIELDS, Field(type=kind))),
        }
    )


def make(kind: str, values: Any, counts: Any) -> Events:
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    chosen = np.asarray(values).astype(kind)
    jets = Objects(offsets, dict.fromkeys(FIELDS, np.resize(chosen, offsets[-1])))
    return Events(len(counts), {"Jet": jets}, {"id": np.resize(chosen, len(counts))})


def options_with(
    events: Events, schema: EventSchema, encoding: str = "", **storage: Any
) -> dict[str, Any]:
    """Return options with one encoding for all columns, or with none that is given."""
    options = write_options(events, schema, Storage(**storage))
    if encoding:
        paths = [path for path, _, holds_values in leaves(events, schema) if holds_values]
        coded = encoding == "RLE_DICTIONARY"
        options["use_dictionary"] = paths if coded else []
        options["column_encoding"] = {} if coded else dict.fromkeys(paths, encoding)
    return options


def require_same(
    events: Events, schema: EventSchema, folder: Path, encoding: str = "", **storage: Any
) -> None:
    """Compare values, schema and statistics with those of a file that Arrow wrote."""
    options = options_with(events, schema, encoding, **storage)
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


INTEGERS = ["PLAIN", "RLE_DICTIONARY", "DELTA_BINARY_PACKED"]
ENCODINGS = {
    "bool": ["PLAIN"],
    "float16": ["PLAIN", "RLE_DICTIONARY"],
    "float32": ["PLAIN", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"],
    "float64": ["PLAIN", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"],
}


@st.composite
def encoded(draw: st.DrawFn) -> tuple[str, str, Array, list[int]]:
    """Draw a type, an encoding that it can have, values of any bits, and counts of objects."""
    kind = draw(st.sampled_from(TYPES))
    encoding = draw(st.sampled_from(ENCODINGS.get(kind, INTEGERS)))
    words = draw(npst.arrays(f"u{np.dtype(kind).itemsize}", st.integers(1, 20)))
    values = words > words.mean() if kind == "bool" else words.view(kind)
    counts = draw(st.lists(st.integers(0, 3), min_size=1, max_size=20))
    return kind, encoding, values, counts * draw(st.sampled_from([1, 1000]))


@settings(deadline=None)
@given(drawn=encoded())
def test_any_values(drawn: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    kind, encoding, values, counts = drawn
    folder = tmp_path_factory.mktemp("files")
    events = make(kind, values, counts)
    require_same(events, of_type(kind), folder, encoding)
    for reader in ("pyarrow", "l1skim"):  # which keep the bits of NaN
        require_read(events, kind, encoding, reader, folder / "part.parquet")


@settings(deadline=None, max_examples=30)
@given(drawn=encoded())
def test_the_bytes_depend_on_nothing_but_the_values(drawn: Any) -> None:
    kind, encoding, values, counts = drawn
    schema = of_type(kind)
    events = make(kind, values, counts)
    spread = np.repeat(events.columns["id"], 2)[::2]
    contents = set()
    for ids in (events.columns["id"], spread):
        same = Events(events.size, events.collections, {"id": ids})
        file = io.BytesIO()
        write_parquet(file, same, schema, options_with(same, schema, encoding))
        contents.add(file.getvalue())
    assert len(contents) == 1


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_and_encoding(kind: str, tmp_path: Path) -> None:
    counts = RANDOM.integers(0, 4, 5000)
    for values in (RANDOM.normal(0, 50, 20_000), np.arange(100), [1]):
        if kind.startswith("u"):
            values = np.abs(values)
        require_same(make(kind, values, counts), of_type(kind), tmp_path)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "none"])
def test_every_compression(compression: str, tmp_path: Path) -> None:
    events = make("float32", RANDOM.normal(size=100), RANDOM.integers(0, 4, 500))
    require_same(events, of_type("float32"), tmp_path, compression=compression)
    if compression in ("zstd", "gzip"):
        require_same(events, of_type("float32"), tmp_path, compression=compression, level=1)


@pytest.mark.parametrize(
    "counts",
    [[], [0], [1], [0, 0, 0], [0, 5, 0], np.ones(70_000, int), np.arange(70_000) % 1000 > 0],
    ids=len,
)
def test_levels(counts: Any, tmp_path: Path) -> None:
    require_same(make("float32", [1.5, 2.5, 2.5], counts), of_type("float32"), tmp_path)


def test_a_row_group_without_objects(tmp_path: Path) -> None:
    events = make("float32", [1, 2, 3], [2, 1, 0, 0, 4, 0])
    require_same(events, of_type("float32"), tmp_path, row_group_events=2)


def test_special_values_have_the_statistics_that_arrow_gives_them(tmp_path: Path) -> None:
    for values in ([np.nan], [0.0, -0.0], [-0.0], [np.inf, -np.inf, np.nan], [2.0**-149]):
        for kind in ("float16", "float32", "float64"):
            require_same(make(kind, values, [3, 0, 3]), of_type(kind), tmp_path)
    for kind in ("int8", "int32", "int64", "uint8", "uint32", "uint64"):
        limits = np.iinfo(kind)
        values = np.array([limits.min, limits.max], kind)
        require_same(make(kind, values, [3, 0, 3]), of_type(kind), tmp_path)


def test_lists_within_objects_are_left_to_arrow(tmp_path: Path) -> None:
    schema = EventSchema(
        collections={
            "Jet": Collection(kind="list", fields={"hits": Field(type=nest("float32", 1))}),
        }
    )
    hits = Ragged(np.array([0, 2, 2]), np.float32([1, 2]))
    events = Events(1, {"Jet": Objects(np.array([0, 2]), {"hits": hits})}, {})
    require_same(events, schema, tmp_path)


READERS: dict[str, Callable[[Path], ak.Array]] = {
    "awkward": ak.from_parquet,
    "pyarrow": lambda path: ak.from_arrow(pq.read_table(path)),
    "polars": lambda path: ak.from_arrow(polars.read_parquet(path).to_arrow()),
    "duckdb": lambda path: ak.from_arrow(duckdb.read_parquet(str(path)).to_arrow_table()),
    "l1skim": lambda path: read_all(path),
}


def read_all(path: Path) -> ak.Array:
    schema = of_type(pq.read_schema(path).field("id").type.to_pandas_dtype().__name__)
    found = read_events(
        str(path), schema, [("event", "id"), *(("Jet", name) for name in FIELDS)],
        rows=pq.read_metadata(path).num_rows, footer=footer_digest(str(path)), coded=True,
    )  # fmt: skip
    jets = found.collections["Jet"]
    lists = {n: ak.unflatten(decoded(jets.fields[n]), jets.counts) for n in FIELDS}
    return ak.Array({"id": decoded(found.columns["id"]), "Jet": ak.zip(lists)})


def numbers(array: ak.Array, kind: str) -> Array:
    """Return numbers without lists and without what says that any of them may be missing."""
    return ak.to_numpy(ak.drop_none(ak.flatten(array, axis=None))).astype(kind, copy=False)


def require_read(events: Events, kind: str, encoding: str, reader: str, path: Path) -> None:
    options = options_with(events, of_type(kind), encoding)
    with path.open("wb") as file:
        write_parquet(file, events, of_type(kind), options)
    found = READERS[reader](path)
    jets = events.collections["Jet"]
    assert ak.num(found["Jet"]).to_list() == jets.counts.tolist()
    assert numbers(found["id"], kind).tobytes() == events.columns["id"].tobytes()
    for name in FIELDS:
        assert numbers(found["Jet"][name], kind).tobytes() == jets.fields[name].tobytes()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("distinct", [1, 2, 3, 9, 200, 257, 5000, 30_000, 70_000])
def test_codes_of_any_width_are_read(reader: str, distinct: int, tmp_path: Path) -> None:
    counts = RANDOM.integers(0, 4, 30_000)
    for values in (RANDOM.integers(0, distinct, 90_000), np.arange(90_000) * distinct // 90_000):
        events = make("float32", values, counts)
        require_read(events, "float32", "RLE_DICTIONARY", reader, tmp_path / "part.parquet")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read(reader: str, kind: str, tmp_path: Path) -> None:
    values = RANDOM.integers(0, 256, (300, np.dtype(kind).itemsize), np.uint8)
    values = values[:, 0] > 99 if kind == "bool" else values.view(kind)[:, 0]
    values = values[values == values]  # not every reader keeps the bits of NaN
    for encoding in ENCODINGS.get(kind, INTEGERS):
        events = make(kind, values, RANDOM.integers(0, 4, 5000))
        require_read(events, kind, encoding, reader, tmp_path / "part.parquet")
