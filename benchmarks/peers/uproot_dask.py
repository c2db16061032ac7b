"""Some branches of ntuples to Parquet with ``uproot.dask`` and ``dask_awkward.to_parquet``.

``python -m benchmarks.peers.uproot_dask 'ntuples/*.root' branches.txt OUTPUT``; URLs are given
one by one, with commas between them.
"""

from __future__ import annotations

import glob
import sys
from pathlib import Path

import dask
import dask_awkward as dak
import uproot


def convert(pattern: str, branches: list[str], output: Path) -> None:
    """Write one Parquet file a ROOT file, one column a branch."""
    paths = pattern.split(",") if "://" in pattern else sorted(glob.glob(pattern))
    files = dict.fromkeys(paths, "Events")  # its own order is another
    arrays = uproot.dask(files, filter_name=branches)
    with dask.config.set(scheduler="threads", num_workers=2):
        dak.to_parquet(arrays, str(output), compression="zstd", compression_level=3)


if __name__ == "__main__":
    convert(sys.argv[1], Path(sys.argv[2]).read_text().split(), Path(sys.argv[3]))
