"""The shapes of showers in the endcap calorimeter.

In every pair of constants the first is for electromagnetic showers and the second for all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from skim.synthetic.drawing import (
    Booleans,
    Columns,
    Floats,
    Integers,
    either,
    gamma,
    normal,
    uniform,
)

SHAPE: Final = 3.0
"""Of the gamma distributions that sizes and depths follow."""
FRONT_Z: Final = 320.5
"""Position of the first layer [cm]."""
LAST_LAYER: Final = 47
MEAN_Z: Final = (6.4, 11.7)
"""Scale of the mean depth beyond the front [cm]."""
LAYER10: Final = (1.4, 2.2)
"""Scale of the depth that holds 10 % of the energy, in layers."""
LAYER50_RATIO: Final = (1.9, 2.7)
"""Range of the depth that holds 50 % over that."""
LAYER90_RATIO: Final = (1.6, 2.0)
"""Range of the depth that holds 90 % over that."""
FIRST_LAYER: Final = (0.3, 0.9)
"""Scale of the number of empty pairs of layers."""
DEEPEST: Final = (10.0, 13.5)
"""Layer of the largest energy."""
DEEPEST_WIDTH: Final = (3.0, 4.0)
LENGTH: Final = (19.5, 14.5)
"""Number of layers."""
LENGTH_WIDTH: Final = (5.0, 4.0)
CORE_SHARE: Final = (0.2, 0.75)
"""Range of the share of the layers that its core spans, for all showers."""
EARLY: Final = (1.8, 0.45)
"""Logit of the share of the energy in the electromagnetic section."""
EARLY_WIDTH: Final = (0.9, 0.35)
MEAN_RADIUS_RATIO: Final = (0.6, 1.0)
"""Range of the mean over the total radius, for all showers."""


@dataclass(frozen=True)
class Width:
    """A measure of the size of a shower, gamma distributed of shape 3.

    Attributes
    ----------
    name
        Field of the size itself.
    em, other
        Scales for electromagnetic and other showers, in the unit of the field.
    maximum
        Field of the size in the layer where it is largest, and how much larger that is at most.
    variance, factor
        Field of the square, in a unit smaller by ``factor`` ** 0.5.
    """

    name: str
    em: float
    other: float
    maximum: tuple[str, float] | None
    variance: str
    factor: float


WIDTHS: Final = (
    Width("seetot", 0.0042, 0.0080, ("seemax", 1.5), "varEtaEta", 1e2),
    Width("spptot", 0.0064, 0.0112, ("sppmax", 1.5), "varPhiPhi", 1e2),
    Width("szz", 7.8, 14.3, None, "varZZ", 1),
    Width("srrtot", 0.0018, 0.0026, ("srrmax", 1.4), "varRR", 1e4),
)
LAYERS: Final = ("first", "firstHcal", "last", "emax")
"""Groups of 1, 3 and 5 layers whose shares of the energy are listed."""
LAYER_ODDS: Final = (1.58, 0.97, 0.86, 6.59)
"""Dirichlet parameters: the layer, the two and the four around it, and the rest."""
HCAL_ODDS: Final = (1.05, 1.05, 0.95, 6.95)
HCAL_ONE: Final = (0.15, 1.0)
"""Factor of the first hadronic layer."""
HCAL_THREE: Final = (0.8, 1.0)
"""Factor of the two after it."""
LARGEST_ODDS: Final = (4.0, 12.0)
"""Beta parameters of the share of the largest cell, for all showers."""


def measure_widths(rng: np.random.Generator, em: Booleans) -> Columns:
    """Draw the sizes of the showers."""
    columns: Columns = {}
    for width in WIDTHS:
        total = gamma(rng, SHAPE, em.size) * either(em, width.em, width.other)
        columns[width.name] = total
        columns[width.variance] = width.factor * total**2
        if width.maximum is not None:
            name, largest = width.maximum
            columns[name] = total * uniform(rng, 1, largest, em.size)
    columns["srrmean"] = columns["srrtot"] * uniform(rng, *MEAN_RADIUS_RATIO, em.size)
    return columns


def measure_layers(rng: np.random.Generator, em: Booleans) -> Columns:
    """Draw where along its axis a shower leaves its energy."""
    size = em.size
    columns: Columns = {}
    for group in LAYERS:
        odds = HCAL_ODDS if group == "firstHcal" else LAYER_ODDS
        one, three, five, rest = (gamma(rng, shape, size) for shape in odds)
        if group == "firstHcal":
            one, three = one * either(em, *HCAL_ONE), three * either(em, *HCAL_THREE)
        total = one + three + five + rest
        columns[f"{group}1layers"] = one / total
        columns[f"{group}3layers"] = (one + three) / total
        columns[f"{group}5layers"] = (one + three + five) / total
    largest, rest = (gamma(rng, shape, size) for shape in LARGEST_ODDS)
    columns["emaxe"] = largest / (largest + rest)
    early = either(em, *EARLY) + either(em, *EARLY_WIDTH) * normal(rng, size)
    columns["eot"] = 1 / (1 + np.exp(-early))
    columns["meanz"] = FRONT_Z + gamma(rng, SHAPE, size) * either(em, *MEAN_Z)
    columns["layer10"] = gamma(rng, SHAPE, size) * either(em, *LAYER10)
    columns["layer50"] = columns["layer10"] * uniform(rng, *LAYER50_RATIO, size)
    columns["layer90"] = columns["layer50"] * uniform(rng, *LAYER90_RATIO, size)
    first = 1 + 2 * np.floor(gamma(rng, SHAPE, size) * either(em, *FIRST_LAYER))
    deepest = either(em, *DEEPEST) + either(em, *DEEPEST_WIDTH) * normal(rng, size)
    length = either(em, *LENGTH) + either(em, *LENGTH_WIDTH) * normal(rng, size)
    core = length * uniform(rng, *CORE_SHARE, size)
    columns["firstlayer"] = whole(first, 1, LAST_LAYER)
    columns["maxlayer"] = whole(np.maximum(deepest, first), 1, LAST_LAYER)
    columns["showerlength"] = whole(length, 1, LAST_LAYER)
    columns["coreshowerlength"] = np.minimum(columns["showerlength"], whole(core, 0, LAST_LAYER))
    return columns


def whole(values: Floats, low: int, high: int) -> Integers:
    """Round to whole numbers within limits."""
    return np.clip(np.rint(values), low, high).astype(np.int32)
