"""Numbers and structures of the Parquet format, for what is read and written here without Arrow.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from schemas.thrift import Value, binary, boolean, i32, i64, record, sequence

MAGIC = b"PAR1"
"""First and last bytes of a file."""

DATA_PAGE, DICTIONARY_PAGE = 0, 2
"""Kinds of pages."""

PLAIN, RLE, SPLIT = 0, 3, 9
"""Encodings of dictionaries, of levels, and of values that are split by byte."""

CODED = (2, 8)
"""Encodings of codes of a dictionary: the older number, and the one in use."""

ENCODINGS = {
    0: "PLAIN", 2: "PLAIN_DICTIONARY", 3: "RLE", 4: "BIT_PACKED", 5: "DELTA_BINARY_PACKED",
    6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY", 8: "RLE_DICTIONARY",
    9: "BYTE_STREAM_SPLIT",
}  # fmt: skip
"""Arrow's names of all encodings."""

TYPES = {"BOOLEAN": 0, "INT32": 1, "INT64": 2, "FLOAT": 4, "DOUBLE": 5, "FIXED_LEN_BYTE_ARRAY": 7}
"""Types of numbers, by Arrow's names."""

CODECS = {"none": 0, "snappy": 1, "gzip": 2, "zstd": 6, "lz4_raw": 7}
"""Compressions, by the names of Arrow's codecs."""


def data_page_header(
    values: int, encoding: int, packed: int, unpacked: int, checksum: int | None = None
) -> bytes:
    """Return the header of a data page whose levels, if it has any, are in runs.

    Parameters
    ----------
    values
        Their number.
    encoding
        Of the values.
    packed, unpacked
        Bytes of the page with and without compression.
    checksum
        CRC-32 of the page as it is stored.
    """
    about = record((1, i32(values)), (2, i32(encoding)), (3, i32(RLE)), (4, i32(RLE)))
    return _header(DATA_PAGE, (5, about), packed, unpacked, checksum)


def dictionary_page_header(
    values: int, packed: int, unpacked: int, checksum: int | None = None
) -> bytes:
    """Return the header of the page of a dictionary; see `data_page_header`."""
    about = record((1, i32(values)), (2, i32(PLAIN)), (3, boolean(False)))
    return _header(DICTIONARY_PAGE, (7, about), packed, unpacked, checksum)


def _header(
    kind: int, about: tuple[int, Value], packed: int, unpacked: int, checksum: int | None
) -> bytes:
    fields = [(1, i32(kind)), (2, i32(unpacked)), (3, i32(packed))]
    if checksum is not None:
        fields.append((4, i32(checksum - (checksum >> 31 << 32))))  # is stored with a sign
    return record(*fields, about)[1]


def column_chunk(
    path: Sequence[str],
    *,
    kind: int,
    encodings: Collection[int],
    codec: int,
    values: int,
    packed: int,
    unpacked: int,
    data: int,
    dictionary: int | None = None,
    statistics: Value | None = None,
) -> Value:
    """Return what a footer says of one column of a row group.

    Parameters
    ----------
    path
        Of the column.
    kind, codec
        Numbers from `TYPES` and `CODECS`.
    encodings
        All that its pages have.
    values
        Their number, with one for each event that has none.
    packed, unpacked
        Bytes of its pages with and without compression.
    data, dictionary
        Where the first page of either kind is in the file.
    statistics
        Of the values.
    """
    fields = [
        (1, i32(kind)),
        (2, sequence([i32(number) for number in sorted(set(encodings))])),
        (3, sequence([binary(part.encode()) for part in path])),
        (4, i32(codec)),
        (5, i64(values)),
        (6, i64(unpacked)),
        (7, i64(packed)),
        (9, i64(data)),
    ]
    if dictionary is not None:
        fields.append((11, i64(dictionary)))
    if statistics is not None:
        fields.append((12, statistics))
    return record((2, i64(0)), (3, record(*fields)))
