"""What a skim has to do: from the configuration, the files, and what is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from runtime.console import Watch, progress_bar
from runtime.differences import Difference
from runtime.inputs import choose_samples, open_samples, plan_ranges
from runtime.probing import OnError
from runtime.scheduler import Scheduler
from runtime.target import Target
from schemas.errors import UsageError
from schemas.load import location_of
from schemas.manifest import Manifest, Skipped, Source, configuration_hash
from schemas.ntuple import load_format
from schemas.reduction import Recipe
from schemas.skim_config import SkimConfig
from schemas.software import versions
from skim.journal import (
    Receipt,
    Stamp,
    changed_origins,
    identify,
    key_of,
    read_journal,
    usable_receipts,
)
from skim.partition import SkimTask
from skim.resume import (
    changed_configuration,
    changed_events,
    changed_schema,
    changed_sources,
    find_present,
    first_numbers,
    missing_ranges,
    number_ranges,
)

WRITERS = ("l1skim", "awkward", "numpy", "pyarrow", "uproot")


class SkimJob(Struct, frozen=True):
    """A skim that is ready to run.

    Attributes
    ----------
    target
        Where the dataset is, or is to be.
    recipe
        What happens to events.
    configuration
        Normalised, as the manifest keeps it.
    stamp
        Its hash, and the versions of what writes.
    sources
        The files of each sample, as the manifest lists them.
    skipped
        Files of each sample that could not be opened.
    differences
        Between the files, each with what is done about it.
    planned
        Number of entries to take of each file, by sample and URL.
    tasks
        The partitions to make.
    receipts
        Of partitions that an earlier run has made.
    present
        The dataset that grows.
    """

    target: Target
    recipe: Recipe
    configuration: Mapping[str, Any]
    stamp: Stamp
    sources: Mapping[str, Sequence[Source]]
    skipped: Mapping[str, Sequence[Skipped]]
    differences: Sequence[Difference]
    planned: Mapping[str, Mapping[str, int]]
    tasks: Sequence[SkimTask]
    receipts: Sequence[Receipt]
    present: Manifest | None


def prepare(
    config: SkimConfig,
    *,
    base: Path,
    target: Target,
    files: Sequence[str] = (),
    only: Sequence[str] = (),
    limit: int | None = None,
    on_error: OnError = "fail",
    overwrite: bool = False,
    scheduler: Scheduler,
    watch: Watch = progress_bar,
) -> SkimJob:
    """Find out what there is to do; nothing is written.

    Parameters
    ----------
    config
        The configuration.
    base
        Folder from which its relative paths start.
    target
        Where the dataset is, or is to be.
    files, only
        As in `choose_samples`.
    limit
        Number of events to take of each sample; None for all.
    on_error
        What becomes of a file that cannot be read.
    overwrite
        Whether a dataset that this run could not have made may be replaced.
    scheduler
        Where files are probed.
    watch
        Shows how far the probing has come.

    Raises
    ------
    UsageError
        For missing files, or if the target holds something that this run cannot add to.
    ConfigError
        If the configuration names what the ntuples do not have.
    InputError
        If a file cannot be read.
    """
    form = load_format(config.format, base, location_of(config.format))
    urls = choose_samples(config, base, files, only)
    old, reason = find_dataset(config, target, limit, overwrite)
    opened = open_samples(config, form, urls, scheduler, watch, on_error)
    samples, plan = opened.samples, opened.plan
    sources = {name: [identify(ntuple) for ntuple in found] for name, found in samples.items()}
    ranges = plan_ranges(samples, config.storage, plan.inputs, limit)
    planned: dict[str, dict[str, int]] = {name: {} for name in samples}
    for where in ranges:
        entries, url = planned[where.sample], where.ntuple.url
        entries[url] = entries.get(url, 0) + where.stop - where.start
    if old and not reason:
        reason = (
            changed_sources(old, sources)
            or changed_events(old, sources, planned, limit)
            or changed_schema(old.event_schema, plan.recipe.kept)
        )
        _refuse(target, reason, overwrite)
    present = None if reason else old
    ranges = missing_ranges(ranges, present)
    configuration = _normalised(config, limit)
    stamp = Stamp(
        configuration_hash=configuration_hash(configuration),
        software=versions(WRITERS),
    )
    receipts = [receipt for receipt in read_journal(target) if receipt.stamp == stamp]
    _refuse(target, changed_origins(receipts, sources), overwrite)
    origins = {(name, source.url): source for name, found in sources.items() for source in found}
    expected = {key_of(where): origins[where.sample, where.ntuple.url] for where in ranges}
    first = first_numbers(old)
    receipts = usable_receipts(target, receipts, expected, first)
    numbered = number_ranges(ranges, receipts, first)
    inputs = opened.inputs(where.ntuple for where, _ in numbered)
    tasks = [
        SkimTask(
            where.sample, number, origins[where.sample, where.ntuple.url],
            inputs[where.ntuple.url], where.start, where.stop, plan.recipe,
            config.storage, target, stamp, on_error,
        )
        for where, number in numbered
    ]  # fmt: skip
    return SkimJob(
        target, plan.recipe, configuration, stamp, sources, opened.skipped, opened.differences,
        planned, tasks, receipts, present,
    )  # fmt: skip


def find_dataset(
    config: SkimConfig, target: Target, limit: int | None, overwrite: bool
) -> tuple[Manifest | None, str]:
    """Return the dataset that is there, and what forbids to add to it.

    What is found without the lock may be about to change; to refuse by it, it will do.

    Raises
    ------
    UsageError
        If there is something that must not be replaced.
    """
    old = find_present(target)
    reason = changed_configuration(old, _normalised(config, limit)) if old else ""
    _refuse(target, reason, overwrite)
    return old, reason


def _normalised(config: SkimConfig, limit: int | None) -> dict[str, Any]:
    return {**config.normalised(), "events_per_sample": limit}


def _refuse(target: Target, reason: str, overwrite: bool) -> None:
    """Refuse to replace what is there, unless that is asked for."""
    if reason and not overwrite:
        raise UsageError(
            f"output {target.describe()!r} {reason}; choose another output, or replace this one "
            "with --overwrite"
        )
