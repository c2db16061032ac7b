"""Computing one part of an expression, element by element: on arrays, or on a dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.errors import ExpressionError
from schemas.events import Coded
from schemas.expressions import Apply
from schemas.operations import ELEMENTWISE


def apply_coded(node: Apply, values: list[Any]) -> Coded | None:
    """Compute one part on the dictionary, if all columns in it have the same codes.

    A comparison of 500,000 objects takes as long as one of the 4,000 entries of a dictionary then,
    until somebody needs it object by object.

    Parameters
    ----------
    node
        What to compute.
    values
        Of its parts: numbers, arrays, or `Coded`.

    Returns
    -------
    Coded or None
        None if the codes are not the same; for the function of a user, who was promised the values
        of all objects; and if the computation fails, since an entry of the dictionary need not be
        in the column.
    """
    columns = [value for value in values if isinstance(value, Coded)]
    if not columns or all(node.compute is not known for known in ELEMENTWISE):
        return None
    if any(np.ndim(v) for v in values if not isinstance(v, Coded)):
        return None
    first = columns[0]
    if any(column.codes is not first.codes for column in columns):
        return None
    try:
        result = node.compute(*(v.values if isinstance(v, Coded) else v for v in values))
    except ValueError:
        return None
    return Coded(first.codes, result) if np.shape(result) == first.values.shape else None


def apply_plain(node: Apply, values: list[Any]) -> Any:
    """Compute one part on arrays.

    Raises
    ------
    ExpressionError
        For what NumPy refuses because of the values, and so is found only here.
    """
    try:
        return node.compute(*values)
    except ValueError as error:
        raise ExpressionError(
            f"cannot be computed: {error}",
            node.key,
            (0, len(node.key)),
            "write one of the numbers with a decimal point, for instance 2.0 ** n",
        ) from error
