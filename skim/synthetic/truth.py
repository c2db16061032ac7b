"""The generated particles of the synthetic sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np

from skim.synthetic.drawing import (
    Floats,
    Integers,
    Particles,
    choose,
    concatenate,
    exponential,
    normal,
    owners,
    power_law,
    uniform,
    wrap_phi,
)

Kind: TypeAlias = Literal["doubleele", "minbias"]

BEAM_LENGTH: Final = 4.2
"""Standard deviation of the vertices along the beam [cm]."""
ETA_LIMIT: Final = 3.0
"""Generated particles have a lower |eta|; the endcap calorimeter ends there."""

GUN_PT: Final = (1.0, 100.0)
"""Range of the flat pt of the gun electrons [GeV]."""
ELECTRON_PT: Final = 2.0
"""Generated electrons and pions below are not kept [GeV]."""
PHOTON_PT: Final = 5.0
"""Generated photons below are not kept [GeV]."""
JET_PT: Final = 15.0
"""Generated jets below are not kept [GeV]."""
JET_ETA_LIMIT: Final = 4.5
CLOSE_FRACTION: Final = 0.03
"""Fraction of the events with both electrons within `CLOSE_DISTANCE`."""
CLOSE_DISTANCE: Final = 0.2
"""Largest hypot(eta, phi) of a close pair [rad]."""
SOFT_INDEX: Final = 2.4
"""Power of the falling pt of non-prompt electrons and of pions."""
SOFT_PROMPT: Final = {0: 0.64, 1: 0.17, 3: 0.19}
"""``prompt`` of the electrons that are not the gun's, and how often."""
JET_EXCESS: Final = 0.02
"""Mean of what an electron's jet holds besides it, relative to its pt."""
PHOTON_INDEX: Final = 1.7
JET_INDEX: Final = 2.5
PROMPT: Final = 2
"""``prompt`` of a particle of the hard process: 2 * isPrompt + isDirectPromptTauDecay."""


@dataclass(frozen=True)
class Process:
    """What distinguishes the kinds of sample.

    Attributes
    ----------
    gun_electrons
        Shoot two electrons in every event.
    soft_electrons, photons, pions, jets
        Mean numbers per event.
    tau_photons
        Fraction of the photons that come from a tau (``prompt`` 3).
    pileup_objects, pileup_tracks
        Number of e/g objects and jets, and of tracks and clusters, that pile-up makes, relative to
        minimum bias.
    pileup_index
        Power of the falling pt of what pile-up makes in the calorimeter.
    gen_met, pf_resolution, puppi_resolution
        Mean generated missing pt, and resolution of a component of the measured ones [GeV].
    first_event, first_block
        What the numbering starts after; the kinds never share a number, and all exceed 32 bits.
    """

    gun_electrons: bool
    soft_electrons: float
    photons: float
    tau_photons: float
    pions: float
    jets: float
    pileup_objects: float
    pileup_tracks: float
    pileup_index: float
    gen_met: float
    pf_resolution: float
    puppi_resolution: float
    first_event: int
    first_block: int


PROCESSES: Final[Mapping[Kind, Process]] = {
    "doubleele": Process(
        gun_electrons=True,
        soft_electrons=0.15,
        photons=0.25,
        tau_photons=0.28,
        pions=0.58,
        jets=1.25,
        pileup_objects=1.28,
        pileup_tracks=1.5,
        pileup_index=2.2,
        gen_met=4.0,
        pf_resolution=28.5,
        puppi_resolution=14.2,
        first_event=10_000_000_000,
        first_block=100,
    ),
    "minbias": Process(
        gun_electrons=False,
        soft_electrons=0.0,
        photons=0.01,
        tau_photons=0.0,
        pions=0.1,
        jets=0.055,
        pileup_objects=1.0,
        pileup_tracks=1.0,
        pileup_index=2.55,
        gen_met=2.0,
        pf_resolution=23.8,
        puppi_resolution=11.9,
        first_event=1_010_000_000_000,
        first_block=10_100,
    ),
}


@dataclass(frozen=True)
class Truth:
    """The generated particles of a chunk, each collection ordered by event and falling pt.

    Attributes
    ----------
    electrons, photons, pions
        At the vertex; ``signal`` marks the gun's electrons.
    jets
        All generated jets, those of the electrons included, down to the lowest electron.
    """

    electrons: Particles
    photons: Particles
    pions: Particles
    jets: Particles


def generate_truth(rng: np.random.Generator, process: Process, events: int) -> Truth:
    """Generate the particles of a chunk of events."""
    vertex = BEAM_LENGTH * normal(rng, events)

    def shower(rate: float, minimum: float, index: float, charged: bool) -> Particles:
        event = owners(rng, rate, events)
        return particles_like(
            rng, event, power_law(rng, minimum, index, event.size), vertex, charged
        )

    electrons = shower(process.soft_electrons, ELECTRON_PT, SOFT_INDEX, charged=True)
    if process.gun_electrons:
        electrons = concatenate([shoot_pairs(rng, vertex), electrons])
    jets = shower(process.jets, JET_PT, JET_INDEX, charged=False)
    jets = replace(jets, eta=jets.eta * (JET_ETA_LIMIT / ETA_LIMIT))
    gun = electrons.take(electrons.signal)
    from_gun = replace(gun, pt=gun.pt * (1 + JET_EXCESS * exponential(rng, gun.pt.size)))
    return Truth(
        electrons=electrons.ordered(),
        photons=shower(process.photons, PHOTON_PT, PHOTON_INDEX, charged=False).ordered(),
        pions=shower(process.pions, ELECTRON_PT, SOFT_INDEX, charged=True).ordered(),
        jets=concatenate([from_gun, jets]).ordered(),
    )


def particles_like(
    rng: np.random.Generator, event: Integers, pt: Floats, vertex: Floats, charged: bool
) -> Particles:
    """Send particles of known pt from their event's vertex, flat in eta and phi."""
    size = event.size
    return Particles(
        event=event,
        pt=pt,
        eta=uniform(rng, -ETA_LIMIT, ETA_LIMIT, size),
        phi=uniform(rng, -np.pi, np.pi, size),
        charge=signs(rng, size) if charged else np.zeros(size, np.float32),
        vz=vertex[event],
        signal=np.zeros(size, np.bool_),
    )


def signs(rng: np.random.Generator, size: int) -> Floats:
    """Draw charges, as often -1 as 1."""
    return (2 * rng.integers(2, size=size, dtype=np.int8) - 1).astype(np.float32)


def shoot_pairs(rng: np.random.Generator, vertex: Floats) -> Particles:
    """Shoot two electrons of opposite charge in each event, and keep those above threshold."""
    events = vertex.size
    eta = uniform(rng, -ETA_LIMIT, ETA_LIMIT, (events, 2))
    phi = uniform(rng, -np.pi, np.pi, (events, 2))
    close = np.flatnonzero(rng.random(events, dtype=np.float32) < CLOSE_FRACTION)
    distance = CLOSE_DISTANCE * np.sqrt(rng.random(close.size, dtype=np.float32))
    angle = uniform(rng, -np.pi, np.pi, close.size)
    eta[close, 1] = np.clip(eta[close, 0] + distance * np.cos(angle), -ETA_LIMIT, ETA_LIMIT)
    phi[close, 1] = phi[close, 0] + distance * np.sin(angle)
    first = signs(rng, events)
    both = Particles(
        event=np.repeat(np.arange(events), 2),
        pt=uniform(rng, *GUN_PT, 2 * events),
        eta=eta.ravel(),
        phi=wrap_phi(phi.ravel()),
        charge=np.stack([first, -first], axis=1).ravel(),
        vz=np.repeat(vertex, 2),
        signal=np.ones(2 * events, np.bool_),
    )
    return both.take(both.pt > ELECTRON_PT)


def draw_prompt(rng: np.random.Generator, electrons: Particles) -> Integers:
    """Say where electrons come from: the gun's are prompt, the others rarely."""
    soft = choose(rng, SOFT_PROMPT, electrons.pt.size)
    return np.where(electrons.signal, PROMPT, soft).astype(np.int32)
