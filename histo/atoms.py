"""Selections as combinations, by and, or and not, of the few conditions that they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.expressions import Apply, Broadcast, Constant, Node

Condition = NDArray[np.bool_]

COMBINATIONS = (np.logical_and, np.logical_or, np.logical_not)


def find_atoms(selections: Sequence[Node | None]) -> tuple[Node, ...]:
    """List the conditions that selections are combinations of, each once.

    The 20 selections of a family such as ``(all | Em | Loose) x (all | Low | High)`` are
    combinations of four, and so are evaluated in four comparisons of all objects; the rest is done
    for the combinations that occur.
    """
    atoms: dict[str, Node] = {}
    for selection in selections:
        if selection is not None:
            atoms |= {node.key: node for node in _leaves(selection, set())}
    return tuple(atoms.values())


def combine(
    selection: Node | None, holds: Mapping[str, Condition], size: int, known: dict[str, Condition]
) -> Condition | None:
    """Compute a selection from the conditions that it combines.

    Parameters
    ----------
    selection
        None for one that everything passes.
    holds
        Whether each of `find_atoms` holds, by key.
    size
        Number of entries.
    known
        What is computed on the way, for other selections on the same entries.
    """
    if selection is None:
        return None
    if selection.key in holds:
        return holds[selection.key]
    if selection.key not in known:
        known[selection.key] = _combine(selection, holds, size, known)
    return known[selection.key]


def _combine(
    node: Node, holds: Mapping[str, Condition], size: int, known: dict[str, Condition]
) -> Condition:
    value = _constant(node)
    if value is not None:
        return np.full(size, value, np.bool_)
    if not isinstance(node, Apply):
        raise AssertionError(f"{node.key} is no combination")
    parts = [combine(part, holds, size, known) for part in node.parts]
    result: Condition = node.compute(*parts)
    return result


def _constant(node: Node) -> bool | None:
    """Return the value of a condition that is the same for all entries."""
    inner = node.parts[0] if isinstance(node, Broadcast) else node
    return bool(inner.value) if isinstance(inner, Constant) else None


def _leaves(node: Node, seen: set[str]) -> Iterator[Node]:
    """Iterate over the conditions that a selection combines."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if part.key in seen or _constant(part) is not None:
            continue
        seen.add(part.key)
        if isinstance(part, Apply) and any(part.compute is known for known in COMBINATIONS):
            waiting.extend(reversed(part.parts))
        else:
            yield part
