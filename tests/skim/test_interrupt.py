"""Ctrl-C and SIGTERM: a run stops within seconds, says how to go on, and can be gone on with."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PARTS = "sample=s/part-*.parquet"


@pytest.fixture
def slow(tiny: Path) -> Path:
    """A configuration with 150 partitions, more than is done before a signal."""
    path = tiny.with_name("slow.yaml")
    path.write_text(tiny.read_text().replace("partition_events: 50", "partition_events: 4"))
    return path


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
@pytest.mark.parametrize(
    ("how", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
)
def test_an_interrupted_run_says_how_to_go_on_and_is_gone_on_with(
    how: signal.Signals, code: int, word: str, scheduler: str, slow: Path, tmp_path: Path,
    start: Callable, await_path: Callable, skim: Callable, content: Callable,
) -> None:  # fmt: skip
    output = tmp_path / "out"
    process = start("run", slow, "-o", output, "--workers", 2, "--scheduler", scheduler)
    await_path(output, "_journal/*.json", process, 5)
    process.send_signal(how)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "")
    said = rf"\n{word}: (\d+) of 150 partitions are done; run the same command again to go on\.\n"
    found = re.fullmatch(said, stderr)
    assert found, stderr
    assert not (output / "manifest.json").exists()
    assert not (output / "_lock").exists()
    assert not list(output.rglob("*.tmp"))

    receipts = {path.name for path in output.glob("_journal/*.json")}
    assert 5 <= int(found[1]) <= len(receipts) < 150
    done = {path.name: path.stat() for path in output.glob(PARTS)}
    numbers = {int(name.split("-")[1]) for name in done}
    assert {int(name.split("-")[1].split(".")[0]) for name in receipts} <= numbers
    assert skim("run", slow, "-o", output).exit_code == 0
    assert skim("run", slow, "-o", tmp_path / "whole").exit_code == 0
    assert content(output) == content(tmp_path / "whole")
    kept = [n for n, s in done.items() if os.path.samestat(s, next(output.rglob(n)).stat())]
    assert len(kept) >= len(receipts)  # what was done is not done again


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    pytest.importorskip("XRootD", reason="waiting for a server needs its client")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_task_that_hangs_is_abandoned(
    tiny: Path, silent: str, tmp_path: Path, start: Callable, await_path: Callable
) -> None:
    hangs = f"s=root://{silent}//hangs.root"
    process = start("run", tiny, "--files", hangs, "-o", tmp_path / "out", "--workers", 2)
    await_path(tmp_path / "out", "_lock", process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, "\nInterrupted.\n")
    assert not (tmp_path / "out").exists()
