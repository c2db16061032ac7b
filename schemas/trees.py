"""Ntuples: what is in a file before reading it, and ranges of entries as events."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from schemas.baskets import NumberBranch, read_numbers
from schemas.columnar import Description, Tree, open_tree
from schemas.errors import InputError, RemoteError, nearest
from schemas.event_schema import EventSchema
from schemas.events import Events, Objects, Ragged, Values
from schemas.grouping import Layout, Pair, Place, group_branches
from schemas.ntuple import NtupleFormat, TreeFormat
from schemas.plain_file import NotPlainError, PlainFile, open_plain
from schemas.plain_tree import open_plain_tree
from schemas.root_files import RNTUPLE, TREE, open_file, reading
from schemas.storage import is_url
from schemas.tally import step


@dataclass(frozen=True)
class Ntuple:
    """What there is to know of a file before reading its entries.

    Attributes
    ----------
    url
        Path or URL.
    uuid
        Of the file.
    tree
        Name of the tree; several are separated by commas.
    entries
        Its number of entries.
    bytes
        Size of the file.
    modified
        Time of its last change in nanoseconds since 1970; None for a URL.
    layout
        Its branches as collections and fields.
    clusters
        Entries at which the baskets of all branches start together, first and last included:
        ranges between them decompress nothing twice.
    numbers
        Where the baskets of those branches are that will be read, as far as they are of numbers.
    """

    url: str
    uuid: str
    tree: str
    entries: int
    bytes: int
    modified: int | None
    layout: Layout
    clusters: tuple[int, ...]
    numbers: Mapping[Place, NumberBranch]

    def bytes_per_entry(self, inputs: Iterable[Pair]) -> float:
        """Return the size in memory of some fields of an entry, on average."""
        return sum(self.layout.bytes.get(pair, (0, 0))[1] for pair in inputs) / self.entries


def probe(url: str, form: NtupleFormat, wanted: Collection[Pair] | None = None) -> Ntuple:
    """Find out what is in a file, reading no entries.

    Parameters
    ----------
    url
        Path or URL.
    form
        The format.
    wanted
        The fields that will be read, if that is known: of others the baskets do not matter.

    Raises
    ------
    InputError
        If the file cannot be read, has none of the trees that the format names or no entries in
        them, or if the trees have different numbers of entries.
    """
    opened = None if is_url(url) else _open_plain(url, form)
    if opened is not None:
        file, plain = opened
        return _describe(url, file.uuid, file.size, plain, form, wanted)
    with open_file(url) as (file, classes):
        trees: Trees = {}
        for name, rules in _find_trees(form, classes, url).items():
            with reading(url, f"tree {name!r} cannot be read"):
                trees[name] = rules, open_tree(file, name, classes[name])
        with reading(url, "its size cannot be found"):
            size = int(file.file.source.num_bytes)
        return _describe(url, str(file.file.uuid), size, trees, form, wanted)


Trees = dict[str, tuple[TreeFormat, Description]]


def _open_plain(url: str, form: NtupleFormat) -> tuple[PlainFile, Trees] | None:
    """Open a local file and its trees without uproot; None if something in it is not plain."""
    try:
        file = open_plain(url)
        found = _find_trees(form, file.classes, url)
        return file, {name: (rules, open_plain_tree(file, name)) for name, rules in found.items()}
    except NotPlainError:
        return None


def _describe(
    url: str, uuid: str, size: int, trees: Trees, form: NtupleFormat,
    wanted: Collection[Pair] | None,
) -> Ntuple:  # fmt: skip
    """Put together what there is to know of a file whose trees are open."""
    with reading(url, f"the branches of {', '.join(map(repr, trees))} cannot be read"):
        listed = {name: (rules, tree.branches()) for name, (rules, tree) in trees.items()}
        entries = _common_entries({name: tree for name, (_, tree) in trees.items()}, url)
        clusters = sorted(set.intersection(*(set(t.clusters) for _, t in trees.values())))
    layout = group_branches(listed, form, url)
    with reading(url, f"the baskets of {', '.join(map(repr, trees))} cannot be listed"):
        numbers = {
            Place(name, path): branch
            for name, paths in _by_tree(_places(layout, wanted)).items()
            for path, branch in trees[name][1].numbers(paths).items()
        }
    return Ntuple(
        url=url,
        uuid=uuid,
        tree=", ".join(trees),
        entries=entries,
        bytes=size,
        modified=None if is_url(url) else os.stat(url).st_mtime_ns,
        layout=layout,
        clusters=tuple(clusters),
        numbers=numbers,
    )


def _places(layout: Layout, wanted: Collection[Pair] | None) -> Iterator[Place]:
    """Iterate over the branches that will be read."""
    for pair, place in layout.branches.items():
        if wanted is None or pair in wanted:
            yield place
    owners = None if wanted is None else {owner for owner, _ in wanted}
    for owner, place in layout.counters.items():
        if owners is None or owner in owners:
            yield place


def _find_trees(form: NtupleFormat, classes: Mapping[str, str], url: str) -> dict[str, TreeFormat]:
    """Return those trees of a file that a format names, with its rules for them."""
    found = {
        name: rules for rules in form.all_trees() if (name := _find_tree(rules.tree, classes, url))
    }
    if not found:
        raise _no_tree(form, classes, url)
    return found


def _find_tree(pattern: str, classes: Mapping[str, str], url: str) -> str:
    """Return the name of the tree that a format names, or nothing."""
    if pattern in classes:
        return pattern
    kinds = (TREE, RNTUPLE)
    found = [n for n, kind in classes.items() if kind in kinds and fnmatchcase(n, pattern)]
    if len(found) > 1:
        raise InputError(
            f"{url}: trees {found[0]!r} and {found[1]!r} both match {pattern!r}; write a schema "
            "that names the one to read"
        )
    return found[0] if found else ""


def _no_tree(form: NtupleFormat, classes: Mapping[str, str], url: str) -> InputError:
    wanted = form.all_trees()[0].tree
    known = [name for name, kind in classes.items() if kind in (TREE, RNTUPLE)]
    return InputError(f"{url}: has no tree {wanted!r}; {nearest(wanted, known)}")


def _common_entries(trees: Mapping[str, Description], url: str) -> int:
    """Return the number of entries, which all trees must share."""
    (first, tree), *others = trees.items()
    entries = tree.entries
    for name, other in others:
        if other.entries != entries:
            raise InputError(
                f"{url}: tree {name!r} has {other.entries} entries and {first!r} has {entries}: "
                "they cannot be joined entry by entry; leave the file out"
            )
    if not entries:
        raise InputError(f"{url}: tree {first!r} has no entries; leave the file out of the sample")
    return entries


@dataclass(frozen=True)
class Input:
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
    numbers
        Where baskets are, of as many of the branches as possible.
    """

    url: str
    branches: Mapping[Pair, Place]
    schema: EventSchema
    counters: Mapping[str, Place] = field(default_factory=dict)
    fills: Mapping[Pair, float] = field(default_factory=dict)
    numbers: Mapping[Place, NumberBranch] = field(default_factory=dict)


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
        if not is_url(source.url) and all(place in source.numbers for place in places):
            values = _read_baskets(source, places, start, stop)
        else:
            values = _read_trees(source, places, start, stop)
    with step("assemble"):
        return _Assembly(source, values, start, stop).events()


def _read_baskets(
    source: Input, places: Sequence[Place], start: int, stop: int
) -> dict[Place, Values]:
    """Read baskets that are known already, without opening the tree, which takes 60 ms."""
    branches = [source.numbers[place] for place in places]
    try:
        with reading(source.url, "a branch cannot be read"):
            return dict(zip(places, read_numbers(source.url, branches, start, stop), strict=True))
    except InputError:
        for place, branch in zip(places, branches, strict=True):  # finds the damaged one
            with reading(source.url, _what(place, start, stop)):
                read_numbers(source.url, [branch], start, stop)
        raise


def _read_trees(
    source: Input, places: Sequence[Place], start: int, stop: int
) -> dict[Place, Values]:
    values: dict[Place, Values] = {}
    with open_file(source.url) as (file, classes):
        for name, paths in _by_tree(places).items():
            if name not in classes:
                raise InputError(f"{source.url}: tree {name!r} has gone")
            with reading(source.url, f"tree {name!r} cannot be read"):
                tree = open_tree(file, name, classes[name])
            places_of_tree = [Place(name, path) for path in paths]
            values |= read_branches(source.url, tree, places_of_tree, start, stop)
    return values


def _by_tree(places: Iterable[Place]) -> dict[str, list[str]]:
    trees: dict[str, list[str]] = {}
    for place in places:
        trees.setdefault(place.tree, []).append(place.branch)
    return trees


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
