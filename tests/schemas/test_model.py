"""Plain data to models and back: what is wrong is found where it stands, whatever the keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from schemas.config_types import ExpressionText, Identifier, Name
from schemas.errors import ConfigError
from schemas.histo_config import HistoConfig
from schemas.load import location_of, parse_yaml, validate
from schemas.manifest import configuration_hash
from schemas.model import EntryError, ModelError, StrictModel, from_data, from_json, to_data
from schemas.skim_config import SkimConfig


class Leaf(StrictModel, frozen=True, kw_only=True, rename={"kind": "is"}):
    kind: Literal["a", "b"] = "a"
    cut: ExpressionText | None = None
    sizes: Annotated[list[int], Meta(min_length=2, max_length=3)] | None = None

    def __post_init__(self) -> None:
        if self.kind == "b" and self.cut is None:
            raise EntryError("is", "'b' needs 'cut'", value=True)


class Tree(StrictModel, frozen=True, kw_only=True):
    branches: dict[Name, dict[Identifier, Leaf]]
    rest: Any = None
    width: Annotated[int, Meta(ge=1, le=9)] | None = None


def tree(**leaf: object) -> dict[str, Any]:
    """Return data with a leaf between others that fit."""
    return {"branches": {"x": {}, "y": {"k": {}, "l": leaf, "m": {}}, "z": {"k": {}}}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tree(size=1), "branches.y.l: unknown key 'size'; did you mean 'sizes'?"),
        (tree(**{"is": "c"}), "branches.y.l.is: expected 'a' or 'b', got 'c'"),
        (tree(**{"is": 5}), "branches.y.l.is: expected 'a' or 'b', got 5"),
        (tree(**{"is": "b"}), "branches.y.l.is: 'b' needs 'cut'"),
        (tree(cut=[]), "branches.y.l.cut: expected an expression, such as 'pt > 5'"),
        (tree(sizes=5), "branches.y.l.sizes: expected a list, got 5"),
        (tree(sizes=[1]), "branches.y.l.sizes: expected at least 2 entries, got 1"),
        (tree(sizes=[1] * 4), "branches.y.l.sizes: expected at most 3 entries, got 4"),
        (tree(sizes=[1, None]), "branches.y.l.sizes.1: expected an integer, got nothing"),
        (tree(sizes=[1, True]), "branches.y.l.sizes.1: expected an integer, got True"),
        ({"branches": {"x": {"a-b": {}}}}, "branches.x: 'a-b' is not a name; use letters, digits"),
        ({"branches": {"x": {"a\n": {}}}}, r"branches.x: 'a\n' is not a name"),
        ({"branches": {"x": {}, "/x": {}}}, "branches: '/x' is not a name"),
        ({"branches": {"x": []}}, "branches.x: expected 'key: value' entries, got []"),
        ({"branches": {}, "width": 0}, "width: expected at least 1, got 0"),
        ({"branches": {}, "width": 10}, "width: expected at most 9, got 10"),
        ({"branches": {}, "width": 1.0}, "width: expected an integer, got 1.0"),
        ({}, "key 'branches' is missing"),
        ([], "expected 'key: value' entries, got []"),
        (None, "expected 'key: value' entries, got nothing"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_data(data, Tree)
    assert str(caught.value).startswith(said)


def test_the_first_of_many_wrong_entries_is_found() -> None:
    leaves: dict[str, Any] = {f"n{i}": {"cut": i} for i in range(100)}
    for wrong in (97, 42, 0):
        leaves[f"n{wrong}"] = {"sizes": "many"}
        with pytest.raises(ModelError) as caught:
            from_data({"branches": {"a": {}, "b": leaves, "c": leaves}}, Tree)
        assert caught.value.path == ("branches", "b", f"n{wrong}", "sizes")


@pytest.mark.parametrize(
    "key", ["x` - at `$.branches[...].y", "x` - at `$[0]", "x` - at `key` in `$.branches", "`", ""]
)
def test_keys_that_look_like_messages_mislead_nobody(key: str) -> None:
    for data, path in (({key: 1}, ()), (tree(**{key: 1}), ("branches", "y", "l"))):
        with pytest.raises(ModelError, match="unknown key") as caught:
            from_data({"branches": {}, **data}, Tree)
        assert (caught.value.path, caught.value.key) == (path, key)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"branches": NaN}'])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="not JSON"):
        from_json(content, Tree)


def test_models_give_back_their_data_with_all_defaults() -> None:
    made = from_data({"branches": {"x": {"k": {"is": "b", "cut": "pt\n  > 5"}}}}, Tree)
    data = to_data(made)
    assert data == {
        "branches": {"x": {"k": {"is": "b", "cut": "pt > 5", "sizes": None}}},
        "rest": None,
        "width": None,
    }
    assert from_data(data, Tree).branches["x"]["k"].cut == "pt > 5"


def test_empty_defaults_are_not_shared() -> None:
    first, second = (from_data({"schema": "x", "keep": {"A": "all"}}, SkimConfig) for _ in range(2))
    first.define["A"] = {}
    assert second.define == {}


def test_all_texts_and_keys_remember_their_place() -> None:
    text = "branches:\n  x:\n    k: {is: b, cut: pt > 5}\nrest: {label: [some, {more: text}]}\n"
    made = validate(parse_yaml(text, "a.yaml"), Tree)
    texts = [*made.branches, *made.branches["x"], made.branches["x"]["k"].cut]
    texts += [*made.rest, made.rest["label"][0], *made.rest["label"][1]]
    assert [str(location_of(text)) for text in texts] == [
        f"a.yaml:{place}" for place in ("2:3", "3:5", "3:21", "4:8", "4:16", "4:23")
    ]


def test_mistakes_in_order_of_the_file() -> None:
    text = "branches: {x: {k: {cut: [], sizes: 5}}}\nwidht: 5\n"
    with pytest.raises(ConfigError, match=r"a\.yaml:1:25: branches\.x\.k\.cut: expected"):
        validate(parse_yaml(text, "a.yaml"), Tree)


SKIM = """
schema: fastpuppi
samples: {a: x/*.root, b: [y, z], c: {files: q}}
keep: {TkEleL2: all, GenEl: pt, event: [run, 'l*'], Zé: "*"}
define: {TkEleL2: {abseta: "abs(  eta )", k: 1.50, t: true, n: 100000000000000000000000}}
objects:
  TkEleL2: |
    pt
     > 5
events: 1e3
weight: "  w "
drift: {fill: {"*.a": nan, b: 5, c: true, d: 1.5, e: .NaN}, widen: [a.b]}
storage:
  narrow: {"*.pt": 012 bits, b.d: [0, 200], e: uint8}
  partition_bytes: 1.5 MB
  row_group_bytes: 17
  compression: lz4
  level: null
"""

HISTO = """
collections:
  A: {pairs: Ele, define: {x: leg0.pt}}
  B: {union: [a, b]}
  C: {highest: 2, of: A, by: pt}
  D: {pairs: [x, y]}
tables:
  t:
    arguments: [a]
    by: [a, {of: "pt  +1", edges: [0, 1, 2.5]}, selection]
    values: {p: {q: [1, 2.5, null]}, r: x}
    formula: "( x)"
functions: {f: "a:b"}
selections: {A: pt > 5, B: {cut: " pt  > 6", label: "x  y"}, T: true, N: 1}
matches:
  m: {to: G, gen: all, within: a, best: b,
      for: {E: all, F: [a, b], G: {selections: x, within: c}}}
histograms:
  H:
    fill:
      pt: {axis: [10, 0, 100]}
      b: {axis: boolean, only: X}
      c: {axes: [{of: 1, axis: {edges: [0, 1, 5]}}, {axis: {integer: [0, 5]}, label: "q"}]}
      d: {per_event: count(), axis: {categories: [1, 3]}}
      l: {axis: {log: [5, 1, 10]}}
    for: {E: all, F: [a, b x c]}
    weight: 2
  R: {rate: {pt: {axis: [5, 0, 10], unit: kHz}}, for: {E: a}}
  C: {counter: true, for: {E: a}}
  M: {match: m, fill: {p: {of: obj.pt, axis: [1, 0, 1]}}}
"""


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [(SKIM, SkimConfig, "adb8a59bf0720f32"), (HISTO, HistoConfig, "905664becd75cced")],
    ids=["skim", "histo"],
)
def test_configurations_keep_the_hash_that_datasets_have(
    text: str, model: Any, expected: str
) -> None:
    config = validate(parse_yaml(text, "a.yaml"), model)
    assert configuration_hash(config.normalised()) == expected
