"""The electrons and photons that the trigger finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from skim.synthetic.drawing import (
    ANGLE_STEP,
    VZ_STEP,
    Booleans,
    Columns,
    Floats,
    Particles,
    choose,
    concatenate,
    either,
    exponential,
    normal,
    quantise,
    quantise_pt,
    round_mantissa,
    uniform,
    wrap_phi,
)
from skim.synthetic.helix import propagate
from skim.synthetic.response import CALORIMETER, TRACKED, accept, inside, pile_up, smear, split
from skim.synthetic.truth import Process

LOWEST_PT: Final = 1.0
"""Objects below do not leave the trigger [GeV]."""
BARREL_END: Final = 1.479
"""|eta| between the barrel and the endcap calorimeters; no hardware eta falls on it."""
TRACK_ANGLE: Final = 0.004
"""Between the directions of a track and of its e/g object [rad]."""
CLUSTER_ANGLE: Final = 0.006
"""Between the directions of a cluster and of its e/g object [rad]."""
TRACK_PT_MINIMUM: Final = 0.5
"""Least pt of the track of an electron [GeV]."""
MISMATCH: Final = 0.2
"""Relative difference of the pts of a pile-up cluster and of its accidental track."""
TRUE_MISMATCH: Final = 0.03
"""The same of a true electron."""
SCORES: Final = (0.85, -0.39)
"""Mean of the identification score of electrons and of pile-up, before it is bent into (-1, 1)."""
SCORE_WIDTH: Final = 0.6
SIGNAL_QUALITY: Final = dict(
    enumerate((1, 3, 2, 17, 1, 14, 6, 254, 0.3, 0.7, 0.3, 4, 0.7, 2.5, 0.7, 693))
)
"""Odds of each hwQual: bits 1 standalone, 2 electron, 4 photon, 8 no bremsstrahlung."""
PILEUP_QUALITY: Final = dict(
    enumerate((345, 127, 3, 14, 16, 48, 2, 27, 29, 69, 3, 31, 11, 113, 3, 159))
)

NO_CHARGED: Final = (0.73, 0.285)
"""Fraction of signal and of pile-up objects without charged neighbours."""
CHARGED: Final = (0.09, 0.44)
"""Mean isolation of the others, from charged particles."""
NO_NEUTRAL: Final = 0.355
NEUTRAL: Final = 0.25
"""The same for neutral neighbours."""
NO_NEUTRAL_PV: Final = 0.455
NEUTRAL_PV: Final = 0.2
NO_CHARGED_PV: Final = 0.355
"""Fraction with charged neighbours of other vertices alone."""
NO_PUPPI: Final = (0.3, 0.4)
"""Fraction whose neighbours PUPPI discards all, without and with the primary vertex."""
PUPPI_SHARE: Final = (0.2, 0.8)
"""What it keeps of the others."""


@dataclass(frozen=True)
class Finder:
    """One e/g collection.

    Attributes
    ----------
    name
        Prefix of the branches.
    content
        Which fields it has; electrons are matched to tracks and made of electrons alone.
    low, high
        Range of |eta|.
    at_vertex
        The directions are those at the vertex, not at the calorimeter.
    pileup
        Mean number per minimum-bias event.
    threshold
        Lowest pt from pile-up [GeV].
    """

    name: str
    content: Literal["electron", "photon", "standalone"]
    low: float
    high: float
    at_vertex: bool
    pileup: float
    threshold: float


FINDERS: Final = (
    Finder("TkEleL2", "electron", 0, 2.4, True, 1.19, 3),
    Finder("TkEmL2", "photon", 0, 3.0, False, 3.04, 2),
    Finder("TkEleEB", "electron", 0, BARREL_END, False, 0.91, 2.5),
    Finder("TkEleEE", "electron", BARREL_END, 2.4, False, 0.89, 2.5),
    Finder("TkEmEB", "photon", 0, BARREL_END, False, 1.81, 2),
    Finder("TkEmEE", "photon", BARREL_END, 3.0, False, 2.58, 2),
    Finder("EGStaEB", "standalone", 0, BARREL_END, False, 2.2, 2),
    Finder("EGStaEE", "standalone", BARREL_END, 3.0, False, 3.0, 2),
)


def find_egammas(
    rng: np.random.Generator, finder: Finder, truth: Particles, process: Process, events: int
) -> tuple[Particles, Columns]:
    """Reconstruct one e/g collection.

    Parameters
    ----------
    truth
        Electrons, and photons if the finder takes them, in its frame.

    Returns
    -------
    tuple
        The objects in order, and their columns.
    """
    response = TRACKED if finder.content == "electron" else CALORIMETER
    found = smear(rng, accept(rng, truth, response), response)
    noise = pile_up(
        rng,
        events,
        finder.pileup * process.pileup_objects,
        (finder.threshold, process.pileup_index),
        (finder.low, finder.high),
    )
    seen = concatenate([found, split(rng, found), noise])
    seen = replace(seen, eta=np.rint(seen.eta / ANGLE_STEP) * ANGLE_STEP)
    objects = inside(seen.take(seen.pt > LOWEST_PT), finder.low, finder.high).ordered()
    signal, size = objects.signal, objects.pt.size
    quality = np.where(signal, choose(rng, SIGNAL_QUALITY, size), choose(rng, PILEUP_QUALITY, size))
    columns: Columns = {
        "pt": quantise_pt(objects.pt),
        "phi": quantise(objects.phi, ANGLE_STEP),
        "eta": round_mantissa(objects.eta),
    }
    if finder.content != "standalone":
        charge = objects.charge if finder.content == "electron" else np.zeros(size)
        columns["charge"] = charge.astype(np.int32)
    columns["hwQual"] = quality.astype(np.int32)
    if finder.content != "standalone":
        columns |= isolate(rng, signal)
    if finder.content == "electron":
        columns |= follow_track(rng, objects, finder.at_vertex)
        score = either(signal, *SCORES) + SCORE_WIDTH * normal(rng, size)
        columns["idScore"] = np.tanh(score)
    return objects, columns


def isolate(rng: np.random.Generator, signal: Booleans) -> Columns:
    """Draw the isolations relative to pt, of which many are exactly 0.

    Each sums charged and neutral neighbours; ``PV`` counts those of the primary vertex alone.
    """
    size = signal.size

    def neighbours(empty: float | Floats, mean: float | Floats) -> Floats:
        some = rng.random(size, dtype=np.float32) >= empty
        return np.where(some, mean * exponential(rng, size), 0)

    def kept(empty: float, low: float, high: float) -> Floats:
        some = rng.random(size, dtype=np.float32) >= empty
        return np.where(some, uniform(rng, low, high, size), 0)

    charged = neighbours(either(signal, *NO_CHARGED), either(signal, *CHARGED))
    charged_pv = charged * kept(NO_CHARGED_PV, 0, 1)
    both = charged + neighbours(NO_NEUTRAL, NEUTRAL)
    both_pv = charged_pv + neighbours(NO_NEUTRAL_PV, NEUTRAL_PV)
    isolations = {
        "tkIso": charged,
        "tkIsoPV": charged_pv,
        "pfIso": both,
        "pfIsoPV": both_pv,
        "puppiIso": both * kept(NO_PUPPI[0], *PUPPI_SHARE),
        "puppiIsoPV": both_pv * kept(NO_PUPPI[1], *PUPPI_SHARE),
    }
    return {name: round_mantissa(values) for name, values in isolations.items()}


def follow_track(rng: np.random.Generator, objects: Particles, at_vertex: bool) -> Columns:
    """Add the track of each electron, and where it meets the calorimeter."""
    size = objects.pt.size
    mismatch = either(objects.signal, TRUE_MISMATCH, MISMATCH) * normal(rng, size)
    pt = np.maximum(objects.pt * (1 + mismatch), TRACK_PT_MINIMUM)
    shifted, turn = propagate(pt, objects.eta, objects.vz)
    turn = turn * objects.charge
    # the way back shifts by nearly what the way there does, which is good enough for a sample
    way = 1 if at_vertex else -1
    other_eta = objects.eta + way * (shifted - objects.eta)
    other_phi = objects.phi - way * turn
    vertex, calorimeter = (
        ((objects.eta, objects.phi), (other_eta, other_phi))
        if at_vertex
        else ((other_eta, other_phi), (objects.eta, objects.phi))
    )
    track = [angle + TRACK_ANGLE * normal(rng, size) for angle in vertex]
    cluster = [angle + CLUSTER_ANGLE * normal(rng, size) for angle in calorimeter]
    return {
        "vz": quantise(objects.vz, VZ_STEP),
        "tkEta": round_mantissa(track[0]),
        "tkPhi": round_mantissa(wrap_phi(track[1])),
        "tkPt": round_mantissa(pt),
        "caloEta": quantise(cluster[0], ANGLE_STEP),
        "caloPhi": quantise(wrap_phi(cluster[1]), ANGLE_STEP),
    }
