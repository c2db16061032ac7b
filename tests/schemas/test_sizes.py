"""Sizes as texts, and how many events fit in a partition and a row group."""

from __future__ import annotations

import pytest

from schemas.model import ModelError, from_data
from schemas.sizes import events_per_partition, parse_size, row_group_events
from schemas.skim_config import SkimConfig, Storage


@pytest.mark.parametrize(
    ("text", "size"),
    [("1 B", 1), ("256 MB", 256 * 10**6), ("256MB", 256 * 10**6), ("1.5 kB", 1500),
     ("2 GiB", 2**31), ("1 TB", 10**12), (17, 17)],
)  # fmt: skip
def test_sizes_have_units(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "5", "5 Mb", "-5 MB", "5 MB!", "1e3 MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="partition_bytes: expected a number of bytes, or one"):
        from_data(
            {"schema": "x", "keep": {"A": "all"}, "storage": {"partition_bytes": text}}, SkimConfig
        )


@pytest.mark.parametrize(
    ("bytes_per_event", "events"),
    [(0, 50_000), (100, 50_000), (2_000, 50_000), (2_001, 49_975), (1e6, 100), (1e9, 1)],
)
def test_the_tighter_limit_holds(bytes_per_event: float, events: int) -> None:
    storage = Storage(partition_bytes=100_000_000, row_group_bytes=100_000_000)
    assert events_per_partition(storage, bytes_per_event) == events
    assert row_group_events(storage, bytes_per_event) == events


def test_partitions_and_row_groups_have_limits_of_their_own() -> None:
    storage = Storage(
        partition_events=90, partition_bytes=10_000, row_group_events=30, row_group_bytes=5_000
    )
    assert [events_per_partition(storage, size) for size in (1, 200)] == [90, 50]
    assert [row_group_events(storage, size) for size in (1, 200)] == [30, 25]
