"""What stage two produces: filled histograms, and where they came from.

Writers, readers, the comparison and the figures all meet here, so this module fixes the one point
on which file formats differ: which flow bins an axis has. ROOT always has an under- and an
overflow bin; boost-histogram leaves out those that an axis cannot need (a category has no
underflow, a boolean neither). :meth:`FilledHistogram.values` always has both, empty if missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boost_histogram as bh
import numpy as np
import numpy.typing as npt

from schemas.errors import UsageError


@dataclass(frozen=True)
class FilledHistogram:
    """A histogram with the words that explain it.

    Attributes
    ----------
    name
        ``folder/name``, or ``name`` without a folder; unique in a file.
    title
        One line for people, in ROOT's TLatex.
    labels
        One label an axis, in ROOT's TLatex with the unit, such as ``p_{T} [GeV]``.
    contents
        The bins, of any number of dimensions; ``Int64`` storage for unweighted counts, ``Weight``
        for weighted ones.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    contents: bh.Histogram[Any]

    def __post_init__(self) -> None:
        if len(self.labels) != self.contents.ndim:
            raise UsageError(
                f"histogram {self.name!r} needs one label an axis ({self.contents.ndim}), "
                f"got {len(self.labels)}: {', '.join(self.labels)}"
            )
        if self.contents.kind != "COUNT":
            raise UsageError(
                f"histogram {self.name!r} must hold counts or sums of weights, "
                f"got the profile storage {self.contents.storage_type.__name__}"
            )

    @property
    def weighted(self) -> bool:
        """Whether variances are kept apart from the contents."""
        return issubclass(self.contents.storage_type, bh.storage.Weight)

    def values(self) -> npt.NDArray[Any]:
        """Return the bin contents, ``(n + 2)`` an axis: underflow first, overflow last."""
        return _with_both_flow_bins(self.contents, self.contents.values(flow=True))

    def variances(self) -> npt.NDArray[Any]:
        """Return the variances in the shape of :meth:`values`; the contents if unweighted."""
        variances = self.contents.variances(flow=True)
        if variances is None:  # a scaled histogram of a plain storage: nothing better is known
            return self.values()
        return _with_both_flow_bins(self.contents, variances)


@dataclass(frozen=True)
class HistogramFile:
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
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, histogram in self.histograms.items():
            if key != histogram.name:
                raise UsageError(f"histogram {histogram.name!r} is filed under {key!r}")


def axis_categories(axis: Any) -> tuple[str, ...] | None:
    """Return the bin labels of a category axis, and None for an axis with numeric edges."""
    if isinstance(axis, bh.axis.StrCategory | bh.axis.IntCategory):
        return tuple(str(category) for category in axis)
    return None


def _with_both_flow_bins(histogram: bh.Histogram[Any], bins: npt.NDArray[Any]) -> npt.NDArray[Any]:
    shape = tuple(axis.size + 2 for axis in histogram.axes)
    if bins.shape == shape:
        return bins
    padded = np.zeros(shape, dtype=bins.dtype)
    starts = [0 if axis.traits.underflow else 1 for axis in histogram.axes]
    place = tuple(
        slice(start, start + length) for start, length in zip(starts, bins.shape, strict=True)
    )
    padded[place] = bins
    return padded
