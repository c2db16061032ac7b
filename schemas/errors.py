"""Everything that can go wrong for a user, as one small tree of exceptions.

::

    L1SkimError                      anything this project reports; never shown as a traceback
    |-- UsageError (ValueError)      the command's own arguments: a missing file, a taken output
    |-- ConfigError (ValueError)     a configuration says something wrong; knows its place
    |   `-- ExpressionError          ... in an expression; marks the place inside it
    |-- InputError (OSError)         a ROOT file or branch cannot be read, or is not what it says
    |   `-- RemoteError              ... since its server does not answer
    |-- DatasetError (ValueError)    a Parquet dataset or its manifest is broken or unknown
    `-- RunError (RuntimeError)      partitions failed, a cluster went away

Each class names the exit code of the command that ends with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

_SHOWN = 110  # characters of a line that a message shows around the place


@dataclass(frozen=True)
class Location:
    """Where a piece of a configuration stands.

    Attributes
    ----------
    file
        Path of the configuration file as the user wrote it, or a word such as ``command line``.
    line, column
        Position, counted from 1; 0 when it is not known.
    text
        The line as it stands in the file; empty when it is not known.
    width
        Number of characters from ``column`` on that are meant.
    """

    file: str
    line: int = 0
    column: int = 0
    text: str = ""
    width: int = 1

    def __str__(self) -> str:
        """Render as ``file:line:column``, which editors and terminals make clickable."""
        return ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])


def _marked(line: str, start: int, width: int) -> list[str]:
    """Return a line and the mark below it, cut to what a terminal shows."""
    first = max(0, start - _SHOWN // 2) if len(line) > _SHOWN else 0
    shown = line[first : first + _SHOWN].replace("\t", " ")
    width = max(1, min(width, len(shown) - (start - first)))
    return [f"    {shown.rstrip()}", f"    {' ' * (start - first)}{'^' * width}"]


class L1SkimError(Exception):
    """Base of all errors that the commands report without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(L1SkimError, ValueError):
    """The arguments of a command or function cannot be followed."""

    exit_code = 2


class ConfigError(L1SkimError, ValueError):
    """A configuration is wrong.

    Parameters
    ----------
    message
        What is wrong and what to do, without the place.
    location
        The place, if known; it is put in front of the message.
    """

    exit_code = 2

    def __init__(self, message: str, location: Location | None = None) -> None:
        super().__init__(message, location)
        self.message = message
        self.location = location

    @property
    def headline(self) -> str:
        """The message behind its place, ``file:line:column: message``."""
        return f"{self.location}: {self.message}" if self.location else self.message

    def __str__(self) -> str:
        """Render the headline, and the line of the file with the place marked."""
        place = self.location
        if place is None or not place.text:
            return self.headline
        return "\n".join([self.headline, *_marked(place.text, place.column - 1, place.width)])


class ExpressionError(ConfigError):
    """An expression cannot be parsed, or names or combines things wrongly.

    Parameters
    ----------
    message
        What is wrong.
    text
        The whole expression.
    span
        First and one-past-last character of the offending part of ``text``.
    hint
        The nearest valid name, or what to write instead.
    location
        Where the expression stands.
    """

    def __init__(
        self,
        message: str,
        text: str,
        span: tuple[int, int],
        hint: str = "",
        location: Location | None = None,
    ) -> None:
        super().__init__(message, location)
        self.args = (message, text, span, hint, location)
        self.text = text
        self.span = span
        self.hint = hint

    def __str__(self) -> str:
        """Render the message, the line of the expression with the place marked, and the hint."""
        start, stop = self.span
        first = self.text.rfind("\n", 0, start) + 1
        line = self.text[first:].partition("\n")[0]
        if not line.strip() and self.location and self.location.text:
            lines = super().__str__().splitlines()  # an empty text shows nothing: show its line
        else:
            lines = [self.headline, *_marked(line, start - first, stop - start)]
        return "\n".join([*lines, self.hint] if self.hint else lines)


class InputError(L1SkimError, OSError):
    """An ntuple cannot be read, or does not hold what was asked of it."""


class RemoteError(InputError):
    """A server does not answer, or fails to do what it should, however often it is asked."""


class DatasetError(L1SkimError, ValueError):
    """A dataset cannot be read, or its parts contradict each other."""

    @classmethod
    def damaged(cls, where: str, problem: object) -> DatasetError:
        """Return the error of a file that is not as it was written, with what to do."""
        return cls(f"{where} is damaged: {problem}; copy it again, or make the dataset again")


class RunError(L1SkimError, RuntimeError):
    """The work itself failed: partitions that raised, workers that were lost."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names are meant, for the end of an error message.

    Parameters
    ----------
    name
        What the user wrote.
    known
        What would have been valid.

    Returns
    -------
    str
        ``did you mean 'x'?``, or the list of valid names if none is near.

    Examples
    --------
    >>> nearest("tkiso", ["pt", "eta", "tkIso"])
    "did you mean 'tkIso'?"
    """
    names = sorted(set(known))
    folded: dict[str, str] = {}
    for candidate in names:
        folded.setdefault(candidate.lower(), candidate)
    import difflib  # for messages alone

    close = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)
    if name.lower() in close:
        close = [name.lower()]
    if close:
        return f"did you mean {' or '.join(repr(folded[match]) for match in close)}?"
    if not names:
        return "there are none"
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return f"valid names: {shown}"
