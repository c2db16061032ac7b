"""Expressions against a schema: what each name means, which type each part has.

Nothing is read here, and everything that can be wrong with an expression is found here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from schemas.derived import Derivation, Derived
from schemas.errors import ConfigError
from schemas.event_schema import EVENT
from schemas.expressions import (
    CONSTANT,
    Column,
    Join,
    Node,
    Take,
    apply,
    broadcast,
    shorten,
)
from schemas.operations import (
    REDUCTIONS,
)
from schemas.reading import CycleError, NestedError, Reading
from schemas.scope import Scope
from schemas.syntax import Expression

MAX_STEPS = 500_000
"""Names and parts of expressions looked at to resolve a configuration.

Those that name another twice, which does the same, double it at each level. The configurations of
the e/gamma menu, with 3,771 histograms, take 20,500 at most.
"""


class Binder:
    """Turns expressions into typed nodes; the same names give the same nodes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.derivations: dict[str, Derivation] = {}
        self._named: dict[tuple[str, str, str], Node] = {}
        self._open: list[tuple[str, str, str]] = []
        self._deriving: list[str] = []
        self._steps = 0

    def count_step(self) -> None:
        """Count a name or a part of an expression.

        Raises
        ------
        ConfigError
            If there were too many.
        """
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ConfigError(
                f"resolving the configuration takes over {MAX_STEPS} steps: do tables or unions "
                "name each other again and again?"
            )

    def bind(self, expression: Expression, collection: str = EVENT) -> Node:
        """Give an expression its types.

        Parameters
        ----------
        expression
            What to bind.
        collection
            Whose fields have bare names; the result has one value per object of it, or per event
            for `EVENT` and singletons.

        Raises
        ------
        ExpressionError
            With the place and the nearest valid name, for anything unknown or of a wrong type.
        """
        node = Reading(self, expression, collection).value(expression.tree)
        if self.scope.is_list(collection):
            self.derive(collection)
        else:
            collection = EVENT
        if node.level not in (collection, EVENT, CONSTANT):
            wanted = "event" if collection == EVENT else f"object of {collection}"
            raise expression.error(
                f"this has one value per object of {node.level}, where one per {wanted} is needed",
                hint=f"reduce it with one of {', '.join(REDUCTIONS)}",
            )
        return broadcast(node, collection)

    def condition(self, expression: Expression, collection: str = EVENT) -> Node:
        """Bind an expression that must be true or false; see `bind`."""
        node = self.bind(expression, collection)
        if not node.is_condition:
            raise expression.error(
                f"a condition is needed, and this is a number ({node.dtype})",
                hint="compare it with something, for instance '... > 0'",
            )
        return node

    def per_event(self, expression: Expression, collection: str, where: Node | None) -> Node:
        """Bind a value per event computed from those objects of a collection that pass ``where``.

        Reductions over the collection see these objects only, and ``count()`` is their number.

        Raises
        ------
        ExpressionError
            As in `bind`, and if the result has one value per object.
        """
        reading = Reading(self, expression, collection, where)
        node = reading.value(expression.tree)
        if node.level not in (EVENT, CONSTANT):
            raise expression.error(
                f"this has one value per object of {node.level}, where one per event is needed",
                hint=f"reduce it with one of {', '.join(REDUCTIONS)}",
            )
        return node

    def selection(self, name: str, collection: str) -> Node:
        """Bind a named selection for a collection."""
        return self._once(
            ("selection", name, collection),
            lambda: self.condition(self.scope.selections[name], collection),
        )

    def member(self, collection: str, name: str) -> Node | None:
        """Bind a field of a collection by its name; None if it has no such field."""
        self.count_step()
        scope = self.scope
        if name in scope.defined(collection):
            return self.definition(collection, name)
        derived = scope.derived.get(collection)
        if derived is None:
            return self._stored(collection, name)
        if derived.kind == "union":
            return self._joined(derived, name)
        bare = scope.bare(collection)
        node = self.member(bare[1], name) if bare else None
        return None if bare is None or node is None else self.take(collection, bare[0], node)

    def definition(self, collection: str, name: str) -> Node:
        """Bind a field that an expression defines."""
        return self._once(
            ("field", name, collection),
            lambda: self.bind(self.scope.defined(collection)[name], collection),
        )

    def take(self, collection: str, reference: str, node: Node) -> Node:
        """Carry a value from the collection that a derived one refers to over to it."""
        if node.level in (CONSTANT, EVENT):
            return node
        self.derive(collection)
        inner = f"{reference}.{node.key}" if reference else node.key
        key = shorten(f"{collection}[{inner}]")
        return Take(key, collection, node.dtype, (node,), reference)

    def derive(self, name: str) -> None:
        """Bind a derived collection, and all that it is made from."""
        derived = self.scope.derived.get(name)
        if derived is None or name in self.derivations:
            return
        if name in self._deriving:
            expression = derived.condition or derived.by
            assert expression is not None  # noqa: S101  # nothing else leads back to it
            raise expression.error(f"collection {name!r} is needed to tell which objects it has")
        self._deriving.append(name)
        for source in derived.sources:
            self.derive(source)
        condition = by = None
        if derived.condition is not None:
            condition = self.condition(derived.condition, derived.sources[0])
        reference, selections = derived.passing
        for selection in selections:
            owner = self.scope.references(derived.sources[0])[reference]
            passed = self.selection(selection, owner)
            node = broadcast(self.take(derived.sources[0], reference, passed), derived.sources[0])
            if condition is not None:
                node = apply("and", np.logical_and, (condition, node), node.level)
            condition = node
        if derived.by is not None:
            by = self.bind(derived.by, derived.sources[0])
        self.derivations[name] = Derivation(
            name, derived.kind, derived.sources, tuple(derived.references), condition, by,
            derived.number, derived.keep,
        )  # fmt: skip
        self._deriving.remove(name)

    def _stored(self, collection: str, name: str) -> Node | None:
        schema = self.scope.schema
        known = schema.collections.get(collection)
        if known is None or name not in known.fields:
            return None
        if known.fields[name].depth:
            raise NestedError(f"{collection}.{name}")
        dtype = known.fields[name].dtype
        if schema.is_list(collection):
            return Column(f"{collection}.{name}", collection, dtype, (), name)
        column = schema.column_name(collection, name)
        return Column(column, EVENT, dtype, (), column)

    def _joined(self, derived: Derived, name: str) -> Node | None:
        parts = [self.member(source, name) for source in derived.sources]
        found = tuple(part for part in parts if part is not None)
        if len(found) < len(parts) or len({part.is_condition for part in found}) > 1:
            return None
        self.derive(derived.name)
        parts_ = tuple(broadcast(p, s) for p, s in zip(found, derived.sources, strict=True))
        dtype = np.result_type(*(part.dtype for part in parts_))
        return Join(f"{derived.name}.{name}", derived.name, dtype, parts_)

    def _once(self, key: tuple[str, str, str], make: Callable[[], Node]) -> Node:
        if key in self._open:
            names = [name for _, name, _ in self._open]
            raise CycleError(" -> ".join([*names[self._open.index(key) :], key[1]]))
        if key not in self._named:
            self._open.append(key)
            try:
                self._named[key] = make()
            finally:
                self._open.pop()
        return self._named[key]
