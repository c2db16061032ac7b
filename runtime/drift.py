"""Files of one kind that differ: what a dataset of them holds, and what the configuration fills."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import numpy as np
from msgspec.structs import replace

from schemas.errors import ConfigError, nearest
from schemas.event_schema import EVENT, Collection, EventSchema, Field, cheapest, nest, unnest
from schemas.grouping import Layout, Pair
from schemas.load import location_of
from schemas.ntuple import NtupleFormat
from schemas.probe import Ntuple
from schemas.recipe import restrict
from schemas.skim_config import Drift
from schemas.trees import Input

_WILDCARDS = frozenset("*?[")


def merge_layouts(ntuples: Sequence[Ntuple], form: NtupleFormat, drift: Drift) -> Layout:
    """Return all branches that any of the files has, with the types that the dataset gets.

    What a configuration keeps is chosen among these: were it the branches of one file, a pattern
    would silently drop those that this file happens to lack. The type of a field is the one that
    the format states, else the one in most of the files; to be widened, one that holds all.
    """
    first: dict[Pair, Ntuple] = {}
    types: dict[Pair, Counter[str]] = {}
    kinds: dict[str, Counter[str]] = {}
    unsupported: dict[str, str] = {}
    for ntuple in ntuples:
        unsupported |= ntuple.layout.unsupported
        for owner, collection in ntuple.layout.schema.collections.items():
            kinds.setdefault(owner, Counter())[collection.kind] += 1
        for pair, info in fields_of(ntuple.layout.schema):
            first.setdefault(pair, ntuple)
            types.setdefault(pair, Counter())[info.type] += 1
    collections: dict[str, Collection] = {}
    for (owner, name), ntuple in first.items():
        found = ntuple.layout.schema.collections[owner]
        [(kind, _)] = kinds[owner].most_common(1)
        known = collections.setdefault(owner, replace(found, kind=kind, fields={}))
        [(usual, _)] = types[owner, name].most_common(1)
        chosen = form.info(owner, name).type or usual
        if matches(drift.widen, (owner, name)):
            chosen = _widest([chosen, *types[owner, name]])
        known.fields[name] = replace(found.fields[name], type=chosen)
    places = {pair: ntuple.layout.branches[pair] for pair, ntuple in first.items()}
    return Layout(EventSchema(collections=collections), places, unsupported=unsupported)


def fields_of(schema: EventSchema) -> Iterator[tuple[Pair, Field]]:
    """Iterate over all fields of a schema."""
    for owner, collection in schema.collections.items():
        for name, info in collection.fields.items():
            yield (owner, name), info


def matches(patterns: Iterable[str], pair: Pair) -> bool:
    """Tell whether ``TkEleL2.pt`` (``run``, ``event.run``) matches one of some patterns."""
    names = [".".join(pair), *([pair[1]] if pair[0] == EVENT else [])]
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _widest(types: Sequence[str]) -> str:
    """Return the smallest type that holds the values of all exactly; the first if none does."""
    depths = {unnest(name)[1] for name in types}
    dtypes = [np.dtype(unnest(name)[0]) for name in types]
    widest = np.result_type(*dtypes)
    if len(depths) > 1 or not all(holds(widest, dtype) for dtype in dtypes):
        return types[0]
    return nest(widest.name, depths.pop())


def holds(wide: np.dtype[np.generic], narrow: np.dtype[np.generic]) -> bool:
    """Tell whether a type holds every value of another exactly."""
    if wide.kind == "f" and narrow.kind in "iu":  # NumPy calls int64 to float64 safe
        return narrow.itemsize * 8 <= np.finfo(wide.name).nmant
    return np.can_cast(narrow, wide, "safe")


def check_drift(drift: Drift, schema: EventSchema) -> None:
    """Refuse what says nothing about any field, and values that a named field cannot hold.

    Raises
    ------
    ConfigError
        With the place of the entry.
    """
    for pattern in (*drift.fill, *drift.widen):
        found = {pair: info for pair, info in fields_of(schema) if matches([pattern], pair)}
        if not found:
            hint = nearest(pattern, [".".join(pair) for pair, _ in fields_of(schema)])
            message = f"drift: no file has a field {str(pattern)!r}; {hint}"
            raise ConfigError(message, location_of(pattern))
        # what a pattern is for, it must hold only where it is used: see filling
        if pattern in drift.fill and not _WILDCARDS.intersection(pattern):
            for pair, info in found.items():
                _check_value(drift.fill[pattern], pair, info, pattern)


def _check_value(value: float, pair: Pair, info: Field, pattern: str) -> None:
    if info.depth or not _can_be(value, info.dtype):
        raise ConfigError(
            f"drift: {value!r} is no value of {'.'.join(pair)}, which holds {info.type}",
            location_of(pattern),
        )


def _can_be(value: float, dtype: np.dtype[np.generic]) -> bool:
    """Tell whether a stated number is one of a type; rounding to a float's precision is fine."""
    if dtype.kind == "b" or isinstance(value, bool):
        return dtype.kind == "b" and isinstance(value, bool)
    if dtype.kind == "f":
        return not math.isfinite(value) or abs(value) <= float(np.finfo(dtype.name).max)
    limits = np.iinfo(dtype.name)
    return math.isfinite(value) and int(value) == value and limits.min <= value <= limits.max


def filling(drift: Drift, pair: Pair, info: Field) -> float | None:
    """Return the value that the configuration states for a field: that of the first match.

    Raises
    ------
    ConfigError
        If it is no value of the field's type.
    """
    for pattern, value in drift.fill.items():
        if matches([pattern], pair):
            if info.depth:
                return None
            _check_value(value, pair, info, pattern)
            return value
    return None


def make_input(ntuple: Ntuple, layout: Layout, inputs: Sequence[Pair], drift: Drift) -> Input:
    """Say how to read fields from one file, all of whose differences have remedies."""
    own, schema = ntuple.layout, layout.schema
    present = {pair: own.branches[pair] for pair in inputs if pair in own.branches}
    fills = {
        (owner, name): value
        for owner, name in inputs
        if (owner, name) not in present
        and (value := filling(drift, (owner, name), schema.collections[owner].fields[name]))
        is not None
    }
    # where all that is read of a collection is missing, something has to tell how many objects
    for owner in sorted({o for o, _ in fills if schema.is_list(o)} - {o for o, _ in present}):
        pair = owner, _counting(own.schema.collections[owner], schema.collections[owner])
        present[pair] = own.branches[pair]
    owners = {owner for owner, _ in present}
    return Input(
        url=ntuple.url,
        branches=present,
        schema=restrict(schema, [*present, *fills]),
        counters={name: place for name, place in own.counters.items() if name in owners},
        fills=fills,
        baskets=ntuple.baskets,
        uuid=ntuple.uuid,
    )


def _counting(own: Collection, merged: Collection) -> str:
    """Return the field to count objects by, if possible one of the type that all files have."""
    same = {name: i for name, i in own.fields.items() if i.type == merged.fields[name].type}
    return cheapest(same or own.fields)
