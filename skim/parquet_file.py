"""A partition's Parquet file, put together here: Arrow takes three times as long.

For each field of a collection Arrow computes and encodes anew which object belongs to which event;
here that is done once. It also takes longer to find distinct values and to pack codes, see
`skim.dictionary`. What is left to Arrow is the compression, and the footer, of which
only the description of the row groups is replaced. 25,000 events of the e/g menu, 55 columns,
processor time in ms:

=================================  =====  ====
                                   Arrow  here
=================================  =====  ====
values, dictionaries and levels      115    15
zstd                                  30    26
all                                  145    41
=================================  =====  ====

The file is 2.5 % smaller: Arrow limits pages to 20,000 events and adds an index of them, which
nothing uses, and it orders dictionaries by what occurs first.

::

    PAR1 | of each row group, of each column: dictionary page if it has one, data page | footer

Each column has one data page in a row group, see `skim.parquet_page`.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from schemas.arrow_parquet import parquet_bytes
from schemas.event_schema import EventSchema
from schemas.events import Array, Events
from schemas.levels import Levels, join_levels
from schemas.parquet import arrow_schema, leaf, leaves, to_table
from schemas.parquet_format import CODECS, MAGIC, PLAIN, RLE, TYPES, column_chunk
from schemas.thrift import Value, binary, boolean, fields_of, i64, record, sequence
from skim.parquet_page import Page, data_page, dictionary_page, encode_levels
from skim.parquet_values import ONE_PAGE, Encoded, encode_values, physical_type

if TYPE_CHECKING:
    import pyarrow as pa

ENCODES_IN_ONE_PAGE = 23
"""Arrow's first version that can be told to encode a column in one page."""


def write_parquet(
    file: BinaryIO, events: Events, schema: EventSchema, options: dict[str, Any]
) -> None:
    """Write events; without any, with lists in objects, or with huge columns, Arrow does it all.

    Parameters
    ----------
    file
        Open and empty.
    events
        What to write.
    schema
        Of the dataset.
    options
        From `skim.encode.write_options`.

    Raises
    ------
    DatasetError
        If a collection has more objects than a partition can hold.
    """
    import pyarrow as pa

    nested = any(field.depth for _, found in schema.lists() for field in found.fields.values())
    huge = any(values.nbytes > ONE_PAGE // 2 for _, values, _ in leaves(events, schema))
    old = int(pa.__version__.partition(".")[0]) < ENCODES_IN_ONE_PAGE
    if nested or huge or old or not events.size:
        import pyarrow.parquet as pq

        pq.write_table(to_table(events, schema), file, **options)
        return
    rows = options["row_group_size"]
    method = _method(options)
    codec = None
    if method != "none":
        codec = pa.Codec(method, compression_level=options["compression_level"])
    file.write(MAGIC)
    groups: list[Value] = []
    for start in range(0, events.size, rows):
        stop = min(start + rows, events.size)
        begin, chunks = file.tell(), []
        for name, values, levels in _columns(events, schema, start, stop):
            pages, chunk = _chunk(name, values, levels, options, codec, file.tell())
            file.writelines(part for page in pages for part in (page.header, page.data))
            chunks.append(chunk)
        groups.append(_row_group(chunks, stop - start, begin))
    footer = _footer(arrow_schema(schema), groups, events.size)
    file.write(footer + struct.pack("<I", len(footer)) + MAGIC)


def _method(options: dict[str, Any]) -> str:
    """Return Arrow's name of the compression, which for blocks of LZ4 differs from Parquet's."""
    method: str = options["compression"]
    return "lz4_raw" if method == "lz4" else method


def _columns(
    events: Events, schema: EventSchema, start: int, stop: int
) -> Iterator[tuple[str, Array, Levels]]:
    """Iterate over path, values and levels of all columns of some events."""
    for name, _ in schema.event_columns():
        yield name, events.columns[name][start:stop], Levels(b"", b"", stop - start)
    for name, collection in schema.lists():
        objects = events.collections[name]
        first, last = int(objects.offsets[start]), int(objects.offsets[stop])
        levels = encode_levels(np.diff(objects.offsets[start : stop + 1]))
        for field in collection.fields:
            values: Any = objects.fields[field]
            yield leaf(name, field), values[first:last], levels


class _Chunk(NamedTuple):
    """A column of a row group, as the footer describes it.

    Attributes
    ----------
    value
        Its description.
    packed, unpacked
        Bytes of its pages with and without compression.
    """

    value: Value
    packed: int
    unpacked: int


def _chunk(
    name: str, values: Array, levels: Levels, options: dict[str, Any], codec: Any, position: int
) -> tuple[list[Page], _Chunk]:
    """Encode a column of a row group, to be written at a position of the file."""
    coded = name in options["use_dictionary"]
    encoding = "RLE_DICTIONARY" if coded else options["column_encoding"].get(name, "PLAIN")
    encoded = encode_values(values, encoding, join_levels(levels))
    pages = [data_page(encoded, levels.values, codec)]
    if encoded.dictionary is not None:
        pages.insert(0, dictionary_page(encoded.dictionary, codec))
    *before, data = (len(page.header) + len(page.data) for page in pages)
    packed, unpacked = sum(before) + data, sum(page.unpacked for page in pages)
    value = column_chunk(
        name.split("."), kind=TYPES[physical_type(values.dtype)],
        encodings={RLE, encoded.encoding} | ({PLAIN} if before else set()),
        codec=CODECS[_method(options)], values=levels.values, packed=packed, unpacked=unpacked,
        data=position + sum(before), dictionary=position if before else None,
        statistics=_statistics(encoded, levels.values - len(values)),
    )  # fmt: skip
    return pages, _Chunk(value, packed, unpacked)


def _statistics(encoded: Encoded, empty: int) -> Value:
    """Return least and largest value, and how many events have none."""
    fields = [(3, i64(empty))]
    if encoded.limits is not None:
        least, largest = encoded.limits
        fields += [(5, binary(largest)), (6, binary(least))]
        fields += [(7, boolean(True)), (8, boolean(True))]  # are exact
    return record(*fields)


def _row_group(chunks: list[_Chunk], rows: int, position: int) -> Value:
    """Describe a row group that begins at a position of the file."""
    return record(
        (1, sequence([chunk.value for chunk in chunks])),
        (2, i64(sum(chunk.unpacked for chunk in chunks))),
        (3, i64(rows)),
        (5, i64(position)),
        (6, i64(sum(chunk.packed for chunk in chunks))),
    )


def _footer(schema: pa.Schema, groups: list[Value], rows: int) -> bytes:
    """Return the footer of a file that Arrow writes without rows, with these row groups."""
    fields = _fields_without_rows(schema) | {3: i64(rows), 4: sequence(groups)}
    return record(*sorted(fields.items()))[1]


@functools.lru_cache(maxsize=1)  # the partitions of a run have one schema, and this takes 2.5 ms
def _fields_without_rows(schema: pa.Schema) -> dict[int, Value]:
    empty = parquet_bytes(schema.empty_table())
    length = int.from_bytes(empty[-8:-4], "little")
    return fields_of(empty[-8 - length : -8])
