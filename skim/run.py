"""Stage one from configuration to dataset."""

from __future__ import annotations

import importlib.metadata
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.console import Watch, progress_bar
from runtime.execute import run_tasks
from runtime.files import replace_file
from runtime.inputs import (
    choose_samples,
    open_samples,
    plan_ranges,
)
from runtime.scheduler import Scheduler
from schemas.errors import InputError
from schemas.load import location_of
from schemas.manifest import (
    MANIFEST,
    Manifest,
    Partition,
    SampleRecord,
)
from schemas.ntuple import load_format
from schemas.pages import footer_digest
from schemas.reduction import Recipe, reduce_events
from schemas.skim_config import SkimConfig, Storage, configuration_hash
from schemas.trees import Input, Ntuple, read_entries
from skim.resume import (
    all_sources,
    check_schema,
    check_sources,
    find_present,
    missing_ranges,
    remove_leftovers,
)
from skim.write import write_partition

logger = logging.getLogger(__name__)

WRITERS = ("l1skim", "awkward", "numpy", "pyarrow", "uproot")


@dataclass(frozen=True)
class SkimJob:
    """A skim that is ready to run.

    Attributes
    ----------
    output
        Folder of the dataset.
    recipe
        What happens to events.
    configuration
        Normalised, as the manifest keeps it.
    storage
        How partitions are stored.
    samples
        The probed files of each sample.
    tasks
        The partitions to make.
    present
        What the dataset already has.
    """

    output: Path
    recipe: Recipe
    configuration: Mapping[str, Any]
    storage: Storage
    samples: Mapping[str, Sequence[Ntuple]]
    tasks: Sequence[SkimTask]
    present: Manifest | None


@dataclass(frozen=True)
class SkimTask:
    """One partition to make, with everything that a worker needs."""

    output: Path
    sample: str
    number: int
    source: int
    source_input: Input
    start: int
    stop: int
    recipe: Recipe
    storage: Storage


def prepare(
    config: SkimConfig,
    *,
    base: Path,
    output: Path,
    files: Sequence[str] = (),
    only: Sequence[str] = (),
    limit: int | None = None,
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
    output
        Folder of the dataset.
    files, only
        As in `choose_samples`.
    limit
        Number of events to take of each sample; None for all.
    scheduler
        Where files are probed.
    watch
        Shows how far the probing has come.

    Raises
    ------
    UsageError
        For missing files, or if ``output`` is something else than a dataset of this configuration.
    ConfigError
        If the configuration names what the ntuples do not have.
    InputError
        If a file cannot be read.
    """
    form = load_format(config.format, base, location_of(config.format))
    urls = choose_samples(config, base, files, only)
    configuration = {**config.normalised(), "events_per_sample": limit}
    present = find_present(output, configuration)
    opened = open_samples(config, form, urls, scheduler, watch)
    samples, plan = opened.samples, opened.plan
    if present:
        check_sources(present, samples, limit)
        check_schema(output, present.event_schema, plan.recipe.kept)
    ranges = plan_ranges(samples, config.storage, plan.inputs, limit)
    tasks = []
    for found in missing_ranges(ranges, samples, present):
        where, number, source = found
        source_input = opened.input(where.ntuple)
        tasks.append(
            SkimTask(
                output, where.sample, number, source, source_input,
                where.start, where.stop, plan.recipe, config.storage,
            )
        )  # fmt: skip
    return SkimJob(output, plan.recipe, configuration, config.storage, samples, tasks, present)


def make_partition(task: SkimTask) -> Partition:
    """Read a range of entries, reduce it and write it as one partition.

    Raises
    ------
    InputError
        If the entries cannot be read, or their weights have no finite sum.
    """
    events = read_entries(task.source_input, task.start, task.stop)
    reduced = reduce_events(events, task.recipe, task.source_input.url, task.start)
    if not math.isfinite(reduced.sum_of_weights):
        raise InputError(
            f"{task.source_input.url}: the weights of entries {task.start} to {task.stop} sum up "
            f"to {reduced.sum_of_weights}; write a weight that is finite for every event"
        )
    folder = task.output / f"sample={task.sample}"
    path, checksum, content = write_partition(
        reduced.events, task.recipe.kept, task.storage, folder, task.number
    )
    return Partition(
        path=f"{folder.name}/{path.name}",
        source=task.source,
        entry_start=task.start,
        entry_stop=task.stop,
        events_read=reduced.events_read,
        events_kept=reduced.events.size,
        sum_of_weights=reduced.sum_of_weights,
        bytes=path.stat().st_size,
        checksum=checksum,
        content=content,
        footer=footer_digest(str(path)),
        errors=dict(reduced.errors),
    )


def run(job: SkimJob, *, scheduler: Scheduler, watch: Watch = progress_bar) -> Manifest:
    """Make the missing partitions, then the manifest.

    Parameters
    ----------
    job
        From `prepare`.
    scheduler
        Where partitions are made.
    watch
        Shows how far the work has come.

    Returns
    -------
    Manifest
        Of the dataset, as written.
    """
    with watch("skimming partitions", len(job.tasks)) as advance:
        made = run_tasks(make_partition, job.tasks, scheduler=scheduler, progress=advance)
    sources = all_sources(job.samples, job.present)
    records = {
        name: list(record.partitions)
        for name, record in (job.present.samples.items() if job.present else ())
    }
    for task, partition in zip(job.tasks, made, strict=True):
        records.setdefault(task.sample, []).append(partition)
    manifest = Manifest(
        schema=job.recipe.kept,
        configuration=dict(job.configuration),
        configuration_hash=configuration_hash(dict(job.configuration)),
        software={name: importlib.metadata.version(name) for name in WRITERS},
        samples={
            name: SampleRecord(sources=sources[name], partitions=records.get(name, []))
            for name in sorted(sources)
        },
    )
    job.output.mkdir(parents=True, exist_ok=True)
    with replace_file(job.output / MANIFEST) as temporary:
        temporary.write_text(manifest.to_json(), encoding="utf-8")
    logger.info("wrote %s", job.output / MANIFEST)
    remove_leftovers(job.output, manifest)
    return manifest
