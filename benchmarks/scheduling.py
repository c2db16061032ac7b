"""What scheduling costs when there is nothing to do: empty tasks, and the tree of their merges.

``python -m benchmarks.scheduling SCHEDULER TASKS`` prints the seconds.
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
    map_reduce(abs, operator.add, range(2), scheduler=scheduler)  # imports what it needs
    start = time.perf_counter()
    total = map_reduce(abs, operator.add, range(options.tasks), scheduler=scheduler)
    seconds = time.perf_counter() - start
    if total != sum(range(options.tasks)):
        raise SystemExit(f"{options.tasks} tasks gave {total}")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
