"""What the names of an expression can mean: fields, selections, derived collections, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from schemas.derived import SELF, Derived
from schemas.event_schema import EVENT, EventSchema
from schemas.syntax import Expression


class Bins(Struct, frozen=True):
    """A level of a table that is looked up by the bin of an expression.

    Attributes
    ----------
    of
        The expression.
    edges
        Of the bins, increasing; the lower edge belongs to a bin, the upper to the next.
    """

    of: Expression
    edges: tuple[float, ...]


class Words(Struct, frozen=True):
    """A level of a table that is looked up by a word given in the call: the ``position``-th."""

    position: int


class Regions(Struct, frozen=True):
    """A level of a table that is looked up by the first selection that an object passes."""


class Table(Struct, frozen=True):
    """Numbers to look up.

    Attributes
    ----------
    name
        By which expressions call it.
    arguments
        Names of the arguments of the call.
    levels
        How each level of ``values`` is looked up.
    values
        Nested mappings (words, regions) and lists (bins); numbers, or mappings of numbers for
        ``formula``, at the end.
    formula
        What the table gives, from the arguments and the names in the numbers' mapping.
    """

    name: str
    arguments: tuple[str, ...]
    levels: tuple[Words | Regions | Bins, ...]
    values: Any
    formula: Expression | None


class Scope(Struct, frozen=True):
    """What names mean.

    Attributes
    ----------
    schema
        Collections and fields that are stored.
    definitions
        Fields given by an expression, by collection and name.
    selections
        Named conditions; each is read in the collection in which it is used.
    derived
        Collections computed from others.
    tables
        Numbers to look up, called like functions.
    functions
        Python functions that a configuration names.
    """

    schema: EventSchema
    definitions: Mapping[str, Mapping[str, Expression]] = {}
    selections: Mapping[str, Expression] = {}
    derived: Mapping[str, Derived] = {}
    tables: Mapping[str, Table] = {}
    functions: Mapping[str, Callable[..., Any]] = {}

    def is_list(self, name: str) -> bool:
        """Tell whether a name is that of a collection with any number of objects per event."""
        return name in self.derived or self.schema.is_list(name)

    def collections(self) -> list[str]:
        """Return the names of all collections and singletons, stored and derived."""
        return [name for name in (*self.schema.collections, *self.derived) if name != EVENT]

    def defined(self, collection: str) -> Mapping[str, Expression]:
        """Return the fields of a collection that are given by an expression."""
        if collection in self.derived:
            return self.derived[collection].definitions
        return self.definitions.get(collection, {})

    def fields(self, collection: str) -> dict[str, None]:
        """Return the names of all fields of a collection that go without a prefix."""
        own = dict.fromkeys(self.defined(collection))
        derived = self.derived.get(collection)
        if derived is None:
            known = self.schema.collections.get(collection)
            return dict.fromkeys(known.fields if known else ()) | own
        if derived.kind == "union":
            shared = [self.fields(source) for source in derived.sources]
            return {name: None for name in shared[0] if all(name in f for f in shared)} | own
        bare = self.bare(collection)
        return (self.fields(bare[1]) if bare else {}) | own

    def references(self, collection: str) -> dict[str, str]:
        """Return the prefixes that objects of a collection have, and what each refers to."""
        derived = self.derived.get(collection)
        if derived is None:
            return {}
        if derived.kind in ("filter", "highest", "best"):
            return self.references(derived.sources[0])
        return dict(derived.references)

    def bare(self, collection: str) -> tuple[str, str] | None:
        """Return the reference whose fields need no prefix, and its collection."""
        derived = self.derived.get(collection)
        if derived is None or derived.bare is None:
            return None
        if derived.bare == SELF:
            return SELF, derived.sources[0]
        return derived.bare, self.references(collection)[derived.bare]

    def suggestions(self, collection: str) -> Iterator[str]:
        """Iterate over the names that an expression about a collection can use."""
        yield from self.fields(collection)
        for prefix, target in self.references(collection).items():
            yield from (f"{prefix}.{name}" for name in self.fields(target))
        yield from self.selections
        yield from self.fields(EVENT)
