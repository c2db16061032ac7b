"""What is particular to worker processes: they can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import pytest

from runtime.execute import map_reduce, run_tasks
from runtime.scheduler import Scheduler
from schemas.errors import RunError

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PROCESSES = Scheduler(kind="processes", workers=2)

WAITING = """
import os, sys, time
from pathlib import Path
from runtime.execute import run_tasks
from runtime.scheduler import parse_scheduler

def wait(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(WAIT)

if __name__ == "__main__":
    run_tasks(wait, sys.argv[2:], scheduler=parse_scheduler(sys.argv[1], 2))
"""

ANSWERING = WAITING.replace("time.sleep(WAIT)", "return bytes(300_000_000)")


def die_at_two(task: int) -> int:
    if task == 2:
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_a_killed_worker_is_an_error_that_names_its_task() -> None:
    with pytest.raises(RunError, match=r"a worker process died.*task 3 of 3 \(2\)"):
        run_tasks(die_at_two, range(3), scheduler=PROCESSES)


def test_a_killed_worker_ends_a_merge_too() -> None:
    with pytest.raises(RunError, match="a worker process died"):
        map_reduce(die_at_two, max, range(20), scheduler=PROCESSES)


def answer_at_length_and_die(task: int) -> bytes:
    if task == 1:
        time.sleep(0.5)
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return bytes(task * 10_000_000)


def test_a_worker_that_is_killed_while_it_answers_is_an_error() -> None:
    def look_away(_: int) -> None:  # from an answer that is more than a pipe holds
        time.sleep(3)

    with pytest.raises(RunError, match=r"a worker process died.*task 2 of 2"):
        run_tasks(answer_at_length_and_die, range(2), scheduler=PROCESSES, progress=look_away)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_workers_answer_ends_the_command(
    how: signal.Signals, start_script: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    notes = [tmp_path / "first", tmp_path / "second"]
    with start_script(ANSWERING, "processes", *map(str, notes)) as process:
        workers = [_read_soon(note) for note in notes]
        process.send_signal(how)
        process.communicate(timeout=30)
    assert process.returncode != 0
    for worker in workers:
        _await_end(int(worker))


def test_tasks_run_in_several_processes_and_in_one_thread_each() -> None:
    def observe(_: int) -> tuple[int, str]:
        time.sleep(0.1)
        return os.getpid(), os.environ["OMP_NUM_THREADS"]

    seen = run_tasks(observe, range(6), scheduler=PROCESSES)
    assert os.getpid() not in {pid for pid, _ in seen}
    assert len({pid for pid, _ in seen}) == 2


COPIED = """
import sys, threading, types
from runtime.execute import run_tasks
from runtime.scheduler import parse_scheduler

def sees(_):
    return "only_here" in sys.modules

if __name__ == "__main__":
    sys.modules["only_here"] = types.ModuleType("only_here")
    processes = parse_scheduler("processes", 2)
    print(run_tasks(sees, range(3), scheduler=processes))
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait)
    thread.start()
    print(run_tasks(sees, range(3), scheduler=processes))
    waiting.set()
    thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they are never copies")
def test_workers_are_copies_of_a_process_with_one_thread(
    run_script: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_script(COPIED)
    assert done.stdout.splitlines() == ["[True, True, True]", "[False, False, False]"], done.stderr


def test_workers_import_what_their_tasks_need() -> None:
    seen = run_tasks(
        lambda _: {"dask", "numpy"} & sys.modules.keys(), range(2), scheduler=PROCESSES
    )
    assert seen == [set(), set()]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_command(
    how: signal.Signals, start_script: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    notes = [tmp_path / "first", tmp_path / "second"]
    code = WAITING.replace("WAIT", "60")
    with start_script(code, "processes", *map(str, notes)) as process:
        workers = [_read_soon(note) for note in notes]
        process.send_signal(how)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode != 0
    assert how == signal.SIGKILL or stderr.rstrip().endswith("KeyboardInterrupt")
    for worker in workers:
        _await_end(int(worker))


def test_an_interrupted_run_in_threads_starts_nothing_more(
    start_script: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    notes = [tmp_path / str(index) for index in range(20)]
    code = WAITING.replace("WAIT", "0.5")
    with start_script(code, "threads", *map(str, notes)) as process:
        _await_any(notes)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert sum(note.exists() for note in notes) < 10


def _read_soon(path: Path) -> str:
    for _ in range(600):
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    raise TimeoutError(f"{path} was not written within 30 s")


def _await_any(paths: list[Path]) -> None:
    for _ in range(600):
        if any(path.exists() for path in paths):
            return
        time.sleep(0.05)
    raise TimeoutError("no task started within 30 s")


def _await_end(pid: int) -> None:
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if _is_zombie(pid):  # ended, though whoever inherited it has not noticed
            return
        time.sleep(0.05)
    raise TimeoutError(f"process {pid} still runs after 30 s")


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
