"""The pages of a Parquet file: levels and values, compressed, after a header.

A data page of a collection's field holds a value of a level for each object, and one for each event
without any::

    events         [a b] [] [c]
    repetition      0 1   0  0       0 begins an event
    definition      1 1   0  1       0 stands for no object
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

from schemas.events import Array
from schemas.parquet_format import data_page_header, dictionary_page_header
from schemas.tally import step
from skim.bit_packing import encode_runs
from skim.parquet_values import Encoded


class Levels(NamedTuple):
    """How the values of a column are distributed to events.

    Attributes
    ----------
    values
        Number of values, with one for each event that has none.
    data
        Encoded levels; empty for a column with one value per event.
    """

    values: int
    data: bytes


def encode_levels(counts: Array) -> Levels:
    """Encode where events begin, and which have no objects."""
    sizes = np.maximum(counts, 1)
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    begin = ends - sizes
    repetition, definition = np.ones(total, np.bool_), np.ones(total, np.bool_)
    repetition[begin] = False
    definition[begin[counts == 0]] = False
    return Levels(total, _with_size(repetition) + _with_size(definition))


def _with_size(levels: Array) -> bytes:
    data = encode_runs(levels, 1)
    return struct.pack("<I", len(data)) + data


def data_page(encoded: Encoded, levels: Levels, codec: Any) -> tuple[bytes, int]:
    """Return the page of all values of a column with its header, and its size uncompressed."""
    content = levels.data + encoded.values
    data, checksum = _compress(content, codec)
    header = data_page_header(levels.values, encoded.encoding, len(data), len(content), checksum)
    return header + data, len(header) + len(content)


def dictionary_page(encoded: Encoded, codec: Any) -> tuple[bytes, int]:
    """Return the page of the dictionary; nothing if there is none."""
    if encoded.dictionary is None:
        return b"", 0
    content, values = encoded.dictionary
    data, checksum = _compress(content, codec)
    header = dictionary_page_header(values, len(data), len(content), checksum)
    return header + data, len(header) + len(content)


def _compress(content: Any, codec: Any) -> tuple[bytes, int]:
    """Compress a page, and return it with its checksum."""
    with step("compress"):
        data = codec.compress(content, asbytes=True) if codec else bytes(content)
        return data, zlib.crc32(data)
