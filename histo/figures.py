"""All figures of a configuration: the selections of one collection share a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from histo.efficiency import efficiency
from histo.expand import Entry, expand
from histo.plot import draw
from histo.plot_efficiency import draw_efficiencies
from histo.result import FilledHistogram, HistogramFile
from schemas.errors import UsageError
from schemas.event_schema import EVENT
from schemas.histo_config import HistoConfig

MAX_CURVES = 8
"""Curves that a figure can hold and still be read; more selections continue on the next one."""


@dataclass
class _Figure:
    """What goes to one file: curves, and for efficiencies what each is divided by."""

    title: str
    curves: list[tuple[str, FilledHistogram]] = field(default_factory=list)
    totals: list[FilledHistogram] = field(default_factory=list)


def draw_figures(
    config: HistoConfig, files: Mapping[str, HistogramFile], folder: Path, kind: str
) -> list[Path]:
    """Draw every one- and two-dimensional histogram of a configuration; counters and norms not.

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
    figures: dict[str, _Figure] = {}
    for entry in expand(config):
        if entry.kind in ("counter", "norm", "denominator"):
            continue
        for name, file in files.items():
            histogram = _find(entry.name, name, file)
            total = None
            if entry.kind == "numerator":
                total = _find(entry.name.replace("/h_effNum_", "/h_effDen_"), name, file)
            if len(histogram.axes) > (1 if total else 2):
                continue
            stem = name if len(files) > 1 else ""
            figure = figures.setdefault(
                _figure_name(entry, histogram, stem, figures), _Figure(_title(entry))
            )
            label = f"{entry.legend} ({Path(name).stem})" if stem else entry.legend
            figure.curves.append((label, histogram))
            figure.totals += [total] if total else []
    folder.mkdir(parents=True, exist_ok=True)
    return [_draw(figure, folder / f"{name}.{kind}") for name, figure in figures.items()]


def _draw(figure: _Figure, path: Path) -> Path:
    if figure.totals:
        curves = zip(figure.curves, figure.totals, strict=True)
        efficiencies = [(label, efficiency(part, whole)) for (label, part), whole in curves]
        draw_efficiencies(efficiencies, path, title=figure.title)
    elif len(figure.curves) == 1:
        ((label, histogram),) = figure.curves
        draw([("", histogram)], path, title=f"{figure.title} {label}".strip())
    else:
        draw(figure.curves, path, title=figure.title)
    return path


def _find(name: str, file: str, content: HistogramFile) -> FilledHistogram:
    if name not in content.histograms:
        raise UsageError(
            f"{file} has no histogram {name!r}; was it filled with another configuration? run "
            "'histo run' again"
        )
    return content.histograms[name]


def _title(entry: Entry) -> str:
    if entry.collection == EVENT:
        return ""
    return f"{entry.collection}, {entry.gen.name}" if entry.gen else str(entry.collection)


def _figure_name(
    entry: Entry, histogram: FilledHistogram, file: str, figures: Mapping[str, _Figure]
) -> str:
    """Return the name of the figure that a histogram goes to."""
    if len(histogram.axes) > 1:
        stem = f"{entry.name}_{Path(file).stem}" if file else entry.name
        return stem.replace("/", "_")
    parts = [entry.group, "" if entry.collection == EVENT else str(entry.collection)]
    parts += [entry.gen.name if entry.gen else "", entry.key]
    stem = "_".join(part for part in parts if part)
    number, name = 1, stem
    while name in figures and len(figures[name].curves) >= MAX_CURVES:
        number += 1
        name = f"{stem}_{number}"
    return name
