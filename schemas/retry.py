"""Trying again what a server failed to do: what is worth it, how often, how long to wait.

Only what comes from a server is tried again. What a file holds, and what a server refuses, is the
same the next time; that somebody wants damaged files left out is another matter, and not for here.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from schemas.errors import L1SkimError, RemoteError, UsageError
from schemas.tally import count

logger = logging.getLogger(__name__)

R = TypeVar("R")

FACTOR = 2.0
"""By how much each wait is longer than the one before."""

RETRIES = "retries"
"""Name of the count in a tally."""

_TRANSIENT = {
    errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.EINPROGRESS, errno.ETIMEDOUT,
    errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETRESET,
    errno.ENETUNREACH,
}  # fmt: skip

# libraries wrap what a server said into errors that have lost its number; these are XRootD's words
_TRANSIENT_WORDS = re.compile(
    r"Operation expired|Operation interrupted|Connection error|Socket (error|timeout|disconnected)"
    r"|Stream disconnect|Invalid session|timed out",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Patience:
    """How long servers are waited for.

    Attributes
    ----------
    attempts
        How often something is tried, the first time included.
    wait
        Seconds before the second attempt; each later wait is `FACTOR` times as long, and all are
        shortened or lengthened by up to a half at random: many workers lose a server at once, and
        must not come back at once.
    timeout
        Seconds in which a server has to answer a request, which asks for 16 MB at most.
    """

    attempts: int = 4
    wait: float = 1.0
    timeout: int = 60

    def pause(self, attempt: int) -> float:
        """Draw the seconds to wait after an attempt, counted from 1."""
        import random

        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - nothing secret about it
        return self.wait * FACTOR ** (attempt - 1) * jitter


def patience() -> Patience:
    """Return what the environment says: ``L1SKIM_REMOTE_ATTEMPTS``, ``_WAIT`` and ``_TIMEOUT``.

    Raises
    ------
    UsageError
        For a value that is no number, or not one above its minimum.
    """
    default = Patience()
    return Patience(
        attempts=int(_number("ATTEMPTS", default.attempts, whole=True)),
        wait=_number("WAIT", default.wait),
        timeout=int(_number("TIMEOUT", default.timeout, whole=True)),
    )


def _number(name: str, default: float, whole: bool = False) -> float:
    variable = f"L1SKIM_REMOTE_{name}"
    text = os.environ.get(variable, "")
    if not text:
        return default
    pattern = r"0*[1-9][0-9]{0,5}" if whole else r"[0-9]{1,6}(\.[0-9]+)?"
    if not re.fullmatch(pattern, text):
        kind = "a whole number of at least 1" if whole else "a number of seconds"
        raise UsageError(f"the environment variable {variable} must be {kind}, not {text!r}")
    return float(text)


def retry(operation: Callable[[], R], what: str, attempts: int | None = None) -> R:
    """Do something that needs a server, again if that fails for a reason that may pass.

    Each repetition is a warning, and counted as `RETRIES` in the tally.

    Parameters
    ----------
    operation
        What to do; must bear being repeated.
    what
        URL and what is being done with it, for messages.
    attempts
        How often to try at most; None for as often as `patience` says.

    Raises
    ------
    RemoteError
        If the last attempt failed as well.
    OSError
        At once, if trying again would not help.
    """
    allowed = patience()
    last = allowed.attempts if attempts is None else min(attempts, allowed.attempts)
    started = time.monotonic()
    attempt = 1
    while True:
        try:
            return operation()
        except OSError as error:
            if not is_transient(error):
                raise
            if attempt == last:
                tries = "once" if attempt == 1 else f"{attempt} times"
                raise RemoteError(
                    f"{what}: {reason(error)} (tried {tries} in {time.monotonic() - started:.0f} "
                    "s); see that the server is up, then run the same command again"
                ) from error
            pause = allowed.pause(attempt)
            logger.warning("%s: %s; trying again in %.1f s (attempt %d of %d)",
                           what, reason(error), pause, attempt + 1, last)  # fmt: skip
        count(RETRIES)
        time.sleep(pause)
        attempt += 1


def is_transient(error: BaseException) -> bool:
    """Tell whether an error may be gone the next time.

    The outermost error of the chain that says anything decides: libraries wrap the time-out of a
    server into errors of their own, but what one met while it handled another is what counts.
    """
    return next((known for link in _chain(error) if (known := _verdict(link)) is not None), False)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an error and what it came from."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _verdict(error: BaseException) -> bool | None:
    """Tell whether an error is transient; None if it does not say."""
    if isinstance(error, L1SkimError):
        return False  # what has been tried often enough, or understood
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if not isinstance(error, OSError):
        return None
    if error.errno is not None:
        return error.errno in _TRANSIENT
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return False
    return True if _TRANSIENT_WORDS.search(str(error)) else None


def reason(error: BaseException) -> str:
    """Return what an error says, without the number of the operating system's."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().partition("\n")[0].rstrip(",;:. ")
