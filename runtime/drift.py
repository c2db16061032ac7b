"""Files of one kind that differ: which fields, where, and what the configuration says to that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from schemas.errors import ConfigError, InputError, nearest
from schemas.event_schema import EVENT, Collection, EventSchema, Field, cheapest, nest, unnest
from schemas.grouping import Layout, Pair
from schemas.load import location_of
from schemas.ntuple import NtupleFormat
from schemas.recipe import restrict
from schemas.skim_config import Drift
from schemas.trees import Input, Ntuple

_LISTED = 10


@dataclass(frozen=True)
class Difference:
    """A field that a file has in another way than the others, or not at all.

    Attributes
    ----------
    url
        The file.
    pair
        Collection and field.
    branch
        Name of its branch, in the file or in others.
    found
        Its type in the file; empty if it is missing.
    expected
        What the schema says, or most files have.
    remedy
        What the configuration says to do; empty if nothing.
    whole
        Whether the file has nothing at all of the collection.
    """

    url: str
    pair: Pair
    branch: str
    found: str
    expected: str
    remedy: str = ""
    whole: bool = False

    def __str__(self) -> str:
        """Say what is wrong, without the file."""
        if self.whole:
            return f"has no branch of {self.pair[0]}, which other files have"
        if not self.found:
            return f"has no branch {self.branch!r}, which other files have"
        return f"branch {self.branch!r} holds {self.found}, and {self.expected} is expected"


def merge_layouts(ntuples: Sequence[Ntuple], form: NtupleFormat, drift: Drift) -> Layout:
    """Return all branches that any of the files has, with the types that the dataset gets.

    What a configuration keeps is chosen among these: were it the branches of one file, a pattern
    would silently drop those that this file happens to lack. The type of a field is the one that
    the format states, else the one in most of the files; to be widened, one that holds all.
    """
    first: dict[Pair, Ntuple] = {}
    types: dict[Pair, Counter[str]] = {}
    unsupported: dict[str, str] = {}
    for ntuple in ntuples:
        unsupported |= ntuple.layout.unsupported
        for pair, info in _fields(ntuple.layout.schema):
            first.setdefault(pair, ntuple)
            types.setdefault(pair, Counter())[info.type] += 1
    collections: dict[str, Collection] = {}
    for (owner, name), ntuple in first.items():
        found = ntuple.layout.schema.collections[owner]
        known = collections.setdefault(owner, found.model_copy(update={"fields": {}}))
        [(usual, _)] = types[owner, name].most_common(1)
        kind = form.info(owner, name).type or usual
        if matches(drift.widen, (owner, name)):
            kind = _widest([kind, *types[owner, name]])
        known.fields[name] = found.fields[name].model_copy(update={"type": kind})
    places = {pair: ntuple.layout.branches[pair] for pair, ntuple in first.items()}
    return Layout(EventSchema(collections=collections), places, unsupported=unsupported)


def _fields(schema: EventSchema) -> Iterator[tuple[Pair, Field]]:
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
    """Refuse what says nothing about any field, and values that a field cannot hold.

    Raises
    ------
    ConfigError
        With the place of the entry.
    """
    for pattern in (*drift.fill, *drift.widen):
        found = [info for pair, info in _fields(schema) if matches([pattern], pair)]
        place = location_of(pattern)
        if not found:
            hint = nearest(pattern, [".".join(pair) for pair, _ in _fields(schema)])
            raise ConfigError(f"drift: no file has a field {str(pattern)!r}; {hint}", place)
        for info in found if pattern in drift.fill else ():
            if info.depth or not _can_be(drift.fill[pattern], info.dtype):
                value = drift.fill[pattern]
                raise ConfigError(f"drift: {value!r} is no value of type {info.type}", place)


def _can_be(value: float, dtype: np.dtype[np.generic]) -> bool:
    """Tell whether a stated number is one of a type; rounding to a float's precision is fine."""
    if dtype.kind == "b" or isinstance(value, bool):
        return dtype.kind == "b" and isinstance(value, bool)
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype.name)
    return int(value) == value and limits.min <= value <= limits.max


def find_differences(
    ntuples: Sequence[Ntuple], layout: Layout, inputs: Sequence[Pair], drift: Drift
) -> list[Difference]:
    """Compare the files with what all of them should have.

    Parameters
    ----------
    ntuples
        The files.
    layout
        From `merge_layouts`.
    inputs
        The fields that are read; others may differ.
    drift
        What the configuration says to differences.
    """
    compared = (_compare(ntuple, layout, pair, drift) for ntuple in ntuples for pair in inputs)
    return [difference for difference in compared if difference]


def _compare(ntuple: Ntuple, layout: Layout, pair: Pair, drift: Drift) -> Difference | None:
    owner, name = pair
    wanted = layout.schema.collections[owner]
    expected = wanted.fields[name].type
    own = ntuple.layout.schema.collections.get(owner)
    if own is None or name not in own.fields:
        branch = str(layout.branches[pair])
        has_objects = own is not None or wanted.kind != "list"  # else how many would be filled?
        value = _fill(drift, pair) if has_objects else None
        remedy = "" if value is None else f"filled with {value}"
        return Difference(ntuple.url, pair, branch, "", expected, remedy, whole=own is None)
    branch, found = str(ntuple.layout.branches[pair]), own.fields[name].type
    if own.kind != wanted.kind and "list" in (own.kind, wanted.kind):
        one, many = "one value an event", "any number of values an event"
        found, expected = (many if known.kind == "list" else one for known in (own, wanted))
        return Difference(ntuple.url, pair, branch, found, expected)
    if found == expected:
        return None
    same_depth = unnest(found)[1] == unnest(expected)[1]
    exact = holds(np.dtype(unnest(expected)[0]), np.dtype(unnest(found)[0]))
    widened = matches(drift.widen, pair) and same_depth and exact
    remedy = f"widened to {expected}" if widened else ""
    return Difference(ntuple.url, pair, branch, found, expected, remedy)


def _fill(drift: Drift, pair: Pair) -> float | None:
    """Return the value that the configuration states for a field."""
    return next((v for pattern, v in drift.fill.items() if matches([pattern], pair)), None)


def unresolved(differences: Iterable[Difference]) -> dict[str, str]:
    """Return what is wrong with each file that differs without a remedy."""
    wrong: dict[str, list[str]] = {}
    for difference in differences:
        if not difference.remedy:
            wrong.setdefault(difference.url, []).append(str(difference))
    return {
        url: f"{url}: {_first('; ', list(dict.fromkeys(found)))}" for url, found in wrong.items()
    }


def refuse(wrong: Mapping[str, str]) -> InputError:
    """Make the error for files that differ, which names them all."""
    separator = "; " if len(wrong) == 1 else "\n"
    remedy = "say under 'drift' what to do (fill, widen), or leave such files out"
    return InputError(f"{_first(separator, list(wrong.values()))}{separator}{remedy}")


def _first(separator: str, texts: Sequence[str]) -> str:
    more = [f"and {len(texts) - _LISTED} more"] if len(texts) > _LISTED else []
    return separator.join([*texts[:_LISTED], *more])


def make_input(ntuple: Ntuple, layout: Layout, inputs: Sequence[Pair], drift: Drift) -> Input:
    """Say how to read fields from one file, all of whose differences have remedies."""
    own = ntuple.layout
    present = {pair: own.branches[pair] for pair in inputs if pair in own.branches}
    fills = {
        pair: value
        for pair in inputs
        if pair not in present and (value := _fill(drift, pair)) is not None
    }
    # where all that is read of a collection is missing, something has to tell how many objects
    for owner in {o for o, _ in fills if layout.schema.is_list(o)} - {o for o, _ in present}:
        pair = owner, cheapest(own.schema.collections[owner].fields)
        present[pair] = own.branches[pair]
    owners = {owner for owner, _ in present}
    counters = {name: place for name, place in own.counters.items() if name in owners}
    places = {*present.values(), *counters.values()}
    return Input(
        url=ntuple.url,
        branches=present,
        schema=restrict(layout.schema, [*present, *fills]),
        counters=counters,
        fills=fills,
        numbers={place: found for place, found in ntuple.numbers.items() if place in places},
    )
