"""From counts of events to trigger rates."""

from __future__ import annotations

import numpy as np

from schemas.events import Array

BUNCHES = 2760
"""Bunches per beam in the nominal filling scheme of the High-Luminosity LHC (Technical Design
Report, CERN-2020-010); Level-1 rate studies take all of them to collide in CMS."""

ORBIT_FREQUENCY = 11_246
"""Revolutions of a proton per second [Hz]: the speed of light over the LHC's 26,659 m (LHC Design
Report, CERN-2004-003), rounded up as Level-1 rate studies do."""

COLLISION_RATE = BUNCHES * ORBIT_FREQUENCY / 1000
"""Bunch crossings per second [kHz], 31,038.96: the rate of a trigger that accepts all of them."""


def cumulative(passed: Array) -> Array:
    """Turn entries by number of passed thresholds into entries above each threshold.

    Parameters
    ----------
    passed
        n + 2 entries for n thresholds: how many values pass exactly that many of them.

    Returns
    -------
    numpy.ndarray
        n + 2 bins, flow bins (empty) included.
    """
    result = np.zeros_like(passed)
    result[1:-1] = np.cumsum(passed[::-1])[::-1][1:-1]
    return result
