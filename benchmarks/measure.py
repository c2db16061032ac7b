"""Whole processes, measured side by side: elapsed time, processor time, peak memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LAUNCH = Path(__file__).with_name("launch.py")
TIMEOUT = 1800
"""Seconds after which a command is given up."""


class CommandFailedError(RuntimeError):
    """A measured command did not succeed; the message has the end of what it said."""


@dataclass(frozen=True)
class Usage:
    """What a command took; of several runs, the median of each.

    Attributes
    ----------
    seconds
        Elapsed.
    processor
        Processor time in user and system mode, with that of all its children, in seconds.
    memory
        Peak resident memory in bytes; of several processes, of the largest one.
    """

    seconds: float
    processor: float
    memory: int


@dataclass(frozen=True)
class Contender:
    """A command to measure.

    Attributes
    ----------
    command
        Program and arguments; programs of this environment come first.
    fresh
        Files and folders to remove before each run.
    """

    command: Sequence[str]
    fresh: tuple[Path, ...] = ()


def environment() -> dict[str, str]:
    """Return the environment of measured commands: this tree, and the programs beside Python.

    Byte code is kept from run to run, as it is for users, also where that is switched off.
    """
    paths = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    sources = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "PATH": os.pathsep.join(paths),
        "PYTHONPATH": os.pathsep.join(sources),
    }


def python(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of the benchmark."""
    return [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]


def run(contender: Contender) -> tuple[Usage, str]:
    """Run a command once.

    Returns
    -------
    usage
        What it took.
    output
        What it printed.

    Raises
    ------
    CommandFailedError
        If it ends with another code than 0, or not in time.
    """
    usage, output, _ = _run(contender)
    return usage, output


def run_messages(contender: Contender) -> str:
    """Run a command once, and return what it said on standard error; see `run`."""
    return _run(contender)[2]


def _run(contender: Contender) -> tuple[Usage, str, str]:
    for path in contender.fresh:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    words = " ".join(contender.command)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "usage.json"
        launch = [sys.executable, "-S", "-E", str(LAUNCH), str(result)]
        output, messages = _finish([*launch, *contender.command])
        said = f"{output}{messages}".strip()[-1500:]
        if not result.exists():
            raise CommandFailedError(f"{words}: could not be started: {said}")
        found = json.loads(result.read_text(encoding="utf-8"))
    if found.pop("exit") != 0:
        raise CommandFailedError(f"{words}: {said}")
    return Usage(**found), output, messages


def _finish(command: Sequence[str]) -> tuple[str, str]:
    """Run a command to its end; return what it said on standard output and standard error."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            return process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            words = " ".join(command)
            raise CommandFailedError(f"{words}: not done after {TIMEOUT} s") from error
        except BaseException:  # Ctrl-C does not reach a group of its own
            os.killpg(process.pid, signal.SIGKILL)
            raise


def run_json(command: Sequence[str]) -> Any:
    """Run a command that prints JSON, and return that."""
    return json.loads(run(Contender(command))[1])


def cores() -> float:
    """Measure how many cores there are for two processes that keep one busy each.

    A virtual machine may have fewer at times than it says, and its own clock of processor time does
    not tell.
    """
    spin = "import time; t = time.perf_counter(); sum(range(10**7)); print(time.perf_counter() - t)"
    command = [sys.executable, "-S", "-c", spin]

    def together(number: int) -> float:
        """Return the time that the slowest of some processes takes, without its start."""
        started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(number)]
        return max(float(process.communicate()[0]) for process in started)

    alone = min(together(1) for _ in range(3))
    return 2 * alone / together(2)


def side_by_side(
    contenders: Mapping[str, Contender], rounds: int, *, warm: bool = False
) -> dict[str, Usage]:
    """Measure commands in turns, A B C A B C ..., so that a slow spell of the machine hits all.

    Before the first round each runs once without being measured, unless all files are ``warm``:
    they are in the page cache then, for everyone.

    Returns
    -------
    dict
        Medians over the rounds, by name.
    """
    runs: dict[str, list[Usage]] = {name: [] for name in contenders}
    for number in range(rounds if warm else rounds + 1):
        for name, contender in contenders.items():
            usage, _ = run(contender)
            if warm or number:
                runs[name].append(usage)
    return {name: median(found) for name, found in runs.items()}


def median(runs: Sequence[Usage]) -> Usage:
    """Return the medians of several runs of one command."""
    return Usage(
        statistics.median(usage.seconds for usage in runs),
        statistics.median(usage.processor for usage in runs),
        int(statistics.median(usage.memory for usage in runs)),
    )
