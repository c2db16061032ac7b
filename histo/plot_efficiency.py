"""Figures of efficiencies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histo.efficiency import Efficiency
from histo.plot import COLORS, METADATA, mathtext, new_figure, require, write_around
from runtime.files import replace_file
from schemas.errors import UsageError

MARKERS = "osD^v<>p"


def draw_efficiencies(
    curves: Sequence[tuple[str, Efficiency]], path: Path, *, title: str = "", text: str = ""
) -> None:
    """Draw efficiencies over each other, as points with their intervals.

    Parameters
    ----------
    curves
        Legend label (TLatex) and efficiency.
    path, title, text
        As in `histo.plot.draw`.

    Raises
    ------
    UsageError
        For another suffix, or if matplotlib and mplhep are not installed.
    """
    if path.suffix not in METADATA:
        raise UsageError(f"{path}: figures are written to .png or .pdf")
    matplotlib = require("matplotlib")
    style = require("mplhep").style.CMS
    with matplotlib.rc_context(style):
        figure = new_figure()
        axes = figure.add_subplot()
        for index, (label, curve) in enumerate(curves):
            there = np.isfinite(curve.values)
            edges, values = curve.edges, curve.values[there]
            centres = (edges[:-1] + edges[1:])[there] / 2
            axes.errorbar(
                centres,
                values,
                xerr=[centres - edges[:-1][there], edges[1:][there] - centres],
                yerr=[values - curve.lower[there], curve.upper[there] - values],
                fmt=MARKERS[index % len(MARKERS)],
                color=COLORS[index % len(COLORS)],
                markersize=5,
                linewidth=1,
                label=mathtext(label),
            )
        axes.axhline(1, color="grey", linewidth=1, linestyle=":")
        axes.set_xlim(curves[0][1].edges[0], curves[0][1].edges[-1])
        axes.set_ylim(0, 1.08 + 0.06 * len(curves))
        axes.set_xlabel(mathtext(curves[0][1].label))
        axes.set_ylabel("Efficiency")
        axes.legend(loc="upper right", fontsize="x-small")
        write_around(figure, axes, title, text)
        with replace_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=METADATA[path.suffix])
