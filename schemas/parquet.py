"""Events as Parquet: the Arrow types of a dataset, and reading partitions leaf by leaf.

A collection is one column of type ``list<struct<...>>``, non-nullable at every level, so that a
leaf is an offsets array and a value array, which NumPy views without a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import DatasetError
from schemas.event_schema import EVENT, Collection, EventSchema
from schemas.events import Events, Objects
from schemas.storage import open_source
from schemas.tally import count

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
            count("bytes_read", _stored_bytes(file.metadata, set(leaves)))
            # of the file: a table of some of a collection's fields has lost "not null" on the way
            found_types = dict(_stored_types(file.schema_arrow))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    singles = {name: field.dtype for name, field in schema.event_columns()}
    expected = {name: singles[name] for name in event_columns}
    for name, fields in wanted.items():
        known = schema.collections[name].fields
        expected |= {f"{name}.{field}": known[field].dtype for field in fields}
    _check_types(found_types, expected, path)
    return Events(
        rows,
        {name: _objects(table, name, fields) for name, fields in wanted.items()},
        {name: _values(table.column(name).combine_chunks()) for name in event_columns},
    )


def _stored_bytes(metadata: Any, leaves: set[str]) -> int:
    """Return what some columns take in a file."""
    schema = metadata.schema
    read = [index for index in range(metadata.num_columns) if schema.column(index).path in leaves]
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    return sum(group.column(index).total_compressed_size for group in groups for index in read)


def _cheapest(collection: Collection) -> str:
    """Return the field that is read when only the number of objects is needed."""
    return min(collection.fields, key=lambda name: collection.fields[name].dtype.itemsize)


def _stored_types(schema: pa.Schema) -> Iterator[tuple[str, tuple[pa.DataType, bool]]]:
    """Iterate over the name of each column, its type and whether it may have nulls."""
    import pyarrow as pa

    for column in schema:
        if not (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type)):
            yield column.name, (column.type, column.nullable)
            continue
        nullable = column.nullable or column.type.value_field.nullable
        for field in column.type.value_type:
            yield f"{column.name}.{field.name}", (field.type, nullable or field.nullable)


def _check_types(
    found: Mapping[str, tuple[pa.DataType, bool]], expected: Mapping[str, np.dtype[Any]], path: str
) -> None:
    """Refuse columns that are not what the manifest says: no checksum covers a file's footer."""
    import pyarrow as pa

    missing = expected.keys() - found.keys()
    if missing:
        raise DatasetError(f"{path}: has no column {', '.join(sorted(missing))}")
    for name, dtype in expected.items():
        kind, nullable = found[name]
        if nullable or kind != pa.from_numpy_dtype(dtype):
            nulls = " with nulls" if nullable else ""
            raise DatasetError(f"{path}: {name} is {kind}{nulls}, and the manifest says {dtype}")


def _objects(table: pa.Table, name: str, fields: list[str]) -> Objects:
    lists = table.column(name).combine_chunks()
    struct = lists.values
    offsets = lists.offsets.to_numpy().astype(np.int64)
    if len(offsets) == 0:  # Arrow allows an empty list column to have no offsets at all
        offsets = np.zeros(1, np.int64)
    values: Mapping[str, Any] = {f: _values(struct.field(f)) for f in fields}
    return Objects(offsets, values)


def _values(array: Any) -> Any:
    return array.to_numpy(zero_copy_only=False)
