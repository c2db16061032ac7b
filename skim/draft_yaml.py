"""A drafted schema as text that people go on writing: one line a field, comments for the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec.structs import replace

from schemas.event_schema import EVENT, Collection, Field
from schemas.grouping import Layout, group_branches, qualify
from schemas.ntuple import NtupleFormat, TreeFormat
from skim.draft import Draft
from skim.scan import ScannedTree

_PLAIN = re.compile(r"[A-Za-z_]([\w ./*+()<>=^-]*[\w./*+()<>=^-])?")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")  # of YAML's many versions
_UNIT = re.compile(r"[\[(]([TGMk]eV|[cm]?m|rad|[np]s|[MkG]?Hz)[\])]")
_WIDTH = 90


def write_draft(draft: Draft, url: str, known: NtupleFormat | None) -> str:
    """Return the text of a schema.

    Parameters
    ----------
    draft
        What to write.
    url
        The file that it is drafted from.
    known
        Format that comes with the project and fits the file; its docs and units are taken over.

    Raises
    ------
    InputError
        If two branches have one name.
    """
    file = PurePosixPath(url).name
    form = _form(draft, file.removesuffix(".root"), known)
    branches = {tree.name: tree.branches for tree in draft.trees}
    rules = {rule.tree: rule for rule in draft.rules}
    layout = group_branches({n: (rules[n], branches[n]) for n in rules}, form, url)
    return "\n".join([*_head(draft, file, known), "", *_top(form, file), *_fields(layout),
                      *_unsupported(draft), ""])  # fmt: skip


def _form(draft: Draft, name: str, known: NtupleFormat | None) -> NtupleFormat:
    if known is None:
        return NtupleFormat(name=name, trees=list(draft.rules))
    return replace(known, name=name, tree="", trees=list(draft.rules))


def _head(draft: Draft, file: str, known: NtupleFormat | None) -> Iterator[str]:
    """Say where it comes from, and what was checked."""
    yield f"# Drafted from {file}."
    yield "# Names of collections, units and docs are there to be improved."
    if known:
        yield f"# The schema {known.name}, which comes with the project, reads this file too."
    if len(draft.rules) > 1:
        yield "# Entry i of each tree belongs to event i; remove trees of which this is not true."
    yield from _checks(draft)
    for tree in draft.left_out:
        reason = "" if any(b.type for b in tree.branches) else " and no numbers"
        yield f"# Left out: {tree.name}, with {_entries(tree.entries)}{reason}."


def _checks(draft: Draft) -> Iterator[str]:
    unbound = [tree for tree in draft.trees if tree.unbound]
    checked = [tree for tree in unbound if tree.checked]
    if not unbound:
        yield "# Lists are one collection if the file says that they share a counter."
    if checked:
        number = min(tree.checked for tree in checked)
        yield "# Lists are one collection if their names begin alike and they have the same numbers"
        yield f"# of values; that was checked in {_entries(number)}."
    if unbound and not checked:
        yield "# There are no entries: lists are one collection if their names begin alike."


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def _top(form: NtupleFormat, file: str) -> Iterator[str]:
    yield f"name: {_scalar(form.name)}"
    yield f"doc: {_scalar(f'Drafted from {file}')}"
    only = form.trees[0]
    if len(form.trees) == 1 and only == TreeFormat(tree=only.tree):
        yield f"tree: {_scalar(only.tree)}"
        return
    yield "trees:"
    for rules in form.trees:
        yield f"  - tree: {_scalar(rules.tree)}"
        if rules.event:
            yield f"    event: {_scalar(rules.event)}"
        if rules.collections:
            yield from _mapping("    ", "collections", rules.collections)
        if rules.counters:
            yield from _mapping("    ", "counters", rules.counters)


def _mapping(indent: str, key: str, entries: Mapping[str, str]) -> Iterator[str]:
    """Write names by name, on one line if they fit."""
    items = [f"{_scalar(name)}: {_scalar(value)}" for name, value in entries.items()]
    line = f"{indent}{key}: {{{', '.join(items)}}}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield f"{indent}{key}:"
    yield from (f"{indent}  {item}" for item in items)


def _fields(layout: Layout) -> Iterator[str]:
    known = layout.schema.collections
    named = [name for name in known if name != EVENT]
    if named:
        yield ""
        yield "collections:"
    for name in named:
        yield from _collection(name, known[name])
    if EVENT in known:
        yield ""
        yield "event:"
        yield from _lines("  ", known[EVENT].fields)


def _collection(name: str, collection: Collection) -> Iterator[str]:
    kind = "any number per event" if collection.kind == "list" else "one per event"
    yield f"  {_scalar(name)}:  # {kind}"
    if collection.doc:
        yield f"    doc: {_scalar(collection.doc)}"
    yield "    fields:"
    yield from _lines("      ", collection.fields)


def _lines(indent: str, fields: Mapping[str, Field]) -> Iterator[str]:
    for name, field in fields.items():
        unit = field.unit or (m[1] if (m := _UNIT.search(field.doc)) else "")
        said = {"type": field.type, "unit": unit, "doc": field.doc}
        items = ", ".join(f"{key}: {_scalar(value)}" for key, value in said.items() if value)
        yield f"{indent}{_scalar(name)}: {{{items}}}"


def _unsupported(draft: Draft) -> Iterator[str]:
    lost = [(t, b) for t in draft.trees for b in qualify(t.branches) if not b.type]
    if lost:
        yield ""
        yield "# No column can hold these branches:"
    for tree, branch in lost:
        yield f"#   {_place(tree, branch.path, draft)}: {branch.typename}"


def _place(tree: ScannedTree, path: str, draft: Draft) -> str:
    return f"{tree.name}: {path}" if len(draft.trees) > 1 else path


def _scalar(text: str) -> str:
    """Write a text so that YAML of any version reads it as this text, in a flow mapping too."""
    if _PLAIN.fullmatch(text) and text.isascii() and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
