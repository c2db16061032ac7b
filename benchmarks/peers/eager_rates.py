"""The 56 histograms of configs/histo/eg_rate_menu.yaml as an eager script of uproot, awkward, hist.

``python -m benchmarks.peers.eager_rates 'ntuples/*.root' -o out.npy``
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from typing import Any

import awkward as ak
import hist
import numpy as np
import uproot

from benchmarks.peers import common

FIELDS = {
    "EGStaEE": ("pt", "eta", "hwQual"),
    "EGStaEB": ("pt", "eta", "hwQual"),
    "TkEmL2": ("pt", "eta", "hwQual", "tkIso"),
    "TkEleL2": ("pt", "eta", "hwQual", "tkIso"),
}
REGIONS: dict[str, Callable[[Any], Any]] = {
    "": lambda objects: objects.pt == objects.pt,
    "EtaEB": lambda objects: barrel(objects),
    "EtaEE": lambda objects: endcap(objects),
}
EDGES = np.asarray(hist.axis.Regular(100, 0, 100).edges)


def barrel(objects: Any) -> Any:
    return abs(objects.eta) <= 1.479


def endcap(objects: Any) -> Any:
    return (abs(objects.eta) > 1.479) & (abs(objects.eta) <= 2.4)


def bits(objects: Any, value: int) -> Any:
    return (objects.hwQual & value) != 0


def by_region(objects: Any, in_barrel: float, in_endcap: float) -> Any:
    """Look a threshold up; NaN, with which no comparison is true, outside both regions."""
    return ak.where(barrel(objects), in_barrel, ak.where(endcap(objects), in_endcap, np.nan))


def menu_sta(objects: Any) -> Any:
    return (barrel(objects) & bits(objects, 2)) | (endcap(objects) & bits(objects, 1))


def menu_photon(objects: Any) -> Any:
    return (barrel(objects) & bits(objects, 2)) | (endcap(objects) & bits(objects, 4))


def menu_photon_isolated(objects: Any) -> Any:
    return menu_photon(objects) & (objects.tkIso <= by_region(objects, 0.25, 0.205))


def menu_tight(objects: Any) -> Any:
    return (barrel(objects) | endcap(objects)) & bits(objects, 2)


def menu_loose(objects: Any) -> Any:
    return (barrel(objects) & bits(objects, 2)) | endcap(objects)


def isolated(cut: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda objects: cut(objects) & (objects.tkIso <= by_region(objects, 0.13, 0.28))


CURVES: dict[str, dict[str, Callable[[Any], Any]]] = {
    "EGStaEE": {"MenuSta": menu_sta},
    "EGStaEB": {"MenuSta": menu_sta},
    "TkEmL2": {
        "MenuSta": menu_sta,
        "MenuPho": menu_photon,
        "MenuPhoIso": menu_photon_isolated,
    },
    "TkEleL2": {
        "MenuEleTight": menu_tight,
        "MenuEleLoose": menu_loose,
        "MenuEleIsoTight": isolated(menu_tight),
        "MenuEleIsoLoose": isolated(menu_loose),
    },
}
PAIRS = "DoubleTkEmL2_MenuDoubleIsoTkPho22-X"


def curve_names() -> list[str]:
    """Return the names of the curves, without the group and without ``_pt`` and ``_norm``."""
    names = [
        f"{collection}_{cut}{region}"
        for collection, cuts in CURVES.items()
        for cut in cuts
        for region in REGIONS
    ]
    return [*names, PAIRS]


def thresholds(events: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over each curve with the pt that decides in each event; None without objects."""
    for collection, cuts in CURVES.items():
        objects = events[collection]
        for cut, passes in cuts.items():
            passing = passes(objects)
            for region, inside in REGIONS.items():
                chosen = objects.pt[passing & inside(objects)]
                yield f"{collection}_{cut}{region}", ak.max(chosen, axis=1)
    photons = events["TkEmL2"]
    good = menu_photon_isolated(photons)
    online = by_region(photons, (22 - 3.875) / 1.073, (22 - 4.226) / 1.065)
    legs = ak.zip({"pt": photons.pt, "good": good, "hard": good & (photons.pt >= online)})
    first, second = ak.unzip(ak.combinations(legs, 2))
    yield PAIRS, ak.max(second.pt[first.hard & second.good], axis=1)


def fill(pattern: str, limit: int | None) -> Any:
    """Fill all curves: for each 100 rates and the number of events."""
    histograms = {name: hist.Hist.new.Reg(100, 0, 100).Int64() for name in curve_names()}
    events_read = 0
    for path in sorted(glob.glob(pattern)):
        if events_read == limit:
            break
        with uproot.open(path) as file:
            tree = file["Events"]
            left = tree.num_entries if limit is None else limit - events_read
            stop = min(left, tree.num_entries)
            names = [f"{name}_{field}" for name, fields in FIELDS.items() for field in fields]
            arrays = tree.arrays(names, entry_stop=stop)
        events_read += stop
        events = {
            name: ak.zip({field: arrays[f"{name}_{field}"] for field in fields})
            for name, fields in FIELDS.items()
        }
        for name, highest in thresholds(events):
            values = ak.to_numpy(ak.drop_none(highest)).astype(np.float64)
            passed = np.searchsorted(EDGES[:-1], values, side="right")
            # an event that reaches k thresholds goes to bin k - 1; sums from above follow
            histograms[name].fill(passed[passed > 0] - 0.5)
    rates = [np.cumsum(h.values()[::-1])[::-1] for h in histograms.values()]
    return np.stack([np.append(rate, events_read) for rate in rates]).astype(np.int64)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("ntuples")
    options = parser.parse_args()
    common.finish(options, lambda: fill(options.ntuples, options.events))


if __name__ == "__main__":
    main()
