"""Any text is an expression or an error, and any bytes are a manifest or an error."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.binding import Binder
from schemas.errors import ConfigError, DatasetError, ExpressionError
from schemas.event_schema import Collection, EventSchema, Field
from schemas.expressions import following_names
from schemas.manifest import Manifest, parse_manifest, seal
from schemas.needs import needed
from schemas.scope import Scope
from schemas.syntax import Expression, parse

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SCHEMA = EventSchema(
    collections={
        "A": Collection(
            kind="list", fields={"pt": Field(type="float32"), "n": Field(type="int32")}
        ),
        "event": Collection(kind="event", fields={"run": Field(type="uint32")}),
    }
)

TOKENS = st.sampled_from(
    [
        *("pt", "n", "run", "A", "A.pt", "event", "x", "__class__", "None", "True", "lambda", "if"),
        *("abs", "max", "sum", "count", "any", "where", "deltaphi", "default", "for", "in", "is"),
        *("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^", "~", "!", "&&", "||"),
        *("<", "<=", "==", "!=", ">=", ">", "=", ":=", ",", ".", ":", "(", ")", "[", "]", "{", "}"),
        *("0", "1", "64", "1e400", "0x1f", "1_0", "1j", "10**10**10", "'a'", '"', "\\", "#", "@"),
        *("and", "or", "not", " ", "\n", "\t", "\0", "é", "\ud800", "99999999999999999999"),
    ]
)


def bound(text: str) -> None:
    """Read a text as an expression and resolve its names; only errors of this project come out."""
    try:
        expression = parse(text)
    except ExpressionError as error:
        str(error)  # marks a place, wherever that is
        return
    assert isinstance(expression, Expression)
    for collection in ("A", "event"):
        try:
            with following_names():
                node = Binder(Scope(SCHEMA)).bind(expression, collection)
        except ConfigError as error:
            str(error)
        else:
            needed([node])


@given(st.text(max_size=300))
@FUZZ
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    bound(text)


@given(st.text(string.printable, max_size=300))
@FUZZ
def test_any_printable_text_is_an_expression_or_an_error(text: str) -> None:
    bound(text)


@given(st.lists(TOKENS, max_size=60), st.sampled_from(["", " "]))
@settings(FUZZ, max_examples=500)
def test_any_words_are_an_expression_or_an_error(tokens: list[str], between: str) -> None:
    bound(between.join(tokens))


@given(TOKENS, TOKENS, st.integers(1, 30_000))
@FUZZ
def test_anything_repeated_is_an_expression_or_an_error(one: str, two: str, times: int) -> None:
    bound((one + two) * times)
    bound(one * times + "pt" + two * times)


@pytest.fixture(scope="module")
def manifest(dataset: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((dataset / "manifest.json").read_text())
    del data["digest"]
    # the first of everything: changes should hit what matters
    collections = data["schema"]["collections"]
    data["schema"]["collections"] = {name: collections[name] for name in ("GenEl", "event")}
    record = data["samples"]["doubleele"]
    record["partitions"] = record["partitions"][:2]
    return data


def read(content: bytes) -> None:
    try:
        found = parse_manifest(content, "manifest.json")
    except DatasetError:
        return
    assert isinstance(found, Manifest)
    assert parse_manifest(found.to_json().encode(), "manifest.json") == found


@given(st.binary(max_size=500))
@FUZZ
def test_any_bytes_are_a_manifest_or_an_error(content: bytes) -> None:
    read(content)
    read(b'{\n "digest": "' + content)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List all places in a JSON value."""
    entries: Any = {}
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    found = [path] if path else []
    for key, inner in entries:
        found += places(inner, (*path, key))
    return found


@given(st.data())
@settings(FUZZ, max_examples=300)
def test_any_changed_manifest_with_a_digest_is_a_manifest_or_an_error(
    manifest: dict[str, Any], data: st.DataObject
) -> None:
    changed = json.loads(json.dumps(manifest))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(places(changed)))
        parent = changed
        for key in path:
            parent = parent[key]
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                parent[last] = data.draw(JSON)
            case "remove":
                del parent[last]
            case _ if isinstance(parent, dict):
                parent[data.draw(st.text(max_size=10))] = data.draw(JSON)
    if changed.keys() and "digest" not in changed:
        read(seal(changed).encode())


@given(st.integers(0, 100_000), st.binary(min_size=1, max_size=4))
@FUZZ
def test_any_changed_bytes_of_a_manifest_are_an_error(
    manifest: dict[str, Any], place: int, new: bytes
) -> None:
    whole = seal(manifest).encode()
    start = place % len(whole)
    changed = whole[:start] + new + whole[start + len(new) :]
    if changed != whole:
        with pytest.raises(DatasetError):
            parse_manifest(changed, "manifest.json")
