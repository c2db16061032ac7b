"""Events to Arrow and back: nothing of any type, shape or value is lost."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas.errors import DatasetError
from schemas.event_schema import EVENT, Collection, EventSchema, Field
from schemas.events import Events, Objects
from schemas.pages import footer_digest
from schemas.parquet import arrow_schema, to_table
from schemas.parquet import read_events as read_partition

TYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
NUMBERS = st.sampled_from((*TYPES, "float32", "float64"))


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Events, EventSchema]:
    """Draw events with one collection, one singleton and one field of the event."""
    counts = draw(st.lists(st.integers(0, 4), max_size=12))
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    kinds = {name: draw(NUMBERS) for name in ("x", "y", "z", "w")}
    fields = {
        name: draw(hnp.arrays(np.dtype(kinds[name]), int(offsets[-1]))) for name in ("x", "y")
    }
    singles = {
        column: draw(hnp.arrays(np.dtype(kinds[name]), len(counts)))
        for column, name in (("MET_z", "z"), ("w", "w"))
    }
    schema = EventSchema(
        collections={
            "A": Collection(kind="list", fields={n: Field(type=kinds[n]) for n in ("x", "y")}),
            "MET": Collection(kind="singleton", fields={"z": Field(type=kinds["z"])}),
            "event": Collection(kind="event", fields={"w": Field(type=kinds["w"])}),
        }
    )
    return Events(len(counts), {"A": Objects(offsets, fields)}, singles), schema


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


def read_events(path: str, schema: EventSchema, *names: Any, **options: Any) -> Events:
    """Read a partition that nobody has touched since it was written."""
    return read_partition(path, schema, *names, footer=footer_digest(path), **options)


def first(events: Events, size: int) -> Events:
    return events.select(np.arange(events.size) < size)


ALL = [("A", "x"), ("A", "y"), (EVENT, "MET_z"), (EVENT, "w")]


@given(blocks(), st.integers(1, 12), st.none() | st.integers(0, 15))
@settings(deadline=None)
def test_events_are_read_as_they_were_written(
    block: tuple[Events, EventSchema], rows: int, limit: int | None
) -> None:
    events, schema = block
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        pq.write_table(
            to_table(events, schema), path, row_group_size=rows, write_page_checksum=True
        )
        found = read_events(str(path), schema, ALL, rows=events.size, events=limit)
    events = events if limit is None else first(events, limit)
    assert found.size == events.size
    assert_same(found.collections["A"].offsets, events.collections["A"].offsets)
    for name in ("x", "y"):
        assert_same(found.collections["A"].fields[name], events.collections["A"].fields[name])
    for name in ("MET_z", "w"):
        assert_same(found.columns[name], events.columns[name])


SCHEMA = EventSchema(
    collections={
        "A": Collection(kind="list", fields={"x": Field(type="float32"), "id": Field(type="int8")}),
        "event": Collection(kind="event", fields={"run": Field(type="uint32")}),
    }
)
EVENTS = Events(
    3,
    {
        "A": Objects(
            np.array([0, 2, 2, 3]),
            {"x": np.array([1, 2, 3], np.float32), "id": np.array([4, 5, 6], np.int8)},
        )
    },
    {"run": np.array([7, 8, 9], np.uint32)},
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    table = to_table(EVENTS, SCHEMA)
    pq.write_table(table, tmp_path / "part.parquet", write_page_checksum=True)
    return str(tmp_path / "part.parquet")


def test_a_collection_is_one_column_of_lists_of_structs() -> None:
    element = pa.struct([("x", pa.float32()), ("id", pa.int8())])
    found = arrow_schema(SCHEMA)
    assert found.names == ["run", "A"]
    assert [field.name for field in found.field("A").type.value_type] == [f.name for f in element]
    assert pa.types.is_list(found.field("A").type)


def test_only_what_is_asked_for_is_read(path: str) -> None:
    found = read_events(path, SCHEMA, [("A", "x")], rows=3)
    assert (list(found.collections["A"].fields), dict(found.columns)) == (["x"], {})


def test_offsets_can_be_read_without_any_field(path: str) -> None:
    found = read_events(path, SCHEMA, [], ["A"], rows=3)
    assert found.offsets("A").tolist() == [0, 2, 2, 3]


def test_nothing_can_be_read_of_as_many_events_as_there_are(path: str) -> None:
    found = read_events(path, SCHEMA, [], rows=3)
    assert (found.size, dict(found.collections), dict(found.columns)) == (3, {}, {})


def test_other_numbers_of_events_are_refused(path: str) -> None:
    with pytest.raises(DatasetError, match="3 events, and the manifest says 4"):
        read_events(path, SCHEMA, [(EVENT, "run")], rows=4)


@pytest.mark.parametrize("pair", [("A", "x"), (EVENT, "run")])
def test_columns_that_may_be_null_are_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    element = pa.struct([("x", pa.float32()), ("id", pa.int8())])
    table = pa.table(
        {
            "A": pa.array([[{"x": 1.0, "id": 1}, {"x": None, "id": 2}]], pa.list_(element)),
            "run": pa.array([None], pa.uint32()),
        }
    )
    pq.write_table(table, tmp_path / "nulls.parquet")
    with pytest.raises(DatasetError, match=r"nulls\.parquet: .* with nulls"):
        read_events(str(tmp_path / "nulls.parquet"), SCHEMA, [pair], rows=1)


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ({"x": "float64", "id": "int8"}, r"A\.x is float, and the manifest says double"),
        ({"x": "float32", "id": "uint8"}, r"A\.id is int8, and the manifest says uint8"),
        ({"x": "float32", "y": "float32"}, r"has no column A\.y"),
    ],
)
def test_fields_that_are_not_what_the_manifest_says_are_refused(
    types: dict[str, str], said: str, path: str
) -> None:
    fields = {name: Field(type=kind) for name, kind in types.items()}
    other = EventSchema(collections={"A": Collection(kind="list", fields=fields)})
    with pytest.raises(DatasetError, match=said):
        read_events(path, other, [("A", name) for name in types], rows=3)
