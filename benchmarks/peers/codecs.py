"""What no skim can do without: decompress the baskets that it reads, compress what it writes.

``python -m benchmarks.peers.codecs 'ntuples/*.root' branches.txt DATASET`` prints the processor
time of both, in seconds. Nothing else is in it: no file is read, no value decoded, in that time.
"""

from __future__ import annotations

import argparse
import functools
import glob
import io
import json
import lzma
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cramjam
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
from isal import isal_zlib

PAGE = 1 << 20
"""Parquet's usual size of a page, in bytes."""


def _lzma(data: memoryview, size: int) -> Any:
    # one byte more, or the checksum would not be read
    return lzma_library().LZMADecompressor(lzma.FORMAT_XZ).decompress(data, size + 1)


@functools.cache
def lzma_library() -> Any:
    """Return the faster library where there are wheels of it, else Python's own, as the skim."""
    try:
        import lzma_mt
    except ImportError:
        return lzma
    return lzma_mt


CODECS: dict[bytes, Callable[[memoryview, int], Any]] = {
    b"ZS": lambda data, size: cramjam.zstd.decompress(data, output_len=size),
    b"ZL": lambda data, size: isal_zlib.decompress(data, bufsize=size),
    b"XZ": _lzma,
    # ROOT stores a checksum of 8 bytes before the block
    b"L4": lambda data, size: cramjam.lz4.decompress_block(data[8:], output_len=size),
}
"""The decompressors of the skim, none of them slower than those of uproot, by ROOT's mark."""


def baskets(path: str, branches: list[str]) -> Iterator[memoryview]:
    """Iterate over the compressed payload of each basket of some branches, and its full size."""
    data = Path(path).read_bytes()
    with uproot.open(path) as file:
        tree = file["Events"]
        for name in branches:
            branch = tree[name]
            for index in range(branch.num_baskets):
                seek = int(branch.member("fBasketSeek")[index])
                # TKey: fNbytes, fVersion, fObjlen, fDatime, fKeylen
                size, _, full, _, key = struct.unpack_from(">ihiIh", data, seek)
                payload = memoryview(data)[seek + key : seek + size]
                if len(payload) < full:
                    yield payload


def decompress(payload: memoryview) -> int:
    """Decompress a basket, block by block; returns its size."""
    total = 0
    while payload:
        # two letters, a version, and two sizes of three bytes, least significant first
        packed = int.from_bytes(payload[3:6], "little")
        size = int.from_bytes(payload[6:9], "little")
        total += len(CODECS[bytes(payload[:2])](payload[9 : 9 + packed], size))
        payload = payload[9 + packed :]
    return total


def pages(path: Path) -> Iterator[pa.Buffer]:
    """Iterate over the encoded pages of a partition as they are before compression."""
    with pq.ParquetFile(path) as file:
        table = file.read()
        dictionary, encodings = [], {}
        for number in range(file.metadata.num_columns):
            column = file.metadata.row_group(0).column(number)
            if "RLE_DICTIONARY" in column.encodings:
                dictionary.append(column.path_in_schema)
            else:
                rest = set(column.encodings) - {"RLE", "BIT_PACKED"}
                encodings[column.path_in_schema] = rest.pop() if rest else "PLAIN"
    plain = io.BytesIO()
    encodings = {name: kind for name, kind in encodings.items() if kind != "PLAIN"}
    pq.write_table(
        table, plain, compression="none", use_dictionary=dictionary, column_encoding=encodings
    )
    whole = pa.py_buffer(plain.getvalue())
    for start in range(0, whole.size, PAGE):
        yield whole.slice(start, min(PAGE, whole.size - start))


def compress(page: pa.Buffer, codec: pa.Codec) -> int:
    """Compress a page; returns its size before."""
    codec.compress(page)
    return int(page.size)


def timed(work: Callable[[Any], int], parts: list[Any], repeat: int) -> tuple[float, int]:
    """Return the least processor time of several passes over all parts, and their size."""
    best, size = float("inf"), 0
    for _ in range(repeat):
        start = time.process_time()
        size = sum(work(part) for part in parts)
        best = min(best, time.process_time() - start)
    return best, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ntuples")
    parser.add_argument("branches", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    names = options.branches.read_text().split()
    found = {"decompress": 0.0, "compress": 0.0, "unpacked": 0, "encoded": 0}
    for path in sorted(glob.glob(options.ntuples)):
        seconds, size = timed(decompress, list(baskets(path, names)), options.repeat)
        found["decompress"] += seconds
        found["unpacked"] += size
    codec = pa.Codec("zstd", compression_level=3)
    for partition in sorted(options.dataset.glob("*/*.parquet")):
        parts = list(pages(partition))
        seconds, size = timed(lambda page: compress(page, codec), parts, options.repeat)
        found["compress"] += seconds
        found["encoded"] += size
    print(json.dumps(found))


if __name__ == "__main__":
    main()
