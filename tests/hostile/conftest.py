"""How commands meet hostile input here: in a process of little memory, which nothing may end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHILD = """
import json, resource, sys

memory, commands = int(sys.argv[1]), json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

from click.testing import CliRunner
from histo.cli import main as histo
from skim.cli import main as skim

for name, *arguments in commands:
    result = CliRunner().invoke({"skim": skim, "histo": histo}[name], arguments)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    said = [result.exit_code, result.stdout, result.stderr, used]
    print(json.dumps(said), flush=True)
"""

MEMORY = 4 * 2**30
"""Bytes of address space; threads and libraries take some 2 GB of it without using them."""

USED = 2000
"""MB that a process may really use; the documented limits are about as large."""


@dataclass(frozen=True)
class Outcome:
    """What a command said, and how many MB its process had used by then."""

    exit_code: int
    stdout: str
    stderr: str
    used: int


RunLimited = Callable[..., list[Outcome]]


@pytest.fixture(scope="session")
def run_limited() -> RunLimited:
    """How to run commands, one after the other, in a process of little memory."""

    def run(folder: Path, *commands: list[Any], timeout: float = 120) -> list[Outcome]:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(MEMORY)],
            input=json.dumps([[str(part) for part in command] for command in commands]),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        outcomes = [Outcome(*json.loads(line)) for line in done.stdout.splitlines()]
        assert len(outcomes) == len(commands), (commands[len(outcomes)], done.stderr)
        return outcomes

    return run


@pytest.fixture(scope="session")
def refused(run_limited: RunLimited) -> Callable[..., str]:
    """How to run a command that must refuse its input in a sentence; returns the sentence."""

    def check(outcome: Outcome, exit_code: int) -> str:
        assert outcome.exit_code == exit_code, outcome.stderr
        assert outcome.stdout == ""
        assert outcome.stderr.startswith("Error: ")
        assert "internal error" not in outcome.stderr
        assert outcome.used < USED
        return outcome.stderr

    return check
