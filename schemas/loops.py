"""The innermost loops, compiled where the installation found a compiler.

What passes over all values with NumPy or Arrow makes several arrays of all of them, or asks of each
value what is the same for all. `_loops.c` has the four loops in which most of the time was spent.
For 582,000 values on one thread:

============  ==========================================================  ==============  ========
loop          what it does                                                without, ms     here, ms
============  ==========================================================  ==============  ========
look_up       codes of few bits, of a Parquet page: a word for each       0.9 (Arrow)     0.4
count         entries into cells of a table; lets others go on meanwhile  0.75 (NumPy)    0.35
find_codes    which slot of a dictionary holds a value, and whether       0.9 (NumPy)     0.4
pack          numbers of few bits after one another                       0.7 (NumPy)     0.1
============  ==========================================================  ==============  ========

Without them the same comes out, to the last bit, and nobody has to have a compiler: who calls them
has the other way beside the call.
"""

from __future__ import annotations

import functools
from types import ModuleType


@functools.cache
def compiled() -> ModuleType | None:
    """Return the module of compiled loops; None if it was not built.

    Its functions take buffers of contiguous arrays, whose lengths and alignment they check, and
    raise ValueError for what would lead outside of them. ``schemas/_loops.pyi`` has their
    arguments.
    """
    try:
        from schemas import _loops
    except ImportError:
        return None
    return _loops
