"""A histogram configuration written out: one entry per histogram, before any dataset is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from histo.families import ALL, Member, expand_families
from schemas.axes import cells
from schemas.errors import ConfigError, nearest
from schemas.event_schema import EVENT
from schemas.histo_config import Fill, Group, HistoConfig, Matching, Rate
from schemas.load import location_of

MAX_HISTOGRAMS = 100_000

MAX_CELLS = 50_000_000
"""Bins of all histograms together: 0.4 GB of counts for each worker, or 0.8 GB of weights."""

Kind = Literal["fill", "rate", "counter", "norm", "matched", "numerator", "denominator"]


class Entry(Struct, frozen=True):
    """One histogram of a configuration.

    Attributes
    ----------
    name
        ``group/collection_selection_key``, or ``group/key`` for the event without selections; with
        a matching ``group/collection_selection_gen_key``.
    kind
        What the histogram is.
    group, key
        Where the configuration has it.
    collection
        Whose objects are filled; `EVENT` for the event.
    member
        The selection.
    what
        What is filled; None for counters and norms.
    weight
        Weight of an entry, as text; None if it is 1.
    legend
        What the selection means: labels of its parts, or their cuts.
    match, gen
        The matching that it is about, and the selection of generated particles.
    """

    name: str
    kind: Kind
    group: str
    key: str
    collection: str
    member: Member
    what: Fill | Rate | None
    weight: str | None
    legend: str
    match: str = ""
    gen: Member | None = None


def expand(config: HistoConfig) -> list[Entry]:
    """Write out the families of a configuration, in its order.

    Raises
    ------
    ConfigError
        For a family that matches no selection, an unknown matching, two histograms of one name, or
        more histograms or bins than memory holds.
    """
    if ALL in config.selections:
        raise ConfigError(
            f"{ALL!r} is the selection without any cut; choose another name",
            location_of(next(name for name in config.selections if name == ALL)),
        )
    entries: dict[str, Entry] = {}
    bins = 0
    for name, group in config.histograms.items():
        for entry in _expand_group(config, name, group):
            if entry.name in entries:
                raise ConfigError(
                    f"two histograms are called {entry.name!r}; rename a selection or a histogram",
                    location_of(entry.key) or location_of(entries[entry.name].key),
                )
            entries[entry.name] = entry
            bins += _cells(entry)
            if len(entries) > MAX_HISTOGRAMS or bins > MAX_CELLS:
                raise ConfigError(
                    f"too many histograms: {len(entries)} with {bins} bins up to {entry.name!r}, "
                    f"and {MAX_HISTOGRAMS} with {MAX_CELLS} bins can be filled at a time",
                    location_of(entry.key) or location_of(name),
                )
    return list(entries.values())


def _cells(entry: Entry) -> int:
    """Return the number of bins of a histogram."""
    if isinstance(entry.what, Fill):
        return math.prod(cells(dimension.axis) for dimension in entry.what.dimensions)
    return cells(entry.what.axis) if isinstance(entry.what, Rate) else 3


def _expand_group(config: HistoConfig, name: str, group: Group) -> Iterator[Entry]:
    matching = group.match or group.efficiency
    if matching:
        yield from _expand_matching(config, name, group, matching)
        return
    _check_only(name, group, group.families or ())
    if group.families is None:
        for key, fill in group.fill.items():
            everything = Member(ALL, ())
            yield Entry(
                f"{name}/{key}", "fill", name, key, EVENT, everything, fill, group.weight, ALL
            )
        return
    for collection, texts in group.families.items():
        for member in expand_families(texts, list(config.selections)):
            legend = _legend(config, member)
            for kind, key, what in _histograms(group, collection):
                yield Entry(
                    f"{name}/{collection}_{member.name}_{key}", kind, name, key, collection,
                    member, what, group.weight, legend,
                )  # fmt: skip


def _check_only(name: str, group: Group, known: Iterable[str]) -> None:
    """Require ``only`` to name collections that the group is about."""
    for fill in group.fill.values():
        for collection in fill.only or ():
            if collection not in known:
                raise ConfigError(
                    f"group {str(name)!r} is not about {str(collection)!r}; "
                    f"{nearest(collection, known)}",
                    location_of(collection),
                )


def _histograms(group: Group, collection: str) -> Iterator[tuple[Kind, str, Fill | Rate | None]]:
    """Iterate over the histograms that a group has for each selection of a collection."""
    for key, fill in group.fill.items():
        if fill.only is None or collection in fill.only:
            yield "fill", key, fill
    for key, rate in group.rate.items():
        yield "rate", key, rate
    if group.counter:
        yield "counter", "rate", None
    if group.rate or group.counter:
        yield "norm", "norm", None


def _expand_matching(
    config: HistoConfig, name: str, group: Group, matching: str
) -> Iterator[Entry]:
    if matching not in config.matches:
        raise ConfigError(
            f"unknown matching {str(matching)!r}; {nearest(matching, config.matches)}",
            location_of(matching),
        )
    match = config.matches[matching]
    _check_only(name, group, match.objects)
    for collection, member, gen in pairs_of(config, match):
        legend = _legend(config, member)
        stem = f"{collection}_{member.name}_{gen.name}"
        for key, fill in group.fill.items():
            if fill.only is not None and collection not in fill.only:
                continue
            kinds: list[tuple[str, Kind]] = [("", "matched")]
            if group.efficiency:
                kinds = [("h_effNum_", "numerator"), ("h_effDen_", "denominator")]
            for prefix, kind in kinds:
                yield Entry(
                    f"{name}/{prefix}{stem}_{key}", kind, name, key, collection, member, fill,
                    group.weight, legend, str(matching), gen,
                )  # fmt: skip


def pairs_of(config: HistoConfig, match: Matching) -> Iterator[tuple[str, Member, Member]]:
    """Iterate over collection, object selection and generator selection of a matching."""
    known = list(config.selections)
    gens = expand_families(match.gen, known)
    for collection, objects in match.objects.items():
        members = expand_families(objects.selections, known)
        if len(members) * len(gens) > MAX_HISTOGRAMS:
            raise ConfigError(
                f"{len(members)} selections of objects and {len(gens)} of particles are too many "
                f"pairs; {MAX_HISTOGRAMS} can be matched",
                location_of(collection),
            )
        for member in members:
            for gen in gens:
                yield collection, member, gen


def _legend(config: HistoConfig, member: Member) -> str:
    known = config.selections
    return ", ".join(str(known[name].label or known[name].cut) for name in member.parts) or ALL
