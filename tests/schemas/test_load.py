"""YAML to plain data with places: scalars, includes, limits. Mistakes are in ``tests/mistakes``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError, UsageError
from schemas.load import (
    SourceText,
    load_document,
    load_model,
    location_of,
    parse_yaml,
    validate,
)
from schemas.model import StrictModel


class Part(StrictModel, frozen=True):
    cut: str
    bins: int = 5


class Whole(StrictModel, frozen=True):
    parts: dict[str, Part]
    limit: float | None = None


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5), ("-5", -5), ("+5", 5), ("007", 7),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015),
        ("1e999", float("inf")), ("9" * 30, 1e30),
        ("true", True), ("false", False), ("null", None), ("~", None), ("", None),
        ("pt > 5", "pt > 5"), ("'5'", "5"), ('"true"', "true"), ("''", ""),
        # what YAML 1.1 would have turned into something else
        ("no", "no"), ("NO", "NO"), ("on", "on"), ("yes", "yes"), ("True", "True"),
        ("0x1f", "0x1f"), ("0o17", "0o17"), ("1_000", "1_000"), ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"), (".inf", ".inf"), (".nan", ".nan"),
    ],
)  # fmt: skip
def test_scalars(written: str, value: object) -> None:
    read = parse_yaml(f"key: {written}\n", "a.yaml").data["key"]
    assert read == value
    assert isinstance(read, type(value))


texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts.filter(lambda key: key != "<<"), values, min_size=1, max_size=3))
def test_quoted_data_is_read_as_it_was_written(data: dict[str, Any]) -> None:
    def quote(value: Any) -> Any:
        if isinstance(value, str):
            return Quoted(value)
        if isinstance(value, list):
            return [quote(item) for item in value]
        if isinstance(value, dict):
            return {Quoted(key): quote(item) for key, item in value.items() if key != "<<"}
        return value

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key != "<<"}
        return value

    text = yaml.dump(quote(data), Dumper=Dumper)
    assert parse_yaml(text, "a.yaml").data == plain(data)


class Quoted(str):
    pass


class Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # the name is PyYAML's
        return True


Dumper.add_representer(
    Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def test_texts_remember_their_place() -> None:
    document = parse_yaml("# cuts\nselections:\n  Tight: pt > 5\n", "cuts.yaml")
    text = document.data["selections"]["Tight"]
    place = location_of(text)
    assert isinstance(text, SourceText)
    assert place is not None
    assert (str(place), place.text, place.width) == ("cuts.yaml:3:10", "  Tight: pt > 5", 6)


def test_quotes_are_not_part_of_a_place() -> None:
    place = location_of(parse_yaml("key: 'pt > 5'\n", "cuts.yaml").data["key"])
    assert place is not None
    assert place.text[place.column - 1 :][: place.width] == "pt > 5"


def test_keys_have_places_too() -> None:
    document = parse_yaml("a:\n  b: 1\n", "cuts.yaml")
    assert str(document.keys["a", "b"]) == "cuts.yaml:2:3"


def test_the_place_of_what_is_missing_is_that_of_what_should_hold_it() -> None:
    document = parse_yaml("a:\n  b: 1\n", "cuts.yaml")
    assert document.where(("a", "b", "c", 3)) == document.values["a", "b"]


def test_plain_strings_have_no_place() -> None:
    assert location_of("pt > 5") is None


def test_aliases_repeat_values() -> None:
    data = parse_yaml("a: &cuts [1, 2]\nb: *cuts\n", "a.yaml").data
    assert data == {"a": [1, 2], "b": [1, 2]}


def test_includes_are_merged_and_the_including_file_wins(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("limit: 1\nparts: {A: {cut: a}, B: {cut: b}}\n")
    (tmp_path / "other.yaml").write_text("limit: 2\nparts: {B: {cut: b2}, C: {cut: c}}\n")
    (tmp_path / "main.yaml").write_text(
        "include: [base.yaml, other.yaml]\nparts: {A: {cut: a3, bins: 3}}\n"
    )
    whole = load_model(tmp_path / "main.yaml", Whole)
    assert whole.limit == 2
    assert {name: part.cut for name, part in whole.parts.items()} == {
        "A": "a3", "B": "b2", "C": "c",
    }  # fmt: skip
    assert whole.parts["A"].bins == 3


def test_includes_start_from_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "base.yaml").write_text("include: more.yaml\n")
    (tmp_path / "deep" / "more.yaml").write_text("parts: {}\n")
    (tmp_path / "main.yaml").write_text("include: deep/base.yaml\n")
    assert load_document(tmp_path / "main.yaml").data == {"parts": {}}


def test_a_file_may_be_included_twice(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("limit: 1\n")
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("include: base.yaml\n")
    (tmp_path / "main.yaml").write_text("include: [a.yaml, b.yaml]\nparts: {}\n")
    assert load_model(tmp_path / "main.yaml", Whole).limit == 1


def test_included_values_keep_the_place_in_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("\nparts:\n  A: {cut: 5}\n")
    (tmp_path / "main.yaml").write_text("include: base.yaml\n")
    with pytest.raises(ConfigError) as caught:
        load_model(tmp_path / "main.yaml", Whole)
    assert caught.value.headline == (
        f"{tmp_path / 'base.yaml'}:3:12: parts.A.cut: expected a text, got 5"
    )


def test_the_first_of_several_mistakes_is_reported() -> None:
    document = parse_yaml("parts: {A: {cut: 5}, B: {ctu: x}}\n", "a.yaml")
    with pytest.raises(ConfigError, match=r"a\.yaml:1:18: parts\.A\.cut"):
        validate(document, Whole)


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "cuts.yaml").write_text("a: 1\n")
    with pytest.raises(UsageError, match=r"did you mean 'cuts\.yaml'\?"):
        load_document(tmp_path / "cutts.yaml")


def test_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"[" * 4_000_001)
    with pytest.raises(ConfigError, match="larger than 4000000 bytes"):
        load_document(path)


def test_models_cannot_be_changed() -> None:
    part = Part(cut="pt > 5")
    with pytest.raises(AttributeError, match="immutable"):
        part.cut = "pt > 6"  # type: ignore[misc]
