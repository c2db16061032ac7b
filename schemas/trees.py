"""Ranges of entries of ntuples as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, field

from schemas.baskets import read_numbers
from schemas.columnar import Tree, open_tree
from schemas.errors import InputError, RemoteError
from schemas.event_schema import EventSchema
from schemas.events import Events, Objects, Ragged, Values
from schemas.grouping import Pair, Place, by_tree
from schemas.number_branches import Baskets, NumberBranch
from schemas.plain_file import BEGIN, file_uuid
from schemas.remote import open_remote
from schemas.root_files import open_file, reading
from schemas.storage import is_url
from schemas.tally import step
from schemas.xrootd import is_xrootd


class Input(Struct, frozen=True, eq=False):
    """What a task reads of a file.

    Attributes
    ----------
    url
        Path or URL.
    branches
        Place of the branch of each field that the file has.
    schema
        Types that the fields get, and those that the file lacks.
    counters
        Place of a counter that the numbers of objects have to equal, by collection.
    fills
        Value of each field that the file lacks.
    baskets
        Where they are, of as many of the branches as possible.
    uuid
        Of the file in which they are; one on a server may have become another.
    """

    url: str
    branches: Mapping[Pair, Place]
    schema: EventSchema
    counters: Mapping[str, Place] = {}
    fills: Mapping[Pair, float] = {}
    baskets: Baskets = field(default_factory=lambda: Baskets.of({}))
    uuid: str = ""


def read_entries(source: Input, start: int, stop: int) -> Events:
    """Read a range of entries, from ``start`` up to and without ``stop``.

    Raises
    ------
    InputError
        If a basket is damaged (naming its branch), or the fields of a collection have different
        numbers of values in some entry.
    """
    places = sorted({*source.branches.values(), *source.counters.values()})
    with step("read"):
        known = source.baskets.branches()
        reads_bytes = not is_url(source.url) or is_xrootd(source.url)
        if reads_bytes and all(place in known for place in places):
            branches = {place: known[place] for place in places}
            values = _read_baskets(source, branches, start, stop)
        else:
            values = _read_trees(source, places, start, stop)
    with step("assemble"):
        return _Assembly(source, values, start, stop).events()


def _read_baskets(
    source: Input, branches: Mapping[Place, NumberBranch], start: int, stop: int
) -> dict[Place, Values]:
    """Read baskets that are known already, without opening the tree, which takes 60 ms."""
    try:
        with reading(source.url, "a branch cannot be read"):
            return _read_numbers(source, branches, start, stop)
    except RemoteError:
        raise
    except InputError:
        for place, branch in branches.items():  # finds the damaged one
            with reading(source.url, _what(place, start, stop)):
                _read_numbers(source, {place: branch}, start, stop)
        raise


def _read_numbers(
    source: Input, branches: Mapping[Place, NumberBranch], start: int, stop: int
) -> dict[Place, Values]:
    url, listed = source.url, list(branches.values())
    if not is_url(url):
        values = read_numbers(url, listed, start, stop)
    else:
        with open_remote(url) as file:
            if file_uuid(bytes(file.read(0, BEGIN))) != source.uuid:
                raise InputError(
                    f"{url}: is not the file that it was when the run began; when it changes no "
                    "more, run the same command again"
                )
            values = read_numbers(url, listed, start, stop, file)
    return dict(zip(branches, values, strict=True))


def _read_trees(
    source: Input, places: Sequence[Place], start: int, stop: int
) -> dict[Place, Values]:
    values: dict[Place, Values] = {}
    with open_file(source.url) as (file, classes):
        for name, paths in by_tree(places).items():
            if name not in classes:
                raise InputError(f"{source.url}: tree {name!r} has gone")
            with reading(source.url, f"tree {name!r} cannot be read"):
                tree = open_tree(file, name, classes[name])
            places_of_tree = [Place(name, path) for path in paths]
            values |= read_branches(source.url, tree, places_of_tree, start, stop)
    return values


def read_branches(
    url: str, tree: Tree, places: Sequence[Place], start: int, stop: int
) -> dict[Place, Values]:
    """Read a range of entries of some branches of one tree.

    Raises
    ------
    InputError
        If a basket is damaged, naming its branch.
    """
    try:
        with reading(url, "a branch cannot be read"):
            found = tree.read([place.branch for place in places], start, stop)
    except RemoteError:
        raise
    except InputError:
        for place in places:  # all at once is fast, one by one finds the damaged one
            with reading(url, _what(place, start, stop)):
                tree.read([place.branch], start, stop)
        raise
    return {place: found[place.branch] for place in places}


def _what(place: Place, start: int, stop: int) -> str:
    return f"branch {place.branch!r}, entries {start} to {stop}, cannot be read"


class _Assembly:
    """The branches of some entries on their way to events."""

    def __init__(
        self, source: Input, values: Mapping[Place, Values], start: int, stop: int
    ) -> None:
        self.source = source
        self.values = values
        self.start = start
        self.size = stop - start
        self.offsets: dict[str, Any] = {}
        self.places: dict[str, Place] = {}
        self.fields: dict[str, dict[str, Values]] = {}
        self.columns: dict[str, Any] = {}

    def events(self) -> Events:
        """Put all branches together."""
        for pair, place in self.source.branches.items():
            self.add(pair, place)
        for collection, place in self.source.counters.items():
            offsets = np.zeros(self.size + 1, np.int64)
            np.cumsum(np.asarray(self.values[place]), out=offsets[1:])
            self.compare(collection, place, offsets)
        for pair, value in self.source.fills.items():
            self.fill(pair, value)
        lists = {name: Objects(self.offsets[name], self.fields[name]) for name in self.offsets}
        return Events(self.size, lists, self.columns)

    def add(self, pair: Pair, place: Place) -> None:
        """Add the branch of a field."""
        schema, (collection, name) = self.source.schema, pair
        dtype = schema.collections[collection].fields[name].dtype
        values = self.cast(self.values[place], place, dtype)
        if not isinstance(values, Ragged):
            self.columns[schema.column_name(collection, name)] = values
            return
        if collection in self.offsets:
            self.compare(collection, place, values.offsets)
        else:
            self.offsets[collection], self.places[collection] = values.offsets, place
        self.fields.setdefault(collection, {})[name] = values.values

    def cast(self, values: Values, place: Place, dtype: np.dtype[Any]) -> Values:
        """Give values the type that all files share."""
        if isinstance(values, Ragged):
            inner = self.cast(values.values, place, dtype)
            return values if inner is values.values else Ragged(values.offsets, inner)
        if values.dtype == dtype:
            return values
        if not np.can_cast(values.dtype, dtype, "safe"):
            raise InputError(
                f"{self.source.url}: branch {place.branch!r} holds {values.dtype.name}, and "
                f"{dtype.name} is expected"
            )
        return values.astype(dtype)

    def compare(self, collection: str, place: Place, own: Any) -> None:
        """Refuse offsets that are not those of the collection."""
        known = self.offsets[collection]
        if np.array_equal(known, own):
            return
        entry = int(np.argmax(np.diff(known) != np.diff(own)))
        found, expected = np.diff(own)[entry], np.diff(known)[entry]
        other = self.places[collection].branch
        counts = place == self.source.counters.get(collection)
        raise InputError(
            f"{self.source.url}: in entry {self.start + entry} branch {place.branch!r} "
            + (
                f"counts {found} objects of {collection} and {other!r} has {expected}; leave the "
                "file out"
                if counts
                else f"has {found} values and {other!r} has {expected}; both are fields of "
                f"{collection}: keep one of them, or leave the file out"
            )
        )

    def fill(self, pair: Pair, value: float) -> None:
        """Add a field that the file lacks."""
        schema, (collection, name) = self.source.schema, pair
        dtype = schema.collections[collection].fields[name].dtype
        if not schema.is_list(collection):
            self.columns[schema.column_name(collection, name)] = np.full(self.size, value, dtype)
            return
        objects = int(self.offsets[collection][-1])
        self.fields[collection][name] = np.full(objects, value, dtype)
