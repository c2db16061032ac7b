"""A folder on an XRootD server as what a run writes to.

What is written goes to a temporary name first, is checked there, and gets its name by a rename. A
rename onto an existing file is one step on servers that allow it. Others refuse, EOS among them;
there the old file makes way first, so that for one round trip none has the name. Who dies just
then leaves the old file as ``.NAME.old``, which the next run puts back before it looks.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from runtime.target import TEMPORARY, writing
from runtime.upload import create, upload
from schemas.digests import new_digest
from schemas.errors import DatasetError, RemoteError, RunError, UsageError
from schemas.ranges import MAX_BATCH
from schemas.remote_file import RemoteFile
from schemas.retry import is_transient, reason, retry
from schemas.xrootd import Server, split_url

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteTarget:
    """A folder on a server, which has to keep a rename in one step and its own word on checksums.

    Attributes
    ----------
    url
        Of the folder, without a slash at its end.
    """

    url: str

    def describe(self, name: str = "") -> str:
        """Return the URL of a file, or of the folder itself."""
        server, path, query = split_url(self.url)
        return f"{server}/{_below(path, name)}{query}"

    @property
    def _server(self) -> Server:
        return Server(split_url(self.url)[0])

    def _path(self, name: str) -> str:
        _, path, query = split_url(self.url)
        return _below(path, name) + query

    def names(self, folder: str = "") -> list[str]:
        """List what is in a folder."""
        with _asking(self.describe(folder)):
            try:
                return sorted(self._server.names(self._path(folder)))
            except FileNotFoundError:
                return []
            except NotADirectoryError:
                raise UsageError(f"{self.describe(folder)!r} exists and is not a folder") from None

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the content of a file, or None if there is none."""
        with _asking(self.describe(name)):
            try:
                return self._read(name, limit)
            except (FileNotFoundError, NotADirectoryError):
                pass
            try:
                self._move(_aside(name), name)
            except OSError as error:
                if isinstance(error, RemoteError):
                    raise
                return None
            logger.warning("put %s back, which a run that ended had moved", self.describe(name))
            return self._read(name, limit)

    def _read(self, name: str, limit: int, attempts: int | None = None) -> bytes:
        with RemoteFile(self.describe(name), attempts) as file:
            if file.size > limit:
                raise DatasetError(f"{self.describe(name)}: too large to be what it should be")
            return bytes(file.read(0, file.size))

    def holds(self, name: str, size: int, checksum: str) -> bool:
        """Tell whether a file is there and has this size and checksum, reading it all."""
        digest = new_digest()
        with _asking(self.describe(name)):
            try:
                with RemoteFile(self.describe(name)) as file:
                    if file.size != size:
                        return False
                    for start in range(0, size, MAX_BATCH):
                        digest.update(file.read(start, start + MAX_BATCH))
            except (FileNotFoundError, NotADirectoryError):
                return False
        return digest.hexdigest() == checksum

    @contextlib.contextmanager
    def stage(self, folder: str) -> Iterator[Path]:
        """Open a local folder; what is in it at the end is copied up."""
        with TemporaryDirectory(prefix="l1skim-") as local:
            with writing(f"{local}, from where it would go to {self.describe(folder)}"):
                yield Path(local)
            for path in sorted(Path(local).iterdir()):
                if not TEMPORARY.fullmatch(path.name):
                    self._put(path, f"{folder}/{path.name}")

    def flush_names(self, folder: str) -> None:
        """Do nothing: the server decides when names are on disk."""

    def replace(self, name: str, content: bytes, *, flush: bool = True) -> None:  # noqa: ARG002
        """Write a small file in one step, or two; the server decides when it is on disk."""
        self._put(content, name)

    def _put(self, content: bytes | Path, name: str) -> None:
        """Copy a file up under a temporary name, check it, and give it its name."""

        def attempt() -> str:
            temporary = _temporary(name)
            try:
                upload(content, self.describe(temporary))
            except OSError as error:
                if not is_transient(error):  # or else the server might be asked in vain again
                    self._discard(temporary)
                raise
            return temporary

        with writing(self.describe(name)):
            temporary = retry(attempt, f"{self.describe(name)}: cannot be written")
            self._rename(temporary, name)

    def _rename(self, temporary: str, name: str) -> None:
        """Give a file its name, taking it from what has it."""
        try:
            self._move(temporary, name)
        except OSError as error:
            if isinstance(error, RemoteError) or self._server.size(self._path(name)) is None:
                raise
            self._discard(_aside(name))
            self._move(name, _aside(name))
            try:
                self._move(temporary, name)
            except OSError:
                self._move(_aside(name), name)
                raise
            self._discard(_aside(name))

    def _move(self, name: str, to: str) -> None:
        """Rename a file; one that has just been renamed may get no answer that says so."""
        server, source, target = self._server, self._path(name), self._path(to)
        tries = 0

        def attempt() -> None:
            nonlocal tries
            tries += 1
            try:
                server.ask("mv", source, target)
            except FileNotFoundError:
                if tries == 1 or server.size(target) is None:
                    raise

        retry(attempt, f"{self.describe(name)}: cannot be renamed")

    def _discard(self, name: str) -> None:
        """Remove a file if that works; what is left of it is removed by the next run."""
        with contextlib.suppress(OSError):
            self._server.ask("rm", self._path(name))

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless one of that name is there."""
        url = self.describe(name)
        tries = 0

        def attempt() -> bool:
            nonlocal tries
            tries += 1
            try:
                create(content, url)
            except FileExistsError:
                # its own first attempt, of which the answer was lost
                return tries > 1 and self._read(name, len(content)) == content
            return True

        with writing(url):
            return retry(attempt, f"{url}: cannot be created")

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with writing(self.describe(name)), contextlib.suppress(FileNotFoundError):
            self._server.ask_again("cannot be removed", "rm", self._path(name))

    def remove_if(self, name: str, content: bytes) -> bool:
        """Remove a small file if it still has this content.

        It is moved first, which only one of several callers can do, and put back if it is another
        by now. A third caller that finds the name free just then gets it: whoever holds a lock has
        to look again before relying on it.
        A server that does not answer is not waited for as long as elsewhere: runs that fail because
        of it end with this.
        """
        aside = _temporary(name)
        with writing(self.describe(name)):
            try:
                if self._read(name, len(content), attempts=2) != content:
                    return False
                self._move(name, aside)
                removed = self._read(aside, len(content)) == content
                if removed:
                    self._discard(aside)
                elif self._server.size(self._path(name)) is None:
                    self._move(aside, name)
            except (FileNotFoundError, DatasetError):
                return False
            except RemoteError as error:
                logger.warning("%s is left behind: %s", self.describe(name), error)
                return False
        return removed

    def make(self) -> list[str]:
        """Create the folder and those that it is in."""
        from XRootD.client.flags import MkDirFlags

        path = split_url(self.url)[1]
        missing: list[str] = []
        with writing(self.describe()):
            while path.strip("/") and self._is_missing(path):
                missing.append(path)
                path = os.path.dirname(path)
            if missing:
                what = "cannot be created"
                self._server.ask_again(what, "mkdir", self._path(""), MkDirFlags.MAKEPATH)
        return missing[::-1]

    def _is_missing(self, path: str) -> bool:
        try:
            return self._server.size(path + split_url(self.url)[2]) is None
        except PermissionError:  # of a folder further up that may only be passed
            return False

    def remove_folders(self, folders: list[str]) -> None:
        """Remove those of some folders that are empty."""
        for folder in reversed(folders):
            with contextlib.suppress(OSError):  # it is not empty, or gone
                self._server.ask("rmdir", self._path(folder))


def _below(path: str, name: str) -> str:
    """Return the path of a name in a folder; that of a folder `make` made is a whole one."""
    return os.path.join(path, name) if name else path


def _temporary(name: str) -> str:
    folder, last = os.path.split(name)
    return os.path.join(folder, f".{last}.{os.urandom(4).hex()}.tmp")


def _aside(name: str) -> str:
    folder, last = os.path.split(name)
    return os.path.join(folder, f".{last}.old")


@contextlib.contextmanager
def _asking(place: str) -> Iterator[None]:
    """Turn what a server refuses to show into an error of a run."""
    try:
        yield
    except (RemoteError, DatasetError, UsageError):
        raise
    except OSError as error:
        raise RunError(f"{place}: cannot be read: {reason(error)}") from error
