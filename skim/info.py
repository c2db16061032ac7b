"""What a dataset, or a skim about to run, looks like to people and to scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from schemas.event_schema import EventSchema
from schemas.manifest import Manifest

if TYPE_CHECKING:
    from rich.table import Table

    from skim.job import SkimJob


def summary(path: str, manifest: Manifest) -> dict[str, Any]:
    """Return what a dataset holds, for JSON."""
    samples: dict[str, dict[str, Any]] = {
        name: {
            "files": len(record.sources),
            "entries": sum(source.entries for source in record.sources),
            "events_read": record.events_read,
            "events_kept": record.events_kept,
            "sum_of_weights": record.sum_of_weights,
            "partitions": len(record.partitions),
            "bytes": record.bytes,
            "source_bytes": sum(source.bytes for source in record.sources),
            "left_out": [skipped.model_dump(mode="json") for skipped in record.skipped],
        }
        for name, record in manifest.samples.items()
    }
    totals = {
        key: sum(int(sample[key]) for sample in samples.values())
        for key in ("files", "events_read", "events_kept", "partitions", "bytes", "source_bytes")
    }
    return {
        "path": path,
        "format_version": manifest.format_version,
        **totals,
        "samples": samples,
        "collections": manifest.event_schema.model_dump(mode="json")["collections"],
        "configuration": manifest.configuration,
        "configuration_hash": manifest.configuration_hash,
        "software": manifest.software,
    }


def render_dataset(path: str, manifest: Manifest) -> Table:
    """Return a table of the samples."""
    some_left_out = any(record.skipped for record in manifest.samples.values())
    counts = ["files", "left out"] if some_left_out else ["files"]
    numbers = [*counts, "events read", "kept", "", "partitions", "size", "of input"]
    table = make_table(f"Dataset {path}", ["sample"], numbers)
    for name, record in manifest.samples.items():
        read, kept = record.events_read, record.events_kept
        source = sum(source.bytes for source in record.sources)
        table.add_row(
            name,
            str(len(record.sources)),
            *([str(len(record.skipped))] if some_left_out else []),
            f"{read:,}",
            f"{kept:,}",
            _percent(kept, read),
            str(len(record.partitions)),
            size(record.bytes),
            _percent(record.bytes, source),
        )
    return table


def render_collections(schema: EventSchema) -> Table:
    """Return a table of the collections and their fields."""
    table = make_table("Collections", ["collection", "fields", "meaning"], [])
    for name, collection in schema.collections.items():
        table.add_row(
            f"{name} ({len(collection.fields)})", ", ".join(collection.fields), collection.doc
        )
    return table


def render_provenance(manifest: Manifest) -> str:
    """Return configuration, versions and the files that were left out, in a few lines."""
    software = ", ".join(f"{name} {version}" for name, version in manifest.software.items())
    configuration = manifest.configuration
    cuts = [f"{name}: {cut}" for name, cut in configuration.get("objects", {}).items()]
    if configuration.get("events"):
        cuts.append(f"events: {configuration['events']}")
    return "\n".join(
        [
            f"schema {configuration.get('schema')}, configuration {manifest.configuration_hash}, "
            f"format version {manifest.format_version}",
            f"cuts: {'; '.join(cuts) or 'none'}",
            f"written by {software}",
            *(
                f"left out of {name}: {skipped.cause}"
                for name, record in manifest.samples.items()
                for skipped in record.skipped
            ),
        ]
    )


def render_job(job: SkimJob) -> Iterator[Table]:
    """Return tables of what a skim would do."""
    numbers = ["files", "entries", "size", "partitions to make"]
    table = make_table(f"Would write to {job.target.describe()}", ["sample"], numbers)
    for name, ntuples in job.samples.items():
        table.add_row(
            name,
            str(len(ntuples)),
            f"{sum(ntuple.entries for ntuple in ntuples):,}",
            size(sum(ntuple.bytes for ntuple in ntuples)),
            str(sum(task.sample == name for task in job.tasks)),
        )
    yield table
    yield render_collections(job.recipe.kept)


def size(count: int) -> str:
    """Return a number of bytes for people, in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def make_table(title: str, texts: list[str], numbers: list[str]) -> Table:
    """Return an empty table with columns for texts, then for numbers."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table
