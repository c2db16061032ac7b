"""One writer at a time: real processes on one output."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from schemas import open_dataset

LOCK = "_lock"


@pytest.fixture
def slow(tiny: Path) -> Path:
    """A configuration whose run lasts long enough to be stopped among 150 partitions."""
    path = tiny.with_name("slow.yaml")
    path.write_text(
        yaml.safe_dump(yaml.safe_load(tiny.read_text()) | {"storage": {"partition_events": 4}})
    )
    return path


@pytest.fixture
def stopped(
    slow: Path, tmp_path: Path, start: Callable, await_path: Callable
) -> subprocess.Popen[str]:
    """A run that holds the lock of ``out`` and does not go on."""
    process = start("run", slow, "-o", tmp_path / "out")
    await_path(tmp_path / "out", "sample=s/part-*.parquet", process)
    process.send_signal(signal.SIGSTOP)
    return process


def change(lock: Path, **values: object) -> dict[str, object]:
    """Write a lock with other values."""
    found = json.loads(lock.read_text()) | values
    lock.write_text(json.dumps(found))
    return found


def test_a_second_writer_is_refused_with_who_holds_the_output_since_when(
    slow: Path, stopped: subprocess.Popen[str], tmp_path: Path, skim: Callable
) -> None:
    result = skim("run", slow, "-o", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    said = rf"Error: output '.*out' is being written by process {stopped.pid} of \w+ on \S+ since "
    said += r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\S+ \(skim run .*slow.yaml -o .*out\); wait for it"
    assert re.match(said, result.stderr)
    assert (tmp_path / "out" / LOCK).exists()


def test_nobody_else_is_disturbed(
    tiny: Path, undisturbed: Path, tmp_path: Path, skim: Callable, start: Callable,
    await_path: Callable,
) -> None:  # fmt: skip
    before = open_dataset(undisturbed).manifest
    slow = tiny.with_name("slow.yaml")
    slow.write_text(tiny.read_text().replace("partition_events: 50", "partition_events: 4"))
    process = start("run", slow, "-o", undisturbed, "--overwrite")
    await_path(undisturbed, "_journal/*.json", process)
    process.send_signal(signal.SIGSTOP)
    assert open_dataset(undisturbed).manifest == before
    assert len(open_dataset(undisturbed).arrays()) == 600
    assert skim("info", undisturbed).exit_code == 0
    assert skim("run", tiny, "-o", undisturbed, "--dry-run").exit_code == 0


def test_the_lock_of_a_process_that_is_gone_is_taken_over(
    slow: Path, stopped: subprocess.Popen[str], tmp_path: Path, skim: Callable
) -> None:
    stopped.kill()
    stopped.wait()
    result = skim("run", slow, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert f"took over the lock of process {stopped.pid} of " in result.stderr
    assert not (tmp_path / "out" / LOCK).exists()


def test_a_process_that_nobody_has_waited_for_is_gone_as_well(
    slow: Path, stopped: subprocess.Popen[str], tmp_path: Path, skim: Callable
) -> None:
    stopped.kill()
    os.waitid(os.P_PID, stopped.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    assert skim("run", slow, "-o", tmp_path / "out").exit_code == 0


def test_a_number_that_is_used_again_is_not_the_same_process(
    slow: Path, stopped: subprocess.Popen[str], tmp_path: Path, skim: Callable
) -> None:
    stopped.kill()
    stopped.wait()
    change(tmp_path / "out" / LOCK, pid=os.getpid())
    result = skim("run", slow, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert f"took over the lock of process {os.getpid()} of " in result.stderr


@pytest.mark.parametrize("where", [{"host": "lxplus7.cern.ch"}, {"machine": "another boot"}])
def test_what_another_machine_locked_is_for_its_user_to_judge(
    where: dict[str, str], slow: Path, stopped: subprocess.Popen[str], tmp_path: Path,
    skim: Callable,
) -> None:  # fmt: skip
    stopped.kill()
    stopped.wait()
    lock = tmp_path / "out" / LOCK
    host = change(lock, **where)["host"]
    result = skim("run", slow, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert f" on {host} since " in result.stderr
    assert f"if that process is gone, remove '{lock}'" in result.stderr
    lock.unlink()
    assert skim("run", slow, "-o", tmp_path / "out").exit_code == 0


@pytest.mark.parametrize("text", ["", "{}", "\xff"])
def test_a_lock_that_says_nothing_is_refused_with_what_to_do(
    text: str, tiny: Path, tmp_path: Path, skim: Callable
) -> None:
    (tmp_path / "out").mkdir()
    lock = tmp_path / "out" / LOCK
    lock.write_text(text, encoding="latin1")
    result = skim("run", tiny, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "does not say by whom; if no run is writing there, remove that file" in result.stderr
    assert lock.read_text(encoding="latin1") == text


@pytest.mark.parametrize("stale", [False, True])
def test_of_writers_that_start_together_one_writes_at_a_time(
    stale: bool, tiny: Path, undisturbed: Path, tmp_path: Path, start: Callable,
    content: Callable, await_path: Callable,
) -> None:  # fmt: skip
    output = tmp_path / "out"
    if stale:
        killed = start("run", tiny, "-o", output)
        await_path(output, LOCK, killed)
        killed.kill()
        killed.wait()
    processes = [start("run", tiny, "-o", output, "--workers", "1") for _ in range(4)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert set(codes) <= {0, 2}
    assert 0 in codes
    assert all("is being written by" in e for e, c in zip(errors, codes, strict=True) if c)
    # the stale lock is taken over once, whoever comes first
    assert sum("took over" in error for error in errors) == stale
    assert content(output) == content(undisturbed)


def test_who_lost_the_lock_writes_no_manifest(
    slow: Path, stopped: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "out" / LOCK).unlink()
    stopped.send_signal(signal.SIGCONT)
    _, stderr = stopped.communicate(timeout=120)
    assert stopped.returncode == 1
    assert "was removed meanwhile" in stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_refused_run_leaves_nothing(tiny: Path, tmp_path: Path, skim: Callable) -> None:
    output = tmp_path / "new" / "deep" / "out"
    result = skim("run", tiny, "-o", output, "--sample", "unknown")
    assert result.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_a_refused_run_leaves_a_folder_that_was_there(
    tiny: Path, tmp_path: Path, skim: Callable
) -> None:
    (tmp_path / "out").mkdir()
    assert skim("run", tiny, "-o", tmp_path / "out", "--sample", "unknown").exit_code == 2
    assert list((tmp_path / "out").iterdir()) == []
