"""Some branches of ntuples to Parquet with hepconvert, file by file.

``python -m benchmarks.peers.hepconvert_parquet 'ntuples/*.root' branches.txt OUTPUT``
"""

from __future__ import annotations

import glob
import sys
from pathlib import Path

import hepconvert


def convert(pattern: str, branches: list[str], output: Path) -> None:
    """Write one Parquet file a ROOT file, one column a branch."""
    output.mkdir(parents=True)
    for path in sorted(glob.glob(pattern)):
        hepconvert.root_to_parquet(
            in_file=path,
            out_file=str(output / f"{Path(path).stem}.parquet"),
            tree="Events",
            keep_branches=branches,
            compression="zstd",
            compression_level=3,
        )


if __name__ == "__main__":
    convert(sys.argv[1], Path(sys.argv[2]).read_text().split(), Path(sys.argv[3]))
