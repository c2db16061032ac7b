"""Whether a dataset is what its manifest says, and what its ntuples give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runtime.console import Watch, progress_bar
from runtime.execute import run_tasks
from runtime.scheduler import Scheduler
from schemas.dataset import Dataset
from schemas.manifest import MANIFEST, Manifest, Partition
from schemas.storage import join, list_files
from skim.check import Check, check_partition
from skim.consistency import check_manifest
from skim.origins import Origins, Remake, open_origins

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes
    ----------
    severity
        ``error``: the dataset is wrong; ``warning``: something lies about.
    text
        Where, and what.
    """

    severity: Literal["error", "warning"]
    text: str


@dataclass(frozen=True)
class Verified:
    """What was checked of a sample.

    Attributes
    ----------
    sources
        Number of ROOT files that were read again.
    partitions, checked
        Number of partitions, and of those read.
    events, bytes
        In these.
    """

    sources: int
    partitions: int
    checked: int
    events: int
    bytes: int


@dataclass(frozen=True)
class Report:
    """The outcome of a verification.

    Attributes
    ----------
    path
        Of the dataset.
    samples
        What was checked, by sample.
    findings
        Everything that is wrong.
    """

    path: str
    samples: dict[str, Verified]
    findings: list[Finding]

    @property
    def is_right(self) -> bool:
        """Whether no error was found."""
        return all(finding.severity != "error" for finding in self.findings)


def verify(
    dataset: Dataset,
    *,
    source: bool = False,
    form: Path | None = None,
    fraction: float = 1.0,
    scheduler: Scheduler,
    watch: Watch = progress_bar,
) -> Report:
    """Check a dataset.

    Parameters
    ----------
    dataset
        What to check; its manifest has been read, so its digest is right.
    source
        Whether to make every partition again from its ntuple, and compare all values.
    form
        Schema file of the ntuples, if it is none of those that come with the project.
    fraction
        Share of the partitions of each sample to read, at least one; always the same ones.
    scheduler
        Where partitions are read.
    watch
        Shows how far the work has come.

    Raises
    ------
    UsageError
        If the ntuples have a schema that is not known.
    """
    manifest = dataset.manifest
    where = join(dataset.path, MANIFEST)
    chosen = {n: choose(r.partitions, fraction) for n, r in manifest.samples.items()}
    findings = [Finding("error", f"{where}: {text}") for text in check_manifest(manifest)]
    origins = Origins()
    if source:
        origins = open_origins(manifest, where, form, scheduler, watch)
        findings += [Finding("error", text) for text in origins.problems]
    checks = [
        Check(
            dataset.path, name, part, manifest.event_schema, _remake(origins, manifest, name, part)
        )
        for name, partitions in chosen.items()
        for part in partitions
    ]
    with watch("verifying partitions", len(checks)) as advance:
        checked = run_tasks(check_partition, checks, scheduler=scheduler, progress=advance)
    findings += [Finding("error", text) for problems in checked for text in problems]
    findings += _leftovers(dataset)
    samples = {
        name: Verified(
            sources=len({c.partition.source for c in checks if c.sample == name and c.remake}),
            partitions=len(manifest.samples[name].partitions),
            checked=len(partitions),
            events=sum(part.events_kept for part in partitions),
            bytes=sum(part.bytes for part in partitions),
        )
        for name, partitions in chosen.items()
    }
    return Report(dataset.path, samples, findings)


def _remake(origins: Origins, manifest: Manifest, sample: str, part: Partition) -> Remake | None:
    url = manifest.samples[sample].sources[part.source].url
    return origins.remakes.get((sample, url))


def choose(partitions: Sequence[Partition], fraction: float) -> list[Partition]:
    """Return a share of partitions, at least one, evenly spread and always the same.

    Examples
    --------
    >>> choose([], 0.5)
    []
    """
    number = min(len(partitions), max(1, math.ceil(fraction * len(partitions))))
    return [partitions[(2 * i + 1) * len(partitions) // (2 * number)] for i in range(number)]


def _leftovers(dataset: Dataset) -> Iterator[Finding]:
    listed = {part.path for _, part in dataset.partitions()} | {MANIFEST}
    try:
        found = list_files(dataset.path)
    except OSError as error:
        yield Finding("warning", f"{dataset.path}: its files cannot be listed: {error}")
        return
    for path in found:
        if path not in listed:
            yield Finding("warning", f"{join(dataset.path, path)}: is not part of the dataset")


def summary(report: Report) -> dict[str, Any]:
    """Return a report for JSON."""
    return {
        "path": report.path,
        "is_right": report.is_right,
        "samples": {name: vars(checked) for name, checked in report.samples.items()},
        "findings": [vars(finding) for finding in report.findings],
    }


def render(report: Report) -> Table:
    """Return a table of what was checked."""
    from skim.info import make_table, size

    numbers = ["files read again", "partitions", "checked", "events", "size"]
    table = make_table(f"Dataset {report.path}", ["sample"], numbers)
    for name, checked in report.samples.items():
        table.add_row(
            name, str(checked.sources), str(checked.partitions), str(checked.checked),
            f"{checked.events:,}", size(checked.bytes),
        )  # fmt: skip
    return table


def conclude(report: Report) -> str:
    """Return the outcome in a line."""
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = len(report.findings) - errors
    said = f"{errors} errors" if errors else "no errors"
    return f"{said}, {warnings} warnings" if warnings else said
