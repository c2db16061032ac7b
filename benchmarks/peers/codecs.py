"""What no skim can do without: decompress the baskets that it reads, compress what it writes.

``python -m benchmarks.peers.codecs 'ntuples/*.root' branches.txt DATASET`` prints the processor
time of both, in seconds. Nothing else is in it: no file is read, no value decoded, in that time.

As many processes do the same at once as the skim has workers, and the mean is taken: two cores that
are both busy are slower than one, since they share what lies behind them.
"""

from __future__ import annotations

import argparse
import functools
import glob
import itertools
import json
import lzma
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cramjam
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
from isal import isal_zlib

from schemas.thrift import read_struct

ZSTD = pa.Codec("zstd", compression_level=3)


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
    b"ZS": lambda data, size: ZSTD.decompress(data, size, asbytes=True),
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


def pages(path: Path) -> Iterator[bytes]:
    """Iterate over the pages of a partition as they are before compression."""
    data = path.read_bytes()
    with pq.ParquetFile(path) as file:
        about = file.metadata
    chunks = itertools.product(range(about.num_row_groups), range(about.num_columns))
    for group, number in chunks:
        column = about.row_group(group).column(number)
        at = column.dictionary_page_offset or column.data_page_offset
        end = at + column.total_compressed_size
        while at < end:
            header, start = read_struct(data, at)
            unpacked, at = header[2], start + header[3]
            yield ZSTD.decompress(data[start:at], unpacked, asbytes=True)


def compress(page: bytes) -> int:
    """Compress a page; returns its size before."""
    ZSTD.compress(page, asbytes=True)
    return len(page)


def timed(work: Callable[[Any], int], parts: list[Any]) -> tuple[float, int]:
    """Return the processor time that all parts take, and their size."""
    start = time.process_time()
    size = sum(work(part) for part in parts)
    return time.process_time() - start, size


def measure(ntuples: list[str], names: list[str], dataset: Path) -> Counter[str]:
    """Return processor times and sizes of both, for all files."""
    found: Counter[str] = Counter()
    for path in ntuples:
        seconds, size = timed(decompress, list(baskets(path, names)))
        found.update({"decompress": seconds, "unpacked": size})
    for partition in sorted(dataset.glob("*/*.parquet")):
        seconds, size = timed(compress, list(pages(partition)))
        found.update({"compress": seconds, "encoded": size})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ntuples")
    parser.add_argument("branches", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names = options.branches.read_text().split()
    work = sorted(glob.glob(options.ntuples)), names, options.dataset
    with ProcessPoolExecutor(options.workers) as pool:
        started = [pool.submit(measure, *work) for _ in range(options.workers)]
        found = sum((future.result() for future in started), Counter[str]())
    print(json.dumps({name: total / options.workers for name, total in found.items()}))


if __name__ == "__main__":
    main()
