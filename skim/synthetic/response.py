"""How a detector sees particles: efficiency, resolution, split clusters and pile-up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from skim.synthetic.drawing import (
    Particles,
    either,
    exponential,
    normal,
    owners,
    power_law,
    uniform,
    wrap_phi,
)
from skim.synthetic.truth import BEAM_LENGTH, signs

SPLIT_FRACTION: Final = 0.06
"""Of the true clusters leave a second, softer one beside them."""
SPLIT_SHARE: Final = (0.1, 0.5)
"""Its share of the pt."""
SPLIT_ANGLES: Final = (0.01, 0.03)
"""Its distance from the first in eta and in phi [rad]."""
FLIP_FRACTION: Final = 0.02
"""Of the tracks of electrons get the wrong charge."""
TRACK_VZ: Final = 0.15
"""Resolution of z at the beam line [cm]."""
PT_SHARE_MINIMUM: Final = 0.05
"""Least measured pt over the true one."""


@dataclass(frozen=True)
class Response:
    """How a subsystem sees true particles.

    Attributes
    ----------
    plateau, turn_on, width
        Efficiency: height, and centre and width of its logistic rise [GeV].
    core, stochastic
        Relative pt resolution ``core (+) stochastic / sqrt(pt)``.
    loss
        Mean relative loss of pt of every electron.
    brem_fraction, brem_loss
        Fraction that radiates hard, and its mean relative loss: the tail to low pt.
    angle
        Resolution of eta and of phi [rad].
    """

    plateau: float
    turn_on: float
    width: float
    core: float
    stochastic: float
    loss: float
    brem_fraction: float
    brem_loss: float
    angle: float


TRACKED: Final = Response(0.925, 4.7, 1.0, 0.032, 0.08, 0.012, 0.10, 0.13, 0.0055)
"""Calorimeter and track."""
CALORIMETER: Final = replace(TRACKED, plateau=0.957)
ENDCAP: Final = Response(0.98, 2.5, 0.8, 0.048, 0.1, 0.015, 0.10, 0.13, 0.005)
TRACKER: Final = Response(0.96, 2.2, 0.6, 0.018, 0.0, 0.01, 0.15, 0.17, 0.001)


def accept(rng: np.random.Generator, truth: Particles, response: Response) -> Particles:
    """Lose the particles that are not found."""
    efficiency = response.plateau / (1 + np.exp((response.turn_on - truth.pt) / response.width))
    return truth.take(rng.random(truth.pt.size, dtype=np.float32) < efficiency)


def smear(rng: np.random.Generator, found: Particles, response: Response) -> Particles:
    """Measure particles, in the frame of their directions."""
    size = found.pt.size
    width = np.hypot(response.core, response.stochastic / np.sqrt(found.pt))
    hard = rng.random(size, dtype=np.float32) < response.brem_fraction
    loss = exponential(rng, size) * either(hard, response.brem_loss, response.loss)
    flip = rng.random(size, dtype=np.float32) < FLIP_FRACTION
    return replace(
        found,
        pt=found.pt * np.maximum(1 + width * normal(rng, size) - loss, PT_SHARE_MINIMUM),
        eta=found.eta + response.angle * normal(rng, size),
        phi=wrap_phi(found.phi + response.angle * normal(rng, size)),
        charge=np.where(flip, -found.charge, found.charge),
        vz=found.vz + TRACK_VZ * normal(rng, size),
        signal=np.ones(size, np.bool_),
    )


def split(rng: np.random.Generator, found: Particles) -> Particles:
    """Make the second clusters that showers leave beside the true ones, mostly along phi."""
    some = found.take(rng.random(found.pt.size, dtype=np.float32) < SPLIT_FRACTION)
    size = some.pt.size
    return replace(
        some,
        pt=some.pt * uniform(rng, *SPLIT_SHARE, size),
        eta=some.eta + SPLIT_ANGLES[0] * normal(rng, size),
        phi=wrap_phi(some.phi + SPLIT_ANGLES[1] * normal(rng, size)),
        signal=np.zeros(size, np.bool_),
    )


def pile_up(
    rng: np.random.Generator,
    events: int,
    rate: float,
    pt: tuple[float, float],
    abs_eta: tuple[float, float],
) -> Particles:
    """Draw objects that come from other collisions.

    Parameters
    ----------
    rate
        Mean number per event.
    pt
        Lowest pt [GeV] and power of the falling spectrum.
    abs_eta
        Range of |eta|, in which they are flat.
    """
    event = owners(rng, rate, events)
    size = event.size
    return Particles(
        event=event,
        pt=power_law(rng, *pt, size),
        eta=uniform(rng, *abs_eta, size) * signs(rng, size),
        phi=uniform(rng, -np.pi, np.pi, size),
        charge=signs(rng, size),
        vz=BEAM_LENGTH * normal(rng, size),
        signal=np.zeros(size, np.bool_),
    )


def inside(particles: Particles, low: float, high: float) -> Particles:
    """Keep what a region covers."""
    abs_eta = np.abs(particles.eta)
    return particles.take((abs_eta > low) & (abs_eta < high))
