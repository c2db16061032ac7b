"""The pages of a Parquet file: levels and values, compressed, after a header."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.events import Array
from schemas.levels import Levels
from schemas.parquet_format import data_page_header, dictionary_page_header
from schemas.tally import step
from skim.bit_packing import encode_runs
from skim.parquet_values import Encoded


def encode_levels(counts: Array) -> Levels:
    """Encode where events begin, and which have no objects; see `schemas.levels`."""
    sizes = np.maximum(counts, 1)
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    begin = ends - sizes
    repetition, definition = np.ones(total, np.bool_), np.ones(total, np.bool_)
    repetition[begin] = False
    definition[begin[counts == 0]] = False
    return Levels(encode_runs(repetition, 1), encode_runs(definition, 1), total)


class Page(NamedTuple):
    """A page as it is stored.

    Attributes
    ----------
    header
        Tells what it is.
    data
        Its content, compressed.
    unpacked
        Bytes of both without compression.
    """

    header: bytes
    data: bytes
    unpacked: int


def data_page(encoded: Encoded, values: int, codec: Any) -> Page:
    """Return the page of all values of a column, with one for each event that has none."""
    content = encoded.content
    data, checksum = _compress(content, codec)
    header = data_page_header(values, encoded.encoding, len(data), len(content), checksum)
    return Page(header, data, len(header) + len(content))


def dictionary_page(dictionary: tuple[bytes, int], codec: Any) -> Page:
    """Return the page of a dictionary, see `Encoded`."""
    content, values = dictionary
    data, checksum = _compress(content, codec)
    header = dictionary_page_header(values, len(data), len(content), checksum)
    return Page(header, data, len(header) + len(content))


def _compress(content: Any, codec: Any) -> tuple[bytes, int]:
    """Compress a page, and return it with its checksum."""
    from isal.isal_zlib import crc32

    with step("compress"):
        data = codec.compress(content, asbytes=True) if codec else bytes(content)
        return data, crc32(data)
