"""How a process that is one command starts, before it imports anything large, and how it ends.

Measured on `histo run` with one event, of whose 0.38 s of processor time 0.12 s went here: 35 ms to
garbage collections that found no garbage among what was just imported, 45 ms to one more such
collection at the end, 40 ms to threads of linear algebra that wait busily for work that never is.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_UNTIL_COLLECTION = 200_000
"""New containers after which Python looks for cyclic garbage, while it imports: 90,000 stay."""

USUAL = 700, 10, 10
"""The thresholds that Python has of its own."""

DEFAULTS = {
    # tasks are what runs in parallel; NumPy would start one thread for each processor besides
    "OPENBLAS_NUM_THREADS": "1",
    # huge pages are looked for long where memory is in pieces: `histo run` took 0.55 s, not 0.39,
    # after another program had used 600 MB, and a quarter more memory. With the C library's
    # memory, 400 partitions took 1.7 times as much as 40, with jemalloc's 1.14 times.
    **({"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"} if sys.platform == "linux" else {}),
    "NUMPY_MADVISE_HUGEPAGE": "0",
}
"""Variables of libraries, for this process and its workers, unless the user has set them."""


def quick_start() -> None:
    """Let a process that is nothing but one command start without work for nothing."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(OBJECTS_UNTIL_COLLECTION, *gc.get_threshold()[1:])


@contextmanager
def quick_end() -> Iterator[None]:
    """Let the process that the block exits from end without taking apart what it holds.

    That goes back to the system as a whole: files are closed by their blocks, and all else that is
    to happen at the end happens before, from threads that are waited for to functions registered
    with `atexit` in the block. What Python does after these takes 6 ms.
    """
    codes: list[int] = []

    def leave() -> None:
        gc.freeze()  # at least no search for garbage, if the rest is left to Python
        if not codes:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # closed, or none: Python knows what to do
            return
        os._exit(codes[0])

    atexit.register(leave)  # the first to be registered is the last to be called
    try:
        yield
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            codes.append(end.code or 0)
        raise


def collect_garbage() -> None:
    """Look for cyclic garbage as usual from now on, but not among what there is so far.

    Arrow leaves cycles for each file that is opened: 4,000 small partitions took 580 MB until here,
    and take 160 MB. In a process that is more than a command, nothing has been changed.
    """
    if gc.get_threshold()[0] == OBJECTS_UNTIL_COLLECTION:
        gc.freeze()
        gc.set_threshold(*USUAL)
