"""Small partitions are filled together, and nobody can tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import histo.partitions
from histo.partitions import PartitionBlock, concatenate, group_partitions
from histo.run import run
from runtime.scheduler import Scheduler
from schemas.dataset import open_dataset
from schemas.event_schema import EventSchema
from schemas.histo_config import HistoConfig
from schemas.load import load_model
from tests.strategies import random_events, split


def sizes_of_groups(*sizes: int) -> list[list[int]]:
    parts = [PartitionBlock("p", EventSchema(), size, "", size, 2 * size, 0) for size in sizes]
    groups = group_partitions(parts)
    assert [group.events_read for group in groups] == [
        sum(part.events_read for part in group.parts) for group in groups
    ]
    return [[part.events for part in group.parts] for group in groups]


def test_neighbours_are_grouped_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histo.partitions, "EVENTS_PER_BLOCK", 100)
    assert sizes_of_groups() == []
    assert sizes_of_groups(0) == [[0]]
    assert sizes_of_groups(40, 60, 1, 0, 99, 1) == [[40, 60], [1, 0, 99], [1]]
    assert sizes_of_groups(500, 10, 200, 10, 10) == [[500], [10], [200], [10, 10]]
    monkeypatch.setattr(histo.partitions, "PARTITIONS_PER_BLOCK", 3)
    assert sizes_of_groups(1, 2, 3, 4, 5, 6, 7) == [[1, 2, 3], [4, 5, 6], [7]]


def test_events_are_put_after_one_another() -> None:
    whole = random_events(50)
    joined = concatenate(split(whole, 7))
    assert joined.size == 50
    assert joined.collections.keys() == whole.collections.keys()
    for name, objects in whole.collections.items():
        found = joined.collections[name]
        np.testing.assert_array_equal(found.offsets, objects.offsets)
        assert found.fields.keys() == objects.fields.keys()
        for field, values in objects.fields.items():
            assert found.fields[field].dtype == values.dtype
            np.testing.assert_array_equal(found.fields[field], values)
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(joined.columns[name], values)


@pytest.mark.parametrize("events", [None, 70])
def test_counts_do_not_change(
    events: int | None, demo: Path, configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_model(configs / "histo" / "demo.yaml", HistoConfig)
    dataset = open_dataset(demo)
    apart = run(config, [dataset], limit=events, scheduler=Scheduler(workers=2))
    monkeypatch.setattr(histo.partitions, "EVENTS_PER_BLOCK", 1_000)
    together = run(config, [dataset], limit=events, scheduler=Scheduler(workers=2))
    assert apart.histograms.keys() == together.histograms.keys()
    for name, histogram in apart.histograms.items():
        assert histogram.contents == together.histograms[name].contents, name
