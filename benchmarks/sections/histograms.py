"""200 histograms of one collection, in every tool that makes histograms."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import job
from benchmarks.checks import read_job, require_same
from benchmarks.inputs import HISTOGRAMS, histo
from benchmarks.measure import Contender, python, run_json, side_by_side
from benchmarks.report import Section, Table, at_least, seconds, usage_table
from benchmarks.sections import Settings

OURS = "histo run"
EAGER = "eager: uproot, awkward, hist"
FLAT = "eager, columns flattened first"
DECODE = "Arrow"

OFTEN = 9
"""Repetitions in each round of what takes a tenth of a second."""


def measure(settings: Settings) -> Section:
    """Measure whole processes, then ours and the eager ones without their start-up."""
    inputs, work = settings.inputs, settings.inputs.work
    ntuples, dataset = f"{inputs.ntuples()}/*.root", inputs.clusters_dataset()
    peers = {
        EAGER: ["peers.eager", ntuples],
        FLAT: ["peers.eager", ntuples, "--style", "flat"],
        "dask-awkward, hist.dask, from ROOT": ["peers.lazy", ntuples],
        "dask-awkward, hist.dask, from Parquet": ["peers.lazy", str(dataset)],
        "RDataFrame, 2 threads": ["peers.rdataframe", ntuples],
    }
    results = {name: work / f"peer{number}.npy" for number, name in enumerate(peers)}
    commands = {
        name: Contender(python(*words, "-o", results[name])) for name, words in peers.items()
    }
    # what takes a third of a second needs more rounds than what takes ten, and no such neighbours
    pair = {OURS: histo(HISTOGRAMS, dataset, work / "job.root"), EAGER: commands[EAGER]}
    others = {name: contender for name, contender in commands.items() if name not in pair}
    found = side_by_side(pair, 3 * settings.rounds) | side_by_side(others, settings.rounds)
    ours = read_job(work / "job.root")
    for name, path in results.items():
        require_same(name, np.load(path), ours, job.histogram_names())
    medians = _inside(
        {
            OURS: python("inside", HISTOGRAMS, dataset, "--repeat", OFTEN),
            EAGER: [*commands[EAGER].command, "--repeat", "2"],
            FLAT: [*commands[FLAT].command, "--repeat", "2"],
            DECODE: python("peers.decode", dataset, "--repeat", OFTEN),
        },
        2 * settings.rounds + 1,  # a spell of the machine may last for several commands
    )
    floor = medians.pop(DECODE)[1] / 2
    rows = [
        [name, seconds(took), seconds(processor), f"{took / medians[OURS][0]:.1f}"]
        for name, (took, processor) in medians.items()
    ]
    events = inputs.events
    objects = int(ours[0].sum())
    return Section(
        "200 histograms of one collection",
        [
            f"20 selections x 10 variables of {objects:,} {job.COLLECTION} in {events:,} events, "
            f"{ours.sum() / 1e6:,.0f} million entries. All tools agree in every bin, flow bins "
            "included. Below, the same without start-up: repeated in one process, from opening "
            "the files to filled histograms.",
        ],
        [
            usage_table(found, OURS),
            Table(["inside the process", "seconds", "processor s", f"times {OURS}"], rows),
        ],
        [
            at_least(
                f"2. 200 histograms of {events:,} events, whole process, against the eager script",
                found[EAGER].seconds / found[OURS].seconds,
                10,
            ),
            at_least(
                "2. the same inside the process", medians[EAGER][0] / medians[OURS][0], 40
            ),
        ],
        [
            f"Arrow alone takes {2 * floor:.2f} s of processor time to decode the columns of this "
            f"job, {floor:.2f} s on two cores: what decodes with Arrow and then fills in no time "
            f"at all would be {medians[EAGER][0] / floor:.0f} times as fast as the eager script "
            "inside the process. `histo run` decodes the values without their levels, and looks "
            f"bins up while it decodes. Its {seconds(medians[OURS][1])} s of processor time take "
            f"{seconds(medians[OURS][0])} s on two threads. What is left is below, in *Where the "
            "time goes*."
        ],
    )  # fmt: skip


def _inside(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, tuple[float, float]]:
    """Run commands in turns that time themselves repeatedly, since a slow spell is to hit all.

    Returns
    -------
    dict
        Medians of elapsed and processor seconds over all repetitions, by name.
    """
    found: dict[str, dict[str, list[float]]] = {
        name: {"seconds": [], "processor": []} for name in commands
    }
    for _ in range(rounds):
        for name, command in commands.items():
            for clock, took in run_json(command).items():
                found[name][clock] += took
    return {
        name: (statistics.median(took["seconds"]), statistics.median(took["processor"]))
        for name, took in found.items()
    }
