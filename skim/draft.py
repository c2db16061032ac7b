"""Rules by which the branches of an unknown ntuple become collections, from names and counts.

Names propose and counts decide: branches with a common beginning are a collection if they have the
same number of values in every entry that was looked at.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from schemas.event_schema import EVENT
from schemas.grouping import Branch, Grouping, qualify, usual_counters
from schemas.ntuple import TreeFormat
from skim.scan import ScannedTree

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?=_)")
_NO_NAMES = ("events", EVENT, "tree", "ntuple")

Beginnings = Mapping[str, str]
"""Beginning of the names of its branches, by collection."""


@dataclass(frozen=True)
class Draft:
    """The trees of a file that can be read together, and how.

    Attributes
    ----------
    rules
        Of each tree.
    trees
        The trees.
    left_out
        Those with other numbers of entries.
    """

    rules: Sequence[TreeFormat]
    trees: Sequence[ScannedTree]
    left_out: Sequence[ScannedTree]


def draft_rules(trees: Sequence[ScannedTree]) -> Draft:
    """Find rules for the tree with most branches, and for those that have as many entries.

    Parameters
    ----------
    trees
        With the counts of their lists.
    """
    usable = [tree for tree in trees if any(b.type for b in tree.branches)] or trees[:1]
    main = max(usable, key=lambda tree: len(tree.branches))
    joined = [tree for tree in usable if tree is main or tree.entries == main.entries > 1]
    columns = _Columns()
    rules = []
    for tree in joined:
        rules.append(columns.tell_apart(_TreeDraft(tree)))
    return Draft(rules, joined, [tree for tree in trees if tree not in joined])


class _TreeDraft:
    """One tree on the way to its rules."""

    def __init__(self, tree: ScannedTree) -> None:
        self.tree = tree
        self.branches = qualify(tree.branches)
        self.lists = [branch for branch in self.branches if branch.depth and branch.type]
        self.rules = TreeFormat(tree=tree.name)
        self.collect(self.common_beginnings())
        self.collect({**self.rules.collections, **self.without_beginnings()})
        while changed := self.next_change():
            self.collect(changed)
        used = self.grouping.lists
        self.collect({name: b for name, b in self.rules.collections.items() if name in used})
        self.count()

    @property
    def grouping(self) -> Grouping:
        """The branches as the rules so far group them."""
        return Grouping(self.rules, self.tree.branches)

    def collect(self, beginnings: Beginnings) -> None:
        """Take these beginnings."""
        self.rules = replace(self.rules, collections=dict(beginnings))

    def counts(self, branch: Branch) -> bytes | str:
        """Return what branches of one collection must share."""
        known = self.tree.counts
        return known.get(branch.path) or known.get(branch.counter) or branch.counter

    def common_beginnings(self) -> Beginnings:
        """Return beginnings that several names share where no ``_`` or common counter tells.

        These are ``eg`` of names like ``egEt``, and those of lists with a counter of their own.
        """
        groups: dict[str, list[Branch]] = {}
        for branch in self.lists:
            own = branch.counter == f"n{branch.name}" and self.has_values(branch)
            if own or ("_" not in branch.name and not branch.counter):
                beginning = _beginnings(branch.name)[0]
                if len(beginning) > 1 or "_" in branch.name:  # `d` of `dXY` is no name
                    groups.setdefault(beginning, []).append(branch)
        groups.pop(EVENT, None)
        return {
            beginning: beginning
            for beginning, members in groups.items()
            if max(Counter(map(self.counts, members)).values()) > 1
        }

    def has_values(self, branch: Branch) -> bool:
        """Tell whether counts are known and not all zero, which many have in common by chance."""
        return bool(self.tree.counts.get(branch.path, b"").strip(b"\0"))

    def without_beginnings(self) -> Beginnings:
        """Return a collection of names like ``pt``, ``eta`` if most lists share counts only."""
        grouping = self.grouping
        sizes = Counter(grouping.collection_of(branch) for branch in self.lists)
        groups: dict[bytes | str, list[Branch]] = {}
        for branch in self.lists:
            if sizes[grouping.collection_of(branch)] == 1 and self.has_values(branch):
                groups.setdefault(self.counts(branch), []).append(branch)
        together = max(map(len, groups.values()), default=0)
        if together < 2 or 2 * together < len(self.lists):
            return {}
        name = self.tree.name.rpartition("/")[2]
        return {"objects" if name.lower() in _NO_NAMES else name: ""}

    def next_change(self) -> Beginnings:
        """Return better beginnings if some collection cannot be one; none if all can."""
        known, placed = self.rules.collections, list(self.grouping.fields())
        columns = {_column(*pair) for branch, pair in placed if not branch.depth}
        taken = columns | set(known)
        members: dict[str, list[tuple[Branch, str]]] = {}
        for branch, (collection, name) in placed:
            if branch.depth:
                members.setdefault(collection, []).append((branch, name))
        for collection, found in members.items():
            beginning = known.get(collection, collection)
            if stray := self.first_stray(found, beginning):
                longer = [b for b in _beginnings(stray.name) if len(b) > len(beginning)]
                start = longer[0] if longer else stray.name
                if start not in known.values():
                    return {**known, _unused(start, taken): start}
            if collection in columns:
                others = {name: b for name, b in known.items() if name != collection}
                return {**others, _unused(f"{collection}s", taken): beginning}
        return {}

    def first_stray(self, members: Sequence[tuple[Branch, str]], beginning: str) -> Branch | None:
        """Return the first branch with other counts than its collection, or a field of its own."""
        # what is called like the beginning cannot have a longer one
        exact = [branch for branch, _ in members if branch.name == beginning]
        times = Counter(self.counts(branch) for branch in exact or [b for b, _ in members])
        [(owned, _)] = times.most_common(1)
        names: set[str] = set()
        for branch, name in members:
            if self.counts(branch) != owned or name in names:
                return branch
            names.add(name)
        return None

    def count(self) -> None:
        """Tell the counters that have no usual name; an empty one where such a name misleads."""
        grouping = self.grouping
        numbers = {b.name: b for b in self.branches if not b.depth and b.type[:1] in ("i", "u")}
        found: dict[str, str] = {}
        for branch in self.lists:
            collection = grouping.collection_of(branch)
            if branch.counter or branch.path not in self.tree.counts:
                continue
            beginning = self.rules.collections.get(collection) or collection
            usual = next((name for name in usual_counters(collection) if name in numbers), "")
            counters = [
                name
                for name, number in numbers.items()
                if name.lower() in {usual.lower(), *_names_of_counters(beginning)}
                and self.counts(number) == self.counts(branch)
            ]
            if usual not in counters and (usual or counters):
                found[collection] = counters[0] if counters else ""
        self.rules = replace(self.rules, counters=found)


class _Columns:
    """The columns that trees have become so far, of which the next tree must have none."""

    def __init__(self) -> None:
        self.columns: set[str] = set()
        self.lists: set[str] = set()
        self.owners: set[str] = set()  # of all columns, to which a list must not be added
        self.trees: list[str] = []

    def tell_apart(self, draft: _TreeDraft) -> TreeFormat:
        """Give what has a name of an earlier tree's another one; return the rules."""
        word = _own_word(draft.tree.name, self.trees)
        placed = list(draft.grouping.fields())
        taken = self.columns | self.owners | {owner for _, (owner, _) in placed}
        single = [pair for branch, pair in placed if not branch.depth]
        if any(_column(*pair) in self.columns or pair[0] in self.lists for pair in single):
            draft.rules = replace(draft.rules, event=_unused(word, taken))
        known = draft.rules.collections
        beginnings = dict(known)
        for name in sorted(draft.grouping.lists & (self.columns | self.owners)):
            new = _unused(f"{word}{name[:1].upper()}{name[1:]}", taken)
            beginnings = {new if n == name else n: b for n, b in beginnings.items()}
            beginnings.setdefault(new, name)
        if beginnings != known:
            draft.collect(beginnings)
            draft.count()
        self._add(draft)
        return draft.rules

    def _add(self, draft: _TreeDraft) -> None:
        for branch, (owner, name) in draft.grouping.fields():
            self.columns.add(owner if branch.depth else _column(owner, name))
            self.lists |= {owner} if branch.depth else set()
            self.owners |= {owner} - {EVENT}
        self.trees.append(draft.tree.name)


def _column(owner: str, name: str) -> str:
    return name if owner == EVENT else f"{owner}_{name}"


def _beginnings(name: str) -> list[str]:
    """Return the beginnings of a name, at capitals and underscores; the last is all of it."""
    return [*(name[: m.start()] for m in _WORD.finditer(name) if m.start()), name]


def _unused(name: str, taken: Collection[str]) -> str:
    """Return a name, with a number if it is taken."""
    names = itertools.chain([name], (f"{name}{i}" for i in itertools.count(2)))
    return next(n for n in names if n not in taken and n != EVENT)


def _names_of_counters(beginning: str) -> set[str]:
    """Return what the counter of ``eg`` may be called, in small letters: ``negs``, ``eg_size``."""
    owner = beginning.lower().rstrip("_")
    names = [owner, f"{owner}s", f"{owner}es"]
    before = {f"{start}{name}" for start in ("n", "n_", "num", "num_") for name in names}
    return before | {f"{name}_{end}" for end in ("n", "num", "count", "size") for name in names}


def _own_word(tree: str, others: Sequence[str]) -> str:
    """Return a word of the name of a tree that those of others do not have, in small letters."""
    known = {word for other in others for word in _words(other)}
    own = [word for word in _words(tree) if word not in known and word[0].isalpha()]
    return own[0] if own else f"tree{len(others) + 1}"


def _words(name: str) -> list[str]:
    parts = re.split(r"[\W_]+", name)
    return [word.lower() for part in parts for word in _WORD.split(part) if word]
