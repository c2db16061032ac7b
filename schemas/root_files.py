"""Opening ROOT files, and one error for whatever is wrong with one."""

from __future__ import annotations

import lzma
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from schemas.errors import InputError
from schemas.remote import root_options
from schemas.storage import is_url

TREE = "TTree"
RNTUPLE = "ROOT::RNTuple"


@contextmanager
def reading(url: str, what: str) -> Iterator[None]:
    """Turn what uproot and the decompressors raise on damaged files into one error.

    uproot reports damage by whichever of these the broken bytes happen to lead to.
    """
    try:
        yield
    except InputError:
        raise
    except _damage() as error:
        reason = str(error).strip().partition("\n")[0].rstrip(",;:. ") or type(error).__name__
        raise InputError(
            f"{url}: {what}: {reason}; copy the file again, or leave it out of the sample"
        ) from error


def _damage() -> tuple[type[Exception], ...]:
    """Return the errors of damaged files; uproot is not imported for a file that has none."""
    import cramjam
    import uproot

    return (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AssertionError,
        AttributeError,
        EOFError,
        NotImplementedError,
        struct.error,
        zlib.error,
        lzma.LZMAError,
        cramjam.DecompressionError,
        uproot.DeserializationError,
    )


@contextmanager
def open_file(url: str) -> Iterator[tuple[Any, dict[str, str]]]:
    """Open a ROOT file: yields uproot's file, and the class of each object in it by path.

    Raises
    ------
    InputError
        If it is missing, truncated, or no ROOT file.
    """
    import uproot

    options = root_options(url)
    if not is_url(url) and os.path.exists(url) and not os.path.isfile(url):
        raise InputError(f"{url}: is not a file")  # and a pipe would be waited for
    with reading(url, "cannot be opened as a ROOT file"):
        if not is_url(url):
            _check_length(url)
        file = uproot.open(url, **options)
    with file:
        with reading(url, "its list of contents cannot be read"):
            classes = dict(file.classnames(cycle=False))
        yield file, classes


def _check_length(path: str) -> None:
    """Refuse a file that ends before its header says so; uproot would find something missing."""
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        header = file.read(20)
    if not size:
        raise ValueError("it is empty, 0 bytes")
    if header[:4] != b"root":
        return
    large = int.from_bytes(header[4:8], "big") >= 1_000_000
    end = int.from_bytes(header[12:20] if large else header[12:16], "big")
    if end > size:
        raise ValueError(f"it is cut off after {size} of {end} bytes")
