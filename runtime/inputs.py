"""From samples to tasks: which files, which ranges of entries, which partitions are still to do."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runtime.console import Watch
from runtime.differences import Difference, find_differences, refuse, unresolved
from runtime.drift import check_drift, make_input, merge_layouts
from runtime.files import expand, is_url
from runtime.probing import OnError, Outcome, probe_files
from runtime.scheduler import Scheduler
from schemas.errors import ConfigError, InputError, UsageError, nearest
from schemas.grouping import Layout, Pair
from schemas.load import location_of
from schemas.manifest import Skipped
from schemas.model import ModelError, from_data
from schemas.ntuple import NtupleFormat
from schemas.probe import Ntuple
from schemas.recipe import Plan, make_plan
from schemas.sizes import events_per_partition
from schemas.skim_config import Drift, SkimConfig, Storage
from schemas.trees import Input


class Range(Struct, frozen=True):
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
    try:
        from_data({"schema": "-", "keep": {"-": "all"}, "samples": {name: "-"}}, SkimConfig)
    except ModelError:
        raise UsageError(
            f"--files: {name!r} is not a name; use letters, digits and any of _ - + ."
        ) from None
    return name


def _absolute(urls: Iterator[str]) -> list[str]:
    return sorted({url if is_url(url) else str(Path(url).absolute()) for url in urls})


class Opened(Struct, frozen=True):
    """The ntuples of a skim, and what its configuration means for them.

    Attributes
    ----------
    samples
        The probed files of each sample.
    layout
        All their branches, with the types that the dataset gets.
    plan
        The configuration resolved against these.
    drift
        What the configuration says to differences between files.
    differences
        Those there are, each with its remedy.
    skipped
        The files of each sample that were left out.
    """

    samples: dict[str, list[Ntuple]]
    layout: Layout
    plan: Plan
    drift: Drift
    differences: list[Difference]
    skipped: dict[str, list[Skipped]]

    def inputs(self, ntuples: Iterable[Ntuple], plan: Plan | None = None) -> dict[str, Input]:
        """Say how to read what a plan, or the whole configuration, needs of some files, by URL.

        What files of one layout have in common is the same object in all of them.
        """
        inputs: dict[str, Input] = {}
        alike: dict[int, Input] = {}
        for url, ntuple in {ntuple.url: ntuple for ntuple in ntuples}.items():
            key = id(ntuple.layout)
            if key not in alike:
                wanted = (plan or self.plan).inputs
                alike[key] = make_input(ntuple, self.layout, wanted, self.drift)
            inputs[url] = replace(alike[key], url=url, uuid=ntuple.uuid, baskets=ntuple.baskets)
        return inputs


def open_samples(
    config: SkimConfig,
    form: NtupleFormat,
    urls: Mapping[str, Sequence[str]],
    scheduler: Scheduler,
    watch: Watch,
    on_error: OnError = "fail",
) -> Opened:
    """Find out what is in the files of all samples, and resolve a configuration against it.

    Raises
    ------
    ConfigError
        If the configuration names what the ntuples do not have.
    InputError
        If a file cannot be read, or files differ in a way to which the configuration has no
        remedy; with ``on_error="skip"`` only if no file is left.
    """
    outcomes = probe_files(config, form, urls, scheduler, watch, on_error)
    causes = {url: str(e) for url, e in outcomes.items() if isinstance(e, InputError)}
    ntuples = [found for found in outcomes.values() if isinstance(found, Ntuple)]
    _require_some(ntuples, causes)

    layout = merge_layouts(ntuples, form, config.drift)
    check_drift(config.drift, layout.schema)
    plan = make_plan(config, layout)
    differences = find_differences(ntuples, layout, plan.inputs, config.drift)
    wrong = unresolved(differences)
    if wrong and on_error == "fail":
        raise refuse(wrong)
    causes |= wrong
    ntuples = [ntuple for ntuple in ntuples if ntuple.url not in wrong]
    _require_some(ntuples, causes)

    good = {ntuple.url: ntuple for ntuple in ntuples}
    return Opened(
        samples={name: [good[url] for url in found if url in good] for name, found in urls.items()},
        layout=layout,
        plan=plan,
        drift=config.drift,
        differences=[difference for difference in differences if difference.url in good],
        skipped={
            name: [
                Skipped(url=url, cause=causes[url], entries=_entries(outcomes[url]))
                for url in found
                if url in causes
            ]
            for name, found in urls.items()
        },
    )


def _entries(outcome: Outcome) -> int | None:
    return outcome.entries if isinstance(outcome, Ntuple) else None


def _require_some(ntuples: Sequence[Ntuple], causes: Mapping[str, str]) -> None:
    if not ntuples and causes:
        raise InputError("no file can be read:\n" + "\n".join(causes.values()))


def plan_ranges(
    ntuples: Mapping[str, Sequence[Ntuple]],
    storage: Storage,
    inputs: Sequence[Pair],
    limit: int | None,
) -> list[Range]:
    """Cut files into ranges of entries, one a partition.

    Parameters
    ----------
    ntuples
        The files of each sample.
    storage
        How large a range may be.
    inputs
        The fields that are read.
    limit
        Number of events to take of each sample; None for all.
    """
    ranges: list[Range] = []
    for name, found in ntuples.items():
        left = limit
        for ntuple in found:
            entries = ntuple.entries if left is None else min(ntuple.entries, left)
            left = None if left is None else left - entries
            size = events_per_partition(storage, ntuple.bytes_per_entry(inputs))
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
