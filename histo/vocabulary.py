"""What a histogram configuration adds to the names of a dataset: collections, tables, functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import Any

from histo.expand import pairs_of
from histo.families import Member
from schemas.derived import SELF, Derived
from schemas.errors import ConfigError, nearest
from schemas.event_schema import EventSchema
from schemas.histo_config import (
    BinnedLevel,
    DerivedCollection,
    HistoConfig,
    Matching,
    TableConfig,
)
from schemas.load import location_of
from schemas.scope import Bins, Regions, Scope, Table, Words
from schemas.syntax import parse

SELECTION = "selection"


def make_scope(config: HistoConfig, schema: EventSchema, modules: Collection[str] = ()) -> Scope:
    """Return what the names in a configuration's expressions mean.

    Parameters
    ----------
    config
        The configuration.
    schema
        Of the events.
    modules
        Those whose functions it may name: it does not decide by itself what code runs.

    Raises
    ------
    ConfigError
        For a derived collection of unknown ones or of itself, a table whose values do not have the
        levels it says, or a function that cannot be imported or is of another module.
    """
    derived: dict[str, Derived] = {}
    for name, collection in config.collections.items():
        if name in schema.collections:
            raise ConfigError(
                f"the dataset has a collection {str(name)!r} already; choose another name",
                location_of(name),
            )
        derived |= {made.name: made for made in _derive(str(name), collection)}
    for name, match in config.matches.items():
        for made in _matched(str(name), match, config):
            derived[made.name] = made
    scope = Scope(
        schema=schema,
        selections={name: parse(s.cut) for name, s in config.selections.items()},
        derived=derived,
        tables={str(name): _table(name, t, config) for name, t in config.tables.items()},
        functions={str(n): _function(text, modules) for n, text in config.functions.items()},
    )
    _check_sources(config, scope)
    return scope


def matched_level(match: str, collection: str, member: Member) -> str:
    """Return the name of the collection of matched objects that pass a selection."""
    return f"{collection}_{member.name}~{match}"


def _derive(name: str, what: DerivedCollection) -> list[Derived]:
    """Return the steps that make a derived collection, the last of which is the collection."""
    define = {str(field): parse(text) for field, text in what.define.items()}
    if what.union is not None:
        return [Derived(name, "union", tuple(map(str, what.union)), definitions=define)]
    if what.pairs is not None:
        legs = [str(leg) for leg in what.pairs]
        references = {"leg0": legs[0], "leg1": legs[-1]}
        return [Derived(name, "pairs", tuple(legs), references, definitions=define)]
    if what.filter is not None and what.where is not None:
        cut = parse(what.where)
        source = (str(what.filter),)
        return [Derived(name, "filter", source, bare=SELF, condition=cut, definitions=define)]
    if what.highest is not None and what.by is not None:
        return [
            Derived(
                name, "highest", (str(what.of),), bare=SELF, by=parse(what.by),
                number=what.highest, definitions=define,
            )
        ]  # fmt: skip
    made = _candidates(name, str(what.match), str(what.to), what.within or "")
    best = parse(what.best or "")
    reach = (made[-1].name,)
    return [
        *made,
        Derived(name, "best", reach, bare="obj", by=best, keep="gen", definitions=define),
    ]


def _candidates(name: str, objects: str, to: str, within: str) -> list[Derived]:
    """Return the combinations of objects and particles, and those within reach."""
    pairs, reach = f"{name}.pairs", f"{name}.within"
    # each particle's combinations stand in a row, which the choice of the best relies on
    references = {"gen": to, "obj": objects}
    return [
        Derived(pairs, "pairs", (to, objects), references, bare="obj"),
        Derived(reach, "filter", (pairs,), bare="obj", condition=parse(within)),
    ]


def _matched(name: str, match: Matching, config: HistoConfig) -> list[Derived]:
    made: dict[str, Derived] = {}
    for collection, member, _ in pairs_of(config, match):
        within = match.objects[collection].within or match.within or ""
        stem = f"{collection}~{name}"
        if f"{stem}.pairs" not in made:
            found = _candidates(stem, str(collection), str(match.to), within)
            made |= {derived.name: derived for derived in found}
        level = matched_level(name, collection, member)
        made[level] = Derived(
            level, "best", (f"{stem}.within",), bare="obj", by=parse(match.best), keep="gen",
            passing=("obj", member.parts),
        )  # fmt: skip
    return list(made.values())


def _check_sources(config: HistoConfig, scope: Scope) -> None:
    """Require the sources of derived collections and matchings to exist, and to end somewhere."""
    known = [name for name in scope.collections() if scope.is_list(name) and "~" not in name]
    known = [name for name in known if "." not in name]
    named = [
        text
        for c in config.collections.values()
        for text in (*(c.union or ()), *(c.pairs or ()), c.filter, c.of, c.match, c.to)
        if text is not None
    ]
    for match in config.matches.values():
        named += [match.to, *match.objects]
    for text in named:
        if text not in known:
            raise ConfigError(
                f"unknown collection {str(text)!r}; {nearest(text, known)}", location_of(text)
            )
    done: set[str] = set()
    for name in config.collections:
        _check_acyclic(name, (), scope.derived, done)


def _check_acyclic(
    name: str, chain: tuple[str, ...], derived: Mapping[str, Derived], done: set[str]
) -> None:
    if name in done:
        return
    if name in chain:
        way = " -> ".join([*chain[chain.index(name) :], name])
        raise ConfigError(f"collection {name!r} is made from itself: {way}", location_of(chain[0]))
    for source in derived[name].sources if name in derived else ():
        _check_acyclic(source, (*chain, name), derived, done)
    done.add(name)


def _table(name: str, table: TableConfig, config: HistoConfig) -> Table:
    arguments = [str(argument) for argument in table.arguments]
    levels: list[Words | Regions | Bins] = []
    for level in table.by:
        if isinstance(level, BinnedLevel):
            edges = level.edges
            if any(low >= high for low, high in pairwise(edges)):
                raise ConfigError(
                    f"table {name!r}: the edges must increase: {edges}", location_of(level.of)
                )
            levels.append(Bins(parse(level.of), tuple(edges)))
        elif level == SELECTION:
            levels.append(Regions())
        elif level in arguments:
            levels.append(Words(arguments.index(level)))
        else:
            hint = nearest(level, [*arguments, SELECTION])
            raise ConfigError(
                f"table {name!r} cannot be looked up by {str(level)!r}; {hint}", location_of(level)
            )
    _check_values(name, table.values, levels, config, name, name)
    formula = None if table.formula is None else parse(table.formula)
    return Table(str(name), tuple(arguments), tuple(levels), table.values, formula)


def _check_values(
    name: str,
    values: Any,
    levels: list[Words | Regions | Bins],
    config: HistoConfig,
    key: str,
    place: str,
) -> None:
    """Require the values of a table, those of ``key``, to be nested as its levels say."""
    if not levels:
        several = isinstance(values, dict) and config.tables[name].formula is not None
        numbers = values.values() if several else [values]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
            raise _unexpected(name, "a number", values, key, place)
        return
    first, rest = levels[0], levels[1:]
    if isinstance(first, Bins):
        if not isinstance(values, list) or len(values) != len(first.edges) - 1:
            size = len(first.edges) - 1
            bins = f"a list of {size} value{'s'[: size > 1]}, one for each bin,"
            raise _unexpected(name, bins, values, key, place)
        for index, inner in enumerate(values):
            _check_values(name, inner, rest, config, key, f"{place}[{index}]")
        return
    if not isinstance(values, dict):
        raise _unexpected(name, "'key: value' entries", values, key, place)
    for word, inner in values.items():
        if isinstance(first, Regions) and word not in config.selections:
            raise ConfigError(
                f"table {name!r}: unknown selection {str(word)!r}; "
                f"{nearest(word, config.selections)}",
                location_of(word),
            )
        _check_values(name, inner, rest, config, word, f"{place}.{word}")


def _unexpected(name: str, expected: str, got: Any, key: str, place: str) -> ConfigError:
    shown = repr(str(got) if isinstance(got, str) else got)
    if isinstance(got, dict | list):
        shown = "a mapping" if isinstance(got, dict) else f"a list of {len(got)}"
    return ConfigError(
        f"table {name!r}: expected {expected} at {place}, got {shown}", location_of(key)
    )


def _function(text: str, modules: Collection[str]) -> Callable[..., Any]:
    module, separator, name = text.partition(":")
    if not separator or not name:
        raise ConfigError(f"expected 'module:function', got {str(text)!r}", location_of(text))
    if module not in modules:
        raise ConfigError(
            f"{str(text)!r} runs code of module {module!r}, which a configuration cannot allow: if "
            f"you trust it, add --allow-functions {module}",
            location_of(text),
        )
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise ConfigError(f"cannot import {module!r}: {error}", location_of(text)) from error
    if not callable(found):
        known = dir(importlib.import_module(module))
        raise ConfigError(
            f"module {module!r} has no function {name!r}; {nearest(name, known)}",
            location_of(text),
        )
    function: Callable[..., Any] = found
    return function
