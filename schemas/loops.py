"""The innermost loops, compiled where the installation found a compiler.

What passes over all values with NumPy or Arrow makes several arrays of all of them, or asks of each
value what is the same for all. `_loops.c`, `_baskets.c` and `_encoding_loops.c` have the loops in
which most of the time was spent. For 582,000 values on one thread, in ms:

=============  =====================================================  ====================  ====
loop           what it does                                           without               here
=============  =====================================================  ====================  ====
look_up        gives each code of a Parquet page its word             0.9 (Arrow)           0.3
add_bits       the same, to bits of conditions                        1.2 (Arrow, NumPy)    0.25
count          counts entries in cells of a table                     0.75 (NumPy)          0.35
count_codes    looks cells up by code, and counts in them             1.75 (Arrow, NumPy)   0.55
count_values   finds bins of equal width, and counts in them          1.8 (NumPy)           0.9
join_bytes     puts bytes of real numbers that are split together     0.6 (Arrow)           0.15
open_baskets   reads baskets, and takes compressed frames out         0.27 (Python)         0.1
join_baskets   turns their contents into values and offsets           1.35 (NumPy)          0.45
join_nested    the same for vectors of vectors                        61 (Python)           0.9
encode_codes   finds distinct values, and packs the codes of all      2.2 (NumPy)           0.9
count_slots    counts the slots that are in use, of 4,096 values      0.02 (NumPy)          0.01
=============  =====================================================  ====================  ====

Baskets were measured on a machine that takes a third longer than the one of the others.

They also let other threads go on, which ``numpy.bincount`` does not: it keeps Python's lock.

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
