"""Ten and a hundred times the events: time an event, and memory."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.inputs import EG_SKIM, RATES, Inputs, free_space, histo, remove
from benchmarks.measure import Contender, Usage, side_by_side
from benchmarks.report import Section, Table, at_most, megabytes, seconds
from benchmarks.sections import Settings

START = 0
"""Stands among the numbers of copies for the command of one event."""

PROCESSES = -1
"""Stands there for the largest number, skimmed in processes."""

OFTEN = 5
"""Times as many measurements of what is short."""

SPACE_PER_EVENT = 300
"""Bytes of dataset to have free for each event before skimming many; 230 are needed."""


def measure(settings: Settings) -> Section:
    """Measure both stages at three sizes, the second on what the first made."""
    inputs = settings.inputs
    sizes = [1, *settings.copies]
    small, middle, large = sizes
    _require_space(inputs, sum(sizes) + large)
    names = {copies: f"growth-x{copies}" for copies in sizes}
    skims = {c: inputs.skim(name, EG_SKIM, inputs.ntuples(c)) for c, name in names.items()}
    skims[PROCESSES] = inputs.skim(
        "growth-processes", EG_SKIM, inputs.ntuples(large), "--scheduler", "processes"
    )
    stages = {
        "skim run": _times(
            inputs.skim("one", EG_SKIM, inputs.ntuples(), "--events", "1", files="*_0.root"),
            skims,
            settings.rounds,
        ),
        "histo run, 56 rates": _times(
            histo(RATES, inputs.eg_dataset(), inputs.work / "one.root", "--events", "1"),
            {
                c: histo(RATES, inputs.dataset(name), inputs.work / "growth.root")
                for c, name in names.items()
            },
            settings.rounds,
        ),
    }
    remove([inputs.dataset(name) for name in (*names.values(), "growth-processes")])
    in_processes = stages["skim run"].pop(PROCESSES)
    in_threads = stages["skim run"][large]
    rows, promises = [], []
    for stage, found in stages.items():
        first = found.pop(START).seconds
        each = {c: (u.seconds - first) / (c * inputs.events) for c, u in found.items()}
        rows += [
            [
                f"{stage}, {copies * inputs.events:,} events", seconds(usage.seconds),
                seconds(usage.processor), f"{each[copies] * 1e6:.2f}", megabytes(usage.memory),
            ]
            for copies, usage in found.items()
        ]  # fmt: skip
        command = stage.partition(",")[0]
        sizes_of = {copies: f"{copies * inputs.events:,}" for copies in sizes}
        memory = found[large].memory / found[middle].memory
        promises.append(
            at_most(
                f"5. {command}, peak memory, {sizes_of[large]} against {sizes_of[middle]} events",
                memory,
                1.2,
                "x",
            )
        )
        promises += [
            at_most(
                f"5. {command}, time an event, {sizes_of[large]} against {sizes_of[other]} events",
                each[large] / each[other],
                1.15,
                "x",
            )
            for other in (middle, small)
        ]
    return Section(
        "Growth",
        [
            "The sample's four files, and the same under more names. Time an event is without "
            "start-up, that of the command for one event of one file: to open files is work that "
            "grows with them."
        ],
        [Table(["", "seconds", "processor s", "microseconds an event", "peak memory"], rows)],
        promises,
        [
            f"In processes, `--scheduler processes`, the largest skim takes "
            f"{seconds(in_processes.seconds)} s, and {seconds(in_processes.processor)} s of "
            f"processor time; in threads, which share Python's lock, it takes "
            f"{in_threads.seconds / in_processes.seconds:.2f} times as long."
        ],
    )  # fmt: skip


def _times(start: Contender, contenders: Mapping[int, Contender], rounds: int) -> dict[int, Usage]:
    """Measure the start, and each number of copies, in turns: they differ by little an event.

    The smallest takes little longer than the start, so both are measured `OFTEN` as often.
    """
    named = {str(copies): contender for copies, contender in contenders.items()}
    short = {str(START): start, "1": named.pop("1")}
    found = side_by_side(short, OFTEN * rounds, warm=True)
    found |= side_by_side(named, rounds, warm=True)
    return {copies: found[str(copies)] for copies in (START, *contenders)}


def _require_space(inputs: Inputs, copies: int) -> None:
    needed = copies * inputs.events * SPACE_PER_EVENT
    free = free_space(inputs.work)
    if free < needed:
        raise OSError(
            f"{inputs.work}: {free / 1e9:.1f} GB free, and a skim of {copies * inputs.events:,} "
            f"events needs {needed / 1e9:.1f} GB"
        )
