"""What scheduling costs when there is nothing to do: empty tasks, and the tree of their merges.

``python -m benchmarks.scheduling SCHEDULER TASKS`` prints the seconds, without
those that two tasks take: with processes these are the start of the workers.
"""

from __future__ import annotations

import argparse
import json
import operator
import time

from runtime.execute import map_reduce
from runtime.scheduler import parse_scheduler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scheduler")
    parser.add_argument("tasks", type=int)
    options = parser.parse_args()
    workers = None if "://" in options.scheduler else 2
    scheduler = parse_scheduler(options.scheduler, workers)

    def took(tasks: int) -> float:
        start = time.perf_counter()
        total = map_reduce(abs, operator.add, range(tasks), scheduler=scheduler)
        if total != sum(range(tasks)):
            raise SystemExit(f"{tasks} tasks gave {total}")
        return time.perf_counter() - start

    took(2)  # imports what it needs
    workers_start = took(2)
    print(json.dumps(max(0.0, took(options.tasks) - workers_start)))


if __name__ == "__main__":
    main()
