"""Wildcards in URLs of XRootD servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import translate

from schemas.errors import InputError, RemoteError, UsageError, nearest
from schemas.retry import reason
from schemas.xrootd import Server, split_url

_WILDCARD = re.compile(r"[*?[]")


def expand_xrootd(pattern: str) -> list[str]:
    """Find the files that a URL with wildcards stands for.

    Parameters
    ----------
    pattern
        In which ``*``, ``?`` and ``[...]`` match within a folder, and ``**`` any number of folders.
        Names that start with a dot match only a dot. What follows as ``?key=value`` is for the
        server, and goes with every request and every result.

    Returns
    -------
    list of str
        URLs, sorted; just the one if it has no wildcard, without asking its server.

    Raises
    ------
    UsageError
        If nothing is found, saying where the path stops to exist, or the client is missing.
    RemoteError
        If the server does not answer.
    InputError
        If it refuses.
    """
    server, path, query = split_url(pattern)
    if not _WILDCARD.search(path):
        return [pattern]
    folders = _Folders(Server(server), query)
    *parents, last = path.split("/")
    try:
        found = [""]
        for index, part in enumerate(parents):
            found = list(folders.enter(found, part, first=index == 0))
        matches = sorted(set(folders.match_files(found, last)))
        if not matches:
            raise UsageError(f"no file matches {pattern!r}: {folders.reason(path)}")
    except RemoteError:
        raise
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot list {pattern!r}: {reason(error)}") from error
    return [f"{server}/{match}{query}" for match in matches]


class _Folders:
    """The folders of a server, each listed at most once."""

    def __init__(self, server: Server, query: str) -> None:
        self.server = server
        self.query = query
        self.listed: dict[str, list[tuple[str, bool]]] = {}

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        """List a folder; nothing is in one that is not there."""
        if folder not in self.listed:
            try:
                found = self.server.entries((folder or "/") + self.query)
            except (FileNotFoundError, NotADirectoryError):
                found = []
            self.listed[folder] = found
        return self.listed[folder]

    def enter(self, folders: list[str], part: str, *, first: bool) -> Iterator[str]:
        """Iterate over the folders in some folders that match a part of a pattern."""
        for folder in folders:
            if part == "**":
                yield from self.below(folder)
            elif _WILDCARD.search(part):
                names = self.matching(folder, part, folders=True)
                yield from (f"{folder}/{name}" for name in names)
            else:  # not looked for: a folder that may be entered need not be one that may be listed
                yield part if first else f"{folder}/{part}"

    def below(self, folder: str) -> Iterator[str]:
        """Iterate over a folder and all folders in it."""
        yield folder
        for name, is_folder in self.entries(folder):
            if is_folder and not name.startswith("."):
                yield from self.below(f"{folder}/{name}")

    def match_files(self, folders: list[str], part: str) -> Iterator[str]:
        """Iterate over the files in some folders that match the last part of a pattern."""
        for folder in folders:
            inner = self.below(folder) if part == "**" else [folder]
            for place in inner:
                names = self.matching(place, "*" if part == "**" else part, folders=False)
                yield from (f"{place}/{name}" for name in names)

    def matching(self, folder: str, part: str, *, folders: bool) -> Iterator[str]:
        """Iterate over the names in a folder that match."""
        regex = re.compile(translate(part))
        for name, is_folder in self.entries(folder):
            hidden = name.startswith(".") and not part.startswith(".")
            if is_folder == folders and not hidden and regex.match(name):
                yield name

    def reason(self, path: str) -> str:
        """Say where a path that matches nothing leaves what exists, and what is there instead."""
        *parents, last = path.split("/")
        known = ""
        for part in parents[1:]:
            if _WILDCARD.search(part):
                break
            try:
                found = self.server.entries((known or "/") + self.query)
                names = [name for name, is_folder in found if is_folder]
            except OSError:
                names = [part]  # may be entered but not listed: nothing to suggest
            if part not in names:
                return f"there is no folder {part!r} in {known or '/'!r}; {nearest(part, names)}"
            known = f"{known}/{part}"
        names = [name for name, _ in self.entries(known)]
        return f"{known or '/'} holds nothing like that; {nearest(last, names)}"
