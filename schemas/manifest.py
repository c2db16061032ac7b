"""The manifest of a dataset: what it holds, where it comes from, what made it (format version 1).

``DATASET/manifest.json`` is the one source of truth: a folder without it is no dataset, a file that
it does not list is no part of one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from msgspec import Meta

from schemas.config_types import Name
from schemas.digests import digest
from schemas.errors import DatasetError
from schemas.event_schema import EventSchema
from schemas.model import EntryError, ModelError, StrictModel, from_data, parse_json, to_data
from schemas.narrow import Rounding, largest

MANIFEST = "manifest.json"
MAX_BYTES = 100_000_000
"""Size of the largest manifest that is read: some 200,000 partitions; 3 GB in memory at worst."""

_SEALED = re.compile(rb'\{\n "digest": "([0-9a-f]{32})",\n')
_PARTITION = re.compile(r"sample=[^/]+/part-[0-9]{5,}-[0-9a-f]{8}\.parquet")

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Source(StrictModel, frozen=True, kw_only=True):
    """A ROOT file that was read.

    Attributes
    ----------
    url
        Absolute path or URL.
    uuid
        Of the file as ROOT wrote it; all zeros in files written reproducibly.
    tree
        Name of the tree.
    entries
        Its number of entries.
    bytes
        Size of the file.
    modified
        Time of its last change in nanoseconds since 1970; None where the storage does not tell.
    """

    url: str
    uuid: str
    tree: str
    entries: Count
    bytes: Count
    modified: Count | None = None


class Skipped(StrictModel, frozen=True, kw_only=True):
    """A ROOT file that was left out, with the consent of who ran the skim.

    Attributes
    ----------
    url
        Absolute path or URL.
    cause
        The error that it gave.
    entries
        Its number of entries; None if not even that could be read.
    """

    url: str
    cause: str
    entries: Count | None = None


class Partition(StrictModel, frozen=True, kw_only=True):
    """One Parquet file of the dataset.

    Attributes
    ----------
    path
        Relative to the dataset.
    source
        Position of its ROOT file in the sample's ``sources``.
    entry_start, entry_stop
        Range of entries it was made from.
    events_read, events_kept
        Number of events before and after the cut on events.
    sum_of_weights
        Of all events read; their number where no weight is configured.
    bytes
        Size of the file.
    checksum
        XXH3-128 of its bytes, hexadecimal.
    content
        XXH3-128 of its logical values: the same whatever wrote the file, hexadecimal.
    footer
        XXH3-128 of what says where its columns are, see `schemas.pages`, hexadecimal.
    errors
        The largest errors that narrowing made, by ``COLLECTION.FIELD``.
    """

    path: str
    source: Count
    entry_start: Count
    entry_stop: Count
    events_read: Count
    events_kept: Count
    sum_of_weights: float
    bytes: Count
    checksum: str
    content: str
    footer: str
    errors: dict[str, Rounding] = {}

    def __post_init__(self) -> None:
        if not _PARTITION.fullmatch(self.path) or ".." in PurePosixPath(self.path).parts:
            raise EntryError(
                "path", f"{self.path!r} is not the path of a partition of a dataset", value=True
            )


class SampleRecord(StrictModel, frozen=True, kw_only=True):
    """What the dataset holds of one sample."""

    sources: list[Source] = []
    partitions: list[Partition] = []
    skipped: list[Skipped] = []

    @property
    def events_read(self) -> int:
        """Number of events before any cut."""
        return sum(partition.events_read for partition in self.partitions)

    @property
    def events_kept(self) -> int:
        """Number of events in the dataset."""
        return sum(partition.events_kept for partition in self.partitions)

    @property
    def sum_of_weights(self) -> float:
        """Sum of the weights of all events read."""
        return sum(partition.sum_of_weights for partition in self.partitions)

    @property
    def errors(self) -> dict[str, Rounding]:
        """The largest errors that narrowing made, by ``COLLECTION.FIELD``."""
        return largest([partition.errors for partition in self.partitions])

    @property
    def bytes(self) -> int:
        """Size of all partitions."""
        return sum(partition.bytes for partition in self.partitions)


class Manifest(StrictModel, frozen=True, kw_only=True, rename={"event_schema": "schema"}):
    """Everything a dataset says of itself.

    Attributes
    ----------
    format_version
        Of the dataset's format.
    event_schema
        Key ``schema``: its collections and fields.
    configuration
        The normalised skim configuration.
    configuration_hash
        Its hash.
    software
        Versions of what wrote it.
    samples
        By name.
    """

    format_version: Literal[1] = 1
    event_schema: EventSchema
    configuration: dict[str, Any]
    configuration_hash: str
    software: dict[str, str]
    samples: dict[Name, SampleRecord]

    def partitions(self) -> Iterator[tuple[str, Partition]]:
        """Iterate over sample name and partition, in order."""
        for name, record in self.samples.items():
            for partition in record.partitions:
                yield name, partition

    def to_json(self) -> str:
        """Return the text of the file, one line per value; fields keep the order of the ntuple."""
        return seal(to_data(self))


def seal(data: Mapping[str, Any]) -> str:
    """Return the text of a manifest: JSON whose second line is the digest of all other lines.

    Any byte that changes afterwards is noticed, blanks included, and so is one of the digest.
    """
    text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    return text.replace("{\n", f'{{\n "digest": "{digest(text.encode())}",\n', 1)


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Read the content of a manifest.

    Raises
    ------
    DatasetError
        If it is not a manifest, not as it was written, contradicts itself, or is of a version that
        this one cannot read.
    """
    try:
        data = parse_json(content)
    except ModelError as error:
        raise DatasetError(f"{where}: the manifest is damaged: {error}") from error
    version = data.get("format_version") if isinstance(data, dict) else None
    if version != 1:
        raise DatasetError(f"{where}: format version {version!r} is unknown; this l1skim reads 1")
    sealed = _SEALED.match(content)
    rest = b"{\n" + content[sealed.end() :] if sealed else b""
    if sealed is None or digest(rest) != sealed[1].decode():
        import hashlib

        if sealed and hashlib.blake2b(rest, digest_size=16).hexdigest() == sealed[1].decode():
            raise DatasetError(
                f"{where}: was written before the first release of l1skim, when digests were "
                "BLAKE2b and not XXH3; make the dataset again"
            )
        raise DatasetError(
            f"{where}: the manifest is damaged: it is not as it was written (its digest does not "
            "fit); copy it again, or make the dataset again"
        )
    del data["digest"]
    try:
        manifest = from_data(data, Manifest)
    except ModelError as error:
        raise DatasetError(f"{where}: the manifest is damaged: {error}") from error
    for name, record in manifest.samples.items():
        for partition in record.partitions:
            _check(partition, name, record, where)
    return manifest


def _check(partition: Partition, name: str, record: SampleRecord, where: str) -> None:
    """Refuse a partition whose numbers cannot all be true."""
    consistent = (
        partition.path.startswith(f"sample={name}/")
        and partition.source < len(record.sources)
        and partition.entry_start <= partition.entry_stop
        and partition.events_read == partition.entry_stop - partition.entry_start
        and partition.events_kept <= partition.events_read
        and partition.entry_stop <= record.sources[partition.source].entries
    )
    if not consistent:
        raise DatasetError(f"{where}: the manifest contradicts itself on {partition.path!r}")


def configuration_hash(normalised: dict[str, Any]) -> str:
    """Return the hash of a normalised configuration, 16 hexadecimal digits."""
    text = json.dumps(normalised, sort_keys=True, separators=(",", ":"))
    return digest(text.encode())[:16]
