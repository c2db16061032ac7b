"""`histo run` without its start-up: the time from configuration and dataset to histograms, again.

``python -m benchmarks.inside CONFIG DATASET --repeat N`` prints the seconds of each repetition.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runtime.startup import quick_start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--scheduler", default="threads")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    quick_start()  # as the command does, before it imports what reads these variables

    from benchmarks.peers.common import repeated
    from histo.run import run
    from runtime.memory import reuse_memory
    from runtime.scheduler import parse_scheduler
    from schemas.dataset import open_dataset
    from schemas.histo_config import HistoConfig
    from schemas.load import load_model

    reuse_memory()
    scheduler = parse_scheduler(options.scheduler, None)

    def work() -> None:
        config = load_model(options.config, HistoConfig)
        run(config, [open_dataset(options.dataset)], scheduler=scheduler)

    work()  # imports what it needs
    print(json.dumps(repeated(work, options.repeat)))


if __name__ == "__main__":
    main()
