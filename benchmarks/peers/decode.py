"""The columns of the 200-histogram job decoded by pyarrow on one thread, and nothing else.

``python -m benchmarks.peers.decode DATASET [--checksums] [--repeat N]``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import job
from benchmarks.peers import common


def decode(files: list[Path], checksums: bool) -> int:
    """Decode file after file; returns the number of events."""
    leaves = [f"{job.COLLECTION}.list.element.{field}" for field in job.FIELDS]
    events = 0
    for path in files:
        with pq.ParquetFile(path, page_checksum_verification=checksums) as file:
            events += len(file.read(columns=leaves, use_threads=False))
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--checksums", action="store_true", help="Verify those of the pages.")
    parser.add_argument("--repeat", type=int, default=0)
    options = parser.parse_args()
    files = sorted(options.dataset.glob("*/*.parquet"))
    decode(files, options.checksums)
    if options.repeat:
        found = common.repeated(lambda: decode(files, options.checksums), options.repeat)
        print(json.dumps(found))


if __name__ == "__main__":
    main()
