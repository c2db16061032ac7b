"""From counts of events to trigger rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.events import Array

BUNCHES = 2760
"""Bunches per beam in the nominal filling scheme of the High-Luminosity LHC (Technical Design
Report, CERN-2020-010); Level-1 rate studies take all of them to collide in CMS."""

ORBIT_FREQUENCY = 11_246
"""Revolutions of a proton per second [Hz]: the speed of light over the LHC's 26,659 m (LHC Design
Report, CERN-2004-003), rounded up as Level-1 rate studies do."""

COLLISION_RATE = BUNCHES * ORBIT_FREQUENCY / 1000
"""Bunch crossings per second [kHz], 31,038.96: the rate of a trigger that accepts all of them."""


def passed_thresholds(values: Array, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count for each value the thresholds that it reaches: the lower edges of the bins.

    Compared in float64 with the edges as the axis gives them, which is not the same as the bin of
    the value: the lower edge of bin 7 of 100 from 0 to 100 is 7.000000000000001.
    """
    return np.searchsorted(edges[:-1], values.astype(np.float64), side="right")


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
