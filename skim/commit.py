"""The end of a run: what was made becomes the dataset, and what is left over goes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from runtime.files import is_url
from runtime.target import Target
from schemas.errors import RunError
from schemas.manifest import MANIFEST, MAX_BYTES, Manifest, Partition, SampleRecord, Skipped, Source
from skim.journal import JOURNAL, RECEIPT, number_of
from skim.lock import LOCK

_PARTITION = re.compile(r"part-[0-9]{5,}-[0-9a-f]{8}\.parquet")
_OWN = (re.escape(MANIFEST), re.escape(LOCK), _PARTITION.pattern, RECEIPT.pattern)
_OWN_TEMPORARY = re.compile(rf"\.({'|'.join(_OWN)})\.[0-9a-f]{{8}}\.tmp")


class New(Struct, frozen=True):
    """What a run adds to one sample.

    Attributes
    ----------
    sources
        The files that were taken, in their order.
    partitions
        Each with the URL of its file, in any order.
    skipped
        The files that were left out.
    planned
        Number of entries to take of each file, by URL.
    """

    sources: Sequence[Source]
    partitions: Sequence[tuple[str, Partition]] = ()
    skipped: Sequence[Skipped] = ()
    planned: Mapping[str, int] = {}


def extend_record(present: SampleRecord, new: New) -> SampleRecord:
    """Add what a run made to what a dataset holds of a sample.

    A file is left out whole: what was made of it before it failed does not count. One that was
    left out before and is taken now is no longer listed as left out.

    Raises
    ------
    RunError
        If the partitions of a file do not hold each of its entries once. That would be a
        mistake of this program; nothing is written then.
    """
    known = {source.url for source in present.sources}
    left_out = {skipped.url: skipped for skipped in new.skipped if skipped.url not in known}
    added = [s for s in new.sources if s.url not in known and s.url not in left_out]
    sources = [*present.sources, *added]
    position = {source.url: index for index, source in enumerate(sources)}
    first = len(present.sources)
    partitions = [
        replace(part, source=position[url])
        for url, part in new.partitions
        if position.get(url, -1) >= first
    ]
    partitions.sort(key=number_of)
    parts: dict[int, list[Partition]] = {position[source.url]: [] for source in added}
    for part in partitions:
        parts[part.source].append(part)
    for source in added:
        planned = new.planned.get(source.url, 0)
        _check_conservation(source.url, parts[position[source.url]], planned)
    left_out = {skipped.url: skipped for skipped in present.skipped} | left_out
    return SampleRecord(
        sources=sources,
        partitions=[*present.partitions, *partitions],
        skipped=[left_out[url] for url in sorted(left_out) if url not in position],
    )


def _check_conservation(url: str, partitions: Iterable[Partition], planned: int) -> None:
    """Require partitions to cover the entries from 0 to ``planned``, each once."""
    reached = 0
    for part in sorted(partitions, key=lambda part: part.entry_start):
        length = part.entry_stop - part.entry_start
        if not (part.entry_start == reached and part.events_kept <= part.events_read == length):
            break
        reached = part.entry_stop
    if reached != planned:
        raise RunError(
            f"{url}: {planned} events were to be read, and the partitions account for {reached}; "
            "nothing was written. This is a bug: report it with the configuration"
        )


def check_unchanged(sources: Iterable[Source]) -> None:
    """Require local files to be those that the run began with.

    Raises
    ------
    RunError
        Naming a file that somebody wrote, or removed, while it was read.
    """
    for source in sources:
        if is_url(source.url):
            continue
        try:
            found = os.stat(source.url)
        except OSError as error:
            raise RunError(f"{source.url}: {error.strerror} after it was read") from error
        if (found.st_size, found.st_mtime_ns) != (source.bytes, source.modified):
            raise RunError(
                f"{source.url} changed while it was read; nothing was written. When it changes no "
                "more, run the same command again with --overwrite"
            )


def write_manifest(target: Target, manifest: Manifest) -> bool:
    """Make a manifest that of the dataset; tell whether it was another one.

    What it lists is on disk by then: the partitions by themselves, their names by this.
    """
    content = manifest.to_json().encode()
    if target.read(MANIFEST, MAX_BYTES) == content:
        return False
    for name in manifest.samples:
        target.flush_names(f"sample={name}")
    target.replace(MANIFEST, content)
    return True


def remove_leftovers(target: Target, manifest: Manifest) -> list[str]:
    """Remove what runs left behind: partitions that no manifest lists, receipts, temporary files.

    Readers that take the folder rather than the manifest would count events twice. What does not
    have the name of a part of a dataset is never touched.

    Returns
    -------
    list
        The partitions that were removed.
    """
    listed = {partition.path for _, partition in manifest.partitions()}
    folders = _sample_folders(target)
    found = [f"{folder}/{name}" for folder in folders for name in target.names(folder)
             if _PARTITION.fullmatch(name)]  # fmt: skip
    unlisted = [name for name in found if name not in listed]
    receipts = [f"{JOURNAL}/{n}" for n in target.names(JOURNAL) if RECEIPT.fullmatch(n)]
    for name in [*unlisted, *receipts]:
        target.remove(name)
    remove_temporaries(target)
    target.remove_folders([JOURNAL, *folders])
    return unlisted


def remove_temporaries(target: Target) -> None:
    """Remove files that were being written; for whoever holds the lock, when its tasks are over."""
    for folder in ("", JOURNAL, *_sample_folders(target)):
        for name in target.names(folder):
            if _OWN_TEMPORARY.fullmatch(name):
                target.remove(f"{folder}/{name}" if folder else name)


def _sample_folders(target: Target) -> list[str]:
    return [name for name in target.names() if name.startswith("sample=")]
