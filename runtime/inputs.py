"""From samples to tasks: which files, which ranges of entries, which partitions are still to do."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runtime.console import Watch
from runtime.execute import run_tasks
from runtime.files import expand, is_url
from runtime.scheduler import Scheduler
from schemas.errors import ConfigError, InputError, UsageError, nearest
from schemas.event_schema import Collection, EventSchema
from schemas.load import location_of
from schemas.ntuple import Layout, NtupleFormat
from schemas.recipe import Plan, make_plan
from schemas.skim_config import Sample, SkimConfig
from schemas.trees import Ntuple, probe


@dataclass(frozen=True)
class Range:
    """The entries of one file that become one partition.

    Attributes
    ----------
    sample
        Its name.
    ntuple
        The file.
    start, stop
        First and one-past-last entry.
    """

    sample: str
    ntuple: Ntuple
    start: int
    stop: int


def choose_samples(
    config: SkimConfig, base: Path, files: Sequence[str], only: Sequence[str]
) -> dict[str, list[str]]:
    """Find the files of each sample.

    Parameters
    ----------
    config
        The configuration.
    base
        Folder from which its relative paths start.
    files
        ``NAME=GLOB`` as given on the command line (relative to the working folder); they give a
        sample, or replace the files of the configured one.
    only
        Names of samples to take; none for all.

    Returns
    -------
    dict
        Absolute paths or URLs by sample, sorted.

    Raises
    ------
    UsageError
        For a malformed ``NAME=GLOB``, an unknown sample, or a pattern that matches no file.
    ConfigError
        If such a pattern stands in the configuration.
    """
    patterns: dict[str, tuple[Path, list[str]]] = {
        name: (base, list(sample.files)) for name, sample in config.samples.items()
    }
    given: dict[str, list[str]] = {}
    for text in files:
        name, separator, pattern = text.partition("=")
        if not separator or not pattern:
            raise UsageError(
                f"--files takes NAME=GLOB, for instance 'dy=data/*.root', not {text!r}"
            )
        given.setdefault(_checked(name), []).append(pattern)
    patterns.update({name: (Path(), found) for name, found in given.items()})
    for name in only:
        if name not in patterns:
            raise UsageError(f"unknown sample {name!r}; {nearest(name, patterns)}")
    chosen = {name: patterns[name] for name in sorted(patterns) if not only or name in only}
    if not chosen:
        raise UsageError("no samples: name some under 'samples', or give --files NAME=GLOB")
    return {
        name: _absolute(url for pattern in found for url in _expand(pattern, folder))
        for name, (folder, found) in chosen.items()
    }


def _expand(pattern: str, folder: Path) -> list[str]:
    """Find the files of a pattern; an error has the place of one from a configuration."""
    try:
        urls = expand(pattern, folder)
        for url in urls:
            if not is_url(url) and Path(url).is_dir():
                raise UsageError(f"{url!r} is a folder; name the files in it, as in '{url}/*.root'")
    except UsageError as error:
        place = location_of(pattern)
        raise ConfigError(str(error), place) if place else error from None
    return urls


def _checked(name: str) -> str:
    import pydantic

    try:
        SkimConfig(schema="-", keep={"-": ["*"]}, samples={name: Sample(files=["-"])})
    except pydantic.ValidationError:
        raise UsageError(
            f"--files: {name!r} is not a name; use letters, digits and any of _ - + ."
        ) from None
    return name


def _absolute(urls: Iterator[str]) -> list[str]:
    return sorted({url if is_url(url) else str(Path(url).absolute()) for url in urls})


def probe_files(
    samples: Mapping[str, Sequence[str]],
    form: NtupleFormat,
    scheduler: Scheduler,
    progress: Callable[[int], None] | None = None,
) -> dict[str, list[Ntuple]]:
    """Find out what is in every file, in parallel.

    Raises
    ------
    InputError
        If a file cannot be read, or two files disagree on a field.
    """
    urls = [url for found in samples.values() for url in found]
    probed = run_tasks(partial(probe, form=form), urls, scheduler=scheduler, progress=progress)
    by_url = {ntuple.url: ntuple for ntuple in probed}
    return {name: [by_url[url] for url in found] for name, found in samples.items()}


def merge_layouts(ntuples: Sequence[Ntuple]) -> Layout:
    """Return all branches that any of the files has, as the first file that has one says.

    What a configuration keeps is chosen among these: were it the branches of one file, a pattern
    would silently drop those that this file happens to lack.
    """
    collections: dict[str, Collection] = {}
    branches: dict[tuple[str, str], str] = {}
    unsupported: dict[str, str] = {}
    for layout in (ntuple.layout for ntuple in ntuples):
        for name, found in layout.schema.collections.items():
            known = collections.setdefault(name, found).fields
            new = {field: info for field, info in found.fields.items() if field not in known}
            if new:
                update = {"fields": {**known, **new}}
                collections[name] = collections[name].model_copy(update=update)
        branches |= {pair: name for pair, name in layout.branches.items() if pair not in branches}
        unsupported |= layout.unsupported
    return Layout(EventSchema(collections=collections), branches, unsupported)


def check_same_fields(ntuples: Sequence[Ntuple], branches: Mapping[tuple[str, str], str]) -> None:
    """Require every file to have the branches that are read, each with the same type.

    Raises
    ------
    InputError
        Naming file, branch, what was expected and what was found.
    """
    for pair, branch in branches.items():
        held = [(ntuple, _held(ntuple, *pair)) for ntuple in ntuples]
        first, expected = next((ntuple, what) for ntuple, what in held if what)
        for ntuple, what in held:
            if not what:
                hint = nearest(branch, ntuple.layout.branches.values())
                raise InputError(
                    f"{ntuple.url}: has no branch {branch!r}, which {first.url} has; {hint}"
                )
            if what != expected:
                raise InputError(
                    f"{ntuple.url}: branch {branch!r} holds {what}, and {first.url} says {expected}"
                )


def _held(ntuple: Ntuple, collection: str, field: str) -> str:
    """Return kind and type of a field, or nothing if the file does not have it."""
    known = ntuple.layout.schema.collections.get(collection)
    return f"{known.kind} {known.fields[field].type}" if known and field in known.fields else ""


@dataclass(frozen=True)
class Opened:
    """The ntuples of a skim, and what its configuration means for them.

    Attributes
    ----------
    samples
        The probed files of each sample.
    layout
        All their branches.
    plan
        The configuration resolved against these.
    """

    samples: dict[str, list[Ntuple]]
    layout: Layout
    plan: Plan


def open_samples(
    config: SkimConfig,
    form: NtupleFormat,
    urls: Mapping[str, Sequence[str]],
    scheduler: Scheduler,
    watch: Watch,
) -> Opened:
    """Find out what is in the files of all samples, and resolve a configuration against it.

    Raises
    ------
    ConfigError
        If the configuration names what the ntuples do not have.
    InputError
        If a file cannot be read, or two files disagree on a field.
    """
    with watch("opening files", sum(map(len, urls.values()))) as advance:
        samples = probe_files(urls, form, scheduler, advance)
    ntuples = [ntuple for found in samples.values() for ntuple in found]
    layout = merge_layouts(ntuples)
    plan = make_plan(config, layout)
    check_same_fields(ntuples, plan.branches)
    return Opened(samples, layout, plan)


def plan_ranges(
    ntuples: Mapping[str, Sequence[Ntuple]], size: int, limit: int | None
) -> list[Range]:
    """Cut files into ranges of entries, one a partition.

    Parameters
    ----------
    ntuples
        The files of each sample.
    size
        Largest number of entries of a range.
    limit
        Number of events to take of each sample; None for all.
    """
    ranges: list[Range] = []
    for name, found in ntuples.items():
        left = limit
        for ntuple in found:
            entries = ntuple.entries if left is None else min(ntuple.entries, left)
            left = None if left is None else left - entries
            cuts = cut_entries(entries, ntuple.clusters, size)
            ranges += [Range(name, ntuple, a, b) for a, b in itertools.pairwise(cuts)]
    return ranges


def cut_entries(entries: int, clusters: Sequence[int], size: int) -> list[int]:
    """Cut entries into parts of at most ``size``, about equal, between clusters where possible.

    Returns
    -------
    list
        Edges of the parts, from 0 to ``entries``; ``[0]`` if there are none.

    Examples
    --------
    >>> cut_entries(2500, [0, 500, 1000, 1500, 2000, 2500], 1300)
    [0, 1000, 2000, 2500]
    """
    edges = [0]
    while (start := edges[-1]) < entries:
        left = entries - start
        target = start + -(-left // -(-left // size))
        after, end = (
            bisect_right(clusters, start),
            bisect_right(clusters, min(start + size, entries)),
        )
        inside = [edge for edge in clusters[after:end] if edge < entries] + [entries] * (
            left <= size
        )
        edges.append(min(inside, key=lambda edge: (abs(edge - target), edge)) if inside else target)
    return edges
