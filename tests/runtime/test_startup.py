from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from runtime.startup import DEFAULTS, OBJECTS_UNTIL_COLLECTION
from skim.cli import main

SHOW = """
import atexit, gc, os
atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 0))
from skim.cli import main
atexit.register(lambda: print(*(os.environ.get(name) for name in {names})))
main()
"""


@pytest.mark.parametrize("chosen", [{}, dict.fromkeys(DEFAULTS, "3")], ids=["default", "chosen"])
def test_a_command_sets_up_its_process(chosen: dict[str, str]) -> None:
    others = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(names=list(DEFAULTS)), "--version"],
        capture_output=True,
        text=True,
        check=True,
        env={**others, **chosen},
    )
    _, variables, collections = done.stdout.splitlines()
    assert variables.split() == list({**DEFAULTS, **chosen}.values())
    assert collections == f"{OBJECTS_UNTIL_COLLECTION} True"


def test_a_command_line_inside_another_program_leaves_it_alone() -> None:
    before = dict(os.environ)
    assert CliRunner().invoke(main, ["--version"]).exit_code == 0
    assert dict(os.environ) == before
