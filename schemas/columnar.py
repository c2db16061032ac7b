"""TTree and RNTuple behind one interface: branches, clusters, arrays.

uproot gives the two different names for the same things; nothing else of the project has to know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from schemas.errors import InputError
from schemas.grouping import Branch
from schemas.root_files import RNTUPLE, TREE

_LIST = re.compile(r"(?:std::vector|ROOT::VecOps::RVec)<(.+)>|std::array<(.+),\s*\d+>")
_COUNTER = re.compile(r"ROOT::RNTupleCardinality<.+>")
_NUMBERS = {
    "bool": "bool",
    "float": "float32",
    "double": "float64",
    "char": "int8",
    **{
        f"std::{sign}int{bits}_t": f"{sign}int{bits}"
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}


class Tree(Protocol):
    """What a TTree and an RNTuple have in common."""

    @property
    def entries(self) -> int:
        """Number of entries."""

    @property
    def clusters(self) -> tuple[int, ...]:
        """Entries at which all branches start anew, first and last included."""

    def branches(self) -> list[Branch]:
        """Describe the branches."""

    def read(self, paths: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Read a range of entries of some branches, as awkward layouts by path."""


def open_tree(file: Any, name: str, kind: str) -> Tree:
    """Open a tree of a file of uproot's.

    Raises
    ------
    InputError
        If the object is no tree.
    """
    if kind == TREE:
        return TTree(file[name])
    if kind == RNTUPLE:
        return RNTuple(file[name])
    raise InputError(f"{file.file.file_path}: {name!r} is a {kind}, neither TTree nor RNTuple")


class TTree:
    """A TTree; split objects are seen as their parts."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    @property
    def entries(self) -> int:
        """Number of entries."""
        return int(self.tree.num_entries)

    @property
    def clusters(self) -> tuple[int, ...]:
        """Entries at which the baskets of all branches start together."""
        offsets = tuple(int(entry) for entry in self.tree.common_entry_offsets())
        return offsets if offsets[:1] == (0,) else (0, self.entries)

    def branches(self) -> list[Branch]:
        """Describe the branches that hold values."""
        described = [self._describe(b, path) for b, path in _leaves(self.tree.branches)]
        names = Counter(branch.name for branch in described)
        # two objects of one class have the same members: these need the name of the object
        return [
            replace(b, name=f"{b.path.partition('/')[0]}.{b.name}") if names[b.name] > 1 else b
            for b in described
        ]

    def _describe(self, branch: Any, path: str) -> Branch:
        dtype, depth = _type_of(branch.interpretation)
        counter = branch.count_branch
        parent = path.rpartition("/")[0]
        compressed, uncompressed = int(branch.compressed_bytes), int(branch.uncompressed_bytes)
        for basket in branch.embedded_baskets:  # not yet flushed when the tree was written
            size = len(basket.data)
            compressed, uncompressed = compressed + size, uncompressed + size
        return Branch(
            name=str(branch.name).removeprefix(f"{parent}."),
            type=dtype,
            depth=depth,
            counter="" if counter is None else str(counter.name),
            title=str(branch.title),
            typename=str(branch.typename),
            path=path,
            bytes=(compressed, uncompressed),
        )

    def read(self, paths: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Read a range of entries of some branches, as awkward layouts by path."""
        found: dict[str, Any] = {}
        for batch in _without_namesakes(paths):
            chosen = {id(self.tree[path]) for path in batch.values()}
            arrays = self.tree.arrays(
                filter_branch=lambda branch, chosen=chosen: id(branch) in chosen,
                entry_start=start,
                entry_stop=stop,
                library="ak",
                how=dict,
            )
            found |= {path: arrays[name].layout for name, path in batch.items()}
        return found


def _without_namesakes(paths: Iterable[str]) -> list[dict[str, str]]:
    """Divide paths into such of different names, by which uproot tells its arrays apart."""
    batches: list[dict[str, str]] = []
    for path in paths:
        name = path.rpartition("/")[2]
        batch = next((batch for batch in batches if name not in batch), None)
        if batch is None:
            batches.append(batch := {})
        batch[name] = path
    return batches


def _leaves(branches: Sequence[Any], parent: str = "") -> list[tuple[Any, str]]:
    """List the branches that hold values, with their paths."""
    found: list[tuple[Any, str]] = []
    for branch in branches:
        path = f"{parent}{branch.name}"
        if branch.branches:
            found += _leaves(branch.branches, f"{path}/")
        else:
            found.append((branch, path))
    return found


def _type_of(interpretation: Any) -> tuple[str, int]:
    """Return type of the numbers, empty if there are none, and levels of lists."""
    import numpy as np
    import uproot

    depth = 0
    if isinstance(interpretation, uproot.AsObjects):  # vectors of vectors
        inner = interpretation.model
        while isinstance(inner, uproot.AsVector):
            inner, depth = inner.values, depth + 1
        if not (depth and isinstance(inner, np.dtype)):
            return "", 0
        dtype: Any = inner
    else:
        if isinstance(interpretation, uproot.AsJagged):
            interpretation, depth = interpretation.content, 1
        if not isinstance(interpretation, uproot.AsDtype):
            return "", depth
        dtype = interpretation.to_dtype
    if dtype.shape:  # an array of fixed length is a list of that length
        depth, dtype = depth + len(dtype.shape), dtype.base
    known = dtype.kind in "biuf" and dtype.itemsize <= 8
    return (dtype.newbyteorder("=").name, depth) if known else ("", depth)


class RNTuple:
    """An RNTuple; records that an importer made beside the fields are left out."""

    def __init__(self, ntuple: Any) -> None:
        self.ntuple = ntuple

    @property
    def entries(self) -> int:
        """Number of entries."""
        return int(self.ntuple.num_entries)

    @property
    def clusters(self) -> tuple[int, ...]:
        """Entries at which its clusters start."""
        starts = [int(cluster.num_first_entry) for cluster in self.ntuple.cluster_summaries]
        return (*starts, self.entries)

    def branches(self) -> list[Branch]:
        """Describe the top-level fields."""
        size = _field_sizes(self.ntuple)
        described = []
        for field in self.ntuple.fields:
            # imported collections: records that hold the fields of one counter once more
            if field.typename == "" and str(field.name).startswith("_"):
                continue
            kind, depth = _parse(str(field.typename))
            described.append(
                Branch(
                    name=str(field.name),
                    type=kind,
                    depth=depth,
                    counts=bool(_COUNTER.fullmatch(field.typename)),
                    title=str(field.description),
                    typename=str(field.typename),
                    bytes=size(field.field_id),
                )
            )
        return described

    def read(self, paths: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Read a range of entries of some fields, as awkward layouts by name."""
        chosen = frozenset(paths)
        arrays = self.ntuple.arrays(
            # the path, not the name: records of an importer have fields of the same names
            filter_field=lambda field: field.path in chosen,
            entry_start=start,
            entry_stop=stop,
        )
        return {path: arrays[path].layout for path in paths}


def _parse(typename: str) -> tuple[str, int]:
    """Return type of the numbers of an RNTuple field, empty if there are none, and its depth."""
    depth = 0
    if _COUNTER.fullmatch(typename):
        return "int64", 0
    while match := _LIST.fullmatch(typename):
        typename, depth = match[1] or match[2], depth + 1
    return _NUMBERS.get(typename, ""), depth


def _field_sizes(ntuple: Any) -> Callable[[int], tuple[int, int]]:
    """Return how to find the size of the columns that hold a field's numbers (not its offsets)."""
    packed: dict[int, int] = {}
    unpacked: dict[int, int] = {}
    for cluster in ntuple.page_link_list:
        for index, column in enumerate(cluster):
            bits = ntuple.column_records[index].nbits
            elements = sum(page.num_elements for page in column.pages)
            packed[index] = packed.get(index, 0) + sum(p.locator.num_bytes for p in column.pages)
            unpacked[index] = unpacked.get(index, 0) + elements * bits // 8
    first_part: dict[int, int] = {}
    for number, record in enumerate(ntuple.field_records):
        if record.parent_field_id != number:  # a top-level field is its own parent
            first_part.setdefault(record.parent_field_id, number)
    columns: dict[int, list[int]] = {}
    for record in ntuple.column_records:
        columns.setdefault(record.field_id, []).append(record.idx)
    for record in ntuple.alias_column_records:
        columns.setdefault(record.field_id, []).append(record.physical_id)

    def size(field: int) -> tuple[int, int]:
        while field in first_part:
            field = first_part[field]
        found = columns.get(field, [])
        return sum(packed.get(i, 0) for i in found), sum(unpacked.get(i, 0) for i in found)

    return size
