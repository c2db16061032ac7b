"""Expressions against a schema: what each name means, which type each part has.

Nothing is read here, and everything that can be wrong with an expression is found here.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from schemas.derived import Derivation, Derived
from schemas.errors import ExpressionError, nearest
from schemas.event_schema import EVENT
from schemas.expressions import (
    CONSTANT,
    Column,
    Constant,
    Join,
    Node,
    Number,
    Reduce,
    Take,
    apply,
    broadcast,
    constant,
    shorten,
)
from schemas.operations import (
    ARITHMETIC,
    BITWISE,
    COMPARISONS,
    FUNCTIONS,
    REDUCTIONS,
    Function,
)
from schemas.scope import Bins, Regions, Scope, Table, Words
from schemas.syntax import Expression

Found = TypeVar("Found", Node, Node | None)


class Binder:
    """Turns expressions into typed nodes; the same names give the same nodes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.derivations: dict[str, Derivation] = {}
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

    def member(self, collection: str, name: str) -> Node | None:
        """Bind a field of a collection by its name; None if it has no such field."""
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

    def _stored(self, collection: str, name: str) -> Node | None:
        schema = self.scope.schema
        known = schema.collections.get(collection)
        if known is None or name not in known.fields:
            return None
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
        self,
        binder: Binder,
        expression: Expression,
        collection: str,
        where: Node | None = None,
        variables: Mapping[str, Node] | None = None,
    ) -> None:
        self.binder = binder
        self.scope = binder.scope
        self.expression = expression
        self.collection = collection
        self.where = where
        self.variables = variables or {}

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
        if name in self.scope.tables:
            return self.lookup(self.scope.tables[name], node)
        if name in self.scope.functions:
            parts = tuple(self.value(argument) for argument in node.args)
            return self.apply(name, self.scope.functions[name], parts, node)
        if name not in FUNCTIONS:
            known = [*FUNCTIONS, *REDUCTIONS, *self.scope.tables, *self.scope.functions]
            raise self.fail(f"unknown function {name!r}", node.func, nearest(name, known))
        function = FUNCTIONS[name]
        if function.fields and self.are_objects(node.args) and not node.keywords:
            parts = self.objects(function, node)
            return self.apply(name, function.compute, parts, node)
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

    def are_objects(self, arguments: list[ast.expr]) -> bool:
        """Tell whether a function is given two objects, such as ``leg0`` and ``leg1``."""
        known = self.scope.references(self.collection)
        return len(arguments) == 2 and all(
            isinstance(argument, ast.Name) and argument.id in known for argument in arguments
        )

    def objects(self, function: Function, node: ast.Call) -> tuple[Node, ...]:
        """Resolve the fields of the objects that a function is given."""
        parts = []
        for argument in node.args:
            for name in function.fields:
                attribute = ast.copy_location(ast.Attribute(argument, name, ast.Load()), argument)
                parts.append(self.dotted(attribute))
        return tuple(parts)

    # -- tables -----------------------------------------------------------------------------

    def lookup(self, table: Table, node: ast.Call) -> Node:
        """Write a table out as nested conditions; what is in no bin or region gets NaN."""
        usage = f"{table.name}({', '.join(table.arguments)})"
        if node.keywords or len(node.args) != len(table.arguments):
            raise self.fail(f"{table.name!r} is called as {usage}", node)
        words = {level.position for level in table.levels if isinstance(level, Words)}
        variables = {
            name: self.value(argument)
            for position, (name, argument) in enumerate(
                zip(table.arguments, node.args, strict=True)
            )
            if position not in words
        }
        return self.level(table, table.levels, table.values, node, variables)

    def level(
        self,
        table: Table,
        levels: tuple[Words | Regions | Bins, ...],
        values: Any,
        node: ast.Call,
        variables: Mapping[str, Node],
    ) -> Node:
        if not levels:
            return self.leaf(table, values, variables)
        first, rest = levels[0], levels[1:]
        if isinstance(first, Words):
            argument = node.args[first.position]
            word = self.expression.source(argument)
            if word not in values:
                raise self.fail(
                    f"table {table.name!r} has no entry {word!r}", argument, nearest(word, values)
                )
            return self.level(table, rest, values[word], node, variables)
        cases: list[tuple[Node, Node]] = []
        if isinstance(first, Regions):
            for name, inner in values.items():
                value = self.level(table, rest, inner, node, variables)
                cases.append((self.selected(name, self.collection, node), value))
        else:
            quantity = _Reading(self.binder, first.of, self.collection).value(first.of.tree)
            below = self.apply("<", operator.lt, (quantity, constant(first.edges[0])), node)
            cases.append((below, constant(float("nan"))))
            for edge, inner in zip(first.edges[1:], values, strict=True):
                inside = self.apply("<", operator.lt, (quantity, constant(edge)), node)
                cases.append((inside, self.level(table, rest, inner, node, variables)))
        result: Node = constant(float("nan"))
        for condition, value in reversed(cases):
            result = self.apply("where", np.where, (condition, value, result), node)
        return result

    def leaf(self, table: Table, values: Any, variables: Mapping[str, Node]) -> Node:
        if table.formula is None:
            return constant(values)
        named = values if isinstance(values, Mapping) else {"value": values}
        known = {**variables, **{name: constant(value) for name, value in named.items()}}
        reading = _Reading(self.binder, table.formula, self.collection, variables=known)
        return reading.value(table.formula.tree)

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
        if name == "count" and not node.args and self.scope.is_list(self.collection):
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
        self.binder.derive(collection)
        return number(collection)

    # -- names ------------------------------------------------------------------------------

    def is_collection(self, name: str) -> bool:
        return self.scope.is_list(name) and name not in self.scope.selections

    def name(self, name: str, node: ast.expr) -> Node:
        scope = self.scope
        if name in self.variables:
            return self.variables[name]
        if name in scope.selections:
            if name in scope.fields(self.collection):
                raise self.fail(
                    f"{name!r} is a selection and also a field of {self.collection}",
                    node,
                    "give the selection another name",
                )
            return self.selected(name, self.collection, node)
        for collection in (self.collection, EVENT):
            found = self.member(collection, name, node)
            if found is not None:
                return found
        target = scope.references(self.collection).get(name)
        if target is not None or (name != EVENT and scope.fields(name)):
            example = f"{name}.{next(iter(scope.fields(target or name)), 'pt')}"
            hint = f"name one of its fields, for instance {example}"
            what = "a collection" if target is None else f"an object of {target}"
            raise self.fail(f"{name!r} is {what}, not a number", node, hint)
        whose = self.collection if self.collection != EVENT else "the event"
        what = (
            f"neither a field of {whose} nor a selection"
            if scope.selections
            else f"not a field of {whose}"
        )
        raise self.fail(f"{name!r} is {what}", node, self.suggest(name))

    def suggest(self, name: str) -> str:
        """Suggest ``MET.pt`` for the branch name ``MET_pt``, else the nearest known name."""
        for collection in self.scope.collections():
            if name.startswith(f"{collection}_"):
                field = name.removeprefix(f"{collection}_")
                if field in self.scope.fields(collection):
                    return f"did you mean {collection + '.' + field!r}?"
        close = nearest(name, self.scope.suggestions(self.collection))
        owners = [c for c in self.scope.collections() if name in self.scope.fields(c)]
        if owners and not close.startswith("did you mean"):
            return nearest(name, [f"{owner}.{name}" for owner in owners])
        return close

    def dotted(self, node: ast.Attribute) -> Node:
        """Resolve ``Collection.field``, ``leg0.field`` and ``Collection.leg0.field``."""
        attributes: list[ast.Attribute] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            attributes.insert(0, inner)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self.fail("only names have fields", node)
        if inner.id in self.scope.references(self.collection):
            return self.follow(self.collection, inner.id, attributes, inner)
        known = [*self.scope.references(self.collection), *self.scope.collections()]
        if inner.id == EVENT and attributes[0].attr in self.scope.fields(EVENT):
            raise self.fail("fields of the event stand alone", node, f"write {node.attr!r}")
        if inner.id not in known:
            raise self.fail(f"unknown collection {inner.id!r}", inner, nearest(inner.id, known))
        return self.path(inner.id, attributes)

    def path(self, collection: str, attributes: list[ast.Attribute]) -> Node:
        """Resolve what stands behind the name of a collection."""
        first, *rest = attributes
        name = first.attr
        if rest:
            return self.follow(collection, name, rest, first)
        found = self.member(collection, name, first)
        if found is not None:
            return found
        if name in self.scope.selections and self.scope.is_list(collection):
            return self.selected(name, collection, first)
        names = [*self.scope.fields(collection), *self.scope.references(collection)]
        if self.scope.is_list(collection):
            names += self.scope.selections
        raise self.fail(f"{collection} has no field {name!r}", first, nearest(name, names))

    def follow(
        self, collection: str, reference: str, attributes: list[ast.Attribute], node: ast.expr
    ) -> Node:
        """Resolve what stands behind a reference of a collection."""
        references = self.scope.references(collection)
        if not references:
            raise self.fail("only 'Collection.field' has a dot", attributes[-1])
        if reference not in references:
            hint = nearest(reference, references)
            raise self.fail(f"objects of {collection} have no {reference!r}", node, hint)
        found = self.path(references[reference], attributes)
        return self.binder.take(collection, reference, found)

    def selected(self, name: str, collection: str, node: ast.expr) -> Node:
        return self.acyclic(lambda: self.binder.selection(name, collection), node)

    def member(self, collection: str, name: str, node: ast.expr) -> Node | None:
        return self.acyclic(lambda: self.binder.member(collection, name), node)

    def acyclic(self, make: Callable[[], Found], node: ast.expr) -> Found:
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
    key = shorten(f"{name}({values.key}{extra})")
    return Reduce(key, EVENT, dtype, parts, name, values.level, default)


def number(collection: str) -> Number:
    """Make the node of the number of objects of each event in a collection."""
    return Number(f"count({collection})", EVENT, np.dtype(np.int64), (), collection)
