"""Figures of histograms in the style of CMS.

Figures are objects of their own, apart from pyplot and its list of open ones, so that drawing
leaves nothing behind; files carry no date, so that equal figures are equal bytes.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from histo.result import FilledHistogram
from histo.tlatex import to_mathtext
from runtime.files import replace_file
from schemas.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A logarithmic scale pays where the largest bin exceeds a typical filled one by this factor.
_LOG_RANGE = 100.0
# The ten-colour sequence of CMS, safe for colour-blind readers: M. Petroff, arXiv:2107.02270.
COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
# Edges of the bins of a curve, N + 1, and where its error bars end, N.
_Top = tuple[npt.NDArray[Any], npt.NDArray[Any]]
METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def draw(
    curves: Sequence[tuple[str, FilledHistogram]],
    path: Path,
    *,
    title: str = "",
    text: str = "",
    ylabel: str = "Entries",
) -> None:
    """Draw histograms of one dimension over each other, or one of two as a colour map.

    Contents are drawn as they are: not normalised, not divided by the widths of the bins, without
    under- and overflow.

    Parameters
    ----------
    curves
        Legend label and histogram. The axis label is that of the first; labels are TLatex, and
        an empty one stays out of the legend.
    path
        Ends in ``.png`` or ``.pdf``; an older file is replaced.
    title
        Above the plot on the right, such as the sample; TLatex.
    text
        What follows "CMS" above the plot on the left, such as ``Phase-2 Simulation``. Nothing
        claims to be from CMS without it.
    ylabel
        Of the bin contents, TLatex; also of the scale of colours.

    Raises
    ------
    UsageError
        Nothing to draw, histograms that do not go together, another suffix, or matplotlib and
        mplhep are not installed.
    """
    dimensions = {len(histogram.axes) for _, histogram in curves}
    if path.suffix not in METADATA:
        raise UsageError(f"{path}: figures are written to .png or .pdf")
    if dimensions not in ({1}, {2}) or (dimensions == {2} and len(curves) > 1):
        names = ", ".join(histogram.name for _, histogram in curves) or "nothing"
        raise UsageError(
            f"{path}: a figure shows histograms of one dimension, or one of two; got {names}"
        )
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it first")
    matplotlib = require("matplotlib")
    style = require("mplhep").style.CMS
    with matplotlib.rc_context(style):
        figure = new_figure()
        axes = figure.add_subplot()
        if dimensions == {1}:
            _draw_curves(figure, axes, curves, ylabel)
        else:
            _draw_map(figure, axes, curves[0][1], ylabel)
        write_around(figure, axes, title, text)
        with replace_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=METADATA[path.suffix])


def poisson_errors(counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the lengths of 68.3% intervals of Poisson counts, zero for empty bins.

    Wilson and Hilferty's approximation of the chi-squared quantiles, as in N. Gehrels, ApJ 303
    (1986) 336: right to 2%, far below what a figure shows.

    Parameters
    ----------
    counts
        ``N`` counts, none negative.

    Returns
    -------
    array
        ``2 * N``: downwards and upwards.
    """
    n = counts.astype(np.float64)
    filled = np.maximum(n, 1.0)
    lower = filled * (1 - 1 / (9 * filled) - 1 / (3 * np.sqrt(filled))) ** 3
    upper = (filled + 1) * (1 - 1 / (9 * (filled + 1)) + 1 / (3 * np.sqrt(filled + 1))) ** 3
    return np.where(n > 0, np.stack([filled - lower, upper - filled]), 0.0)


def new_figure() -> Figure:
    """Return an empty figure that no list of pyplot's knows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_curves(
    figure: Figure, axes: Axes, curves: Sequence[tuple[str, FilledHistogram]], ylabel: str
) -> None:
    mplhep = require("mplhep")
    lines = []
    tops = []
    for i, (label, histogram) in enumerate(curves):
        edges = histogram.axes[0].edges
        values = histogram.values()[1:-1]
        deviations = np.sqrt(histogram.variances()[1:-1])
        errors = np.stack([deviations] * 2) if histogram.weighted else poisson_errors(values)
        (curve,) = mplhep.histplot(
            values,
            edges,
            yerr=errors,
            ax=axes,
            color=COLORS[i % len(COLORS)],
            linestyle=("-", "--", ":", "-.")[i // len(COLORS) % 4],
            linewidth=2,
            flow="none",
        )
        for bars in curve.errorbar.lines[2]:
            bars.set(linewidth=1, linestyle="-")
        tops.append((edges, values + errors[1]))
        if label:
            lines.append(curve.stairs)
            curve.stairs.set_label(mathtext(label))
    first = curves[0][1]
    _name_bins(axes, first, "x", 0)
    axes.set_xlim(first.axes[0].edges[0], first.axes[0].edges[-1])
    if _is_logarithmic(first.axes[0].edges):
        axes.set_xscale("log")
    axes.set_ylabel(mathtext(ylabel))
    _scale(axes, np.concatenate([histogram.values()[1:-1] for _, histogram in curves]), tops)
    if lines:
        size = "small" if len(lines) <= 6 else "x-small"
        axes.legend(handles=lines, loc="upper right", fontsize=size, ncols=1 + len(lines) // 11)
        _make_room(figure, axes, tops)


def _draw_map(figure: Figure, axes: Axes, histogram: FilledHistogram, label: str) -> None:
    from matplotlib.colors import LogNorm

    values = histogram.values()[1:-1, 1:-1].astype(np.float64)
    logarithmic = _spans_decades(values)
    # white says that nothing is there, which no colour does
    shown = np.ma.masked_where(values == 0, values)
    mesh = axes.pcolormesh(
        *(axis.edges for axis in histogram.axes),
        shown.T,
        cmap="viridis",
        norm=LogNorm() if logarithmic else None,
        rasterized=True,
    )
    bar = figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label(mathtext(label))
    for position, which in enumerate("xy"):
        _name_bins(axes, histogram, which, position)
        if _is_logarithmic(histogram.axes[position].edges):
            getattr(axes, f"set_{which}scale")("log")


def _name_bins(axes: Axes, histogram: FilledHistogram, which: str, position: int) -> None:
    getattr(axes, f"set_{which}label")(mathtext(histogram.labels[position]))
    axis = histogram.axes[position]
    if axis.categories is not None:
        shown = [mathtext(category) for category in axis.categories]
        getattr(axes, f"set_{which}ticks")(axis.centers, shown)
        axes.tick_params(axis=which, which="minor", length=0)  # type: ignore[arg-type]  # "x" or "y"


def _spans_decades(values: npt.NDArray[Any]) -> bool:
    filled = values[values > 0]
    return bool(
        filled.size > 1 and values.min() >= 0 and filled.max() > _LOG_RANGE * np.median(filled)
    )


def _is_logarithmic(edges: npt.NDArray[Any]) -> bool:
    """Whether bins have one width on a logarithmic scale."""
    return bool(
        len(edges) > 2
        and edges[0] > 0
        and np.allclose(np.diff(np.log(edges)), math.log(edges[-1] / edges[0]) / (len(edges) - 1))
    )


def _scale(axes: Axes, values: npt.NDArray[Any], tops: list[_Top]) -> None:
    filled = values[values > 0]
    if not filled.size or np.nanmin(values) < 0:
        return
    highest = max(float(np.nanmax(top)) for _, top in tops)
    if _spans_decades(values):
        axes.set_yscale("log")
        axes.set_ylim(0.5 * filled.min(), 2 * highest)
    else:
        axes.set_ylim(0, 1.1 * highest)


def _make_room(figure: Figure, axes: Axes, tops: list[_Top]) -> None:
    """Raise the upper end of the scale until all bins below the legend end below it."""
    legend = axes.get_legend()
    if legend is None:
        return
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    left = axes.transData.inverted().transform((box.x0, box.y0))[0]
    share = max(0.3, axes.transAxes.inverted().transform((box.x0, box.y0))[1] - 0.03)
    below = np.concatenate([top[edges[1:] > left] for edges, top in tops])
    below = below[np.isfinite(below)]
    low, high = axes.get_ylim()
    top = float(below.max(initial=low))
    if axes.get_yscale() == "log":
        needed = low * (top / low) ** (1 / share)
    else:
        needed = low + (top - low) / share
    axes.set_ylim(low, max(high, needed))


def write_around(figure: Figure, axes: Axes, title: str, text: str) -> None:
    """Write title and text above a plot, as large as both fit."""
    left = 0.0
    if text:
        written = require("mplhep").cms.text(text=mathtext(text), ax=axes, loc=0)
        figure.draw_without_rendering()
        left = max(part.get_window_extent().x1 for part in written if part is not None)
    if title:
        heading = axes.set_title(mathtext(title), loc="right", fontsize="small")
        figure.draw_without_rendering()
        box = heading.get_window_extent()
        # as large as fits between the text and the corner, with a gap
        free = box.x1 - left - 20
        if free < box.width:
            heading.set_fontsize(heading.get_fontsize() * max(0.2, free / box.width))


def mathtext(label: str) -> str:
    """Convert a label, or take it literally if that makes no sense to matplotlib."""
    from matplotlib.mathtext import MathTextParser

    converted = to_mathtext(label)
    try:
        MathTextParser("path").parse(converted)
    except ValueError:
        return label.replace("$", r"\$")
    return converted


def require(module: str) -> Any:
    """Import what figures need.

    Raises
    ------
    UsageError
        That says which extra to install, if it is missing.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"figures need {error.name}, which is not installed: pip install 'l1skim[plots]'"
        ) from error
