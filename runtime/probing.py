"""What is in the files of a run: found out in parallel, and kept in little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from runtime.console import Watch
from runtime.drift import merge_layouts
from runtime.execute import map_reduce
from runtime.scheduler import Scheduler
from schemas.errors import ConfigError, InputError
from schemas.grouping import Layout, Pair
from schemas.ntuple import NtupleFormat
from schemas.number_branches import Kind
from schemas.probe import Ntuple, probe
from schemas.recipe import make_plan
from schemas.skim_config import SkimConfig
from schemas.storage import is_url

T = TypeVar("T")

OnError = Literal["fail", "skip"]
"""What to do with a file that cannot be read: end with its error, or leave it out."""

Outcome = Ntuple | InputError
"""What is in a file, or what is wrong with it."""


FEW = 100
"""Files that are opened by threads even where processes are to do the work.

To open one takes 6 ms of processor time, to start processes up to 300 ms.
"""

REMOTE = 16
"""Files on servers that threads open at a time: they do little but wait for answers."""


def probe_files(
    config: SkimConfig,
    form: NtupleFormat,
    urls: Mapping[str, Sequence[str]],
    scheduler: Scheduler,
    watch: Watch,
    on_error: OnError,
) -> dict[str, Outcome]:
    """Find out what is in all files, in parallel once the first says what will be read of them.

    Returns
    -------
    dict
        What was found, by URL; see `join_outcomes`.

    Raises
    ------
    InputError
        If a file cannot be read and is not to be left out.
    """
    listed = list(dict.fromkeys(url for found in urls.values() for url in found))
    scheduler = scheduler.at_once
    if scheduler.kind == "processes" and len(listed) < FEW:
        scheduler = Scheduler(workers=scheduler.workers)
    if scheduler.kind == "threads" and any(is_url(url) for url in listed):
        scheduler = Scheduler(workers=max(scheduler.workers, REMOTE))
    outcomes: list[Outcome] = []
    attempt = _Attempt(form, on_error)
    with watch("opening files", len(listed)) as advance:

        def run(urls: Sequence[str]) -> list[Outcome]:
            return map_reduce(attempt, join_outcomes, urls, scheduler=scheduler, progress=advance)

        for url in listed:
            [first] = run([url])
            if isinstance(first, Ntuple):
                wanted = _wanted(config, form, first)
                attempt = _Attempt(form, on_error, wanted)
                outcomes.append(first.only(wanted))
                break
            outcomes.append(first)
        if rest := listed[len(outcomes) :]:
            outcomes = join_outcomes(outcomes, run(rest))
    return dict(zip(listed, outcomes, strict=True))


class _Attempt(Struct, frozen=True):
    """Probes a file, or returns what is wrong with it."""

    form: NtupleFormat
    on_error: OnError
    wanted: frozenset[Pair] | None = None

    def __call__(self, url: str) -> list[Outcome]:
        try:
            return [probe(url, self.form, self.wanted)]
        except InputError as error:
            if self.on_error == "fail":
                raise
            return [error]


def _wanted(config: SkimConfig, form: NtupleFormat, ntuple: Ntuple) -> frozenset[Pair] | None:
    """Return the fields that will be read if all files are like this one."""
    try:
        return frozenset(make_plan(config, merge_layouts([ntuple], form, config.drift)).inputs)
    except ConfigError:  # other files may have what this one lacks; all together decide
        return None


def join_outcomes(first: Sequence[Outcome], second: Sequence[Outcome]) -> list[Outcome]:
    """Put outcomes one after the other; ntuples of equal layouts get the same one.

    Files of one sample differ in where their baskets are, and hardly in anything else: what is
    known of one of 239 branches takes 300 kB, of which 14 are its own.
    """
    layouts: _Pool[Layout] = _Pool()
    kinds: _Pool[tuple[Kind, ...]] = _Pool()
    return [
        replace(
            outcome,
            layout=layouts.take(outcome.layout),
            baskets=replace(outcome.baskets, kinds=kinds.take(outcome.baskets.kinds)),
        )
        if isinstance(outcome, Ntuple)
        else outcome
        for outcome in (*first, *second)
    ]


class _Pool(Generic[T]):
    """Values, of which equal ones are held once."""

    def __init__(self) -> None:
        self.known: list[T] = []

    def take(self, value: T) -> T:
        """Return the first of those that are equal to a value."""
        for known in self.known:
            if known is value or known == value:
                return known
        self.known.append(value)
        return value
