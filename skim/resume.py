"""Running again on a dataset that is there: what it has, what it lacks, what forbids it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.inputs import Range
from schemas.errors import UsageError
from schemas.event_schema import EventSchema
from schemas.manifest import MANIFEST, MAX_BYTES, Manifest, Source, parse_manifest
from schemas.skim_config import configuration_hash
from schemas.storage import read_bytes
from schemas.trees import Ntuple

logger = logging.getLogger(__name__)


def find_present(output: Path, configuration: Mapping[str, Any]) -> Manifest | None:
    """Return the manifest of what is already there, if it may grow."""
    content = read_bytes(str(output / MANIFEST), MAX_BYTES)
    if content is None:
        file = next((parent for parent in output.parents if parent.is_file()), None)
        if file:
            raise UsageError(f"output {str(output)!r} is inside {str(file)!r}, which is a file")
        others = sorted(output.iterdir()) if output.is_dir() else []
        foreign = [path.name for path in others if not path.name.startswith("sample=")]
        if output.exists() and (foreign or not output.is_dir()):
            raise UsageError(
                f"output {str(output)!r} exists and is not a dataset"
                + (f" (it holds {foreign[0]!r})" if foreign else "")
                + "; choose another folder"
            )
        return None
    present = parse_manifest(content, str(output / MANIFEST))
    if present.configuration_hash != configuration_hash(dict(configuration)):
        changed = _changes(present.configuration, configuration)
        raise UsageError(
            f"output {str(output)!r} was made with another configuration: {'; '.join(changed)}; "
            "choose another output, or remove it first"
        )
    return present


def _changes(old: Any, new: Any, path: str = "") -> list[str]:
    """Say what differs between two configurations."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[str] = []
        for key in sorted({*old, *new}):
            found += _changes(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        return found
    return [] if old == new else [f"{path} was {old!r} and is {new!r}"]


def check_schema(output: Path, present: EventSchema, kept: EventSchema) -> None:
    """Refuse to add partitions with other columns than those of the dataset."""
    old, new = _columns(present), _columns(kept)
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if changed:
        name = changed[0]
        raise UsageError(
            f"output {str(output)!r} holds {name} as {old.get(name, 'nothing')}, and the files "
            f"have it as {new.get(name, 'nothing')}; make a new dataset, or name the fields to keep"
        )


def _columns(schema: EventSchema) -> dict[str, str]:
    return {
        f"{name}.{field}": f"{collection.kind} {info.type}"
        for name, collection in schema.collections.items()
        for field, info in collection.fields.items()
    }


def check_sources(
    present: Manifest, samples: Mapping[str, Sequence[Ntuple]], limit: int | None
) -> None:
    """Refuse files that have changed since the dataset was made from them.

    Raises
    ------
    UsageError
        Naming the file, or the sample of whose files ``limit`` would take other events now.
    """
    for name, record in present.samples.items():
        known = {source.url: source for source in record.sources}
        found = samples.get(name, ())
        if limit is not None and found and {ntuple.url for ntuple in found} != known.keys():
            raise UsageError(
                f"sample {name!r} has other files than those whose first {limit} events the "
                "dataset holds; make a new dataset, or one of all events"
            )
        for ntuple in found:
            old = known.get(ntuple.url)
            if old and old != _source(ntuple):
                raise UsageError(
                    f"{ntuple.url} has changed since the dataset was made from it: it had "
                    f"{old.entries} entries in {old.bytes} bytes (UUID {old.uuid}), and has "
                    f"{ntuple.entries} in {ntuple.bytes} (UUID {ntuple.uuid}); make a new dataset"
                )


def _source(ntuple: Ntuple) -> Source:
    return Source(
        url=ntuple.url,
        uuid=ntuple.uuid,
        tree=ntuple.tree,
        entries=ntuple.entries,
        bytes=ntuple.bytes,
    )


def all_sources(
    samples: Mapping[str, Sequence[Ntuple]], present: Manifest | None
) -> dict[str, list[Source]]:
    """Return the sources of each sample: those that the dataset has, then the new ones."""
    merged = {n: list(r.sources) for n, r in present.samples.items()} if present else {}
    for name, ntuples in samples.items():
        listed = merged.setdefault(name, [])
        known = {source.url for source in listed}
        listed += [_source(ntuple) for ntuple in ntuples if ntuple.url not in known]
    return merged


def missing_ranges(
    ranges: Sequence[Range], samples: Mapping[str, Sequence[Ntuple]], present: Manifest | None
) -> list[tuple[Range, int, int]]:
    """Return the ranges that the dataset lacks, with number of partition and of source."""
    sources = all_sources(samples, present)
    positions = {
        name: {source.url: index for index, source in enumerate(listed)}
        for name, listed in sources.items()
    }
    have: dict[str, set[tuple[int, int, int]]] = {}
    numbers: dict[str, int] = {}
    for name, record in present.samples.items() if present else ():
        have[name] = {(p.source, p.entry_start, p.entry_stop) for p in record.partitions}
        numbers[name] = len(record.partitions)
    found = []
    for where in ranges:
        source = positions[where.sample][where.ntuple.url]
        if (source, where.start, where.stop) not in have.get(where.sample, set()):
            number = numbers.get(where.sample, 0)
            numbers[where.sample] = number + 1
            found.append((where, number, source))
    return found


def remove_leftovers(output: Path, manifest: Manifest) -> None:
    """Remove partitions that the manifest does not list: what killed or failed runs left.

    Readers that take the folder rather than the manifest would count their events twice.
    """
    listed = {partition.path for _, partition in manifest.partitions()}
    for path in sorted(output.glob("sample=*/part-*.parquet")):
        if str(path.relative_to(output)) not in listed:
            logger.info("removing %s, which is not part of the dataset", path)
            path.unlink()
