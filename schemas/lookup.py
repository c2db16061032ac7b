"""Tables in expressions: calls written out as nested conditions."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import nearest
from schemas.expressions import Node, constant
from schemas.scope import Bins, Regions, Table, Words

if TYPE_CHECKING:
    from schemas.reading import Reading


def look_up(reading: Reading, table: Table, node: ast.Call) -> Node:
    """Write a table out as nested conditions; what is in no bin or region gets NaN."""
    usage = f"{table.name}({', '.join(table.arguments)})"
    if node.keywords or len(node.args) != len(table.arguments):
        raise reading.fail(f"{table.name!r} is called as {usage}", node)
    words = {level.position for level in table.levels if isinstance(level, Words)}
    variables = {
        name: reading.value(argument)
        for position, (name, argument) in enumerate(zip(table.arguments, node.args, strict=True))
        if position not in words
    }
    return _level(reading, table, table.levels, table.values, node, variables)


def _level(
    reading: Reading,
    table: Table,
    levels: tuple[Words | Regions | Bins, ...],
    values: Any,
    node: ast.Call,
    variables: Mapping[str, Node],
) -> Node:
    if not levels:
        return _leaf(reading, table, values, variables)
    first, rest = levels[0], levels[1:]
    if isinstance(first, Words):
        argument = node.args[first.position]
        word = reading.expression.source(argument)
        if word not in values:
            raise reading.fail(
                f"table {table.name!r} has no entry {word!r}", argument, nearest(word, values)
            )
        return _level(reading, table, rest, values[word], node, variables)
    cases: list[tuple[Node, Node]] = []
    if isinstance(first, Regions):
        for name, inner in values.items():
            value = _level(reading, table, rest, inner, node, variables)
            cases.append((reading.selected(name, reading.collection, node), value))
    else:
        quantity = type(reading)(reading.binder, first.of, reading.collection).value(first.of.tree)
        below = reading.apply("<", operator.lt, (quantity, constant(first.edges[0])), node)
        cases.append((below, constant(float("nan"))))
        for edge, inner in zip(first.edges[1:], values, strict=True):
            inside = reading.apply("<", operator.lt, (quantity, constant(edge)), node)
            cases.append((inside, _level(reading, table, rest, inner, node, variables)))
    result: Node = constant(float("nan"))
    for condition, value in reversed(cases):
        result = reading.apply("where", np.where, (condition, value, result), node)
    return result


def _leaf(reading: Reading, table: Table, values: Any, variables: Mapping[str, Node]) -> Node:
    if table.formula is None:
        return constant(values)
    named = values if isinstance(values, Mapping) else {"value": values}
    known = {**variables, **{name: constant(value) for name, value in named.items()}}
    formula = type(reading)(reading.binder, table.formula, reading.collection, variables=known)
    return formula.value(table.formula.tree)
