"""One writer at a time: the lock of a dataset, and who holds it.

``DATASET/_lock`` is there while a run writes. A process that is killed leaves it behind; the next
one on the same machine sees that the holder is gone and takes the lock over. What another machine
left cannot be judged from here. Readers never look at it.
"""

from __future__ import annotations

import contextlib
import datetime
import getpass
import json
import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime.target import Target
from schemas.errors import RunError, UsageError
from schemas.model import ModelError, StrictModel, from_json, to_data

logger = logging.getLogger(__name__)

LOCK = "_lock"
_MAX_BYTES = 1_000_000


class Holder(StrictModel, frozen=True, kw_only=True):
    """Who writes to a dataset.

    Attributes
    ----------
    user, host
        Names.
    machine
        Identifies the running system and its process numbers, beyond the name of the host: the
        time it was started, and the container. Empty where the system does not tell.
    pid
        Number of the process.
    started
        When it started, in ticks since the system did: a number that is used again does not
        stand for the same process. Empty where the system does not tell.
    since
        When it took the lock.
    command
        Its command line.
    token
        Random; no two locks are the same.
    """

    user: str
    host: str
    machine: str
    pid: int
    started: str
    since: str
    command: str
    token: str

    @classmethod
    def myself(cls) -> Holder:
        """Describe this process."""
        return cls(
            user=_user(),
            host=socket.gethostname(),
            machine=_machine(),
            pid=os.getpid(),
            started=_state_and_start(os.getpid())[1],
            since=datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
            command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            token=os.urandom(8).hex(),
        )

    @property
    def state(self) -> Literal["running", "gone", "unknown"]:
        """Whether the process still runs; unknown if it is none of this machine."""
        if (self.host, self.machine) != (socket.gethostname(), _machine()):
            return "unknown"
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return "gone"
        except PermissionError:
            pass  # it is another user's
        state, started = _state_and_start(self.pid)
        if state in ("Z", "X") or started != (self.started or started):
            return "gone"
        return "running"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no names for its users
        return f"user {os.getuid()}"


def _machine() -> str:
    """Identify the running system and the container: the scope in which a pid means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _state_and_start(pid: int) -> tuple[str, str]:
    """Return the state of a process and when it started, as far as they can be seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the name before may hold anything
    return fields[0], fields[19]


@dataclass(frozen=True)
class Lock:
    """A lock that is held.

    Attributes
    ----------
    target
        What it is on.
    content
        Of its file.
    """

    target: Target
    content: bytes

    def check(self) -> None:
        """Make sure that it is still held.

        Raises
        ------
        RunError
            If somebody removed it: another run may be writing now.
        """
        if self.target.read(LOCK, _MAX_BYTES) != self.content:
            raise RunError(
                f"the lock {self.target.describe(LOCK)} of this run was removed meanwhile, and "
                "another run may be writing; see that none is, then run the same command again"
            )


@contextlib.contextmanager
def locked(target: Target) -> Iterator[Lock]:
    """Hold the lock of a target, which is created if need be.

    Raises
    ------
    UsageError
        If another run holds it, or one that may still be going on another machine.
    RunError
        If the target cannot be written to.
    """
    made = target.make()
    try:
        content = (json.dumps(to_data(Holder.myself()), indent=1) + "\n").encode()
        while not target.create(LOCK, content):
            _take_over(target)
        try:
            yield Lock(target, content)
        finally:
            target.remove_if(LOCK, content)
    finally:
        target.remove_folders(made)  # if nothing came of it


def _take_over(target: Target) -> None:
    """Remove the lock of a process that is gone, or refuse."""
    content = target.read(LOCK, _MAX_BYTES)
    if content is None:
        return  # it has just been released
    where = target.describe(LOCK)
    try:
        holder = from_json(content, Holder)
    except ModelError:
        raise UsageError(
            f"output {target.describe()!r} is locked, and {where!r} does not say by whom; if no "
            "run is writing there, remove that file"
        ) from None
    who = f"process {holder.pid} of {holder.user} on {holder.host} since {holder.since}"
    state = holder.state
    if state == "gone":
        if target.remove_if(LOCK, content):
            logger.warning("took over the lock of %s, which is gone", who)
        return
    remedy = "wait for it to end, or choose another output"
    if state == "unknown":
        remedy += f"; if that process is gone, remove {where!r}"
    raise UsageError(
        f"output {target.describe()!r} is being written by {who} ({holder.command}); {remedy}"
    )
