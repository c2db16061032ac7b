"""Real batch systems: Slurm on this machine alone, and HTCondor where there is one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.batch import Batch

SLURM = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=defer,sched_interval=1
ReturnToService=2
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=60 State=UP
"""


@pytest.fixture(scope="session", params=["slurm", "htcondor"])
def system(request: pytest.FixtureRequest) -> str:
    """Each batch system in turn."""
    if request.param == "slurm":
        request.getfixturevalue("slurmctld")
    elif not shutil.which("condor_q") or subprocess.run(["condor_q"]).returncode:
        pytest.skip("HTCondor does not run here")
    return str(request.param)


@pytest.fixture
def batch(system: str, tmp_path: Path) -> Iterator[Batch]:
    """A batch system without jobs; those of a test end with it."""
    if system == "slurm":
        found = Batch("slurm", ["squeue", "--noheader"], tmp_path / "cache")
        yield found
        subprocess.run(["scancel", "--name=dask-worker"], check=True)
    else:
        found = Batch("htcondor", ["condor_q", "-autoformat", "ClusterId"], tmp_path / "cache")
        yield found
        if found.jobs():
            subprocess.run(["condor_rm", *found.jobs()], check=True)
    found.await_end()


@pytest.fixture(scope="session")
def slurmctld(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Slurm with two processors, found by the environment; skips where it is not installed."""
    if not shutil.which("slurmctld") or not shutil.which("munged"):
        pytest.skip("Slurm is not installed (slurm-wlm, munge)")
    folder = tmp_path_factory.mktemp("slurm")
    for inner in ("state", "spool"):
        (folder / inner).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    (folder / "slurm.conf").write_text(
        SLURM.format(host=host, user=user, folder=folder, ports=_free_ports())
    )
    munge = {
        name: f"--{name}={folder / 'munge'}.{name}"
        for name in ("pid-file", "log-file", "seed-file")
    }
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        for command in (
            ["munged", "--foreground", "--force", f"--key-file={key}",
             f"--socket={folder}/munge.sock", *munge.values()],
            ["slurmctld", "-D"],
            ["slurmd", "-D"],
        ):  # fmt: skip
            log = stack.enter_context((folder / f"{command[0]}.out").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(_end, process)
        _await_node(folder)
        yield


def _free_ports() -> list[int]:
    with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as other:
        return [one.getsockname()[1], other.getsockname()[1]]


def _await_node(folder: Path) -> None:
    for _ in range(300):
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, check=False
        )
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.1)
    logs = "\n".join(path.read_text() for path in folder.glob("*.out"))
    raise AssertionError(f"Slurm did not start: {done.stdout}{done.stderr}\n{logs}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=30)
