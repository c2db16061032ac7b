"""What a command sets up in its process before it imports anything large.

Measured on `histo run` with one event, of whose 0.38 s of processor time 0.12 s went here: 35 ms to
garbage collections that found no garbage among what was just imported, 45 ms to one more such
collection at the end, 40 ms to threads of linear algebra that wait busily for work that never is.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

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
    """Let a process that is nothing but one command start and end without work for nothing."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(OBJECTS_UNTIL_COLLECTION, *gc.get_threshold()[1:])
    # What is left at the exit goes back to the system as a whole; files are closed by their blocks.
    atexit.register(gc.freeze)


def collect_garbage() -> None:
    """Look for cyclic garbage as usual from now on, but not among what there is so far.

    Arrow leaves cycles for each file that is opened: 4,000 small partitions took 580 MB until here,
    and take 160 MB. In a process that is more than a command, nothing has been changed.
    """
    if gc.get_threshold()[0] == OBJECTS_UNTIL_COLLECTION:
        gc.freeze()
        gc.set_threshold(*USUAL)
