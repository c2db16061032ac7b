"""Events straight from ntuples, reduced as a skim would: a source for those who verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histo.plan import Plan
from runtime.console import Watch
from runtime.inputs import Opened, choose_samples, open_samples, plan_ranges
from runtime.scheduler import Scheduler
from schemas.event_schema import EventSchema
from schemas.events import Events
from schemas.load import location_of
from schemas.manifest import configuration_hash
from schemas.ntuple import load_format
from schemas.recipe import prune
from schemas.reduction import Recipe, reduce_events
from schemas.skim_config import SkimConfig, Storage
from schemas.tally import step
from schemas.trees import Input, read_entries

BLOCK = Storage(partition_events=50_000)
"""How many entries of an ntuple one task reads."""


@dataclass(frozen=True)
class EntriesBlock:
    """A range of entries of an ntuple, and what a skim makes of them."""

    source: Input
    start: int
    stop: int
    recipe: Recipe

    @property
    def events_read(self) -> int:
        """Number of entries."""
        return self.stop - self.start

    def load(self, plan: Plan) -> Events:  # noqa: ARG002  # the recipe is that of the plan
        """Read and reduce the entries.

        Raises
        ------
        InputError
            If they cannot be read.
        """
        events = read_entries(self.source, self.start, self.stop)
        with step("derive"):
            return reduce_events(events, self.recipe, self.source.url, self.start).events


@dataclass(frozen=True)
class Ntuples:
    """Ntuples and the skim that they would have gone through.

    Attributes
    ----------
    config
        The skim's configuration.
    opened
        Their files, and the configuration resolved against them.
    limit
        Number of entries to take of each sample; None for all.
    """

    config: SkimConfig
    opened: Opened
    limit: int | None = None

    @property
    def schema(self) -> EventSchema:
        """Collections and fields that the skim keeps."""
        return self.opened.plan.recipe.kept

    def blocks(self, plan: Plan) -> list[EntriesBlock]:
        """List the ranges of entries to fill from, reading only what a plan needs."""
        pruned = prune(self.opened.plan, self.opened.layout, plan.columns, plan.collections)
        ranges = plan_ranges(self.opened.samples, BLOCK, pruned.inputs, self.limit)
        inputs = self.opened.inputs((where.ntuple for where in ranges), pruned)
        return [
            EntriesBlock(inputs[where.ntuple.url], where.start, where.stop, pruned.recipe)
            for where in ranges
        ]

    def provenance(self) -> dict[str, Any]:
        """Say which files."""
        normalised = self.config.normalised()
        return {
            "ntuples": {
                name: [{"url": n.url, "uuid": n.uuid, "entries": n.entries} for n in found]
                for name, found in self.opened.samples.items()
            },
            "skim_configuration": normalised,
            "skim_configuration_hash": configuration_hash(normalised),
            "events_per_sample": self.limit,
        }


def open_ntuples(
    config: SkimConfig,
    *,
    base: Path,
    files: Sequence[str] = (),
    only: Sequence[str] = (),
    limit: int | None = None,
    scheduler: Scheduler,
    watch: Watch,
) -> Ntuples:
    """Find out what ntuples hold.

    Parameters
    ----------
    config
        The configuration of the skim.
    base
        Folder from which its relative paths start.
    files, only
        As in `choose_samples`.
    limit
        Number of entries to take of each sample; None for all.
    scheduler
        Where files are opened.
    watch
        Shows how far that has come.

    Raises
    ------
    UsageError, ConfigError, InputError
        For missing files, a configuration that does not fit, files that cannot be read.
    """
    form = load_format(config.format, base, location_of(config.format))
    urls = choose_samples(config, base, files, only)
    return Ntuples(config, open_samples(config, form, urls, scheduler, watch), limit)
