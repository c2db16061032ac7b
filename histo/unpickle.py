"""Pickled histograms, read without trusting whoever wrote them.

A pickle is a program whose every step calls something by name. Only names that a histogram is made
of are given out here, after https://docs.python.org/3/library/pickle.html#restricting-globals, and
only the calls that pickled histograms really make: constructors with arguments could be asked for
any amount of memory. boost-histogram believes a pickle that says more bins than it has contents,
and would read on in the memory behind them; so that is checked before anything looks at them.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import boost_histogram as bh
import numpy as np

MAX_BYTES = 500_000_000
"""Size of the largest file that is read."""

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
    try:
        content = _HistogramUnpickler(io.BytesIO(data)).load()
    except KeyError as error:  # a step that is not in the table, or a memory that was never made
        raise pickle.UnpicklingError(f"refused: {error} is no step of a histogram") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a dictionary of histograms, got a {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, bh.Histogram):
            raise ValueError(f"{name!r} is a {type(value).__name__}, not a named histogram")
        _check_contents(name, value)
    return content


_WIDTHS = {"any_weight": 2, "any_mean": 3, "any_weighted_mean": 4}
"""Numbers that a bin of a storage holds; 1 for all others."""


def _check_contents(name: str, histogram: bh.Histogram[Any]) -> None:
    """Require a histogram to have contents for all of its bins."""
    compiled: Any = getattr(histogram, "_hist", None)
    if type(compiled).__module__ not in _COMPILED:
        raise ValueError(f"{name!r} is not a whole histogram")
    extents = [compiled.axis(i).extent for i in range(compiled.rank())]
    contents = compiled.__getstate__()[-1]  # as many as there are, whatever the axes say
    bins = math.prod(extents) * _WIDTHS.get(type(compiled).__name__, 1)
    if min(extents, default=0) < 1 or np.size(contents) != bins:
        raise ValueError(f"{name!r} has {np.size(contents)} contents for {bins} of its axes")


_REFUSED = (
    *(pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.PERSID, pickle.BINPERSID),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER),
)
_PurePython: Any = pickle._Unpickler  # the one in C has no steps to replace


class _HistogramUnpickler(_PurePython):  # type: ignore[misc]  # typeshed has no more than its name
    dispatch = {  # noqa: RUF012  # overrides a class attribute
        code: step for code, step in _PurePython.dispatch.items() if bytes([code]) not in _REFUSED
    }

    def load_newobj(self) -> None:
        if self.stack[-1] != ():
            raise pickle.UnpicklingError("refused: a constructor is given arguments")
        super().load_newobj()

    def load_reduce(self) -> None:
        function, arguments = self.stack[-2:]
        if function is np.dtype:
            known = isinstance(arguments[0], str) and np.dtype(arguments[0]).kind in "biuf"
        elif isinstance(function, type):
            known = False
        else:
            known = function.__name__ != "_reconstruct" or arguments[1] == (0,)
        if not known:
            raise pickle.UnpicklingError("refused: a call that no histogram needs")
        super().load_reduce()

    def load_build(self) -> None:
        state, made = self.stack[-1], self.stack[-2]
        # NumPy believes a type what it says of its size and of what is in it
        if isinstance(made, np.dtype) and state[2:7] != (None, None, None, -1, -1):
            raise pickle.UnpicklingError("refused: a type that is not one of plain numbers")
        super().load_build()

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        content = self.read(min(size, MAX_BYTES))  # what is there, before room is made for it
        if len(content) != size:
            raise pickle.UnpicklingError("refused: it ends too early")
        self.append(bytearray(content))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build

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
