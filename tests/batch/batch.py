"""How to run commands on a batch system."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple


class Batch(NamedTuple):
    """A batch system, and how to use it.

    Attributes
    ----------
    kind
        As ``--scheduler`` has it.
    queue
        Command that prints a line for each job that there is.
    folder
        Where commands keep what jobs write.
    """

    kind: Literal["slurm", "htcondor"]
    queue: Sequence[str]
    folder: Path

    def start(self, command: str, *arguments: object, **settings: str) -> subprocess.Popen[str]:
        """Start a command on it, with two workers."""
        program = [sys.executable, "-c", f"from {command}.cli import main; main()"]
        options = [*map(str, arguments), "--scheduler", self.kind, "--workers", "2"]
        environment = os.environ | {"XDG_CACHE_HOME": str(self.folder)} | settings
        return subprocess.Popen(
            [*program, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def run(
        self, command: str, *arguments: object, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on it to its end."""
        with self.start(command, *arguments, **settings) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def jobs(self) -> list[str]:
        """Return a line for each job that there is."""
        done = subprocess.run(self.queue, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def await_end(self) -> None:
        """Wait until there are no jobs."""
        for _ in range(300):
            if not self.jobs():
                return
            time.sleep(0.1)
        raise AssertionError(f"there are still jobs: {self.jobs()}")

    def kept(self) -> list[Path]:
        """Return all that commands have left in their folder."""
        return [path for path in self.folder.rglob("*") if path.is_file()]
