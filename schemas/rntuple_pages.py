"""Checksums of the pages of RNTuples, which uproot reads without looking at them.

It checks those of header, footer and page lists. The pages hold the values, and without their
checksums most flipped bytes in a page that is stored plainly, or compressed by zstd, are other
values: 493 of 600 tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from schemas.baskets import read_chunks
from schemas.storage import is_url

CHECKSUM = 8
"""Bytes of XXH3-64, little-endian, behind the bytes of a page."""


def check_pages(ntuple: Any, fields: Collection[str], start: int, stop: int) -> None:
    """Check all pages that hold entries of some fields; those without a checksum pass.

    Parameters
    ----------
    ntuple
        Of uproot's.
    fields
        Names of top-level fields.
    start, stop
        First and one-past-last entry.

    Raises
    ------
    ValueError
        If a page is not as it was written.
    """
    import xxhash

    columns = _columns(ntuple, fields)
    places = [
        (page.locator.offset, page.locator.num_bytes + CHECKSUM)
        for cluster in _clusters(ntuple, start, stop)
        for column in columns
        for page in cluster[column].pages
        if page.has_checksum
    ]
    source = ntuple.file.source
    url = str(source.file_path)
    for chunk in read_chunks(url, places, source if is_url(url) else None):
        stated = int.from_bytes(chunk[-CHECKSUM:], "little")
        if xxhash.xxh3_64_intdigest(chunk[:-CHECKSUM]) != stated:
            raise ValueError("a page fails its checksum")


def _clusters(ntuple: Any, start: int, stop: int) -> Iterator[Any]:
    """Iterate over the pages by column of each cluster that holds some of the entries."""
    for summary, cluster in zip(ntuple.cluster_summaries, ntuple.page_link_list, strict=True):
        first = summary.num_first_entry
        if first < stop and first + summary.num_entries > start:
            yield cluster


def _columns(ntuple: Any, fields: Collection[str]) -> list[int]:
    """Return the columns of fields and of all fields inside them."""
    inside = {field.field_id for field in ntuple.fields if field.name in fields}
    for number, record in enumerate(ntuple.field_records):  # parents stand before their children
        if record.parent_field_id in inside:
            inside.add(number)
    columns = {column.idx for column in ntuple.column_records if column.field_id in inside}
    columns |= {a.physical_id for a in ntuple.alias_column_records if a.field_id in inside}
    return sorted(columns)
