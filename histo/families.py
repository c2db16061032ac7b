"""Families of selections: patterns and products of names, ``Menu* x (all | EtaEB | EtaEE)``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from schemas.errors import ConfigError, ExpressionError, nearest
from schemas.load import location_of

ALL = "all"
"""The selection without any cut; its name disappears in products."""

MAX_MEMBERS = 100_000
"""Of a family; histograms of one collection beyond that are a mistake."""

MAX_NESTING = 100

_TOKEN = re.compile(r"\s*(?:(?P<mark>[()|])|(?P<name>[^\s()|]+))")


class Member(Struct, frozen=True):
    """One selection of a family.

    Attributes
    ----------
    name
        The names of its parts in a row: ``MenuEleEtaEB``.
    parts
        The named selections that an entry must pass together; none for ``all``.
    """

    name: str
    parts: tuple[str, ...]


def expand_families(texts: Iterable[str], known: Sequence[str]) -> list[Member]:
    """Resolve families to selections, each once, in the order written.

    Parameters
    ----------
    texts
        Names and patterns, combined by ``x`` (both) and ``|`` (either one), with parentheses.
    known
        Names of the selections that exist.

    Raises
    ------
    ConfigError
        For a pattern that matches nothing, or text that is not a family.

    Examples
    --------
    >>> [m.name for m in expand_families(["Menu* x (all | EtaEB)"], ["MenuA", "MenuB", "EtaEB"])]
    ['MenuA', 'MenuAEtaEB', 'MenuB', 'MenuBEtaEB']
    """
    members: dict[str, Member] = {}
    for text in texts:
        for parts in _Family(text, known).read():
            made = Member("".join(parts) or ALL, parts)
            other = members.setdefault(made.name, made)
            if other.parts != made.parts:
                raise ConfigError(
                    f"{' x '.join(other.parts)} and {' x '.join(made.parts)} are both called "
                    f"{made.name!r}; rename one of the selections",
                    location_of(text),
                )
    return list(members.values())


class _Family:
    """Reads one family: ``either := both ('|' both)*``, ``both := item ('x' item)*``."""

    def __init__(self, text: str, known: Sequence[str]) -> None:
        self.text = text
        self.known = known
        self.tokens = [
            (match.group("mark") or match.group("name"), match.start(match.lastgroup or 0))
            for match in _TOKEN.finditer(text)
        ]
        self.next = 0
        self.depth = 0

    def read(self) -> list[tuple[str, ...]]:
        found = self.either()
        if self.next < len(self.tokens):
            raise self.fail("expected 'x', '|' or the end")
        return found

    def peek(self) -> str:
        return self.tokens[self.next][0] if self.next < len(self.tokens) else ""

    def fail(self, message: str, hint: str = "") -> ExpressionError:
        token, start = (
            self.tokens[self.next] if self.next < len(self.tokens) else (" ", len(self.text))
        )
        span = (start, start + len(token))
        return ExpressionError(message, str(self.text), span, hint, location_of(self.text))

    def either(self) -> list[tuple[str, ...]]:
        found = self.both()
        while self.peek() == "|":
            self.next += 1
            found += self.both()
            self.check(len(found))
        return found

    def check(self, members: int) -> None:
        """Refuse a product before it is made."""
        if members > MAX_MEMBERS:
            raise self.fail(f"the family has {members} selections, and {MAX_MEMBERS} are too many")

    def both(self) -> list[tuple[str, ...]]:
        found = self.item()
        while self.peek() == "x":
            self.next += 1
            right = self.item()
            self.check(len(found) * len(right))
            found = [(*first, *second) for first in found for second in right]
        return found

    def item(self) -> list[tuple[str, ...]]:
        word = self.peek()
        if word == "(":
            if self.depth == MAX_NESTING:
                raise self.fail(f"nested deeper than {MAX_NESTING} levels")
            self.next += 1
            self.depth += 1
            found = self.either()
            self.depth -= 1
            if self.peek() != ")":
                raise self.fail("expected ')'")
            self.next += 1
            return found
        if word in ("", ")", "|", "x"):
            raise self.fail("expected the name of a selection")
        matched = [name for name in self.known if fnmatchcase(name, word)]
        if word == ALL:
            self.next += 1
            return [()]
        if not matched:
            what = "pattern matches no selection" if set(word) & set("*?[") else "no selection"
            raise self.fail(f"{what} {word!r}", nearest(word, [*self.known, ALL]))
        self.next += 1
        return [(name,) for name in matched]
