"""The 200-histogram job, said once for all peers; configs/histograms.yaml says it to `histo`.

Thresholds and edges are binary fractions: float32 and float64 agree on them, and so do ROOT's bins
and boost-histogram's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

COLLECTION = "HGCal3DCl"
BINS = 64


@dataclass(frozen=True)
class Condition:
    """One cut on the objects of a collection.

    Attributes
    ----------
    field
        What is compared.
    how
        ``absolute`` values of it below (``<``) or not (``>=``), ``bits`` of it that are set.
    value
        The threshold, or the bits.
    """

    field: str
    how: Literal["<", ">", "absolute <", "absolute >=", "bits"]
    value: float


OBJECTS = {
    "all": None,
    "Hard": Condition("pt", ">", 1.25),
    "Em": Condition("hoe", "<", 1),
    "Loose": Condition("hwQual", "bits", 2),
    "Score": Condition("egEmIdScore", ">", -0.5),
}
REGIONS = {
    "all": None,
    "Low": Condition("eta", "absolute <", 2.75),
    "High": Condition("eta", "absolute >=", 1.75),
    "Short": Condition("showerlength", "<", 20),
}
VARIABLES = {
    "pt": (0, 128),
    "eta": (-4, 4),
    "phi": (-4, 4),
    "hoe": (0, 8),
    "meanz": (256, 512),
    "szz": (0, 256),
    "seetot": (0, 0.25),
    "srrtot": (0, 0.0625),
    "showerlength": (0, 64),
    "egEmIdScore": (-1, 1),
}
"""Range of each variable, in 64 bins."""

FIELDS = (*VARIABLES, "hwQual")
"""What has to be read."""


def selections() -> dict[str, tuple[Condition, ...]]:
    """Return the 20 selections by the names that a product of families gives them."""
    found = {}
    for first, one in OBJECTS.items():
        for second, other in REGIONS.items():
            name = "".join(part for part in (first, second) if part != "all") or "all"
            found[name] = tuple(condition for condition in (one, other) if condition)
    return found


def histogram_names() -> list[str]:
    """Return the names of the 200 histograms in the order in which all peers write them."""
    return [
        f"Job/{COLLECTION}_{name}_{variable}" for name in selections() for variable in VARIABLES
    ]
