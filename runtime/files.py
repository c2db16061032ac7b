"""Find input files, here or on a server; write output files that are whole or not there."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from schemas.digests import new_digest
from schemas.errors import InputError, RemoteError, UsageError, nearest
from schemas.retry import retry
from schemas.xrootd import is_xrootd

_PART = 1 << 20  # bytes of a file that a digest takes at a time


def is_url(path: str) -> bool:
    """Tell whether a path is a URL such as ``root://host//file``, not a local path.

    Examples
    --------
    >>> is_url("root://eoscms.cern.ch//eos/cms/a.root"), is_url("data/a.root")
    (True, False)
    """
    return "://" in path


def expand(pattern: str, base: Path | None = None) -> list[str]:
    """Find the files that a path, a glob or a URL stands for.

    Parameters
    ----------
    pattern
        A local path or a URL, in which ``*``, ``?`` and ``[...]`` match within a folder and
        ``**`` matches any number of folders. ``~`` is the home directory.
    base
        Where a relative local path starts; None for the working directory.

    Returns
    -------
    list of str
        Sorted and each once, never empty. A URL without wildcards is returned as it is, without
        asking its server.

    Raises
    ------
    UsageError
        If nothing is found, with the part of the path at which it stopped and its neighbours, or
        if a package for that kind of URL is missing.
    InputError
        If the server cannot be listed.

    Examples
    --------
    >>> expand("root://eoscms.cern.ch//eos/cms/a.root")
    ['root://eoscms.cern.ch//eos/cms/a.root']
    """
    if is_url(pattern):
        return _expand_url(pattern)
    if not pattern:
        raise UsageError("an empty path names no file")
    path = os.path.join(base or "", os.path.expanduser(pattern))
    if os.path.exists(path):  # also a name with a literal * or [ in it
        return [path]
    found = set(glob.iglob(path, recursive=True))
    if path.endswith("**"):  # which matches folders as well as the files in them
        found = {match for match in found if os.path.isfile(match)}
    if not found:
        raise UsageError(f"no file matches {pattern!r}: {_reason(path)}")
    return sorted(found)


def _expand_url(pattern: str) -> list[str]:
    if is_xrootd(pattern):
        from runtime.remote_glob import expand_xrootd

        return expand_xrootd(pattern)
    # a question mark begins the query of a web address
    wildcards = "*[" if pattern.startswith(("http://", "https://")) else "*?["
    if not any(character in pattern for character in wildcards):
        return [pattern]
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(pattern)
        found = retry(lambda: filesystem.glob(path), f"{pattern}: cannot be listed")
    except RemoteError:
        raise
    except (ImportError, ValueError) as error:  # no package for, or no knowledge of the protocol
        raise UsageError(f"cannot list {pattern!r}: {error}") from error
    except OSError as error:
        raise InputError(f"cannot list {pattern!r}: {error}") from error
    if not found:
        raise UsageError(f"no file matches {pattern!r}; is the path right, and is it readable?")
    return sorted({filesystem.unstrip_protocol(match) for match in found})


def _reason(path: str) -> str:
    """Say where a path that matches nothing leaves what exists, and what is there instead."""
    parts = Path(path).parts
    for depth, part in enumerate(parts):
        parents = glob.glob(os.path.join(*parts[:depth]), recursive=True) if depth else [os.curdir]
        if part != "**" and not glob.glob(os.path.join(*parts[: depth + 1]), recursive=True):
            return _absence(part, parents)
    return f"{path or os.curdir} holds no files"


def _absence(part: str, parents: list[str]) -> str:
    names: set[str] = set()
    for parent in parents:
        with contextlib.suppress(OSError):  # not a folder, or not readable: nothing to suggest
            names.update(os.listdir(parent))
    where = repr(parents[0]) if len(parents) == 1 else f"{len(parents)} folders"
    if parents == [os.curdir]:
        where = f"the working directory {os.getcwd()!r}"
    return f"there is no {part!r} in {where}; {nearest(part, names)}"


@contextlib.contextmanager
def replace_file(path: str | os.PathLike[str], *, flush: bool = True) -> Iterator[Path]:
    """Write a file under a temporary name, then put it in its place in one step.

    Whoever looks sees the old file or the new one whole, even after a power cut.

    Parameters
    ----------
    path
        The local file to create or to replace. Its folder must exist.
    flush
        Whether to wait until the file is on disk, some milliseconds. Without it a power cut may
        leave an empty or an old file.

    Yields
    ------
    Path
        Where to write instead, in the same folder. If the block raises, it is removed and
        ``path`` is left as it was.

    Examples
    --------
    >>> with replace_file("/tmp/numbers.txt") as temporary:  # doctest: +SKIP
    ...     temporary.write_text("1 2 3")
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        if flush:
            sync(temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if not flush:
        return
    with contextlib.suppress(OSError):  # some network file systems cannot sync a folder
        sync(target.parent)


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a local file, or the entries of a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_file(path: str | os.PathLike[str]) -> str:
    """Compute the checksum of a local file, see `schemas.digests`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    found = new_digest()
    with open(path, "rb", buffering=0) as file:
        while part := file.read(_PART):
            found.update(part)
    return found.hexdigest()
