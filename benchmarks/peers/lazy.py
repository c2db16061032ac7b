"""The 200-histogram job as a graph of dask-awkward and hist.dask, from ROOT or from Parquet.

``python -m benchmarks.peers.lazy 'ntuples/*.root' -o out.npy``, or a dataset in place of ntuples
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask
import dask_awkward as dak
import hist.dask
import numpy as np
import uproot

from benchmarks import job
from benchmarks.peers import common
from benchmarks.peers.eager import passes


def open_lazily(source: str) -> dict[str, Any]:
    """Return the fields as lazy arrays, one partition a file."""
    if source.endswith(".root"):
        names = [f"{job.COLLECTION}_{field}" for field in job.FIELDS]
        arrays = uproot.dask({source: "Events"}, filter_name=names)
        return {field: arrays[f"{job.COLLECTION}_{field}"] for field in job.FIELDS}
    files = [str(path) for path in sorted(Path(source).glob("*/*.parquet"))]
    objects = dak.from_parquet(files)[job.COLLECTION]
    return {field: objects[field] for field in job.FIELDS}


def fill(source: str) -> Any:
    """Fill all histograms: 200 x 66 * int64."""
    objects = open_lazily(source)
    histograms = []
    for conditions in job.selections().values():
        mask = None
        for condition in conditions:
            passed = passes(objects[condition.field], condition)
            mask = passed if mask is None else mask & passed
        for variable, limits in job.VARIABLES.items():
            values = objects[variable] if mask is None else objects[variable][mask]
            histogram = hist.dask.Hist.new.Reg(job.BINS, *limits).Int64()
            histogram.fill(dak.flatten(values))
            histograms.append(histogram)
    with dask.config.set(scheduler="threads", num_workers=2):
        computed = dask.compute(*histograms)
    return np.stack([h.values(flow=True) for h in computed]).astype(np.int64)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("source")
    options = parser.parse_args()
    common.finish(options, lambda: fill(options.source))


if __name__ == "__main__":
    main()
