"""A histogram configuration written out: one entry per histogram, before any dataset is known."""

from __future__ import annotations

from dataclasses import dataclass

from histo.families import ALL, Member, expand_families
from schemas.errors import ConfigError
from schemas.event_schema import EVENT
from schemas.histo_config import Fill, Group, HistoConfig
from schemas.load import location_of


@dataclass(frozen=True)
class Entry:
    """One histogram of a configuration.

    Attributes
    ----------
    name
        ``group/collection_selection_key``, or ``group/key`` for the event without selections.
    group, key
        Where the configuration has it.
    collection
        Whose objects are filled; `EVENT` for the event.
    member
        The selection.
    fill
        What is filled.
    weight
        Weight of an entry, as text; None if it is 1.
    legend
        What the selection means: labels of its parts, or their cuts.
    """

    name: str
    group: str
    key: str
    collection: str
    member: Member
    fill: Fill
    weight: str | None
    legend: str


def expand(config: HistoConfig) -> list[Entry]:
    """Write out the families of a configuration, in its order.

    Raises
    ------
    ConfigError
        For a family that matches no selection, or two histograms of one name.
    """
    if ALL in config.selections:
        raise ConfigError(
            f"{ALL!r} is the selection without any cut; choose another name",
            location_of(next(name for name in config.selections if name == ALL)),
        )
    entries: dict[str, Entry] = {}
    for name, group in config.histograms.items():
        for entry in _expand_group(config, name, group):
            if entry.name in entries:
                raise ConfigError(
                    f"two histograms are called {entry.name!r}; rename a selection or a histogram",
                    location_of(entry.key),
                )
            entries[entry.name] = entry
    return list(entries.values())


def _expand_group(config: HistoConfig, name: str, group: Group) -> list[Entry]:
    if group.families is None:
        return [
            Entry(f"{name}/{key}", name, key, EVENT, Member(ALL, ()), fill, group.weight, "")
            for key, fill in group.fill.items()
        ]
    return [
        Entry(
            f"{name}/{collection}_{member.name}_{key}",
            name,
            key,
            collection,
            member,
            fill,
            group.weight,
            _legend(config, member),
        )
        for collection, texts in group.families.items()
        for member in expand_families(texts, list(config.selections))
        for key, fill in group.fill.items()
    ]


def _legend(config: HistoConfig, member: Member) -> str:
    known = config.selections
    return ", ".join(known[name].label or str(known[name].cut) for name in member.parts) or ALL
