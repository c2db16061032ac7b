"""Why plain data does not fit a model: where in the data, and what is wrong, in words.

msgspec reports the first thing that is wrong, as a text that ends with a path such as
``$.samples[...].files[0]``. It does not name the entries of mappings, nor show the value.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from schemas.errors import nearest
from schemas.model import EntryError, Key, ModelError, Path

_ENTRY = "..."  # what msgspec writes for the key of an entry of a mapping
_PLACE = re.compile(r"(.*) - at (`key` in )?`\$((?:\.\w+|\[\d+\]|\[\.\.\.\])*)`", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[([\d.]+)\]")

_UNKNOWN = "Object contains unknown field `"
_MISSING = re.compile(r"Object missing required field `(.*)`")
_LENGTH = re.compile(r"Expected `.*` of length (>=|<=) (\d+)")
_BOUND = re.compile(r"Expected `.*` (>=|<=) (-?\d+)")
_TYPE = re.compile(r"Expected `(.*)`, got `.*`")
_LIMITS = {">=": "at least", "<=": "at most"}
_WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "str": "a text",
    "array": "a list",
    "object": "'key: value' entries",
}


def explain(
    error: msgspec.ValidationError,
    data: Any,
    model: type[msgspec.Struct],
    convert: Callable[[Any], object],
    expected: Callable[[Path], str],
) -> ModelError:
    """Return the error with its place and in words.

    Parameters
    ----------
    error
        Of the conversion.
    data
        That was converted.
    model
        To what.
    convert
        Converts other data in the same way, or raises `msgspec.ValidationError`.
    expected
        Says what a value of a path may be, in words; nothing if that goes without saying.
    """
    said, steps, of_key = _parse(str(error), data)
    path = _find(str(error), steps, data, convert)
    cause = error.__cause__
    if isinstance(cause, EntryError):
        if cause.value:
            return ModelError(str(cause), (*path, cause.key))
        return ModelError(str(cause), path, cause.key)
    if cause is not None:
        return ModelError(str(cause), path)
    kinds = [msgspec.inspect.type_info(model)]
    for step in path[:-1] if of_key else path:
        kinds = [inner for kind in _options(kinds) for inner in _inside(kind, step)]
    if of_key:
        *outer, key = path
        kinds = [k.key_type for k in _options(kinds) if isinstance(k, msgspec.inspect.DictType)]
        return ModelError(_in_words(said, key, list(_options(kinds)), ""), tuple(outer), str(key))
    value = _at(data, path)
    if said.startswith(_UNKNOWN):
        known = {name for kind in _options(kinds) for name in _keys(kind)}
        key = next(key for key in value if key not in known)
        return ModelError(f"unknown key {key!r}; {nearest(key, known)}", path, key)
    return ModelError(_in_words(said, value, list(_options(kinds)), expected(path)), path)


# -- where --------------------------------------------------------------------------------------


def _parse(text: str, data: Any) -> tuple[str, list[Key], bool]:
    """Return the message of msgspec, its path, and whether that is of a key of a mapping.

    There is no path at the top, where the name of an unknown key may look like one.
    """
    found = _PLACE.fullmatch(text)
    if found is None or text.removeprefix(_UNKNOWN)[:-1] in data:
        return text, [], False
    steps: list[Key] = []
    for name, position in _STEP.findall(found[3]):
        steps.append(name or (position if position == _ENTRY else int(position)))
    of_key = bool(found[2])
    return found[1], [*steps, _ENTRY] if of_key else steps, of_key


def _find(message: str, steps: Sequence[Key], data: Any, convert: Callable[[Any], object]) -> Path:
    """Return the path with the keys of mappings that msgspec does not name."""
    path: Path = ()
    for step in steps:
        key = step
        if step == _ENTRY:
            entries = list(_at(data, path).items())
            key, entry = _first_wrong(entries, message, partial(_with, convert, data, path))
            data = _replaced(data, path, {key: entry})
        path = (*path, key)
    return path


def _first_wrong(
    entries: Sequence[tuple[str, Any]], message: str, convert: Callable[[Any], object]
) -> tuple[str, Any]:
    """Return the entry of a mapping whose conversion fails with a message.

    Entries are converted in their order, so it is the last of the shortest beginning that fails.
    """

    def fails(count: int) -> bool:
        try:
            convert(dict(entries[:count]))
        except msgspec.ValidationError as error:
            return str(error) == message
        return False

    return entries[bisect_left(range(1, len(entries)), True, key=fails)]


def _with(convert: Callable[[Any], object], data: Any, path: Path, new: Any) -> object:
    return convert(_replaced(data, path, new))


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _replaced(data: Any, path: Path, new: Any) -> Any:
    """Return data with another value at a path."""
    if not path:
        return new
    made = data.copy()
    made[path[0]] = _replaced(data[path[0]], path[1:], new)
    return made


# -- what ---------------------------------------------------------------------------------------


def _options(kinds: Sequence[msgspec.inspect.Type]) -> Iterator[msgspec.inspect.Type]:
    """Iterate over the types of which a value has one, and what is said of them."""
    for kind in kinds:
        yield kind
        if isinstance(kind, msgspec.inspect.UnionType):
            yield from _options(kind.types)
        if isinstance(kind, msgspec.inspect.Metadata):
            yield from _options([kind.type])


def _inside(kind: msgspec.inspect.Type, step: Key) -> Iterator[msgspec.inspect.Type]:
    """Iterate over the types of what stands at a key or position."""
    match kind:
        case msgspec.inspect.StructType():
            yield from (field.type for field in kind.fields if field.encode_name == step)
        case msgspec.inspect.DictType():
            yield kind.value_type
        case msgspec.inspect.ListType():
            yield kind.item_type


def _keys(kind: msgspec.inspect.Type) -> list[str]:
    if isinstance(kind, msgspec.inspect.StructType):
        return [field.encode_name for field in kind.fields]
    return []


def _in_words(said: str, value: Any, kinds: Sequence[msgspec.inspect.Type], expected: str) -> str:
    """Put a message of msgspec about a value into the words of this project."""
    shown = "nothing" if value is None else repr(value)
    shown = shown if len(shown) < 60 else f"{shown[:57]}..."
    if found := _MISSING.fullmatch(said):
        return f"key {found[1]!r} is missing"
    if found := _LENGTH.fullmatch(said):
        if found.groups() == (">=", "1"):
            return "must not be empty"
        return f"expected {_LIMITS[found[1]]} {found[2]} entries, got {len(value)}"
    if found := _BOUND.fullmatch(said):
        return f"expected {_LIMITS[found[1]]} {found[2]}, got {shown}"
    for kind in kinds:
        if isinstance(kind, msgspec.inspect.Metadata) and kind.extra and "refusal" in kind.extra:
            return f"{shown} {kind.extra['refusal']}"
        if isinstance(kind, msgspec.inspect.LiteralType):
            return f"expected {_alternatives([repr(v) for v in kind.values])}, got {shown}"
    if found := _TYPE.fullmatch(said):
        names = [_WORDS.get(name, name) for name in found[1].split(" | ") if name != "null"]
        return f"expected {expected or _alternatives(names)}, got {shown}"
    return said


def _alternatives(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
