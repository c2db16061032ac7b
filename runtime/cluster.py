"""Run work on a Dask cluster that is already there."""

from __future__ import annotations

import logging
import queue
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runtime.scheduler import Scheduler
from runtime.work import Work
from schemas.errors import RunError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future, Security

ANSWER_WITHIN = 8.0
"""Seconds that a scheduler has to answer a new client; Dask's own 30 s try anyone's patience."""

_LOOK_EVERY = 1.0  # seconds between looks at the workers while no task finishes


def run_on_cluster(work: Work, scheduler: Scheduler) -> list[Any]:
    """Run a graph on a cluster that is already there.

    Parameters
    ----------
    work
        What to run.
    scheduler
        Of kind ``cluster``.

    Returns
    -------
    list
        The wanted results, in their order.

    Raises
    ------
    RunError
        If the cluster cannot be reached, goes away, has no workers for longer than
        ``scheduler.patience``, or if a task keeps killing its workers.
    Exception
        Whatever the first failing node raised.
    """

    def give_up(waited: float) -> None:
        if waited > scheduler.patience:
            raise RunError(
                f"the cluster at {scheduler.address} has had no workers for "
                f"{scheduler.patience:.0f} s: start workers (dask worker ADDRESS), then run the "
                "same command again"
            )

    return follow(work, scheduler.address, give_up)


def follow(
    work: Work,
    address: str,
    without_workers: Callable[[float], None],
    security: Security | None = None,
) -> list[Any]:
    """Run a graph on the cluster at an address.

    A worker that is lost costs nothing but time: Dask repeats elsewhere what it had.

    On two workers 1,000 empty tasks take 2 s, nearly all of it spent idle until Dask sends its
    next batch of messages. Each worker has its next task waiting, so tasks of more than 5 ms
    hide this; grouping them would only make the groups harder to share out.

    Parameters
    ----------
    work
        What to run.
    address
        Of the cluster's scheduler.
    without_workers
        Called about once a second while the cluster has no workers, with the seconds since it had
        any; raises an error to give up.
    security
        Certificates of the cluster; by default those of Dask's own configuration.

    Returns
    -------
    list
        The wanted results, in their order.

    Raises
    ------
    RunError, Exception
        As in `run_on_cluster`.
    """
    with _connect(address, security) as client:
        # futures die with their client, and with them all that has not started yet
        return _Run(work, address, without_workers, client).collect()


class _Run:
    """The futures of one graph on a cluster, on their way to results."""

    def __init__(
        self, work: Work, address: str, without_workers: Callable[[float], None], client: Client
    ) -> None:
        self.work = work
        self.address = address
        self.without_workers = without_workers
        self.client = client
        self.reports: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.last_seen = time.monotonic()

    def collect(self) -> list[Any]:
        """Submit everything, follow it, and return the wanted results."""
        import dask

        wanted = set(self.work.wanted)
        keys = list(wanted.union(self.work.keys_of_partitions()))
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            futures = self.client.get(self.work.graph, keys, sync=False)
        waiting = len(futures)
        for future in futures:
            future.add_done_callback(self.reports.put)
        # the list would keep all partial results on the cluster until the end
        del futures, future

        results: dict[Any, Any] = {}
        while waiting:
            finished = self.next_reports()
            waiting -= len(finished)
            for future in finished:
                self.check(future)
            arrived = [future for future in finished if future.key in wanted]
            results.update(
                zip((future.key for future in arrived), self.gather(arrived), strict=True)
            )
            partitions = sum(self.work.is_partition(future.key) for future in finished)
            if partitions:
                self.work.progress(partitions)
        return [results[key] for key in self.work.wanted]

    def next_reports(self) -> list[Future]:
        """Wait for futures that are done one way or another; look after the workers meanwhile."""
        while True:
            try:
                finished = [self.reports.get(timeout=_LOOK_EVERY)]
            except queue.Empty:
                self.look_after_workers()
                continue
            while not self.reports.empty():
                finished.append(self.reports.get())
            self.last_seen = time.monotonic()
            return finished

    def look_after_workers(self) -> None:
        """Let it be decided what to do if there are none."""
        try:
            if self.client.nthreads():
                self.last_seen = time.monotonic()
                return
        except (OSError, CancelledError) as error:
            raise self.lost() from error
        self.without_workers(time.monotonic() - self.last_seen)

    def check(self, future: Future) -> None:
        """Raise what went wrong with a future, if anything did."""
        from distributed import KilledWorker

        if future.status == "finished":
            return
        if future.status != "error":
            raise self.lost()
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise RunError(
                f"{error.allowed_failures + 1} workers of the cluster at {self.address} "
                f"died one after another while they ran {self.work.describe([error.task])}. If "
                "they ran out of memory, use smaller partitions or workers with more memory; "
                f"then run the same command again. Last was {error.last_worker.address}, whose "
                "log may tell more"
            ) from error
        if isinstance(error, ModuleNotFoundError) or "deserialization of the task" in str(error):
            # the second is Dask's wording for the same, when it happens in the scheduler
            missing = (
                f"cannot import {error.name!r}" if isinstance(error, ImportError) else "differs"
            )
            raise RunError(
                f"the environment of the cluster at {self.address} {missing}: install "
                "there what is installed here, in the same versions, l1skim included"
            ) from error
        raise error.with_traceback(future.traceback())

    def gather(self, futures: list[Future]) -> list[Any]:
        """Fetch results."""
        try:
            return list(self.client.gather(futures)) if futures else []
        except (OSError, CancelledError) as error:
            raise self.lost() from error

    def lost(self) -> RunError:
        """Return the error for a cluster that went away."""
        return RunError(
            f"lost the connection to the cluster at {self.address}: its scheduler ended "
            "or the network failed. When it is back, run the same command again"
        )


@contextmanager
def _connect(address: str, security: Security | None) -> Iterator[Client]:
    """Open a connection to a cluster's scheduler."""
    _probe(address)
    from distributed import Client, Security

    with silenced():
        try:
            security = security or Security()  # which is Dask's own configuration
            if address.startswith("tls:") and not _has_certificates(security):
                # a client that finds this out by itself hangs when the process ends
                raise UsageError(
                    f"{address} needs certificates: name those of the cluster under "
                    "distributed.comm.tls in ~/.config/dask/distributed.yaml"
                )
            client = Client(address, timeout=ANSWER_WITHIN, security=security, set_as_default=False)
        except (OSError, RuntimeError) as error:
            raise _unreachable(address, str(error) or type(error).__name__) from error
        with client:
            yield client


def _has_certificates(security: Security) -> bool:
    return security.get_connection_args("client")["ssl_context"] is not None


def _probe(address: str) -> None:
    """Find out at once, without any of Dask, whether something like a scheduler is there.

    Dask itself asks again for as long as nothing listens, and waits forever if what listens
    says nothing. A scheduler speaks first, at once.
    """
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname, parts.port), ANSWER_WITHIN) as connection:
            connection.settimeout(ANSWER_WITHIN)
            if parts.scheme == "tcp" and not connection.recv(1):
                raise _unreachable(address, "what listens there hung up")
    except TimeoutError as error:
        raise _unreachable(address, f"no answer within {ANSWER_WITHIN:.0f} s") from error
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error


def _unreachable(address: str, reason: str) -> RunError:
    return RunError(
        f"cannot reach a Dask scheduler at {address}: {reason}. Is it running there "
        "(dask scheduler), and can this machine reach it?"
    )


@contextmanager
def silenced() -> Iterator[None]:
    """Keep Dask from logging what it does, and tracebacks of what becomes an error anyway."""
    import distributed

    known = [name for name in logging.root.manager.loggerDict if name.startswith("distributed.")]
    loggers = [logging.getLogger(name) for name in (distributed.__name__, *known)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        if not logging.getLogger("runtime").isEnabledFor(logging.DEBUG):
            logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
