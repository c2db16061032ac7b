"""Servers that die, come back, stall or crawl: a wait and then the right answer, or an error."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas import open_dataset
from schemas.errors import RemoteError
from schemas.remote_file import RemoteFile
from tests.remote.conftest import free_port
from tests.remote.proxy import Network, proxy
from tests.remote.test_stages import contents

if TYPE_CHECKING:
    from click.testing import Result

    from tests.remote.conftest import XRootD

Command = Callable[..., "Result"]


@pytest.fixture
def content(server: XRootD) -> bytes:
    """Of ``big``: more than one request takes."""
    whole = bytes(range(256)) * 100_000
    (server.data / "big").write_bytes(whole)
    server.give_away()
    return whole


@pytest.fixture
def network(server: XRootD) -> Iterator[Network]:
    """What lies between clients and the server."""
    with proxy(server.port) as opened:
        yield opened


def ranges(content: bytes) -> list[tuple[int, int]]:
    size = len(content)
    return [(0, 1000), (size // 3, size // 3 + 5_000_000), (size - 6_000_000, size), (7, 7)]


def right(content: bytes, found: list[object]) -> bool:
    expected = [content[start:stop] for start, stop in ranges(content)]
    return [bytes(part) for part in found] == expected  # type: ignore[call-overload]


def results(file: RemoteFile, content: bytes) -> list[object]:
    return [part.result() for part in file.request(ranges(content))]


def test_no_server_is_said_within_the_patience(
    skim: Command, everything: Path, tmp_path: Path
) -> None:
    url = f"root://127.0.0.1:{free_port()}//data/a.root"
    done = skim("run", everything, "-o", tmp_path / "d", "--files", f"a={url}")
    assert done.exit_code == 1
    warning, *_, error = done.stderr.splitlines()
    assert warning.startswith(f"WARNING: {url}: cannot be opened: Connection error; trying again")
    assert warning.endswith("(attempt 2 of 4)")
    assert len([line for line in done.stderr.splitlines() if "trying again" in line]) == 3
    assert error.startswith(f"Error: {url}: cannot be opened: Connection error (tried 4 times in ")
    assert error.endswith("see that the server is up, then run the same command again")


def test_a_name_that_no_server_has_is_not_tried_again(skim: Command) -> None:
    done = skim("inspect", "root://no-such-host.invalid//data/a.root")
    assert done.exit_code == 1
    assert done.stderr.endswith("cannot be opened: no server of that name\n")
    assert "retr" not in done.stderr


def test_a_server_that_comes_back_is_read_on(
    server: XRootD, content: bytes, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("L1SKIM_REMOTE_WAIT", "1")
    with RemoteFile(server.url("big")) as file:
        assert right(content, results(file, content))
        server.kill()
        timer = threading.Timer(0.7, server.start)
        timer.start()
        assert right(content, results(file, content))
        timer.join()
        assert file.opening == 2
    assert "cannot be read" in caplog.text


def test_requests_under_way_when_a_server_dies_are_repeated_once_for_all(
    server: XRootD, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with RemoteFile(server.url("big")) as file:
        server.send(signal.SIGSTOP)
        parts = file.request([(start, start + 2_000_000) for start in range(0, 24_000_000, 2**21)])
        server.kill()
        server.start()
        for start, part in zip(range(0, 24_000_000, 2**21), parts, strict=True):
            assert bytes(part.result()) == content[start : start + 2_000_000]
        assert file.opening == 2
    assert len([r for r in caplog.records if "trying again" in r.message]) <= 2


def test_a_stalled_connection_is_given_up_for_another(
    server: XRootD, network: Network, content: bytes
) -> None:
    network.stall_after[0] = 3_000_000
    with RemoteFile(server.url("big", network.port)) as file:
        assert right(content, results(file, content))
    assert network.connections >= 2


def test_a_server_that_stalls_for_good_is_an_error(server: XRootD, content: bytes) -> None:
    with RemoteFile(server.url("big")) as file:
        server.send(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(RemoteError, match=r"big: cannot be read: .*\(tried 4 times in \d+ s\)"):
            results(file, content)
        assert time.monotonic() - started < 60  # and not the half hour of the library's own
        server.send(signal.SIGCONT)


def test_a_slow_server_is_waited_for(
    server: XRootD, network: Network, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    network.delay, network.lot = 0.01, 200_000
    with RemoteFile(server.url("big", network.port)) as file:
        assert right(content, results(file, content))
    assert not caplog.records


def test_histograms_survive_a_server_that_restarts(
    server: XRootD, dataset: Path, histo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L1SKIM_REMOTE_WAIT", "1")
    server.put(dataset)
    config = tmp_path / "h.yaml"
    config.write_text("histograms: {h: {fill: {pt: {axis: [10, 0, 100]}}, for: {TkEleL2: all}}}\n")
    assert histo("run", config, dataset, "-o", tmp_path / "local.root").exit_code == 0
    server.kill()
    timer = threading.Timer(0.7, server.start)
    timer.start()
    done = histo("run", config, server.url("dataset"), "-o", tmp_path / "remote.root")
    timer.join()
    assert done.exit_code == 0, done.output
    assert "of remote requests" in done.stderr
    assert histo("diff", tmp_path / "local.root", tmp_path / "remote.root").exit_code == 0


def test_a_dataset_on_a_lost_server_is_not_a_damaged_one(server: XRootD, dataset: Path) -> None:
    server.put(dataset)
    opened = open_dataset(server.url("dataset"))
    server.kill()
    with pytest.raises(RemoteError, match=r"sample=doubleele/part-.*parquet: cannot be opened"):
        opened.arrays(["GenEl.pt"])


@pytest.mark.parametrize("lost", ["ntuples", "output"])
def test_a_skim_that_loses_its_server_is_completed_by_the_same_command(
    server: XRootD, network: Network, dataset: Path, ntuples: list[Path], everything: Path,
    skim: Command, tmp_path: Path, lost: str,
) -> None:  # fmt: skip
    server.put(*ntuples, under="ntuples")
    if lost == "ntuples":
        files, output = server.url("ntuples/*.root", network.port), str(tmp_path / "d")
        folder = tmp_path / "d"
    else:
        files, output = f"{ntuples[0].parent}/*.root", server.url("d", network.port)
        folder = server.data / "d"
    command = ["run", everything, "-o", output, "--files", f"doubleele={files}", "--workers", "1"]
    watcher = threading.Thread(target=lose, args=(server, folder))
    watcher.start()
    # a process of its own, for its lock stays behind, and counts as long as its process runs
    program = [sys.executable, "-c", "from skim.cli import main; main()"]
    done = subprocess.run([*program, *map(str, command)], capture_output=True, text=True)
    watcher.join()
    assert done.returncode == 1, done.stderr
    assert "see that the server is up" in done.stderr
    assert not (folder / "manifest.json").exists()
    server.start()
    again = skim(*command)
    assert again.exit_code == 0, again.output
    assert contents(folder) == contents(dataset)
    files_left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert files_left == {"manifest.json"} | {Path(name).name for name in contents(dataset)}


def lose(server: XRootD, folder: Path) -> None:
    """Kill a server when a run has made its second partition."""
    for _ in range(6000):
        if len(list(folder.glob("sample=*/part-*.parquet"))) >= 2:
            break
        time.sleep(0.002)
    server.kill()
