"""All figures of a configuration: the selections of one collection share a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from histo.expand import Entry, expand
from histo.plot import draw
from histo.result import FilledHistogram, HistogramFile
from schemas.errors import UsageError
from schemas.histo_config import HistoConfig

MAX_CURVES = 8
"""Curves that a figure can hold and still be read; more selections continue on the next one."""


def draw_figures(
    config: HistoConfig, files: Mapping[str, HistogramFile], folder: Path, kind: str
) -> list[Path]:
    """Draw every one- and two-dimensional histogram of a configuration.

    Parameters
    ----------
    config
        Says which histograms belong together and what they are called.
    files
        What was filled, by the name of the file.
    folder
        Where the figures go, as ``group_collection_name.png``; created if missing.
    kind
        ``png`` or ``pdf``.

    Returns
    -------
    list of Path
        The figures, in the order of the configuration.

    Raises
    ------
    UsageError
        If a file lacks a histogram of the configuration.
    """
    figures: dict[str, list[tuple[str, FilledHistogram]]] = {}
    titles: dict[str, str] = {}
    for entry in expand(config):
        for name, file in files.items():
            histogram = file.histograms.get(entry.name)
            if histogram is None:
                raise UsageError(
                    f"{name} has no histogram {entry.name!r}; was it filled with another "
                    "configuration? run 'histo run' again"
                )
            if histogram.contents.ndim > 2:
                continue
            figure = _figure(entry, histogram, name if len(files) > 1 else "", figures)
            label = entry.legend if len(files) == 1 else f"{entry.legend} ({Path(name).stem})"
            figures.setdefault(figure, []).append((label, histogram))
            titles[figure] = "" if entry.collection == "event" else str(entry.collection)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for figure, curves in figures.items():
        path = folder / f"{figure.replace('/', '_')}.{kind}"
        single = len(curves) == 1
        title = " ".join([titles[figure], curves[0][0]]).strip() if single else titles[figure]
        draw([("", curves[0][1])] if single else curves, path, title=title)
        drawn.append(path)
    return drawn


def _figure(
    entry: Entry,
    histogram: FilledHistogram,
    file: str,
    figures: Mapping[str, list[tuple[str, FilledHistogram]]],
) -> str:
    """Return the name of the figure that a histogram goes to."""
    if histogram.contents.ndim > 1:
        return f"{entry.name}_{Path(file).stem}" if file else entry.name
    stem = f"{entry.group}/{entry.collection}_{entry.key}"
    if entry.collection == "event":
        stem = f"{entry.group}/{entry.key}"
    number = 1
    name = stem
    while len(figures.get(name, ())) >= MAX_CURVES:
        number += 1
        name = f"{stem}_{number}"
    return name
