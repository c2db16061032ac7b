"""Parquet files by Arrow, without all that ``pyarrow.parquet`` imports.

That module imports Arrow's clients of cloud storages, and with them ``ssl``: 20 ms of the 0.2 s in
which a command starts, for nothing, as files are opened by `schemas.storage`. What its classes
stand on is imported here and nowhere else: ``pyarrow._parquet``, whose names and options are the
same in all releases that the project takes.

Nothing is read in the background (``pre_buffer``): the tasks themselves run in parallel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def open_parquet(source: Any, metadata: pq.FileMetaData | None = None) -> Any:
    """Open a file that is read with the checksums of its pages verified.

    Parameters
    ----------
    source
        An open file, or a buffer, of Arrow's.
    metadata
        What its footer says, unless it is to be read from the file.

    Returns
    -------
    pyarrow._parquet.ParquetReader
        With ``metadata``, ``schema_arrow``, ``read_all`` and ``iter_batches``.

    Raises
    ------
    pyarrow.ArrowException, OSError
        If it is no Parquet file.
    """
    from pyarrow._parquet import ParquetReader

    reader = ParquetReader()
    reader.open(source, metadata=metadata, pre_buffer=False, page_checksum_verification=True)
    return reader


def read_metadata(source: Any) -> pq.FileMetaData:
    """Return what the footer of a file says, given as for `open_parquet` or by its path.

    Raises
    ------
    pyarrow.ArrowException, OSError
        As there.
    """
    return open_parquet(source).metadata


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    """Return a table as a file in one row group.

    Parameters
    ----------
    table
        What to write.
    **options
        As `pyarrow.parquet.write_table` takes them.
    """
    import pyarrow as pa
    from pyarrow._parquet import ParquetWriter

    output = pa.BufferOutputStream()
    usual = {"version": "2.6", "writer_engine_version": "V2"}
    writer = ParquetWriter(output, table.schema, **usual, **options)
    writer.write_table(table, row_group_size=max(len(table), 1))
    writer.close()
    content: bytes = output.getvalue().to_pybytes()
    return content
