from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from runtime.startup import DEFAULTS, OBJECTS_UNTIL_COLLECTION
from skim.cli import main

SHOW = """
import gc, os
from click import Command
from runtime.commands import CommandGroup

def show():
    print(*(os.environ.get(name) for name in {names}))
    print(gc.get_threshold()[0])

main = CommandGroup("main", dict())
main.get_command = lambda *_: Command("show", callback=show)
main.lazy_commands["show"] = ("", "")
main()
"""

END = """
import atexit, sys, threading, time
from runtime.startup import quick_end

class Held:
    def __del__(self):
        print("taken apart")

held = Held()
with quick_end():
    atexit.register(print, "registered")
    threading.Thread(target=lambda: (time.sleep(0.1), print("waited for"))).start()
    print("written", end=" ")
    {end}
"""


@pytest.mark.parametrize("chosen", [{}, dict.fromkeys(DEFAULTS, "3")], ids=["default", "chosen"])
def test_a_command_sets_up_its_process(chosen: dict[str, str]) -> None:
    others = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(names=list(DEFAULTS)), "show"],
        capture_output=True,
        text=True,
        check=True,
        env={**others, **chosen},
    )
    variables, threshold = done.stdout.splitlines()
    assert variables.split() == list({**DEFAULTS, **chosen}.values())
    assert threshold == str(OBJECTS_UNTIL_COLLECTION)


@pytest.mark.parametrize(
    ("end", "code"), [("sys.exit()", 0), ("sys.exit(3)", 3), ("sys.exit(True)", 1)]
)
def test_the_end_does_all_but_taking_apart_what_is_left(end: str, code: int) -> None:
    done = ended(end)
    assert done.stdout == "written waited for\nregistered\n"
    assert (done.returncode, done.stderr) == (code, "")


def test_an_exception_ends_as_always() -> None:
    done = ended("raise ValueError(5)")
    assert done.stdout.startswith("written waited for\nregistered\n")
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: 5\n")


def test_output_that_cannot_be_written_is_an_error_of_the_end() -> None:
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", END.format(end="sys.exit()")],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=buffered,
        )  # fmt: skip
    assert done.returncode == 120  # Python's own
    assert "No space left on device" in done.stderr


def ended(end: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", END.format(end=end)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_a_command_line_inside_another_program_leaves_it_alone() -> None:
    before = dict(os.environ)
    assert CliRunner().invoke(main, ["--version"]).exit_code == 0
    assert dict(os.environ) == before
