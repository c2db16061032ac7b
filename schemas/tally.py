"""What a task did besides its result: seconds by step, and counts such as bytes read or retries.

Whoever does something worth reporting says so where it happens, with `step` and `count`; the
executor opens a tally for each task, carries it back with the result, and adds them all up.
Outside a task both do nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_current: ContextVar[Tally | None] = ContextVar("tally", default=None)


@dataclass
class Tally:
    """Sums over tasks.

    Attributes
    ----------
    seconds
        Elapsed time of each step, summed over all tasks: more than the clock shows if several
        workers are busy. A step inside another counts for itself only.
    processor
        Processor time of the thread, likewise.
    counts
        Anything counted, by name.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _inner: float = 0.0
    _inner_processor: float = 0.0

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        for mine, theirs in (
            (self.seconds, other.seconds),
            (self.processor, other.processor),
            (self.counts, other.counts),
        ):
            for name, value in theirs.items():
                mine[name] = mine.get(name, 0) + value  # type: ignore[assignment]  # all are numbers


@contextmanager
def tallying() -> Iterator[Tally]:
    """Open a tally for what this thread does from here on."""
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tally the time of a step, without that of steps inside it."""
    tally = _current.get()
    if tally is None:
        yield
        return
    before = tally._inner, tally._inner_processor
    tally._inner = tally._inner_processor = 0.0
    start, start_processor = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        took, took_processor = time.perf_counter() - start, time.thread_time() - start_processor
        tally.seconds[name] = tally.seconds.get(name, 0.0) + took - tally._inner
        tally.processor[name] = (
            tally.processor.get(name, 0.0) + took_processor - tally._inner_processor
        )
        tally._inner = before[0] + took
        tally._inner_processor = before[1] + took_processor


def count(name: str, amount: int = 1) -> None:
    """Add to a count."""
    tally = _current.get()
    if tally is not None:
        tally.counts[name] = tally.counts.get(name, 0) + amount


def report(other: Tally) -> None:
    """Add what others tallied, such as the tasks of a run, to the tally that is open here."""
    tally = _current.get()
    if tally is not None:
        tally.add(other)
