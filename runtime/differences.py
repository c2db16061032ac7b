"""In what the files of a run differ: compared, refused or reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from runtime.drift import filling, holds, matches
from schemas.errors import InputError
from schemas.event_schema import Collection, unnest
from schemas.grouping import Layout, Pair, Place
from schemas.probe import Ntuple
from schemas.skim_config import Drift

_LISTED = 10  # files, and differences of a file, that an error names
_NAMED = 3  # files that a line of a report names


class Difference(Struct, frozen=True):
    """A field that a file has in another way than the others, or not at all.

    Attributes
    ----------
    url
        The file.
    pair
        Collection and field.
    branch
        Name of its branch, in the file or in others.
    found
        Its type in the file; empty if it is missing.
    expected
        What the schema says, or most files have.
    remedy
        What the configuration says to do; empty if nothing.
    missing
        What the file lacks, in words: a branch, all of a collection, a tree.
    having, files
        How many files have the field, and of how many.
    """

    url: str
    pair: Pair
    branch: str
    found: str
    expected: str
    remedy: str = ""
    missing: str = ""
    having: int = 0
    files: int = 0

    def __str__(self) -> str:
        """Say what is wrong, without the file."""
        if self.missing:
            return f"has no {self.missing}, which {self.having} of {self.files} files have"
        return f"branch {self.branch!r} holds {self.found}, and {self.expected} is expected"


def find_differences(
    ntuples: Sequence[Ntuple], layout: Layout, inputs: Sequence[Pair], drift: Drift
) -> list[Difference]:
    """Compare the files with what all of them should have.

    Parameters
    ----------
    ntuples
        The files.
    layout
        From `runtime.drift.merge_layouts`.
    inputs
        The fields that are read; others may differ.
    drift
        What the configuration says to differences.

    Raises
    ------
    ConfigError
        If a value to fill is none of the field's type.
    """
    trees = {place.tree for place in layout.branches.values()}
    found = [d for ntuple in ntuples for d in _File(ntuple, layout, trees, drift).compare(inputs)]
    if not found:
        return []
    having = Counter(pair for ntuple in ntuples for pair in ntuple.layout.branches)
    return [replace(d, having=having[d.pair], files=len(ntuples)) for d in found]


class _File:
    """A file against the layout that all of them should have."""

    def __init__(self, ntuple: Ntuple, layout: Layout, trees: set[str], drift: Drift) -> None:
        self.url = ntuple.url
        self.own = ntuple.layout
        self.layout = layout
        self.drift = drift
        self.trees = trees
        self.pairs: dict[Place, Pair] = {}

    def compare(self, inputs: Iterable[Pair]) -> Iterator[Difference]:
        """Iterate over the differences in the fields that are read."""
        known = self.own.schema.collections
        wanted = self.layout.schema.collections
        for owner, name in inputs:
            collection = known.get(owner)
            field = collection.fields.get(name) if collection else None
            if collection is None or field is None:
                yield self.missing((owner, name))
            elif _is_list(collection) != _is_list(wanted[owner]):
                words = [_in_words(_is_list(known)) for known in (collection, wanted[owner])]
                yield self.differs((owner, name), words[0], words[1])
            elif field.type != wanted[owner].fields[name].type:
                yield self.retyped((owner, name), field.type)

    def differs(self, pair: Pair, found: str, expected: str, remedy: str = "") -> Difference:
        """Say that a branch holds something else."""
        branch = str(self.own.branches.get(pair, self.layout.branches[pair]))
        return Difference(self.url, pair, branch, found, expected, remedy)

    def retyped(self, pair: Pair, found: str) -> Difference:
        """Say that a field is of another type, and whether it is widened."""
        wanted = self.layout.schema.collections[pair[0]].fields[pair[1]]
        name, depth = unnest(found)
        exact = depth == wanted.depth and holds(wanted.dtype, np.dtype(name))
        widened = exact and matches(self.drift.widen, pair)
        return self.differs(pair, found, wanted.type, f"widened to {wanted.type}" * widened)

    def missing(self, pair: Pair) -> Difference:
        """Say what the file has in place of a field that it lacks."""
        place, (owner, name) = self.layout.branches[pair], pair
        known, wanted = self.own.schema, self.layout.schema
        info = wanted.collections[owner].fields[name]
        # the branch may be there, and hold no numbers, or be grouped otherwise for lack of others
        kind = self.own.unsupported.get(place.branch.rpartition("/")[2])
        if kind:
            return self.differs(pair, kind, info.type)
        self.pairs = self.pairs or {place: other for other, place in self.own.branches.items()}
        other = self.pairs.get(place)
        if other:
            words = (
                f"{_in_words(schema.is_list(which[0]))} as {'.'.join(which)}"
                for schema, which in ((known, other), (wanted, pair))
            )
            return self.differs(pair, *words)
        missing = f"branch {str(place)!r}"
        if owner not in known.collections:
            absent = len(self.trees) > 1 and place.tree not in {p.tree for p in self.pairs}
            missing = f"tree {place.tree!r}" if absent else f"branch of {owner}"
        # where nothing is left of a collection, nothing tells how many values to fill
        fillable = not wanted.is_list(owner) or known.is_list(owner)
        value = filling(self.drift, pair, info) if fillable else None
        remedy = "" if value is None else f"filled with {value}"
        return Difference(self.url, pair, str(place), "", info.type, remedy, missing)


def _is_list(collection: Collection) -> bool:
    return collection.kind == "list"


def _in_words(many: bool) -> str:
    return "any number of values an event" if many else "one value an event"


def report(differences: Iterable[Difference]) -> list[str]:
    """Say in one line for each field what differs where, and what is done about it.

    Examples
    --------
    >>> missing = "branch 'TkEleL2_tkIso'"
    >>> pair = "TkEleL2", "tkIso"
    >>> report([Difference("a.root", pair, "", "", "", "filled with -1", missing, 11, 12)])
    ['TkEleL2.tkIso: missing in 1 of 12 files (a.root): filled with -1']
    """
    groups: dict[tuple[Pair, str, str], list[Difference]] = {}
    for difference in differences:
        key = difference.pair, difference.found, difference.remedy
        groups.setdefault(key, []).append(difference)
    return [
        f"{'.'.join(pair)}: {found or 'missing'} in {len(same)} of {same[0].files} files "
        f"({_names([difference.url for difference in same])}): {remedy or 'nothing is done'}"
        for (pair, found, remedy), same in groups.items()
    ]


def _names(urls: Sequence[str]) -> str:
    """Name some files, without their folders if these do not matter."""
    names = [url.rpartition("/")[2] for url in urls]
    shown = names if len(set(names)) == len(names) else urls
    return ", ".join([*shown[:_NAMED], *(["..."] if len(shown) > _NAMED else [])])


def unresolved(differences: Iterable[Difference]) -> dict[str, str]:
    """Return what is wrong with each file that differs without a remedy."""
    wrong: dict[str, list[str]] = {}
    for difference in differences:
        if not difference.remedy:
            wrong.setdefault(difference.url, []).append(str(difference))
    return {
        url: f"{url}: {_first('; ', list(dict.fromkeys(found)))}" for url, found in wrong.items()
    }


def refuse(wrong: Mapping[str, str]) -> InputError:
    """Make the error for files that differ, which names them all."""
    separator = "; " if len(wrong) == 1 else "\n"
    remedy = "say under 'drift' what to do (fill, widen), or leave such files out"
    return InputError(f"{_first(separator, list(wrong.values()))}{separator}{remedy}")


def _first(separator: str, texts: Sequence[str]) -> str:
    more = [f"and {len(texts) - _LISTED} more"] if len(texts) > _LISTED else []
    return separator.join([*texts[:_LISTED], *more])
