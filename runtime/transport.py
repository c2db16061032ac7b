"""What leaves this process: functions on the way out, exceptions on the way back."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it has no type information
from msgspec import Struct


@dataclass(frozen=True, slots=True)
class Shipped:
    """A function that is pickled once, however many tasks carry it.

    A compiled configuration may take milliseconds to pickle; a thousand tasks would each pay it
    on both sides. Copying its bytes costs microseconds.

    Attributes
    ----------
    payload
        The function, pickled by cloudpickle: lambdas and functions of notebooks will do.
    """

    payload: bytes

    @classmethod
    def pack(cls, function: Callable[..., Any]) -> Shipped:
        """Pickle a function."""
        return cls(cloudpickle.dumps(function))

    def __call__(self, *arguments: Any) -> Any:
        """Call the function, in whichever process this is."""
        try:
            return _unpack(self.payload)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised below
            sendable = make_sendable(error)
        # not inside the handler, where it would get as its context what cannot travel
        raise sendable


@functools.lru_cache(maxsize=4)  # a run has two functions, its task's and its merge's
def _unpack(payload: bytes) -> Callable[..., Any]:
    function: Callable[..., Any] = cloudpickle.loads(payload)
    return function


class Parcel(Struct, frozen=True):
    """Anything on its way from one process to another.

    Attributes
    ----------
    payload
        The content, pickled by cloudpickle.
    failed
        Whether it is an exception, in place of a result.
    """

    payload: bytes
    failed: bool = False

    @classmethod
    def pack(cls, content: Any) -> Parcel:
        """Pickle anything."""
        return cls(cloudpickle.dumps(content))

    def open(self) -> Any:
        """Return the content.

        Raises
        ------
        Exception
            The content, with its cause and its traceback, if that took the place of a result.
        """
        content = cloudpickle.loads(self.payload)
        if self.failed:
            raise content
        return content


def call(function: Parcel, arguments: Iterable[Parcel]) -> Parcel:
    """Call a function that came from another process; return what is to go back."""
    try:
        return Parcel.pack(function.open()(*(argument.open() for argument in arguments)))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised over there
        return Parcel(cloudpickle.dumps(make_sendable(error)), failed=True)


def make_sendable(error: Exception) -> Exception:
    """Return an exception that arrives in another process as it is.

    Many exceptions of libraries do not pickle, or pickle and then fail to unpickle, which would
    replace what went wrong by a complaint about pickling.

    Parameters
    ----------
    error
        What a task raised. If only its cause cannot travel, that is turned into a note on it.

    Returns
    -------
    Exception
        ``error`` itself where possible, otherwise a RuntimeError with its type, message and
        traceback as text.
    """
    if _arrives(error):
        return error
    text = "".join(traceback.format_exception(error))
    error.__cause__ = error.__context__ = None
    error.add_note(f"in the worker:\n{text}")
    if _arrives(error):
        return error
    return RuntimeError(f"{type(error).__qualname__}: {error}\nin the worker:\n{text}")


def _arrives(error: Exception) -> bool:
    """Tell whether an exception survives the journey, with its type and message."""
    from tblib.pickling_support import install  # type: ignore[import-untyped]

    install(error)  # causes and tracebacks travel along
    try:
        arrived = cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:  # noqa: BLE001 - the pickling code of any library may raise anything
        return False
    return type(arrived) is type(error) and str(arrived) == str(error)
