"""Running again on a dataset that is there: what it has, what it lacks, what forbids it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.inputs import Range
from runtime.target import TEMPORARY, Target
from schemas.errors import UsageError
from schemas.event_schema import EventSchema
from schemas.manifest import (
    MANIFEST,
    MAX_BYTES,
    Manifest,
    Source,
    configuration_hash,
    parse_manifest,
)
from skim.journal import JOURNAL, Receipt, describe_change, key_of, number_of
from skim.lock import LOCK

Sources = Mapping[str, Sequence[Source]]


def find_present(target: Target) -> Manifest | None:
    """Return the manifest of the dataset that is already there.

    Raises
    ------
    UsageError
        If there is something else, of which it names a part.
    DatasetError
        If the manifest is damaged.
    """
    content = target.read(MANIFEST, MAX_BYTES) if (names := target.names()) else None
    if content is not None:
        return parse_manifest(content, target.describe(MANIFEST))
    foreign = [name for name in names if not _is_of_dataset(name)]
    if foreign:
        raise UsageError(
            f"output {target.describe()!r} exists and is not a dataset (it holds {foreign[0]!r}); "
            "choose another folder"
        )
    return None


def _is_of_dataset(name: str) -> bool:
    """Tell whether something in a folder may be what is there of a dataset in the making."""
    known = name in (JOURNAL, LOCK) or name.startswith("sample=")
    return known or TEMPORARY.fullmatch(name) is not None


def changed_configuration(present: Manifest, configuration: Mapping[str, Any]) -> str:
    """Say how the configuration of a dataset differs from another; nothing if it does not."""
    if present.configuration_hash == configuration_hash(dict(configuration)):
        return ""
    changes = _changes(present.configuration, configuration)
    return f"was made with another configuration: {'; '.join(changes)}"


def _changes(old: Any, new: Any, path: str = "") -> list[str]:
    """Say what differs between two configurations."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[str] = []
        for key in sorted({*old, *new}):
            found += _changes(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        return found
    return [] if old == new else [f"{path} was {old!r} and is {new!r}"]


def changed_schema(present: EventSchema, kept: EventSchema) -> str:
    """Say which column of a dataset new partitions would have otherwise; nothing if none."""
    old, new = _columns(present), _columns(kept)
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if not changed:
        return ""
    name = changed[0]
    return (
        f"holds {name} as {old.get(name, 'nothing')}, and the files have it as "
        f"{new.get(name, 'nothing')}: name the fields to keep"
    )


def _columns(schema: EventSchema) -> dict[str, str]:
    return {
        f"{name}.{field}": f"{collection.kind} {info.type}"
        for name, collection in schema.collections.items()
        for field, info in collection.fields.items()
    }


def changed_sources(present: Manifest, sources: Sources) -> str:
    """Say which file has changed since a dataset was made from it; nothing if none."""
    for name, record in present.samples.items():
        known = {source.url: source for source in record.sources}
        for source in sources.get(name, ()):
            old = known.get(source.url)
            change = describe_change(old, source) if old else ""
            if change:
                return f"was made from {source.url}, which has changed since then: {change}"
    return ""


def changed_events(
    present: Manifest,
    sources: Sources,
    planned: Mapping[str, Mapping[str, int]],
    limit: int | None,
) -> str:
    """Say which sample has other first events now than a dataset holds; nothing if none."""
    if limit is None:
        return ""
    for name, record in present.samples.items():
        have = dict.fromkeys((source.url for source in record.sources), 0)
        for part in record.partitions:
            have[record.sources[part.source].url] += part.events_read
        left_out = {skipped.url for skipped in record.skipped}
        for url in (source.url for source in sources.get(name, ())):
            same = have[url] == planned[name].get(url, 0) if url in have else url in left_out
            if not same:
                return (
                    f"holds the first {limit} events of other files of sample {name!r} than there "
                    "are now"
                )
    return ""


def missing_ranges(ranges: Sequence[Range], present: Manifest | None) -> list[Range]:
    """Return the ranges of files that a dataset does not have: it has files whole, or not."""
    samples = present.samples if present else {}
    have = {(name, source.url) for name, record in samples.items() for source in record.sources}
    return [where for where in ranges if (where.sample, where.ntuple.url) not in have]


def first_numbers(old: Manifest | None) -> dict[str, int]:
    """Return the first number of new partitions, by sample: no name is ever used twice.

    A dataset that is replaced stays readable until the last moment, and whoever still reads it
    after that finds files missing, but never other files under their names.
    """
    return {
        name: 1 + max((number_of(part) for part in record.partitions), default=-1)
        for name, record in (old.samples.items() if old else ())
    }


def number_ranges(
    ranges: Sequence[Range], receipts: Sequence[Receipt], first: Mapping[str, int]
) -> list[tuple[Range, int]]:
    """Give a number to each range that has no receipt.

    The receipts of the same run over the same files have the numbers that their ranges would get,
    so those that are left get what they would have had, too.
    """
    taken = {(receipt.sample, number_of(receipt.partition)) for receipt in receipts}
    done = {receipt.key for receipt in receipts}
    following = dict(first)
    numbered = []
    for where in ranges:
        if key_of(where) in done:
            continue
        number = following.get(where.sample, 0)
        while (where.sample, number) in taken:
            number += 1
        following[where.sample] = number + 1
        numbered.append((where, number))
    return numbered
