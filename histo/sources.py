"""Where the events come from: partitions of datasets; `histo.ntuples` has the ntuples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from histo.partitions import PartitionBlock, PartitionsBlock, group_partitions
from histo.plan import Plan
from schemas.dataset import Dataset
from schemas.digests import digest
from schemas.errors import UsageError
from schemas.event_schema import EVENT, EventSchema
from schemas.events import Events
from schemas.storage import join


class Block(Protocol):
    """Some events, to be read by the task that fills from them."""

    @property
    def events_read(self) -> int:
        """Number of events before any cut."""

    def load(self, plan: Plan) -> Events:
        """Read what a plan needs."""


class Source(Protocol):
    """All events of a run.

    Attributes
    ----------
    schema
        Their collections and fields.
    """

    @property
    def schema(self) -> EventSchema:
        """Their collections and fields."""

    def blocks(self, plan: Plan) -> Sequence[Block]:
        """List the blocks to fill from."""

    def provenance(self) -> dict[str, Any]:
        """Say what the events are, for the output."""


class Datasets(Struct, frozen=True):
    """Datasets, one after the other.

    Attributes
    ----------
    datasets
        At least one.
    samples
        Names of samples to take; none for all. Each must be in at least one dataset.
    limit
        Number of events to take of each sample of each dataset; None for all.
    """

    datasets: Sequence[Dataset]
    samples: Sequence[str] = ()
    limit: int | None = None

    @property
    def schema(self) -> EventSchema:
        """Collections and fields of the first dataset, which the others must share."""
        return self.datasets[0].schema

    def blocks(self, plan: Plan) -> list[PartitionsBlock]:
        """List the partitions to fill from, small ones together.

        Raises
        ------
        UsageError
            For an unknown sample, datasets that disagree on a type, or a limit on events where the
            plan needs to know how many were read for these.
        """
        self._check_samples()
        self._check_types(plan)
        schema = self._readable(plan)
        blocks: list[PartitionBlock] = []
        for dataset in self.datasets:
            left: dict[str, int] = {}
            chosen = [n for n in dataset.samples if not self.samples or n in self.samples]
            for name, partition in dataset.partitions(chosen):
                rows, read = partition.events_kept, partition.events_read
                events = rows
                if self.limit is not None:
                    events = min(rows, left.setdefault(name, self.limit))
                    left[name] -= events
                    if events == 0 and rows:
                        continue
                if events < rows:
                    if read != rows and plan.counts_events_read:
                        raise UsageError(
                            "--events cuts partitions of a skim that dropped events, so the events "
                            "read for those left are not known, which rates need; leave it out"
                        )
                    read = events
                path = join(dataset.path, partition.path)
                blocks.append(
                    PartitionBlock(
                        path, schema, rows, partition.footer, events, read, partition.bytes
                    )
                )
        return group_partitions(blocks)

    def provenance(self) -> dict[str, Any]:
        """Say which datasets and samples."""
        return {
            "datasets": [self._describe(dataset) for dataset in self.datasets],
            "events_per_sample": self.limit,
        }

    def _describe(self, dataset: Dataset) -> dict[str, Any]:
        text = dataset.manifest.to_json()
        return {
            "path": dataset.path,
            "manifest": digest(text.encode())[:16],
            "skim_configuration": dataset.manifest.configuration_hash,
            "samples": {
                name: {
                    "events_read": record.events_read,
                    "events_kept": record.events_kept,
                    "sum_of_weights": record.sum_of_weights,
                }
                for name, record in dataset.samples.items()
                if not self.samples or name in self.samples
            },
        }

    def _check_samples(self) -> None:
        for name in self.samples:
            if all(name not in dataset.samples for dataset in self.datasets):
                self.datasets[0].partitions([name])  # says which names there are

    def _readable(self, plan: Plan) -> EventSchema:
        """Return what a task may read of any dataset; what it carries should be small.

        Raises
        ------
        UsageError
            If the datasets share no field of a collection whose objects are counted.
        """
        types = [_types(dataset.schema).items() for dataset in self.datasets]
        shared = {column for column, _ in set(types[0]).intersection(*types[1:])}
        kept = {}
        for name, collection in self.schema.collections.items():
            if not self.schema.is_list(name):
                kept[name] = collection
            elif name in plan.collections:
                fields = {f: info for f, info in collection.fields.items() if (name, f) in shared}
                kept[name] = replace(collection, fields=fields)
                if not fields:
                    paths = ", ".join(repr(dataset.path) for dataset in self.datasets)
                    raise UsageError(
                        f"datasets {paths} have no field of {name} in common; fill from them one "
                        "by one"
                    )
        return EventSchema(collections=kept)

    def _check_types(self, plan: Plan) -> None:
        first = _types(self.schema)
        for dataset in self.datasets[1:]:
            types = _types(dataset.schema)
            for column in sorted(plan.columns):
                if types.get(column) != first[column]:
                    name = column[1] if column[0] == EVENT else ".".join(column)
                    found = types.get(column)
                    has = f"has {name} as {found}" if found else f"has no {name}"
                    raise UsageError(
                        f"dataset {dataset.path!r} {has}, and {self.datasets[0].path!r} has it as "
                        f"{first[column]}; fill from them one by one"
                    )


def _types(schema: EventSchema) -> dict[tuple[str, str], str]:
    types = {(EVENT, name): field.type for name, field in schema.event_columns()}
    for name, collection in schema.lists():
        types |= {(name, field): info.type for field, info in collection.fields.items()}
    return types
