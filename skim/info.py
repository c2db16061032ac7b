"""What a dataset, or a skim about to run, looks like to people and to scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from schemas.event_schema import EventSchema
from schemas.manifest import Manifest
from schemas.model import to_data
from schemas.narrow import Rounding, largest

if TYPE_CHECKING:
    from rich.table import Table

    from skim.job import SkimJob
    from skim.predict import Predicted


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
            "left_out": [to_data(skipped) for skipped in record.skipped],
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
        "narrowed": _narrowed(manifest),
        "collections": to_data(manifest.event_schema)["collections"],
        "configuration": manifest.configuration,
        "configuration_hash": manifest.configuration_hash,
        "software": manifest.software,
    }


def describe_dataset(path: str, manifest: Manifest) -> str:
    """Return what a run made, one line a sample; a table would take rich, and 25 ms."""
    lines = []
    for name, record in manifest.samples.items():
        read, kept = record.events_read, record.events_kept
        source = sum(source.bytes for source in record.sources)
        left_out = f" ({len(record.skipped)} left out)" if record.skipped else ""
        lines.append(
            f"{name}: {kept:,} of {read:,} events kept ({_percent(kept, read)}) from "
            f"{_counted(len(record.sources), 'file')}{left_out}, in "
            f"{_counted(len(record.partitions), 'partition')} of {size(record.bytes)} "
            f"({_percent(record.bytes, source)} of input)"
        )
    lines.append(f"{path}: {_counted(len(manifest.samples), 'sample')}")
    return "\n".join(lines)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


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


def render_narrowed(manifest: Manifest) -> Table | None:
    """Return a table of the columns that were narrowed, if there are any."""
    narrowed = _narrowed(manifest)
    if not narrowed:
        return None
    numbers = ["largest absolute error", "relative"]
    table = make_table("Narrowed", ["column", "in the ntuple", "stored as"], numbers)
    for name, found in narrowed.items():
        errors = [found[kind] for kind in ("absolute_error", "relative_error")]
        shown = [("exact" if error == 0 else f"{error:.2g}") for error in errors]
        table.add_row(name, found["from"], found["to"], *shown)
    return table


def _narrowed(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Say of each narrowed column what it was, what it is, and what that cost at most."""
    errors = largest([record.errors for record in manifest.samples.values()])
    found: dict[str, dict[str, Any]] = {}
    for name, collection in manifest.event_schema.collections.items():
        for field, info in collection.fields.items():
            if info.narrowed_from or info.mantissa_bits is not None:
                error = errors.get(f"{name}.{field}", Rounding())
                bits = info.mantissa_bits
                found[f"{name}.{field}"] = {
                    "from": info.narrowed_from or info.type,
                    "to": info.type if bits is None else f"{info.type}, {bits} bits",
                    "absolute_error": error.absolute,
                    "relative_error": error.relative,
                }
    return found


def render_job(job: SkimJob, predicted: Mapping[str, Predicted]) -> Iterator[Table]:
    """Return tables of what a skim would do, and of how large the outcome will be."""
    numbers = ["files", "entries", "size", "to read", "partitions to make", "predicted", "of input"]
    table = make_table(f"Would write to {job.target.describe()}", ["sample"], numbers)
    for name, sources in job.sources.items():
        tasks = [task for task in job.tasks if task.sample == name]
        entries = sum(source.entries for source in sources)
        whole = sum(source.bytes for source in sources)
        read = sum(task.stop - task.start for task in tasks)
        expected = predicted[name].bytes
        table.add_row(
            name,
            str(len(sources)),
            f"{entries:,}",
            size(whole),
            f"{read:,}",
            str(len(tasks)),
            size(round(expected)),
            _percent(expected, whole * read / max(entries, 1)),
        )
    probed = sum(found.entries for found in predicted.values())
    table.caption = f"sizes are predicted from {probed:,} entries"
    table.caption_justify = "left"
    yield table
    yield _render_sizes(job.recipe.kept, predicted)


def _render_sizes(schema: EventSchema, predicted: Mapping[str, Predicted]) -> Table:
    """Return a table of the collections with their predicted sizes."""
    total = sum(found.bytes for found in predicted.values())
    table = make_table("Collections", ["collection", "fields"], ["predicted", "of all"])
    for name, collection in schema.collections.items():
        part = sum(found.collections.get(name, 0.0) for found in predicted.values())
        fields = ", ".join(collection.fields)
        title = f"{name} ({len(collection.fields)})"
        table.add_row(title, fields, size(round(part)), _percent(part, total))
    return table


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
