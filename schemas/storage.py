"""Where a dataset is: a local folder, or a URL through fsspec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from schemas.errors import DatasetError, UsageError, nearest


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
    if is_url(path):
        import fsspec

        filesystem, inner = fsspec.core.url_to_fs(path)
        if not filesystem.exists(inner):
            return None
        size, content = filesystem.size(inner), None
        if size <= limit:
            content = bytes(filesystem.cat_file(inner))
    else:
        local = Path(path)
        if not local.is_file():
            return None
        size = local.stat().st_size
        content = local.read_bytes() if size <= limit else None
    if content is None:
        raise DatasetError(f"{path}: {size} bytes, which is too large to be what it should be")
    return content


def open_source(path: str) -> Any:
    """Return what pyarrow can read a file from: its path, or an open file for a URL."""
    if is_url(path):
        import fsspec

        return fsspec.open(path, "rb").open()
    return path


def list_files(folder: str) -> list[str]:
    """List all files in a folder and those in it, relative to it and sorted; links to files too."""
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


def missing(path: str, kind: str) -> UsageError:
    """Make the error for a folder that is not there or not a dataset."""
    local = Path(path)
    if is_url(path) or local.exists():
        return UsageError(f"{path!r} is not a {kind}: it has no manifest.json")
    parent = local.absolute().parent
    known = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    return UsageError(f"no {kind} {path!r}; {nearest(local.name, known)}")
