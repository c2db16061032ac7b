"""A Parquet file in memory with one flat column, of pages whose levels are cut off.

::

    page of a leaf    | levels of repetition | levels of definition | values |
    page of the file                                                | values |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from schemas.arrow_parquet import open_parquet
from schemas.events import Array
from schemas.parquet_format import (
    CODECS,
    MAGIC,
    PLAIN,
    RLE,
    TYPES,
    column_chunk,
    data_page_header,
    dictionary_page_header,
)
from schemas.thrift import binary, i32, i64, record, sequence

if TYPE_CHECKING:
    import pyarrow.parquet as pq

CODED_AS = "FLOAT"
"""Type of a column with a dictionary: of 32 bits, and decoded 8 % faster than INT32."""

_NAME = "values"
_REQUIRED = 0


class FlatFile:
    """One column of a row group, not compressed.

    To make one takes 30 us and a copy of the values, to read it 25 us besides the decoding.

    Parameters
    ----------
    kind
        Parquet's name of the type of the values; `CODED_AS` for those with a dictionary.
    encoding
        Of the values.
    pages
        Encoded values, and how many these are.
    entries
        Size of the dictionary; None if there is none.

    Attributes
    ----------
    rows
        Number of values.
    entries
        Size of the dictionary, 0 if there is none.
    """

    DICTIONARY: ClassVar[np.dtype[np.int32]] = np.dtype("<i4")
    """What a dictionary holds."""

    def __init__(
        self, kind: str, encoding: int, pages: Sequence[tuple[memoryview, int]],
        entries: int | None = None,
    ) -> None:  # fmt: skip
        self.rows = sum(number for _, number in pages)
        self.entries = entries or 0
        parts: list[bytes | memoryview] = [MAGIC]
        if entries is not None:
            size = entries * self.DICTIONARY.itemsize
            parts += [dictionary_page_header(entries, size, size), bytes(size)]
        start = sum(map(len, parts))
        self._dictionary = slice(start - self.entries * self.DICTIONARY.itemsize, start)
        for data, number in pages:
            parts += [data_page_header(number, encoding, len(data), len(data)), data]
        size = sum(map(len, parts)) - len(MAGIC)
        chunk = column_chunk(
            [_NAME], kind=TYPES[kind], encodings=(PLAIN, RLE, encoding), codec=CODECS["none"],
            values=self.rows, packed=size, unpacked=size, data=start,
            dictionary=None if entries is None else len(MAGIC),
        )  # fmt: skip
        root = record((4, binary(b"schema")), (5, i32(1)))
        column = record((1, i32(TYPES[kind])), (3, i32(_REQUIRED)), (4, binary(_NAME.encode())))
        group = record((1, sequence([chunk])), (2, i64(size)), (3, i64(self.rows)))
        _, footer = record(
            (1, i32(2)), (2, sequence([root, column])), (3, i64(self.rows)), (4, sequence([group]))
        )
        self._content = bytearray().join([*parts, footer, len(footer).to_bytes(4, "little"), MAGIC])
        self._metadata: pq.FileMetaData | None = None

    def read(self, dictionary: NDArray[np.int32] | None = None) -> Array:
        """Return all values, as many as there are rows.

        Parameters
        ----------
        dictionary
            As many values as it has entries, if there is one.

        Raises
        ------
        pyarrow.ArrowException, OSError
            If values cannot be decoded.
        """
        import pyarrow as pa

        if dictionary is not None:
            memoryview(self._content)[self._dictionary] = dictionary.data.cast("B")
        file = open_parquet(pa.py_buffer(self._content), self._metadata)
        self._metadata = file.metadata
        values: Array = whole(file.read_all(use_threads=False).column(0)).to_numpy()
        if len(values) != self.rows:
            raise pa.ArrowInvalid(f"{len(values)} values, not {self.rows}")
        return values


def whole(column: Any) -> Any:
    """Return a column of a table as one Arrow array; to combine the only chunk would copy it."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
