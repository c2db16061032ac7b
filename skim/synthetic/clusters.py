"""The clusters of the endcap calorimeter.

In every pair of constants the first is for electromagnetic showers and the second for all others.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from skim.synthetic.drawing import (
    ANGLE_STEP,
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
)
from skim.synthetic.response import ENDCAP, accept, inside, pile_up, smear, split
from skim.synthetic.showers import LAYERS, measure_layers, measure_widths
from skim.synthetic.truth import Process

ENDCAP_ETA: Final = (1.5, 3.05)
"""Range of |eta| of the endcap calorimeter."""
CLUSTER_PT: Final = 1.0
"""Lowest pt of a cluster [GeV]."""
CLUSTER_PILEUP: Final = 14.9
"""Mean number of pile-up clusters per minimum-bias event."""
SHAPE_BITS: Final = 10
"""Explicit mantissa bits that are kept of shapes and scores."""
EM_FRACTION: Final = (0.97, 0.12)
"""Showers that look electromagnetic: of true particles, and of all others."""
QUIET_HADRONIC: Final = (0.5, 0.13)
"""Fraction of the showers without hadronic energy."""
HOE: Final = (0.06, 0.95)
"""Mean hadronic over electromagnetic energy of the rest."""
CELLS: Final = (19.0, 8.5)
"""Mean number of trigger cells at 1 GeV."""
CELLS_GROWTH: Final = (0.5, 0.35)
"""Power of the pt with which it grows."""
CELLS67: Final = (0.15, 0.35)
"""Range of the share of the cells that hold 67 % of the energy, for all showers."""
CELLS90: Final = (0.4, 0.75)
"""The same for 90 %."""
EM_SCORE: Final = (0.7, -0.55)
"""Mean score of being electromagnetic, before it is bent into (-1, 1)."""
EM_WIDTH: Final = 0.55
EM_PASS: Final = 0.05
"""Lowest ``pfEmIdScore`` that passes."""
EG_SHARE: Final = 0.85
"""What the e/g identification has in common with that score."""
EG_EXCESS: Final = (0.05, 0.0)
EG_WIDTH: Final = 0.15
PILEUP_SCORE: Final = (0.8, -0.4)
"""Mean score of not being pile-up."""
PILEUP_WIDTH: Final = 0.65
PILEUP_PASS: Final = -0.1
"""Lowest ``pfPuIdScore`` that passes."""
PU_LOGIT: Final = (0.3, -1.0)
"""Logit of the pile-up class: constant, and slope in ``pfEmIdScore``."""
PI_WIDTH: Final = 0.25
"""Spread of the logit of the pion class around 0."""
EM_LOGIT: Final = (0.1, 1.1)
"""Logit of the electromagnetic class, like that of pile-up."""
EM_QUALITY: Final = {0: 0.03, 2: 0.05, 3: 0.92}
"""Odds of each hwQual of electromagnetic showers: bits 1 tight, 2 loose."""
OTHER_QUALITY: Final = {0: 0.59, 2: 0.19, 3: 0.22}

FIELDS: Final = (
    *("pt", "phi", "eta", "nTcs", "ptEm", "hwQual", "showerlength", "coreshowerlength"),
    *("firstlayer", "maxlayer", "seetot", "seemax", "spptot", "sppmax", "szz", "srrtot", "srrmax"),
    *("srrmean", "emaxe", "hoe", "meanz", "layer10", "layer50", "layer90", "ntc67", "ntc90"),
    *("varRR", "varZZ", "varEtaEta", "varPhiPhi"),
    *(f"{group}{layers}layers" for group in LAYERS for layers in (1, 3, 5)),
    *("eot", "ebm0", "ebm1", "hbm", "pfPuIdScore", "pfEmIdScore", "egEmIdScore"),
    *("pfPuIdPass", "pfEmIdPass"),
    *("multiClassPuIdScore", "multiClassPiIdScore", "multiClassEmIdScore"),
)
"""In the order of the branches."""


def find_clusters(
    rng: np.random.Generator, truth: Particles, process: Process, events: int
) -> tuple[Particles, Columns]:
    """Reconstruct the clusters of the endcaps.

    Parameters
    ----------
    truth
        Electrons and photons at the calorimeter.
    """
    found = inside(smear(rng, accept(rng, truth, ENDCAP), ENDCAP), *ENDCAP_ETA)
    noise = pile_up(
        rng,
        events,
        CLUSTER_PILEUP * process.pileup_tracks,
        (CLUSTER_PT, process.pileup_index),
        ENDCAP_ETA,
    )
    seen = concatenate([found, split(rng, found), noise])
    clusters = inside(seen.take(seen.pt >= CLUSTER_PT), *ENDCAP_ETA).ordered()
    size = clusters.pt.size
    em = rng.random(size, dtype=np.float32) < either(clusters.signal, *EM_FRACTION)
    shapes = (
        measure_widths(rng, em)
        | measure_layers(rng, em)
        | count_cells(rng, clusters.pt, em)
        | identify(rng, em)
    )
    hadronic = rng.random(size, dtype=np.float32) > either(em, *QUIET_HADRONIC)
    hoe = np.where(hadronic, exponential(rng, size) * either(em, *HOE), 0)
    shapes["hoe"] = hoe
    columns = {
        name: round_mantissa(values, SHAPE_BITS) if values.dtype == np.float32 else values
        for name, values in shapes.items()
    }
    columns |= {
        "pt": quantise_pt(clusters.pt),
        "phi": quantise(clusters.phi, ANGLE_STEP),
        "eta": quantise(clusters.eta, ANGLE_STEP),
        "ptEm": quantise_pt(clusters.pt / (1 + hoe)),
    }
    return clusters, {name: columns[name] for name in FIELDS}


def count_cells(rng: np.random.Generator, pt: Floats, em: Booleans) -> Columns:
    """Draw the numbers of trigger cells, near Poisson, and patterns of energy bits."""
    size = pt.size
    mean = either(em, *CELLS) * pt ** either(em, *CELLS_GROWTH)
    cells = np.maximum(np.rint(mean + np.sqrt(mean) * normal(rng, size)), 1)
    return {
        "nTcs": cells.astype(np.int32),
        "ntc67": np.maximum(np.rint(cells * uniform(rng, *CELLS67, size)), 1),
        "ntc90": np.maximum(np.rint(cells * uniform(rng, *CELLS90, size)), 1),
        "ebm0": rng.integers(1 << 4, size=size, dtype=np.int32),
        "ebm1": rng.integers(1 << 4, size=size, dtype=np.int32),
        "hbm": rng.integers(1 << 6, size=size, dtype=np.int32),
    }


def identify(rng: np.random.Generator, em: Booleans) -> Columns:
    """Draw the scores and decisions of the identification."""
    size = em.size
    electromagnetic = either(em, *EM_SCORE) + EM_WIDTH * normal(rng, size)
    eg = EG_SHARE * electromagnetic + either(em, *EG_EXCESS) + EG_WIDTH * normal(rng, size)
    pf_em = np.tanh(electromagnetic)
    pf_pileup = np.tanh(either(em, *PILEUP_SCORE) + PILEUP_WIDTH * normal(rng, size))
    # the class scores are a softmax, so they add up to 1 before rounding
    odds = [
        np.exp(PU_LOGIT[0] + PU_LOGIT[1] * pf_em),
        np.exp(PI_WIDTH * normal(rng, size)),
        np.exp(EM_LOGIT[0] + EM_LOGIT[1] * pf_em),
    ]
    total = odds[0] + odds[1] + odds[2]
    quality = np.where(
        em,
        choose(rng, EM_QUALITY, size),
        choose(rng, OTHER_QUALITY, size),
    )
    return {
        "hwQual": quality.astype(np.int32),
        "pfPuIdScore": pf_pileup,
        "pfEmIdScore": pf_em,
        "egEmIdScore": np.tanh(eg),
        "pfPuIdPass": pf_pileup > PILEUP_PASS,
        "pfEmIdPass": pf_em > EM_PASS,
        "multiClassPuIdScore": odds[0] / total,
        "multiClassPiIdScore": odds[1] / total,
        "multiClassEmIdScore": odds[2] / total,
    }
