"""What the commands say of themselves."""

from __future__ import annotations

import importlib.metadata
import re
import shlex

import click
import pytest
from click.testing import CliRunner

from histo.cli import main as histo
from runtime.commands import CommandGroup
from skim.cli import main as skim

GROUPS = {"skim": skim, "histo": histo}
COMMANDS = [(group, command) for group in GROUPS for command in GROUPS[group].lazy_commands]


def load(group: CommandGroup, name: str) -> click.Command:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command


def help_of(group: str, *command: str) -> str:
    result = CliRunner().invoke(GROUPS[group], [*command, "--help"], terminal_width=200)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("group", GROUPS)
def test_version_is_that_of_the_distribution(group: str) -> None:
    result = CliRunner().invoke(GROUPS[group], ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"{group}, version {importlib.metadata.version('l1skim')}\n"


@pytest.mark.parametrize("group", GROUPS)
def test_help_lists_every_command(group: str) -> None:
    shown = help_of(group)
    for name, (_, text) in GROUPS[group].lazy_commands.items():
        assert re.search(rf"^  {name} +{re.escape(text)}$", shown, re.MULTILINE)


@pytest.mark.parametrize(("group", "command"), [(group, "") for group in GROUPS] + COMMANDS)
def test_help_shows_an_example_that_parses(group: str, command: str) -> None:
    shown = help_of(group, *command.split())
    examples = re.findall(rf"^ +({group} {command}.*)$", shown.partition("Example:")[2], re.M)
    assert examples
    for example in examples:
        _, name, *arguments = shlex.split(re.split(r" [|>] ", example)[0])
        called = load(GROUPS[group], name)
        called.make_context(name, arguments, parent=click.Context(GROUPS[group]))


@pytest.mark.parametrize(("group", "command"), COMMANDS)
def test_every_option_has_help(group: str, command: str) -> None:
    for parameter in load(GROUPS[group], command).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{group} {command} {parameter.opts}"
            assert parameter.help.endswith(".") or "default" in parameter.help


@pytest.mark.parametrize(("group", "command"), COMMANDS)
def test_help_explains_every_argument(group: str, command: str) -> None:
    called = load(GROUPS[group], command)
    arguments = [p.make_metavar(click.Context(called)) for p in called.params
                 if isinstance(p, click.Argument)]  # fmt: skip
    assert called.help
    for argument in arguments:
        assert argument.strip("[].") in called.help


@pytest.mark.parametrize(("group", "command"), COMMANDS)
def test_defaults_are_shown(group: str, command: str) -> None:
    shown = help_of(group, command)
    for parameter in load(GROUPS[group], command).params:
        if not isinstance(parameter, click.Option) or parameter.is_flag or parameter.count:
            continue
        if isinstance(parameter.default, str | int | float):
            assert f"[default: {parameter.default}" in shown
