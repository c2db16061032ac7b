"""Run work on a Dask cluster whose workers are jobs of a batch system, for as long as it takes.

dask-jobqueue writes the jobs, submits and ends them, as Dask's own configuration says under
``jobqueue.slurm`` or ``jobqueue.htcondor``. Here is what it leaves to others: errors of the
submission, jobs that never become workers, and connections that nobody else can use, since who
can talk to a Dask scheduler can run code as its user.
"""

from __future__ import annotations

import getpass
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.cluster import follow, silenced
from runtime.scheduler import Scheduler
from runtime.work import Work
from schemas.errors import RunError, UsageError

if TYPE_CHECKING:
    from dask_jobqueue import JobQueueCluster
    from distributed import Security

logger = logging.getLogger(__name__)

ASK_EVERY = 5.0
"""Seconds between questions to the batch system while there are no workers."""

STARTS_WITHIN = 300.0
"""Seconds after which a running job has to be a worker; by default, workers try for 60 s."""

_HELD = "held"
_RUNNING = "running"


class _System(NamedTuple):
    """What differs between batch systems.

    Attributes
    ----------
    cluster
        Class of dask-jobqueue.
    options
        What a job asks for unless Dask's configuration says otherwise, beside processors.
    queue
        Command that prints number, state and a reason of each job of the user, one a line.
    states
        What the states are called that it prints as numbers.
    """

    cluster: str
    options: Mapping[str, str]
    queue: Sequence[str]
    states: Mapping[str, str]


def _system(kind: str) -> _System:
    if kind == "slurm":
        queue = ["squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i %T %r"]
        return _System("SLURMCluster", {}, queue, {})
    queue = ["condor_q", "-autoformat:j", "JobStatus", "HoldReason"]
    states = {"1": "idle", "2": _RUNNING, "3": "removed", "4": "completed", "5": _HELD}
    return _System("HTCondorCluster", {"disk": "1 GiB"}, queue, states)


def run_in_jobs(work: Work, scheduler: Scheduler, workers: int) -> list[Any]:
    """Run a graph on workers that are started for it, and ended after it.

    Parameters
    ----------
    work
        What to run.
    scheduler
        Of the kind of a batch system.
    workers
        Number of tasks to run at a time.

    Returns
    -------
    list
        The wanted results, in their order.

    Raises
    ------
    UsageError
        If Dask's configuration of the jobs does not do.
    RunError
        If jobs cannot be submitted, if all have ended or are held while work is left, or if a task
        keeps killing its workers.
    Exception
        Whatever the first failing node raised.
    """
    kind = scheduler.kind
    with (
        silenced(),
        _folder(kind) as folder,
        _certificates(folder) as security,
        _cluster(kind, folder, security) as cluster,
    ):
        jobs = _submit(cluster, kind, workers)
        return follow(work, cluster.scheduler_address, jobs.look, security)


def _jobqueue() -> ModuleType:
    """Import dask-jobqueue without the handler that it installs: Ctrl-C would look like success."""
    before = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    signal.signal(signal.SIGINT, before)
    module: ModuleType = dask_jobqueue
    return module


def _configured(kind: str, key: str, default: Any) -> Any:
    """Return what Dask's configuration says of jobs."""
    import dask

    return dask.config.get(f"jobqueue.{kind}.{key}", None) or default


def _workers_of_a_job(kind: str) -> int:
    """Return the number of processes of a job: one a core, since a task keeps to one thread."""
    return int(_configured(kind, "processes", _configured(kind, "cores", 1)))


@contextmanager
def _folder(kind: str) -> Iterator[Path]:
    """Make a folder, seen by all machines, for what jobs write; it stays if that may tell why."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l1skim"
    parent = Path(os.path.expandvars(_configured(kind, "shared-temp-directory", home))).expanduser()
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="jobs-", dir=parent))  # open to its owner alone
    kept = False
    try:
        yield folder
    except RunError:
        kept = any(folder.iterdir())
        if kept:
            logger.warning("what the jobs wrote is kept in %s", folder)
        raise
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)  # jobs that are just ending may write there


@contextmanager
def _certificates(folder: Path) -> Iterator[Security]:
    """Make certificates, as files that workers can read, for one run."""
    from distributed import Security

    made = Security.temporary().get_tls_config_for_role("worker")
    with tempfile.TemporaryDirectory(prefix="tls-", dir=folder) as inner:
        paths = {}
        for name in ("ca_file", "cert", "key"):
            path = Path(inner) / f"{name}.pem"
            path.write_text(made[name])
            paths[name] = str(path)
        ends = [
            f"tls_{role}_{name}"
            for role in ("client", "scheduler", "worker")
            for name in ("cert", "key")
        ]
        yield Security(
            require_encryption=True,
            tls_ca_file=paths["ca_file"],
            **{end: paths[end.rpartition("_")[2]] for end in ends},
        )


@contextmanager
def _cluster(kind: str, folder: Path, security: Security) -> Iterator[JobQueueCluster]:
    """Start the scheduler of a cluster in this process; end its jobs, and it, after use."""
    jobqueue = _jobqueue()
    system = _system(kind)
    cores = _configured(kind, "cores", 1)
    try:
        cluster = getattr(jobqueue, system.cluster)(
            cores=cores,
            processes=_workers_of_a_job(kind),
            memory=_configured(kind, "memory", f"{2 * cores} GiB"),
            **{key: _configured(kind, key, default) for key, default in system.options.items()},
            log_directory=_configured(kind, "log-directory", str(folder)),
            security=security,
            scheduler_options={
                "dashboard": False,
                "dashboard_address": ":0",
                **_configured(kind, "scheduler-options", {}),
            },
        )
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Dask's configuration of jobqueue.{kind} (in ~/.config/dask) does not do: {error}"
        ) from error
    with cluster:
        yield cluster


def _submit(cluster: JobQueueCluster, kind: str, workers: int) -> _Jobs:
    """Submit as many jobs as have this number of workers."""
    from distributed.core import Status

    async def submit() -> None:
        for _ in range(0, workers, _workers_of_a_job(kind)):
            cluster.worker_spec.update(cluster.new_worker_spec())
        await cluster  # errors of `cluster.scale`, which does the same, would be nobody's

    try:
        cluster.sync(submit)
    except (OSError, RuntimeError, ValueError) as error:
        for job in cluster.workers.values():
            if job.status == Status.created:  # a cluster cannot be closed with such jobs
                job.status = Status.failed
        said = str(error).partition("stderr:\n")[2] or str(error)
        raise RunError(
            f"cannot submit jobs to {kind}: {' '.join(said.split())}. What jobs ask for is in "
            f"Dask's configuration: jobqueue.{kind} in ~/.config/dask/jobqueue.yaml"
        ) from error
    submitted = list(cluster.workers.values())
    logger.info("submitted %d jobs to %s", len(submitted), kind)
    return _Jobs(
        kind,
        ids={str(job.job_id) for job in submitted},
        logs=Path(submitted[0].log_directory),
        address=cluster.scheduler_address,
    )


class _Jobs:
    """Jobs that are to become workers."""

    def __init__(self, kind: str, ids: Collection[str], logs: Path, address: str) -> None:
        self.kind = kind
        self.ids = ids
        self.logs = logs
        self.address = address
        self.last_look = time.monotonic()
        self.last_idle = time.monotonic()  # when none was running
        self.last_report = ""

    def look(self, waited: float) -> None:
        """See what has become of the jobs while none of them is a worker."""
        now = time.monotonic()
        if min(waited, now - self.last_look) < ASK_EVERY:
            return
        self.last_look = now
        left = self.ask()
        if left is None:
            return
        if not left:
            raise RunError(
                f"all {len(self.ids)} jobs of {self.kind} have ended, and work is left. "
                f"{_last_words(self.logs)}. If their time was over, ask for more of it, or for "
                "more --workers; then run the same command again"
            )
        report = ", ".join(f"{found.number} {found}" for found in left)
        if all(found.state == _HELD for found in left):
            raise RunError(f"{self.kind} holds all jobs that are left: {report}")
        if not any(found.state == _RUNNING for found in left):
            self.last_idle = now
        elif min(waited, now - self.last_idle) > STARTS_WITHIN:
            raise RunError(
                f"jobs of {self.kind} have been running for {STARTS_WITHIN:.0f} s, and none of "
                f"them is a worker. {_last_words(self.logs)}. They must see this installation of "
                f"Python, and reach {self.address}"
            )
        self.report(f"waiting for workers: jobs of {self.kind} are {report}")

    def report(self, text: str) -> None:
        """Say something unless it is what was said last."""
        if text != self.last_report:
            logger.warning(text)
        self.last_report = text

    def ask(self) -> list[_Found] | None:
        """Find out what the jobs in the queue do; None if that could not be found out."""
        system = _system(self.kind)
        done = subprocess.run(  # noqa: S603 - a fixed command without a shell
            system.queue, capture_output=True, text=True, check=False
        )
        if done.returncode:
            self.report(f"{system.queue[0]} failed, and is tried again: {done.stderr.strip()}")
            return None
        found: dict[str, _Found] = {}
        for line in done.stdout.splitlines():
            job, state, *reason = line.split(maxsplit=2)
            if job in self.ids:
                state = system.states.get(state, state.lower())
                found.setdefault(state, _Found(state, "".join(reason).strip())).number += 1
        return [found[state] for state in sorted(found)]


@dataclass
class _Found:
    """Jobs that are in the same state, and what is said of one of them."""

    state: str
    reason: str
    number: int = 0

    def __str__(self) -> str:
        known = self.reason not in ("", "None", "undefined")
        return f"{self.state} ({self.reason})" if known else self.state


def _last_words(logs: Path) -> str:
    """Say what the newest file that says anything says at last."""
    files = sorted(logs.glob("*.err"), key=lambda path: path.stat().st_mtime, reverse=True)
    for file in files:
        lines = file.read_text(errors="replace").strip().splitlines()
        if lines:
            return f"The last line of {file} is {lines[-1].strip()!r}"
    return f"They wrote nothing in {logs}"
