"""Values of a flat column that are not codes of a dictionary: decoded here, or by Arrow.

Values as they are, and split by byte, are next to nothing to decode; to have Arrow do it, 583,000
real numbers take 0.6 ms more, and memory that it gives back to the system and that is cleared anew
for each partition, which takes another 1.5 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas import loops
from schemas.events import Array
from schemas.flat_file import FlatFile
from schemas.parquet_format import PLAIN, SPLIT


def decode_flat(
    kind: str, dtype: np.dtype[Any], encoding: int, pages: Sequence[tuple[memoryview, int]]
) -> Array:
    """Decode the pages of a column.

    Parameters
    ----------
    kind, dtype
        Parquet's name of the type of the values, and NumPy's.
    encoding
        Parquet's number of it.
    pages
        Encoded values, and how many these are.

    Returns
    -------
    numpy.ndarray
        All values.

    Raises
    ------
    ValueError, pyarrow.ArrowException, OSError
        If they cannot be decoded.
    """
    joins = loops.compiled() if encoding == SPLIT else None
    if encoding != PLAIN and joins is None:
        return FlatFile(kind, encoding, pages).read()
    found = np.empty(sum(number for _, number in pages), dtype)
    start = 0
    for page, number in pages:
        part = found[start : start + number]
        if len(page) != part.nbytes:
            raise ValueError(f"a page has {len(page)} bytes for {number} values")
        if joins is None:
            part[:] = np.frombuffer(page, dtype)
        else:
            joins.join_bytes(page, dtype.itemsize, part)
        start += number
    return found
