"""Trees of plain branches without uproot, which takes ten times as long to describe them.

Plain is a branch of one leaf of numbers, one value per entry or as many as another branch says, or
of a vector of numbers or of such vectors, whose baskets are all in the file, written by ROOT 6.10
or later. One tree of FastPUPPI has 239 branches (processor time, four such files):

==========================  ==============
to describe a file          ms
==========================  ==============
here                          5
uproot                      71
importing uproot, once      220
==========================  ==============

If a single branch is anything else, `NotPlainError` leaves the whole file to uproot. Every object
states its length, and all lengths have to be right.

::

    TTree     TNamed, attributes, numbers, TObjArray of branches
    TBranch   TNamed, attributes, numbers, TObjArrays of branches, leaves and baskets, and arrays:
              bytes, first entry and position of each basket
    TLeaf     TNamed, numbers, reference to the leaf that counts

    TBranchElement    TBranch, name of the class, numbers, references to branches that count
    TLeafElement      TLeaf, numbers
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas.events import Array
from schemas.grouping import Branch
from schemas.number_branches import VECTOR, NumberBranch
from schemas.plain_file import Cursor, NotPlainError, PlainFile, plain
from schemas.root_files import TREE

_KINDS = {
    "TLeafO": ("bool", "bool"),
    "TLeafB": ("i1", "u1"),
    "TLeafS": ("i2", "u2"),
    "TLeafI": ("i4", "u4"),
    "TLeafG": ("i8", "u8"),
    "TLeafL": ("i8", "u8"),
    "TLeafF": ("f4", "f4"),
    "TLeafD": ("f8", "f8"),
}
_LEAVES = {
    name: tuple(np.dtype(kind).newbyteorder(">") for kind in kinds)
    for name, kinds in _KINDS.items()
}
"""Types of the values of a leaf with sign and without."""

_NAMES = {
    dtype: dtype.newbyteorder("=").name for dtypes in _LEAVES.values() for dtype in dtypes
}  # NumPy makes the name anew each time it is asked for

_INT32, _INT64 = np.dtype(">i4"), np.dtype(">i8")

_VECTORS = {
    name: np.dtype(kind).newbyteorder(">")
    for name, kind in {
        "bool": "bool",
        "char": "i1", "unsigned char": "u1",
        "short": "i2", "unsigned short": "u2",
        "int": "i4", "unsigned int": "u4",
        "Long64_t": "i8", "ULong64_t": "u8",
        "float": "f4", "double": "f8",
    }.items()
}  # fmt: skip
"""Types of the values of vectors, by what C++ calls them."""

_VECTOR = re.compile(r"vector<(?:vector<(?P<inner>[\w ]+)> ?|(?P<own>[\w ]+))>")

_FIXED = re.compile(r"\[[0-9]+\]")  # in the title of an array of that length

_BLOCK = struct.Struct(">IH")  # bytes that follow, version
# of TNamed: bytes that follow, version, and of its TObject version, identity, bits
_NAMED = struct.Struct(">IHHII")
# of TObjArray: the same, length of its name, number of objects, lowest index
_LIST = struct.Struct(">IHHIIBii")
_POINTER = struct.Struct(">II")  # bytes that follow, tag of a class
_REFERENCE = struct.Struct(">I")
# of TTree: entries; sizes; weight; timers; default length of offsets; cluster ranges; limits
_TREE = struct.Struct(">qqqqqdiiiiIqqqqqq")
_CLUSTER_RANGE = 16
# of TBranch: compression, size of baskets, length of offsets, baskets written, entry
_BRANCH = struct.Struct(">iiiiq")
# offset, room for baskets, split level, entries, first entry, bytes before and after compression
_BRANCH_SIZES = struct.Struct(">iIiqqqq")
# length, bytes of a value, offset, has a range, is unsigned, reference to the leaf that counts
_LEAF = struct.Struct(">iii??I")

# of TBranchElement: checksum and version of the class, identity, type, way to stream, maximum,
# references to two branches that count
_ELEMENT = struct.Struct(">IHiiiiII")

_COUNTED = 0x40000000  # marks a number of bytes
_NEW_CLASS = 0xFFFFFFFF
_KNOWN_CLASS = 0x80000000
_SHIFT = 2  # between the position of something and the number by which it is referred to
_REFERENCED = 0x10  # bit of an object which two more bytes follow

_ELSEWHERE = "baskets that are not in the file"


class _Branch(NamedTuple):
    """A branch as far as it is of use; its arrays as they are stored, since few are asked for.

    Attributes
    ----------
    name, title
        As the file has them.
    dtype
        Of the values, big-endian.
    depth
        Levels of lists: 0 for one value per entry, 1 for any number of them, 2 for lists of these.
    counter
        Name of the branch that says how many values an entry has; empty if none does.
    sizes, seeks
        Bytes and position of each basket.
    entries
        First entry of each, and one past the last.
    uncompressed
        Size of all.
    """

    name: str
    title: str
    dtype: np.dtype[Any]
    depth: int
    counter: str
    sizes: bytes
    seeks: bytes
    entries: bytes
    uncompressed: int


class PlainTree:
    """A TTree of plain branches."""

    def __init__(self, entries: int, branches: Sequence[_Branch]) -> None:
        self.entries = entries
        self._branches = {branch.name: branch for branch in branches}
        if len(self._branches) != len(branches):
            raise NotPlainError("branches of one name")

    @property
    def clusters(self) -> tuple[int, ...]:
        """Entries at which the baskets of all branches start together."""
        written = {branch.entries for branch in self._branches.values() if branch.sizes}
        firsts = [set(_native(own, _INT64).tolist()) for own in written]
        common = set.intersection(*firsts) if firsts else {0}
        return tuple(sorted(common)) if 0 in common else (0, self.entries)

    def branches(self) -> list[Branch]:
        """Describe the branches."""
        return [
            Branch(
                name=branch.name,
                type=_NAMES[branch.dtype],
                depth=branch.depth,
                counter=branch.counter,
                title=branch.title,
                path=branch.name,
                bytes=(int(_native(branch.sizes, _INT32).sum()), branch.uncompressed),
            )
            for branch in self._branches.values()
        ]

    def numbers(self, paths: Sequence[str]) -> dict[str, NumberBranch]:
        """Return where the baskets of some branches are."""
        chosen = {path: self._branches[path] for path in paths}
        return {
            path: NumberBranch(
                b.dtype, b.depth, _native(b.seeks, _INT64),
                _native(b.sizes, _INT32), _native(b.entries, _INT64),
                VECTOR if b.depth and not b.counter else 0,
            )
            for path, b in chosen.items()
        }  # fmt: skip


def open_plain_tree(file: PlainFile, name: str) -> PlainTree:
    """Describe a tree.

    Raises
    ------
    NotPlainError
        If it is no TTree, or if any of it is not plain.
    """
    if file.classes[name] != TREE:
        raise NotPlainError("no tree")
    with plain():
        return _Reader(file.read(name), file.keys[name].key).tree()


class _Reader:
    """The bytes of a tree on their way to branches."""

    def __init__(self, data: bytes, key: int) -> None:
        self.cursor = Cursor(data)
        self.key = key  # its length: positions count from its beginning
        self.classes: dict[int, str] = {}
        self.counters: dict[int, str] = {}  # name of the branch of each leaf

    def tree(self) -> PlainTree:
        """Read all of it that matters."""
        self.begin(20)
        self.named()
        for _ in ("line", "fill", "marker"):
            self.skip()
        numbers = self.cursor.take(_TREE)
        entries, ranges = numbers[0], numbers[10]
        self.cursor.skip(self.cursor.at + 2 + ranges * _CLUSTER_RANGE)
        self.features()
        branches = [self.branch() for _ in range(self.list())]
        if not _native(b"".join(branch.seeks for branch in branches), _INT64).all():
            raise NotPlainError(_ELSEWHERE)
        return PlainTree(entries, branches)

    def branch(self) -> _Branch:
        """Read a branch."""
        kind, _, end = self.object()
        if kind == "TBranch":
            self.begin(13, end)
            return self.parts(end, self.leaf)
        if kind != "TBranchElement":
            raise NotPlainError(f"a {kind}")
        self.begin(10, end)
        found = self.parts(self.begin(13), self.leaf_of_vector)
        dtype, depth = self.vector(end)
        return found._replace(dtype=dtype, depth=depth)

    def parts(self, end: int, leaf: Callable[[str], tuple[np.dtype[Any], str]]) -> _Branch:
        """Read a TBranch that ends at some place."""
        name, title = self.named()
        if "/" in name or name.startswith("."):
            raise NotPlainError("a name that looks like a path")
        self.skip()
        written = self.cursor.take(_BRANCH)[3]
        self.features()
        _, room, _, entries, _, uncompressed, _ = self.cursor.take(_BRANCH_SIZES)
        if self.list() != 0 or self.list() != 1:
            raise NotPlainError("branches below a branch, or several leaves")
        dtype, counter = leaf(name)
        self.skip()  # baskets that were never written; there are none if those in the file do
        sizes = self.array(_INT32, room, written)
        firsts = self.array(_INT64, room, written + 1)
        seeks = self.array(_INT64, room, written)
        self.cursor.text()
        self.end(end)
        last = int.from_bytes(firsts[-_INT64.itemsize :], "big", signed=True)
        if not 0 <= written < room or last != entries or (written == 0 and entries):
            raise NotPlainError(_ELSEWHERE)
        depth = 1 if counter else 0
        return _Branch(name, title, dtype, depth, counter, sizes, seeks, firsts, uncompressed)

    def leaf(self, branch: str) -> tuple[np.dtype[Any], str]:
        """Read the only leaf of a branch: type of its values, name of the branch that counts."""
        kind, reference, end = self.object()
        if kind not in _LEAVES:
            raise NotPlainError(f"a {kind}")
        self.begin(1, end)
        inner = self.begin(2)
        _, title = self.named()
        length, _, _, _, unsigned, counter = self.cursor.take(_LEAF)
        self.end(inner)
        if length != 1 or ("[" in title and (not counter or _FIXED.search(title))):
            raise NotPlainError("an array of fixed length")
        self.cursor.at = end  # after least and largest value
        self.counters[reference] = branch
        return _LEAVES[kind][unsigned], self.counters[counter] if counter else ""

    def leaf_of_vector(self, branch: str) -> tuple[np.dtype[Any], str]:
        """Read the only leaf of a branch of vectors, which says nothing about them."""
        kind, reference, end = self.object()
        if kind != "TLeafElement":
            raise NotPlainError(f"a {kind}")
        self.begin(1, end)
        self.cursor.at = end
        self.counters[reference] = branch
        return _INT32, ""

    def vector(self, end: int) -> tuple[np.dtype[Any], int]:
        """Read the end of a TBranchElement: type of the numbers, levels of lists."""
        found = _VECTOR.fullmatch(self.cursor.text())
        parent, clones = self.cursor.text(), self.cursor.text()
        *_, first, second = self.cursor.take(_ELEMENT)
        self.end(end)
        if not found or parent or clones or first or second:
            raise NotPlainError("a part of an object, or one that is no vector of numbers")
        return _VECTORS[found["own"] or found["inner"]], 1 if found["own"] else 2

    # -- parts of all objects ---------------------------------------------------------------

    def begin(self, version: int, outer: int | None = None) -> int:
        """Begin an object of a known version; return where it ends."""
        size, found = self.cursor.take(_BLOCK)
        end = self.cursor.at - 2 + _counted(size)
        if found != version or (outer is not None and outer != end):
            raise NotPlainError("another version, or another length")
        return end

    def end(self, end: int) -> None:
        """Require an object to end here."""
        if self.cursor.at != end:
            raise NotPlainError("an object has another length")

    def skip(self) -> None:
        """Skip an object of a known class."""
        (size,) = self.cursor.take(_REFERENCE)
        self.cursor.skip(self.cursor.at + _counted(size))

    def named(self) -> tuple[str, str]:
        """Read a TNamed: name and title."""
        end = self.cursor.at + _REFERENCE.size
        size, version, _, _, bits = self.cursor.take(_NAMED)
        _require(version == 1 and not bits & _REFERENCED)
        name, title = self.cursor.text(), self.cursor.text()
        self.end(end + _counted(size))
        return name, title

    def features(self) -> None:
        """Read a TIOFeatures, and require that it changes nothing about baskets."""
        start = self.cursor.at
        self.skip()
        if self.cursor.data[self.cursor.at - 1] or self.cursor.at == start:
            raise NotPlainError("baskets in another form")

    def list(self) -> int:
        """Begin a TObjArray; return its number of objects."""
        size, version, _, _, bits, name, number, _ = self.cursor.take(_LIST)
        _require(version == 3 and not bits & _REFERENCED and not name and _counted(size) > 0)
        return int(number)

    def object(self) -> tuple[str, int, int]:
        """Begin an object of any class: its class, its own reference, and where it ends."""
        start = self.cursor.at
        size, tag = self.cursor.take(_POINTER)
        if tag == _NEW_CLASS:
            stop = self.cursor.data.index(b"\0", self.cursor.at)
            kind = self.cursor.data[self.cursor.at : stop].decode()
            self.cursor.skip(stop + 1)
            self.classes[start + _REFERENCE.size + self.key + _SHIFT] = kind
        elif tag & _KNOWN_CLASS:
            kind = self.classes[tag & ~_KNOWN_CLASS]
        else:
            raise NotPlainError("an object that was there before")
        end = start + _REFERENCE.size + _counted(size)
        return kind, start + self.key + _SHIFT, end

    def array(self, dtype: np.dtype[Any], room: int, length: int) -> bytes:
        """Read the first values of an array after the byte that says whether there is one."""
        start = self.cursor.at + 1
        self.cursor.skip(start + room * dtype.itemsize)
        return self.cursor.data[start : start + max(length, 0) * dtype.itemsize]


def _native(data: bytes, dtype: np.dtype[Any]) -> Array:
    """Return integers in the machine's byte order."""
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))


def _require(usual: bool) -> None:
    if not usual:
        raise NotPlainError("another version, or an object that is referred to or named")


def _counted(size: int) -> int:
    """Return a number of bytes without its mark."""
    if size == _NEW_CLASS or not size & _COUNTED:
        raise NotPlainError("an object without its length")
    return size & ~_COUNTED
