"""Efficiencies and turn-ons from histograms of passed and of all entries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histo.result import FilledHistogram
from schemas.errors import UsageError

COVERAGE = 0.682689492137086
"""Of the intervals: that of one standard deviation of a normal distribution."""


@dataclass(frozen=True)
class Efficiency:
    """Passed over total in the bins of one axis, flow bins left out.

    Attributes
    ----------
    edges
        n + 1.
    values
        n; NaN where there are no entries.
    lower, upper
        Ends of the intervals, n; NaN where there are no entries.
    label
        Of the axis.
    """

    edges: NDArray[np.float64]
    values: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    label: str


def efficiency(
    passed: FilledHistogram, total: FilledHistogram, coverage: float = COVERAGE
) -> Efficiency:
    """Divide two histograms of counts, with Clopper-Pearson intervals.

    Parameters
    ----------
    passed, total
        One-dimensional and unweighted, with the same axis; every entry of the first is one of the
        second.
    coverage
        Of the intervals, at least: C. Clopper and E. S. Pearson, Biometrika 26 (1934) 404.

    Raises
    ------
    UsageError
        If the histograms are weighted, have more dimensions or different axes, or more entries
        passed than there are.
    """
    from hist.intervals import clopper_pearson_interval

    names = f"{passed.name!r} and {total.name!r}"
    if passed.weighted or total.weighted:
        raise UsageError(f"{names}: Clopper-Pearson intervals need counts, not sums of weights")
    if len(passed.axes) != 1 or passed.axes != total.axes:
        raise UsageError(f"{names} do not have one and the same axis")
    numerator, denominator = passed.values()[1:-1], total.values()[1:-1]
    if np.any(numerator > denominator):
        raise UsageError(f"{names}: more entries passed than there are")
    with np.errstate(divide="ignore", invalid="ignore"):
        values = numerator / denominator
    lower, upper = clopper_pearson_interval(numerator, denominator, coverage)
    empty = denominator == 0
    return Efficiency(
        edges=total.axes[0].edges,
        values=values,
        lower=np.where(empty, np.nan, lower),
        upper=np.where(empty, np.nan, upper),
        label=total.labels[0],
    )
