"""Whether a manifest agrees with itself: every entry of every file in one partition, and once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from schemas.manifest import Manifest, SampleRecord, configuration_hash

LIMIT = "events_per_sample"
"""Key of the configuration in a manifest that is no key of the configuration file."""


def check_manifest(manifest: Manifest) -> Iterator[str]:
    """Say where a manifest contradicts itself."""
    configuration = manifest.configuration
    if configuration_hash(configuration) != manifest.configuration_hash:
        yield "the hash of the configuration is another"
    limit, weighted = configuration.get(LIMIT), configuration.get("weight") is not None
    seen: set[str] = set()
    for name, record in manifest.samples.items():
        urls = Counter(source.url for source in record.sources)
        urls.update(skipped.url for skipped in record.skipped)
        for url in (url for url, times in urls.items() if times > 1):
            yield f"sample {name}: {url} is listed more than once"
        for part in record.partitions:
            if part.path in seen:
                yield f"{part.path} is listed more than once"
            seen.add(part.path)
            if not weighted and part.sum_of_weights != part.events_read:
                yield f"{part.path}: the sum of weights is not the number of events read"
        yield from _check_coverage(name, record, limit if isinstance(limit, int) else None)


def _check_coverage(name: str, record: SampleRecord, limit: int | None) -> Iterator[str]:
    """Require each entry of each source to be in one partition, or the first ones of a limit."""
    covered = 0
    ranges: list[list[tuple[int, int]]] = [[] for _ in record.sources]
    for part in record.partitions:
        ranges[part.source].append((part.entry_start, part.entry_stop))
    for source, parts in zip(record.sources, ranges, strict=True):
        done = 0
        for start, stop in sorted(parts):
            if start < done:
                yield f"sample {name}: {source.url}: entries from {start} are in two partitions"
            if start > done:
                yield f"sample {name}: {source.url}: entries {done} to {start} are missing"
            done = max(done, stop)
        if limit is None and done < source.entries:
            yield f"sample {name}: {source.url}: entries {done} to {source.entries} are missing"
        covered += done
    expected = sum(source.entries for source in record.sources)
    if limit is not None and covered != min(limit, expected):
        yield (
            f"sample {name}: {covered} entries are covered, and --events {limit} of {expected} "
            f"is {min(limit, expected)}"
        )
