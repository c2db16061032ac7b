from __future__ import annotations

import importlib.metadata
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runtime.commands import CommandGroup

COMMANDS = '''
import errno, logging, os, time
import click
from schemas.errors import ConfigError, InputError, Location

logger = logging.getLogger("skim.example")

@click.command()
@click.argument("what", default="nothing")
@click.option("--events", type=int)
def run(what, events):
    """Run something."""
    logger.info("running %s", what)
    if what == "config":
        raise ConfigError("unknown key 'plts'", Location("cuts.yaml", 3))
    if what == "input":
        raise InputError("a.root is truncated")
    if what == "bug":
        return {}["offsets"]
    if what == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/part-0.parquet")
    if what == "fetch":
        raise OSError("lost the thread")
    if what == "differs":
        raise click.exceptions.Exit(1)
    if what == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    if what == "much":
        for _ in range(100_000):
            click.echo("a line of results")
    click.echo(f"did {what}")
'''

MAIN = """
from runtime.commands import CommandGroup

main = CommandGroup(
    "example",
    {
        "run": ("example_commands:run", "Run something, in few words."),
        "broken": ("example_broken:run", "Cannot even be imported."),
    },
    help="An example.",
)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a command line tool."""
    (tmp_path / "example_commands.py").write_text(COMMANDS)
    (tmp_path / "example_broken.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "example.py").write_text(MAIN)
    return tmp_path


@pytest.fixture
def main(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandGroup]:
    """The same tool in this process."""
    monkeypatch.syspath_prepend(folder)
    import example  # type: ignore[import-not-found]

    root = logging.getLogger()
    handlers = list(root.handlers)
    yield example.main
    root.handlers[:] = handlers
    for name in ("schemas", "runtime", "skim", "histo"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name in ("example", "example_commands"):
        sys.modules.pop(name, None)


def call(main: CommandGroup, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_command_that_works_exits_with_0(main: CommandGroup) -> None:
    result = call(main, "run", "this")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "did this\n", "")


@pytest.mark.parametrize(
    ("what", "exit_code", "message"),
    [
        ("config", 2, "Error: cuts.yaml:3: unknown key 'plts'\n"),
        ("input", 1, "Error: a.root is truncated\n"),
        ("disk", 1, "Error: No space left on device: /data/part-0.parquet; make room"),
        ("bug", 1, "Error: internal error: KeyError: 'offsets'."),
        ("fetch", 1, "Error: internal error: OSError: lost the thread."),
    ],
)
def test_an_error_is_one_line_unless_debug_asks_for_more(
    main: CommandGroup, what: str, exit_code: int, message: str
) -> None:
    brief = call(main, "run", what)
    assert brief.exit_code == exit_code
    assert brief.stderr.startswith(message)
    assert brief.stderr.count("\n") == 1
    assert brief.stdout == ""
    for arguments in (("--debug", "run", what), ("run", what, "--debug")):
        full = call(main, *arguments)
        assert full.exit_code == exit_code
        assert full.stderr.startswith("Traceback")
        assert "example_commands.py" in full.stderr
        assert full.stderr.endswith(brief.stderr)


def test_a_command_may_choose_its_exit_code(main: CommandGroup) -> None:
    result = call(main, "run", "differs")
    assert (result.exit_code, result.output) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["rnu"], "no command 'rnu'; did you mean 'run'?"),
        (["run", "--event", "3"], "--events"),
        (["run", "--events", "many"], "'many' is not a valid integer"),
        (["--bugs"], "No such option"),
    ],
)
def test_a_mistyped_command_line_exits_with_2(
    main: CommandGroup, arguments: list[str], hint: str
) -> None:
    result = call(main, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert hint in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["-v", "run"], ["run", "-v"], ["run", "--verbose"]])
def test_verbose_is_understood_before_and_after_the_command(
    main: CommandGroup, arguments: list[str]
) -> None:
    assert call(main, *arguments).stderr == "INFO: running nothing\n"


def test_help_lists_the_commands_without_importing_them(main: CommandGroup) -> None:
    result = call(main, "--help")
    assert result.exit_code == 0
    assert "Run something, in few words." in result.stdout
    assert "Cannot even be imported." in result.stdout
    assert "example_commands" not in sys.modules


def test_a_command_imports_no_other(main: CommandGroup) -> None:
    result = call(main, "run", "--help")
    assert result.exit_code == 0
    assert "--debug" in result.stdout
    assert call(main, "broken").stderr.startswith("Error: internal error: RuntimeError: imported")


def test_help_does_not_grow_from_call_to_call(main: CommandGroup) -> None:
    assert call(main, "run", "--help").stdout == call(main, "run", "--help").stdout


def test_the_version_is_that_of_the_distribution(main: CommandGroup) -> None:
    assert importlib.metadata.version("l1skim") in call(main, "--version").stdout


def test_the_frame_imports_nothing_heavy(folder: Path) -> None:
    code = (
        "import sys, example\n"
        "example.main(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'dask', 'rich', 'msgspec', 'importlib.metadata', 'fsspec'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)


def test_an_interrupted_command_exits_with_130(folder: Path) -> None:
    with start(folder, "run", "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (130, "\nInterrupted.\n")


def test_output_that_nobody_reads_on_is_no_error(folder: Path) -> None:
    with start(folder, "run", "much") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_written_is_an_error_like_others(folder: Path, option: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "example.py", option],
            cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    message = "Error: No space left on device; make room, then run the same command again\n"
    assert done.stderr == message


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "example.py", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
