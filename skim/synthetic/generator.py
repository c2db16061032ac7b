"""A chunk of synthetic events: every collection and singleton of a FastPUPPI ntuple."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from skim.synthetic.clusters import find_clusters
from skim.synthetic.drawing import (
    Columns,
    Floats,
    Integers,
    Particles,
    concatenate,
    exponential,
    normal,
    round_mantissa,
    uniform,
    wrap_phi,
)
from skim.synthetic.egamma import FINDERS, find_egammas
from skim.synthetic.helix import at_calorimeter
from skim.synthetic.tracks import find_jets, find_tracks, generated_jets
from skim.synthetic.truth import (
    PROCESSES,
    PROMPT,
    Kind,
    Process,
    draw_prompt,
    generate_truth,
)

EVENTS_PER_BLOCK: Final = 100
"""Events of one luminosity block."""
LAST_BUNCH: Final = 3563
"""Highest number of a bunch crossing in the LHC."""
BARREL_TRACKS: Final = (20.0, (0.0, 1.55))
"""Mean number of pile-up tracks in a minimum-bias event, and their range of |eta|."""
ENDCAP_TRACKS: Final = (16.0, (1.4, 2.5))
PF_SCALE: Final = 1.1
"""Measured over generated missing pt."""
PUPPI_SCALE: Final = 0.9
PION_FROM_TAU: Final = 0.3
"""Fraction of the generated pions that are prompt."""


@dataclass(frozen=True)
class Collection:
    """Objects of consecutive events.

    Attributes
    ----------
    counts
        Number in each event, ``N * int32``.
    fields
        Flat arrays of ``counts.sum()`` values, ordered by event and falling pt.
    """

    counts: Integers
    fields: Columns


@dataclass(frozen=True)
class Chunk:
    """Consecutive events.

    Attributes
    ----------
    singletons
        One value per event, by branch.
    collections
        Objects, by the prefix of their branches.
    """

    singletons: Columns
    collections: dict[str, Collection]


def generate(kind: Kind, first: int, events: int, rng: np.random.Generator) -> Chunk:
    """Generate a chunk of events.

    Parameters
    ----------
    kind
        Process and amount of pile-up.
    first
        Number of events of the sample before this chunk.
    events
        Number of events; 0 gives the schema.
    rng
        Source of all randomness; the same state gives the same chunk.
    """
    process = PROCESSES[kind]
    truth = generate_truth(rng, process, events)
    found: dict[str, tuple[Particles, Columns]] = {
        "GenEl": list_generated(truth.electrons, draw_prompt(rng, truth.electrons)),
        "GenPh": list_generated(
            truth.photons, PROMPT + happens(rng, truth.photons, process.tau_photons)
        ),
        "GenPi": list_generated(truth.pions, PROMPT * happens(rng, truth.pions, PION_FROM_TAU)),
        "GenJets": generated_jets(rng, truth.jets),
    }
    electrons = at_calorimeter(truth.electrons)
    showering = concatenate([electrons, at_calorimeter(truth.photons)])
    for finder in FINDERS:
        seen = showering
        if finder.content == "electron":
            seen = truth.electrons if finder.at_vertex else electrons
        found[finder.name] = find_egammas(rng, finder, seen, process, events)
    found["HGCal3DCl"] = find_clusters(rng, showering, process, events)
    charged = concatenate([truth.electrons, truth.pions])
    found["DecTkBarrel"] = find_tracks(rng, charged, process, events, *BARREL_TRACKS)
    found["DecTkHgcal"] = find_tracks(rng, charged, process, events, *ENDCAP_TRACKS)
    found["L1PFJets"] = find_jets(rng, truth.jets, process, events)
    return Chunk(
        singletons=number_events(rng, process, first, events) | sum_missing(rng, process, events),
        collections={
            name: Collection(objects.counts(events), columns)
            for name, (objects, columns) in found.items()
        },
    )


def list_generated(particles: Particles, prompt: Integers) -> tuple[Particles, Columns]:
    """List generated particles, with impact points on the calorimeter, which are not rounded."""
    impact = at_calorimeter(particles)
    return particles, {
        "pt": round_mantissa(particles.pt),
        "phi": round_mantissa(particles.phi),
        "eta": round_mantissa(particles.eta),
        "vz": round_mantissa(particles.vz),
        "charge": particles.charge.astype(np.int32),
        "prompt": prompt.astype(np.int32),
        "caloeta": impact.eta,
        "calophi": impact.phi,
    }


def happens(rng: np.random.Generator, particles: Particles, fraction: float) -> Integers:
    """Draw 1 for a fraction of the particles and 0 for the others."""
    return (rng.random(particles.pt.size, dtype=np.float32) < fraction).astype(np.int32)


def number_events(rng: np.random.Generator, process: Process, first: int, events: int) -> Columns:
    """Give events their numbers, luminosity blocks and bunch crossings."""
    index = np.arange(first, first + events, dtype=np.uint64)
    return {
        "run": np.ones(events, np.uint32),
        "luminosityBlock": (process.first_block + 1 + index // EVENTS_PER_BLOCK).astype(np.uint32),
        "event": process.first_event + 1 + index,
        "bunchCrossing": rng.integers(1, LAST_BUNCH + 1, size=events, dtype=np.uint32),
    }


def sum_missing(rng: np.random.Generator, process: Process, events: int) -> Columns:
    """Draw missing momenta: generated and measured, with the parts along and across the former."""
    pt = process.gen_met * exponential(rng, events)
    phi = uniform(rng, -np.pi, np.pi, events)
    columns: Columns = {"genMet_pt": pt, "genMet_phi": wrap_phi(phi)}
    for name, scale, resolution in (
        ("L1PFMet", PF_SCALE, process.pf_resolution),
        ("L1PuppiMet", PUPPI_SCALE, process.puppi_resolution),
    ):
        along: Floats = scale * pt + resolution * normal(rng, events)
        across: Floats = resolution * normal(rng, events)
        columns[f"{name}_pt"] = np.hypot(along, across)
        columns[f"{name}_phi"] = wrap_phi(phi + np.arctan2(across, along))
        columns[f"{name}_para"] = along
        columns[f"{name}_perp"] = across
    return columns
