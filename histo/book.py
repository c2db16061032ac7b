"""Axes of the configuration to axes of boost-histogram."""

from __future__ import annotations

from typing import Any

import boost_histogram as bh
import numpy as np

from schemas.axes import Axis, BooleanAxis, CategoryAxis, IntegerAxis, VariableAxis
from schemas.events import Array

INT32 = np.iinfo(np.int32)


def make_axis(axis: Axis) -> Any:
    """Return the boost-histogram axis; its flow bins are always there."""
    match axis:
        case VariableAxis():
            return bh.axis.Variable(axis.edges)
        case IntegerAxis():
            return bh.axis.Integer(axis.start, axis.stop)
        case CategoryAxis():
            return bh.axis.IntCategory(axis.categories)
        case BooleanAxis():
            return bh.axis.Boolean()
    transform = bh.axis.transform.log if axis.kind == "log" else None
    return bh.axis.Regular(axis.bins, axis.start, axis.stop, transform=transform)


def fillable(values: Array, axis: Axis) -> Array:
    """Return values in a type that the axis takes, changing the bin of none.

    Axes of integers take 32 bits; what lies beyond is in a flow bin either way. An integer axis
    subtracts its start in 32 bits too, and the far ends would come out on the other side.
    """
    if not isinstance(axis, IntegerAxis | CategoryAxis):
        return values
    if values.dtype.itemsize >= 4:
        values = np.clip(values, INT32.min, INT32.max)
    values = values.astype(np.int32)
    return np.clip(values, axis.start - 1, axis.stop) if isinstance(axis, IntegerAxis) else values
