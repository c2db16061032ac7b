"""What is in a ROOT file: trees, collections, types, sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.columnar import open_tree
from schemas.errors import InputError, UsageError, nearest
from schemas.grouping import Layout, group_branches
from schemas.ntuple import NtupleFormat
from schemas.root_files import RNTUPLE, TREE, open_file, reading
from schemas.storage import is_url, missing
from skim.info import make_table, size

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class TreeContents:
    """One tree or RNTuple of a file.

    Attributes
    ----------
    name
        Path in the file.
    kind
        Class of ROOT.
    entries
        Number of entries.
    branches
        Number of branches.
    layout
        Its branches as collections.
    compressed
        Bytes of all branches together.
    """

    name: str
    kind: str
    entries: int
    branches: int
    layout: Layout
    compressed: int


def describe(place: str) -> list[TreeContents]:
    """Describe the trees of a file.

    Parameters
    ----------
    place
        ``FILE`` or ``FILE:TREE``.

    Raises
    ------
    UsageError
        If there is no such file or tree.
    InputError
        If the file cannot be read.
    """
    url, tree = _split(place)
    if not is_url(url) and not Path(url).exists():
        raise missing(url, "file")
    if Path(url).is_dir():
        raise UsageError(f"{url!r} is a folder; name a file in it")
    found: list[TreeContents] = []
    with open_file(url) as (file, classes):
        trees = [name for name, kind in classes.items() if kind in (TREE, RNTUPLE)]
        if tree and tree not in trees:
            raise UsageError(f"{url}: has no tree {tree!r}; {nearest(tree, trees)}")
        for name in [tree] if tree else trees:
            with reading(url, f"tree {name!r} cannot be read"):
                opened = open_tree(file, name, classes[name])
                branches = opened.branches()
                entries = opened.entries
            form = NtupleFormat(name="any", tree=name)
            layout = group_branches({name: (form.all_trees()[0], branches)}, form, url)
            packed = sum(branch.bytes[0] for branch in branches)
            found.append(TreeContents(name, classes[name], entries, len(branches), layout, packed))
    if not found:
        raise InputError(f"{url}: has no tree; it holds {', '.join(classes) or 'nothing'}")
    return found


def _split(place: str) -> tuple[str, str]:
    """Separate file and tree; colons of URLs and drive-like names belong to the file."""
    head, separator, tail = place.rpartition(":")
    if separator and head.endswith(".root") and not tail.startswith("//"):
        return head, tail
    return place, ""


def render(trees: list[TreeContents]) -> Iterator[Table]:
    """Return one table for each tree."""
    for tree in trees:
        counts = f"{tree.entries:,} entries, {tree.branches} branches"
        table = make_table(
            f"{tree.name} ({tree.kind}): {counts}, {size(tree.compressed)}",
            ["collection", "kind", "fields"],
            ["compressed", "uncompressed", "share"],
        )
        sizes = tree.layout.bytes
        for name, collection in tree.layout.schema.collections.items():
            packed, unpacked = (
                sum(sizes[name, field][i] for field in collection.fields) for i in (0, 1)
            )
            types: dict[str, list[str]] = {}
            for field, info in collection.fields.items():
                types.setdefault(info.type, []).append(field)
            table.add_row(
                f"{name} ({len(collection.fields)})",
                collection.kind,
                "; ".join(f"{kind}: {', '.join(fields)}" for kind, fields in types.items()),
                size(packed),
                size(unpacked),
                f"{100 * packed / tree.compressed:.1f} %" if tree.compressed else "-",
            )
        for branch, kind in tree.layout.unsupported.items():
            table.add_row(branch, "unsupported", kind, "", "", "")
        yield table
