"""Stage two against the least that it has to do: decode the columns."""

from __future__ import annotations

import statistics

from benchmarks.inputs import HISTOGRAMS, histo
from benchmarks.measure import Contender, python, run_json, side_by_side
from benchmarks.report import Section, Table, at_most, seconds, usage_table
from benchmarks.sections import Settings

OURS = "histo run, 200 histograms"
PLAIN = "pyarrow, decode the columns"
CHECKED = "pyarrow, decode and verify pages"


def measure(settings: Settings) -> Section:
    """Measure processor time, with start-up and without."""
    inputs, copies = settings.inputs, settings.copies[0]
    dataset = inputs.clusters_dataset(copies)
    commands = {
        PLAIN: python("peers.decode", dataset),
        CHECKED: python("peers.decode", dataset, "--checksums"),
    }
    contenders = {name: Contender(words) for name, words in commands.items()}
    job = histo(HISTOGRAMS, dataset, inputs.work / "many.root")
    found = side_by_side({OURS: job, **contenders}, settings.rounds)
    repeat = ["--repeat", str(settings.rounds)]
    inside = {OURS: run_json([*python("inside", HISTOGRAMS, dataset), *repeat])}
    inside |= {name: run_json([*words, *repeat]) for name, words in commands.items()}
    processor = {name: statistics.median(took["processor"]) for name, took in inside.items()}
    rows = [
        [name, seconds(took), f"{took / processor[CHECKED]:.2f}"]
        for name, took in processor.items()
    ]
    return Section(
        "Processor time of stage two",
        [
            f"{inputs.events * copies:,} events. `histo run` verifies the checksums of pages. "
            "pyarrow decodes the same leaves on one thread; below, without start-up."
        ],
        [
            usage_table(found, CHECKED, ratio="times decode and verify"),
            Table(["inside the process", "processor s", "times decode and verify"], rows),
        ],
        [
            at_most(
                "3. processor time of 200 histograms, times decoding, without start-up",
                processor[OURS] / processor[CHECKED],
                2,
            ),
            at_most(
                "3. the same, whole processes",
                found[OURS].processor / found[CHECKED].processor,
                2,
            ),
        ],
    )
