"""A histogram configuration against a schema: what to book, which columns it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct

from histo.batches import Batch, Booking, make_batches
from histo.expand import Entry, expand
from histo.families import Member
from histo.vocabulary import make_scope, matched_level
from schemas.axes import RegularAxis
from schemas.binding import Binder
from schemas.derived import Derivation
from schemas.errors import ConfigError, ExpressionError, nearest
from schemas.event_schema import EVENT, EventSchema
from schemas.expressions import (
    Node,
    apply,
    broadcast,
    check_depth,
    constant,
    following_names,
    member,
    number,
    reduce,
)
from schemas.histo_config import Dimension, Fill, HistoConfig, Rate
from schemas.load import location_of
from schemas.needs import Needs, Parts
from schemas.syntax import Expression, parse

T = TypeVar("T")

ONE_BIN = RegularAxis(kind="regular", bins=1, start=1.0, stop=2.0)
"""Axis of counters and norms."""


class Plan(Struct, frozen=True):
    """Everything that a configuration means for a schema.

    Attributes
    ----------
    bookings
        The histograms, in the order of the configuration.
    batches
        The same, in the order in which they are filled.
    finished
        For each batch, what no later one needs.
    derivations
        The derived collections that they need.
    columns
        ``(collection, field)`` that they need; event-level ones ``(EVENT, column name)``.
    collections
        Collections whose numbers of objects they need.
    selections
        Resolved cut of each named selection, for each collection that uses it.
    """

    bookings: tuple[Booking, ...]
    batches: tuple[Batch, ...]
    finished: tuple[Parts, ...]
    derivations: Mapping[str, Derivation]
    columns: frozenset[tuple[str, str]]
    collections: frozenset[str]
    selections: Mapping[tuple[str, str], str]

    @property
    def counts_events_read(self) -> bool:
        """Whether it is about the events before the skim as well."""
        return any(b.kind == "norm" or b.unit == "kHz" for b in self.bookings)


@following_names()
def make_plan(config: HistoConfig, schema: EventSchema, modules: Collection[str] = ()) -> Plan:
    """Resolve a configuration against the schema of a dataset.

    Parameters
    ----------
    config
        The configuration.
    schema
        Of the dataset.
    modules
        Those whose functions the configuration may name.

    Raises
    ------
    ConfigError
        With the place and the nearest valid name, for anything unknown, of a wrong type, or
        defined twice.
    """
    entries = expand(config)
    planner = _Planner(config, schema, modules)
    bookings = tuple(planner.booking(entry) for entry in entries)
    derivations = planner.binder.derivations
    checked: set[int] = set()
    for entry, booking in zip(entries, bookings, strict=True):  # which share most of their nodes
        new = [node for node in booking.nodes() if id(node) not in checked]
        check_depth(new, f"histogram {entry.name!r}", location_of(entry.key))
        checked.update(map(id, new))
    for derivation in derivations.values():
        check_depth(derivation.nodes(), f"collection {derivation.name!r}")
    batches, needs = make_batches(bookings), Needs(derivations)
    finished = [needs.add(batch.nodes(), [batch.first.level]) for batch in reversed(batches)]
    return Plan(
        bookings,
        batches,
        tuple(reversed(finished)),
        derivations,
        frozenset(needs.columns),
        frozenset(needs.collections),
        planner.resolved,
    )


class _Planner:
    """Binds the parts of one configuration."""

    def __init__(self, config: HistoConfig, schema: EventSchema, modules: Collection[str]) -> None:
        self.config = config
        self.scope = make_scope(config, schema, modules)
        self.binder = Binder(self.scope)
        self.resolved: dict[tuple[str, str], str] = {}
        self._parsed: dict[int, Expression] = {}
        self._made: dict[tuple[object, ...], Any] = {}

    def parse(self, text: str) -> Expression:
        """Parse a text of the configuration, each once: families use it many times."""
        if id(text) not in self._parsed:
            self._parsed[id(text)] = parse(text)
        return self._parsed[id(text)]

    def booking(self, entry: Entry) -> Booking:
        self.check_collection(entry.collection)
        what = entry.what
        if entry.kind == "norm":
            return Booking(entry.name, "norm", "# of events", (ONE_BIN,), ("X",), EVENT)
        if isinstance(what, Rate):
            return self.rate(entry, what)
        if what is None:
            return self.counter(entry)
        return self.filled(entry, what)

    def check_collection(self, collection: str) -> None:
        if collection != EVENT and not self.scope.is_list(collection):
            if collection in self.scope.schema.collections:
                raise ConfigError(
                    f"{str(collection)!r} has one value per event; fill it for 'event', with "
                    f"'of: {collection}.FIELD'",
                    location_of(collection),
                )
            lists = [name for name in self.scope.collections() if self.scope.is_list(name)]
            known = [*(name for name in lists if name.isidentifier()), EVENT]
            raise ConfigError(
                f"unknown collection {str(collection)!r}; {nearest(collection, known)}",
                location_of(collection),
            )

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Make what the thousands of histograms of a family share once."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def filled(self, entry: Entry, fill: Fill) -> Booking:
        gen = entry.gen.name if entry.gen else None
        which = (entry.kind, entry.collection, entry.member.name, entry.match, gen)
        level, names, selection = self.once(which, lambda: self.level(entry))
        dimensions = self.once((id(fill),), lambda: fill.dimensions)
        shown = [fill.per_event or dimension.of or entry.key for dimension in dimensions]
        if fill.per_event is None:
            values = self.once(
                (id(fill), entry.kind, level, names),
                lambda: self.values(entry, dimensions, level, names),
            )
        else:
            values = (self.per_event(fill.per_event, names, selection),)
            _check_axis(values[0], dimensions[0], fill.per_event, entry.name)
            selection, level = None, EVENT
        return Booking(
            name=entry.name,
            kind="fill",
            title=str(fill.title) or _title(entry),
            axes=tuple(dimension.axis for dimension in dimensions),
            labels=tuple(str(d.label or text) for d, text in zip(dimensions, shown, strict=True)),
            level=level,
            selection=selection,
            values=values,
            weight=self.weight(entry, level, names),
        )

    def values(
        self, entry: Entry, dimensions: Sequence[Dimension], level: str, names: str
    ) -> tuple[Node, ...]:
        """Bind what is filled into each dimension."""
        values = [self.value(dimension.of, entry, names) for dimension in dimensions]
        if entry.kind == "numerator":
            values = [broadcast(self.binder.take(level, "gen", node), level) for node in values]
        for node, dimension in zip(values, dimensions, strict=True):
            _check_axis(node, dimension, dimension.of or entry.key, entry.name)
        return tuple(values)

    def level(self, entry: Entry) -> tuple[str, str, Node | None]:
        """Return what an entry is, whose names expressions use, and the selection.

        Matched objects are chosen from the pairs within reach, which all selections on the objects
        of a collection share. To be chosen is one more condition on these pairs, so that what is
        filled is computed, and counted, once for all of them.
        """
        collection = str(entry.collection)
        if entry.gen is None:
            return collection, collection, self.selection(entry.member, collection)
        to = str(self.config.matches[entry.match].to)
        if entry.kind == "denominator":
            return to, to, self.selection(entry.gen, to)
        self.selection(entry.member, collection)  # errors of which are about the collection
        matched = matched_level(entry.match, collection, entry.member)
        self.binder.derive(matched)
        (within,) = self.scope.derived[matched].sources
        chosen: Node = member(within, matched)
        gen = self.selection(entry.gen, to)
        if gen is not None:
            gen = broadcast(self.binder.take(within, "gen", gen), within)
            chosen = apply("and", np.logical_and, (chosen, gen), within)
        return within, to if entry.kind == "numerator" else within, chosen

    def per_event(self, text: str, names: str, selection: Node | None) -> Node:
        """Bind a value per event, computed from the objects that pass."""
        if names == EVENT:
            raise ConfigError(
                "'per_event' is computed from the objects of a collection; give one under 'for', "
                "or use 'of'",
                location_of(text),
            )
        return self.binder.per_event(self.parse(text), names, selection)

    def rate(self, entry: Entry, rate: Rate) -> Booking:
        selection = self.selection(entry.member, entry.collection)
        value = self.value(rate.of, entry, entry.collection)
        if value.is_condition:
            raise ConfigError(
                f"histogram {entry.name!r}: a rate curve needs a number", location_of(entry.key)
            )
        return Booking(
            name=entry.name,
            kind="rate",
            title=str(rate.title) or f"rate of {_title(entry)}",
            axes=(rate.axis,),
            labels=(str(rate.label or rate.of or entry.key),),
            level=str(entry.collection),
            selection=selection,
            values=(value,),
            weight=self.weight(entry, EVENT, EVENT),
            unit=rate.unit,
        )

    def counter(self, entry: Entry) -> Booking:
        selection = self.selection(entry.member, entry.collection)
        if entry.collection != EVENT:
            if selection is None:
                self.binder.derive(str(entry.collection))
                counts = (number(str(entry.collection)), constant(0))
                selection = apply(">", np.greater, counts, EVENT)
            else:
                selection = reduce("any", selection)
        return Booking(
            name=entry.name,
            kind="fill",
            title="# passing events",
            axes=(ONE_BIN,),
            labels=("rate [kHz]",),
            level=EVENT,
            selection=selection,
            values=(constant(1),),
            weight=self.weight(entry, EVENT, EVENT),
        )

    def selection(self, member: Member, collection: str) -> Node | None:
        """Bind the selections of a member together; None for all."""
        result: Node | None = None
        for name in member.parts:
            node = self.binder.selection(name, str(collection))
            self.resolved[name, str(collection)] = node.key
            if result is not None:
                level = node.level or result.level  # a constant has none
                node = apply("and", np.logical_and, (result, node), level)
            result = node
        return result

    def value(self, of: str | None, entry: Entry, names: str) -> Node:
        if of is not None:
            return self.binder.bind(self.parse(of), names)
        try:
            return self.binder.bind(self.parse(entry.key), names)
        except ExpressionError as error:
            raise ConfigError(
                f"histogram {entry.name!r} has no 'of: EXPRESSION', and {error.message}"
                f"{'; ' + error.hint if error.hint else ''}",
                location_of(entry.key),
            ) from error

    def weight(self, entry: Entry, level: str, names: str) -> Node | None:
        if entry.weight is None:
            return None
        expression = self.parse(entry.weight)
        node = self.binder.bind(expression, EVENT if level == EVENT else names)
        if node.is_condition:
            raise expression.error("a weight is a number, and this is a condition")
        if entry.kind == "numerator":
            node = broadcast(self.binder.take(level, "gen", node), level)
        return node


def _title(entry: Entry) -> str:
    gen = f", {entry.gen.name}" if entry.gen else ""
    return f"{entry.collection} {entry.member.name}{gen}"


def _check_axis(node: Node, dimension: Dimension, text: str, name: str) -> None:
    """Require integers for an axis of integers, and conditions for a boolean one."""
    kind = dimension.axis.kind
    wanted = {"integer": "iu", "categories": "iu", "boolean": "b"}.get(kind)
    if wanted and node.dtype.kind not in wanted:
        needs = "a condition" if kind == "boolean" else "an integer"
        hint = (
            "" if kind == "boolean" else "; a regular axis, [bins, start, stop], takes any number"
        )
        raise ConfigError(
            f"histogram {name!r}: {kind!r} axis needs {needs}, and {text!r} is {node.dtype}{hint}",
            location_of(text),
        )
