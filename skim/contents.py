"""What is in a ROOT file: trees, collections, types, sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import InputError, UsageError, nearest
from schemas.ntuple import Layout, NtupleFormat, group_branches
from schemas.storage import is_url, missing
from schemas.trees import describe_branch, open_file, reading
from skim.info import make_table, size

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class TreeContents:
    """One tree of a file.

    Attributes
    ----------
    name
        Path in the file.
    entries
        Number of entries.
    layout
        Its branches as collections.
    compressed, uncompressed
        Bytes of each branch.
    """

    name: str
    entries: int
    layout: Layout
    compressed: Mapping[str, int]
    uncompressed: Mapping[str, int]


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
        trees = [name for name, kind in classes.items() if kind == "TTree"]
        if tree and tree not in trees:
            raise UsageError(f"{url}: has no tree {tree!r}; {nearest(tree, trees)}")
        for name in [tree] if tree else trees:
            with reading(url, f"tree {name!r} cannot be read"):
                opened = file[name]
                branches = [describe_branch(branch) for branch in opened.branches]
                compressed = {str(b.name): int(b.compressed_bytes) for b in opened.branches}
                uncompressed = {str(b.name): int(b.uncompressed_bytes) for b in opened.branches}
                entries = int(opened.num_entries)
            layout = group_branches(branches, NtupleFormat(name="any", tree=name), url)
            found.append(TreeContents(name, entries, layout, compressed, uncompressed))
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
        total = sum(tree.compressed.values())
        counts = f"{tree.entries:,} entries, {len(tree.compressed)} branches"
        table = make_table(
            f"{tree.name}: {counts}, {size(total)}",
            ["collection", "kind", "fields"],
            ["compressed", "uncompressed", "share"],
        )
        for name, collection in tree.layout.schema.collections.items():
            branches = [tree.layout.branches[name, field] for field in collection.fields]
            packed = sum(tree.compressed[branch] for branch in branches)
            types: dict[str, list[str]] = {}
            for field, info in collection.fields.items():
                types.setdefault(info.type, []).append(field)
            table.add_row(
                f"{name} ({len(branches)})",
                collection.kind,
                "; ".join(f"{kind}: {', '.join(fields)}" for kind, fields in types.items()),
                size(packed),
                size(sum(tree.uncompressed[branch] for branch in branches)),
                f"{100 * packed / total:.1f} %" if total else "-",
            )
        for branch, kind in tree.layout.unsupported.items():
            table.add_row(branch, "unsupported", kind, size(tree.compressed[branch]), "", "")
        yield table
