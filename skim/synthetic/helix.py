"""The way of charged particles from the beam line to the calorimeter."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from skim.synthetic.drawing import Floats, Particles, wrap_phi

SPEED_OF_LIGHT: Final = 0.299792458
"""GeV / (T m): the radius of a track in metres is pt / (this * field)."""
FIELD: Final = 3.8
"""Magnetic field of CMS [T]."""
CALORIMETER_RADIUS: Final = 1.29
"""Inner radius of the barrel calorimeter [m]."""
CALORIMETER_Z: Final = 3.2
"""Distance of the endcap calorimeters from the centre [m]."""


def propagate(pt: Floats, eta: Floats, vz: Floats) -> tuple[Floats, Floats]:
    """Follow a unit charge from the beam line to the calorimeter on a helix.

    No energy is lost on the way.

    Parameters
    ----------
    pt, eta
        At the beam line, in GeV.
    vz
        Origin in cm.

    Returns
    -------
    tuple
        eta of the impact point as seen from the centre, and the fall of phi for charge +1 [rad].
    """
    diameter = 2 / (SPEED_OF_LIGHT * FIELD) * pt
    slope = np.sinh(eta)
    start = 0.01 * vz
    turn = np.arcsin(np.minimum(CALORIMETER_RADIUS / diameter, 1))
    z = start + diameter * turn * slope
    endcap = np.abs(z) > CALORIMETER_Z
    wall = np.copysign(CALORIMETER_Z, slope)
    # inside the barrel the slope may be zero and is not used
    turn_endcap = (wall - start) / (np.where(endcap, slope, 1) * diameter)
    turn = np.where(endcap, turn_endcap, turn)
    radius = np.where(endcap, diameter * np.sin(np.minimum(turn, np.pi / 2)), CALORIMETER_RADIUS)
    return np.arcsinh(np.where(endcap, wall, z) / radius), turn


def at_calorimeter(particles: Particles) -> Particles:
    """Replace the directions at the vertex by those of the impact points on the calorimeter."""
    eta, turn = propagate(particles.pt, particles.eta, particles.vz)
    return replace(particles, eta=eta, phi=wrap_phi(particles.phi - particles.charge * turn))
