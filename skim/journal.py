"""What a run has done so far: a receipt for each partition, beside the dataset until it is whole.

``DATASET/_journal/SAMPLE-NUMBER.json`` is written by whoever made the partition, after that has its
final name. One small file for each needs no appending, which not all storage can, and no writer
waits for another. Receipts of a run that did not finish are what the next one goes on from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from runtime.inputs import Range
from runtime.target import Target
from schemas.config_types import Name
from schemas.manifest import Partition, Source
from schemas.model import ModelError, StrictModel, from_json, to_data
from schemas.probe import Ntuple

JOURNAL = "_journal"
RECEIPT = re.compile(r".+-[0-9]{5,}\.json")
_MAX_BYTES = 10_000_000
_NUMBER = re.compile(r"/part-([0-9]{5,})-")

Key = tuple[str, str, int, int]
"""What a partition is made from: sample, URL of the file, first and one-past-last entry."""


def key_of(where: Range) -> Key:
    """Return what stands for a range of entries."""
    return where.sample, where.ntuple.url, where.start, where.stop


class Stamp(StrictModel, frozen=True, kw_only=True):
    """What has to be the same for a partition of an earlier run to be of use.

    Attributes
    ----------
    configuration_hash
        Of the run.
    software
        Versions of what wrote it.
    """

    configuration_hash: str
    software: dict[str, str]


class Receipt(StrictModel, frozen=True, kw_only=True):
    """That a partition has been made.

    Attributes
    ----------
    sample
        Its sample.
    origin
        The ROOT file as it was.
    stamp
        What the run was.
    partition
        As the manifest will list it, except for its ``source``, which is settled only then.
    """

    sample: Name
    origin: Source
    stamp: Stamp
    partition: Partition

    @property
    def key(self) -> Key:
        """What the partition was made from."""
        part = self.partition
        return self.sample, self.origin.url, part.entry_start, part.entry_stop

    @property
    def name(self) -> str:
        """Of its file in the journal."""
        return receipt_name(self.sample, number_of(self.partition))

    def write(self, target: Target) -> None:
        """Put the receipt into the journal."""
        content = json.dumps(to_data(self)) + "\n"
        # a receipt that a power cut takes away costs the partition's work, and nothing else
        target.replace(f"{JOURNAL}/{self.name}", content.encode(), flush=False)


def receipt_name(sample: str, number: int) -> str:
    """Return the name of the receipt of a partition."""
    return f"{sample}-{number:05d}.json"


def number_of(partition: Partition) -> int:
    """Return the number that a partition has in its name."""
    found = _NUMBER.search(partition.path)
    return int(found[1]) if found else 0  # its model refuses other names


def read_journal(target: Target) -> Iterator[Receipt]:
    """Iterate over the receipts that are there; what is none is no proof of anything."""
    for name in target.names(JOURNAL):
        content = target.read(f"{JOURNAL}/{name}", _MAX_BYTES) if RECEIPT.fullmatch(name) else None
        if content is None:
            continue
        try:
            receipt = from_json(content, Receipt)
        except ModelError:
            continue
        if receipt.partition.path.startswith(f"sample={receipt.sample}/"):
            yield receipt


def identify(ntuple: Ntuple) -> Source:
    """Return what tells whether a file is still the one that was read."""
    return Source(
        url=ntuple.url,
        uuid=ntuple.uuid,
        tree=ntuple.tree,
        entries=ntuple.entries,
        bytes=ntuple.bytes,
        modified=ntuple.modified,
    )


def describe_change(old: Source, new: Source) -> str:
    """Say how a file has changed; nothing if it has not, as far as its storage tells."""
    if old.modified is None or new.modified is None:
        new = replace(new, modified=old.modified)
    if old == new:
        return ""
    if (old.entries, old.bytes, old.uuid) == (new.entries, new.bytes, new.uuid):
        return "it was written again, or touched, since then"
    return (
        f"it had {old.entries} entries in {old.bytes} bytes (UUID {old.uuid}), and has "
        f"{new.entries} in {new.bytes} (UUID {new.uuid})"
    )


def changed_origins(receipts: Iterable[Receipt], sources: Mapping[str, Sequence[Source]]) -> str:
    """Say which file changed since a partition was made from it; nothing if none."""
    known = {source.url: source for found in sources.values() for source in found}
    for receipt in receipts:
        source = known.get(receipt.origin.url)
        change = describe_change(receipt.origin, source) if source else ""
        if change:
            return (
                f"has partitions of {receipt.origin.url}, which has changed since the run that "
                f"made them and did not finish: {change}"
            )
    return ""


def usable_receipts(
    target: Target,
    receipts: Iterable[Receipt],
    expected: Mapping[Key, Source],
    first: Mapping[str, int],
) -> list[Receipt]:
    """Return the receipts whose partitions need not be made again.

    Parameters
    ----------
    target
        The dataset.
    receipts
        Those with the stamp of this run.
    expected
        The partitions to make, with the files that they are made from.
    first
        The first number of a new partition, by sample; that of others is 0.
    """
    found: dict[Key, Receipt] = {}
    for receipt in receipts:
        part = receipt.partition
        source = expected.get(receipt.key)
        if (
            source is not None
            and receipt.key not in found
            and not describe_change(receipt.origin, source)
            and part.events_kept <= part.events_read == part.entry_stop - part.entry_start
            and number_of(part) >= first.get(receipt.sample, 0)
            and target.holds(part.path, part.bytes, part.checksum)
        ):
            found[receipt.key] = receipt
    return list(found.values())
