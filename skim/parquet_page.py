"""The parts of a page of a Parquet file: levels, values as Arrow encodes them, and its header.

A data page of a collection's field holds a value of a level for each object, and one for each event
without any::

    events         [a b] [] [c]
    repetition      0 1   0  0       0 begins an event
    definition      1 1   0  1       0 stands for no object
"""

from __future__ import annotations

import itertools
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

from schemas.events import Array
from schemas.parquet_format import (
    DATA_PAGE,
    DICTIONARY_PAGE,
    MAGIC,
    PLAIN,
    data_page_header,
    dictionary_page_header,
)
from schemas.tally import step
from schemas.thrift import read_struct, unsigned

LONG_RUN = 256
"""Average length of runs of levels from which readers decode them faster than single bits."""

ONE_PAGE = 2**30
"""Limit for the bytes of a page that Arrow encodes; no column of a row group may have as many."""


class Levels(NamedTuple):
    """How the values of a column are distributed to events.

    Attributes
    ----------
    values
        Number of values, with one for each event that has none.
    data
        Encoded levels; empty for a column with one value per event.
    """

    values: int
    data: bytes


def encode_levels(counts: Array) -> Levels:
    """Encode where events begin, and which have no objects."""
    sizes = np.maximum(counts, 1)
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    begin = ends - sizes
    repetition, definition = np.ones(total, np.bool_), np.ones(total, np.bool_)
    repetition[begin] = False
    definition[begin[counts == 0]] = False
    return Levels(total, _pack(repetition) + _pack(definition))


def _pack(levels: Array) -> bytes:
    """Encode levels of one bit: in runs of equal ones if these are long, else bit by bit."""
    changes = np.flatnonzero(levels[1:] != levels[:-1]) + 1
    if len(changes) < len(levels) // LONG_RUN:
        edges = [0, *changes.tolist(), len(levels)]
        data = b"".join(
            unsigned((stop - start) << 1) + bytes([int(levels[start])])
            for start, stop in itertools.pairwise(edges)
        )
    else:
        groups = -(-len(levels) // 8)
        data = unsigned(groups << 1 | 1) + np.packbits(levels, bitorder="little").tobytes()
    return struct.pack("<I", len(data)) + data


class Encoded(NamedTuple):
    """Values as Arrow encodes them, without levels and compression.

    Attributes
    ----------
    encoding
        Of the data page.
    values
        Its content.
    dictionary
        Content of the dictionary page, and its number of values, if there is one.
    type
        Parquet's name of it.
    statistics
        Least and largest value, if there are any.
    """

    encoding: int
    values: Any
    dictionary: tuple[Any, int] | None
    type: str
    statistics: Any


def encode_values(values: Array, dictionary: bool, encoding: str | None) -> Encoded:
    """Let Arrow encode the values of a column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not len(values):  # of which Arrow would write no page
        return Encoded(PLAIN, b"", None, _physical(values.dtype), None)
    array = pa.array(values)
    field = pa.field("values", array.type, nullable=False)
    output = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_arrays([array], schema=pa.schema([field])),
        output,
        compression="none",
        use_dictionary=dictionary,
        column_encoding={"values": encoding} if encoding else None,
        store_schema=False,
        row_group_size=max(len(values), 1),
        data_page_size=ONE_PAGE,
        dictionary_pagesize_limit=ONE_PAGE,
        max_rows_per_page=ONE_PAGE,
        write_page_index=True,  # and then no statistics in headers
    )
    data = output.getvalue()
    column = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(0)
    view = memoryview(data).cast("B")  # bytes of Arrow have a sign
    position, pages = len(MAGIC), {}
    while position < len(MAGIC) + column.total_compressed_size:
        header, position = read_struct(view, position)  # type: ignore[arg-type]  # reads alike
        pages[header[1]] = header, view[position : position + header[2]]
        position += header[2]
    header, content = pages[DATA_PAGE]
    if header[5][1] != len(values):
        raise ValueError("a column has several pages")
    found = None
    if DICTIONARY_PAGE in pages:
        about, known = pages[DICTIONARY_PAGE]
        found = known, about[7][1]
    return Encoded(header[5][2], content, found, column.physical_type, column.statistics)


def _physical(dtype: np.dtype[Any]) -> str:
    """Return the type that Parquet stores numbers in."""
    if dtype.kind == "f":
        return {2: "FIXED_LEN_BYTE_ARRAY", 4: "FLOAT", 8: "DOUBLE"}[dtype.itemsize]
    return "BOOLEAN" if dtype.kind == "b" else "INT64" if dtype.itemsize == 8 else "INT32"


def data_page(encoded: Encoded, levels: Levels, codec: Any) -> tuple[bytes, int]:
    """Return the page of all values of a column with its header, and its size uncompressed."""
    content = levels.data + bytes(encoded.values)
    data, checksum = _compress(content, codec)
    header = data_page_header(levels.values, encoded.encoding, len(data), len(content), checksum)
    return header + data, len(header) + len(content)


def dictionary_page(encoded: Encoded, codec: Any) -> tuple[bytes, int]:
    """Return the page of the dictionary; nothing if there is none."""
    if encoded.dictionary is None:
        return b"", 0
    content, values = encoded.dictionary
    data, checksum = _compress(content, codec)
    header = dictionary_page_header(values, len(data), len(content), checksum)
    return header + data, len(header) + len(content)


def _compress(content: Any, codec: Any) -> tuple[bytes, int]:
    """Compress a page, and return it with its checksum."""
    with step("compress"):
        data = codec.compress(content, asbytes=True) if codec else bytes(content)
        return data, zlib.crc32(data)
