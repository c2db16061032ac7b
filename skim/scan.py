"""The facts of a ROOT file: its trees, their branches, how many values the first entries have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from schemas.columnar import open_tree
from schemas.errors import InputError, UsageError, nearest
from schemas.events import Ragged, Values
from schemas.grouping import Branch, Place
from schemas.root_files import RNTUPLE, TREE, open_file, reading
from schemas.storage import is_url, missing
from schemas.trees import read_branches

CHECKED_ENTRIES = 500
_CHECKED_BYTES = 50_000_000  # uncompressed: what a look into a file may take

_NAMED = 5  # objects of a class that are named one by one
_FOLDERS = ("TDirectory", "TDirectoryFile")


@dataclass(frozen=True)
class ScannedTree:
    """A tree or RNTuple of a file.

    Attributes
    ----------
    name
        Path in the file.
    kind
        Class of ROOT.
    entries, clusters
        Numbers of them.
    compression
        Algorithm and level; empty if there is none.
    branches
        Its branches.
    counts
        Number of values in each of the first entries as the bytes of 64-bit integers, which
        compare fast, by path of the branch: of the lists in `unbound`, and of all that may count
        them. Empty if there are none.
    checked
        Number of these entries.
    """

    name: str
    kind: str
    entries: int
    clusters: int
    compression: str
    branches: Sequence[Branch]
    counts: Mapping[str, bytes] = field(default_factory=dict)
    checked: int = 0

    @property
    def lists(self) -> list[Branch]:
        """The branches with any number of values per event."""
        return [branch for branch in self.branches if branch.depth and branch.type]

    @property
    def unbound(self) -> list[Branch]:
        """The lists of which the file does not say that they share a counter with others.

        Some writers give every list a counter of its own.
        """
        return [branch for branch in self.lists if branch.counter in ("", f"n{branch.name}")]


@dataclass(frozen=True)
class Scan:
    """A file.

    Attributes
    ----------
    url
        Path or URL.
    bytes
        Its size.
    trees
        The trees asked for.
    others
        Names of all other objects, by class.
    """

    url: str
    bytes: int
    trees: Sequence[ScannedTree]
    others: Mapping[str, Sequence[str]]


def scan_file(place: str) -> Scan:
    """Find out which trees a file has, reading no entries.

    Parameters
    ----------
    place
        ``FILE`` or ``FILE:TREE``.

    Raises
    ------
    UsageError
        If there is no such file or tree.
    InputError
        If the file cannot be read, or has no tree.
    """
    url, wanted = _split(place)
    if not is_url(url) and not Path(url).exists():
        raise missing(url, "file")
    if Path(url).is_dir():
        raise UsageError(f"{url!r} is a folder; name a file in it, as in '{url}/ntuple.root'")
    with open_file(url) as (file, classes):
        known = [name for name, kind in classes.items() if kind in (TREE, RNTUPLE)]
        others: dict[str, list[str]] = {}
        for name, kind in classes.items():
            if kind not in (TREE, RNTUPLE, *_FOLDERS):
                others.setdefault(kind, []).append(name)
        if not known:
            raise InputError(f"{url}: has no tree; it holds {list_objects(others) or 'nothing'}")
        if wanted and wanted not in known:
            raise UsageError(f"{url}: has no tree {wanted!r}; {nearest(wanted, known)}")
        trees = [_scan_tree(file, name, classes[name], url) for name in known
                 if name == (wanted or name)]  # fmt: skip
        return Scan(url, int(file.file.source.num_bytes), trees, others)


def list_objects(others: Mapping[str, Sequence[str]]) -> str:
    """Name the objects of each class, or their number if they are many."""
    return "; ".join(
        f"{len(names):,} {kind}" if len(names) > _NAMED else f"{kind} {', '.join(names)}"
        for kind, names in others.items()
    )


def _split(place: str) -> tuple[str, str]:
    """Separate file and tree; colons of URLs and drive-like names belong to the file."""
    head, separator, tail = place.rpartition(":")
    local = Path(head).is_file() and not Path(place).exists()
    if separator and (head.endswith(".root") or local) and not tail.startswith("//"):
        return head, tail
    return place, ""


def _scan_tree(file: Any, name: str, kind: str, url: str) -> ScannedTree:
    with reading(url, f"tree {name!r} cannot be read"):
        tree = open_tree(file, name, kind)
        return ScannedTree(
            name, kind, tree.entries, max(len(tree.clusters) - 1, 0), tree.compression,
            tree.branches(),
        )  # fmt: skip


def count_values(scan: Scan, names: Collection[str]) -> list[ScannedTree]:
    """Read how many values the lists of some trees have in their first entries.

    Nothing is read of trees in which all lists share counters, and the file says which.

    Parameters
    ----------
    scan
        The file.
    names
        Of the trees.

    Returns
    -------
    list
        These trees, with counts.

    Raises
    ------
    InputError
        If a basket is damaged.
    """
    chosen = [tree for tree in scan.trees if tree.name in names]
    if not any(tree.entries and tree.unbound for tree in chosen):
        return chosen
    with open_file(scan.url) as (file, _):
        return [_count_values(file, tree, scan.url) for tree in chosen]


def _count_values(file: Any, tree: ScannedTree, url: str) -> ScannedTree:
    lists = tree.unbound
    if not tree.entries or not lists:
        return tree
    size = sum(branch.bytes[1] for branch in lists)
    stop = min(tree.entries, CHECKED_ENTRIES, 1 + _CHECKED_BYTES * tree.entries // max(size, 1))
    read = [*lists, *(b for b in tree.branches if not b.depth and b.type[:1] in ("i", "u"))]
    with reading(url, f"tree {tree.name!r} cannot be read"):
        opened = open_tree(file, tree.name, tree.kind)
    places = {branch: Place(tree.name, branch.path or branch.name) for branch in read}
    values = read_branches(url, opened, list(places.values()), 0, stop)
    counts = {place.branch: _numbers(values[place]) for place in places.values()}
    return replace(tree, counts=counts, checked=stop)


def _numbers(values: Values) -> bytes:
    """Return the numbers of values of a list, or the values of what may be a counter."""
    counts = np.diff(values.offsets) if isinstance(values, Ragged) else values
    return counts.astype(np.int64).tobytes()
