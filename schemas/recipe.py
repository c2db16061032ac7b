"""A skim configuration against the branches of an ntuple: which columns, which computations."""

from __future__ import annotations

from collections.abc import Collection as Collection_
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from schemas.binding import Binder
from schemas.errors import ConfigError, nearest
from schemas.event_schema import EVENT, Collection, EventSchema, Field, cheapest
from schemas.expressions import Node, check_depth, following_names
from schemas.grouping import Layout, Pair
from schemas.load import location_of
from schemas.narrow import narrow_schema
from schemas.needs import needed
from schemas.reduction import Recipe, column
from schemas.scope import Scope
from schemas.skim_config import SkimConfig
from schemas.syntax import Expression, parse


class Plan(Struct, frozen=True):
    """What a configuration means for a format.

    Attributes
    ----------
    recipe
        The computation.
    inputs
        Collection and field of what has to be read.
    """

    recipe: Recipe
    inputs: tuple[Pair, ...]


@following_names()
def make_plan(config: SkimConfig, layout: Layout) -> Plan:
    """Resolve a configuration against the branches of an ntuple.

    Raises
    ------
    ConfigError
        With the place and the nearest valid name, for anything that the ntuple does not have.
    """
    kept = _kept(config, layout)
    defined = _define(config, layout.schema)
    full = _extend(layout.schema, defined)
    binder = Binder(Scope(full))
    events = config.events and binder.condition(parse(config.events))
    pairs = dict.fromkeys([*kept, *defined])
    columns, collections = needed([events] if events else [])
    origin = {_key(full, *pair): pair for pair in _pairs(full)}
    pairs |= dict.fromkeys(sorted(origin[key] for key in columns))

    dataset = narrow_schema(restrict(full, [*kept, *defined]), config.storage.narrow)
    stored = Binder(Scope(layout.schema, _definitions(config)))
    recipe = Recipe(
        kept=dataset,
        fields={_key(full, *p): defined.get(p) or column(full, *p) for p in pairs},
        collections=frozenset(collections | {name for name, _ in pairs if full.is_list(name)}),
        objects=_thin(config, stored, full),
        events=events or None,
        weight=_weight(config.weight, stored) if config.weight is not None else None,
    )
    nodes = [*recipe.fields.values(), *recipe.objects.values(), recipe.events, recipe.weight]
    check_depth((node for node in nodes if node), "a definition or a cut")
    return Plan(recipe, _inputs(recipe, layout))


def _weight(text: str, binder: Binder) -> Node:
    expression = parse(text)
    node = binder.bind(expression)
    if node.is_condition:
        raise expression.error(
            "a weight is a number, and this is a condition", hint="where(condition, 1, 0) is one"
        )
    return node


def _pairs(schema: EventSchema) -> Iterable[Pair]:
    return ((name, field) for name, c in schema.collections.items() for field in c.fields)


def _key(schema: EventSchema, collection: str, field: str) -> Pair:
    """Return how expressions name a field: event-level ones go by their column."""
    if schema.is_list(collection):
        return collection, field
    return EVENT, schema.column_name(collection, field)


def _kept(config: SkimConfig, layout: Layout) -> list[Pair]:
    """Resolve ``keep`` to fields, in the order of the ntuple."""
    known = layout.schema.collections
    chosen: set[Pair] = set()
    for owner, patterns in config.keep.items():
        owners = [name for name in known if fnmatchcase(name, owner)]
        if not owners:
            raise ConfigError(
                f"keep: the ntuple has no collection {str(owner)!r}; {nearest(owner, known)}",
                location_of(owner),
            )
        for pattern in patterns:
            found = [
                (name, field)
                for name in owners
                for field in known[name].fields
                if fnmatchcase(field, pattern)
            ]
            if not found:
                raise _no_field(str(owner), pattern, owners, layout)
            chosen.update(found)
    return [pair for pair in _pairs(layout.schema) if pair in chosen]


def _no_field(owner: str, pattern: str, owners: list[str], layout: Layout) -> ConfigError:
    place = location_of(pattern)
    branch = pattern if owner == EVENT else f"{owner}_{pattern}"
    if branch in layout.unsupported:
        kind = layout.unsupported[branch]
        return ConfigError(f"keep: branch {branch!r} is a {kind!r}, which cannot be kept", place)
    known = [field for name in owners for field in layout.schema.collections[name].fields]
    hint = nearest(pattern.removeprefix(f"{owner}_"), known)
    return ConfigError(f"keep: {owner} has no field {str(pattern)!r}; {hint}", place)


def _definitions(config: SkimConfig) -> dict[str, dict[str, Expression]]:
    return {
        str(owner): {name: parse(text) for name, text in fields.items()}
        for owner, fields in config.define.items()
    }


def _define(config: SkimConfig, schema: EventSchema) -> dict[Pair, Node]:
    """Bind ``define``; the fields may use each other in any order."""
    taken = {name for name, _ in (*schema.lists(), *schema.event_columns())}
    for owner, fields in config.define.items():
        if owner not in schema.collections and owner != EVENT:
            hint = nearest(owner, [*schema.collections, EVENT])
            raise ConfigError(
                f"define: the ntuple has no collection {str(owner)!r}; {hint}", location_of(owner)
            )
        for name in fields:
            if owner in schema.collections and name in schema.collections[owner].fields:
                raise ConfigError(
                    f"define: {owner} has a field {name!r} already; choose another name",
                    location_of(name),
                )
            column = schema.column_name(owner, name)
            if not schema.is_list(owner) and column in taken:
                raise ConfigError(
                    f"define: the dataset would have two columns {column!r}; choose another name",
                    location_of(name),
                )
    binder = Binder(Scope(schema, _definitions(config)))
    return {
        (str(owner), name): binder.definition(str(owner), name)
        for owner, fields in config.define.items()
        for name in fields
    }


def _thin(config: SkimConfig, binder: Binder, schema: EventSchema) -> dict[str, Node]:
    made: dict[str, Node] = {}
    for owner, text in config.objects.items():
        if not schema.is_list(owner):
            single = f"{str(owner)!r} has one value per event; cut on it under 'events'"
            hint = nearest(owner, [name for name, _ in schema.lists()])
            unknown = f"the ntuple has no collection {str(owner)!r}; {hint}"
            raise ConfigError(
                f"objects: {single if owner in schema.collections else unknown}",
                location_of(owner),
            )
        made[str(owner)] = binder.condition(parse(text), str(owner))
    return made


def _extend(schema: EventSchema, defined: Mapping[Pair, Node]) -> EventSchema:
    """Add defined fields to a schema."""
    collections = dict(schema.collections)
    for (owner, name), node in defined.items():
        known = collections.get(owner, Collection(kind="event"))
        fields = {**known.fields, name: Field(type=node.dtype.name, doc=f"= {node.key}")}
        collections[owner] = replace(known, fields=fields)
    return EventSchema(collections=collections)


def restrict(schema: EventSchema, pairs: Iterable[Pair]) -> EventSchema:
    """Keep some fields of a schema."""
    chosen = set(pairs)
    collections = {}
    for name, collection in schema.collections.items():
        fields = {f: info for f, info in collection.fields.items() if (name, f) in chosen}
        if fields:
            collections[name] = replace(collection, fields=fields)
    return EventSchema(collections=collections)


def _inputs(recipe: Recipe, layout: Layout) -> tuple[Pair, ...]:
    """Return what a recipe reads; a collection without fields needs one for counts."""
    columns, collections = recipe.inputs()
    schema = layout.schema
    origin = {_key(schema, *pair): pair for pair in layout.branches}
    pairs = {origin[key] for key in columns}
    for name in collections - {owner for owner, _ in pairs}:
        fields = schema.collections[name].fields
        pairs.add((name, cheapest(fields)))
    return tuple(pair for pair in layout.branches if pair in pairs)


def prune(
    plan: Plan, layout: Layout, columns: Collection_[Pair], collections: Collection_[str]
) -> Plan:
    """Leave of a plan what some columns of its dataset need.

    Parameters
    ----------
    plan
        From `make_plan` with the same layout.
    layout
        Of the ntuples.
    columns
        ``(collection, field)``; event-level ones ``(EVENT, column name)``.
    collections
        Those whose numbers of objects are needed.
    """
    recipe = plan.recipe
    cut_columns, cut_collections = needed([recipe.events] if recipe.events else [])
    wanted = cut_columns | set(columns)
    lists = cut_collections | set(collections)
    kept = {}
    for name, collection in recipe.kept.collections.items():
        fields = {
            field: info
            for field, info in collection.fields.items()
            if _key(recipe.kept, name, field) in columns
        }
        if fields or name in collections:
            kept[name] = replace(collection, fields=fields)
    pruned = Recipe(
        kept=EventSchema(collections=kept),
        fields={key: node for key, node in recipe.fields.items() if key in wanted},
        collections=frozenset(lists),
        objects={name: node for name, node in recipe.objects.items() if name in lists},
        events=recipe.events,
        weight=None,
    )
    return Plan(pruned, _inputs(pruned, layout))
