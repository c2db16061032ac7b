"""Where the time of a command went: the option ``--profile``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from schemas import loops
from schemas.tally import Tally, absorb, tallying

if TYPE_CHECKING:
    from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])


def profile_option(command: F) -> F:
    """Give a command the option ``--profile``, as the parameter ``profile``."""
    option = click.option("--profile", is_flag=True, help="Show where the time went.")
    return option(command)


@contextmanager
def profiled(show: bool) -> Iterator[None]:
    """Tally what the block does, on all workers, and then show it on standard error.

    Parameters
    ----------
    show
        Whether to do so at all.
    """
    if not show:
        yield
        return
    start_up = time.process_time()
    start = time.perf_counter()
    with tallying() as tally:
        yield
    absorb(tally)
    elapsed = time.perf_counter() - start
    from rich.console import Console

    Console(stderr=True, highlight=False, width=100).print(render(tally, elapsed, start_up))


def render(tally: Tally, elapsed: float, start_up: float) -> Table:
    """Return a table of what was tallied.

    Parameters
    ----------
    tally
        Of this process and of all workers.
    elapsed
        What the clock says that it took, in seconds.
    start_up
        Processor time of this process before, in seconds.
    """
    from rich import box
    from rich.table import Table

    table = Table(title="Profile", title_justify="left", box=box.SIMPLE_HEAD, show_footer=False)
    table.add_column("step")
    for name in ("wall [s]", "processor [s]", "share"):
        table.add_column(name, justify="right")
    processor = {"start-up": start_up, **tally.processor}
    seconds = {"start-up": start_up, **tally.seconds}
    total = sum(processor.values()) or 1.0
    for name, took in seconds.items():
        share = f"{processor[name] / total:.0%}"
        table.add_row(name, f"{took:.3f}", f"{processor[name]:.3f}", share)
    table.add_row("all steps", f"{sum(seconds.values()):.3f}", f"{total:.3f}", "", style="bold")
    table.add_section()
    table.add_row("elapsed without start-up", f"{elapsed:.3f}")
    events = tally.counts.get("events")
    for name, amount in sorted(tally.counts.items()):
        table.add_row(name.replace("_", " "), f"{amount:,}")
    if events is not None:
        table.add_row("events a second", f"{events / elapsed:,.0f}")
    if "retries" not in tally.counts:
        table.add_row("retries", "0")
    table.add_row("compiled loops", "no" if loops.compiled() is None else "yes")
    table.caption = "Wall and processor time of the steps are summed over all workers."
    table.caption_justify = "left"
    return table
