"""Small partitions that are read together: as one by one, to the last bit and the last error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histo.partitions import concatenate
from schemas.dataset import Dataset, open_dataset
from schemas.errors import DatasetError
from schemas.event_schema import EVENT, Collection, EventSchema, Field
from schemas.events import Events, Objects, Ragged
from schemas.parquet import read_events
from schemas.small_partitions import SMALL, read_together
from tests.strategies import COLUMNS, LISTS, SCHEMA, events, random_events, split, write_dataset

COLUMN_PAIRS = [(EVENT, name) for name in COLUMNS] + [
    (name, field) for name, types in LISTS.items() for field in types
]


@dataclass(frozen=True)
class Part:
    """A file as the manifest describes it."""

    path: str
    rows: int
    footer: str


def parts_of(dataset: Dataset) -> list[Part]:
    return [
        Part(f"{dataset.path}/{part.path}", part.events_kept, part.footer)
        for _, part in dataset.partitions()
    ]


def one_by_one(parts: list[Part], columns: list[tuple[str, str]]) -> Events:
    return concatenate(
        [read_events(p.path, SCHEMA, columns, ["Jet"], rows=p.rows, footer=p.footer) for p in parts]
    )


def require_equal(one: Events, two: Events) -> None:
    assert one.size == two.size
    assert one.columns.keys() == two.columns.keys()
    assert one.collections.keys() == two.collections.keys()
    pairs = [(values, two.columns[name]) for name, values in one.columns.items()]
    for name, objects in one.collections.items():
        other = two.collections[name]
        assert objects.fields.keys() == other.fields.keys()
        pairs += [(objects.offsets, other.offsets)]
        pairs += [(values, other.fields[field]) for field, values in objects.fields.items()]
    for values, others in pairs:
        assert (values.dtype, values.tobytes()) == (others.dtype, others.tobytes())


@settings(deadline=None, max_examples=25)
@given(
    blocks=st.lists(events(), min_size=1, max_size=4),
    columns=st.sets(st.sampled_from(COLUMN_PAIRS)),
)
def test_it_makes_no_difference(
    blocks: list[Events], columns: set[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = parts_of(open_dataset(write_dataset(tmp_path_factory.mktemp("d"), {"a": blocks})))
    chosen = sorted(columns)
    require_equal(read_together(parts, SCHEMA, chosen, ["Jet"]), one_by_one(parts, chosen))


@pytest.fixture
def parts(tmp_path: Path) -> list[Part]:
    """Three partitions of 20 events."""
    blocks = split(random_events(60), 20)
    return parts_of(open_dataset(write_dataset(tmp_path / "dataset", {"a": blocks})))


def outcome(parts: list[Part], *, together: bool) -> str:
    """Return the error of reading, or the values as they are."""
    columns = [("Ele", "pt"), ("Ele", "quality"), (EVENT, "run")]
    try:
        if together:
            read = read_together(parts, SCHEMA, columns, ["Jet"])
        else:
            read = one_by_one(parts, columns)
    except DatasetError as error:
        return str(error)
    return f"{read.columns['run'].tobytes()!r} {read.collections['Ele'].fields['pt'].tobytes()!r}"


def test_every_damage_is_noticed_that_is_noticed_one_by_one(parts: list[Part]) -> None:
    path = Path(parts[1].path)
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        expected = outcome(parts, together=False)
        assert outcome(parts, together=True) == expected
        refused += expected.startswith(str(path))
    assert refused > len(whole) // 7 // 4


def test_what_the_manifest_says_is_compared(parts: list[Part], tmp_path: Path) -> None:
    first, second, third = parts
    wrong = Part(second.path, second.rows + 1, second.footer)
    assert "20 events, and the manifest says 21" in outcome([first, wrong, third], together=True)
    wrong = Part(second.path, second.rows, first.footer)
    assert "its footer is not as it was written" in outcome([first, wrong], together=True)
    wrong = Part(str(tmp_path / "none.parquet"), 20, first.footer)
    assert "none.parquet: is missing, or not a file" in outcome([first, wrong], together=True)
    Path(third.path).write_bytes(b"PAR1" * SMALL)
    assert "too large to be what it should be" in outcome([first, third], together=True)


@pytest.mark.parametrize("change", [{"pt": "float64"}, {"pt": ""}])
def test_a_file_of_another_schema_is_refused(
    change: dict[str, str], parts: list[Part], tmp_path: Path
) -> None:
    types = {field: kind for field, kind in (LISTS["Ele"] | change).items() if kind}
    collections = dict(SCHEMA.collections)
    known = {field: Field(type=kind) for field, kind in types.items()}
    collections["Ele"] = Collection(kind="list", fields=known)
    block = random_events(20)
    ele = block.collections["Ele"]
    fields = {field: ele.fields[field].astype(kind) for field, kind in types.items()}
    made = Events(20, {**block.collections, "Ele": Objects(ele.offsets, fields)}, block.columns)
    other = write_dataset(tmp_path / "x", {"a": [made]}, EventSchema(collections=collections))
    mixed = [parts[0], *parts_of(open_dataset(other)), parts[1]]
    said = outcome(mixed, together=True)
    assert said == outcome(mixed, together=False)
    assert "Ele.pt" in said


def test_lists_in_objects_and_files_without_events(tmp_path: Path) -> None:
    known = {"id": Field(type="list[int32]"), "pt": Field(type="float32")}
    schema = EventSchema(collections={"A": Collection(kind="list", fields=known)})
    blocks = []
    for size in (2, 0, 3):
        offsets = np.arange(size + 1) * 2
        ids = Ragged(np.arange(2 * size + 1) * 3, np.arange(6 * size, dtype=np.int32))
        fields = {"id": ids, "pt": np.arange(2 * size, dtype=np.float32)}
        blocks.append(Events(size, {"A": Objects(offsets, fields)}, {}))
    parts = parts_of(open_dataset(write_dataset(tmp_path / "d", {"a": blocks}, schema)))
    read = read_together(parts, schema, [("A", "id"), ("A", "pt")])
    assert read.size == 5
    found = read.collections["A"]
    assert found.offsets.tolist() == [0, 2, 4, 6, 8, 10]
    assert found.fields["pt"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]
    ids = found.fields["id"]
    assert isinstance(ids, Ragged)
    assert ids.offsets.tolist() == list(range(0, 31, 3))
    assert np.asarray(ids.values).tolist() == [*range(12), *range(18)]
    empty = read_together(parts[1:2] * 2, schema, [("A", "pt")])
    assert (empty.size, len(empty.collections["A"])) == (0, 0)
