"""Where a dataset is: a local folder, or a URL through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import DatasetError, RemoteError, UsageError, nearest
from schemas.retry import reason, retry
from schemas.xrootd import is_xrootd

if TYPE_CHECKING:
    from schemas.xrootd import Server


def is_url(path: str) -> bool:
    """Tell whether a path is a URL such as ``root://host//file``."""
    return "://" in path


def join(base: str, relative: str) -> str:
    """Return the path of a file in a folder."""
    return f"{base.rstrip('/')}/{relative}"


def read_bytes(path: str, limit: int) -> bytes | None:
    """Return the content of a file, or None if there is none.

    Raises
    ------
    DatasetError
        If it is larger than ``limit`` bytes.
    """
    if is_xrootd(path):
        found = _read_xrootd(path, limit)
    elif is_url(path):
        found = retry(lambda: _read_fsspec(path, limit), f"{path}: cannot be read")
    else:
        if not os.path.isfile(path):  # a pipe would be waited for
            return None
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = size, file.read() if size <= limit else b""
    if found is None:
        return None
    size, content = found
    if size > limit:
        raise DatasetError(f"{path}: {size} bytes, which is too large to be what it should be")
    return content


def _read_xrootd(path: str, limit: int) -> tuple[int, bytes] | None:
    from schemas.remote_file import RemoteFile

    try:
        with RemoteFile(path) as file:
            return file.size, bytes(file.read(0, file.size)) if file.size <= limit else b""
    except RemoteError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from error


def _read_fsspec(path: str, limit: int) -> tuple[int, bytes] | None:
    import fsspec

    filesystem, inner = fsspec.core.url_to_fs(path)
    if not filesystem.exists(inner):
        return None
    size = int(filesystem.size(inner))
    return size, bytes(filesystem.cat_file(inner)) if size <= limit else b""


@contextmanager
def open_source(path: str) -> Iterator[Any]:
    """Open what pyarrow can read a file from: its path, or an open file for a URL.

    Raises
    ------
    RemoteError, OSError
        If the server of a URL does not answer, or refuses.
    """
    if is_xrootd(path):
        from schemas.remote import RangeReader

        with RangeReader(path) as reader:
            yield reader
    elif is_url(path):
        import fsspec

        with retry(fsspec.open(path, "rb").open, f"{path}: cannot be opened") as file:
            yield file
    else:
        yield path


def list_files(folder: str) -> list[str]:
    """List all files in a folder and those in it, relative to it and sorted; links to files too."""
    if is_xrootd(folder):
        from schemas.xrootd import Server, split_url

        server, path, _ = split_url(folder)
        return sorted(_walk(Server(server), path.rstrip("/"), ""))
    if is_url(folder):
        import fsspec

        filesystem, inner = fsspec.core.url_to_fs(folder)
        root = inner.rstrip("/") + "/"
        return sorted(path.removeprefix(root) for path in filesystem.find(inner))
    return sorted(
        str((Path(found) / name).relative_to(folder))
        for found, _, names in os.walk(folder)
        for name in names
    )


def _walk(server: Server, root: str, folder: str) -> Iterator[str]:
    for name, is_folder in server.entries(f"{root}/{folder}"):
        if is_folder:
            yield from _walk(server, root, f"{folder}{name}/")
        else:
            yield f"{folder}{name}"


def missing(path: str, kind: str, mark: str = "") -> UsageError:
    """Make the error for what is not there, or a folder without the file that marks its kind."""
    local = Path(path)
    if is_url(path) or local.exists():
        return UsageError(f"{path!r} is not a {kind}: it has no {mark}")
    parent = local.absolute().parent
    if not parent.is_dir():
        return UsageError(f"no {kind} {path!r}: there is no folder {str(parent)!r}")
    known = [entry.name for entry in parent.iterdir() if (entry / mark).exists()]
    hint = nearest(local.name, known) if known else f"{str(parent)!r} holds none"
    return UsageError(f"no {kind} {path!r}; {hint}")
