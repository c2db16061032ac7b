"""Events as Parquet: the Arrow types of a dataset, and reading partitions leaf by leaf.

A collection is one column of type ``list<struct<...>>``, non-nullable at every level, so that a
leaf is an offsets array and a value array, which NumPy views without a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from schemas.arrow_parquet import open_parquet
from schemas.errors import DatasetError, RemoteError
from schemas.event_schema import EVENT, Collection, EventSchema, Field, cheapest
from schemas.events import Array, Coded, Events, Objects, Ragged, Values
from schemas.flat_columns import Flat, choose_flat, read_flat
from schemas.flat_file import whole
from schemas.pages import check_pages, find_columns, open_partition
from schemas.tally import count

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ELEMENT = "element"


def leaf(collection: str, field: str, depth: int = 0) -> str:
    """Return the path of the Parquet column of a collection's field."""
    return f"{collection}.list.{ELEMENT}.{field}" + f".list.{ELEMENT}" * depth


def leaves(events: Events, schema: EventSchema) -> Iterator[tuple[str, Array, bool]]:
    """Iterate over all arrays of events: path, the array, and whether it holds values.

    Those that do not are offsets, which have the path of what they divide.
    """
    for name, _ in schema.event_columns():
        yield name, events.columns[name], True
    for name, collection in schema.lists():
        objects = events.collections[name]
        yield name, objects.offsets, False
        for field in collection.fields:
            path, values = leaf(name, field), objects.fields[field]
            while isinstance(values, Ragged):
                yield path, values.offsets, False
                path, values = f"{path}.list.{ELEMENT}", values.values
            yield path, values, True


def _number_type(info: Field) -> Any:
    """Return the Arrow type of a field: of a number, or of lists of numbers."""
    import pyarrow as pa

    kind = pa.from_numpy_dtype(info.dtype)
    for _ in range(info.depth):
        kind = pa.list_(pa.field(ELEMENT, kind, nullable=False))
    return kind


def arrow_type(collection: Collection) -> Any:
    """Return the Arrow type of a collection with any number of objects per event."""
    import pyarrow as pa

    fields = [
        pa.field(name, _number_type(info), nullable=False)
        for name, info in collection.fields.items()
    ]
    return pa.list_(pa.field(ELEMENT, pa.struct(fields), nullable=False))


def arrow_schema(schema: EventSchema) -> Any:
    """Return the Arrow schema of a dataset: event-level columns first, then the collections."""
    import pyarrow as pa

    fields = [
        pa.field(name, pa.from_numpy_dtype(info.dtype), nullable=False)
        for name, info in schema.event_columns()
    ]
    fields += [pa.field(name, arrow_type(c), nullable=False) for name, c in schema.lists()]
    return pa.schema(fields)


def to_table(events: Events, schema: EventSchema) -> Any:
    """Return events as an Arrow table of the dataset's schema, sharing their memory.

    Raises
    ------
    DatasetError
        If a collection has more objects than 32-bit offsets can tell apart.
    """
    import pyarrow as pa

    target = arrow_schema(schema)
    columns = [pa.array(events.columns[name]) for name, _ in schema.event_columns()]
    for name, _ in schema.lists():
        objects = events.collections[name]
        if len(objects) >= 2**31:
            raise DatasetError(f"{name}: too many objects for one partition; make it smaller")
        kind = target.field(name).type
        arrays = [
            _array(objects.fields[field.name], field.type, f"{name}.{field.name}")
            for field in kind.value_type
        ]
        struct = pa.StructArray.from_arrays(arrays, fields=list(kind.value_type))
        offsets = pa.array(objects.offsets.astype(np.int32))
        columns.append(pa.ListArray.from_arrays(offsets, struct, type=kind))
    return pa.Table.from_arrays(columns, schema=target)


def _array(values: Values, kind: Any, name: str) -> Any:
    """Return the values of a field as an Arrow array that shares their memory."""
    import pyarrow as pa

    if not isinstance(values, Ragged):
        return pa.array(values)
    if len(values.values) >= 2**31:
        raise DatasetError(f"{name}: too many values for one partition; make it smaller")
    inner = _array(values.values, kind.value_type, name)
    return pa.ListArray.from_arrays(pa.array(values.offsets.astype(np.int32)), inner, type=kind)


def read_events(
    path: str,
    schema: EventSchema,
    columns: Iterable[tuple[str, str]],
    collections: Iterable[str] = (),
    *,
    rows: int,
    footer: str,
    events: int | None = None,
    coded: bool = False,
) -> Events:
    """Read some columns of a partition.

    Parameters
    ----------
    path
        Of the Parquet file.
    schema
        Of the dataset.
    columns
        ``(collection, field)``, or ``(EVENT, column name)``.
    collections
        Those whose offsets are needed even if none of their fields is.
    rows
        Number of events that the manifest promises.
    footer
        Digest of the file's footer that it promises.
    events
        How many of them to read, from the first on; None for all.
    coded
        Whether columns may be `Coded`.

    Raises
    ------
    DatasetError
        If the file is missing or damaged anywhere in what is read of it, or does not hold what the
        manifest says.
    """
    wanted = Wanted.choose(schema, columns, collections)
    paths = wanted.paths
    with reading_partition(path), open_partition(path, footer, paths) as (source, metadata):
        wanted.check_rows(metadata, rows, path)
        file = open_parquet(source, metadata)
        wanted.check_types(file.schema_arrow, path)
        positions = find_columns(metadata, paths, path)
        pages = check_pages(source, metadata, positions, path)
        size = rows if events is None else min(events, rows)
        chosen = choose_flat(metadata, pages) if coded and size == rows else {}
        flat = read_flat(source, metadata, chosen, pages, path)
        others = [at for name, at in positions.items() if name not in flat.values]
        table = _read_table(file, others, rows, size)
        count("bytes_read", _stored_bytes(metadata, positions.values()))
    return wanted.to_events(table, size, flat)


@contextmanager
def reading_partition(path: str) -> Iterator[None]:
    """Turn what Arrow and the system say of a file into an error that names it.

    Raises
    ------
    DatasetError
        For any of their errors.
    """
    import pyarrow as pa

    try:
        yield
    except RemoteError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error


class Wanted(Struct, frozen=True):
    """What to read of partitions of one schema.

    Attributes
    ----------
    columns
        Names of event-level columns.
    fields
        Those of each collection, at least one.
    paths
        Of all their Parquet columns.
    types
        Which they have to have.
    """

    columns: Sequence[str]
    fields: Mapping[str, Mapping[str, Field]]
    paths: Sequence[str]
    types: Mapping[str, pa.DataType]

    @classmethod
    def choose(
        cls,
        schema: EventSchema,
        columns: Iterable[tuple[str, str]],
        collections: Iterable[str] = (),
    ) -> Wanted:
        """Resolve what `read_events` is given."""
        import pyarrow as pa

        chosen: dict[str, list[str]] = {name: [] for name in sorted(set(collections))}
        for collection, field in sorted(set(columns)):
            chosen.setdefault(collection, []).append(field)
        singles = chosen.pop(EVENT, [])
        fields = {}
        for name, names in chosen.items():
            known = schema.collections[name].fields
            fields[name] = {field: known[field] for field in names or [cheapest(known)]}
        dtypes = {name: field.dtype for name, field in schema.event_columns()}
        types = {name: pa.from_numpy_dtype(dtypes[name]) for name in singles}
        paths = list(singles)
        for name, found in fields.items():
            types |= {f"{name}.{field}": _number_type(info) for field, info in found.items()}
            paths += [leaf(name, field, info.depth) for field, info in found.items()]
        return cls(singles, fields, paths, types)

    def check_rows(self, metadata: pq.FileMetaData, rows: int, path: str) -> None:
        """Refuse a file with another number of events than the manifest says.

        Raises
        ------
        DatasetError
            With both numbers.
        """
        if metadata.num_rows != rows:
            found = metadata.num_rows
            raise DatasetError(f"{path}: {found} events, and the manifest says {rows}")

    def check_types(self, schema: pa.Schema, path: str) -> None:
        """Refuse a file whose columns are not what the manifest says.

        Parameters
        ----------
        schema
            Of the file: a table of some of a collection's fields loses "not null" on the way.
        path
            Of the file, for messages.

        Raises
        ------
        DatasetError
            If one is missing or has another type.
        """
        _check_types(dict(_stored_types(schema)), self.types, path)

    def to_events(self, table: pa.Table, size: int, flat: Flat | None = None) -> Events:
        """Return a table as events, with the columns that were read otherwise."""
        flat = flat or Flat({}, {})
        return Events(
            size,
            {name: _objects(table, name, found, flat) for name, found in self.fields.items()},
            {name: _values(whole(table.column(name))) for name in self.columns},
        )


def _read_table(file: Any, columns: list[int], rows: int, size: int) -> pa.Table:
    """Read the first ``size`` of the rows, and decode little more."""
    import pyarrow as pa

    if size == rows:
        return file.read_all(column_indices=columns, use_threads=False)
    batches, left = [], size
    groups = range(file.num_row_groups)
    for batch in file.iter_batches(
        max(size, 1), row_groups=groups, column_indices=columns, use_threads=False
    ):
        batches.append(batch.slice(0, left))
        left -= len(batches[-1])
        if left == 0:
            break
    return pa.Table.from_batches(batches)


def _stored_bytes(metadata: pq.FileMetaData, columns: Iterable[int]) -> int:
    """Return what some columns take in a file."""
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    return sum(group.column(index).total_compressed_size for index in columns for group in groups)


def _stored_types(schema: pa.Schema) -> Iterator[tuple[str, tuple[pa.DataType, bool]]]:
    """Iterate over the name of each column, its type and whether it may have nulls."""
    import pyarrow as pa

    for column in schema:
        if not (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type)):
            yield column.name, (column.type, column.nullable)
            continue
        nullable = column.nullable or column.type.value_field.nullable
        for field in column.type.value_type:
            inner, may_be_null = field.type, nullable or field.nullable
            while pa.types.is_list(inner):
                inner, may_be_null = inner.value_type, may_be_null or inner.value_field.nullable
            yield f"{column.name}.{field.name}", (field.type, may_be_null)


def _check_types(
    found: Mapping[str, tuple[pa.DataType, bool]], expected: Mapping[str, pa.DataType], path: str
) -> None:
    """Refuse columns that are not what the manifest says."""
    missing = expected.keys() - found.keys()
    if missing:
        raise DatasetError(f"{path}: has no column {', '.join(sorted(missing))}")
    for name, stated in expected.items():
        kind, nullable = found[name]
        if nullable or kind != stated:
            nulls = " with nulls" if nullable else ""
            raise DatasetError(f"{path}: {name} is {kind}{nulls}, and the manifest says {stated}")


def _objects(table: pa.Table, name: str, fields: Mapping[str, Field], flat: Flat) -> Objects:
    values: dict[str, Any] = {
        field: _typed(flat.values[leaf(name, field)], info.dtype)
        for field, info in fields.items()
        if leaf(name, field) in flat.values
    }
    if len(values) == len(fields):
        return Objects(flat.offsets[name], values)
    lists = whole(table.column(name))
    objects = _flatten(lists)
    values |= {field: _values(objects.field(field)) for field in fields if field not in values}
    return Objects(_offsets(lists), values)


def _typed(values: Array | Coded, dtype: np.dtype[Any]) -> Array | Coded:
    """Return integers, which Parquet stores in 32 or 64 bits, in their own type."""
    if isinstance(values, Coded):
        return Coded(values.codes, values.values.astype(dtype, copy=False))
    return values.astype(dtype, copy=False)


def _flatten(lists: pa.ListArray) -> Any:
    """Return what the lists hold; Arrow's own way imports its compute functions, 30 ms."""
    offsets = lists.offsets
    if len(offsets) == 0:
        return lists.values
    first = offsets[0].as_py()
    return lists.values.slice(first, offsets[len(offsets) - 1].as_py() - first)


def _offsets(lists: pa.ListArray) -> Any:
    # Arrow allows an empty list column to have no offsets at all
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return offsets - offsets[0] if len(offsets) else np.zeros(1, np.int64)


def _values(array: Any) -> Any:
    import pyarrow as pa

    if isinstance(array, pa.ListArray):
        return Ragged(_offsets(array), _values(_flatten(array)))
    return array.to_numpy(zero_copy_only=False)
