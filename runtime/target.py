"""The folder or URL that a run writes to: the few operations that a commit protocol needs of it.

Everything that a reader may look for appears in one step, whole and on disk; whoever dies in
between leaves temporary files at most. Names are relative to the target, with ``/`` in them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runtime.files import digest_file, is_url, replace_file, sync
from schemas.errors import DatasetError, L1SkimError, RunError, UsageError
from schemas.xrootd import is_xrootd, load_client

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""Names of files that are being written, or were when their writer died."""


class Target(Protocol):
    """A place to write to. Tasks carry it, so it is immutable and can be pickled.

    Whatever cannot be written is a RunError that names the place, the cause and the remedy.
    """

    def describe(self, name: str = "") -> str:
        """Return the path or URL of a file, or of the target itself, as messages name it."""

    def names(self, folder: str = "") -> list[str]:
        """List what is in a folder, sorted; temporary files too. Nothing if it is missing.

        Raises
        ------
        UsageError
            If the folder is a file, or in one.
        """

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the content of a file, or None if there is none.

        Raises
        ------
        DatasetError
            If it is larger than ``limit`` bytes.
        """

    def holds(self, name: str, size: int, checksum: str) -> bool:
        """Tell whether a file is there and has this size and checksum, see `schemas.digests`.

        Storage that would have to send the whole file may compare what checksum it keeps itself.
        """

    def stage(self, folder: str) -> AbstractContextManager[Path]:
        """Open a local folder to write files in that belong into ``folder``.

        When the block ends, each file in it that `replace_file` named is whole and on disk in
        ``folder`` under the same name. Where one of that name was, which no manifest lists, the
        new one replaces it. If the block raises, nothing is added that was not complete.
        Unless `replace_file` flushed it, a power cut may take the name away until `flush_names`.
        """

    def flush_names(self, folder: str) -> None:
        """Wait until the names of all files in a folder are on disk; for all of them at once."""

    def replace(self, name: str, content: bytes, *, flush: bool = True) -> None:
        """Write a small file: whoever looks sees the old content, or the new one whole.

        Without ``flush`` a power cut may undo that; it is for what is checked when it is read.
        """

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless one of that name is there; of several callers one succeeds.

        False also if a writer that is about to end removed all temporary files just then.
        """

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""

    def remove_if(self, name: str, content: bytes) -> bool:
        """Remove a small file if it still has this content; tell whether it was removed.

        Of several callers on one machine that have seen the same content, one removes it, and
        none removes what another has created in its place.
        """

    def make(self) -> list[str]:
        """Create the target itself; return the folders that were not there, outermost first."""

    def remove_folders(self, folders: list[str]) -> None:
        """Remove those of some folders that are empty; those that `make` returned, or names."""


def open_target(path: str) -> Target:
    """Return what writes to a path or URL; nothing is looked at or created yet.

    Raises
    ------
    UsageError
        For an empty path, a URL of another protocol, or if the client of this one is missing.
    """
    if is_xrootd(path):
        from runtime.remote import RemoteTarget

        load_client()
        return RemoteTarget(path.rstrip("/"))
    if is_url(path):
        raise UsageError(f"cannot write to {path!r}: name a local folder, or a root:// URL")
    if not path:
        raise UsageError("an empty path names no output")
    return LocalTarget(path, os.path.abspath(path))


@contextlib.contextmanager
def writing(place: str) -> Iterator[None]:
    """Turn what a file system refuses into an error that says what to do.

    Parameters
    ----------
    place
        What is being written; named unless the system names a file itself.

    Raises
    ------
    RunError
        For any OSError that is not an error of this project.
    """
    try:
        yield
    except L1SkimError:
        raise
    except OSError as error:
        # pyarrow's errors have a number, and a text that says it again
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise RunError(
            f"cannot write {place}: {cause}; {_remedy(error.errno)}run the same command again, "
            "which keeps what is done"
        ) from error


def _remedy(number: int | None) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "make room, then "
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "make it writable, then "
    return ""


@dataclass(frozen=True)
class LocalTarget:
    """A folder on a file system of this machine, which its workers share.

    Attributes
    ----------
    shown
        Its path as the user gave it.
    root
        Its absolute path: workers of a cluster have working folders of their own.
    """

    shown: str
    root: str

    def describe(self, name: str = "") -> str:
        """Return the path of a file, or of the folder itself, starting as the user gave it."""
        return os.path.join(self.shown, name) if name else self.shown

    def _path(self, name: str) -> Path:
        return Path(self.root, name)

    def names(self, folder: str = "") -> list[str]:
        """List what is in a folder."""
        try:
            return sorted(os.listdir(self._path(folder)))
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            path = Path(self.describe(folder))
            file = next((p for p in path.parents if p.exists() and not p.is_dir()), None)
            what = f"is inside {str(file)!r}, which is a file"
            if file is None:
                what = "exists and is not a dataset but a file"
            raise UsageError(f"output {str(path)!r} {what}") from None

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the content of a file, or None if there is none."""
        try:
            with self._path(name).open("rb") as file:
                content = file.read(limit + 1)
        except FileNotFoundError:
            return None
        if len(content) > limit:
            raise DatasetError(f"{self.describe(name)}: too large to be what it should be")
        return content

    def holds(self, name: str, size: int, checksum: str) -> bool:
        """Tell whether a file is there and has this size and checksum."""
        path = self._path(name)
        try:
            return path.stat().st_size == size and digest_file(path) == checksum
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def stage(self, folder: str) -> Iterator[Path]:
        """Open the folder itself: what is renamed in it is in place."""
        path = self._path(folder)
        with writing(self.describe(folder)):
            _make_folder(path)
            yield path

    def flush_names(self, folder: str) -> None:
        """Wait until the names of all files in a folder are on disk."""
        with contextlib.suppress(OSError):  # some network file systems cannot sync a folder
            sync(self._path(folder))

    def replace(self, name: str, content: bytes, *, flush: bool = True) -> None:
        """Write a small file in one step."""
        path = self._path(name)
        with writing(self.describe(name)):
            _make_folder(path.parent)
            with replace_file(path, flush=flush) as temporary:
                temporary.write_bytes(content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless one of that name is there."""
        path = self._path(name)
        temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
        with writing(self.describe(name)):
            try:
                temporary.write_bytes(content)
                sync(temporary)
                # unlike a file opened with O_EXCL, it has its content from the beginning
                os.link(temporary, path)
            except FileExistsError:
                return False
            except FileNotFoundError:
                if not path.parent.is_dir():
                    raise
                return False  # whoever held it has just cleared all temporary files away
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
                    raise
                return _create_exclusively(path, content)  # a file system without hard links
            finally:
                temporary.unlink(missing_ok=True)
        return True

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with writing(self.describe(name)):
            self._path(name).unlink(missing_ok=True)

    def remove_if(self, name: str, content: bytes) -> bool:
        """Remove a small file if it still has this content."""
        path = self._path(name)
        with writing(self.describe(name)), contextlib.ExitStack() as stack:
            try:
                descriptor = _open_to_lock(path)
            except FileNotFoundError:
                return False
            stack.callback(os.close, descriptor)
            # whoever comes second waits here, and then finds another file under the name; where a
            # file system knows no such locks, what is left is a gap of microseconds
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_open_as(path, descriptor) or os.read(descriptor, 1 << 20) != content:
                return False
            path.unlink()
        return True

    def make(self) -> list[str]:
        """Create the folder and those that it is in."""
        with writing(self.describe()):
            return [str(path) for path in _make_folder(Path(self.root))]

    def remove_folders(self, folders: list[str]) -> None:
        """Remove those of some folders that are empty."""
        for folder in reversed(folders):
            with contextlib.suppress(OSError):  # it is not empty, or gone
                self._path(folder).rmdir()


def _make_folder(path: Path) -> list[Path]:
    """Create a folder, and make sure that a power cut cannot take it away with what is in it."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):  # some network file systems cannot sync a folder
            sync(folder.parent)
    return missing[::-1]


def _create_exclusively(path: Path, content: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def _open_to_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR)  # NFS locks only what is open for writing
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _is_open_as(path: Path, descriptor: int) -> bool:
    """Tell whether a path still leads to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
