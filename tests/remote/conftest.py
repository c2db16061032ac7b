"""A real XRootD server on a port of its own, and commands that lose patience with it soon."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from click.testing import Result

CONFIGURATION = """
all.export /data
oss.localroot {folder}
all.adminpath {folder}/admin
all.pidpath {folder}/admin
xrd.port {port}
{more}
"""

CHECKSUMS = "xrootd.chksum adler32"


class XRootD:
    """A server, and the folder that it serves as ``/data``."""

    def __init__(self, folder: Path, port: int, more: str) -> None:
        self.folder = folder
        self.port = port
        self.data = folder / "data"
        self.data.mkdir()
        (folder / "admin").mkdir()
        (folder / "xrootd.cfg").write_text(
            CONFIGURATION.format(folder=folder, port=port, more=more)
        )
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, path: object = "", port: int | None = None) -> str:
        """Return the URL of a path below the folder; by a proxy, if its port is given."""
        return f"root://127.0.0.1:{port or self.port}//data/{path}".rstrip("/")

    def put(self, *paths: Path, under: str = "") -> None:
        """Copy files or folders into what is served."""
        for path in paths:
            target = self.data / under / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target)
            else:
                shutil.copy(path, target)
        self.give_away()

    def give_away(self) -> None:
        """Let the server, which must not be root, write to everything."""
        if os.getuid() == 0:
            for path in [self.folder, self.folder / "admin", self.data, *self.data.rglob("*")]:
                shutil.chown(path, "nobody")
        self.folder.chmod(0o755)

    def start(self) -> None:
        self.give_away()
        user = ["-R", "nobody"] if os.getuid() == 0 else []
        command = ["xrootd", "-c", str(self.folder / "xrootd.cfg"), *user]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise TimeoutError((self.folder / "log").read_text())

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def send(self, signum: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(signum)


StartServer = Callable[..., AbstractContextManager[XRootD]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def run_server(more: str = CHECKSUMS) -> Iterator[XRootD]:
    # not below pytest's folders, into which a server that is not root may not look
    folder = Path(tempfile.mkdtemp(prefix="l1skim-xrootd-"))
    server = XRootD(folder, free_port(), more)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def start_server() -> StartServer:
    """How to start a server that a test may destroy."""
    if not shutil.which("xrootd"):
        pytest.skip("there is no xrootd here; on Debian: apt-get install xrootd-server")
    pytest.importorskip("XRootD", reason="the extra 'xrootd' is not installed")
    return run_server


@pytest.fixture(scope="session")
def shared_server(
    start_server: StartServer, ntuples: list[Path], dataset: Path
) -> Iterator[XRootD]:
    """A server of the ntuples and of a dataset of all that is in them; not to be changed."""
    with start_server() as server:
        server.put(*ntuples, under="ntuples")
        server.put(dataset)
        yield server


@pytest.fixture
def server(start_server: StartServer) -> Iterator[XRootD]:
    """A server that serves nothing yet."""
    with start_server() as started:
        yield started


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a second where users would a minute."""
    monkeypatch.setenv("L1SKIM_REMOTE_TIMEOUT", "2")
    monkeypatch.setenv("L1SKIM_REMOTE_WAIT", "0.1")


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """A configuration that keeps everything, in partitions that are parts of a file."""
    path = tmp_path / "everything.yaml"
    path.write_text('schema: fastpuppi\nkeep: {"*": all}\nstorage: {partition_events: 60}\n')
    return path


@pytest.fixture(scope="session")
def histo() -> Callable[..., Result]:
    """The command ``histo``: call it with its arguments."""
    from click.testing import CliRunner

    from histo.cli import main

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return call
