"""What the benchmark found, as a page of Markdown."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import ROOT, Usage
from schemas import loops

PACKAGES = (
    "awkward", "boost-histogram", "dask", "dask-awkward", "dask-histogram", "distributed", "duckdb",
    "hepconvert", "hist", "isal", "lzma-mt", "numpy", "polars", "pyarrow", "ROOT", "uproot",
)  # fmt: skip


IDLE = 0.5
"""Load up to which a machine counts as idle."""

BUSY = (
    "Others were using the machine: elapsed times, and ratios of them, say little here; processor "
    "time suffers less, memory not at all."
)


@dataclass(frozen=True)
class Promise:
    """A figure that must hold.

    Attributes
    ----------
    what
        The promise.
    required
        The bound, with its unit.
    found
        What was measured, likewise.
    kept
        Whether it is within the bound.
    """

    what: str
    required: str
    found: str
    kept: bool


@dataclass(frozen=True)
class Table:
    """Rows of measured values; the first column is what was measured."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Section:
    """What one part of the benchmark found.

    Attributes
    ----------
    title
        Its heading.
    text
        Paragraphs, above the tables.
    tables
        Below.
    promises
        Those that it measured.
    answer
        Paragraphs below the tables.
    failure
        Why it has nothing else, if it failed.
    cores
        How many cores there were before and after, see `benchmarks.measure.cores`.
    """

    title: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    failure: str = ""
    cores: tuple[float, ...] = ()


ALL_CORES = 1.8
"""Cores for two busy processes from which both count as free."""

FEWER = (
    "Two busy processes had {:.1f} cores before this part, and {:.1f} after it: what runs on two "
    "threads took longer than on two cores."
)


def at_most(what: str, value: float, bound: float, unit: str = "") -> Promise:
    """Make a promise that a value does not exceed a bound."""
    return Promise(what, f"at most {bound:g}{unit}", f"{value:.2f}{unit}", value <= bound)


def at_least(what: str, value: float, bound: float, unit: str = "x") -> Promise:
    """Make a promise that a value reaches a bound."""
    return Promise(what, f"at least {bound:g}{unit}", f"{value:.1f}{unit}", value >= bound)


def usage_table(
    found: dict[str, Usage], reference: str, name: str = "command", ratio: str = ""
) -> Table:
    """Make a table of measured commands, with the elapsed time as a multiple of one of them."""
    base = found[reference].seconds
    header = [name, "seconds", "processor s", "peak memory", ratio or f"times {reference}"]
    rows = [
        [
            label, seconds(usage.seconds), seconds(usage.processor), megabytes(usage.memory),
            f"{usage.seconds / base:.2f}",
        ]
        for label, usage in found.items()
    ]  # fmt: skip
    return Table(header, rows)


def seconds(value: float) -> str:
    """Write seconds with a sensible number of digits."""
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def megabytes(value: float) -> str:
    """Write bytes in MB."""
    return f"{value / 1e6:,.0f} MB"


def render(
    sections: Sequence[Section], *, events: int, quick: bool, took: float, load: float
) -> str:
    """Write the page.

    Parameters
    ----------
    sections
        In their order.
    events
        Number of events of the sample.
    quick
        Whether rounds and sizes were cut short.
    took
        How long the benchmark ran, in seconds.
    load
        Processes that wanted a core in the minute before it: 0 on an idle machine.
    """
    promises = [promise for section in sections for promise in section.promises]
    kept = sum(promise.kept for promise in promises)
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`, which makes its inputs, runs this project and other tools on the "
        "same work, and stops where any two disagree in a number. Commands are whole processes, "
        "with start-up and output, run in turns; figures are medians. Files are in the page cache.",
        "",
        *_lines(
            Table(
                ["", ""],
                [
                    *machine(),
                    ["load before", f"{load:.1f}"],
                    ["cores for two busy processes", _range(sections)],
                    ["sample", f"{events:,} events in 4 files"],
                ],
            )
        ),
        "",
        f"The run took {took / 60:.0f} min"
        + (", with `--quick`: fewer rounds and smaller inputs, for orientation only." if quick
           else "."),
        *(["", BUSY] if load > IDLE else []),
        "",
        "## Promises",
        "",
        f"{kept} of {len(promises)} hold.",
        "",
        *_lines(
            Table(
                ["promise", "required", "measured", ""],
                [[p.what, p.required, p.found, "PASS" if p.kept else "NOT MET"] for p in promises],
            )
        ),
    ]  # fmt: skip
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        if section.cores and min(section.cores) < ALL_CORES:
            lines += [FEWER.format(*section.cores), ""]
        if section.failure:
            lines += ["This part failed:", "", "```", section.failure, "```"]
            continue
        for paragraph in section.text:
            lines += [paragraph, ""]
        for table in section.tables:
            lines += [*_lines(table), ""]
        for paragraph in section.answer:
            lines += [paragraph, ""]
        lines.pop()
    return "\n".join(lines) + "\n"


def _range(sections: Sequence[Section]) -> str:
    """Say how many cores there were in the course of the run."""
    found = [number for section in sections for number in section.cores]
    return f"{min(found):.1f} to {max(found):.1f}" if found else "not measured"


def machine() -> list[list[str]]:
    """Say where and with what the benchmark ran."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    installed = {found.name.lower() for found in importlib.metadata.distributions()}
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in PACKAGES
        if name.lower() in installed
    )
    return [
        ["date", datetime.datetime.now(datetime.UTC).date().isoformat()],
        ["l1skim", f"{importlib.metadata.version('l1skim')}, {revision()}"],
        ["machine", f"{len(os.sched_getaffinity(0))} cores of {model}, {memory / 1e9:.0f} GB"],
        ["Python", platform.python_version()],
        ["packages", versions],
        ["compiled loops", "no" if loops.compiled() is None else "yes"],
    ]


def revision() -> str:
    """Return the commit of this tree, and whether it was changed since."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    return f"commit {described.stdout.strip()}" if described.returncode == 0 else "no commit"


def _lines(table: Table) -> list[str]:
    rows = [[str(cell).replace("|", "\\|") for cell in row] for row in table.rows]
    marks = ["---", *["---:" if _is_number(rows, i) else "---"
                      for i in range(1, len(table.header))]]  # fmt: skip
    return [f"| {' | '.join(row)} |".replace("|  ", "| ")
            for row in [list(table.header), marks, *rows]]  # fmt: skip


def _is_number(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(row[column][:1].isdigit() or row[column] in ("", "-") for row in rows)
