"""TTree and RNTuple behind one interface: branches, clusters, arrays.

uproot gives the two different names for the same things; nothing else of the project has to know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from schemas.baskets import read_numbers
from schemas.errors import InputError
from schemas.events import Ragged, Values
from schemas.grouping import Branch
from schemas.number_branches import NumberBranch, number_branch
from schemas.rntuple_pages import check_pages
from schemas.root_files import RNTUPLE, TREE
from schemas.storage import is_url

_LIST = re.compile(r"(?:std::vector|ROOT::VecOps::RVec)<(.+)>|std::array<(.+), *\d+>")
_COUNTER = re.compile(r"ROOT::RNTupleCardinality<.+>")
_ALGORITHMS = {1: "ZLIB", 2: "LZMA", 4: "LZ4", 5: "ZSTD"}
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


class Description(Protocol):
    """What can be told of any tree before it is read."""

    @property
    def entries(self) -> int:
        """Number of entries."""

    @property
    def clusters(self) -> tuple[int, ...]:
        """Entries at which all branches start anew, first and last included."""

    def branches(self) -> list[Branch]:
        """Describe the branches."""

    def numbers(self, paths: Sequence[str]) -> dict[str, NumberBranch]:
        """Return where the baskets of some branches are, of those that can be read without more."""


class Tree(Description, Protocol):
    """What a TTree and an RNTuple have in common."""

    @property
    def compression(self) -> str:
        """Algorithm and level, such as ``LZMA 9``; empty if nothing is compressed."""

    def read(self, paths: Sequence[str], start: int, stop: int) -> dict[str, Values]:
        """Read a range of entries of some branches, by path."""


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

    @property
    def compression(self) -> str:
        """Algorithm and level of most of its branches."""
        settings = [branch.compression for branch, _ in _leaves(self.tree.branches)]
        names = Counter(f"{type(s).__name__} {s.level}" for s in settings if s is not None)
        return names.most_common(1)[0][0] if names else ""

    def branches(self) -> list[Branch]:
        """Describe the branches that hold values."""
        key = self.tree.parent
        ratio = key.data_compressed_bytes / key.data_uncompressed_bytes
        return [self._describe(branch, path, ratio) for branch, path in _leaves(self.tree.branches)]

    def _describe(self, branch: Any, path: str, ratio: float) -> Branch:
        dtype, depth = _type_of(branch.interpretation)
        counter = branch.count_branch
        parent = path.rpartition("/")[0]
        # Baskets that were never flushed lie in the tree's own record, compressed with the rest of
        # it: what each takes there is known before compression only.
        embedded = sum(_buffer_size(basket) for basket in branch.embedded_baskets)
        # uproot's uncompressed_bytes would read the beginning of every basket
        written = branch.num_baskets - len(branch.embedded_baskets)
        compressed = int(sum(branch.member("fBasketBytes")[:written])) + round(embedded * ratio)
        uncompressed = int(branch.member("fTotBytes")) + embedded
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

    def numbers(self, paths: Sequence[str]) -> dict[str, NumberBranch]:
        """Return where the baskets of branches of plain numbers are."""
        found = {path: number_branch(self.tree[path]) for path in paths}
        return {path: branch for path, branch in found.items() if branch}

    def read(self, paths: Sequence[str], start: int, stop: int) -> dict[str, Values]:
        """Read a range of entries of some branches, by path."""
        numbers = self.numbers(paths)
        source = self.tree.file.source
        url = str(source.file_path)
        values = read_numbers(
            url, list(numbers.values()), start, stop, source if is_url(url) else None
        )
        return dict(zip(numbers, values, strict=True)) | {
            path: to_values(self.tree[path].array(entry_start=start, entry_stop=stop).layout)
            for path in paths
            if path not in numbers
        }


def _buffer_size(basket: Any) -> int:
    """Return the bytes of a basket's values and of the offsets behind them."""
    offsets = basket.byte_offsets
    return len(basket.data) + (0 if offsets is None else 4 * (len(offsets) + 1))


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

    @property
    def compression(self) -> str:
        """Algorithm and level of its first page."""
        for column in (column for cluster in self.ntuple.page_link_list for column in cluster):
            if column.compression_settings:
                algorithm, level = divmod(column.compression_settings, 100)
                return f"{_ALGORITHMS.get(algorithm, algorithm)} {level}"
        return ""

    def branches(self) -> list[Branch]:
        """Describe the top-level fields."""
        # imported collections: records that hold the fields of one counter once more
        fields = [f for f in self.ntuple.fields if f.typename or not str(f.name).startswith("_")]
        columns = _Columns(self.ntuple)
        names = {f.field_id: str(f.name) for f in fields if _COUNTER.fullmatch(f.typename)}
        counters = {columns.first(field): name for field, name in names.items()}
        # the counters first: what they share with the lists that they count goes by their name
        order = [*names, *(f.field_id for f in fields if f.field_id not in names)]
        sizes = {field: columns.take(field) for field in order}
        described = []
        for field in fields:
            kind, depth = _parse(str(field.typename))
            described.append(
                Branch(
                    name=str(field.name),
                    path=str(field.name),
                    type=kind,
                    depth=depth,
                    counter=counters.get(columns.first(field.field_id), "") if depth else "",
                    counts=field.field_id in names,
                    title=str(field.description),
                    typename=str(field.typename),
                    bytes=sizes[field.field_id],
                )
            )
        return described

    def numbers(self, paths: Sequence[str]) -> dict[str, NumberBranch]:  # noqa: ARG002
        """Return nothing: pages are not baskets."""
        return {}

    def read(self, paths: Sequence[str], start: int, stop: int) -> dict[str, Values]:
        """Read a range of entries of some fields, by name."""
        chosen = frozenset(paths)
        check_pages(self.ntuple, chosen, start, stop)
        arrays = self.ntuple.arrays(
            # the path, not the name: records of an importer have fields of the same names
            filter_field=lambda field: field.path in chosen,
            entry_start=start,
            entry_stop=stop,
        )
        return {path: to_values(arrays[path].layout) for path in paths}


def to_values(layout: Any) -> Values:
    """Return an awkward layout of numbers, or of lists of them, as arrays."""
    import awkward as ak
    import numpy as np

    if isinstance(layout, ak.contents.NumpyArray):
        if layout.purelist_depth == 1:
            return np.asarray(layout.data)
        layout = layout.to_RegularArray()
    lists = layout.to_ListOffsetArray64(True)
    offsets = np.asarray(lists.offsets.data)
    return Ragged(offsets, to_values(lists.content[: offsets[-1]]))


def _parse(typename: str) -> tuple[str, int]:
    """Return type of the numbers of an RNTuple field, empty if there are none, and its depth."""
    depth = 0
    if _COUNTER.fullmatch(typename):
        return "int64", 0
    while match := _LIST.fullmatch(typename):
        typename, depth = match[1] or match[2], depth + 1
    return _NUMBERS.get(typename, ""), depth


class _Columns:
    """The columns of an RNTuple: which field has which, and what they take."""

    def __init__(self, ntuple: Any) -> None:
        self.sizes = _column_sizes(ntuple)
        self.own: dict[int, list[int]] = {}
        for column in ntuple.column_records:
            self.own.setdefault(column.field_id, []).append(column.idx)
        for alias in ntuple.alias_column_records:  # a field that shows the columns of another
            self.own.setdefault(alias.field_id, []).append(alias.physical_id)
        self.children: dict[int, list[int]] = {}
        for field, record in enumerate(ntuple.field_records):
            if record.parent_field_id != field:
                self.children.setdefault(record.parent_field_id, []).append(field)

    def first(self, field: int) -> int:
        """Return the first column of a field, that of the offsets if it holds lists; -1 if none."""
        return self.own.get(field, [-1])[0]

    def take(self, field: int) -> tuple[int, int]:
        """Return the size of all columns of a field that no field before it had."""
        packed = unpacked = 0
        for column in self.own.get(field, ()):
            packed, unpacked = packed + self.sizes[column][0], unpacked + self.sizes[column][1]
            self.sizes[column] = 0, 0
        for child in self.children.get(field, ()):
            inner = self.take(child)
            packed, unpacked = packed + inner[0], unpacked + inner[1]
        return packed, unpacked


def _column_sizes(ntuple: Any) -> list[tuple[int, int]]:
    """Return the compressed and uncompressed size of each column.

    A page that is the same as an earlier one is not written again, and counts where it is first.
    """
    sizes = [(0, 0)] * len(ntuple.column_records)
    seen: set[int] = set()
    for cluster in ntuple.page_link_list:
        for index, column in enumerate(cluster):
            bits = max(ntuple.column_records[index].nbits, 8)  # of a boolean when it is read
            packed, unpacked = sizes[index]
            for page in column.pages:
                if page.locator.offset not in seen:
                    packed += page.locator.num_bytes
                seen.add(page.locator.offset)
                unpacked += page.num_elements * bits // 8
            sizes[index] = packed, unpacked
    return sizes
