"""The tracks and the jets of the trigger."""

from __future__ import annotations

from typing import Final

import numpy as np

from skim.synthetic.drawing import (
    VZ_STEP,
    Columns,
    Floats,
    Particles,
    choose,
    concatenate,
    normal,
    quantise,
    round_mantissa,
    uniform,
    wrap_phi,
)
from skim.synthetic.helix import propagate
from skim.synthetic.response import TRACKER, Response, accept, inside, pile_up, smear
from skim.synthetic.truth import JET_INDEX, JET_PT, Process

JET: Final = Response(0.98, 2.0, 1.0, 0.14, 0.0, 0.0, 0.0, 0.0, 0.017)
"""Particle-flow jets; they lose nothing, being calibrated."""
JET_PT_MINIMUM: Final = 5.0
"""Lowest pt of a pile-up jet [GeV]."""
JET_ETA_LIMIT: Final = 4.8
JET_PILEUP: Final = 4.5
"""Mean number of pile-up jets per minimum-bias event."""
JET_MASS: Final = (0.03, 0.15)
"""Mass of a generated jet over its pt."""
PILEUP_JET_MASS: Final = (0.03, 0.25)
"""Mass of a jet of the trigger over its pt: pile-up widens it."""
DAUGHTERS: Final = 3.7
"""Mean number of constituents of a jet of 1 GeV."""
DAUGHTERS_GROWTH: Final = 0.32
"""Power of the pt with which it grows."""
NO_MATCH_DR: Final = 99.9
"""``gendr`` of a jet without a generated one."""
TRACK_PT: Final = 2.0
"""Lowest pt at which the track finder works [GeV]."""
TRACK_INDEX: Final = 2.6
"""Power of the falling pt of pile-up tracks."""
HIT_PATTERNS: Final = {15: 130, 31: 238, 63: 134, 79: 130, 95: 234, 127: 134}
"""Odds of the patterns of layers with hits."""
STUBS: Final = 0b111111
"""The bits of a pattern that count as stubs."""
CHI2_STEPS: Final = (0, 0.25, 0.5, 1, 2, 3, 5, 7, 10, 20, 40, 100, 200, 500, 1000, 3000)
"""Lower edges of the bins in which the hardware keeps chi2 / degrees of freedom."""
CHI2_ODDS: Final = (86, 181, 202, 171, 126, 90, 61, 38, 22, 12, 6, 3, 1, 0.4, 0.3, 0.3)
CHI2: Final = dict(zip(CHI2_STEPS, CHI2_ODDS, strict=True))
CHI2_BEND: Final = {0: 103, 0.75: 222, 1: 253, 1.5: 196, 2.25: 122, 3.5: 61, 5: 27, 20: 16}
MVA_QUALITY: Final = dict(enumerate((35, 100, 153, 168, 160, 134, 100, 150)))


def find_tracks(
    rng: np.random.Generator,
    truth: Particles,
    process: Process,
    events: int,
    rate: float,
    abs_eta: tuple[float, float],
) -> tuple[Particles, Columns]:
    """Reconstruct the tracks of a region.

    Parameters
    ----------
    truth
        Charged particles at the vertex.
    rate
        Mean number of pile-up tracks per minimum-bias event.
    abs_eta
        Range of |eta| at the vertex.
    """
    found = smear(rng, accept(rng, truth, TRACKER), TRACKER)
    noise = pile_up(rng, events, rate * process.pileup_tracks, (TRACK_PT, TRACK_INDEX), abs_eta)
    tracks = concatenate([inside(found, *abs_eta), noise])
    tracks = tracks.take(tracks.pt >= TRACK_PT).ordered()
    size = tracks.pt.size
    eta, turn = propagate(tracks.pt, tracks.eta, tracks.vz)
    pattern = choose(rng, HIT_PATTERNS, size).astype(np.int32)
    return tracks, {
        "pt": round_mantissa(tracks.pt),
        "phi": round_mantissa(tracks.phi),
        "eta": round_mantissa(tracks.eta),
        "caloPhi": round_mantissa(wrap_phi(tracks.phi - tracks.charge * turn)),
        "caloEta": round_mantissa(eta),
        "vz": quantise(tracks.vz, VZ_STEP),
        "chi2RPhi": choose(rng, CHI2, size),
        "chi2RZ": choose(rng, CHI2, size),
        "chi2Bend": choose(rng, CHI2_BEND, size),
        "hitPattern": pattern,
        "nStubs": np.bitwise_count(pattern & STUBS).astype(np.int32),
        "mvaQual": choose(rng, MVA_QUALITY, size).astype(np.int32),
    }


def generated_jets(rng: np.random.Generator, jets: Particles) -> tuple[Particles, Columns]:
    """List the generated jets above threshold.

    Parameters
    ----------
    jets
        In order, down to any pt.
    """
    kept = jets.take(jets.pt > JET_PT)
    return kept, {
        "pt": kept.pt,
        "eta": kept.eta,
        "phi": kept.phi,
        "mass": kept.pt * uniform(rng, *JET_MASS, kept.pt.size),
        "nDau": count_daughters(rng, kept.pt),
    }


def find_jets(
    rng: np.random.Generator, truth: Particles, process: Process, events: int
) -> tuple[Particles, Columns]:
    """Reconstruct particle-flow jets, each with the pt and the distance of its generated jet."""
    matched = accept(rng, truth, JET)
    found = smear(rng, matched, JET)
    noise = pile_up(
        rng,
        events,
        JET_PILEUP * process.pileup_objects,
        (JET_PT_MINIMUM, JET_INDEX),
        (0, JET_ETA_LIMIT),
    )
    distance = np.hypot(found.eta - matched.eta, wrap_phi(found.phi - matched.phi))
    blank = np.zeros(noise.pt.size, np.float32)
    jets = concatenate([found, noise])
    order = jets.order()
    jets = jets.take(order)
    return jets, {
        "pt": jets.pt,
        "eta": jets.eta,
        "phi": jets.phi,
        "mass": jets.pt * uniform(rng, *PILEUP_JET_MASS, jets.pt.size),
        "genpt": np.concatenate([matched.pt, blank])[order],
        "gendr": np.concatenate([distance, blank + NO_MATCH_DR])[order],
        "nDau": count_daughters(rng, jets.pt),
    }


def count_daughters(rng: np.random.Generator, pt: Floats) -> Floats:
    """Draw the numbers of constituents, near Poisson."""
    mean = DAUGHTERS * pt**DAUGHTERS_GROWTH
    numbers: Floats = np.maximum(np.rint(mean + np.sqrt(mean) * normal(rng, pt.size)), 1)
    return numbers
