"""The command behind ``make bench``: measures, checks, and writes docs/benchmarks.md."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.inputs import Inputs
from benchmarks.measure import ROOT, cores
from benchmarks.report import Section, render
from benchmarks.sections import (
    Settings,
    counting,
    decoding,
    growth,
    histograms,
    partitions,
    profile,
    same,
    server,
    sizes,
    skimming,
    startup,
)

CACHE = Path(__file__).with_name(".cache")
REPORT = ROOT / "docs" / "benchmarks.md"

SECTIONS: dict[str, Callable[[Settings], Section]] = {
    "startup": startup.measure,
    "sizes": sizes.measure,
    "histograms": histograms.measure,
    "decoding": decoding.measure,
    "counting": counting.measure,
    "skimming": skimming.measure,
    "server": server.measure,
    "growth": growth.measure,
    "partitions": partitions.measure,
    "profile": profile.measure,
    "same": same.measure,
}


@click.command()
@click.option("--quick", is_flag=True, help="Fewer rounds and smaller inputs: 3 minutes.")
@click.option("--only", type=click.Choice(list(SECTIONS)), multiple=True, metavar="NAME",
              help=f"Only this part: {', '.join(SECTIONS)}. May be repeated.")  # fmt: skip
@click.option("--events", type=click.IntRange(min=2000), show_default="99104; 20000 with --quick",
              help="Events of the sample.")  # fmt: skip
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), default=CACHE,
              show_default="benchmarks/.cache", help="Folder for inputs, kept, and results.",
              )  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="Report; default: docs/benchmarks.md, and in the cache for a partial run.",
              )  # fmt: skip
def main(
    quick: bool, only: tuple[str, ...], events: int | None, cache: Path, output: Path | None
) -> None:
    """Measure this project and its peers on the same work, and write a report.

    Exits 1 if a part failed; a promise that is not met is reported, and no failure.

    \b
    Example:
      python -m benchmarks.run --quick --only histograms --only skimming
    """
    start = time.monotonic()
    events = events or (20_000 if quick else 99_104)
    load = os.getloadavg()[0]
    cache = cache.absolute()
    work = cache / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    settings = Settings(
        Inputs(cache, work, events),
        rounds=1 if quick else 3,
        copies=(2, 4) if quick else (10, 100),
        partitions=(1, 100) if quick else (1, 100, 1000, 10_000),
    )
    found = {name: _measure(name, settings) for name in SECTIONS if not only or name in only}
    took = time.monotonic() - start
    text = render(list(found.values()), events=events, quick=quick, took=took, load=load)
    complete = not quick and not only
    path = output or (REPORT if complete else cache / "benchmarks.md")
    path.write_text(text, encoding="utf-8")
    shutil.rmtree(work)
    click.echo(text)
    click.echo(path, err=True)
    failed = [name for name, section in found.items() if section.failure]
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
        sys.exit(1)


def _measure(name: str, settings: Settings) -> Section:
    """Measure one part; if it fails, say so in the report and leave the others alone."""
    start = time.monotonic()
    click.echo(f"{name} ...", err=True)
    before = cores()
    try:
        section = SECTIONS[name](settings)
    except Exception as error:  # noqa: BLE001  # hours of other results must not be lost by it
        traceback.print_exc()
        section = Section(name, failure=f"{type(error).__name__}: {error}")
    section.cores = before, cores()
    click.echo(f"{name}: {time.monotonic() - start:.0f} s", err=True)
    return section


if __name__ == "__main__":
    main()
