"""The same events in ever more partitions, and Dask alone: what does scheduling cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cluster import local_cluster
from benchmarks.inputs import EG_SKIM, HISTOGRAMS, RATES, SAMPLE, histo, remove
from benchmarks.measure import Contender, median, python, run, run_json
from benchmarks.report import Section, Table, at_most, seconds
from benchmarks.sections import Settings

EVENTS = 20_000
"""Of one file of the sample, or all that it has."""

MOST_AT_ONCE = 1000
"""Partitions of the largest dataset made for this; more are that dataset, given several times."""

LONGEST = 90.0
"""Seconds; what is expected to take longer, in proportion to fewer partitions, is left out."""

SMALL = 0.05
"""Share of the work up to which scheduling is called a small part."""

Schedulers = Mapping[str, Sequence[str]]
Took = dict[int, float]
"""Seconds by number of partitions or tasks."""


def measure(settings: Settings) -> Section:
    """Measure both stages for each number of partitions, empty tasks, and two workers for one."""
    with local_cluster(2) as cluster:
        schedulers = {
            "threads": ["threads", "--workers", "2"],
            "processes": ["processes", "--workers", "2"],
            "Dask cluster": [cluster],
        }
        stages = _stages(settings, schedulers)
        empty = {
            name: {n: _empty_tasks(words[0], n) for n in settings.partitions if n > 1}
            for name, words in schedulers.items()
        }
        scaling = _scaling(settings, schedulers)
    took, many = stages["histo run, threads"], min(MOST_AT_ONCE, settings.partitions[-1])
    events = _events(settings)
    return Section(
        "Partitions, and whether Dask is appropriate",
        [
            f"{events:,} events of one file in ever more partitions, whole commands, in seconds. "
            "What exceeds the first column is what partitions cost: opening and reading one more "
            f"file each, and their scheduling. More than {MOST_AT_ONCE:,} are the dataset of "
            f"{MOST_AT_ONCE:,} given several times. What would have taken over {LONGEST:.0f} s is "
            "left out (-).",
            "Scheduling alone is that of empty tasks with the tree of their merges, without "
            "start-up, neither of the command nor of its workers.",
        ],
        [
            _table("partitions", settings.partitions, stages),
            _table("empty tasks", settings.partitions[1:], empty),
            scaling,
        ],
        [
            at_most(
                f"6. {many:,} partitions, scheduling alone, threads",
                empty["threads"][many], 1, " s",
            ),
            at_most(
                f"6. histo run of {many:,} partitions of {events // many} events, beyond that of "
                "one, threads",
                took[many] - took[1], 1, " s",
            ),
        ],
        _answer(settings, empty, stages),
    )  # fmt: skip


def _events(settings: Settings) -> int:
    return min(EVENTS, settings.inputs.events // 4)


def _stages(settings: Settings, schedulers: Schedulers) -> dict[str, Took]:
    """Measure whole commands; what they take is left out where it is not known."""
    inputs, events = settings.inputs, _events(settings)
    source = sorted(inputs.recompressed("zstd").iterdir())[0]
    dataset = inputs.dataset("partitions")
    stages: dict[str, Took] = {"skim run, threads": {}}
    stages |= {f"histo run, {name}": {} for name in schedulers}
    for number in settings.partitions:
        if number <= MOST_AT_ONCE:
            config = _in_partitions(inputs.work, max(1, events // number))
            command = ["skim", "run", str(config), "--files", f"{SAMPLE}={source}"]
            command += ["-o", str(dataset), "--events", str(events)]
            usage, _ = run(Contender(command, (dataset,)))
            stages["skim run, threads"][number] = usage.seconds
        times = max(1, number // MOST_AT_ONCE)
        for name, words in schedulers.items():
            took = stages[f"histo run, {name}"]
            if _expected(took, number) < LONGEST:
                more = [str(dataset)] * (times - 1)
                output = inputs.work / "partitions.root"
                rates = histo(RATES, dataset, output, *more, "--scheduler", *words)
                rounds = settings.rounds if number <= MOST_AT_ONCE else 1
                took[number] = median([run(rates)[0] for _ in range(rounds)]).seconds
    remove([dataset])
    return stages


def _expected(took: Took, number: int) -> float:
    """Return how long a number of partitions would take, from the largest number measured."""
    if len(took) < 2:
        return 0.0
    most = max(took)
    return took[1] + (took[most] - took[1]) * number / most


def _empty_tasks(scheduler: str, number: int) -> float:
    return float(run_json(python("scheduling", scheduler, number)))


def _in_partitions(work: Path, events: int) -> Path:
    """Write the configuration of the e/g skim with another size of partitions."""
    path = work / f"partitions-of-{events}.yaml"
    path.write_text(
        f"{EG_SKIM.read_text(encoding='utf-8')}\nstorage: {{partition_events: {events}}}\n",
        encoding="utf-8",
    )
    return path


def _scaling(settings: Settings, schedulers: Schedulers) -> Table:
    """Measure both stages on the middle size, on one worker and on two."""
    inputs, copies = settings.inputs, settings.copies[0]
    ways = {"threads, 1 worker": ["threads", "--workers", "1"]}
    ways |= {f"{name}, 2 workers": list(words) for name, words in schedulers.items()}
    rows = []
    for name, words in ways.items():
        skim = inputs.skim("scaled", EG_SKIM, inputs.ntuples(copies), "--scheduler", *words)
        dataset, output = inputs.clusters_dataset(copies), inputs.work / "scaled.root"
        job = histo(HISTOGRAMS, dataset, output, "--scheduler", *words)
        rows.append([name, *(seconds(run(contender)[0].seconds) for contender in (skim, job))])
    remove([inputs.dataset("scaled")])
    what = f"{copies * inputs.events:,} events, seconds"
    return Table([what, "skim run", "histo run, 200 histograms"], rows)


def _table(what: str, numbers: Sequence[int], found: Mapping[str, Took]) -> Table:
    rows = [
        [name, *(seconds(took[n]) if n in took else "-" for n in numbers)]
        for name, took in found.items()
    ]
    return Table([what, *(f"{number:,}" for number in numbers)], rows)


def _answer(settings: Settings, empty: Mapping[str, Took], stages: Mapping[str, Took]) -> list[str]:
    """Answer from the largest number of empty tasks, and from the work of one partition."""
    number = settings.partitions[-1]
    each = {name: took[number] / number for name, took in empty.items()}
    costs = ", ".join(
        f"{cost * 1e3:.2f} ms on {name.replace('Dask', 'a Dask')}" for name, cost in each.items()
    )
    highest = max(each.values())
    shares = {name: highest / stages[f"{name}, threads"][1] for name in ("skim run", "histo run")}
    said = " and ".join(f"{share:.1%} of a `{name}`" for name, share in shares.items())
    costly = max(shares.values()) > SMALL
    return [
        f"Of {number:,} tasks, each costs {costs}. Partitions hold up to 50,000 events unless "
        f"configured otherwise. For one of {_events(settings):,}, the dearest of these is {said}.",
        "Scheduling is a sizeable part of the work, and larger partitions are better."
        if costly
        else "So Dask is appropriate the way it is used here, on clusters with one task a "
        "partition: scheduling is a small part of the work, and the same commands run on threads, "
        "processes and clusters. It is not for tasks of a millisecond, which one node an array "
        "operation makes (dask-awkward above), nor for partitions of a few events; and threads "
        "and processes of one machine do without it.",
    ]
