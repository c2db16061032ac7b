"""Reading one expression: its syntax tree to typed nodes, with everything that can be wrong."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from schemas.errors import ExpressionError, nearest
from schemas.event_schema import EVENT
from schemas.expressions import (
    CONSTANT,
    Constant,
    Node,
    apply,
    broadcast,
    constant,
    number,
    reduce,
)
from schemas.lookup import look_up
from schemas.operations import (
    ARITHMETIC,
    BITWISE,
    COMPARISONS,
    FUNCTIONS,
    REDUCTIONS,
    Function,
)
from schemas.syntax import Expression

if TYPE_CHECKING:
    from schemas.binding import Binder

Found = TypeVar("Found", Node, Node | None)


class CycleError(Exception):
    """A name was needed for its own definition; the message is the way back to it."""


class NestedError(Exception):
    """A field has a list for each object, of which an expression can make no use."""


class Reading:
    """One walk over the syntax tree of one expression, turning it into nodes.

    Parameters
    ----------
    binder
        Knows selections, definitions and derived collections.
    expression
        What is read.
    collection
        Whose fields have bare names.
    where
        Condition for objects of the collection to take part in reductions; None for all.
    variables
        Values of further names.
    """

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
        """Make an error that marks a node."""
        return self.expression.error(message, node, hint)

    # -- nodes ------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Node:
        """Read any node."""
        self.binder.count_step()
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
        """Read a node that must be true or false; ``why`` starts the error's message."""
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
        """Read a node that must be a number; ``why`` starts the error's message."""
        value = self.value(node)
        if value.is_condition and not isinstance(node, ast.Name | ast.Attribute):
            raise self.fail(f"{why} numbers, and this is a condition", node)
        return value

    def apply(
        self, symbol: str, compute: Callable[..., Any], parts: tuple[Node, ...], node: ast.expr
    ) -> Node:
        """Make the node of a computation, bringing its parts to one level."""
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
        """Return the level of a computation on parts of several levels."""
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
        """Read an operator with one operand."""
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
        """Read an arithmetic or bitwise operator."""
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
        """Read a comparison, possibly chained."""
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
        """Read the call of a function, reduction or table."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in REDUCTIONS:
            return self.reduction(name, node)
        if name in self.scope.tables:
            return look_up(self, self.scope.tables[name], node)
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
        names = [argument.id for argument in arguments if isinstance(argument, ast.Name)]
        return len(names) == len(arguments) == 2 and any(name in known for name in names)

    def objects(self, function: Function, node: ast.Call) -> tuple[Node, ...]:
        """Resolve the fields of the objects that a function is given."""
        parts = []
        for argument in node.args:
            for name in function.fields:
                attribute = ast.copy_location(ast.Attribute(argument, name, ast.Load()), argument)
                parts.append(self.dotted(attribute))
        return tuple(parts)

    def reduction(self, name: str, node: ast.Call) -> Node:
        """Read a reduction."""
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
        """Return the number of objects that take part."""
        if self.where is not None and collection == self.collection:
            return reduce("count", self.where)
        self.binder.derive(collection)
        return number(collection)

    # -- names ------------------------------------------------------------------------------

    def is_collection(self, name: str) -> bool:
        """Tell whether a bare name stands for a collection."""
        return self.scope.is_list(name) and name not in self.scope.selections

    def name(self, name: str, node: ast.expr) -> Node:
        """Read a bare name."""
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
        close = nearest(name, [*self.variables, *self.scope.suggestions(self.collection)])
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
            known = [name for name in known if name.isidentifier()]  # none of a matching's own
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
        """Bind a selection that a node names."""
        return self.acyclic(lambda: self.binder.selection(name, collection), node)

    def member(self, collection: str, name: str, node: ast.expr) -> Node | None:
        """Bind a field that a node names, if it exists."""
        return self.acyclic(lambda: self.binder.member(collection, name), node)

    def acyclic(self, make: Callable[[], Found], node: ast.expr) -> Found:
        """Run ``make``, marking the node if it needs itself."""
        try:
            return make()
        except CycleError as error:
            source = self.expression.source(node)
            raise self.fail(f"{source!r} is defined by itself: {error}", node) from None
        except NestedError as error:
            raise self.fail(
                f"{error} has a list of values for each object, not a number",
                node,
                "such a field can be kept as it is; expressions compute with numbers",
            ) from None
