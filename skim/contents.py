"""What is in a ROOT file: trees, collections, types, sizes, and which schema reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.event_schema import EVENT
from schemas.grouping import Grouping, Layout, group_branches
from schemas.ntuple import NtupleFormat, TreeFormat, format_names, load_format
from skim.draft import draft_rules
from skim.draft_yaml import write_draft
from skim.info import make_table, size
from skim.scan import Scan, ScannedTree, count_values, list_objects, scan_file

if TYPE_CHECKING:
    from rich.table import Table

Bytes = tuple[int, int]
"""Compressed and uncompressed size."""


@dataclass(frozen=True)
class TreeContents:
    """One tree or RNTuple of a file.

    Attributes
    ----------
    tree
        Its branches, as they are.
    layout
        Its branches as collections.
    sizes
        Of the branches of each collection.
    counters, unsupported
        Number and size of branches that only count, and of those that no column can hold.
    """

    tree: ScannedTree
    layout: Layout
    sizes: Mapping[str, Bytes]
    counters: tuple[int, Bytes]
    unsupported: tuple[int, Bytes]

    @property
    def bytes(self) -> Bytes:
        """Size of all branches."""
        return _total(branch.bytes for branch in self.tree.branches)


@dataclass(frozen=True)
class Contents:
    """What is in a file.

    Attributes
    ----------
    url
        Path or URL.
    trees
        Its trees, or the one asked for.
    schema
        Name of the schema that comes with the project and fits; empty if none does.
    others
        Names of all other objects, by class.
    """

    url: str
    trees: Sequence[TreeContents]
    schema: str
    others: Mapping[str, Sequence[str]]


def describe(place: str) -> Contents:
    """Describe the trees of a file, with the collections of the schema that fits, or of a draft.

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
    scan = scan_file(place)
    form = find_format(scan)
    rules: dict[str, TreeFormat] = {}
    unknown: list[str] = []
    for tree in scan.trees:
        if found := form and _rules_for(tree, form):
            rules[tree.name] = found
        else:
            unknown.append(tree.name)
    left: Sequence[ScannedTree] = count_values(scan, unknown)
    while left:  # trees with other numbers of entries are drafted after those before
        draft = draft_rules(left)
        rules |= {rule.tree: rule for rule in draft.rules}
        left = draft.left_out
    trees = [_describe(tree, rules[tree.name], form, scan.url) for tree in scan.trees]
    return Contents(scan.url, trees, form.name if form else "", scan.others)


def draft_schema(place: str) -> str:
    """Return the text of a schema with which `skim run` reads a file; see `describe`."""
    scan = scan_file(place)
    draft = draft_rules(count_values(scan, [tree.name for tree in scan.trees]))
    return write_draft(draft, scan.url, find_format(scan))


def find_format(scan: Scan) -> NtupleFormat | None:
    """Return the format that comes with the project and fits a file.

    Of several that are for trees of the same name, it is the one that knows most of the file's
    collections, and at least half of them.
    """
    forms = [load_format(name, Path()) for name in format_names()]
    candidates = [f for f in forms if any(_rules_for(tree, f) for tree in scan.trees)]
    if len(candidates) == 1:
        return candidates[0]
    known = {form.name: _known(scan, form) for form in candidates}
    best = max(candidates, key=lambda form: known[form.name], default=None)
    return best if best and known[best.name] >= 0.5 else None


def _rules_for(tree: ScannedTree, form: NtupleFormat) -> TreeFormat | None:
    matching = (r for r in form.all_trees() if fnmatchcase(tree.name, r.tree))
    return next(matching, None)


def _known(scan: Scan, form: NtupleFormat) -> float:
    """Return the part of the collections of a file that a format says something of."""
    found: set[str] = set()
    for tree in scan.trees:
        if rules := _rules_for(tree, form):
            found |= {owner for _, (owner, _) in Grouping(rules, tree.branches).fields()}
    found -= {EVENT}
    return len(found & set(form.collections)) / max(len(found), 1)


def _describe(
    tree: ScannedTree, rules: TreeFormat, form: NtupleFormat | None, url: str
) -> TreeContents:
    any_form = form or NtupleFormat(name="any", tree=tree.name)
    layout = group_branches({tree.name: (rules, tree.branches)}, any_form, url)
    sizes = {branch.path or branch.name: branch.bytes for branch in tree.branches}
    fields = {place.branch for place in layout.branches.values()}
    counters = [b for b in tree.branches if b.type and (b.path or b.name) not in fields]
    lost = [b for b in tree.branches if not b.type]
    return TreeContents(
        tree,
        layout,
        {
            name: _total(sizes[layout.branches[name, field].branch] for field in collection.fields)
            for name, collection in layout.schema.collections.items()
        },
        (len(counters), _total(b.bytes for b in counters)),
        (len(lost), _total(b.bytes for b in lost)),
    )


def _total(sizes: Iterator[Bytes]) -> Bytes:
    found = list(sizes)
    return sum(packed for packed, _ in found), sum(unpacked for _, unpacked in found)


def render(contents: Contents) -> Iterator[Table | str]:
    """Return two tables for each tree, sizes and fields, then lines on the file as a whole."""
    for tree in contents.trees:
        yield _render_sizes(tree)
        yield _render_fields(tree)
    if contents.others:
        yield f"also in the file: {list_objects(contents.others)}"
    if contents.schema:
        yield f"read it with schema: {contents.schema}"
    else:
        yield "no schema that comes with the project fits; --schema drafts one"


def _render_sizes(contents: TreeContents) -> Table:
    tree, collections = contents.tree, contents.layout.schema.collections
    total = contents.bytes
    clusters = "1 cluster" if tree.clusters == 1 else f"{tree.clusters:,} clusters"
    described = [f"{tree.entries:,} entries", f"{len(tree.branches)} branches", clusters]
    table = make_table(
        f"{tree.name} ({tree.kind}): {', '.join([*described, *filter(None, [tree.compression])])}",
        ["collection", "kind"],
        ["fields", "compressed", "uncompressed", "share"],
    )
    for column in table.columns[2:]:
        column.no_wrap = True
    rows: list[tuple[str, str, int, Bytes]] = [
        (name, c.kind, len(c.fields), contents.sizes[name]) for name, c in collections.items()
    ]
    rows.sort(key=lambda row: -row[3][0])
    rows += [("", "counters", *contents.counters), ("", "unsupported", *contents.unsupported)]
    for name, kind, fields, (packed, unpacked) in (row for row in rows if row[2]):
        share = f"{100 * packed / total[0]:.1f} %" if total[0] else "-"
        table.add_row(name, kind, str(fields), size(packed), size(unpacked), share)
    table.add_section()
    table.add_row("all", "", str(len(tree.branches)), size(total[0]), size(total[1]), "")
    return table


def _render_fields(contents: TreeContents) -> Table:
    table = make_table("", ["collection", "type", "fields"], [])
    for name, collection in contents.layout.schema.collections.items():
        types: dict[str, list[str]] = {}
        for field, info in collection.fields.items():
            types.setdefault(info.type, []).append(field)
        for number, (kind, fields) in enumerate(types.items()):
            table.add_row("" if number else name, kind, ", ".join(fields))
    for branch, kind in contents.layout.unsupported.items():
        table.add_row("unsupported", kind, branch)
    return table
