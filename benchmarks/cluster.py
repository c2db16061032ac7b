"""A Dask cluster on this machine, one process a worker, until its standard input is closed.

``python -m benchmarks.cluster 2`` prints its address.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import environment, python


@contextlib.contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """Start a cluster in a process of its own; yields its address."""
    with subprocess.Popen(
        python("cluster", workers),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the cluster has no pipes")
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError("the cluster did not start")
        try:
            yield address
        finally:
            process.stdin.close()
            process.wait(timeout=60)


def main() -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=int(sys.argv[1]), threads_per_worker=1, dashboard_address=None, memory_limit=None
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
