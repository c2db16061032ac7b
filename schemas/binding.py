"""Expressions against a schema: what each name means, which type each part has.

Nothing is read here, and everything that can be wrong with an expression is found here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.errors import ExpressionError, nearest
from schemas.event_schema import EVENT, EventSchema
from schemas.expressions import (
    CONSTANT,
    Column,
    Constant,
    Node,
    Number,
    Reduce,
    apply,
    broadcast,
    constant,
)
from schemas.operations import ARITHMETIC, BITWISE, COMPARISONS, FUNCTIONS, REDUCTIONS
from schemas.syntax import Expression


@dataclass(frozen=True)
class Scope:
    """What names mean.

    Attributes
    ----------
    schema
        Collections and fields that exist.
    definitions
        Fields given by an expression, by collection and name.
    selections
        Named conditions; each is read in the collection in which it is used.
    """

    schema: EventSchema
    definitions: Mapping[str, Mapping[str, Expression]] = field(default_factory=dict)
    selections: Mapping[str, Expression] = field(default_factory=dict)

    def fields(self, collection: str) -> dict[str, None]:
        """Return the names of all fields of a collection, stored and defined."""
        known = self.schema.collections.get(collection)
        return dict.fromkeys(
            [*(known.fields if known else ()), *self.definitions.get(collection, ())]
        )


class Binder:
    """Turns expressions into typed nodes; the same names give the same nodes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._named: dict[tuple[str, str, str], Node] = {}
        self._open: list[tuple[str, str, str]] = []

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
        node = _Reading(self, expression, collection).value(expression.tree)
        if not self.scope.schema.is_list(collection):
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
        reading = _Reading(self, expression, collection, where)
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

    def definition(self, collection: str, name: str) -> Node:
        """Bind a field that an expression defines."""
        return self._once(
            ("field", name, collection),
            lambda: self.bind(self.scope.definitions[collection][name], collection),
        )

    def _once(self, key: tuple[str, str, str], make: Callable[[], Node]) -> Node:
        if key in self._open:
            names = [name for _, name, _ in self._open]
            raise _CycleError(" -> ".join([*names[self._open.index(key) :], key[1]]))
        if key not in self._named:
            self._open.append(key)
            try:
                self._named[key] = make()
            finally:
                self._open.pop()
        return self._named[key]


class _CycleError(Exception):
    """A name was needed for its own definition; the message is the way back to it."""


class _Reading:
    """One walk over one expression."""

    def __init__(
        self, binder: Binder, expression: Expression, collection: str, where: Node | None = None
    ) -> None:
        self.binder = binder
        self.scope = binder.scope
        self.expression = expression
        self.collection = collection
        self.where = where

    def fail(self, message: str, node: ast.AST, hint: str = "") -> ExpressionError:
        return self.expression.error(message, node, hint)

    # -- nodes ------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Node:
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return constant(value)
            case ast.Name(id=name):
                return self.name(name, node)
            case ast.Attribute():
                return self.dotted(node)
            case ast.BoolOp(op=op, values=values):
                word, compute = (
                    ("and", np.logical_and) if isinstance(op, ast.And) else ("or", np.logical_or)
                )
                result = self.condition(values[0], f"{word!r} takes")
                for other in values[1:]:
                    right = self.condition(other, f"{word!r} takes")
                    result = self.apply(word, compute, (result, right), node)
                return result
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(op, operand, node)
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(left, op, right, node)
            case ast.Compare():
                return self.comparison(node)
            case ast.Call():
                return self.call(node)
        raise self.fail("this is not allowed in an expression", node)

    def condition(self, node: ast.expr, why: str) -> Node:
        value = self.value(node)
        if not value.is_condition:
            source = self.expression.source(node)
            raise self.fail(
                f"{why} conditions, and {source!r} is a number ({value.dtype})",
                node,
                f"compare it with something, for instance '{source} != 0'",
            )
        return value

    def number(self, node: ast.expr, why: str) -> Node:
        value = self.value(node)
        if value.is_condition and not isinstance(node, ast.Name | ast.Attribute):
            raise self.fail(f"{why} numbers, and this is a condition", node)
        return value

    def apply(
        self, symbol: str, compute: Callable[..., Any], parts: tuple[Node, ...], node: ast.expr
    ) -> Node:
        level = self.common_level(parts, node)
        if level not in (CONSTANT, EVENT):
            parts = tuple(p if isinstance(p, Constant) else broadcast(p, level) for p in parts)
        try:
            return apply(symbol, compute, parts, level)
        except OverflowError as error:
            raise self.fail(f"{error}", node) from None
        except (TypeError, ValueError, ArithmeticError) as error:
            types = " and ".join(str(part.dtype) for part in parts)
            raise self.fail(f"{symbol!r} does not work with {types} ({error})", node) from None

    def common_level(self, parts: tuple[Node, ...], node: ast.expr) -> str:
        levels = {part.level for part in parts} - {CONSTANT, EVENT}
        if len(levels) > 1:
            raise self.fail(
                f"this mixes objects of {' and '.join(sorted(levels))}, of which an event has "
                "different numbers",
                node,
                f"reduce one of them with {', '.join(REDUCTIONS)}",
            )
        if levels:
            return levels.pop()
        return EVENT if any(part.level == EVENT for part in parts) else CONSTANT

    # -- operators --------------------------------------------------------------------------

    def unary(self, op: ast.unaryop, operand: ast.expr, node: ast.expr) -> Node:
        written = self.expression.source(node)[0]
        if isinstance(op, ast.Not) or written == "!":
            value = self.condition(operand, "'not' takes")
            return self.apply("not", np.logical_not, (value,), node)
        value = self.value(operand)
        if isinstance(op, ast.Invert):
            return self.apply("~", np.invert, (value,), node)
        if value.is_condition:
            raise self.fail(f"{written!r} takes a number, and this is a condition", node)
        return self.apply("-", np.negative, (value,), node) if isinstance(op, ast.USub) else value

    def binary(self, left: ast.expr, op: ast.operator, right: ast.expr, node: ast.expr) -> Node:
        parts = (self.value(left), self.value(right))
        conditions = [part.is_condition for part in parts]
        if type(op) in ARITHMETIC:
            symbol, compute = ARITHMETIC[type(op)]
            if all(conditions):
                raise self.fail(
                    f"{symbol!r} of two conditions is ambiguous",
                    node,
                    "use 'and' or 'or' to combine conditions, count(...) to count them",
                )
        else:
            symbol, compute = BITWISE[type(op)]
            if any(conditions) != all(conditions) or any(p.dtype.kind == "f" for p in parts):
                kinds = " and ".join(str(part.dtype) for part in parts)
                raise self.fail(
                    f"{symbol!r} takes two integers or two conditions, not {kinds}",
                    node,
                    f"{symbol!r} binds tighter than a comparison: write (a > 1) {symbol} (b > 2), "
                    "or use 'and' and 'or'",
                )
        return self.apply(symbol, compute, parts, node)

    def comparison(self, node: ast.Compare) -> Node:
        result: Node | None = None
        terms = [node.left, *node.comparators]
        for op, left, right in zip(node.ops, terms, terms[1:], strict=False):
            symbol, compute = COMPARISONS[type(op)]
            parts = (self.value(left), self.value(right))
            if parts[0].is_condition != parts[1].is_condition:
                raise self.fail(f"{symbol!r} compares a condition with a number", node)
            part = self.apply(symbol, compute, parts, node)
            result = (
                part if result is None else self.apply("and", np.logical_and, (result, part), node)
            )
        assert result is not None  # noqa: S101  # Python's grammar has no comparison without a term
        return result

    # -- functions --------------------------------------------------------------------------

    def call(self, node: ast.Call) -> Node:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in REDUCTIONS:
            return self.reduction(name, node)
        if name not in FUNCTIONS:
            known = [*FUNCTIONS, *REDUCTIONS]
            raise self.fail(f"unknown function {name!r}", node.func, nearest(name, known))
        function = FUNCTIONS[name]
        usage = f"{name}({', '.join(function.arguments)})"
        if node.keywords or len(node.args) != len(function.arguments):
            taken = len(function.arguments)
            count = "1 argument" if taken == 1 else f"{taken} arguments"
            raise self.fail(f"{name!r} takes {count}: {usage}", node)
        if name == "where":
            first = self.condition(node.args[0], "the first argument of 'where' takes")
            parts = (first, *(self.value(argument) for argument in node.args[1:]))
        else:
            parts = tuple(self.number(argument, f"{name!r} takes") for argument in node.args)
        return self.apply(name, function.compute, parts, node)

    def reduction(self, name: str, node: ast.Call) -> Node:
        reduction = REDUCTIONS[name]
        default = None
        for keyword in node.keywords:
            if keyword.arg != "default" or reduction.defined_when_empty:
                raise self.fail(f"{name!r} has no argument {keyword.arg!r}", node)
            value = self.value(keyword.value)
            if not isinstance(value, Constant):
                raise self.fail("the default must be a number", keyword.value)
            default = value.value
        if name == "count" and not node.args and self.scope.schema.is_list(self.collection):
            return self.count(self.collection)
        if len(node.args) != 1:
            hint = f"the {name} of two values is {name}imum(a, b)" if name in ("min", "max") else ""
            raise self.fail(f"{name!r} takes one argument, the values to reduce", node, hint)
        argument = node.args[0]
        if name == "count" and isinstance(argument, ast.Name) and self.is_collection(argument.id):
            return self.count(argument.id)
        if reduction.condition:
            values = self.condition(argument, f"{name!r} takes")
        else:
            if name == "sum" and self.value(argument).is_condition:
                raise self.fail("'sum' takes numbers", argument, "count(...) counts a condition")
            values = self.number(argument, f"{name!r} takes")
        if values.level in (CONSTANT, EVENT):
            raise self.fail(
                f"{name!r} needs values of objects, and this has one value per event", argument
            )
        where = self.where if values.level == self.collection else None
        return reduce(name, values, where, default)

    def count(self, collection: str) -> Node:
        if self.where is not None and collection == self.collection:
            return reduce("count", self.where)
        return number(collection)

    # -- names ------------------------------------------------------------------------------

    def is_collection(self, name: str) -> bool:
        return self.scope.schema.is_list(name) and name not in self.scope.selections

    def name(self, name: str, node: ast.expr) -> Node:
        scope, own = self.scope, self.scope.fields(self.collection)
        if name in own and name in scope.selections:
            raise self.fail(
                f"{name!r} is a selection and also a field of {self.collection}",
                node,
                "give the selection another name",
            )
        if name in scope.selections:
            return self.acyclic(lambda: self.binder.selection(name, self.collection), node)
        for collection in (self.collection, EVENT):
            if name in scope.fields(collection):
                return self.column(collection, name, node)
        if name != EVENT and scope.fields(name):
            example = f"{name}.{next(iter(scope.fields(name)), 'pt')}"
            hint = f"name one of its fields, for instance {example}"
            raise self.fail(f"{name!r} is a collection, not a number", node, hint)
        known = [*own, *scope.selections, *scope.fields(EVENT)]
        whose = self.collection if self.collection != EVENT else "the event"
        what = (
            f"neither a field of {whose} nor a selection"
            if scope.selections
            else (f"not a field of {whose}")
        )
        raise self.fail(f"{name!r} is {what}", node, self.suggest(name, known))

    def suggest(self, name: str, known: list[str]) -> str:
        """Suggest ``MET.pt`` for the branch name ``MET_pt``, else the nearest known name."""
        for collection in self.scope.schema.collections:
            if name.startswith(f"{collection}_"):
                field = name.removeprefix(f"{collection}_")
                if field in self.scope.fields(collection):
                    return f"did you mean {collection + '.' + field!r}?"
        close = nearest(name, known)
        owners = [c for c in self.scope.schema.collections if name in self.scope.fields(c)]
        if owners and not close.startswith("did you mean"):
            return nearest(name, [f"{owner}.{name}" for owner in owners])
        return close

    def dotted(self, node: ast.Attribute) -> Node:
        if not isinstance(node.value, ast.Name):
            raise self.fail("only 'Collection.field' has a dot", node)
        collection, name = node.value.id, node.attr
        known = [n for n in self.scope.schema.collections if n != EVENT]
        if collection == EVENT and name in self.scope.fields(EVENT):
            raise self.fail("fields of the event stand alone", node, f"write {name!r}")
        if collection not in known:
            raise self.fail(
                f"unknown collection {collection!r}", node.value, nearest(collection, known)
            )
        if name in self.scope.fields(collection):
            return self.column(collection, name, node)
        if name in self.scope.selections and self.scope.schema.is_list(collection):
            return self.acyclic(lambda: self.binder.selection(name, collection), node)
        hint = nearest(name, self.scope.fields(collection))
        raise self.fail(f"{collection} has no field {name!r}", node, hint)

    def column(self, collection: str, name: str, node: ast.expr) -> Node:
        if name in self.scope.definitions.get(collection, {}):
            return self.acyclic(lambda: self.binder.definition(collection, name), node)
        schema = self.scope.schema
        dtype = schema.collections[collection].fields[name].dtype
        if schema.is_list(collection):
            return Column(f"{collection}.{name}", collection, dtype, (), name)
        column = schema.column_name(collection, name)
        return Column(column, EVENT, dtype, (), column)

    def acyclic(self, make: Callable[[], Node], node: ast.expr) -> Node:
        try:
            return make()
        except _CycleError as error:
            source = self.expression.source(node)
            raise self.fail(f"{source!r} is defined by itself: {error}", node) from None


def reduce(
    name: str, values: Node, where: Node | None = None, default: bool | int | float | None = None
) -> Reduce:
    """Make the node that reduces the values of objects to one per event.

    Parameters
    ----------
    name
        Of the reduction.
    values
        One per object.
    where
        The condition for an object to take part; None for all.
    default
        Value for events without objects.
    """
    parts = (values,) if where is None else (values, where)
    extra = "" if where is None else f" where {where.key}"
    extra += "" if default is None else f", default={default!r}"
    samples = np.empty(0, values.dtype), np.zeros(1, np.int64)
    dtype = REDUCTIONS[name].compute(*samples).dtype
    return Reduce(f"{name}({values.key}{extra})", EVENT, dtype, parts, name, values.level, default)


def number(collection: str) -> Number:
    """Make the node of the number of objects of each event in a collection."""
    return Number(f"count({collection})", EVENT, np.dtype(np.int64), (), collection)
