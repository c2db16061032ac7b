"""Files on XRootD servers for uproot and for pyarrow."""

from __future__ import annotations

import functools
import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from schemas.errors import InputError, L1SkimError
from schemas.ranges import Range, merge_ranges
from schemas.remote_file import RemoteFile
from schemas.retry import reason
from schemas.xrootd import is_xrootd, load_client

if TYPE_CHECKING:
    import queue

TAIL = 64 * 1024
"""Bytes from the end of a file that are read at once: footer or list of contents, mostly."""

MAX_MERGED = 32 * 1024 * 1024
"""Bytes up to which Arrow reads neighbouring columns in one go (`CacheOptions`)."""


def root_options(url: str) -> dict[str, Any]:
    """Return how `uproot.open` should open a file: keyword arguments.

    uproot's own reader of XRootD loses time-outs on the way, knows no retries, and reports a lost
    connection as any error that happens to follow.

    Raises
    ------
    UsageError
        If the client of a protocol is not installed.
    """
    if not is_xrootd(url):
        return {}
    load_client()
    return {"handler": _source_class()}


@functools.cache
def _source_class() -> type:
    """Make the class of uproot's sources for XRootD; uproot is imported here for the first time."""
    from uproot.source.chunk import Chunk, Source
    from uproot.source.futures import TrivialFuture

    class RemoteSource(Source):  # type: ignore[misc]  # uproot has no type information
        """A file as uproot sees it."""

        def __init__(self, file_path: str, **_: object) -> None:
            super().__init__()
            self._file_path = file_path
            self._file = open_remote(file_path)
            self._num_bytes = self._file.size

        def __enter__(self) -> RemoteSource:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        @property
        def closed(self) -> bool:
            return self._file.closed

        @property
        def num_requests(self) -> int:
            return self._file.requests

        @property
        def num_requested_bytes(self) -> int:
            return self._file.bytes_requested

        def chunk(self, start: int, stop: int) -> Any:
            self._num_requested_chunks += 1
            return Chunk(self, start, stop, TrivialFuture(self._file.read(start, stop)))

        def chunks(self, ranges: Sequence[Range], notifications: queue.Queue[Any]) -> list[Any]:
            self._num_requested_chunks += len(ranges)
            parts = self._file.request(ranges)
            found = [Chunk(self, *where, part) for where, part in zip(ranges, parts, strict=True)]
            # uproot takes them in the order of the file, and each waits for its own bytes: those
            # behind arrive while those before are decompressed
            for chunk in sorted(found, key=lambda chunk: int(chunk.start)):
                notifications.put(chunk)
            return found

    return RemoteSource


def open_remote(url: str) -> RemoteFile:
    """Open a ROOT file.

    Raises
    ------
    InputError
        With what its server says.
    """
    try:
        return RemoteFile(url)
    except L1SkimError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{url}: there is no such file on the server") from error
    except PermissionError as error:
        raise InputError(
            f"{url}: the server refuses access ({reason(error)}); see that you may read it, and "
            "that your ticket, proxy or token is valid (klist, voms-proxy-info)"
        ) from error
    except OSError as error:
        raise InputError(f"{url}: cannot be opened: {reason(error)}") from error


class RangeReader(io.RawIOBase):
    """A file on a server as a file object, which reads nothing ahead but what it is told to.

    Parameters
    ----------
    url
        Of the file.
    begin
        Bytes of its beginning that will be needed, besides those of its end.
    """

    def __init__(self, url: str, begin: int = 0) -> None:
        super().__init__()
        self._file = RemoteFile(url)
        self._position = 0
        self._starts: list[int] = []
        self._held: list[Any] = []
        size = self._file.size
        ends = [(0, min(begin, size)), (max(0, size - TAIL), size)]
        self.prefetch([where for where in ends if where[0] < where[1]])

    @property
    def requests(self) -> int:
        """Number of requests so far."""
        return self._file.requests

    @property
    def bytes_requested(self) -> int:
        """Number of bytes asked for so far."""
        return self._file.bytes_requested

    def prefetch(self, ranges: Sequence[Range]) -> None:
        """Read ranges that will be needed, all at once."""
        # merged as Arrow does, which reads neighbouring columns in one go
        missing = [where for where in merge_ranges(ranges, MAX_MERGED) if not self._find(*where)]
        held = dict(zip(self._starts, self._held, strict=True))
        for (start, _), part in zip(missing, self._file.request(missing), strict=True):
            held[start] = part.result()
        self._starts = sorted(held)
        self._held = [held[start] for start in self._starts]

    def _find(self, start: int, stop: int) -> Any:
        """Return a range if it is in what has been read."""
        index = bisect_right(self._starts, start) - 1
        if index < 0:
            return None
        first, data = self._starts[index], self._held[index]
        return data[start - first : stop - first] if stop <= first + len(data) else None

    def read(self, size: int = -1) -> Any:
        """Read some bytes, from the server if need be."""
        start = self._position
        stop = self._file.size if size < 0 else min(start + size, self._file.size)
        self._position = max(start, stop)
        if stop <= start:
            return b""
        found = self._find(start, stop)
        return found or self._file.read(start, stop)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it has positions."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}
        self._position = origin[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
            super().close()


def prefetch_columns(source: object, metadata: Any, columns: Sequence[str]) -> None:
    """Read the chunks of some columns of a Parquet file at once; local files need none of that.

    Parameters
    ----------
    source
        What pyarrow reads from.
    metadata
        The footer, as pyarrow has it.
    columns
        Their paths.
    """
    if not isinstance(source, RangeReader):
        return
    wanted = set(columns)
    ranges = []
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            if column.path_in_schema in wanted:
                first = column.dictionary_page_offset or column.data_page_offset
                ranges.append((first, first + column.total_compressed_size))
    source.prefetch(ranges)
