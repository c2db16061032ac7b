"""The same events in ever more partitions, and Dask alone: what does scheduling cost?"""

from __future__ import annotations

from pathlib import Path

from benchmarks.cluster import local_cluster
from benchmarks.inputs import EG_SKIM, HISTOGRAMS, RATES, SAMPLE, histo, remove
from benchmarks.measure import Contender, python, run, run_json
from benchmarks.report import Section, Table, at_most, seconds
from benchmarks.sections import Settings

EVENTS = 20_000
"""Of one file of the sample: with 10,000 partitions, two in each."""


def measure(settings: Settings) -> Section:
    """Measure both stages for each number of partitions, empty tasks, and two workers for one."""
    inputs = settings.inputs
    with local_cluster(2) as cluster:
        schedulers = {
            "threads": ("threads", "--workers", "2"),
            "processes": ("processes", "--workers", "2"),
            "Dask cluster": (cluster,),
        }
        stages = _stages(settings, schedulers)
        empty = {
            name: [run_json(python("scheduling", words[0], n)) for n in settings.partitions[1:]]
            for name, words in schedulers.items()
        }
        scaling = _scaling(settings, schedulers)
    numbers = [f"{number:,}" for number in settings.partitions]
    rows = [[name, *map(seconds, took)] for name, took in stages.items()]
    thousand = settings.partitions.index(1000)
    beyond = {name: took[thousand] - took[0] for name, took in stages.items()}
    promises = [
        at_most("6. 1,000 partitions, scheduling alone, threads",
                empty["threads"][thousand - 1], 1, " s"),
        at_most("6. histo run of 1,000 partitions of 20 events, beyond that of one, threads",
                beyond["histo run, threads"], 1, " s"),
    ]  # fmt: skip
    tasks = [[name, *map(seconds, took)] for name, took in empty.items()]
    return Section(
        "Partitions, and whether Dask is appropriate",
        [
            f"{min(EVENTS, inputs.events // 4):,} events in ever more partitions, whole commands "
            "(seconds). Beyond the first column is all that a partition costs: opening and reading "
            "one more file, and its scheduling.",
            "Below, scheduling alone: empty tasks with the tree of their merges, without start-up.",
        ],
        [
            Table(["partitions", *numbers], rows),
            Table(["empty tasks", *numbers[1:]], tasks),
            scaling,
        ],
        promises,
        _answer(settings, empty, stages),
    )


def _stages(settings: Settings, schedulers: dict[str, tuple[str, ...]]) -> dict[str, list[float]]:
    inputs = settings.inputs
    events = min(EVENTS, inputs.events // 4)
    first = sorted(inputs.ntuples().iterdir())[0]
    stages: dict[str, list[float]] = {"skim run, threads": []}
    stages |= {f"histo run, {name}": [] for name in schedulers}
    for number in settings.partitions:
        config = _in_partitions(inputs.work, max(1, events // number))
        dataset = inputs.dataset(f"in-{number}")
        command = ["skim", "run", str(config), "--files", f"{SAMPLE}={first}", "-o", str(dataset)]
        usage, _ = run(Contender([*command, "--events", str(events)], (dataset,)))
        stages["skim run, threads"].append(usage.seconds)
        for name, words in schedulers.items():
            rates = histo(RATES, dataset, inputs.work / "parts.root", "--scheduler", *words)
            stages[f"histo run, {name}"].append(run(rates)[0].seconds)
        remove([dataset])
    return stages


def _in_partitions(work: Path, events: int) -> Path:
    """Write the configuration of the e/g skim with another size of partitions."""
    path = work / f"partitions-of-{events}.yaml"
    path.write_text(
        f"{EG_SKIM.read_text(encoding='utf-8')}\nstorage: {{partition_events: {events}}}\n",
        encoding="utf-8",
    )
    return path


def _scaling(settings: Settings, schedulers: dict[str, tuple[str, ...]]) -> Table:
    """Measure both stages on the middle size, on one and on two workers."""
    inputs, copies = settings.inputs, settings.copies[0]
    ways = {
        "threads, 1 worker": ("threads", "--workers", "1"),
        "threads, 2 workers": schedulers["threads"],
        "processes, 2 workers": schedulers["processes"],
        "Dask cluster, 2 workers": schedulers["Dask cluster"],
    }
    rows = []
    for name, words in ways.items():
        skim = inputs.skim("scaled", EG_SKIM, inputs.ntuples(copies), "--scheduler", *words)
        job = histo(
            HISTOGRAMS, inputs.clusters_dataset(copies), inputs.work / "scaled.root",
            "--scheduler", *words,
        )  # fmt: skip
        rows.append([name, *(seconds(run(contender)[0].seconds) for contender in (skim, job))])
    remove([inputs.dataset("scaled")])
    what = f"{copies * inputs.events:,} events, seconds"
    return Table([what, "skim run", "histo run, 200 histograms"], rows)


def _answer(
    settings: Settings, empty: dict[str, list[float]], stages: dict[str, list[float]]
) -> list[str]:
    """Answer from the largest number of empty tasks, and from the work of a usual partition."""
    number = settings.partitions[-1]
    each = {name: took[-1] / number * 1e3 for name, took in empty.items()}
    work = {name: stages[f"{name}, threads"][0] for name in ("skim run", "histo run")}
    costs = ", ".join(f"{cost:.2f} ms on {name.replace('Dask', 'a Dask')}"
                      for name, cost in each.items())  # fmt: skip
    shares = ", ".join(f"{each['Dask cluster'] / 1e3 / took:.2%} of the {took:.2f} s of a {name}"
                       for name, took in work.items())  # fmt: skip
    return [
        f"A task costs {costs}, at {number:,} tasks. Partitions hold 50,000 events unless "
        f"configured otherwise; with {min(EVENTS, settings.inputs.events // 4):,} in one, the "
        f"dearest of these is {shares} with start-up.",
        "So Dask is appropriate as it is used here, one task a partition: it is the cheap part of "
        "the work, and the same commands run on threads, processes and clusters. It would not be "
        "for tasks of a millisecond, which is what one graph node an array operation makes (see "
        "dask-awkward under 200 histograms), nor for partitions of a few events."
    ]  # fmt: skip
