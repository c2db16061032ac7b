"""Stage one from the work that there is to the dataset."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

from runtime.console import Watch, progress_bar
from runtime.differences import report
from runtime.execute import run_tasks
from runtime.scheduler import Scheduler
from schemas.errors import L1SkimError, RemoteError, RunError
from schemas.manifest import Manifest, SampleRecord, Skipped
from skim.commit import (
    New,
    check_unchanged,
    extend_record,
    remove_leftovers,
    remove_temporaries,
    write_manifest,
)
from skim.job import SkimJob
from skim.journal import JOURNAL, Receipt, receipt_name
from skim.lock import Lock
from skim.partition import make_partition

logger = logging.getLogger(__name__)


def run(job: SkimJob, *, lock: Lock, scheduler: Scheduler, watch: Watch = progress_bar) -> Manifest:
    """Make the missing partitions, then the manifest.

    Parameters
    ----------
    job
        From `prepare`, called while the lock was held.
    lock
        Of the target.
    scheduler
        Where partitions are made.
    watch
        Shows how far the work has come.

    Returns
    -------
    Manifest
        Of the dataset, as written.

    Raises
    ------
    InputError
        If a file cannot be read and is not to be left out.
    RunError
        If something cannot be written, a worker or the lock was lost, or no file is left.
    KeyboardInterrupt
        If the run is stopped; says how to go on.
    """
    for line in report(job.differences):
        logger.warning("files differ: %s", line)
    with _resumable(job), watch("skimming partitions", len(job.tasks)) as advance:
        made = run_tasks(make_partition, job.tasks, scheduler=scheduler, progress=advance)
        manifest = make_manifest(job, made)
        check_unchanged(r.origin for r in made if isinstance(r, Receipt))
        lock.check()
        if write_manifest(job.target, manifest):
            logger.info("wrote the manifest of %s", job.target.describe())
        for name in remove_leftovers(job.target, manifest):
            logger.info("removed %s, which is not part of the dataset", name)
    return manifest


def make_manifest(job: SkimJob, made: Sequence[Receipt | Skipped]) -> Manifest:
    """Return the manifest of the dataset with what a run made.

    Parameters
    ----------
    job
        The work.
    made
        What became of each of its tasks.

    Raises
    ------
    RunError
        If no file is left, or if events are missing.
    """
    left_out = {name: {s.url: s for s in skipped} for name, skipped in job.skipped.items()}
    receipts = list(job.receipts)
    for task, result in zip(job.tasks, made, strict=True):
        if isinstance(result, Receipt):
            receipts.append(result)
        else:  # of several errors of one file, the first one is listed
            left_out.setdefault(task.sample, {}).setdefault(result.url, result)
    for skipped in (found for by_url in left_out.values() for found in by_url.values()):
        logger.warning("left out: %s", skipped.cause)
    samples = dict(job.present.samples) if job.present else {}
    for name in job.sources.keys() | left_out.keys():
        new = New(
            sources=job.sources.get(name, ()),
            partitions=[(r.origin.url, r.partition) for r in receipts if r.sample == name],
            skipped=list(left_out.get(name, {}).values()),
            planned=job.planned.get(name, {}),
        )
        samples[name] = extend_record(samples.get(name, SampleRecord()), new)
    if not any(record.sources for record in samples.values()):
        raise RunError("each file was left out, so there is no dataset")
    versions = job.present.software if job.present and not receipts else job.stamp.software
    return Manifest(
        event_schema=job.recipe.kept,
        configuration=dict(job.configuration),
        configuration_hash=job.stamp.configuration_hash,
        software=versions,
        samples={name: samples[name] for name in sorted(samples)},
    )


def require_samples(manifest: Manifest) -> None:
    """Require every sample to have a file.

    Raises
    ------
    RunError
        Naming a sample of which each file was left out.
    """
    for name, record in manifest.samples.items():
        if record.skipped and not record.sources:
            raise RunError(
                f"each file of sample {name!r} was left out ({len(record.skipped)} in all), the "
                f"first because of {record.skipped[0].cause}"
            )


@contextlib.contextmanager
def _resumable(job: SkimJob) -> Iterator[None]:
    """Clear away what a run that ends early was writing; say how to go on after an interrupt."""
    awaited = {receipt_name(task.sample, task.number) for task in job.tasks}
    for name in awaited.intersection(job.target.names(JOURNAL)):
        job.target.remove(f"{JOURNAL}/{name}")  # of no use, and not to be counted below
    try:
        yield
    except BaseException as error:
        # why the run ends matters more than what it leaves, which the next one removes
        if not isinstance(error, RemoteError):  # which has taken long enough to give up
            with contextlib.suppress(L1SkimError, OSError):
                remove_temporaries(job.target)
        if isinstance(error, KeyboardInterrupt):
            done = len(job.receipts) + len(awaited.intersection(job.target.names(JOURNAL)))
            raise type(error)(
                f"{done} of {len(job.receipts) + len(awaited)} partitions are done; run the same "
                "command again to go on"
            ) from None
        raise
