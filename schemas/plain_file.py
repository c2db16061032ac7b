"""ROOT files without uproot: the list of contents, and the bytes of an object.

What is here serves to find plain trees, see `schemas.plain_tree`: importing uproot takes 0.2 s of
processor time. Whatever is unusual, damaged or not expected raises `NotPlainError`, and uproot has
the last word on the file then. Files are local, or on an XRootD server.

::

    header    at 0                magic, version, where the first folder is, UUID
    folder    at begin + name     where the list of its keys is
    keys      at seekKeys         key of the list, number of keys, the keys
    object    at seek of its key  key, compressed blocks
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from schemas.compression import inflate
from schemas.errors import L1SkimError
from schemas.xrootd import is_xrootd

# magic, version, begin, end, free: seek, bytes and number, bytes of the name, size of pointers,
# compression, streamers: seek and bytes, UUID: version and value
_HEADER = struct.Struct(">4siiiiiiiBiiiH16s")
_HEADER_LARGE = struct.Struct(">4siiqqiiiBiqiH16s")
_LARGE_FILE = 1_000_000  # versions from this one on have wide pointers

# version, created, modified, bytes of keys, bytes of the name, seeks: own, parent, keys
_FOLDER = struct.Struct(">hIIiiiii")
_FOLDER_LARGE = struct.Struct(">hIIiiqqq")
# bytes, version, length of the object, time, length of the key, cycle, seeks: own, folder
_KEY = struct.Struct(">ihiIhhii")
_KEY_LARGE = struct.Struct(">ihiIhhqq")
_LARGE = 1000  # is added to the version of what has wide pointers

_COUNT = struct.Struct(">i")
_LENGTH = struct.Struct(">I")
_LONG_TEXT = 255  # a length that does not fit into a byte

DEEPEST = 8
"""How many folders may be in each other; in a damaged file one might be in itself."""

BEGIN = 1024
"""Bytes of a file on a server that are read at once from its beginning: header and folder."""


class NotPlainError(ValueError):
    """Something is not as the most usual files have it; uproot may know better."""


class Cursor:
    """A position in some bytes of a file, which moves on with all that is taken."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        """Take a structure of fixed size."""
        found = form.unpack_from(self.data, self.at)
        self.at += form.size
        return found

    def text(self) -> str:
        """Take a text."""
        length, start = self.data[self.at], self.at + 1
        if length == _LONG_TEXT:
            (length,) = _LENGTH.unpack_from(self.data, start)
            start += _LENGTH.size
        self.skip(start + length)
        return self.data[start : self.at].decode()

    def skip(self, end: int) -> None:
        """Move on to a position."""
        if end > len(self.data):
            raise NotPlainError("the bytes end too early")
        self.at = end


class Key(Struct, frozen=True):
    """Where an object is.

    Attributes
    ----------
    seek, size
        First byte, and number of bytes with the key before the object.
    length
        Of the object without compression.
    key
        Of the key before it.
    cycle
        Number of this version of the object.
    """

    seek: int
    size: int
    length: int
    key: int
    cycle: int


class PlainFile(Struct, frozen=True):
    """What a file says of itself.

    Attributes
    ----------
    uuid
        Of the file.
    size
        Its size.
    classes
        Class of each object, by name.
    keys
        Where these are.
    file
        The file itself, open for reading.
    """

    uuid: str
    size: int
    classes: Mapping[str, str]
    keys: Mapping[str, Key]
    file: Any

    def read(self, name: str) -> bytes:
        """Return the bytes of an object, decompressed."""
        key = self.keys[name]
        data = _read(self.file, key.seek, key.size)[key.key :]
        return data if len(data) == key.length else bytes(inflate(memoryview(data), key.length))


@contextmanager
def plain() -> Iterator[None]:
    """Turn what unusual or damaged bytes lead to into one error."""
    try:
        yield
    except L1SkimError:
        raise  # a server does not answer, or its client is not there
    except (ValueError, LookupError, struct.error, OSError) as error:
        raise NotPlainError(str(error)) from error


@contextmanager
def open_plain(url: str) -> Iterator[PlainFile]:
    """Open a file and read its list of contents.

    Raises
    ------
    NotPlainError
        If anything is not as usual.
    RemoteError
        If its server does not answer, however often it is asked.
    """
    with plain():
        opened = _open(url)
    with opened:
        with plain():
            found = _read_contents(opened)
        yield found


def _open(url: str) -> Any:
    if is_xrootd(url):
        from schemas.remote import RangeReader

        return RangeReader(url, BEGIN)
    if not Path(url).is_file():  # a pipe would be waited for; nor is another URL one
        raise NotPlainError("not a file")
    return open(url, "rb", buffering=0)


def file_uuid(begin: bytes) -> str:
    """Return the UUID of a file with this beginning."""
    return str(UUID(bytes=_header(begin)[-1]))


def _header(begin: bytes) -> tuple[Any, ...]:
    header = _HEADER.unpack_from(begin)
    return _HEADER_LARGE.unpack_from(begin) if header[1] >= _LARGE_FILE else header


def _read_contents(file: Any) -> PlainFile:
    size = file.seek(0, os.SEEK_END)
    begin = _read(file, 0, min(size, _HEADER_LARGE.size))
    header = _header(begin)
    if header[0] != b"root" or header[3] > size:
        raise NotPlainError("no ROOT file, or cut off")
    classes: dict[str, str] = {}
    keys: dict[str, Key] = {}
    for name, kind, key in _list_keys(file, header[2] + header[7], size):
        if classes.get(name, kind) != kind:
            raise NotPlainError("objects of several classes by one name")
        if name not in keys or key.cycle > keys[name].cycle:  # the newest one counts
            classes[name], keys[name] = kind, key
    return PlainFile(file_uuid(begin), size, classes, keys, file)


def _list_keys(
    file: Any, where: int, size: int, parent: str = "", depth: int = 0
) -> Iterator[tuple[str, str, Key]]:
    """Iterate over path, class and key of all objects in a folder, and in those in it."""
    if depth > DEEPEST:
        raise NotPlainError("folders in folders without end")
    about = _read(file, where, min(size - where, _FOLDER_LARGE.size))
    folder = _FOLDER.unpack_from(about)
    if folder[0] > _LARGE:
        folder = _FOLDER_LARGE.unpack_from(about)
    cursor = Cursor(_read(file, folder[7], folder[3]))
    _take_key(cursor)
    (number,) = cursor.take(_COUNT)
    for _ in range(number):
        key, kind, name = _take_key(cursor)
        if "/" in name:
            raise NotPlainError("a name that looks like a path")
        yield f"{parent}{name}", kind, key
        if kind.startswith("TDirectory"):
            inner = key.seek + key.key
            yield from _list_keys(file, inner, size, f"{parent}{name}/", depth + 1)


def _take_key(cursor: Cursor) -> tuple[Key, str, str]:
    """Take a key, class and name of the object."""
    start = cursor.at
    fields = cursor.take(_KEY)
    if fields[1] > _LARGE:
        cursor.at = start
        fields = cursor.take(_KEY_LARGE)
    size, _, length, _, own, cycle, seek, _ = fields
    kind, name, _ = cursor.text(), cursor.text(), cursor.text()
    return Key(seek, size, length, own, cycle), kind, name


def _read(file: Any, seek: int, size: int) -> bytes:
    if seek < 0 or size < 0:
        raise NotPlainError("a place that is none")
    file.seek(seek)
    data = bytes(file.read(size))
    if len(data) != size:
        raise NotPlainError("the file ends too early")
    return data
