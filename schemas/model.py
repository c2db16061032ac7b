"""Models of what comes from files, and plain data to them and back.

The checking is msgspec's. Types that it does not know have two methods: ``parse`` makes one from
plain data or raises ValueError, ``plain`` gives the plain data back.

What holds values inside the program is a frozen `msgspec.Struct` as well, where a command that
fills histograms imports it: to define one takes 10 us, a frozen dataclass 450 us, and 60 of those
were a tenth of the start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

Model = TypeVar("Model", bound=msgspec.Struct)
Key: TypeAlias = str | int
Path: TypeAlias = tuple[Key, ...]


class ModelError(ValueError):
    """Plain data does not fit a model.

    Parameters
    ----------
    message
        What is wrong, without the place.
    path
        Keys and positions that lead to the value that is wrong.
    key
        Key of the mapping at ``path`` that is itself wrong; None if it is the value.
    """

    def __init__(self, message: str, path: Path = (), key: str | None = None) -> None:
        super().__init__(message, path, key)
        self.message = message
        self.path = path
        self.key = key

    def __str__(self) -> str:
        """Render path and message."""
        named = ".".join(map(str, self.path))
        return f"{named}: {self.message}" if named else self.message


class EntryError(ValueError):
    """Raised by the check of a model about one of its keys.

    Parameters
    ----------
    key
        As it is written.
    message
        What is wrong with it.
    value
        Whether its value is to be marked, rather than the key.
    """

    def __init__(self, key: str, message: str, *, value: bool = False) -> None:
        super().__init__(message)
        self.key = key
        self.value = value


class ShortForm(Struct, frozen=True):
    """Another way to write a value of a configuration.

    Attributes
    ----------
    path
        Keys that lead to it; ``*`` stands for every entry of a mapping.
    write_out
        Turns the short form into the long one, and leaves all else alone.
    expected
        What may stand there, in words.
    json_schema
        Of the short form.
    """

    path: tuple[str, ...]
    write_out: Callable[[Any], Any]
    expected: str
    json_schema: dict[str, Any]

    def is_at(self, path: Path) -> bool:
        """Tell whether a value is one that can be written so."""
        return len(path) == len(self.path) and all(
            own in ("*", step) for own, step in zip(self.path, path, strict=True)
        )


class StrictModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that comes from a file: frozen, no unknown keys, no silent conversions.

    What a constructor is given is not checked, which data are.

    Attributes
    ----------
    short_forms
        Of the values in it, if it is that of a whole file.
    """

    short_forms: ClassVar[Sequence[ShortForm]] = ()


def from_data(data: Any, model: type[Model]) -> Model:
    """Check plain data, and make a model of them.

    Parameters
    ----------
    data
        Mappings, lists, texts, numbers, booleans and None.
    model
        To make.

    Raises
    ------
    ModelError
        With the path of the first thing that is wrong.
    """
    forms: Sequence[ShortForm] = getattr(model, "short_forms", ())
    for form in forms:
        data = _write_out(data, form.path, form.write_out)

    def convert(data: Any) -> Model:
        return msgspec.convert(data, model, dec_hook=_parse)

    def expected(path: Path) -> str:
        return next((form.expected for form in forms if form.is_at(path)), "")

    try:
        return convert(data)
    except msgspec.ValidationError as error:
        from schemas.explain import explain  # for messages alone

        raise explain(error, data, model, convert, expected) from error


def from_json(content: bytes, model: type[Model]) -> Model:
    """Check JSON, and make a model of it; see `from_data`.

    Raises
    ------
    ModelError
        If it is no JSON, or not that of the model.
    """
    return from_data(parse_json(content), model)


def parse_json(content: bytes) -> Any:
    """Return the plain data of JSON.

    Raises
    ------
    ModelError
        If it is none.
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"not JSON ({error})") from error


def to_data(model: msgspec.Struct) -> dict[str, Any]:
    """Return a model as plain data, with the keys of its file and all defaults."""
    data: dict[str, Any] = msgspec.to_builtins(model, enc_hook=_plain)
    return data


def _parse(kind: Any, value: Any) -> Any:
    return kind.parse(value)


def _plain(value: Any) -> Any:
    return value.plain()


def _write_out(value: Any, path: Sequence[str], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    if not isinstance(value, dict):
        return value
    keys = value if path[0] == "*" else value.keys() & {path[0]}
    return value | {key: _write_out(value[key], path[1:], change) for key in keys}
