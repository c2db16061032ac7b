"""Narrower columns on request: smaller types for integers, fewer bits of mantissa for real numbers.

The configuration says which; the schema of the dataset then has the narrower type, or the number of
bits that are left, and that schema alone tells `narrow_events` what to do. Types are never derived
from the values: the next file to be added could hold larger ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import replace

from schemas.errors import ConfigError, InputError, nearest
from schemas.event_schema import EventSchema, Field
from schemas.events import Array, Events, Objects, Ragged
from schemas.load import SourceText, location_of
from schemas.model import StrictModel

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
"""Types that integers may be narrowed to, the smallest first."""

_BITS = re.compile(r"([0-9]+) bits?")


class Rounding(StrictModel, frozen=True, kw_only=True):
    """The largest error that narrowing made to a column, over finite values.

    Attributes
    ----------
    absolute
        Of ``abs(stored - original)``, in the unit of the column.
    relative
        Of ``abs(stored - original) / abs(original)``.
    """

    absolute: Annotated[float, Meta(ge=0)] = 0.0
    relative: Annotated[float, Meta(ge=0)] = 0.0

    def or_larger(self, other: Rounding) -> Rounding:
        """Return the largest errors of two blocks of events together."""
        return Rounding(
            absolute=max(self.absolute, other.absolute), relative=max(self.relative, other.relative)
        )


def largest(roundings: Sequence[Mapping[str, Rounding]]) -> dict[str, Rounding]:
    """Return the largest errors by column over blocks of events."""
    found: dict[str, Rounding] = {}
    for errors in roundings:
        for name, error in errors.items():
            found[name] = error.or_larger(found.get(name, error))
    return found


class Narrowing(SourceText):
    """How the configuration says that a column is stored: ``uint8``, or ``12 bits``."""

    JSON_SCHEMA: ClassVar[dict[str, Any]] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]
    }

    @classmethod
    def parse(cls, value: Any) -> Narrowing:
        """Accept a type, a number of bits, or a range ``[0, 200]`` of integers.

        A range is replaced by the smallest type that holds it.

        Raises
        ------
        ValueError
            If it is none of these.
        """
        if isinstance(value, list):
            return cls(_type_of_range(value))
        if not isinstance(value, str):
            raise ValueError("expected a text")
        bits = _BITS.fullmatch(value)
        if bits and 1 <= int(bits[1]) <= 51:
            return cls.at(f"{int(bits[1])} bits", location_of(value))
        if value in (*INTEGERS, "float32"):
            return cls.at(value, location_of(value))
        raise ValueError(
            f"{value!r} is neither a number of bits of the mantissa, such as '12 bits', nor a type "
            f"({', '.join(INTEGERS)}, float32), nor a range of integers, such as [0, 200]"
        )


def _type_of_range(value: list[Any]) -> str:
    if len(value) != 2 or any(type(end) is not int for end in value) or value[0] > value[1]:
        raise ValueError("expected the smallest and the largest integer, such as [0, 200]")
    low, high = value
    for name in INTEGERS:
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return name
    raise ValueError(f"no type of integers holds both {low} and {high}")


class _Rule(Struct, frozen=True):
    """One line of the configuration."""

    key: str
    target: str

    @property
    def rank(self) -> int:
        """How precise the key is: names go before patterns on one side of the dot, or on both."""
        return sum(not re.search(r"[*?\[]", part) for part in self.key.split("."))

    def matches(self, collection: str, field: str) -> bool:
        if self.key == "*":
            return True
        owner, _, name = self.key.partition(".")
        return fnmatchcase(collection, owner) and fnmatchcase(field, name)

    def apply(self, field: Field) -> tuple[Field | None, str]:
        """Return the narrower field, or None and why there is none."""
        kind, size = field.dtype.kind, field.dtype.itemsize
        if field.depth:
            return None, "has a list for each object"
        bits = _BITS.fullmatch(self.target)
        if bits:
            if kind != "f":
                return None, f"is {field.type}, and only real numbers have a mantissa"
            mantissa = int(np.finfo(field.type).nmant)
            if int(bits[1]) >= mantissa:
                return None, f"is {field.type}, whose mantissa has {mantissa} bits"
            return replace(field, mantissa_bits=int(bits[1])), ""
        target = np.dtype(self.target)
        if target.itemsize >= size:
            return None, f"is {field.type}, which is not wider"
        # a pattern such as TkEleL2.* means the integers only
        if kind != target.kind and (target.kind == "f" or kind not in "iuf"):
            return None, f"is {field.type}"
        if kind == "f" and target.kind in "iu" and self.rank < 2:
            return None, f"is {field.type}; name it without a pattern"
        return replace(field, type=self.target, narrowed_from=field.type), ""


def narrow_schema(schema: EventSchema, narrow: Mapping[str, str]) -> EventSchema:
    """Return the schema of the narrower columns.

    Parameters
    ----------
    schema
        Of the dataset, with the types of the ntuple.
    narrow
        How columns are stored, by ``COLLECTION.FIELD`` (both may be patterns), or ``*``.

    Raises
    ------
    ConfigError
        If a key names no column, or none that can be narrowed so, or two keys of the same precision
        disagree on a column.
    """
    rules = [_Rule(key, target) for key, target in narrow.items()]
    for rule in rules:
        _check(rule, schema)
    collections = {}
    for name, collection in schema.collections.items():
        fields = {f: _narrowest(rules, name, f, info) for f, info in collection.fields.items()}
        collections[name] = replace(collection, fields=fields)
    return EventSchema(collections=collections)


def _check(rule: _Rule, schema: EventSchema) -> None:
    """Refuse a rule that does nothing."""
    place = location_of(rule.key)
    names = [(name, field) for name, c in schema.collections.items() for field in c.fields]
    if rule.key != "*" and rule.key.count(".") != 1:
        raise ConfigError(
            f"narrow: {str(rule.key)!r} is not COLLECTION.FIELD; both may be patterns, as in "
            f"'*.{rule.key.rpartition('.')[2]}'",
            place,
        )
    found = [(name, field) for name, field in names if rule.matches(name, field)]
    if not found:
        hint = nearest(rule.key, [f"{name}.{field}" for name, field in names])
        raise ConfigError(f"narrow: the dataset has no column {str(rule.key)!r}; {hint}", place)
    reasons = [rule.apply(schema.collections[name].fields[field]) for name, field in found]
    if all(made is None for made, _ in reasons):
        name, field = found[0]
        raise ConfigError(
            f"narrow: {name}.{field} cannot be stored as {rule.target}: it {reasons[0][1]}", place
        )


def _narrowest(rules: Sequence[_Rule], name: str, field: str, info: Field) -> Field:
    """Apply the most precise of the rules that apply to a field."""
    applied = [
        (rule, made)
        for rule in rules
        if rule.matches(name, field)
        for made in [rule.apply(info)[0]]
        if made is not None
    ]
    if not applied:
        return info
    rank = max(rule.rank for rule, _ in applied)
    (first, chosen), *others = [(rule, made) for rule, made in applied if rule.rank == rank]
    for rule, made in others:
        if made != chosen:
            raise ConfigError(
                f"narrow: {str(first.key)!r} says {first.target} and {str(rule.key)!r} says "
                f"{rule.target} for {name}.{field}; say it for '{name}.{field}'",
                location_of(rule.key),
            )
    return chosen


def narrow_events(
    events: Events, schema: EventSchema, place: Callable[[int], str]
) -> tuple[Events, dict[str, Rounding]]:
    """Store columns as a schema says.

    Parameters
    ----------
    events
        The columns of the schema, with the types of the ntuple.
    schema
        From `narrow_schema`.
    place
        Says where an event comes from, for messages.

    Returns
    -------
    events
        With the types of the schema.
    errors
        The largest error made to each column of real numbers that was narrowed, by
        ``COLLECTION.FIELD``.

    Raises
    ------
    InputError
        Naming place, column and value if one does not fit.
    """
    errors: dict[str, Rounding] = {}
    columns, collections = dict(events.columns), dict(events.collections)
    for name, collection in schema.collections.items():
        changed: dict[str, Array] = {}
        for field, info in collection.fields.items():
            if info.mantissa_bits is None and not info.narrowed_from:
                continue
            listed = schema.is_list(name)
            column = field if listed else schema.column_name(name, field)
            values = events.collections[name].fields[field] if listed else events.columns[column]
            if isinstance(values, Ragged):
                raise AssertionError(f"{name}.{field} has lists, which no rule makes narrower")
            stored = changed[column] = narrow_values(values, info)
            wrong = _first_misfit(values, stored)
            if wrong is not None:
                event = wrong
                if listed:
                    offsets = events.offsets(name)
                    event = int(np.searchsorted(offsets, wrong, side="right")) - 1
                how = info.type if info.narrowed_from else f"{info.mantissa_bits} bits"
                raise InputError(
                    f"{place(event)}: {name}.{field} is {values[wrong]}, which cannot be stored as "
                    f"{how}; change that in 'narrow'"
                )
            if stored.dtype.kind == "f":
                errors[f"{name}.{field}"] = _rounding(values, stored)
        if not changed:
            continue
        if schema.is_list(name):
            objects = collections[name]
            collections[name] = Objects(objects.offsets, {**objects.fields, **changed})
        else:
            columns |= changed
    return Events(events.size, collections, columns), errors


def narrow_values(values: Array, field: Field) -> Array:
    """Store the values of one column as a field says, whether or not they fit."""
    if field.mantissa_bits is not None:
        return round_mantissa(values, field.mantissa_bits)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(field.dtype)


def round_mantissa(values: Array, bits: int) -> Array:
    """Round to the nearest number whose mantissa has no more bits, ties to even.

    The error is at most ``2**-(bits + 1)`` of the value. NaN, infinities, zeros and numbers too
    small for a full mantissa (subnormal ones) stay as they are; those next to the largest there is
    become infinite.

    Parameters
    ----------
    values
        float32 or float64.
    bits
        Of the mantissa that are left, without the leading one that is not stored; fewer than the
        type has (23 or 52).

    Examples
    --------
    >>> round_mantissa(np.float32([3.14159, 100.3]), 5)
    array([  3.125, 100.   ], dtype=float32)
    """
    info = np.finfo(values.dtype)
    drop = info.nmant - bits
    kind = np.dtype(f"u{values.dtype.itemsize}").type
    raw = np.ascontiguousarray(values).view(kind)
    one = kind(1)
    odd = (raw >> kind(drop)) & one
    # just under half of the last bit that is left, or half if that would make it even: a carry into
    # the exponent is what rounding up to the next power of two means
    rounded = (raw + ((one << kind(drop - 1)) - one + odd)) >> kind(drop) << kind(drop)
    exponent = kind(2**info.nexp - 1) << kind(info.nmant)
    found = raw & exponent
    kept: Array = np.where((found == 0) | (found == exponent), raw, rounded)
    return kept.view(values.dtype)


def _first_misfit(values: Array, stored: Array) -> int | None:
    """Return the position of the first value that is not the same as an integer, or infinite."""
    if stored.dtype.kind == "f":
        wrong = np.isinf(stored) & ~np.isinf(values)
    elif values.dtype.kind == "f":
        low, high = (float(end) for end in (np.iinfo(stored.dtype).min, np.iinfo(stored.dtype).max))
        wrong = ~((low <= values) & (values <= high) & (values == np.floor(values)))
    else:
        ends = np.iinfo(stored.dtype)
        wrong = (values < ends.min) | (values > ends.max)
    return int(np.argmax(wrong)) if wrong.any() else None


def _rounding(values: Array, stored: Array) -> Rounding:
    """Return the largest error made to real numbers."""
    finite = np.isfinite(values)
    original = values[finite].astype(np.float64)
    error = np.abs(stored[finite].astype(np.float64) - original)
    if not error.any():
        return Rounding()
    relative = error[original != 0] / np.abs(original[original != 0])
    return Rounding(absolute=float(error.max()), relative=float(relative.max()))
