"""Stage two from configuration and events to histograms."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial

import numpy as np

from histo.axis_bins import AxisBins, bins_of
from histo.batches import Booking
from histo.fill import Contents, Filled, fill, merge
from histo.plan import Plan, make_plan
from histo.rates import COLLISION_RATE, cumulative
from histo.result import Bins, FilledHistogram, HistogramFile
from histo.sources import Block, Datasets, Source
from runtime.console import Watch, progress_bar
from runtime.execute import map_reduce
from runtime.scheduler import Scheduler
from schemas.dataset import Dataset
from schemas.event_schema import EVENT, EventSchema
from schemas.events import Array, Events, Objects
from schemas.expressions import following_names
from schemas.histo_config import HistoConfig
from schemas.manifest import configuration_hash
from schemas.software import versions
from schemas.tally import count, step

READERS = ("l1skim", "boost-histogram", "numpy", "pyarrow")


@following_names()
def fill_block(block: Block, plan: Plan) -> Filled:
    """Read what a plan needs of a block of events, and fill all its histograms.

    Raises
    ------
    DatasetError, InputError
        If the block is damaged.
    """
    events = block.load(plan)
    count("events", events.size)
    return fill(plan, events, block.events_read)


def run(
    config: HistoConfig,
    datasets: Sequence[Dataset],
    *,
    samples: Sequence[str] = (),
    limit: int | None = None,
    modules: Collection[str] = (),
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
        As in `Datasets`.
    modules
        Those whose functions the configuration may name.
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
    source = Datasets(datasets, samples, limit)
    return run_source(config, source, modules=modules, scheduler=scheduler, watch=watch)


def run_source(
    config: HistoConfig,
    source: Source,
    *,
    modules: Collection[str] = (),
    scheduler: Scheduler,
    watch: Watch = progress_bar,
) -> HistogramFile:
    """Fill the histograms of a configuration from any source of events; see `run`."""
    with step("plan"):
        plan = make_plan(config, source.schema, modules)
        blocks = source.blocks(plan)
    if blocks:
        work = partial(fill_block, plan=plan)
        with watch("filling", len(blocks)) as advance:
            filled = map_reduce(work, merge, blocks, scheduler=scheduler, progress=advance)
    else:
        filled = fill(plan, _no_events(source.schema, plan), 0)
    with step("merge"):
        histograms = _histograms(plan, filled, sum(block.events_read for block in blocks))
        normalised = config.normalised()
        return HistogramFile(
            {histogram.name: histogram for histogram in histograms},
            {
                **source.provenance(),
                "configuration": normalised,
                "configuration_hash": configuration_hash(normalised),
                "software": versions(READERS),
            },
        )


def _no_events(schema: EventSchema, plan: Plan) -> Events:
    """Return the columns that a plan needs, for no events."""
    fields: dict[str, dict[str, Array]] = {name: {} for name in plan.collections}
    columns = {n: np.empty(0, f.dtype) for n, f in schema.event_columns()}
    for collection, field in plan.columns:
        if collection != EVENT:
            dtype = schema.collections[collection].fields[field].dtype
            fields[collection][field] = np.empty(0, dtype)
    lists = {name: Objects(np.zeros(1, np.int64), values) for name, values in fields.items()}
    return Events(0, lists, columns)


def _histograms(plan: Plan, filled: Filled, events_read: int) -> Iterator[FilledHistogram]:
    """Make the histograms of what was filled."""
    axes = {id(axis): axis for booking in plan.bookings for axis in booking.axes}
    found = {key: bins_of(axis) for key, axis in axes.items()}
    for booking, contents in zip(plan.bookings, filled.contents(plan), strict=True):
        yield _histogram(booking, [found[id(axis)] for axis in booking.axes], contents, events_read)


def _histogram(
    booking: Booking, axes: Sequence[AxisBins], contents: Contents, events_read: int
) -> FilledHistogram:
    """Make a histogram of its contents."""
    values, variances = contents
    if booking.kind == "rate":
        values = cumulative(values)
        variances = None if variances is None else cumulative(variances)
    if booking.unit == "kHz":
        scale = COLLISION_RATE / events_read if events_read else 0.0
        variances = (values if variances is None else variances) * scale**2
        values = values * scale
    bins = Bins(booking.axes, tuple(axes), values, variances)
    return FilledHistogram(booking.name, booking.title, booking.labels, bins)
