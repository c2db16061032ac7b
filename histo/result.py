"""What stage two produces: filled histograms, and where they came from.

Writers, readers, the comparison and the figures all meet here, so this module fixes the one point
on which file formats differ: which flow bins an axis has. ROOT always has an under- and an
overflow bin; boost-histogram leaves out those that an axis cannot need (a category has no
underflow, a boolean neither). :meth:`FilledHistogram.values` always has both, empty if missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from histo.axis_bins import AxisBins, bins_of_made
from histo.book import make_axis
from schemas.axes import Axis
from schemas.errors import UsageError

if TYPE_CHECKING:
    import boost_histogram as bh


class Bins(Struct, frozen=True, eq=False):
    """The bins of a histogram as plain arrays.

    To make a histogram object of boost-histogram and to look into it takes 60 us, more than all
    else that happens to a small histogram between being filled and being written.

    Attributes
    ----------
    configured
        The axes, as the configuration has them.
    axes
        Their bins; several histograms may share them.
    values
        Contents with the flow bins that the axes have: int64 counts, or float64 sums of weights.
    squares
        Sums of squared weights; None for counts.
    """

    configured: tuple[Axis, ...]
    axes: tuple[AxisBins, ...]
    values: npt.NDArray[Any]
    squares: npt.NDArray[np.float64] | None = None

    def to_histogram(self) -> bh.Histogram[Any]:
        """Return a histogram of ``Int64`` or ``Weight`` storage."""
        import boost_histogram as bh

        axes = [make_axis(axis) for axis in self.configured]
        if self.squares is None:
            counts = bh.Histogram(*axes, storage=bh.storage.Int64())
            counts.view(flow=True)[...] = self.values
            return counts
        sums = bh.Histogram(*axes, storage=bh.storage.Weight())
        view = sums.view(flow=True)
        view["value"], view["variance"] = self.values, self.squares
        return sums


class FilledHistogram(Struct, frozen=True, eq=False, dict=True):
    """A histogram with the words that explain it.

    Attributes
    ----------
    name
        ``folder/name``, or ``name`` without a folder; unique in a file.
    title
        One line for people, in ROOT's TLatex.
    labels
        One label an axis, in ROOT's TLatex with the unit, such as ``p_{T} [GeV]``.
    filled
        The bins, of any number of dimensions. A histogram object has ``Int64`` storage for
        unweighted counts, ``Weight`` for weighted ones.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    filled: bh.Histogram[Any] | Bins

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.axes):
            raise UsageError(
                f"histogram {self.name!r} needs one label an axis ({len(self.axes)}), "
                f"got {len(self.labels)}: {', '.join(self.labels)}"
            )
        if not isinstance(self.filled, Bins) and self.filled.kind != "COUNT":
            raise UsageError(
                f"histogram {self.name!r} must hold counts or sums of weights, "
                f"got the profile storage {self.filled.storage_type.__name__}"
            )

    def __eq__(self, other: object) -> bool:
        """Tell whether another histogram has the same words, axes and bins."""
        if not isinstance(other, FilledHistogram):
            return NotImplemented
        words = (self.name, self.title, self.labels) == (other.name, other.title, other.labels)
        return words and bool(self.contents == other.contents)

    __hash__ = None  # type: ignore[assignment]  # bins can be changed

    @cached_property
    def axes(self) -> tuple[AxisBins, ...]:
        """The bins of each axis."""
        if isinstance(self.filled, Bins):
            return self.filled.axes
        return tuple(map(bins_of_made, self.filled.axes))

    @cached_property
    def contents(self) -> bh.Histogram[Any]:
        """The bins as a histogram object."""
        return self.filled.to_histogram() if isinstance(self.filled, Bins) else self.filled

    @property
    def weighted(self) -> bool:
        """Whether variances are kept apart from the contents."""
        if isinstance(self.filled, Bins):
            return self.filled.squares is not None
        from boost_histogram.storage import Weight

        return issubclass(self.filled.storage_type, Weight)

    def values(self) -> npt.NDArray[Any]:
        """Return the bin contents, ``(n + 2)`` an axis: underflow first, overflow last."""
        if isinstance(self.filled, Bins):
            return _with_both_flow_bins(self.axes, self.filled.values)
        return _with_both_flow_bins(self.axes, self.filled.values(flow=True))

    def variances(self) -> npt.NDArray[Any]:
        """Return the variances in the shape of :meth:`values`; the contents if unweighted."""
        variances: npt.NDArray[Any] | None
        if isinstance(self.filled, Bins):
            variances = self.filled.squares
        else:
            variances = self.filled.variances(flow=True)
        if variances is None:  # counts; or a scaled histogram of a plain storage
            return self.values()
        return _with_both_flow_bins(self.axes, variances)


class HistogramFile(Struct, frozen=True):
    """All histograms of one run, in the order in which they were configured.

    Attributes
    ----------
    histograms
        By name.
    provenance
        What they were made from, ready for JSON: dataset and its digest, normalised
        configuration and its hash, versions.
    """

    histograms: dict[str, FilledHistogram]
    provenance: dict[str, Any] = {}

    def __post_init__(self) -> None:
        for key, histogram in self.histograms.items():
            if key != histogram.name:
                raise UsageError(f"histogram {histogram.name!r} is filed under {key!r}")


def _with_both_flow_bins(axes: Sequence[AxisBins], bins: npt.NDArray[Any]) -> npt.NDArray[Any]:
    shape = tuple(axis.size + 2 for axis in axes)
    if bins.shape == shape:
        return bins
    padded = np.zeros(shape, dtype=bins.dtype)
    starts = [0 if axis.underflow else 1 for axis in axes]
    place = tuple(
        slice(start, start + length) for start, length in zip(starts, bins.shape, strict=True)
    )
    padded[place] = bins
    return padded
