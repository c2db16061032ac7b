"""The fields of a collection as flat columns: decoded without their levels.

Parquet stores with each leaf of a collection where events begin and which are empty, the same for
all of its fields, and Arrow decodes that for each of them: 3.6 ns a value, more than the values
themselves take. So the levels of one field are decoded here, which gives the offsets, and of all
fields only the values: the pages are decompressed, their levels are cut off, and what is left is
decoded here (`schemas.flat_values`), or handed to Arrow as a file in memory whose column is flat.

A column with a dictionary comes as `Coded`, its codes as they are stored (`schemas.packed_codes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import DatasetError
from schemas.events import Array, Coded
from schemas.flat_values import decode_flat
from schemas.levels import Levels, count_objects, cut_levels, find_offsets
from schemas.packed_codes import CodePages, PackedCodes
from schemas.pages import Page, shown_column
from schemas.parquet_format import CODED, PLAIN

if TYPE_CHECKING:
    import pyarrow.parquet as pq

WORTHWHILE = 4096
"""Values of a column below which it is read as it is stored: the file takes 55 us."""

_DTYPES = {"INT32": "<i4", "INT64": "<i8", "FLOAT": "<f4", "DOUBLE": "<f8"}


class Flat(NamedTuple):
    """Columns that were read without their levels.

    Attributes
    ----------
    values
        Of each column, by path.
    offsets
        Of the collections that they are fields of.
    """

    values: dict[str, Array | Coded]
    offsets: dict[str, NDArray[np.int64]]


def choose_flat(
    metadata: pq.FileMetaData, pages: Mapping[str, Sequence[Sequence[Page]]]
) -> dict[str, int]:
    """Choose the columns that are worth being read without their levels.

    Parameters
    ----------
    metadata
        Of the file.
    pages
        Of columns, from `schemas.pages.check_pages`.

    Returns
    -------
    dict
        Number of each column in the file, by path. Left out are columns that are no field of a
        collection, lists in lists, booleans, what changes its encoding on the way, and what is
        small.
    """
    chosen: dict[str, int] = {}
    for index in range(metadata.num_columns):
        column = metadata.schema.column(index)
        if column.path not in pages or column.physical_type not in _DTYPES:
            continue
        if (column.max_repetition_level, column.max_definition_level) != (1, 1):
            continue
        groups = pages[column.path]
        if sum(page.values for group in groups for page in group) >= WORTHWHILE and all(
            len({page.encoding for page in group if not page.dictionary}) == 1 for group in groups
        ):
            chosen[column.path] = index
    return chosen


def read_flat(
    file: Any,
    metadata: pq.FileMetaData,
    columns: Mapping[str, int],
    pages: Mapping[str, Sequence[Sequence[Page]]],
    path: str,
) -> Flat:
    """Read columns without their levels.

    Parameters
    ----------
    file
        Open for reading.
    metadata
        What its footer says.
    columns
        From `choose_flat`.
    pages
        Of them.
    path
        Of the file, for messages.

    Raises
    ------
    DatasetError
        If a page is damaged.
    pyarrow.ArrowException
        If values cannot be decoded.
    """
    flat = Flat({}, {})
    counted: dict[bytes, int] = {}
    for name, index in columns.items():
        collection, where = name.partition(".")[0], f"{path}: column {shown_column(name)}"
        levels: list[Levels] = []
        chunks = [metadata.row_group(group).column(index) for group in range(len(pages[name]))]
        try:
            read = [
                _read_chunk(file, chunk, found, levels, counted)
                for chunk, found in zip(chunks, pages[name], strict=True)
            ]
            if collection not in flat.offsets:
                flat.offsets[collection] = find_offsets(levels)
        except (ValueError, _DamagedError) as error:  # of levels, or of values
            raise DatasetError.damaged(where, error) from error
        flat.values[name] = _join(read, where)
        events = len(flat.offsets[collection]) - 1
        if events != metadata.num_rows:
            raise DatasetError(f"{where} has {events} events, and the file {metadata.num_rows}")
    return flat


class _DamagedError(Exception):
    """What is wrong with a page."""


class _CodedChunk(NamedTuple):
    """One column of a row group as codes of a dictionary."""

    codes: CodePages
    dictionary: Array


def _read_chunk(
    file: Any, chunk: Any, pages: Sequence[Page], levels: list[Levels], counted: dict[bytes, int]
) -> Array | _CodedChunk:
    """Read one column of a row group.

    Parameters
    ----------
    file, chunk
        The file, and what its footer says of the column.
    pages
        Those of the column.
    levels
        Gets the levels of the pages.
    counted
        Objects by levels: pages of different columns often have the same, which are counted once.
    """
    encoding = next((page.encoding for page in pages if not page.dictionary), PLAIN)
    dtype = np.dtype(_DTYPES[chunk.physical_type])
    dictionary: Array | None = None
    values = []
    for page, stored in _unpacked(file, chunk.compression, pages):
        if page.dictionary:
            if len(stored) != page.values * dtype.itemsize:
                raise _DamagedError("its dictionary has another size than the page says")
            dictionary = np.frombuffer(stored, dtype)
            continue
        own, encoded = cut_levels(stored, page.values)
        if own.definition not in counted:
            counted[own.definition] = count_objects(own)
        levels.append(own)
        values.append((encoded, counted[own.definition]))
    if encoding not in CODED:
        return decode_flat(chunk.physical_type, dtype, encoding, values)
    if dictionary is None:
        raise _DamagedError("it has no dictionary")
    return _CodedChunk(CodePages(encoding, values, len(dictionary)), dictionary)


def _join(chunks: Sequence[Array | _CodedChunk], where: str) -> Array | Coded:
    """Put the row groups of a column after one another; it stays coded if all of them are."""
    coded = [chunk for chunk in chunks if isinstance(chunk, _CodedChunk)]
    if len(coded) == len(chunks) and coded:
        dictionaries = [chunk.dictionary for chunk in coded]
        values = dictionaries[0] if len(coded) == 1 else np.concatenate(dictionaries)
        return Coded(PackedCodes([chunk.codes for chunk in coded], where), values)
    parts = [
        PackedCodes([chunk.codes], where).look_up(chunk.dictionary)
        if isinstance(chunk, _CodedChunk)
        else chunk
        for chunk in chunks
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _unpacked(
    file: Any, compression: str, pages: Sequence[Page]
) -> Iterator[tuple[Page, memoryview]]:
    """Read pages, verify and decompress them."""
    import pyarrow as pa
    from isal.isal_zlib import crc32

    if not pages:
        return
    codec = None if compression == "UNCOMPRESSED" else pa.Codec(_codec(compression))
    start = pages[0].position
    stored = memoryview(file.read_at(pages[-1].position + pages[-1].size - start, start))
    for page in pages:
        data = stored[page.position - start :][: page.size]
        if crc32(data) != page.checksum % 2**32:
            raise _DamagedError("a page has another checksum than its data")
        if codec is not None:
            # as bytes, for whose memory the C library is responsible, which keeps it for the next
            data = memoryview(codec.decompress(data, page.unpacked, asbytes=True))
        if len(data) != page.unpacked:
            raise _DamagedError("a page has another size than its header says")
        yield page, data


def _codec(compression: str) -> str:
    """Return the name of the codec; Arrow reports one of blocks by that of one with frames."""
    return "lz4_raw" if compression == "LZ4" else compression.lower()
