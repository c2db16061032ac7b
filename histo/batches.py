"""Histograms that are filled together, and where their contents go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from schemas.axes import Axis, cells
from schemas.expressions import Node


class Booking(Struct, frozen=True):
    """One histogram to fill.

    Attributes
    ----------
    name
        Of the histogram, with its folder.
    kind
        ``fill``: values into bins; ``rate``: events above thresholds, from the highest value of
        the objects of the level; ``norm``: events read.
    title
        Of the histogram.
    axes, labels
        One per dimension.
    level
        The collection, or `EVENT`: what values and selection are about.
    selection
        Condition for an entry; None for all.
    values
        What is filled, one node per dimension.
    weight
        Weight of an entry, for a rate that of the event; None if it is 1.
    unit
        ``kHz`` for a rate curve that is normalised to the events read.
    """

    name: str
    kind: Literal["fill", "rate", "norm"]
    title: str
    axes: tuple[Axis, ...]
    labels: tuple[str, ...]
    level: str
    selection: Node | None = None
    values: tuple[Node, ...] = ()
    weight: Node | None = None
    unit: Literal["events", "kHz"] = "events"

    @property
    def weighted(self) -> bool:
        """Whether it holds sums of weights, not counts."""
        return self.weight is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins of each axis, flow bins included."""
        return tuple(map(cells, self.axes))

    def nodes(self) -> list[Node]:
        """Return everything that is computed for it."""
        return [node for node in (*self.values, self.selection, self.weight) if node is not None]


class Batch(Struct, frozen=True):
    """Histograms that differ by their selection only, and are filled together.

    Attributes
    ----------
    indices
        Their positions among the bookings.
    first
        One of them.
    selections
        One for each.
    distinct
        The selections, each once.
    keys
        Of those; empty for None.
    numbers
        Which of them is that of each histogram.
    start
        Where their contents start among those of all counts, or of all sums of weights; they
        stand in a row.
    cells
        Number of bins of each.
    """

    indices: tuple[int, ...]
    first: Booking
    selections: tuple[Node | None, ...]
    distinct: tuple[Node | None, ...]
    keys: tuple[str, ...]
    numbers: tuple[int, ...]
    start: int
    cells: int

    @property
    def place(self) -> slice:
        """Where their contents are."""
        return slice(self.start, self.start + self.cells * len(self.indices))

    def nodes(self) -> list[Node]:
        """Return everything that is computed for them."""
        return [*self.first.nodes(), *(node for node in self.distinct if node is not None)]


def make_batches(bookings: Sequence[Booking]) -> tuple[Batch, ...]:
    """Group histograms that can be filled together, those of a level one after the other."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, booking in enumerate(bookings):
        weight = "" if booking.weight is None else booking.weight.key
        values = tuple(node.key for node in booking.values)
        # two equal axes that are not one object make two batches, which costs little
        axes = tuple(map(id, booking.axes))
        alike = (booking.kind, booking.level, weight, values, axes)
        groups.setdefault(alike, []).append(index)
    batches = []
    ends = {False: 0, True: 0}  # of counts, of sums of weights
    levels = {booking.level: number for number, booking in reversed(list(enumerate(bookings)))}
    for indices in sorted(groups.values(), key=lambda own: levels[bookings[own[0]].level]):
        first = bookings[indices[0]]
        selections = tuple(bookings[index].selection for index in indices)
        keys = ["" if selection is None else selection.key for selection in selections]
        distinct = dict(zip(keys, selections, strict=True))
        number = {key: index for index, key in enumerate(distinct)}
        cells = math.prod(first.shape)
        batches.append(
            Batch(
                tuple(indices), first, selections, tuple(distinct.values()), tuple(distinct),
                tuple(number[key] for key in keys), ends[first.weighted], cells,
            )
        )  # fmt: skip
        ends[first.weighted] += cells * len(indices)
    return tuple(batches)
