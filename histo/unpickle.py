"""Pickled histograms, read without trusting whoever wrote them.

A pickle is a program whose every step calls something by name. Only names that a histogram is made
of are given out here, after https://docs.python.org/3/library/pickle.html#restricting-globals.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import boost_histogram as bh

_AXES = frozenset({"Regular", "Variable", "Integer", "IntCategory", "StrCategory", "Boolean"})
_ALLOWED = {
    "hist.hist": frozenset({"Hist"}),
    "hist.axis": _AXES,
    "boost_histogram.histogram": frozenset({"Histogram"}),
    "boost_histogram.axis": _AXES,
    "boost_histogram._core.axis.transform": frozenset({"func_transform", "id", "pow"}),
    "numpy": frozenset({"ndarray", "dtype"}),
    # NumPy 1 has the same under numpy.core; NumPy 2 leads one to the other
    "numpy._core.multiarray": frozenset({"_reconstruct"}),
    "numpy._core.numeric": frozenset({"_frombuffer"}),
    "numpy.core.multiarray": frozenset({"_reconstruct"}),
    "numpy.core.numeric": frozenset({"_frombuffer"}),
}
# Compiled classes, one for each combination of options: any of them, but nothing else beside them.
_COMPILED = frozenset({"boost_histogram._core.axis", "boost_histogram._core.hist"})
_TRANSFORMS = frozenset({"_log_fn", "_exp_fn", "_sqrt_fn", "_sq_fn"})


def load_histograms(data: bytes) -> dict[str, bh.Histogram[Any]]:
    """Return the histograms of a pickled dictionary.

    Parameters
    ----------
    data
        A pickled ``dict[str, hist.Hist]``, or of boost-histogram's own histograms.

    Raises
    ------
    pickle.UnpicklingError
        The pickle asks for something that histograms do not need.
    ValueError
        It holds something else.
    """
    content = _HistogramUnpickler(io.BytesIO(data)).load()
    if not isinstance(content, dict):
        raise ValueError(f"expected a dictionary of histograms, got a {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, bh.Histogram):
            raise ValueError(f"{name!r} is a {type(value).__name__}, not a named histogram")
    return content


class _HistogramUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("boost_histogram.axis.transform", "_internal_conversion"):
            return _transform
        compiled = module in _COMPILED and name.isidentifier() and not name.startswith("_")
        if compiled or name in _ALLOWED.get(module, ()):
            found = super().find_class(module, name)
            if not compiled or isinstance(found, type):
                return found
        raise pickle.UnpicklingError(
            f"refused: it asks for {module}.{name}, which no histogram needs"
        )


def _transform(name: str) -> Any:
    """Return a compiled function; the original hands out any attribute of its module."""
    from boost_histogram.axis.transform import _internal_conversion

    if name not in _TRANSFORMS:
        raise pickle.UnpicklingError(f"refused: {name!r} is not a transformation of an axis")
    return _internal_conversion(name)
