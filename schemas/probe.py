"""What is in an ntuple: all that can be known of a file before its entries are read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from schemas.columnar import Description, open_tree
from schemas.errors import InputError, nearest
from schemas.events import Array
from schemas.grouping import Layout, Pair, Place, by_tree, group_branches
from schemas.ntuple import NtupleFormat, TreeFormat
from schemas.number_branches import Baskets
from schemas.plain_file import NotPlainError, PlainFile, open_plain
from schemas.plain_tree import open_plain_tree
from schemas.root_files import RNTUPLE, TREE, open_file, reading
from schemas.storage import is_url


class Ntuple(Struct, frozen=True, eq=False):
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
    sizes
        Of the branch of each field before compression, in bytes; the fields are sorted.
    clusters
        Entries at which the baskets of all branches start together, first and last included:
        ranges between them decompress nothing twice.
    baskets
        Where the baskets of those branches are that will be read, as far as they are of numbers.
    """

    url: str
    uuid: str
    tree: str
    entries: int
    bytes: int
    modified: int | None
    layout: Layout
    sizes: Array
    clusters: tuple[int, ...]
    baskets: Baskets

    def bytes_per_entry(self, inputs: Iterable[Pair]) -> float:
        """Return the size in memory of some fields of an entry, on average."""
        fields = sorted(self.layout.branches)
        sizes: dict[Pair, int] = dict(zip(fields, self.sizes.tolist(), strict=True))
        return sum(sizes.get(pair, 0) for pair in inputs) / self.entries

    def only(self, wanted: Collection[Pair] | None) -> Ntuple:
        """Forget where the baskets of other fields are, if it is known what will be read."""
        return replace(self, baskets=self.baskets.only(_places(self.layout, wanted)))


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
    opened = _open_plain(url, form)
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
    """Describe a file and its trees without uproot; None if something in it is not plain."""
    try:
        with open_plain(url) as file:
            found = _find_trees(form, file.classes, url)
            trees: Trees = {
                name: (rules, open_plain_tree(file, name)) for name, rules in found.items()
            }
        return file, trees
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
    sizes = {Place(n, b.path or b.name): b.bytes[1] for n, (_, own) in listed.items() for b in own}
    with reading(url, f"the baskets of {', '.join(map(repr, trees))} cannot be listed"):
        numbers = {
            Place(name, path): branch
            for name, paths in by_tree(_places(layout, wanted)).items()
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
        sizes=np.array([sizes[place] for _, place in sorted(layout.branches.items())], np.int64),
        clusters=tuple(clusters),
        baskets=Baskets.of(numbers),
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
