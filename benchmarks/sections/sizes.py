"""From one event to all: does the second stage ever lose to an eager script?"""

from __future__ import annotations

import numpy as np

from benchmarks import job
from benchmarks.checks import read_job, read_rates, require_same
from benchmarks.inputs import HISTOGRAMS, RATES, histo
from benchmarks.measure import Contender, Usage, python, side_by_side
from benchmarks.report import Section, Table, at_least, seconds
from benchmarks.sections import Settings


def measure(settings: Settings) -> Section:
    """Measure both for each number of events."""
    total = settings.inputs.events
    sizes = [size for size in (1, 1000, 50_000) if size < total] + [total - 1]
    found = {size: _at(size, settings) for size in sizes}
    names = list(found[sizes[0]])
    rows = [
        [name, *(seconds(found[size][name].seconds) for size in sizes),
         *(seconds(found[size][name].processor) for size in (sizes[0], sizes[-1]))]
        for name in names
    ]  # fmt: skip
    header = [
        "seconds", *(f"{size:,} events" for size in sizes), *(f"processor s, {size:,}"
        for size in (sizes[0], sizes[-1])),
    ]  # fmt: skip
    ahead = {
        what: min(
            found[size][f"eager, {what}"].seconds / found[size][f"histo run, {what}"].seconds
            for size in sizes
        )
        for what in ("56 rates", "200 histograms")
    }
    first = found[sizes[0]]
    one = first["eager, 200 histograms"].seconds / first["histo run, 200 histograms"].seconds
    return Section(
        "By number of events",
        ["Of the sample, the first events of which both read. Each pair agrees in every bin."],
        [Table(header, rows)],
        [
            at_least("2. 200 histograms of 1 event, against the eager script", one, 1),
            *(
                at_least(f"{what} at any of the sizes, against the eager script", ratio, 1)
                for what, ratio in ahead.items()
            ),
        ],
    )


def _at(size: int, settings: Settings) -> dict[str, Usage]:
    inputs, work = settings.inputs, settings.inputs.work
    ntuples, limit = f"{inputs.ntuples()}/*.root", ["--events", str(size)]
    job_path, rates_path = work / "job.root", work / "rates.root"
    eager_job, eager_rates = work / "job.npy", work / "rates.npy"
    found = side_by_side(
        {
            "histo run, 56 rates": histo(RATES, inputs.eg_dataset(), rates_path, *limit),
            "eager, 56 rates": Contender(
                python("peers.eager_rates", ntuples, "-o", eager_rates, *limit)
            ),
            "histo run, 200 histograms": histo(
                HISTOGRAMS, inputs.clusters_dataset(), job_path, *limit
            ),
            "eager, 200 histograms": Contender(
                python("peers.eager", ntuples, "-o", eager_job, *limit)
            ),
        },
        settings.rounds,
    )
    what = f"histo run of {size} events"
    require_same(what, np.load(eager_job), read_job(job_path), job.histogram_names())
    from benchmarks.peers.eager_rates import curve_names

    curves = curve_names()
    require_same(what, np.load(eager_rates), read_rates(rates_path, curves), curves)
    return found
