"""Whether two histogram files say the same, whatever formats they are in.

Axes are compared by what they mean: a category by its labels, every other axis by its edges. So the
integer axis of a ``.json`` equals the regular one that a ``.root`` made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from histo.axis_bins import AxisBins
from histo.result import FilledHistogram, HistogramFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

What = Literal["missing in A", "missing in B", "axes", "title", "labels", "contents", "variances"]

# Edges are computed, not stored, for regular and transformed axes, and each library rounds in its
# own way; as a fraction of the edge and of the narrowest bin.
_EDGE_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Difference:
    """One way in which two files disagree about a histogram.

    Attributes
    ----------
    name
        The histogram.
    what
        What differs. If axes do, bins are not compared.
    bins
        How many bins differ, under- and overflow included; 0 if it is not about bins.
    largest
        Largest absolute difference; infinite or NaN if a bin is so in one of the files.
    where
        The bin of the largest difference, such as ``p_{T} in [3, 4)``.
    in_a, in_b
        What the files say there: values of that bin, or texts.
    """

    name: str
    what: What
    bins: int = 0
    largest: float = 0.0
    where: str = ""
    in_a: float | str = ""
    in_b: float | str = ""


def compare(
    a: HistogramFile, b: HistogramFile, *, contents_only: bool = False, rtol: float = 0.0
) -> list[Difference]:
    """Compare two files bin by bin, under- and overflow included.

    Provenance may differ, and so may how the bins are stored. NaN equals NaN.

    Parameters
    ----------
    a, b
        The files.
    contents_only
        Leave titles, labels and variances aside.
    rtol
        How far contents and variances may differ, as a fraction of the larger one.

    Returns
    -------
    list of Difference
        In the order of ``a``, then what only ``b`` has; empty if the files say the same.
    """
    differences: list[Difference] = []
    for name, first in a.histograms.items():
        if name in b.histograms:
            differences += _compare(first, b.histograms[name], contents_only, rtol)
        else:
            differences.append(Difference(name, "missing in B"))
    differences += [Difference(n, "missing in A") for n in b.histograms if n not in a.histograms]
    return differences


def render(differences: Sequence[Difference]) -> Table:
    """Return a table for the terminal, one row a difference."""
    from rich.table import Table
    from rich.text import Text

    table = Table("histogram", "differs")
    for heading in ("bins", "largest"):
        table.add_column(heading, justify="right")
    table.add_column("where")
    for heading in ("A", "B"):
        table.add_column(heading, justify="right")
    for difference in differences:
        bins = (str(difference.bins), _text(difference.largest)) if difference.bins else ("", "")
        cells = (
            difference.name,
            difference.what,
            *bins,
            difference.where,
            _text(difference.in_a),
            _text(difference.in_b),
        )
        table.add_row(*(Text(cell) for cell in cells))  # as Text: a "[GeV]" is no markup
    return table


def _compare(
    a: FilledHistogram, b: FilledHistogram, contents_only: bool, rtol: float
) -> Iterator[Difference]:
    if not contents_only and a.title != b.title:
        yield Difference(a.name, "title", in_a=a.title, in_b=b.title)
    if not contents_only and a.labels != b.labels:
        yield Difference(a.name, "labels", in_a="; ".join(a.labels), in_b="; ".join(b.labels))
    axes = a.axes, b.axes
    if len(axes[0]) != len(axes[1]) or not all(map(_same_axis, *axes)):
        described = ["; ".join(_describe(axis) for axis in side) for side in axes]
        yield Difference(a.name, "axes", in_a=described[0], in_b=described[1])
        return
    yield from _compare_bins(a, "contents", a.values(), b.values(), rtol)
    if not contents_only and (a.weighted or b.weighted):  # else they are the contents once more
        yield from _compare_bins(a, "variances", a.variances(), b.variances(), rtol)


def _same_axis(a: AxisBins, b: AxisBins) -> bool:
    if a.size != b.size or a.categories != b.categories:
        return False
    if a.categories is not None:
        return True
    tolerance = _EDGE_TOLERANCE * float(np.min(np.diff(a.edges)))
    return bool(np.allclose(a.edges, b.edges, rtol=_EDGE_TOLERANCE, atol=tolerance))


def _compare_bins(
    histogram: FilledHistogram,
    what: What,
    a: npt.NDArray[Any],
    b: npt.NDArray[Any],
    rtol: float,
) -> Iterator[Difference]:
    if np.array_equal(a, b):  # nearly always, and integers need no conversion for it
        return
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf
        distance = np.abs(a - b)
        scale = np.maximum(np.abs(a), np.abs(b))
        same = (
            (a == b)
            | (np.isnan(a) & np.isnan(b))
            | (np.isfinite(scale) & (distance <= rtol * scale))
        )
    if same.all():
        return
    # a bin that is NaN on one side only is further away than any number
    ranked = np.where(same, -1.0, np.where(np.isnan(distance), np.inf, distance))
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(ranked)), ranked.shape))
    yield Difference(
        histogram.name,
        what,
        bins=int(np.count_nonzero(~same)),
        largest=float(distance[index]),
        where=", ".join(
            _describe_bin(
                axis, bin_number, label.partition(" [")[0] or "xyz"[i : i + 1] or f"axis{i}"
            )
            for i, (axis, bin_number, label) in enumerate(
                zip(histogram.axes, index, histogram.labels, strict=True)
            )
        ),
        in_a=float(a[index]),
        in_b=float(b[index]),
    )


def _describe(axis: AxisBins) -> str:
    if axis.categories is not None:
        return f"categories {', '.join(axis.categories)}"
    widths = np.diff(axis.edges)
    kind = "bins" if np.allclose(widths, widths[:1]) else "variable bins"
    return f"{axis.size} {kind} in [{axis.edges[0]:.12g}, {axis.edges[-1]:.12g})"


def _describe_bin(axis: AxisBins, number: int, name: str) -> str:
    """Name a bin, counting from the underflow at 0."""
    if axis.categories is not None:
        inside = 0 < number <= len(axis.categories)
        return f"{name} = {axis.categories[number - 1]!r}" if inside else f"{name} in no category"
    if number == 0:
        return f"{name} < {axis.edges[0]:.6g}"
    if number > axis.size:
        return f"{name} >= {axis.edges[-1]:.6g}"
    return f"{name} in [{axis.edges[number - 1]:.6g}, {axis.edges[number]:.6g})"


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"
