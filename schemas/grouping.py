"""Branches to collections and fields, by the conventions of ntuples and the word of their format.

==================  ==========================  =======================================
branches            of                          become
==================  ==========================  =======================================
``nX``, ``X_pt[]``  NanoAOD and its like        field ``pt`` of the collection ``X``
``X_n``, ``X_pt``   vectors of HGCAL            likewise
``nEGs``, ``egEt``  split objects, as declared  field ``et`` of the declared ``EG``
``MET_pt``          one value per event         field ``pt`` of the singleton ``MET``
``run``             one value per event         field of the event
==================  ==========================  =======================================

Counters become no fields: the number of objects says the same. Where two split objects of a tree
have branches of one name, the objects' names come before those of all their branches.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from schemas.errors import InputError
from schemas.event_schema import EVENT, Collection, EventSchema, Field, nest
from schemas.ntuple import CollectionInfo, NtupleFormat, TreeFormat

VALUE = "value"
"""Name of the field of a collection whose objects are plain numbers (``LHEPdfWeight``)."""

_SIGNS = re.compile(r"[./\[\]]+|^_+")
_LEAF = re.compile(r"[\w.]+(\[\w+\])*/[A-Za-z]")  # the title of a branch that nobody gave one

Pair = tuple[str, str]
"""Collection and field."""


class Place(NamedTuple):
    """Where a branch is: name of its tree, and path in it."""

    tree: str
    branch: str

    def __str__(self) -> str:
        """Name the branch, as messages do."""
        return self.branch


def by_tree(places: Iterable[Place]) -> dict[str, list[str]]:
    """Return the paths of branches, by the name of their tree."""
    trees: dict[str, list[str]] = {}
    for place in places:
        trees.setdefault(place.tree, []).append(place.branch)
    return trees


class Branch(Struct, frozen=True):
    """A branch of a tree or a field of an RNTuple, as far as grouping needs it.

    Attributes
    ----------
    name
        Of the branch, without the object that it was split from.
    type
        NumPy name of the type of its values; empty if they are not numbers.
    depth
        Levels of lists: 0 for one value per event, 1 for any number of them, 2 for lists of these.
    counter
        Name of the branch that holds this number, if the file says which.
    counts
        Whether the file says that it is such a counter itself.
    title
        As the file has it, often the documentation.
    typename
        C++ type, for messages.
    path
        In the tree; the name if nothing else is given.
    bytes
        Compressed and uncompressed size.
    """

    name: str
    type: str
    depth: int = 0
    counter: str = ""
    counts: bool = False
    title: str = ""
    typename: str = ""
    path: str = ""
    bytes: tuple[int, int] = (0, 0)


class Layout(Struct, frozen=True):
    """The branches of an ntuple, grouped.

    Attributes
    ----------
    schema
        Collections and fields.
    branches
        Place of the branch of each field.
    counters
        Place of the branch with the number of objects, of collections whose fields do not depend
        on it: the two have to be compared.
    unsupported
        C++ type of each branch that no column can hold.
    """

    schema: EventSchema
    branches: Mapping[Pair, Place]
    counters: Mapping[str, Place] = {}
    unsupported: Mapping[str, str] = {}


def group_branches(
    trees: Mapping[str, tuple[TreeFormat, Iterable[Branch]]], form: NtupleFormat, file: str
) -> Layout:
    """Group the branches of the trees of a file into collections, as the format says.

    Parameters
    ----------
    trees
        Branches of each tree, by its name in the file.
    form
        The format.
    file
        For messages.

    Raises
    ------
    InputError
        If two branches claim one field, or one column of the dataset.
    """
    fields: dict[str, dict[str, Field]] = {}
    lists: set[str] = set()
    places: dict[Pair, Place] = {}
    counters: dict[str, Place] = {}
    unsupported: dict[str, str] = {}
    for tree, (rules, listed) in trees.items():
        grouping = Grouping(rules, list(listed))
        lists |= grouping.lists
        counters |= {name: Place(tree, path) for name, path in grouping.independent_counters()}
        unsupported |= {b.name: b.typename for b in grouping.branches if not b.type}
        for branch, (collection, name) in grouping.fields():
            place = Place(tree, branch.path)
            if (collection, name) in places:
                other = places[collection, name]
                raise InputError(f"{file}: branches {_both(other, place)} are one field")
            places[collection, name] = place
            info = form.info(collection, name)
            fields.setdefault(collection, {})[name] = Field(
                type=nest(branch.type, max(branch.depth - 1, 0)),
                unit=str(info.unit),
                doc=str(info.doc) or _documentation(branch),
            )
    collections = {
        name: Collection(
            kind="event" if name == EVENT else "list" if name in lists else "singleton",
            doc=str(form.collections.get(name, CollectionInfo()).doc),
            fields=known,
        )
        for name, known in fields.items()
    }
    schema = EventSchema(collections=collections)
    _check_columns(schema, file)
    return Layout(schema, places, counters, unsupported)


def _both(first: Place, second: Place) -> str:
    if first.tree == second.tree:
        return f"{first.branch!r} and {second.branch!r}"
    return f"{first.branch!r} of {first.tree!r} and {second.branch!r} of {second.tree!r}"


def _check_columns(schema: EventSchema, file: str) -> None:
    """Refuse two things that would be one column of a dataset."""
    taken = {name for name, _ in schema.lists()}
    for column, _ in schema.event_columns():
        if column in taken:
            raise InputError(f"{file}: two branches or collections would be the column {column!r}")
        taken.add(column)


class Grouping:
    """The branches of one tree, and the rules by which they become fields."""

    def __init__(self, rules: TreeFormat, branches: Sequence[Branch]) -> None:
        self.rules = rules
        # the longest beginning first: `eg` would claim the branches of `egamma`
        self.beginnings = sorted(rules.collections.items(), key=lambda item: -len(item[1]))
        self.branches = qualify(branches)
        self.counted = {branch.counter for branch in branches} - {""}
        self.lists = {self.collection_of(b) for b in self.branches if b.depth and b.type}

    def fields(self) -> Iterator[tuple[Branch, Pair]]:
        """Iterate over the branches that hold numbers, with collection and field of each."""
        counters = {name for name, _ in self.counters()} | self.counted
        for branch in self.branches:
            if branch.type and not branch.counts and branch.name not in counters:
                yield branch, self.place(branch)

    def counters(self) -> Iterator[tuple[str, str]]:
        """Iterate over name of the counter and collection, as far as names tell."""
        named = {branch.name: branch for branch in self.branches if not branch.depth}
        for collection in sorted(self.lists):
            said = self.rules.counters.get(collection)
            for name in usual_counters(collection) if said is None else [said]:
                if name in named and named[name].type[:1] in ("i", "u"):
                    yield name, collection
                    break

    def independent_counters(self) -> Iterator[tuple[str, str]]:
        """Iterate over collection and path of the counter where the file does not bind the two."""
        bound = {self.collection_of(branch) for branch in self.branches if branch.counter}
        paths = {b.name: b.path for b in self.branches if not b.counts}
        for name, collection in self.counters():
            if collection not in bound and name in paths:
                yield collection, paths[name]

    def collection_of(self, branch: Branch) -> str:
        """Return the collection of a branch with any number of values."""
        for collection, beginning in self.beginnings:
            if _begins(branch.name, beginning):
                return collection
        counted = branch.counter[1:] if branch.counter[:1] in ("n", "N") else ""
        if counted and (branch.name == counted or branch.name.startswith(f"{counted}_")):
            return counted
        prefix = branch.name.partition("_")[0]
        if prefix == EVENT:  # is taken by the event's own fields
            return f"{EVENT}s" if branch.name == EVENT else branch.name
        return prefix

    def place(self, branch: Branch) -> Pair:
        """Return collection and field of a branch."""
        if branch.depth:
            collection = self.collection_of(branch)
            beginning = self.rules.collections.get(collection, collection)
            rest = branch.name.removeprefix(beginning)
            if rest[:1] == "_":
                return collection, rest[1:] or VALUE
            return collection, (rest[:1].lower() + rest[1:] if beginning else rest) or VALUE
        if self.rules.event:
            return self.rules.event, branch.name
        prefix, _, name = branch.name.partition("_")
        usable = name.isidentifier() and not keyword.iskeyword(name)
        if not usable or not prefix or prefix in self.lists or prefix == EVENT:
            return EVENT, branch.name
        return prefix, name


def usual_counters(collection: str) -> tuple[str, ...]:
    """Return the names under which the number of a collection's objects is looked for."""
    return f"n{collection}", f"N{collection}", f"{collection}_n"


def qualify(branches: Sequence[Branch]) -> list[Branch]:
    """Put the names of split objects before those of their branches, if they are not unique.

    Signs that have a meaning in names of columns and fields become underscores.
    """
    times = Counter(branch.name for branch in branches)
    owners = {_object(branch) for branch in branches if times[branch.name] > 1} - {""}
    named = []
    for branch in branches:
        name = branch.name
        if owners and (owner := _object(branch)) in owners:
            name = f"{owner}_{name}"
        if _SIGNS.search(name):
            name = _SIGNS.sub("_", name).lstrip("_") or VALUE
        changed = name != branch.name or not branch.path
        path = branch.path or branch.name
        named.append(replace(branch, name=name, path=path) if changed else branch)
    return named


def _object(branch: Branch) -> str:
    """Return the path of the object that a branch is a part of."""
    return branch.path.rpartition("/")[0]


def _begins(name: str, beginning: str) -> bool:
    """Tell whether a name is a beginning, or goes on after it with a capital or an underscore."""
    rest = name.removeprefix(beginning)
    if not beginning:
        return True
    return name.startswith(beginning) and (not rest or rest[0] == "_" or rest[0].isupper())


def _documentation(branch: Branch) -> str:
    """Return the title of a branch if it says more than name and type."""
    leaf = branch.title.partition("/")[0].partition("[")[0]
    if leaf in branch.name or _LEAF.fullmatch(branch.title) or not branch.title.isprintable():
        return ""
    return branch.title
