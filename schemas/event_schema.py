"""The columns of an event: which collections exist, with which fields, types, units and meaning.

An `EventSchema` describes an ntuple as a format groups it, and the dataset made from it: the
manifest stores it, expressions are checked against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import numpy as np

from schemas.model import EntryError, StrictModel

EVENT = "event"
"""Pseudo-collection of the event's own fields (``run``, ``event``); as a level, the event's."""

MAX_DEPTH = 4
"""Levels of lists inside an object up to which a field is believed."""


def nest(name: str, depth: int) -> str:
    """Return the type of lists of numbers: ``list[int32]`` for one level of lists."""
    return "list[" * depth + name + "]" * depth


def unnest(name: str) -> tuple[str, int]:
    """Return the type of the numbers, and how many levels of lists they are in.

    Examples
    --------
    >>> unnest("list[int32]"), unnest("float32")
    (('int32', 1), ('float32', 0))
    """
    depth = 0
    while name.startswith("list[") and name.endswith("]"):
        name, depth = name[5:-1], depth + 1
    return name, depth


def check_type(value: str) -> None:
    """Refuse what is no type that a field can have, as the value of ``type``.

    Raises
    ------
    EntryError
        With the reason.
    """
    name, depth = unnest(value)
    try:
        dtype = np.dtype(name)
    except TypeError:
        raise EntryError("type", f"{value!r} is not the name of a NumPy type", value=True) from None
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or depth > MAX_DEPTH:
        raise EntryError(
            "type", f"{value!r} is not a boolean, integer or floating-point type", value=True
        )


def cheapest(fields: Mapping[str, Field]) -> str:
    """Return the field to read where only the number of objects is needed."""
    return min(fields, key=lambda name: (fields[name].depth, fields[name].dtype.itemsize))


class Field(StrictModel, frozen=True, kw_only=True, omit_defaults=True):
    """One column of a collection.

    Attributes
    ----------
    type
        NumPy name of the type: ``float32``, ``int32``, ``bool``; ``list[int32]`` if every object
        has any number of values, ``list[list[int32]]`` if each of these is a list again.
    unit
        ``GeV``, ``cm``, ``rad``; empty if dimensionless or unknown.
    doc
        What it is, in a few words; empty if unknown.
    narrowed_from
        Type in the ntuple, if the dataset has a narrower one; else empty.
    mantissa_bits
        Bits of the mantissa that are left of each number; None if all are.
    """

    type: str
    # what a factory makes is always written, a default value is not: see `omit_defaults`
    unit: str = msgspec.field(default_factory=str)
    doc: str = msgspec.field(default_factory=str)
    narrowed_from: str = ""
    mantissa_bits: int | None = None

    def __post_init__(self) -> None:
        check_type(self.type)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the numbers."""
        return np.dtype(unnest(self.type)[0])

    @property
    def depth(self) -> int:
        """Number of levels of lists inside an object; 0 for a plain number."""
        return unnest(self.type)[1]


class Collection(StrictModel, frozen=True, kw_only=True):
    """Fields that belong together.

    Attributes
    ----------
    kind
        ``list``: any number of objects per event; ``singleton``: one per event (MET); ``event``:
        the fields of the event itself.
    doc
        What it is, in a few words; empty if unknown.
    fields
        Its fields by name, in the order of the source.
    """

    kind: Literal["list", "singleton", "event"]
    doc: str = ""
    fields: dict[str, Field] = {}


class EventSchema(StrictModel, frozen=True, kw_only=True):
    """All collections of an event, by name."""

    collections: dict[str, Collection] = {}

    def is_list(self, name: str) -> bool:
        """Tell whether a name is that of a collection with any number of objects per event."""
        return name in self.collections and self.collections[name].kind == "list"

    def lists(self) -> Iterator[tuple[str, Collection]]:
        """Iterate over the collections with any number of objects per event."""
        return ((n, c) for n, c in self.collections.items() if c.kind == "list")

    def event_columns(self) -> Iterator[tuple[str, Field]]:
        """Iterate over name and field of the columns with one value per event."""
        for name, collection in self.collections.items():
            if collection.kind != "list":
                for field, info in collection.fields.items():
                    yield self.column_name(name, field), info

    def column_name(self, collection: str, field: str) -> str:
        """Return the name of the column of an event-level field: ``MET_pt``, ``run``."""
        return field if collection == EVENT else f"{collection}_{field}"
