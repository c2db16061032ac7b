"""What a histogram configuration means, as tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from histo.batches import Booking
from histo.expand import Entry, expand
from histo.plan import Plan, make_plan
from schemas.dataset import Dataset
from schemas.event_schema import EVENT
from schemas.histo_config import HistoConfig, Rate
from schemas.needs import needed

if TYPE_CHECKING:
    from rich.table import Table


def render_config(config: HistoConfig) -> Iterator[Table]:
    """Return tables of the selections and histograms, without a dataset to resolve them."""
    table = _table("Selections", "selection", "cut", "label")
    for name, selection in config.selections.items():
        table.add_row(name, str(selection.cut), selection.label)
    yield table
    table = _table("Histograms", "histogram", "filled with", "selection")
    entries = expand(config)
    for entry in entries:
        table.add_row(entry.name, _shown(entry), entry.legend)
    table.caption = f"{len(entries)} histograms"
    yield table


def render_plan(
    config: HistoConfig, dataset: Dataset, modules: Collection[str] = ()
) -> Iterator[Table]:
    """Return tables of resolved selections, histograms and their columns, and what is read."""
    plan = make_plan(config, dataset.schema, modules)
    table = _table("Selections", "selection", "of", "cut")
    for (name, collection), cut in plan.selections.items():
        table.add_row(name, collection, cut)
    yield table
    table = _table("Histograms", "histogram", "filled with", "columns")
    for booking in plan.bookings:
        values = ", ".join(node.key for node in booking.values)
        table.add_row(booking.name, values or "events read", ", ".join(_columns(booking, plan)))
    table.caption = f"{len(plan.bookings)} histograms"
    yield table
    table = _table(f"Reads from {dataset.path}", "collection", "fields")
    for collection in sorted({*plan.collections, *(name for name, _ in plan.columns)}):
        fields = sorted(field for name, field in plan.columns if name == collection)
        table.add_row(collection, ", ".join(fields) or "number of objects")
    partitions = list(dataset.partitions())
    events = sum(partition.events_kept for _, partition in partitions)
    table.caption = f"{events:,} events in {len(partitions)} partitions"
    yield table


def _shown(entry: Entry) -> str:
    what = entry.what
    if what is None:
        return "events read" if entry.kind == "norm" else "events that pass"
    if isinstance(what, Rate):
        return f"events above {what.of or entry.key}"
    shown = [what.per_event or dimension.of or entry.key for dimension in what.dimensions]
    return ", ".join(str(text) for text in shown)


def _columns(booking: Booking, plan: Plan) -> list[str]:
    columns, _ = needed(booking.nodes(), plan.derivations, [booking.level])
    return sorted(field if name == EVENT else f"{name}.{field}" for name, field in columns)


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, caption_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
