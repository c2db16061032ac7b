"""The values of a column as Parquet stores them in a page, after its levels; not compressed.

=======================  ========================================================================
PLAIN                    their bytes; a byte for 8 booleans
RLE_DICTIONARY           the distinct values as PLAIN, and codes of as few bits as are enough
BYTE_STREAM_SPLIT        the first bytes of all values, then the second ones, ...
DELTA_BINARY_PACKED      differences of neighbours, by Arrow: few columns have it, and it is long
=======================  ========================================================================
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.arrow_parquet import parquet_bytes
from schemas.events import Array
from schemas.parquet_format import ENCODINGS, MAGIC
from schemas.thrift import read_struct
from skim.dictionary import encode_codes

ONE_PAGE = 2**30
"""Limit for the bytes of a page that Arrow encodes; no column of a row group may have as many."""

_NUMBERS = {name: number for number, name in ENCODINGS.items()}


class Encoded(NamedTuple):
    """Values of a column.

    Attributes
    ----------
    encoding
        Parquet's number of it.
    content
        Of the data page: levels and values.
    dictionary
        Content of the dictionary page, and its number of values, if there is one.
    limits
        Least and largest value, if there are any.
    """

    encoding: int
    content: bytes | bytearray
    dictionary: tuple[bytes, int] | None
    limits: tuple[bytes, bytes] | None


def encode_values(values: Array, encoding: str, levels: bytes = b"") -> Encoded:
    """Encode values; if there are none, without any encoding.

    Parameters
    ----------
    values
        Numbers or booleans.
    encoding
        Parquet's name of it: one of those above.
    levels
        What stands before them in the page.
    """
    if not len(values):
        return Encoded(_NUMBERS["PLAIN"], levels, None, None)
    if encoding == "RLE_DICTIONARY":
        distinct, content = encode_codes(values, levels)
        dictionary = _plain(distinct), len(distinct)
        return Encoded(_NUMBERS[encoding], content, dictionary, _limits(distinct))
    methods = {"BYTE_STREAM_SPLIT": _split, "DELTA_BINARY_PACKED": _differences, "PLAIN": _plain}
    return Encoded(_NUMBERS[encoding], levels + methods[encoding](values), None, _limits(values))


def physical_type(dtype: np.dtype[Any]) -> str:
    """Return the type that Parquet stores numbers in."""
    if dtype.kind == "f":
        return {2: "FIXED_LEN_BYTE_ARRAY", 4: "FLOAT", 8: "DOUBLE"}[dtype.itemsize]
    return "BOOLEAN" if dtype.kind == "b" else "INT64" if dtype.itemsize == 8 else "INT32"


def _plain(values: Array) -> bytes:
    """Return the bytes of values in the type that they are stored in."""
    if values.dtype.kind == "b":
        return np.packbits(values, bitorder="little").tobytes()
    if values.dtype.kind in "iu" and values.itemsize < 4:
        values = values.astype(np.int32)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _split(values: Array) -> bytes:
    """Return the first bytes of all values, then the second ones, and so on."""
    bits = values.view(f"u{values.itemsize}")
    split = np.empty((values.itemsize, len(values)), np.uint8)
    for index, part in enumerate(split):
        part[:] = bits >> 8 * index
    return split.tobytes()


def _limits(values: Array) -> tuple[bytes, bytes] | None:
    """Return least and largest value; a zero has the sign with which it is a limit for both."""
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # a signalling NaN
            least, largest = np.fmin.reduce(values), np.fmax.reduce(values)
        if least != least:  # and so are all
            return None
        least, largest = least or -0.0, largest or 0.0
    else:
        least, largest = values.min(), values.max()
    dtype = values.dtype
    return _plain(np.array([least], dtype)), _plain(np.array([largest], dtype))


def _differences(integers: Array) -> bytes:
    """Let Arrow encode differences, as a file in memory."""
    import pyarrow as pa

    # pa.array would import NumPy's masked arrays, which takes 10 ms
    buffers = [None, pa.py_buffer(np.ascontiguousarray(integers))]
    array = pa.Array.from_buffers(pa.from_numpy_dtype(integers.dtype), len(integers), buffers)
    schema = pa.schema([pa.field("values", array.type, nullable=False)])
    file = parquet_bytes(
        pa.Table.from_arrays([array], schema=schema),
        compression="none",
        use_dictionary=False,
        column_encoding={"values": "DELTA_BINARY_PACKED"},
        store_schema=False,
        write_statistics=False,
        data_page_size=ONE_PAGE,
        max_rows_per_page=ONE_PAGE,
    )
    header, start = read_struct(file, len(MAGIC))
    if header[5][1] != len(integers):
        raise ValueError("a column has several pages")
    return file[start : start + header[2]]
