"""A histogram configuration against a schema: what to book, which columns it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from histo.expand import Entry, expand
from histo.families import Member
from schemas.binding import Binder, Scope
from schemas.errors import ConfigError, ExpressionError, nearest
from schemas.event_schema import EVENT, EventSchema
from schemas.expressions import Node, apply, needed
from schemas.histo_config import Axis, Dimension, HistoConfig
from schemas.load import location_of
from schemas.syntax import Expression, parse


@dataclass(frozen=True)
class Booking:
    """One histogram to fill.

    Attributes
    ----------
    name
        ``group/collection_selection_name``, or ``group/name`` for the event without selections.
    title
        Of the histogram.
    axes, labels
        One per dimension.
    level
        The collection, or `EVENT`: what an entry is.
    selection
        Condition for an entry; None for all.
    values
        What is filled, one node per dimension.
    weight
        Weight of an entry; None if it is 1.
    """

    name: str
    title: str
    axes: tuple[Axis, ...]
    labels: tuple[str, ...]
    level: str
    selection: Node | None
    values: tuple[Node, ...]
    weight: Node | None


@dataclass(frozen=True)
class Plan:
    """Everything that a configuration means for a schema.

    Attributes
    ----------
    bookings
        The histograms, in the order of the configuration.
    columns
        ``(collection, field)`` that they need; event-level ones ``(EVENT, column name)``.
    collections
        Collections whose numbers of objects they need.
    selections
        Resolved cut of each named selection, for each collection that uses it.
    """

    bookings: tuple[Booking, ...]
    columns: frozenset[tuple[str, str]]
    collections: frozenset[str]
    selections: Mapping[tuple[str, str], str]


def make_plan(config: HistoConfig, schema: EventSchema) -> Plan:
    """Resolve a configuration against the schema of a dataset.

    Raises
    ------
    ConfigError
        With the place and the nearest valid name, for anything unknown, of a wrong type, or
        defined twice.
    """
    planner = _Planner(config, schema)
    bookings = [planner.booking(entry) for entry in expand(config)]
    nodes = [
        node
        for booking in bookings
        for node in (*booking.values, booking.selection, booking.weight)
        if node is not None
    ]
    columns, collections = needed(nodes)
    collections |= {booking.level for booking in bookings} - {EVENT}
    return Plan(tuple(bookings), frozenset(columns), frozenset(collections), planner.resolved)


class _Planner:
    """Binds the parts of one configuration."""

    def __init__(self, config: HistoConfig, schema: EventSchema) -> None:
        self.schema = schema
        selections = {name: parse(s.cut) for name, s in config.selections.items()}
        self.binder = Binder(Scope(schema, {}, selections))
        self.resolved: dict[tuple[str, str], str] = {}

    def booking(self, entry: Entry) -> Booking:
        fill, collection = entry.fill, entry.collection
        if collection != EVENT and not self.schema.is_list(collection):
            if collection in self.schema.collections:
                raise ConfigError(
                    f"{str(collection)!r} has one value per event; fill it for 'event', with "
                    f"'of: {collection}.FIELD'",
                    location_of(collection),
                )
            known = [*(name for name, _ in self.schema.lists()), EVENT]
            raise ConfigError(
                f"unknown collection {str(collection)!r}; {nearest(collection, known)}",
                location_of(collection),
            )
        selection = self.selection(entry.member, collection)
        level = str(collection)
        if fill.per_event is not None:
            if collection == EVENT:
                raise ConfigError(
                    "'per_event' is computed from the objects of a collection; give one under "
                    "'for', or use 'of'",
                    location_of(fill.per_event),
                )
            nodes = [self.binder.per_event(parse(fill.per_event), collection, selection)]
            selection, level = None, EVENT
        else:
            nodes = [self.value(dimension, entry) for dimension in fill.dimensions]
        shown = [fill.per_event or dimension.of or entry.key for dimension in fill.dimensions]
        for node, dimension, text in zip(nodes, fill.dimensions, shown, strict=True):
            _check_axis(node, dimension, text, entry.name)
        return Booking(
            name=entry.name,
            title=fill.title or f"{collection} {entry.member.name}",
            axes=tuple(dimension.axis for dimension in fill.dimensions),
            labels=tuple(
                dimension.label or str(text)
                for dimension, text in zip(fill.dimensions, shown, strict=True)
            ),
            level=level,
            selection=selection,
            values=tuple(nodes),
            weight=None if entry.weight is None else self.weight(parse(entry.weight), level),
        )

    def selection(self, member: Member, collection: str) -> Node | None:
        """Bind the selections of a member together; None for all."""
        result: Node | None = None
        for name in member.parts:
            node = self.binder.selection(name, collection)
            self.resolved[name, collection] = node.key
            if result is not None:
                level = node.level or result.level  # a constant has none
                node = apply("and", np.logical_and, (result, node), level)
            result = node
        return result

    def value(self, dimension: Dimension, entry: Entry) -> Node:
        if dimension.of is not None:
            return self.binder.bind(parse(dimension.of), entry.collection)
        try:
            return self.binder.bind(parse(entry.key), entry.collection)
        except ExpressionError as error:
            raise ConfigError(
                f"histogram {entry.name!r} has no 'of: EXPRESSION', and {error.message}"
                f"{'; ' + error.hint if error.hint else ''}",
                location_of(entry.key),
            ) from error

    def weight(self, expression: Expression, level: str) -> Node:
        node = self.binder.bind(expression, level)
        if node.is_condition:
            raise expression.error("a weight is a number, and this is a condition")
        return node


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
