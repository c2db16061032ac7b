"""The collections of a skim, copied to ROOT files of another compression; values stay the same.

``python -m benchmarks.recompress SOURCE.root TARGET.root lzma``
"""

from __future__ import annotations

import sys
from typing import Any

import awkward as ak
import uproot

COLLECTIONS = ("GenEl", "GenPh", "TkEleL2", "TkEmL2", "EGStaEB", "EGStaEE")
EVENTS = ("run", "luminosityBlock", "event")
BASKET = 2500
"""Entries, as `skim sample` writes them."""

LEVELS = {"lzma": 9, "zlib": 1, "lz4": 4, "zstd": 5}
"""ROOT's usual ones; CMS writes its NanoAOD with LZMA 9."""


def columns(arrays: Any) -> dict[str, Any]:
    """Give each collection as one record array, which makes its fields share a counter."""
    found = {name: arrays[name] for name in EVENTS}
    for collection in COLLECTIONS:
        names = [name for name in arrays.fields if name.startswith(f"{collection}_")]
        found[collection] = ak.zip({n.removeprefix(f"{collection}_"): arrays[n] for n in names})
    return found


def recompress(source: str, target: str, codec: str) -> None:
    """Copy what `configs/skim/fastpuppi_eg.yaml` reads."""
    compression = getattr(uproot, codec.upper())(LEVELS[codec])
    wanted = [*EVENTS, *(f"/{name}_.*/" for name in COLLECTIONS)]
    with uproot.open(source) as old, uproot.recreate(target, compression=compression) as new:
        tree = None
        for arrays in old["Events"].iterate(filter_name=wanted, step_size=BASKET):
            found = columns(arrays)
            if tree is None:
                tree = new.mktree("Events", {k: ak.type(v).content for k, v in found.items()})
            tree.extend(found)


if __name__ == "__main__":
    recompress(*sys.argv[1:])
