"""Events as Parquet: the Arrow types of a dataset, and reading partitions leaf by leaf.

A collection is one column of type ``list<struct<...>>``, non-nullable at every level, so that a
leaf is an offsets array and a value array, which NumPy views without a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import DatasetError
from schemas.event_schema import EVENT, Collection, EventSchema
from schemas.events import Events, Objects
from schemas.storage import open_source

if TYPE_CHECKING:
    import pyarrow as pa

ELEMENT = "element"


def leaf(collection: str, field: str) -> str:
    """Return the path of the Parquet column of a collection's field."""
    return f"{collection}.list.{ELEMENT}.{field}"


def arrow_type(collection: Collection) -> Any:
    """Return the Arrow type of a collection with any number of objects per event."""
    import pyarrow as pa

    fields = [
        pa.field(name, pa.from_numpy_dtype(info.dtype), nullable=False)
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
    for name, collection in schema.lists():
        objects = events.collections[name]
        if len(objects) >= 2**31:
            raise DatasetError(f"{name}: too many objects for one partition; make it smaller")
        kind = target.field(name).type
        arrays = [pa.array(objects.fields[field]) for field in collection.fields]
        struct = pa.StructArray.from_arrays(arrays, fields=list(kind.value_type))
        offsets = pa.array(objects.offsets.astype(np.int32))
        columns.append(pa.ListArray.from_arrays(offsets, struct, type=kind))
    return pa.Table.from_arrays(columns, schema=target)


def read_events(
    path: str,
    schema: EventSchema,
    columns: Iterable[tuple[str, str]],
    collections: Iterable[str] = (),
    *,
    rows: int,
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

    Raises
    ------
    DatasetError
        If the file is missing or damaged, a page fails its checksum, or it does not hold what the
        manifest says.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted: dict[str, list[str]] = {name: [] for name in sorted(set(collections))}
    for collection, field in sorted(set(columns)):
        wanted.setdefault(collection, []).append(field)
    event_columns = wanted.pop(EVENT, [])
    for name, fields in wanted.items():
        fields.extend([] if fields else [_cheapest(schema.collections[name])])
    leaves = event_columns + [leaf(name, field) for name in wanted for field in wanted[name]]
    try:
        with pq.ParquetFile(open_source(path), page_checksum_verification=True) as file:
            found = file.metadata.num_rows
            if found != rows:
                raise DatasetError(f"{path}: {found} events, and the manifest says {rows}")
            table = file.read(columns=leaves, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    missing = (set(event_columns) | set(wanted)) - set(table.column_names)
    if missing:
        raise DatasetError(f"{path}: has no column {', '.join(sorted(missing))}")
    return Events(
        rows,
        {name: _objects(table, name, fields, path) for name, fields in wanted.items()},
        {name: _values(table.column(name).combine_chunks()) for name in event_columns},
    )


def _cheapest(collection: Collection) -> str:
    """Return the field that is read when only the number of objects is needed."""
    return min(collection.fields, key=lambda name: collection.fields[name].dtype.itemsize)


def _objects(table: pa.Table, name: str, fields: list[str], path: str) -> Objects:
    lists = table.column(name).combine_chunks()
    struct = lists.values
    offsets = lists.offsets.to_numpy().astype(np.int64)
    missing = {f for f in fields if struct.type.get_field_index(f) < 0}
    if missing:
        raise DatasetError(f"{path}: {name} has no field {', '.join(sorted(missing))}")
    if len(offsets) == 0:  # Arrow allows an empty list column to have no offsets at all
        offsets = np.zeros(1, np.int64)
    values: Mapping[str, Any] = {f: _values(struct.field(f)) for f in fields}
    return Objects(offsets, values)


def _values(array: Any) -> Any:
    if array.null_count:
        raise DatasetError("a column has null values, which no partition of a dataset has")
    return array.to_numpy(zero_copy_only=False)
