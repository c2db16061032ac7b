"""What the tests of the runtime share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.scheduler import Scheduler

RunScript = Callable[..., subprocess.CompletedProcess[str]]
StartScript = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["threads", "processes", "cluster"])
def scheduler(request: pytest.FixtureRequest) -> Scheduler:
    """Each kind of scheduler in turn, with two workers."""
    if request.param == "cluster":
        return Scheduler(kind="cluster", address=request.getfixturevalue("dask_cluster"))
    return Scheduler(kind=request.param, workers=2)


@pytest.fixture
def start_script(tmp_path: Path) -> StartScript:
    """How to start Python code in a process of its own."""

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        script = tmp_path / "script.py"
        script.write_text(code)
        return subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def run_script(start_script: StartScript) -> RunScript:
    """How to run Python code in a process of its own to its end."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        with start_script(code, *arguments) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run
