"""What the scripts share: their options, and how they say what they found."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def parser(text: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options that all scripts have."""
    made = argparse.ArgumentParser(description=text)
    made.add_argument("-o", "--output", required=True, help="File for the result, .npy.")
    made.add_argument("--events", type=int, help="Take the first events only.")
    made.add_argument("--repeat", type=int, default=0, help="Time it again, and print the times.")
    return made


def finish(options: argparse.Namespace, work: Callable[[], Any]) -> None:
    """Do the work, write its result, and if so asked time it again in this process."""
    np.save(options.output, work())
    if options.repeat:
        print(json.dumps(repeated(work, options.repeat)))


def repeated(work: Callable[[], object], times: int) -> dict[str, list[float]]:
    """Do something several times; elapsed and processor time of each, in seconds."""
    seconds, processor = [], []
    for _ in range(times):
        start, start_processor = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    return {"seconds": seconds, "processor": processor}
