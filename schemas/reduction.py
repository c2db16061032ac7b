"""What a skim does to events: define fields, thin collections, skim events, slim columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from schemas.evaluate import Evaluator
from schemas.event_schema import EVENT, EventSchema
from schemas.events import Array, Events, Objects, Ragged, Values
from schemas.expressions import Column, Node
from schemas.narrow import Rounding, narrow_events
from schemas.needs import needed


class Recipe(Struct, frozen=True):
    """The reduction of any block of events, as bound expressions.

    Attributes
    ----------
    kept
        The columns of the dataset, narrowed as it says.
    fields
        Value of every column that the dataset or the cut on events needs, by ``(collection,
        field)`` (event-level ones: ``(EVENT, column name)``); computed before anything is cut.
    collections
        Those that the dataset or the cut on events needs, with or without any field.
    objects
        Condition on the objects of a collection, computed before anything is cut.
    events
        Condition on the event, computed on thinned collections; None keeps all.
    weight
        Weight of an event, computed before anything is cut; None is 1.
    """

    kept: EventSchema
    fields: Mapping[tuple[str, str], Node]
    collections: frozenset[str]
    objects: Mapping[str, Node]
    events: Node | None
    weight: Node | None

    def inputs(self) -> tuple[set[tuple[str, str]], set[str]]:
        """Return the columns and collections that must be read; see `needed`."""
        nodes = [*self.fields.values(), *self.objects.values()]
        columns, collections = needed([*nodes, *([self.weight] if self.weight else [])])
        return columns, collections | self.collections


class Reduced(Struct, frozen=True):
    """The outcome of a reduction.

    Attributes
    ----------
    events
        What is left.
    events_read
        Number of events before the cut.
    sum_of_weights
        Over all events before the cut.
    errors
        The largest errors that narrowing made, by ``COLLECTION.FIELD``.
    """

    events: Events
    events_read: int
    sum_of_weights: float
    errors: Mapping[str, Rounding]


def reduce_events(events: Events, recipe: Recipe, url: str = "", start: int = 0) -> Reduced:
    """Apply a recipe to events.

    The order is fixed: fields are defined and weights summed on all objects and events, objects are
    thinned, then events are cut by what is left; what is kept is narrowed last.

    Parameters
    ----------
    events
        The columns that the recipe needs.
    recipe
        What to do.
    url, start
        File and entry of the first event, for messages.

    Raises
    ------
    InputError
        If a value does not fit the type that it is narrowed to.
    """
    evaluate = Evaluator(events)
    weights = float(events.size)
    if recipe.weight is not None:
        weights = float(np.sum(evaluate(recipe.weight), dtype=np.float64))
    lists: dict[str, dict[str, Values]] = {name: {} for name in recipe.collections}
    columns: dict[str, Array] = {}
    for (collection, field), node in recipe.fields.items():
        # a stored field needs no computing, and may hold lists, of which none could be made
        values: Values
        if isinstance(node, Column):
            values = events.column(node.level, node.field)
        else:
            values = evaluate(node)
        if collection != EVENT:
            lists[collection][field] = values
        elif not isinstance(values, Ragged):
            columns[field] = values
    collections = {}
    for name, fields in lists.items():
        objects = Objects(events.offsets(name), fields)
        if name in recipe.objects:
            objects = objects.select(evaluate(recipe.objects[name]))
        collections[name] = objects
    thinned = Events(events.size, collections, columns)
    numbers = np.arange(start, start + events.size)
    if recipe.events is not None:
        passed = np.asarray(Evaluator(thinned)(recipe.events), dtype=np.bool_)
        if not passed.all():
            thinned, numbers = thinned.select(passed), numbers[passed]
    kept, errors = narrow_events(
        _slim(thinned, recipe.kept),
        recipe.kept,
        lambda event: f"{url or 'the ntuple'}: entry {numbers[event]}",
    )
    return Reduced(kept, events.size, weights, errors)


def _slim(events: Events, schema: EventSchema) -> Events:
    """Keep the columns of the schema, in its order."""
    collections = {
        name: Objects(
            events.collections[name].offsets,
            {field: events.collections[name].fields[field] for field in collection.fields},
        )
        for name, collection in schema.lists()
    }
    columns = {name: events.columns[name] for name, _ in schema.event_columns()}
    return Events(events.size, collections, columns)


def column(schema: EventSchema, collection: str, field: str) -> Column:
    """Make the node of a stored field."""
    dtype = schema.collections[collection].fields[field].dtype
    if schema.is_list(collection):
        return Column(f"{collection}.{field}", collection, dtype, (), field)
    name = schema.column_name(collection, field)
    return Column(name, EVENT, dtype, (), name)
