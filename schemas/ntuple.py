"""Ntuple formats: how the branches of a tree become collections and fields.

A format is a YAML file: those in ``schemas/formats`` go by their name, others by their path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic import Field as ModelField

from schemas.errors import ConfigError, InputError, Location, nearest
from schemas.event_schema import EVENT, Collection, EventSchema, Field
from schemas.load import StrictModel, load_model

FORMATS = Path(__file__).parent / "formats"

VALUE = "value"
"""Name of the field of a collection whose objects are plain numbers (``LHEPdfWeight``)."""


def _null_is_empty(value: object) -> object:
    return {} if value is None else value


class FieldInfo(StrictModel):
    """What a format knows of a field.

    Attributes
    ----------
    type
        NumPy name of its type; empty if it differs between files of the format.
    unit, doc
        As in `schemas.event_schema.Field`.
    """

    type: str = ""
    unit: str = ""
    doc: str = ""


FieldInfos = Annotated[dict[str, FieldInfo], BeforeValidator(_null_is_empty)]


class CollectionInfo(StrictModel):
    """What a format knows of a collection: its meaning and that of its fields."""

    doc: str = ""
    fields: FieldInfos = ModelField(default_factory=dict)


class NtupleFormat(StrictModel):
    """A format of ntuples.

    Attributes
    ----------
    name
        Of the format.
    doc
        What writes it and who uses it.
    tree
        Name of the tree in the file.
    layout
        ``counters``: jagged branches ``X_field`` with their length in ``nX``; branches ``X_field``
        without a counter are singletons, all others belong to the event.
    fields
        Meaning of a field in every collection that does not say otherwise.
    collections
        Meaning of collections and singletons, by name.
    event
        Meaning of the event's own fields.
    """

    name: Annotated[str, AfterValidator(str.strip)]
    doc: str = ""
    tree: str
    layout: Literal["counters"] = "counters"
    fields: FieldInfos = ModelField(default_factory=dict)
    collections: dict[str, CollectionInfo] = ModelField(default_factory=dict)
    event: FieldInfos = ModelField(default_factory=dict)

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


@dataclass(frozen=True)
class Branch:
    """A branch of a tree, as far as grouping needs it.

    Attributes
    ----------
    name
        Of the branch.
    type
        NumPy name of the type of its values; empty if they are not numbers.
    jagged
        Whether an entry has any number of values.
    counter
        Name of the branch that holds this number; empty if unknown.
    title
        As the file has it, often the documentation.
    typename
        C++ type, for messages.
    """

    name: str
    type: str
    jagged: bool = False
    counter: str = ""
    title: str = ""
    typename: str = ""


@dataclass(frozen=True)
class Layout:
    """The branches of one tree, grouped.

    Attributes
    ----------
    schema
        Collections and fields.
    branches
        Name of the branch of each ``(collection, field)``.
    unsupported
        C++ type of each branch that no column can hold.
    """

    schema: EventSchema
    branches: Mapping[tuple[str, str], str]
    unsupported: Mapping[str, str] = field(default_factory=dict)


def group_branches(branches: Iterable[Branch], form: NtupleFormat, file: str) -> Layout:
    """Group branches into collections, as the format says.

    Raises
    ------
    InputError
        If a branch has another type than the format fixes, or two branches claim one field.
    """
    listed = list(branches)
    jagged = {_collection_of(branch) for branch in listed if branch.jagged and branch.type}
    fields: dict[str, dict[str, Field]] = {}
    names: dict[tuple[str, str], str] = {}
    for branch in listed:
        if not branch.type or _is_counter(branch, jagged):
            continue  # not numbers; or a counter, which the number of objects already says
        collection, name = _place(branch, jagged)
        info = form.info(collection, name)
        if info.type and info.type != branch.type:
            raise InputError(
                f"{file}: branch {branch.name!r} holds {branch.type}, and format {form.name!r} "
                f"says {info.type}; skim this file with a schema of its own, or leave it out"
            )
        if (collection, name) in names:
            other = names[collection, name]
            raise InputError(f"{file}: branches {other!r} and {branch.name!r} are one field")
        names[collection, name] = branch.name
        made = Field(type=branch.type, unit=info.unit, doc=info.doc or _documentation(branch))
        fields.setdefault(collection, {})[name] = made
    collections = {
        name: Collection(
            kind="event" if name == EVENT else "list" if name in jagged else "singleton",
            doc=form.collections.get(name, CollectionInfo()).doc,
            fields=known,
        )
        for name, known in fields.items()
    }
    unsupported = {branch.name: branch.typename for branch in listed if not branch.type}
    return Layout(EventSchema(collections=collections), names, unsupported)


def _is_counter(branch: Branch, jagged: set[str]) -> bool:
    return not branch.jagged and branch.name[:1] == "n" and branch.name[1:] in jagged


def _collection_of(branch: Branch) -> str:
    counted = branch.counter.removeprefix("n")
    if branch.counter.startswith("n") and (
        branch.name == counted or branch.name.startswith(f"{counted}_")
    ):
        return counted
    return branch.name.partition("_")[0]


def _place(branch: Branch, jagged: set[str]) -> tuple[str, str]:
    """Return collection and field of a branch."""
    if branch.jagged:
        collection = _collection_of(branch)
        return collection, branch.name.removeprefix(collection).removeprefix("_") or VALUE
    prefix, _, name = branch.name.partition("_")
    if not name or prefix in jagged or prefix == EVENT:
        return EVENT, branch.name
    return prefix, name


def _documentation(branch: Branch) -> str:
    """Return the title of a branch if it says more than name and type."""
    leaf = branch.title.partition("/")[0].partition("[")[0]
    return "" if leaf in branch.name or not branch.title.isprintable() else branch.title
