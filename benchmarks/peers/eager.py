"""The 200-histogram job as an eager script of uproot, awkward and hist, file by file.

``python -m benchmarks.peers.eager 'ntuples/*.root' -o out.npy [--style flat]``
"""

from __future__ import annotations

import glob
import operator
from collections.abc import Callable
from typing import Any

import awkward as ak
import hist
import numpy as np
import uproot

from benchmarks import job
from benchmarks.peers import common


def fill(pattern: str, events: int | None, style: str) -> Any:
    """Fill all histograms from the first events of some files: 200 x 66 * int64.

    In style ``records`` a selection is applied to the collection as a record array, as awkward's
    tutorials do it; in style ``flat`` to the flattened columns, which is the faster one.
    """
    selections = job.selections()
    histograms = {
        (name, variable): hist.Hist.new.Reg(job.BINS, *limits).Int64()
        for name in selections
        for variable, limits in job.VARIABLES.items()
    }
    left = events
    for path in sorted(glob.glob(pattern)):
        if left == 0:
            break
        with uproot.open(path) as file:
            tree = file["Events"]
            stop = tree.num_entries if left is None else min(left, tree.num_entries)
            names = [f"{job.COLLECTION}_{field}" for field in job.FIELDS]
            arrays = tree.arrays(names, entry_stop=stop)
        left = None if left is None else left - stop
        objects = {field: arrays[f"{job.COLLECTION}_{field}"] for field in job.FIELDS}
        if style == "flat":
            objects = {field: ak.to_numpy(ak.flatten(values)) for field, values in objects.items()}
        everything = np.ones_like(objects["pt"], dtype=bool)
        masks = {
            condition: passes(objects[condition.field], condition)
            for conditions in selections.values()
            for condition in conditions
        }
        records = ak.zip(objects)
        for name, conditions in selections.items():
            mask = everything
            for condition in conditions:
                mask = mask & masks[condition]
            if style == "flat":
                for variable in job.VARIABLES:
                    histograms[name, variable].fill(objects[variable][mask])
            else:
                selected = records[mask]
                for variable in job.VARIABLES:
                    histograms[name, variable].fill(ak.flatten(selected[variable]))
    return np.stack([h.values(flow=True) for h in histograms.values()]).astype(np.int64)


COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    ">": operator.gt,
    "absolute <": lambda values, value: abs(values) < value,
    "absolute >=": lambda values, value: abs(values) >= value,
    "bits": lambda values, value: (values & value) != 0,
}


def passes(values: Any, condition: job.Condition) -> Any:
    """Apply one condition."""
    return COMPARE[condition.how](values, condition.value)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("ntuples")
    parser.add_argument("--style", choices=["records", "flat"], default="records")
    options = parser.parse_args()
    common.finish(options, lambda: fill(options.ntuples, options.events, options.style))


if __name__ == "__main__":
    main()
