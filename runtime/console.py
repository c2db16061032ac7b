"""What the terminal shows besides results: log messages and the progress of long work."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PACKAGES = ("schemas", "runtime", "skim", "histo")

Watch = Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]
"""How functions that take long are watched: `progress_bar`, or anything called like it."""

_BAR_AFTER = 1.0  # seconds; what is over by then needs no bar


class _StderrHandler(logging.StreamHandler[Any]):
    """Writes to whatever standard error is at the time, also once a progress bar took it over."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr


def configure_logging(verbosity: int = 0) -> None:
    """Send log messages to standard error; for commands only.

    Parameters
    ----------
    verbosity
        0 for warnings, 1 for what this project does, 2 for its details with times. Messages of
        other packages below a warning are never shown.
    """
    root = logging.getLogger()
    for handler in [old for old in root.handlers if isinstance(old, _StderrHandler)]:
        root.removeHandler(handler)
    handler = _StderrHandler()
    style = "%(asctime)s %(name)s: %(message)s" if verbosity > 1 else "%(levelname)s: %(message)s"
    handler.setFormatter(logging.Formatter(style))
    root.addHandler(handler)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(max(verbosity, 0), 2)]
    for name in PACKAGES:
        logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far work has come, if it takes over a second and somebody is watching.

    Parameters
    ----------
    description
        What is being done, such as ``skimming``.
    total
        Number of steps.

    Yields
    ------
    callable
        To be called with the number of steps that have just been done. Nothing is written, and
        rich is not imported, unless standard error is a terminal.

    Examples
    --------
    >>> with progress_bar("reading", 2) as advance:
    ...     advance(1)
    ...     advance(1)
    """
    if not sys.stderr.isatty():
        yield _ignore
        return
    bar = _LateBar(description, total)
    # a timer and not the first step after a second: a single step may take minutes
    timer = threading.Timer(_BAR_AFTER, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar.advance
    finally:
        timer.cancel()
        timer.join()  # it may be about to show the bar
        bar.close()


class _LateBar:
    """A progress bar that counts from the start and is shown later, or never."""

    def __init__(self, description: str, total: int) -> None:
        self.description = description
        self.total = total
        self.done = 0
        self.shown: tuple[Progress, TaskID] | None = None
        self.lock = threading.Lock()

    def show(self) -> None:
        from rich import progress as rich_progress
        from rich.console import Console

        progress = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        with self.lock:
            task = progress.add_task(self.description, total=self.total, completed=self.done)
            progress.start()
            self.shown = (progress, task)

    def advance(self, steps: int) -> None:
        with self.lock:
            self.done += steps
            if self.shown:
                progress, task = self.shown
                progress.update(task, completed=self.done)

    def close(self) -> None:
        if self.shown:
            self.shown[0].stop()


def _ignore(_: int) -> None:
    """Take no notice of progress."""


def print_result(renderable: object) -> None:
    """Print a table or text on standard output, as wide as it needs where nobody is watching.

    Square brackets are text, and not markup: resolved expressions are full of them.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=200)
    console.print(renderable)
