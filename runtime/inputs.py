"""From samples to tasks: which files, which ranges of entries, which partitions are still to do."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runtime.execute import run_tasks
from runtime.files import expand, is_url
from runtime.scheduler import Scheduler
from schemas.errors import InputError, UsageError, nearest
from schemas.ntuple import NtupleFormat
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
        name: _absolute(url for pattern in found for url in expand(pattern, folder))
        for name, (folder, found) in chosen.items()
    }


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


def check_same_fields(ntuples: Sequence[Ntuple], branches: Mapping[tuple[str, str], str]) -> None:
    """Require every file to have the branches that are read, with the types of the first file.

    Raises
    ------
    InputError
        Naming file, branch, what was expected and what was found.
    """
    first = ntuples[0]
    for ntuple in ntuples[1:]:
        known = ntuple.layout.schema.collections
        for (collection, field), branch in branches.items():
            expected = first.layout.schema.collections[collection].fields[field].type
            if collection not in known or field not in known[collection].fields:
                hint = nearest(branch, ntuple.layout.branches.values())
                raise InputError(
                    f"{ntuple.url}: has no branch {branch!r}, which {first.url} has; {hint}"
                )
            found = known[collection].fields[field].type
            if found != expected or known[collection].kind != _kind(first, collection):
                raise InputError(
                    f"{ntuple.url}: branch {branch!r} holds {known[collection].kind} {found}, and "
                    f"{first.url} says {_kind(first, collection)} {expected}"
                )


def _kind(ntuple: Ntuple, collection: str) -> str:
    return ntuple.layout.schema.collections[collection].kind


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
