"""Requests to XRootD servers: each with a time-out, each failure an OSError with its number.

The client library waits up to half an hour by default, checks every 15 s only whether time is over,
and after a lost connection refuses to try for another half hour. `load_client` sets all of that, so
that the waits are those of `schemas.retry`. Variables of the environment such as
``XRD_CONNECTIONWINDOW``, which are XRootD's own, still have the last word.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from schemas.errors import UsageError
from schemas.retry import patience, retry

PROTOCOLS = ("root", "roots", "xroot", "xroots")

_GRACE = 5.0  # seconds in which the library itself should have said that time is over

_QUERY = re.compile(r"\?[\w.]+=")  # for the server, such as ?authz=..., and no wildcard

# XProtocol.hh, XErrorCode: what servers answer
_SERVER_ERRORS = {
    3003: errno.EBUSY, 3004: errno.ENOTCONN, 3007: errno.EIO, 3008: errno.EREMOTEIO,
    3009: errno.ENOSPC, 3010: errno.EACCES, 3011: errno.ENOENT, 3012: errno.EREMOTEIO,
    3013: errno.ENOTSUP, 3014: errno.EHOSTUNREACH, 3015: errno.EINVAL, 3016: errno.EISDIR,
    3018: errno.EEXIST, 3020: errno.EINPROGRESS, 3021: errno.EDQUOT, 3024: errno.EAGAIN,
    3025: errno.EROFS, 3029: errno.EHOSTUNREACH, 3030: errno.EACCES, 3034: errno.ETIMEDOUT,
    3035: errno.ETIMEDOUT,
}  # fmt: skip

# XrdClStatus.hh: what goes wrong on the way
_CLIENT_ERRORS = {
    101: errno.EADDRNOTAVAIL, 102: errno.ECONNRESET, 103: errno.ETIMEDOUT, 104: errno.ECONNRESET,
    107: errno.ECONNRESET, 108: errno.ECONNRESET, 109: errno.ECONNRESET, 110: errno.ECONNRESET,
    202: errno.ECONNRESET, 203: errno.EACCES, 204: errno.EACCES, 206: errno.ETIMEDOUT,
    207: errno.ECONNRESET, 302: errno.EAGAIN, 305: errno.ENOENT,
}  # fmt: skip

# of what servers call "file system error" they give the reason as words at the end
_WORDS = {
    os.strerror(number).lower(): number
    for number in (errno.ENOTDIR, errno.ENOTEMPTY, errno.ENOSPC, errno.EDQUOT, errno.EROFS,
                   errno.EIO, errno.EEXIST, errno.ENOENT, errno.ETIMEDOUT, errno.EBUSY)
}  # fmt: skip


def is_xrootd(url: str) -> bool:
    """Tell whether a path is a URL of an XRootD server.

    Examples
    --------
    >>> is_xrootd("root://eoscms.cern.ch//eos/cms/a.root"), is_xrootd("https://cern.ch/a.root")
    (True, False)
    """
    protocol, separator, _ = url.partition("://")
    return bool(separator) and protocol in PROTOCOLS


def split_url(url: str) -> tuple[str, str, str]:
    """Split a URL into server, path, and what follows a question mark for the server.

    Examples
    --------
    >>> split_url("root://eoscms.cern.ch//eos/cms/a?.root?authz=abc")
    ('root://eoscms.cern.ch', '/eos/cms/a?.root', '?authz=abc')
    """
    protocol, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    query = _QUERY.search(path)
    end = query.start() if query else len(path)
    return f"{protocol}://{host}", path[:end], path[end:]


def load_client() -> Any:
    """Import XRootD's client and see that it waits as long as it should.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        from XRootD import client
    except ImportError as error:
        raise UsageError("root:// needs the XRootD client: pip install 'l1skim[xrootd]'") from error
    _configure(patience().timeout)
    return client


@functools.lru_cache(maxsize=1)
def _configure(timeout: int) -> None:
    from XRootD import client

    for name, value in {
        "TimeoutResolution": 1,  # seconds between looks at the clock
        "ConnectionWindow": timeout,
        "ConnectionRetry": 1,
        "StreamErrorWindow": 0,  # for how long a lost server would not be tried again
        "StreamTimeout": max(
            1, timeout // 2
        ),  # after which a silent connection is given up for a new one
        "RequestTimeout": timeout,
    }.items():
        client.EnvPutInt(name, value)


class Request:
    """A request that is under way.

    Parameters
    ----------
    submit
        Function of the client library; is called with ``arguments``, ``timeout`` and ``callback``.
    arguments
        Kept until the answer is there, since the library does not keep what is to be written.

    Raises
    ------
    OSError
        If it could not be sent.
    """

    def __init__(self, submit: Callable[..., Any], *arguments: Any) -> None:
        self.arguments = arguments
        self.timeout = patience().timeout
        self._done = threading.Event()
        self._status: Any = None
        self._answer: Any = None
        try:
            status = submit(*arguments, timeout=self.timeout, callback=self._finish)
        except ValueError as error:  # of a file that a lost connection closed
            raise OSError(errno.ENOTCONN, f"connection lost ({error})") from error
        if not status.ok:
            raise to_error(status, self.timeout)

    def _finish(self, status: Any, answer: Any, _hosts: Any) -> None:
        self._status, self._answer = status, answer
        self._done.set()

    def result(self) -> Any:
        """Wait for the answer.

        Raises
        ------
        OSError
            What the server said, or a TimeoutError if it said nothing in time.
        """
        # waited for here and not in the library, where Ctrl-C would not be noticed
        if not self._done.wait(self.timeout + _GRACE):
            raise OSError(errno.ETIMEDOUT, f"no answer within {self.timeout} s")
        if not self._status.ok:
            raise to_error(self._status, self.timeout)
        return self._answer


def to_error(status: Any, timeout: int) -> OSError:
    """Make an error with a number of the operating system's of a status of XRootD's."""
    text = re.sub(r"^\[\w+\] (Server responded with an error: \[\d+\] )?", "", status.message)
    text = text.strip() or "no reason given"
    if status.code == 400:
        tail = text.rpartition("; ")[2].lower()
        number = _SERVER_ERRORS.get(status.errno) or _WORDS.get(tail, errno.EPROTO)
        return OSError(number, text)
    if status.code == 206:
        return OSError(errno.ETIMEDOUT, f"no answer within {timeout} s ({text})")
    if status.code == 101:
        text = "no server of that name"
    return OSError(_CLIENT_ERRORS.get(status.code, errno.EPROTO), text)


class Server:
    """The file system of a server.

    Paths are those of its URLs, with two slashes in the URL: ``/eos/cms``. Whatever bears being
    repeated is tried again as `schemas.retry` says.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._files = load_client().FileSystem(url)

    def ask(self, name: str, *arguments: Any) -> Any:
        """Send one request once and return the answer."""
        return Request(getattr(self._files, name), *arguments).result()

    def ask_again(self, what: str, name: str, path: str, *arguments: Any) -> Any:
        """Send a request that may be repeated."""
        return retry(lambda: self.ask(name, path, *arguments), f"{self.url}/{path}: {what}")

    def size(self, path: str) -> int | None:
        """Return the size of a file, or None if nothing has that name."""
        try:
            return int(self.ask_again("cannot be looked up", "stat", path).size)
        except FileNotFoundError:
            return None

    def entries(self, path: str) -> list[tuple[str, bool]]:
        """List name, and whether it is a folder, of all that is in a folder.

        Raises
        ------
        FileNotFoundError, NotADirectoryError, PermissionError
            If it cannot be listed.
        """
        from XRootD.client.flags import DirListFlags, StatInfoFlags

        found = self.ask_again("cannot be listed", "dirlist", path, DirListFlags.STAT)
        return sorted(
            (entry.name, bool(entry.statinfo and entry.statinfo.flags & StatInfoFlags.IS_DIR))
            for entry in found
        )

    def names(self, path: str) -> Sequence[str]:
        """List the names of all that is in a folder."""
        return [name for name, _ in self.entries(path)]
