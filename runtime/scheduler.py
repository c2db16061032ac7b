"""Where work runs: threads, processes, a Dask cluster that is already there, or a batch system."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from schemas.errors import UsageError, nearest

BATCH_SYSTEMS: Mapping[Literal["htcondor", "slurm"], str] = {
    "htcondor": "condor_submit",
    "slurm": "sbatch",
}
"""Batch systems whose jobs can be workers, and the command that submits a job to each."""

BATCH_WORKERS = 20
"""Workers on a batch system unless a number is given: as many as anyone may have."""


def usable_cpus() -> int:
    """Count the processors that this process may use, not those that the machine has.

    Returns
    -------
    int
        At least 1. Batch systems and containers often pin a job to a few processors.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Scheduler:
    """Where the tasks of a run are carried out.

    Attributes
    ----------
    kind
        ``threads`` of this process, new ``processes`` on this machine, a running ``cluster``, or
        jobs of ``htcondor`` or ``slurm``.
    address
        ``tcp://host:port`` or ``tls://host:port`` of a cluster's scheduler; empty otherwise.
    workers
        How many tasks run at a time. A cluster has the workers it has and takes no notice.
    patience
        Seconds to wait for a worker while a cluster has none: a lost one may be replaced. Jobs of
        a batch system are waited for as long as it has them.
    """

    kind: Literal["threads", "processes", "cluster", "htcondor", "slurm"] = "threads"
    address: str = ""
    workers: int = field(default_factory=usable_cpus)
    patience: float = 60.0

    @property
    def at_once(self) -> Scheduler:
        """Where work goes that is over before a job of a batch system would start."""
        if self.kind in BATCH_SYSTEMS:
            return replace(self, kind="threads", workers=usable_cpus())
        return self


def parse_scheduler(text: str, workers: int | None = None) -> Scheduler:
    """Understand the options ``--scheduler`` and ``--workers``.

    Parameters
    ----------
    text
        ``threads``, ``processes``, a batch system, or the address of a running cluster's scheduler.
    workers
        How many tasks run at a time; None for one on each usable processor, `BATCH_WORKERS` on a
        batch system.

    Returns
    -------
    Scheduler
        What was asked for. Whether a cluster answers is found out by the first run on it.

    Raises
    ------
    UsageError
        For anything else, with the nearest thing that would have been understood; for a batch
        system to which nothing can be submitted from here.

    Examples
    --------
    >>> parse_scheduler("threads", 4)
    Scheduler(kind='threads', address='', workers=4, patience=60.0)
    >>> parse_scheduler("tcp://login7:8786").address
    'tcp://login7:8786'
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be at least 1, not {workers}")
    if "://" in text:
        if workers is not None:
            raise UsageError(
                f"--workers has no effect on the cluster at {text}, which has the workers it has; "
                "leave it out"
            )
        return Scheduler(kind="cluster", address=_checked_address(text))
    count = usable_cpus() if workers is None else workers
    if text == "threads":
        return Scheduler(kind="threads", workers=count)
    if text == "processes":
        return Scheduler(kind="processes", workers=count)
    for system, submit in BATCH_SYSTEMS.items():
        if text == system:
            _require_submission(system, submit)
            return Scheduler(kind=system, workers=workers or BATCH_WORKERS)
    raise UsageError(_misunderstood(text))


def _require_submission(system: str, submit: str) -> None:
    """Require what it takes to submit jobs."""
    for module, package in (("dask_jobqueue", "dask-jobqueue"), ("cryptography", "cryptography")):
        if importlib.util.find_spec(module) is None:
            raise UsageError(
                f"--scheduler {system} needs the package {package}: pip install 'l1skim[batch]'"
            )
    if shutil.which(submit) is None:
        raise UsageError(
            f"--scheduler {system}: there is no command {submit} here; run this where jobs are "
            "submitted, or give the address of a Dask cluster, as in --scheduler tcp://host:8786"
        )


def _checked_address(text: str) -> str:
    """Return the address of a cluster if it has all its parts."""
    parts = urlsplit(text)
    if parts.scheme not in ("tcp", "tls"):
        raise UsageError(
            f"cannot reach a cluster by {parts.scheme}:// as in --scheduler {text}; "
            "its scheduler says at start which tcp:// or tls:// address it has"
        )
    try:
        complete = bool(parts.hostname) and parts.port is not None
    except ValueError:  # a port that is not a number, or too high a one
        complete = False
    if not complete or parts.path not in ("", "/"):
        raise UsageError(f"expected {parts.scheme}://host:port for --scheduler, got {text!r}")
    return text.removesuffix("/")


def _misunderstood(text: str) -> str:
    host, _, port = text.rpartition(":")
    if host and port.isdigit():
        return f"unknown --scheduler {text!r}; did you mean 'tcp://{text}'?"
    known = ["threads", "processes", "tcp://host:port", *BATCH_SYSTEMS]
    return f"unknown --scheduler {text!r}; {nearest(text, known)}"
