"""What nodes need: columns and collections to read, and what is computed on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from schemas.derived import Derivation
from schemas.event_schema import EVENT
from schemas.expressions import CONSTANT, Column, Member, Node, Number, Reduce

Derivations = Mapping[str, Derivation]


class Parts(Struct, frozen=True):
    """What is computed for nodes.

    Attributes
    ----------
    nodes
        Keys of the nodes and of their parts.
    levels
        The collections that these are about.
    """

    nodes: frozenset[str]
    levels: frozenset[str]


class Needs:
    """Collects what nodes need.

    Parameters
    ----------
    derivations
        The derived collections that they may be about.

    Attributes
    ----------
    columns
        ``(collection, field)``; for event-level columns ``(EVENT, column name)``.
    collections
        Those, stored ones, whose offsets are needed, with or without any of their fields.
    """

    def __init__(self, derivations: Derivations | None = None) -> None:
        self.columns: set[tuple[str, str]] = set()
        self.collections: set[str] = set()
        self._derivations = derivations or {}
        self._nodes: set[str] = set()
        self._levels = {CONSTANT, EVENT}

    def add(self, nodes: Iterable[Node], levels: Iterable[str] = ()) -> Parts:
        """Add what nodes need, and the objects of collections besides.

        Returns
        -------
        Parts
            Those that nothing added earlier needs.
        """
        new_nodes, new_levels = set[str](), set[str]()
        open_levels, waiting = set(levels), list(nodes)
        while open_levels or waiting:
            if open_levels:
                level = open_levels.pop()
                if level not in self._levels:
                    self._levels.add(level)
                    new_levels.add(level)
                    if level in self._derivations:
                        waiting.extend(self._derivations[level].nodes())
                        open_levels.update(self._derivations[level].sources)
                    else:
                        self.collections.add(level)
                continue
            node = waiting.pop()
            if node.key in self._nodes:
                continue
            self._nodes.add(node.key)
            new_nodes.add(node.key)
            waiting.extend(node.parts)
            if isinstance(node, Column):
                self.columns.add((node.level, node.field))
            open_levels.add(node.level)
            if isinstance(node, Reduce | Number):
                open_levels.add(node.over)
            if isinstance(node, Member):
                open_levels.add(node.of)
        return Parts(frozenset(new_nodes), frozenset(new_levels))


def needed(
    nodes: Iterable[Node], derivations: Derivations | None = None, levels: Iterable[str] = ()
) -> tuple[set[tuple[str, str]], set[str]]:
    """Return the columns and collections that nodes and collections need; see `Needs.add`."""
    needs = Needs(derivations)
    needs.add(nodes, levels)
    return needs.columns, needs.collections
