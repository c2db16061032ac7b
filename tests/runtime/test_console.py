from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

import pytest

from runtime.console import configure_logging, progress_bar

SHOW_BAR = """
import sys, time
from runtime.console import configure_logging, progress_bar
import logging

configure_logging()
with progress_bar("skimming", 4) as advance:
    for step in range(4):
        time.sleep(PAUSE)
        advance(1)
        logging.getLogger("skim").warning("half way") if step == 2 else None
print("rich" in sys.modules)
"""


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers
    for name in ("schemas", "runtime", "skim", "histo"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.usefixtures("_restored_logging")
@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (0, ["WARNING: slow disk"]),
        (1, ["WARNING: slow disk", "INFO: 4 partitions"]),
        (2, ["slow disk", "4 partitions", "task 3"]),
    ],
)
def test_verbosity_chooses_what_is_said_on_standard_error(
    verbosity: int, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # a second time does not say everything twice
        configure_logging(verbosity)
    logger = logging.getLogger("skim.run")
    logger.warning("slow disk")
    logger.info("4 partitions")
    logger.debug("task 3")
    logging.getLogger("some.library").info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == len(expected)
    assert all(line.endswith(text) for line, text in zip(lines, expected, strict=True))


def test_no_bar_is_shown_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("skimming", 2) as advance:
        advance(1)
        advance(1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("pause", "shown"), [("0.0", False), ("0.4", True)])
def test_on_a_terminal_a_bar_is_shown_for_long_work_only(pause: str, shown: bool) -> None:
    status, output = run_on_terminal(SHOW_BAR.replace("PAUSE", pause))
    assert status == 0
    assert ("skimming" in output) is shown
    assert output.rstrip().endswith(str(shown))  # rich is imported only then
    assert output.count("WARNING: half way") == 1


def run_on_terminal(code: str) -> tuple[int, str]:
    """Run Python code with a pseudo-terminal in place of all its standard streams."""
    import pty
    import subprocess

    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(terminal)
        output = b""
        while chunk := _read(controller):
            output += chunk
    os.close(controller)
    return process.returncode, output.decode()


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # the other end is closed
        return b""
