"""ROOT trees to events, through uproot: what is in a file, and ranges of its entries.

The only module of the pipeline that opens ROOT files.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import InputError, nearest
from schemas.event_schema import EventSchema
from schemas.events import Events, Objects
from schemas.ntuple import Branch, Layout, NtupleFormat, group_branches

if TYPE_CHECKING:
    import uproot


@dataclass(frozen=True)
class Ntuple:
    """What there is to know of a file before reading its entries.

    Attributes
    ----------
    url
        Path or URL.
    uuid
        Of the file.
    tree
        Name of the tree.
    entries
        Its number of entries.
    bytes
        Size of the file.
    layout
        Its branches as collections and fields.
    clusters
        Entries at which the baskets of all branches start together, first and last included:
        ranges between them decompress nothing twice.
    """

    url: str
    uuid: str
    tree: str
    entries: int
    bytes: int
    layout: Layout
    clusters: tuple[int, ...]


@contextmanager
def reading(url: str, what: str) -> Iterator[None]:
    """Turn what uproot and the decompressors raise on damaged files into one error.

    uproot reports damage by whichever of these the broken bytes happen to lead to.
    """
    import cramjam
    import uproot

    damage = (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AssertionError,
        EOFError,
        NotImplementedError,
        struct.error,
        zlib.error,
        lzma.LZMAError,
        cramjam.DecompressionError,
        uproot.DeserializationError,
    )
    try:
        yield
    except InputError:
        raise
    except damage as error:
        reason = str(error).strip().partition("\n")[0].rstrip(",;:. ") or type(error).__name__
        raise InputError(
            f"{url}: {what}: {reason}; copy the file again, or leave it out of the sample"
        ) from error


@contextmanager
def open_file(url: str) -> Iterator[tuple[Any, dict[str, str]]]:
    """Open a ROOT file: yields uproot's file, and the class of each object in it by path.

    Raises
    ------
    InputError
        If it is missing, truncated, or no ROOT file.
    """
    import uproot

    with reading(url, "cannot be opened as a ROOT file"):
        file = uproot.open(url)
    with file:
        with reading(url, "its list of contents cannot be read"):
            classes = dict(file.classnames(cycle=False))
        yield file, classes


@contextmanager
def _open_tree(url: str, tree: str) -> Iterator[tuple[Any, Any]]:
    """Open a tree: yields the file and the tree."""
    with open_file(url) as (file, classes):
        if tree not in classes:
            trees = [name for name, kind in classes.items() if kind == "TTree"]
            raise InputError(f"{url}: has no tree {tree!r}; {nearest(tree, trees)}")
        if classes[tree] != "TTree":
            raise InputError(f"{url}: {tree!r} is a {classes[tree]}, not a TTree")
        with reading(url, f"tree {tree!r} cannot be read"):
            opened = file[tree]
        yield file, opened


def probe(url: str, form: NtupleFormat) -> Ntuple:
    """Find out what is in a file, reading no entries.

    Raises
    ------
    InputError
        If the file cannot be read, or has no tree as the format says.
    """
    with _open_tree(url, form.tree) as (file, tree):
        with reading(url, f"the branches of tree {form.tree!r} cannot be read"):
            branches = [describe_branch(branch) for branch in tree.branches]
            entries = int(tree.num_entries)
            clusters = tuple(int(entry) for entry in tree.common_entry_offsets())
            size = int(file.file.source.num_bytes)
        return Ntuple(
            url=url,
            uuid=str(file.file.uuid),
            tree=form.tree,
            entries=entries,
            bytes=size,
            layout=group_branches(branches, form, url),
            clusters=clusters if clusters[:1] == (0,) else (0, entries),
        )


def describe_branch(branch: Any) -> Branch:
    """Describe a branch of uproot's."""
    import uproot

    interpretation = branch.interpretation
    jagged = isinstance(interpretation, uproot.AsJagged)
    content = interpretation.content if jagged else interpretation
    dtype = content.to_dtype if isinstance(content, uproot.AsDtype) else None
    number = dtype is not None and dtype.shape == () and dtype.kind in "biuf"
    counter = branch.count_branch
    return Branch(
        name=str(branch.name),
        type=dtype.newbyteorder("=").name if number and dtype is not None else "",
        jagged=jagged,
        counter="" if counter is None else str(counter.name),
        title=str(branch.title),
        typename=str(branch.typename),
    )


@dataclass(frozen=True)
class Input:
    """What a task reads of a file.

    Attributes
    ----------
    url, tree
        Where.
    branches
        Name of the branch of each ``(collection, field)``.
    schema
        That they belong to.
    """

    url: str
    tree: str
    branches: Mapping[tuple[str, str], str]
    schema: EventSchema


def read_entries(source: Input, start: int, stop: int) -> Events:
    """Read a range of entries, from ``start`` up to and without ``stop``.

    Raises
    ------
    InputError
        If a basket is damaged (naming its branch), or the fields of a collection have different
        numbers of values in some entry.
    """
    with _open_tree(source.url, source.tree) as (_, tree):
        arrays = _read_branches(source, tree, start, stop)
    return _assemble(source, arrays, start, stop)


def _read_branches(source: Input, tree: uproot.TTree, start: int, stop: int) -> dict[str, Any]:
    def read(names: Sequence[str]) -> dict[str, Any]:
        chosen = frozenset(names)
        return dict(
            tree.arrays(
                filter_branch=lambda branch: branch.name in chosen,
                entry_start=start,
                entry_stop=stop,
                library="ak",
                how=dict,
            )
        )

    names = sorted(source.branches.values())
    try:
        with reading(source.url, "a branch cannot be read"):
            return read(names)
    except InputError:
        for name in names:  # all at once is fast, one by one finds the damaged one
            place = f"branch {name!r}, entries {start} to {stop}, cannot be read"
            with reading(source.url, place):
                read([name])
        raise


def _assemble(source: Input, arrays: Mapping[str, Any], start: int, stop: int) -> Events:
    schema = source.schema
    offsets: dict[str, Any] = {}
    first: dict[str, str] = {}
    values: dict[str, dict[str, Any]] = {}
    columns: dict[str, Any] = {}
    for (collection, field), branch in source.branches.items():
        layout = arrays[branch].layout
        if not schema.is_list(collection):
            columns[schema.column_name(collection, field)] = np.asarray(layout.data)
            continue
        jagged = layout.to_ListOffsetArray64(True)
        own = np.asarray(jagged.offsets.data)
        if collection not in offsets:
            offsets[collection], first[collection] = own, branch
        elif not np.array_equal(offsets[collection], own):
            entry = int(np.argmax(np.diff(offsets[collection]) != np.diff(own)))
            counts = np.diff(own)[entry], np.diff(offsets[collection])[entry]
            raise InputError(
                f"{source.url}: in entry {start + entry} branch {branch!r} has {counts[0]} values "
                f"and {first[collection]!r} has {counts[1]}; both are fields of {collection}"
            )
        content = np.asarray(jagged.content.data)[: own[-1]]
        values.setdefault(collection, {})[field] = content
    collections = {name: Objects(offsets[name], values[name]) for name in offsets}
    return Events(stop - start, collections, columns)
