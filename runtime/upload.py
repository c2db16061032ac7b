"""A file to an XRootD server: what arrived is compared with what was sent."""

from __future__ import annotations

import contextlib
import errno
import io
import zlib
from collections import deque
from pathlib import Path
from typing import IO

from schemas.ranges import MAX_BATCH
from schemas.remote_file import RemoteFile
from schemas.retry import reason
from schemas.tally import count
from schemas.xrootd import Request, Server, load_client, split_url

IN_FLIGHT = 4
"""Writes that are under way at a time: one after the other would wait for each answer."""

CHUNK = 4 * 1024 * 1024
"""Bytes of a write."""

_MODE = 0o644  # as files are made here; servers apply rules of their own


def upload(content: bytes | Path, url: str) -> None:
    """Write a new file to a server and check it, once.

    Parameters
    ----------
    content
        Bytes, or the path of a local file.
    url
        Where to. The name should be temporary, as whoever looks sees the file grow, and another one
        each time: a server holds a file for a while for a writer that it has lost.

    Raises
    ------
    OSError
        If the server does not answer or refuses, or if the file has arrived damaged.
    """
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
        size, checksum = _send(source, url)
    _check(url, size, checksum)
    count("bytes_sent", size)


def create(content: bytes, url: str) -> None:
    """Write a small file, once, which must not be there yet.

    Raises
    ------
    FileExistsError
        If it is there, or somebody else is writing it.
    OSError
        For anything else.
    """
    try:
        _send(io.BytesIO(content), url)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise FileExistsError(errno.EEXIST, reason(error)) from error
        raise


def _send(source: IO[bytes], url: str) -> tuple[int, int]:
    """Write what a file holds to a new one; return size and Adler-32."""
    from XRootD.client.flags import OpenFlags

    handle = load_client().File()
    flags = OpenFlags.NEW | OpenFlags.UPDATE | OpenFlags.MAKEPATH
    Request(handle.open, url, flags, _MODE).result()
    size, checksum = 0, 1
    under_way: deque[Request] = deque()
    try:
        while chunk := source.read(CHUNK):
            under_way.append(Request(handle.write, chunk, size))
            size += len(chunk)
            checksum = zlib.adler32(chunk, checksum)
            if len(under_way) == IN_FLIGHT:
                under_way.popleft().result()
        while under_way:
            under_way.popleft().result()
        Request(handle.sync).result()
    except BaseException:
        with contextlib.suppress(OSError):
            Request(handle.close)
        raise
    # some servers say only now that there was no room
    Request(handle.close).result()
    return size, checksum


def _check(url: str, size: int, checksum: int) -> None:
    """Require a file on a server to be what was sent: by its own checksum, or by reading it back.

    Raises
    ------
    OSError
        If it is not, with a number that says it may be the next time.
    """
    server, path, query = split_url(url)
    host = Server(server)
    found = int(host.ask("stat", path + query).size)
    if found != size:
        raise OSError(errno.EIO, f"{found} of {size} bytes arrived")
    arrived = _ask_checksum(host, path + query)
    if arrived is None:
        arrived = _read_checksum(url)
    if arrived != checksum:
        raise OSError(errno.EIO, f"arrived with checksum {arrived:08x} instead of {checksum:08x}")


def _ask_checksum(host: Server, path: str) -> int | None:
    """Ask for the Adler-32 of a file; None if the server has none."""
    from XRootD.client.flags import QueryCode

    try:
        answer = host.ask("query", QueryCode.CHECKSUM, path)
    except (TimeoutError, ConnectionError):
        raise
    except OSError:  # not configured, which servers say in various ways
        return None
    kind, _, value = bytes(answer).rstrip(b"\0\n").decode("ascii", "replace").partition(" ")
    try:
        return int(value, 16) if kind.startswith("adler32") else None
    except ValueError:
        return None


def _read_checksum(url: str) -> int:
    """Compute the Adler-32 of a file by reading it back."""
    checksum = 1
    with RemoteFile(url) as file:
        for start in range(0, file.size, MAX_BATCH):
            checksum = zlib.adler32(file.read(start, start + MAX_BATCH), checksum)
    return checksum
