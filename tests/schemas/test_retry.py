"""What is tried again, how often, and what is said of it."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from schemas.errors import InputError, RemoteError, UsageError
from schemas.retry import RETRIES, Patience, is_transient, patience, retry
from schemas.tally import tallying
from schemas.xrootd import split_url
from skim.cli import main as skim

VARIABLES = ["L1SKIM_REMOTE_TIMEOUT", "L1SKIM_REMOTE_ATTEMPTS", "L1SKIM_REMOTE_WAIT"]
DOCUMENTATION = Path(__file__).parents[2] / "docs/remote.md"


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def while_handling(error: Exception, context: Exception) -> Exception:
    error.__context__ = context
    return error


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("no answer"),
        ConnectionResetError(errno.ECONNRESET, "Connection error"),
        OSError(errno.EIO, "10 of 20 bytes arrived"),
        OSError("XRootD error: [ERROR] Operation expired in file root://a//b"),
        OSError("[FATAL] Connection error"),
        OSError("The read operation timed out"),
        caused(OSError("could not read"), TimeoutError()),
        caused(ValueError("a wrapper"), caused(OSError("another"), ConnectionError())),
        while_handling(OSError("while closing"), OSError("[ERROR] Socket timeout")),
        while_handling(TimeoutError(), FileNotFoundError(errno.ENOENT, "in the cache")),
    ],
    ids=str,
)
def test_what_may_pass_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file"),
        FileNotFoundError("file not found: [ERROR] Connection error.root"),
        PermissionError(errno.EACCES, "permission denied"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EADDRNOTAVAIL, "no server of that name"),
        OSError("expected Chunk of length 10, received 5 bytes"),
        ValueError("not a ROOT file"),
        InputError("a.root: damaged"),
        caused(RemoteError("tried 4 times"), TimeoutError()),
        caused(FileNotFoundError(errno.ENOENT, "no such file"), TimeoutError()),
    ],
    ids=str,
)
def test_what_stays_is_not(error: Exception) -> None:
    assert not is_transient(error)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], int]]:
    """How to make an operation that fails some times, and then returns how often it was called."""
    monkeypatch.setenv("L1SKIM_REMOTE_WAIT", "0.001")

    def make(times: int, error: Exception) -> Callable[[], int]:
        calls = 0

        def operation() -> int:
            nonlocal calls
            calls += 1
            if calls <= times:
                raise error
            return calls

        return operation

    return make


def test_retries_are_counted_and_said(
    fail: Callable[..., Callable[[], int]], caplog: pytest.LogCaptureFixture
) -> None:
    with tallying() as tally:
        assert retry(fail(3, TimeoutError("no answer.")), "a.root: cannot be read") == 4
    assert tally.counts == {RETRIES: 3}
    messages = [record.getMessage() for record in caplog.records]
    assert messages[1] == (
        "a.root: cannot be read: no answer; trying again in 0.0 s (attempt 3 of 4)"
    )


def test_the_last_failure_says_how_often_it_was_tried(
    fail: Callable[..., Callable[[], int]],
) -> None:
    with pytest.raises(RemoteError, match=r"^a: no answer \(tried 4 times in 0 s\); see that"):
        retry(fail(4, TimeoutError("no answer")), "a")
    with pytest.raises(RemoteError, match=r"tried 2 times"):
        retry(fail(2, TimeoutError("no answer")), "a", attempts=2)


def test_what_stays_is_raised_as_it_is(fail: Callable[..., Callable[[], int]]) -> None:
    error = FileNotFoundError(errno.ENOENT, "no such file")
    with tallying() as tally, pytest.raises(FileNotFoundError) as caught:
        retry(fail(1, error), "a")
    assert caught.value is error
    assert not tally.counts


def test_errors_of_servers_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(RemoteError("root://a//b: lost")))  # noqa: S301
    assert (type(error), str(error)) == (RemoteError, "root://a//b: lost")


def test_waits_grow_and_vary() -> None:
    waits = [[Patience().pause(attempt) for _ in range(50)] for attempt in (1, 2, 3)]
    for drawn, middle in zip(waits, (1, 2, 4), strict=True):
        assert 0.5 * middle <= min(drawn) < max(drawn) <= 1.5 * middle


def test_patience_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert patience() == Patience()
    for name, value in zip(VARIABLES, ("5", "2", "0.25"), strict=True):
        monkeypatch.setenv(name, value)
    assert patience() == Patience(attempts=2, wait=0.25, timeout=5)


@pytest.mark.parametrize("value", ["soon", "-1", "1e99", "nan", "9999999"])
@pytest.mark.parametrize("name", VARIABLES)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"{name} must be a .*, not {value!r}"):
        patience()


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_are_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCUMENTATION.read_text()
    assert name in CliRunner().invoke(skim, ["--help"]).stdout


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("root://h//a/b.root", ("root://h", "/a/b.root", "")),
        ("root://u@h:1094//a?b=c&d=e", ("root://u@h:1094", "/a", "?b=c&d=e")),
        ("roots://h//a?.root", ("roots://h", "/a?.root", "")),
        ("root://h", ("root://h", "", "")),
    ],
)
def test_urls_are_split(url: str, parts: tuple[str, str, str]) -> None:
    assert split_url(url) == parts
