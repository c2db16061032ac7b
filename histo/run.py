"""Stage two from configuration and datasets to histograms."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import boost_histogram as bh
import numpy as np

from histo.book import make_axis
from histo.fill import Filled, fill, merge
from histo.plan import Booking, Plan, make_plan
from histo.result import FilledHistogram, HistogramFile
from runtime.console import Watch, progress_bar
from runtime.execute import map_reduce
from runtime.scheduler import Scheduler
from schemas.dataset import Dataset
from schemas.errors import UsageError
from schemas.event_schema import EVENT, EventSchema
from schemas.events import Events
from schemas.histo_config import HistoConfig
from schemas.parquet import read_events
from schemas.skim_config import configuration_hash
from schemas.storage import join

READERS = ("l1skim", "boost-histogram", "numpy", "pyarrow")


@dataclass(frozen=True)
class FillTask:
    """One partition to fill from.

    Attributes
    ----------
    path
        Of the Parquet file.
    rows
        Events in it, as the manifest says.
    events
        How many of them to take, from the first on.
    """

    path: str
    rows: int
    events: int


def prepare(
    datasets: Sequence[Dataset], samples: Sequence[str] = (), limit: int | None = None
) -> list[FillTask]:
    """List the partitions to fill from.

    Parameters
    ----------
    datasets
        What to read.
    samples
        Names of samples to take; none for all. Each must be in at least one dataset.
    limit
        Number of events to take of each sample of each dataset; None for all.

    Raises
    ------
    UsageError
        For an unknown sample.
    """
    for name in samples:
        if all(name not in dataset.samples for dataset in datasets):
            next(iter(datasets[0].partitions([name])), None)
    tasks: list[FillTask] = []
    for dataset in datasets:
        left: dict[str, int] = {}
        chosen = [name for name in dataset.samples if not samples or name in samples]
        for name, partition in dataset.partitions(chosen):
            rows = partition.events_kept
            events = rows if limit is None else min(rows, left.setdefault(name, limit))
            if limit is not None:
                left[name] -= events
            if events or not rows:
                tasks.append(FillTask(join(dataset.path, partition.path), rows, events))
    return tasks


def check_same_fields(plan: Plan, datasets: Sequence[Dataset]) -> None:
    """Require every dataset to have the needed columns, with the types of the first.

    Of a collection whose objects are only counted, one field in common is enough.

    Raises
    ------
    UsageError
        Naming dataset and column.
    """
    first = _types(datasets[0].schema)
    for dataset in datasets[1:]:
        types = _types(dataset.schema)
        for column in sorted(plan.columns):
            if types.get(column) != first[column]:
                name = column[1] if column[0] == EVENT else ".".join(column)
                found = types.get(column)
                has = f"has {name} as {found}" if found else f"has no {name}"
                raise UsageError(
                    f"dataset {dataset.path!r} {has}, and {datasets[0].path!r} has it as "
                    f"{first[column]}; fill from them one by one"
                )
    shared = _shared(datasets)
    for name in sorted(plan.collections):
        if not any(collection == name for collection, _ in shared):
            raise UsageError(
                f"datasets {', '.join(repr(d.path) for d in datasets)} have no field of {name} in "
                "common; fill from them one by one"
            )


def _shared(datasets: Sequence[Dataset]) -> set[tuple[str, str]]:
    """Return the columns that all datasets have with the same type."""
    types = [_types(dataset.schema).items() for dataset in datasets]
    return {column for column, _ in set(types[0]).intersection(*types[1:])}


def _types(schema: EventSchema) -> dict[tuple[str, str], str]:
    types = {(EVENT, name): field.type for name, field in schema.event_columns()}
    for name, collection in schema.lists():
        types |= {(name, field): info.type for field, info in collection.fields.items()}
    return types


def fill_partition(task: FillTask, plan: Plan, schema: EventSchema) -> Filled:
    """Read what a plan needs of a partition, and fill all its histograms.

    Raises
    ------
    DatasetError
        If the partition is damaged.
    """
    events = read_events(task.path, schema, plan.columns, plan.collections, rows=task.rows)
    if task.events < task.rows:
        events = events.select(np.arange(task.rows) < task.events)
    return fill(plan.bookings, events)


def run(
    config: HistoConfig,
    datasets: Sequence[Dataset],
    *,
    samples: Sequence[str] = (),
    limit: int | None = None,
    scheduler: Scheduler,
    watch: Watch = progress_bar,
) -> HistogramFile:
    """Fill the histograms of a configuration from datasets.

    Parameters
    ----------
    config
        The configuration.
    datasets
        What to read, at least one.
    samples, limit
        As in `prepare`.
    scheduler
        Where partitions are read.
    watch
        Shows how far the work has come.

    Raises
    ------
    ConfigError
        If the configuration does not fit the datasets.
    UsageError
        For an unknown sample, or datasets that do not fit each other.
    DatasetError
        If a partition is damaged.
    """
    schema = datasets[0].schema
    plan = make_plan(config, schema)
    check_same_fields(plan, datasets)
    tasks = prepare(datasets, samples, limit)
    if tasks:
        work = partial(fill_partition, plan=plan, schema=_needed(schema, plan, _shared(datasets)))
        with watch("filling partitions", len(tasks)) as advance:
            filled = map_reduce(work, merge, tasks, scheduler=scheduler, progress=advance)
    else:
        filled = fill(plan.bookings, _no_events(schema, plan))
    histograms = [
        _histogram(booking, values, variances)
        for booking, values, variances in zip(
            plan.bookings, filled.values, filled.variances, strict=True
        )
    ]
    return HistogramFile(
        {histogram.name: histogram for histogram in histograms},
        _provenance(config, datasets, samples, limit),
    )


def _needed(schema: EventSchema, plan: Plan, shared: Set[tuple[str, str]]) -> EventSchema:
    """Keep what a task may read of any dataset; what it carries should be small."""
    kept = {}
    for name, collection in schema.collections.items():
        if not schema.is_list(name):
            kept[name] = collection
        elif name in plan.collections:
            fields = {f: info for f, info in collection.fields.items() if (name, f) in shared}
            kept[name] = collection.model_copy(update={"fields": fields})
    return EventSchema(collections=kept)


def _no_events(schema: EventSchema, plan: Plan) -> Events:
    """Return the columns that a plan needs, for no events."""
    from schemas.events import Objects

    types = _types(schema)
    fields: dict[str, dict[str, Any]] = {name: {} for name in plan.collections}
    columns: dict[str, Any] = {}
    for collection, field in plan.columns:
        nothing = np.empty(0, types[collection, field])
        if collection == EVENT:
            columns[field] = nothing
        else:
            fields[collection][field] = nothing
    lists = {name: Objects(np.zeros(1, np.int64), values) for name, values in fields.items()}
    return Events(0, lists, columns)


def _histogram(booking: Booking, values: Any, variances: Any) -> FilledHistogram:
    axes = [make_axis(axis) for axis in booking.axes]
    if variances is None:
        counts = bh.Histogram(*axes, storage=bh.storage.Int64())
        counts.view(flow=True)[...] = values
        return FilledHistogram(booking.name, booking.title, booking.labels, counts)
    sums = bh.Histogram(*axes, storage=bh.storage.Weight())
    view = sums.view(flow=True)
    view["value"] = values
    view["variance"] = variances
    return FilledHistogram(booking.name, booking.title, booking.labels, sums)


def _provenance(
    config: HistoConfig, datasets: Sequence[Dataset], samples: Sequence[str], limit: int | None
) -> dict[str, Any]:
    """Say what histograms were made from, without anything that differs between equal runs."""
    normalised = config.normalised()
    inputs = []
    for dataset in datasets:
        text = dataset.manifest.to_json()
        inputs.append(
            {
                "path": dataset.path,
                "manifest": hashlib.sha256(text.encode()).hexdigest()[:16],
                "skim_configuration": dataset.manifest.configuration_hash,
                "samples": {
                    name: {
                        "events_read": record.events_read,
                        "events_kept": record.events_kept,
                        "sum_of_weights": record.sum_of_weights,
                    }
                    for name, record in dataset.samples.items()
                    if not samples or name in samples
                },
            }
        )
    return {
        "datasets": inputs,
        "events_per_sample": limit,
        "configuration": normalised,
        "configuration_hash": configuration_hash(normalised),
        "software": {name: importlib.metadata.version(name) for name in READERS},
    }
