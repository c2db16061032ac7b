"""The frame of the commands: lazily loaded, with errors that read as sentences."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, NoReturn

import click

from runtime.console import configure_logging
from runtime.startup import quick_end, quick_start
from schemas.errors import L1SkimError, nearest
from schemas.retry import RETRIES, Patience
from schemas.software import VERSION
from schemas.tally import tallying

_DEBUG = "runtime.debug"  # keys of the memory that a command shares with its group
_VERBOSITY = "runtime.verbosity"

INTERRUPTED = 130
"""Exit code of a command that was interrupted, as shells expect it: 128 + SIGINT."""

TERMINATED = 143
"""Exit code of a command that was told to end, as batch systems do: 128 + SIGTERM."""


class Terminated(KeyboardInterrupt):
    """The process was told to end (SIGTERM), which it does as it does after Ctrl-C."""


class CommandGroup(click.Group):
    """A group of commands, each of which is imported only when it is called.

    It has the options ``--debug``, ``--verbose`` and ``--version``, the first two of which may
    also follow the command. Errors of this project end it with one line on standard error
    and the exit code of the error; anything unexpected with a request to report it.

    Parameters
    ----------
    name
        Of the group.
    lazy_commands
        Of each command, where it is (``module:attribute``) and what it does, in half a line.
    **attributes
        Anything else that `click.Group` takes, such as ``help``.

    Examples
    --------
    >>> main = CommandGroup(
    ...     "skim", {"info": ("skim.info:command", "Say what a dataset holds.")}, help="Skims."
    ... )
    """

    def __init__(
        self, name: str, lazy_commands: Mapping[str, tuple[str, str]], **attributes: Any
    ) -> None:
        super().__init__(name, **{"epilog": _environment(), **attributes})
        self.lazy_commands = dict(lazy_commands)
        self.params.extend(_common_options())
        click.version_option(VERSION, prog_name=name)(self)

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        """Run a command line: that of this process, or one that a program gives."""
        if args is not None:
            return super().main(args, *others, **extra)
        quick_start()
        with quick_end():
            return super().main(args, *others, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the commands in the order in which they were given."""
        return list(self.lazy_commands)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.lazy_commands:
            return None
        module, _, attribute = self.lazy_commands[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        taken = {option for parameter in command.params for option in parameter.opts}
        command.params.extend(
            option for option in _common_options() if taken.isdisjoint(option.opts)
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which one is meant."""
        if args[0] not in self.lazy_commands and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; {nearest(args[0], self.lazy_commands)}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands in the help without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy_commands.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Understand the options of the group itself."""
        shows_help = not args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if shows_help:
                raise
            raise _Misused.of(error) from error
        except OSError as error:  # of the help, or the version, which are written here
            _end_by_system(ctx, error)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and end as its errors demand."""
        try:
            with _terminable(), _retries_shown():
                return super().invoke(ctx)
        except click.UsageError as error:
            raise _Misused.of(error) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise  # click's own ways to end
        except KeyboardInterrupt as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exc()
            terminated = isinstance(error, Terminated)
            what = "Terminated" if terminated else "Interrupted"
            click.echo(f"\n{what}: {error}." if str(error) else f"\n{what}.", err=True)
            _exit_at_once(ctx, TERMINATED if terminated else INTERRUPTED)
        except L1SkimError as error:
            _end(ctx, str(error), error.exit_code)
        except OSError as error:
            _end_by_system(ctx, error)
        except Exception as error:  # noqa: BLE001 - the last place that can make a bug readable
            _end(ctx, _internal(error))


class _Misused(click.UsageError):
    """A command line that cannot be followed, said in one paragraph that starts with what is wrong.

    Click starts with the usage, and leaves a line empty.
    """

    @classmethod
    def of(cls, error: click.UsageError) -> _Misused:
        """Take over an error of click's."""
        return cls(error.format_message(), error.ctx)

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the error and the usage on standard error."""
        click.echo(f"Error: {self.message}", file, err=True)
        if self.ctx:
            click.echo(f"{self.ctx.get_usage()}; more with --help", file, err=True)


@contextlib.contextmanager
def _retries_shown() -> Iterator[None]:
    """Say at the end how often servers had to be asked again: what works may still work badly."""
    with tallying() as tally:
        try:
            yield
        finally:
            retries = tally.counts.get(RETRIES, 0)
            if retries:
                what = "1 retry" if retries == 1 else f"{retries} retries"
                click.echo(f"{what} of remote requests", err=True)


def _environment() -> str:
    """Describe the variables that all commands read."""
    default = Patience()
    return f"""\b
    Environment:
      L1SKIM_REMOTE_TIMEOUT   Seconds in which a server has to answer.  [default: {default.timeout}]
      L1SKIM_REMOTE_ATTEMPTS  How often a server is asked.  [default: {default.attempts}]
      L1SKIM_REMOTE_WAIT      Seconds before it is asked again.  [default: {default.wait:g}]
    """


def _common_options() -> list[click.Option]:
    """Make the options that a group and each of its commands have."""
    return [
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_set_debug,
            help="Show the traceback of an error.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_set_verbosity,
            help="Say what is being done; twice for details.",
        ),
    ]


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_DEBUG] = True


def _set_verbosity(ctx: click.Context, _: click.Parameter, value: int) -> None:
    ctx.meta[_VERBOSITY] = ctx.meta.get(_VERBOSITY, 0) + value
    configure_logging(ctx.meta[_VERBOSITY])


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM end this process as Ctrl-C does: cleaning up behind it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread has signals
        return

    def stop(*_: object) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit_at_once(ctx: click.Context, exit_code: int) -> NoReturn:
    """End the process, without waiting for tasks that go on in threads."""
    from runtime.threads import busy_threads

    if busy_threads():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    ctx.exit(exit_code)


def _end(ctx: click.Context, message: str, exit_code: int = 1) -> NoReturn:
    """End with the error that is being handled: its traceback if asked for, and one message."""
    if ctx.meta.get(_DEBUG):
        traceback.print_exc(file=sys.stderr)
    click.echo(f"Error: {message}", err=True)
    ctx.exit(exit_code)


def _end_by_system(ctx: click.Context, error: OSError) -> NoReturn:
    """End because the system refused something, which is said as it says it."""
    if isinstance(error, BrokenPipeError):
        raise error  # click ends quietly: whoever read the output, such as `head`, has enough
    if error.errno is None:
        _end(ctx, _internal(error))
    place = f": {error.filename}" if error.filename else ""
    _end(ctx, f"{error.strerror}{place}{_remedy(error.errno)}")


def _internal(error: Exception) -> str:
    name = type(error).__name__
    return (
        f"internal error: {name}: {error}. This is a bug: run again with --debug and report it "
        "with what is shown then"
    )


def _remedy(number: int) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "; make room, then run the same command again"
    return ""
