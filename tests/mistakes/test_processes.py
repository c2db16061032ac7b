"""Commands that are interrupted, or whose output nobody reads on, as processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from skim.sample import write_sample

BIN = Path(sys.executable).parent


def start(command: str) -> subprocess.Popen[str]:
    name, *arguments = command.split()
    return subprocess.Popen(
        [BIN / name, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "80"},
    )


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_interrupted_skim_says_so_and_exits_with_130(workshop: Any, scheduler: str) -> None:
    # a partition for every event: far more work than is done before the signal arrives
    write_sample(Path("large"), "doubleele", events=3000, files=1, seed=1)
    text = Path("skim.yaml").read_text() + "storage: {partition_events: 1}\n"
    Path("slow.yaml").write_text(text)
    command = "skim run slow.yaml -o out --files ele=large/*.root --workers 2"
    with start(f"{command} --scheduler {scheduler}") as process:
        while not list(Path("out").glob("*/*.parquet")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    said = (
        r"\nInterrupted: \d+ of 3000 partitions are done; run the same command again to go on\.\n"
    )
    assert re.fullmatch(said, stderr)
    assert not Path("out/manifest.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        "skim info made",
        "skim info made --json",
        "skim inspect ntuples/doubleele_0.root",
        "skim run skim.yaml -o other --dry-run",
        "histo list histo.yaml made",
        "skim --help",
    ],
)
def test_closed_pipe_is_quiet(workshop: Any, command: str) -> None:
    with start(command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # as `head` does once it has its lines
        assert process.stderr.read() == ""


def test_only_the_first_line_of_info(workshop: Any) -> None:
    if shutil.which("head") is None:
        pytest.skip("there is no command `head`")
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{BIN / 'skim'}' info made | head -1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("Dataset made", "")
