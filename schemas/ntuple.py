"""Ntuple formats: in which trees the collections are, what their fields mean.

A format is a YAML file: those in ``schemas/formats`` go by their name, others by their path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import ConfigError, Location, nearest
from schemas.event_schema import EVENT, check_type
from schemas.load import load_model
from schemas.model import ShortForm, StrictModel

FORMATS = Path(__file__).parent / "formats"


def _null_is_empty(value: Any) -> Any:
    return {} if value is None else value


class FieldInfo(StrictModel, frozen=True, kw_only=True):
    """What a format knows of a field.

    Attributes
    ----------
    type
        As in `schemas.event_schema.Field`; empty if it differs between files of the format.
    unit, doc
        As in `schemas.event_schema.Field`.
    """

    type: str = ""
    unit: str = ""
    doc: str = ""

    def __post_init__(self) -> None:
        if self.type:
            check_type(self.type)
            msgspec.structs.force_setattr(self, "type", str(self.type))  # datasets take it over


class CollectionInfo(StrictModel, frozen=True, kw_only=True):
    """What a format knows of a collection: its meaning and that of its fields."""

    doc: str = ""
    fields: dict[str, FieldInfo] = {}


class TreeFormat(StrictModel, frozen=True, kw_only=True):
    """One tree of a format, and what the names of its branches mean.

    Attributes
    ----------
    tree
        Name of the tree or RNTuple in the file; may be a pattern, as in ``*/HGCalTriggerNtuple``,
        that matches one of them.
    collections
        Beginning of the names of a collection's branches, by collection: with ``EG: eg`` branch
        ``egEt`` is the field ``et`` of ``EG``. Needed only where no ``_`` ends this beginning.
        An empty one takes all lists that no other beginning does.
    counters
        Branch with the number of objects, by collection. Needed only where it is not ``nX``,
        ``NX`` or ``X_n``; empty if a branch of that name counts something else.
    event
        Singleton to which the tree's values per event belong, under their full names. Needed only
        where another tree has some of the same names.
    """

    tree: str
    collections: dict[str, str] = {}
    counters: dict[str, str] = {}
    event: str = ""


class NtupleFormat(StrictModel, frozen=True, kw_only=True):
    """A format of ntuples.

    Attributes
    ----------
    name
        Of the format.
    doc
        What writes it and who uses it.
    tree
        Name of the only tree, as in `TreeFormat`.
    trees
        The trees, if there are several: entry i of each belongs to event i.
    fields
        Meaning of a field in every collection that does not say otherwise.
    collections
        Meaning of collections and singletons, by name.
    event
        Meaning of the event's own fields.
    """

    short_forms = tuple(
        ShortForm(path, _null_is_empty, "'key: value' entries", {"type": "null"})
        for path in (("fields",), ("event",), ("collections", "*", "fields"))
    )

    name: str
    doc: str = ""
    tree: str = ""
    trees: list[TreeFormat] = []
    fields: dict[str, FieldInfo] = {}
    collections: dict[str, CollectionInfo] = {}
    event: dict[str, FieldInfo] = {}

    def __post_init__(self) -> None:
        if bool(self.tree) == bool(self.trees):
            raise ValueError("give either 'tree', or 'trees' if there are several")
        msgspec.structs.force_setattr(self, "name", self.name.strip())

    def all_trees(self) -> list[TreeFormat]:
        """Return the trees, however many there are."""
        return self.trees or [TreeFormat(tree=self.tree)]

    def info(self, collection: str, name: str) -> FieldInfo:
        """Return what is known of a field: from its collection, else from the shared table."""
        if collection == EVENT:
            return self.event.get(name, FieldInfo())
        own = self.collections.get(collection, CollectionInfo()).fields
        return own.get(name, self.fields.get(name, FieldInfo()))


def format_names() -> list[str]:
    """Return the names of the formats that come with the project."""
    return sorted(path.stem for path in FORMATS.glob("*.yaml"))


def load_format(name: str, base: Path, location: Location | None = None) -> NtupleFormat:
    """Load a format.

    Parameters
    ----------
    name
        Name of a shipped format, or path of a YAML file (relative to ``base``).
    base
        Folder of the configuration that names it.
    location
        Where the name stands, for the error.

    Raises
    ------
    ConfigError
        If there is no such format, or its file is wrong.
    """
    if name in format_names():
        return load_model(FORMATS / f"{name}.yaml", NtupleFormat)
    if name.endswith((".yaml", ".yml")) and (base / name).is_file():
        return load_model(base / name, NtupleFormat)
    hint = nearest(name, format_names())
    raise ConfigError(
        f"unknown schema {name!r}: neither a known format nor an existing .yaml file; {hint}",
        location,
    )
