"""A file on an XRootD server, open for reading: what arrives is checked, what fails tried again."""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from schemas.ranges import Range, batch_pieces, cut_range, merge_ranges
from schemas.retry import retry
from schemas.xrootd import Request, load_client


class RemoteFile:
    """A file on a server, for use by one thread.

    Parameters
    ----------
    url
        Of the file.
    attempts
        How often anything is tried at most; None for as often as `schemas.retry.patience` says.

    Raises
    ------
    RemoteError
        If the server does not answer, however often it is asked.
    OSError
        If it refuses: FileNotFoundError, PermissionError and the like.

    Attributes
    ----------
    size
        In bytes.
    requests, bytes_requested
        What reading has cost so far, repetitions and gaps between ranges included.
    """

    def __init__(self, url: str, attempts: int | None = None) -> None:
        self.url = url
        self.attempts = attempts
        self.size = -1
        self.requests = 0
        self.bytes_requested = 0
        self.opening = 0
        self._handle: Any = None
        retry(self._open, f"{url}: cannot be opened", attempts)

    def __enter__(self) -> RemoteFile:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._handle is None

    def _open(self) -> None:
        handle = load_client().File()
        self.requests += 1
        Request(handle.open, self.url).result()
        size = int(Request(handle.stat).result().size)  # came with the answer to opening
        if self.size not in (-1, size):
            raise OSError(errno.ESTALE, "changed while it was read")
        self.close()
        self.size, self._handle = size, handle
        self.opening += 1

    def reopen(self, failed: int) -> None:
        """Open the file again, unless that was done after the opening that failed."""
        if self.opening == failed:
            self._open()

    def close(self) -> None:
        """Close the file. A server that does not listen any more is not waited for."""
        handle, self._handle = self._handle, None
        if handle is not None and handle.is_open():
            handle.close(callback=_ignore)

    def send(self, pieces: Sequence[Range]) -> Request:
        """Ask for pieces of the file, once."""
        self.requests += 1
        self.bytes_requested += sum(stop - start for start, stop in pieces)
        sizes = [(start, stop - start) for start, stop in pieces]
        if len(sizes) == 1:
            return Request(self._handle.read, *sizes[0])
        return Request(self._handle.vector_read, sizes)

    def read(self, start: int, stop: int) -> Any:
        """Read a range of bytes, as far as the file goes.

        Raises
        ------
        RemoteError, OSError
            As for opening it.
        """
        return self.request([(start, stop)])[0].result()

    def request(self, ranges: Sequence[Range]) -> list[Part]:
        """Ask for ranges of bytes, as far as the file goes, all at once.

        Returns
        -------
        list of Part
            One for each range; their `result` waits for what it needs.
        """
        clipped = [(min(start, self.size), min(stop, self.size)) for start, stop in ranges]
        merged = merge_ranges(clipped)
        cut = [cut_range(where) for where in merged]
        place: dict[Range, tuple[Batch, int]] = {}
        for pieces in batch_pieces([piece for found in cut for piece in found]):
            batch = Batch(self, pieces)
            place |= {piece: (batch, index) for index, piece in enumerate(pieces)}
        segments = [
            Segment(start, [place[piece] for piece in found])
            for (start, _), found in zip(merged, cut, strict=True)
        ]
        starts = [start for start, _ in merged]
        return [
            Part(segments[bisect_right(starts, start) - 1] if start < stop else None, start, stop)
            for start, stop in clipped
        ]


class Batch:
    """Pieces of a file that one request asks for."""

    def __init__(self, file: RemoteFile, pieces: Sequence[Range]) -> None:
        self._file = file
        self._pieces = pieces
        self._opening = file.opening
        self._buffers: list[Any] | None = None
        self._sent: Request | OSError | None
        try:
            self._sent = file.send(pieces)
        except OSError as error:
            self._sent = error  # dealt with where it is waited for

    def buffers(self) -> list[Any]:
        """Wait for the content of the pieces."""
        if self._buffers is None:
            what = f"{self._file.url}: cannot be read"
            self._buffers = retry(self._attempt, what, self._file.attempts)
        return self._buffers

    def _attempt(self) -> list[Any]:
        sent, self._sent = self._sent, None
        if sent is not None:
            try:
                return self._received(sent)
            except OSError:
                # if the file has been opened again since this was sent, it was lost with all that
                # was under way then, and whoever noticed has reported it
                if self._file.opening == self._opening:
                    raise
        self._file.reopen(failed=self._opening)
        self._opening = self._file.opening
        return self._received(self._file.send(self._pieces))

    def _received(self, sent: Request | OSError) -> list[Any]:
        if isinstance(sent, OSError):
            raise sent
        answer = sent.result()
        if len(self._pieces) == 1:
            found = {self._pieces[0][0]: answer}
        else:
            found = {chunk.offset: chunk.buffer for chunk in answer.chunks}
        buffers = [found.get(start, b"") for start, _ in self._pieces]
        for buffer, (start, stop) in zip(buffers, self._pieces, strict=True):
            if len(buffer) != stop - start:
                raise OSError(
                    errno.EIO, f"{len(buffer)} of {stop - start} bytes from {start} on arrived"
                )
        return buffers


class Segment:
    """A contiguous part of a file, of one piece or more."""

    def __init__(self, start: int, pieces: Sequence[tuple[Batch, int]]) -> None:
        self.start = start
        self._pieces = pieces
        self._data: Any = None

    def data(self) -> Any:
        """Wait for its bytes."""
        if self._data is None:
            buffers = [batch.buffers()[index] for batch, index in self._pieces]
            self._data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
            self._pieces = ()
        return self._data


class Part:
    """A range of a file that was asked for; a future of the kind that uproot waits for."""

    def __init__(self, segment: Segment | None, start: int, stop: int) -> None:
        self._segment = segment
        self._range = (start, stop)

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - requests have their own
        """Wait for its bytes.

        Raises
        ------
        RemoteError, OSError
            As for opening the file.
        """
        start, stop = self._range
        if self._segment is None:
            return b""
        first = self._segment.start
        return memoryview(self._segment.data())[start - first : stop - first]


def _ignore(*_: object) -> None:
    """Take no notice of an answer."""
