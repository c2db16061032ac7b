"""How the columns of a partition are encoded: chosen by what they hold.

A dictionary where values repeat; BYTE_STREAM_SPLIT for other real numbers, whose exponents compress
and whose mantissas do not; DELTA_BINARY_PACKED for other integers, mostly running numbers; PLAIN
for real numbers that repeat their neighbour, which the compression finds by itself.

What decides is how many distinct values the *whole* column has, since these are the size of the
dictionary. It is extrapolated from the first `SAMPLE` values: their number grows as a power of the
length (Heaps' law), whose exponent the first half against all of the sample tells.

Measured by ``benchmarks/encodings.py`` with zstd 3, in bytes more than with the best encoding of
each column, and in processor time to choose:

===============================  =========  =========  =======  =========
events                              25,000      2,500    2,000
format                           FastPUPPI  FastPUPPI   L1Nano  ms/column
===============================  =========  =========  =======  =========
this rule                           +0.7 %     +0.6 %   +0.5 %       0.03
writing 2,048 values each way       +1.0 %     +0.6 %   +0.0 %        0.6
dictionary everywhere               +7.0 %    +10.0 %    +45 %
BYTE_STREAM_SPLIT of reals          +8.7 %     +8.1 %   +7.0 %
PLAIN everywhere                     +29 %      +25 %    +19 %
===============================  =========  =========  =======  =========

The rule takes 1 % of the processor time of a skim of 25,000 events, writing each way 20 times
that. Estimating sizes from the entropy of bytes and values was slower and worse (+3.7 %).
BYTE_STREAM_SPLIT of integers would save another 0.2 % of L1Nano, but DuckDB has read it only since
the middle of 2026, and no reader is to be shut out. Levels 1 and 9 of zstd change the sizes by 1 %
at most; 9 takes 1.5 to 2.3 times as long.
"""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np

from schemas.event_schema import EventSchema
from schemas.events import Array, Events
from schemas.parquet import leaves
from schemas.sizes import row_group_events
from schemas.skim_config import Storage
from skim.dictionary import count_distinct

SAMPLE = 4096
"""Values of a column that decide its encoding; the first ones, so that it is deterministic."""

DISTINCT_SHARE = 0.15
"""Share of distinct values in a column up to which a dictionary is smaller than the values."""

REPEATED_SHARE = 0.3
"""Share of values equal to the one before from which PLAIN is smaller than splitting by byte."""


def write_options(events: Events, schema: EventSchema, storage: Storage) -> dict[str, Any]:
    """Return how pyarrow is to write events: the same for the same values, on any machine."""
    dictionary, encoding = encodings(events, schema)
    size = sum(values.nbytes for _, values, _ in leaves(events, schema))
    return {
        "compression": storage.compression,
        "compression_level": storage.level if storage.compression in ("zstd", "gzip") else None,
        "use_dictionary": dictionary,
        "column_encoding": encoding,
        "row_group_size": row_group_events(storage, size / max(events.size, 1)),
        "write_page_checksum": True,
        "write_page_index": True,  # and then no statistics in page headers, which nothing checks
    }


def encodings(events: Events, schema: EventSchema) -> tuple[list[str], dict[str, str]]:
    """Choose how each column is encoded.

    Returns
    -------
    dictionary
        Columns with a dictionary.
    encoding
        Encoding of the others, where it is not PLAIN.
    """
    dictionary, encoding = [], {}
    for path, values, holds_values in leaves(events, schema):
        if not holds_values or values.dtype.kind == "b" or len(values) == 0:
            continue
        chosen = choose_encoding(values)
        if chosen == "RLE_DICTIONARY":
            dictionary.append(path)
        elif chosen != "PLAIN":
            encoding[path] = chosen
    return dictionary, encoding


def choose_encoding(values: Array) -> str:
    """Choose the encoding of a column of numbers.

    Parameters
    ----------
    values
        All of them, at least one.

    Returns
    -------
    str
        Parquet's name of it.
    """
    # as integers: whether two values are the same is a question of their bits (NaN, -0.0)
    sample = values[:SAMPLE].view(f"u{values.dtype.itemsize}")
    if _distinct(sample, len(values)) <= DISTINCT_SHARE * len(values):
        return "RLE_DICTIONARY"
    if values.dtype.kind != "f":
        return "DELTA_BINARY_PACKED"
    repeated = np.count_nonzero(sample[1:] == sample[:-1])
    # halves are stored as byte arrays, which few readers know to be split
    if repeated > REPEATED_SHARE * len(sample) or values.dtype.itemsize == 2:
        return "PLAIN"
    return "BYTE_STREAM_SPLIT"


def _distinct(sample: Array, length: int) -> float:
    """Estimate the number of distinct values in a column from its first ones."""
    found = count_distinct(sample)
    if length == len(sample):
        return found
    half = count_distinct(sample[: len(sample) // 2])
    return float(found * (length / len(sample)) ** log2(found / half))
