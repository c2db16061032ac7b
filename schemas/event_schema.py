"""The columns of an event: which collections exist, with which fields, types, units and meaning.

An `EventSchema` describes an ntuple as a format groups it, and the dataset made from it: the
manifest stores it, expressions are checked against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field as ModelField
from pydantic import SerializerFunctionWrapHandler, field_validator, model_serializer

from schemas.load import StrictModel

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


def checked_type(value: str) -> str:
    """Return a type, or say why it is none that a field can have.

    Raises
    ------
    ValueError
        With the reason.
    """
    name, depth = unnest(value)
    try:
        dtype = np.dtype(name)
    except TypeError:
        raise ValueError(f"{value!r} is not the name of a NumPy type") from None
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or depth > MAX_DEPTH:
        raise ValueError(f"{value!r} is not a boolean, integer or floating-point type")
    return value


def cheapest(fields: Mapping[str, Field]) -> str:
    """Return the field to read where only the number of objects is needed."""
    return min(fields, key=lambda name: (fields[name].depth, fields[name].dtype.itemsize))


class Field(StrictModel):
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
    unit: str = ""
    doc: str = ""
    narrowed_from: str = ""
    mantissa_bits: int | None = None

    @field_validator("type")
    @classmethod
    def _is_a_number_type(cls, value: str) -> str:
        return checked_type(value)

    @model_serializer(mode="wrap")
    def _without_what_most_fields_lack(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        optional = {"narrowed_from", "mantissa_bits"}
        return {key: value for key, value in dump(self).items() if value or key not in optional}

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the numbers."""
        return np.dtype(unnest(self.type)[0])

    @property
    def depth(self) -> int:
        """Number of levels of lists inside an object; 0 for a plain number."""
        return unnest(self.type)[1]


class Collection(StrictModel):
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
    fields: dict[str, Field] = ModelField(default={})


class EventSchema(StrictModel):
    """All collections of an event, by name."""

    collections: dict[str, Collection] = ModelField(default={})

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
