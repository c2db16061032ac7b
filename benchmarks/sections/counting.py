"""Counting events and objects that pass a cut: against engines that do nothing else."""

from __future__ import annotations

import numpy as np

from benchmarks.checks import read_counts, require_same
from benchmarks.inputs import CONFIGS, histo
from benchmarks.measure import Contender, python, side_by_side
from benchmarks.report import Section, usage_table
from benchmarks.sections import Settings

OURS = "histo run"


def measure(settings: Settings) -> Section:
    """Measure the same question on the same dataset."""
    inputs, work = settings.inputs, settings.inputs.work
    dataset = inputs.eg_dataset()
    outputs = {"polars": work / "polars.npy", "DuckDB": work / "duckdb.npy"}
    found = side_by_side(
        {
            OURS: histo(CONFIGS / "counting.yaml", dataset, work / "counts.json"),
            **{
                name: Contender(python("peers.counting", name.lower(), dataset, "-o", output))
                for name, output in outputs.items()
            },
        },
        settings.rounds,
    )
    events, electrons = counts = read_counts(work / "counts.json")
    for name, output in outputs.items():
        require_same(name, np.load(output), counts)
    return Section(
        "Counting",
        [
            f"Electrons with pt > 20 GeV, |eta| < 1.5, identified and isolated, in the dataset of "
            f"{inputs.events:,} events: {electrons:,} in {events:,} events, say all three."
        ],
        [usage_table(found, OURS)],
    )
