"""Random events of a fixed schema, datasets made of them without ROOT, and random expressions."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from schemas.event_schema import EVENT, Collection, EventSchema, Field
from schemas.events import Array, Coded, Events, Objects, PlainCodes
from schemas.histo_config import HistoConfig
from schemas.load import parse_yaml, validate
from schemas.manifest import MANIFEST, Manifest, Partition, SampleRecord, Source
from schemas.pages import footer_digest
from schemas.skim_config import Storage
from skim.write import write_partition

LISTS = {
    "Ele": {
        "pt": "float32",
        "eta": "float32",
        "phi": "float32",
        "charge": "int8",
        "quality": "uint32",
        "tight": "bool",
    },
    "Jet": {"pt": "float32", "mass": "float64", "hits": "int64"},
}
COLUMNS = {
    "run": "uint32",
    "weight": "float32",
    "triggered": "bool",
    "MET_pt": "float32",
    "MET_phi": "float64",
}


def _fields(types: Mapping[str, str]) -> dict[str, Field]:
    return {name: Field(type=kind) for name, kind in types.items()}


def _event_level(prefix: str) -> dict[str, str]:
    names = [name for name in COLUMNS if name.startswith("MET_") == bool(prefix)]
    return {name.removeprefix(prefix): COLUMNS[name] for name in names}


SCHEMA = EventSchema(
    collections={
        "event": Collection(kind="event", fields=_fields(_event_level(""))),
        "Ele": Collection(kind="list", fields=_fields(LISTS["Ele"])),
        "Jet": Collection(kind="list", fields=_fields(LISTS["Jet"])),
        "MET": Collection(kind="singleton", fields=_fields(_event_level("MET_"))),
    }
)

# The edges of the axes that tests use, and what lies on no axis at all.
SPECIAL = (0.0, -0.0, 1.0, 2.5, 5.0, 10.0, float("nan"), float("inf"), float("-inf"))


def values(kind: str, size: int) -> st.SearchStrategy[Array]:
    """Arrays of one type, half of them full of special values and repetitions."""
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        elements = st.sampled_from(SPECIAL) | st.floats(-20, 20, width=32)
    elif dtype.kind == "b":
        elements = st.booleans()
    else:
        low = 0 if dtype.kind == "u" else -3
        elements = st.integers(low, 6)
    return npst.arrays(dtype, int(size), elements=elements)


@st.composite
def events(draw: st.DrawFn, max_events: int = 8, max_objects: int = 3) -> Events:
    """Up to ``max_events`` events of `SCHEMA`, down to none, with positive finite weights."""
    size = draw(st.integers(0, max_events))
    collections = {}
    for name, types in LISTS.items():
        sparse = draw(st.integers(0, max_objects))
        counts = draw(st.lists(st.integers(0, sparse), min_size=size, max_size=size))
        offsets = np.cumsum([0, *counts], dtype=np.int64)
        fields = {field: draw(values(kind, offsets[-1])) for field, kind in types.items()}
        collections[name] = Objects(offsets, fields)
    columns = {name: draw(values(kind, size)) for name, kind in COLUMNS.items()}
    weights = st.floats(0.125, 100, width=32)
    columns["weight"] = draw(npst.arrays(np.float32, size, elements=weights))
    return Events(size, collections, columns)


def coded(whole: Events, plain: Sequence[str] = ()) -> Events:
    """The same events with columns as a reader may give them: codes and a dictionary.

    Dictionaries have distinct bits, so that 0.0 and -0.0 are two entries, and one that no object
    refers to.

    Parameters
    ----------
    plain
        Names of fields and columns that are left as they are.
    """

    def encode(name: str, values: Array) -> Any:
        if name in plain:
            return values
        bits, codes = np.unique(values.view(f"u{values.itemsize}"), return_inverse=True)
        dictionary = np.append(bits, bits.dtype.type(1)).view(values.dtype)
        return Coded(PlainCodes(codes.astype(np.int32)), dictionary)

    lists = {
        name: Objects(objects.offsets, {f: encode(f, v) for f, v in objects.fields.items()})
        for name, objects in whole.collections.items()
    }
    columns = {name: encode(name, values) for name, values in whole.columns.items()}
    return Events(whole.size, lists, columns)


def random_events(size: int, seed: int = 1) -> Events:
    """Many events of `SCHEMA`, with special values among the others."""
    random = np.random.default_rng(seed)

    def fill(kind: str, count: int) -> Array:
        dtype = np.dtype(kind)
        if dtype.kind == "b":
            return random.random(count) < 0.4
        if dtype.kind in "iu":
            return random.integers(0 if dtype.kind == "u" else -3, 7, count).astype(dtype)
        spread = random.normal(3, 5, count)
        special = random.choice(SPECIAL, count)
        return np.where(random.random(count) < 0.1, special, spread).astype(dtype)

    collections = {}
    for name, types in LISTS.items():
        offsets = np.cumsum(np.append(0, random.poisson(1.2, size)), dtype=np.int64)
        collections[name] = Objects(offsets, {f: fill(k, offsets[-1]) for f, k in types.items()})
    columns = {name: fill(kind, size) for name, kind in COLUMNS.items()}
    columns["weight"] = random.uniform(0.5, 2, size).astype(np.float32)
    return Events(size, collections, columns)


def part_of(whole: Events, start: int, stop: int) -> Events:
    """The events from ``start`` up to ``stop``."""
    numbers = np.arange(whole.size)
    return whole.select((start <= numbers) & (numbers < stop))


def split(whole: Events, size: int) -> list[Events]:
    """Events in parts of ``size``; one empty part if there are none."""
    starts = range(0, max(whole.size, 1), size)
    return [part_of(whole, start, start + size) for start in starts]


def awkward(whole: Events) -> ak.Array:
    """Events as a record array, made without the code under test."""
    lists = {
        name: ak.unflatten(ak.zip(dict(objects.fields)), np.diff(objects.offsets))
        for name, objects in whole.collections.items()
    }
    return ak.zip({**lists, **whole.columns}, depth_limit=1)


def configured(text: str) -> HistoConfig:
    """The histogram configuration that a text says."""
    return validate(parse_yaml(text, "histo.yaml"), HistoConfig)


def write_dataset(
    folder: Path,
    samples: Mapping[str, Sequence[Events]],
    schema: EventSchema = SCHEMA,
) -> Path:
    """Write a dataset with one partition for each block of events, each from a file of its own."""
    records = {}
    for name, parts in samples.items():
        partitions = []
        for number, part in enumerate(parts):
            target = folder / f"sample={name}"
            path, checksum, content = write_partition(part, schema, Storage(), target, number)
            partitions.append(
                Partition(
                    path=f"{target.name}/{path.name}",
                    source=number,
                    entry_start=0,
                    entry_stop=part.size,
                    events_read=part.size,
                    events_kept=part.size,
                    sum_of_weights=float(part.size),
                    bytes=path.stat().st_size,
                    checksum=checksum,
                    content=content,
                    footer=footer_digest(str(path)),
                )
            )
        sources = [
            Source(url=f"{name}_{i}.root", uuid="0", tree="Events", entries=part.size, bytes=1)
            for i, part in enumerate(parts)
        ]
        records[name] = SampleRecord(sources=sources, partitions=partitions)
    manifest = Manifest(
        event_schema=schema, configuration={}, configuration_hash="0", software={}, samples=records
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(manifest.to_json())
    return folder


# -- arithmetic against the interpreter ---------------------------------------------------------

Tree = tuple[Any, ...]

OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "and": np.logical_and,
    "or": np.logical_or,
    "&&": np.logical_and,
    "||": np.logical_or,
    "not ": np.logical_not,
    "!": np.logical_not,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "isnan": np.isnan,
    "minimum": np.minimum,
    "hypot": np.hypot,
    "where": np.where,
}


def column_trees(level: str, condition: bool) -> st.SearchStrategy[Tree]:
    """Fields that an expression at a level can name, of the level and of the event."""
    own = [("column", level, field, kind) for field, kind in LISTS.get(level, {}).items()]
    shared = [("column", EVENT, name, kind) for name, kind in COLUMNS.items()]
    return st.sampled_from([c for c in own + shared if (c[3] == "bool") == condition])


def number_trees(level: str, depth: int) -> st.SearchStrategy[Tree]:
    """Expressions of numbers, with one value an object of the level."""
    constants = st.integers(0, 300) | st.sampled_from([0.5, 2.0, 1e-3, 1e10])
    leaf = column_trees(level, False) | constants.map(lambda value: ("constant", value))
    if depth == 0:
        return leaf
    inner, condition = number_trees(level, depth - 1), condition_trees(level, depth - 1)
    reductions = st.sampled_from(["sum", "min", "max"])
    reduced = [
        st.tuples(st.just("reduce"), reductions, st.just(over), fields, default)
        for over in LISTS
        for fields in [
            number_trees(over, depth - 1) if level == EVENT else column_trees(over, False)
        ]
        for default in [st.none() | st.sampled_from([-1, 2.5])]
    ]
    return st.one_of(
        leaf,
        st.tuples(st.just("binary"), st.sampled_from(["+", "-", "*", "/"]), inner, inner),
        st.tuples(st.just("binary"), st.sampled_from(["//", "%", "**"]), inner, inner),
        st.tuples(st.just("binary"), st.sampled_from(["&", "|", "^"]), inner, inner),
        st.tuples(st.just("unary"), st.just("neg"), inner),
        st.tuples(st.just("call"), st.sampled_from(["abs", "sqrt", "floor"]), inner),
        st.tuples(st.just("call"), st.sampled_from(["minimum", "hypot"]), inner, inner),
        st.tuples(st.just("call"), st.just("where"), condition, inner, inner),
        *reduced,
    )


def condition_trees(level: str, depth: int) -> st.SearchStrategy[Tree]:
    """Conditions, with one value an object of the level."""
    leaf = column_trees(level, True) | st.booleans().map(lambda value: ("constant", value))
    if depth == 0:
        return leaf
    inner, number = condition_trees(level, depth - 1), number_trees(level, depth - 1)
    compared = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    return st.one_of(
        leaf,
        st.tuples(st.just("binary"), compared, number, number),
        st.tuples(st.just("chain"), compared, compared, number, number, number),
        st.tuples(st.just("binary"), st.sampled_from(["and", "or", "&&", "||"]), inner, inner),
        st.tuples(st.just("unary"), st.sampled_from(["not ", "!"]), inner),
        st.tuples(st.just("call"), st.just("isnan"), number),
    )


def written(tree: Tree, level: str) -> str:
    """Write a tree out; names of the level's own fields are bare, all others qualified."""
    match tree:
        case ("constant", value):
            return repr(value)
        case ("column", owner, name, _):
            bare = str(name).replace("MET_", "MET.")
            return bare if owner in (level, EVENT) else f"{owner}.{bare}"
        case ("binary", symbol, left, right):
            return f"({written(left, level)} {symbol} {written(right, level)})"
        case ("chain", first, second, *terms):
            low, middle, high = (written(term, level) for term in terms)
            return f"({low} {first} {middle} {second} {high})"
        case ("unary", symbol, operand):
            return f"({'-' if symbol == 'neg' else symbol}{written(operand, level)})"
        case ("call", name, *arguments):
            return f"{name}({', '.join(written(argument, level) for argument in arguments)})"
        case ("reduce", name, _, operand, default):
            extra = "" if default is None or name == "sum" else f", default={default!r}"
            return f"{name}({written(operand, level)}{extra})"
    raise AssertionError(tree)


def interpret(tree: Tree, level: str, events: Events) -> tuple[str, Any]:
    """Compute a tree with NumPy: its level, empty for a plain number, and its values.

    It shares nothing with the code: it works on the tree, not on text, and reduces with loops.
    """

    def apply(name: str, *parts: tuple[str, Any]) -> tuple[str, Any]:
        levels = {where for where, _ in parts}
        top = next((where for where in (level, EVENT) if where in levels), "")
        raised = [
            np.repeat(found, events.collections[top].counts)
            if where == EVENT and top != EVENT
            else found
            for where, found in parts
        ]
        if name == "**" and isinstance(raised[1], int | float):
            base, exponent = raised
            if not top and abs(exponent) > 64:
                raise OverflowError  # plain numbers beyond 64 bits are refused
            if isinstance(exponent, int) and exponent < 0 and np.asarray(base).dtype.kind in "iu":
                np.ones(1, int) ** np.intp(exponent)  # refused also if there are no objects
        result = OPERATORS[name](*raised)
        if not top:  # plain numbers stay plain numbers
            result = result.item() if isinstance(result, np.generic | np.ndarray) else result
            if isinstance(result, complex) or (isinstance(result, int) and abs(result) >= 2**64):
                raise OverflowError
        return top, result

    match tree:
        case ("constant", value):
            return "", value
        case ("column", owner, name, _):
            return owner, events.column(owner, name)
        case ("binary", symbol, left, right):
            return apply(symbol, interpret(left, level, events), interpret(right, level, events))
        case ("chain", first, second, *terms):
            low, middle, high = (interpret(term, level, events) for term in terms)
            return apply("and", apply(first, low, middle), apply(second, middle, high))
        case ("unary" | "call", name, *arguments):
            return apply(name, *(interpret(argument, level, events) for argument in arguments))
        case ("reduce", name, over, operand, default):
            found = interpret(operand, over, events)
            return EVENT, _reduce_by_loop(name, over, default, found, events)
    raise AssertionError(tree)


def _reduce_by_loop(
    name: str, over: str, default: Any, operand: tuple[str, Any], events: Events
) -> Array:
    where, found = operand
    if where != over:
        raise TypeError("one value an event cannot be reduced")
    wide = np.dtype(np.float64 if found.dtype.kind == "f" or name != "sum" else np.int64)
    if name == "sum":
        found = found.astype(wide)
    kind = found.dtype if found.dtype.kind == "f" else wide
    offsets = events.offsets(over)
    results = []
    combine = {"sum": operator.add, "min": np.minimum, "max": np.maximum}[name]
    nothing = 0 if name == "sum" else math.nan if default is None else default
    for start, stop in itertools.pairwise(offsets):
        chosen = found[start:stop]
        results.append(functools.reduce(combine, chosen) if len(chosen) else nothing)
    return np.array(results, kind)
