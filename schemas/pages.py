"""What Parquet's own checksums leave out: the footer of a file, and the headers of its pages.

The checksum of a page covers its data alone. The footer, which says where columns are and what
they hold, is compared with a digest that the manifest keeps. The headers of the pages that are
read are parsed here and compared with the footer: one flipped byte in a header is enough to make
Arrow decode a page of reals by another encoding, without a word.

::

    PAR1 | header, page | header, page | ... | footer | its length | PAR1
           `--- parsed, compared ----'         `------- digest -------'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.arrow_parquet import read_metadata
from schemas.digests import digest
from schemas.errors import DatasetError
from schemas.parquet_format import DATA_PAGE, DICTIONARY_PAGE, ENCODINGS, MAGIC, RLE
from schemas.remote import prefetch_columns
from schemas.storage import is_url, open_source
from schemas.thrift import read_struct

if TYPE_CHECKING:
    import pyarrow.parquet as pq

TAIL = 65_536
"""Bytes read from the end of a file to begin with: the footer of some 300 columns."""

HEADER = 256
"""Bytes read of a page to begin with; with the statistics of numbers its header has under 100."""

MAX_FOOTER = 64_000_000
"""Largest footer that is read, in bytes."""

MAX_DECODED = 2**30
"""Bytes that the columns read of a partition may always have in memory."""

MAX_RATIO = 100
"""How much larger than the file they may be beyond that: a file of a few kB is no bomb."""

# what the header of a page has, and what is said in it of its kind
_FIELDS = {DATA_PAGE: {1, 2, 3, 4, 5}, DICTIONARY_PAGE: {1, 2, 3, 4, 7}}
_FIELDS_ABOUT = {DATA_PAGE: {1, 2, 3, 4}, DICTIONARY_PAGE: {1, 2, 3}}


@contextmanager
def open_partition(
    path: str, footer: str, columns: Sequence[str] = ()
) -> Iterator[tuple[Any, pq.FileMetaData]]:
    """Open a partition whose footer is as it was written.

    Parameters
    ----------
    path
        Of the Parquet file.
    footer
        Digest of its end, see `footer_digest`.
    columns
        Those that will be read; from a server they come all at once.

    Yields
    ------
    file
        An open file of pyarrow's.
    metadata
        What the footer says.

    Raises
    ------
    DatasetError
        If the file is none, has another footer, lacks a column, or claims more values than a file
        of its size can be meant to hold.
    """
    import pyarrow as pa

    if not is_url(path) and not Path(path).is_file():  # a pipe would be waited for
        raise DatasetError(f"{path}: is missing, or not a file")
    with (
        open_source(path) as source,
        pa.OSFile(source) if isinstance(source, str) else pa.PythonFile(source, "r") as file,
    ):
        metadata = read_metadata(pa.BufferReader(check_footer(file, footer, path)))
        check_claims(metadata, find_columns(metadata, columns, path), file.size(), path)
        prefetch_columns(source, metadata, columns)
        yield file, metadata


class Memory:
    """A small file that was read whole: two calls less to the system for each of its pages."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self.content)

    def read_at(self, size: int, position: int) -> bytes:
        """Return bytes from a position on."""
        return self.content[position : position + size]


def check_footer(file: Any, footer: str, path: str) -> bytes:
    """Return the end of a Parquet file, which is as it was written.

    Raises
    ------
    DatasetError
        If it has another digest.
    """
    tail = _read_tail(file, path)
    if digest(tail) != footer:
        raise DatasetError.damaged(f"{path}: the file", "its footer is not as it was written")
    return tail


def footer_digest(path: str) -> str:
    """Return the digest of the end of a Parquet file: its footer, the footer's length, ``PAR1``.

    Raises
    ------
    DatasetError
        If it is no Parquet file.
    """
    import pyarrow as pa

    with pa.OSFile(path) as file:
        return digest(_read_tail(file, path))


def _read_tail(file: Any, path: str) -> bytes:
    size = file.size()
    start = max(0, size - TAIL)
    tail: bytes = file.read_at(size - start, start)
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if not tail.endswith(MAGIC) or length > min(size, MAX_FOOTER):
        raise DatasetError(f"{path}: is not a whole Parquet file")
    return tail[-length:] if length <= len(tail) else file.read_at(length, size - length)


def find_columns(metadata: pq.FileMetaData, columns: Sequence[str], path: str) -> dict[str, int]:
    """Return the position of some columns in a file; files of one schema share them.

    Raises
    ------
    DatasetError
        If one is missing.
    """
    names = metadata.schema
    positions = {names.column(i).path: i for i in range(metadata.num_columns)}
    missing = [shown_column(name) for name in columns if name not in positions]
    if missing:
        raise DatasetError(f"{path}: has no column {', '.join(missing)}")
    return {name: positions[name] for name in columns}


def _chunks(metadata: pq.FileMetaData, columns: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
    """Iterate over the pieces of columns, one for each row group, by the path of the column."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return ((name, group.column(at)) for name, at in columns.items() for group in groups)


def shown_column(column: str) -> str:
    """Return a column as expressions name it."""
    return column.replace(".list.element", "")


def check_claims(
    metadata: pq.FileMetaData, columns: Mapping[str, int], size: int, path: str
) -> None:
    """Refuse what would take more memory than a file of this size can be meant to.

    Raises
    ------
    DatasetError
        If the columns do.
    """
    rows = metadata.num_rows
    claimed = 8 * rows + sum(
        # a value, and levels of repetition and definition
        12 * chunk.num_values + chunk.total_uncompressed_size + chunk.total_compressed_size
        for _, chunk in _chunks(metadata, columns)
    )
    if claimed > MAX_DECODED + MAX_RATIO * size:
        raise DatasetError(
            f"{path}: claims {rows} events that would take {claimed} bytes in memory, in a file of "
            f"{size}; it is not read"
        )


class Page(NamedTuple):
    """Where a page is, and what its header says of it.

    Attributes
    ----------
    position, size
        Of its data in the file, in bytes.
    unpacked
        Its size when it is decompressed.
    dictionary
        Whether it holds the dictionary of the pages that follow.
    values
        Their number; an empty list counts as one.
    encoding
        Parquet's number of it.
    checksum
        CRC-32 of the data, as a signed number.
    """

    position: int
    size: int
    unpacked: int
    dictionary: bool
    values: int
    encoding: int
    checksum: int


def check_pages(
    file: Any, metadata: pq.FileMetaData, columns: Mapping[str, int], path: str
) -> dict[str, list[list[Page]]]:
    """Compare the headers of all pages of some columns with the footer.

    Parameters
    ----------
    file, metadata
        From `open_partition`.
    columns
        From `find_columns`.
    path
        Of the file, for messages.

    Returns
    -------
    dict
        For each column and row group the pages, in the order of the file.

    Raises
    ------
    DatasetError
        If a header says anything else than the footer, or a page has no checksum.
    """
    found: dict[str, list[list[Page]]] = {name: [] for name in columns}
    for name, chunk in _chunks(metadata, columns):
        pages: list[Page] = []
        problem = _check_chunk(file, chunk, pages)
        if problem:
            raise DatasetError.damaged(f"{path}: column {shown_column(name)}", problem)
        found[name].append(pages)
    return found


def _check_chunk(file: Any, chunk: Any, pages: list[Page]) -> str:
    """Walk from page to page and list them; say what is wrong, or nothing."""
    # zero stands for no page of that kind: a chunk of no values may have neither
    offsets = [chunk.dictionary_page_offset, chunk.data_page_offset]
    position = min((offset for offset in offsets if offset), default=0)
    stop = position + chunk.total_compressed_size
    if not 0 <= position <= stop <= file.size():
        return "it is not inside the file"
    uncompressed = values = 0
    encodings = chunk.encodings
    while position < stop:
        try:
            size, header = _read_header(file, position, stop)
        except (IndexError, ValueError):
            return "the header of a page cannot be read"
        problem = _check_header(header, encodings)
        if problem:
            return problem
        dictionary = header[1] == DICTIONARY_PAGE
        about = header[7 if dictionary else 5]
        pages.append(
            Page(position + size, header[3], header[2], dictionary, about[1], about[2], header[4])
        )
        position += size + header[3]
        uncompressed += size + header[2]
        values += 0 if dictionary else about[1]
    if position != stop or uncompressed != chunk.total_uncompressed_size:
        return "its pages have other sizes than the footer says"
    if values != chunk.num_values:
        return f"its pages hold {values} values, and the footer says {chunk.num_values}"
    return ""


def _check_header(header: Mapping[int, Any], encodings: Sequence[str]) -> str:
    if not _are_integers(header, 1, 2, 3, 4):
        return "a page has no sizes, or no checksum"
    if min(header[2], header[3]) < 0:
        return "a page has a negative size"
    kind = header[1]
    about = header.get(5 if kind == DATA_PAGE else 7)
    if kind not in (DATA_PAGE, DICTIONARY_PAGE) or not isinstance(about, dict):
        return "a page is of an unknown kind"
    if not _are_integers(about, 1, 2) or about[1] < 0:
        return "a page has no number of values, or no encoding"
    # statistics, which are field 5, repeat what decides nothing here
    if header.keys() - _FIELDS[kind] or about.keys() - {5} != _FIELDS_ABOUT[kind]:
        return "the header of a page has other fields than Arrow writes"
    if kind == DICTIONARY_PAGE and about[3] is not False:
        return "a dictionary claims to be sorted"
    if ENCODINGS.get(about[2], "") not in encodings:
        return "a page has another encoding than the footer says"
    if kind == DATA_PAGE and not about.get(3) == about.get(4) == RLE:
        return "the levels of a page have an unknown encoding"
    return ""


def _are_integers(fields: Mapping[int, Any], *numbers: int) -> bool:
    return set(map(type, map(fields.get, numbers))) == {int}


def _read_header(file: Any, position: int, stop: int) -> tuple[int, dict[int, Any]]:
    """Return size and fields of the header of a page."""
    data = file.read_at(min(HEADER, stop - position), position)
    try:
        header, size = read_struct(data, 0)
    except IndexError:  # the statistics of texts are longer; no column of ours has any
        data = file.read_at(min(HEADER**2, stop - position), position)
        header, size = read_struct(data, 0)
    return size, header
