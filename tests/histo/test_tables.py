"""Tables: by words, selections and bins, one inside the other, with and without a formula."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from msgspec.structs import replace

from histo.vocabulary import make_scope
from schemas.binding import Binder
from schemas.evaluate import Evaluator
from schemas.events import Events
from schemas.histo_config import HistoConfig
from schemas.load import load_model
from schemas.syntax import parse
from tests.strategies import SCHEMA, configured, events, random_events

CONFIGS = Path(__file__).parents[2] / "configs" / "histo"
HISTOGRAMS = "histograms: {G: {fill: {n: {of: 1, axis: [1, 0, 2]}}}}\n"
TABLES = """
selections:
  EB: abs(eta) <= 1.479
  EE: abs(eta) <= 2.4
  Good: tight
tables:
  word: {arguments: [what], by: [what], values: {Loose: 1, Tight: 2.5}}
  region: {by: [selection], values: {EB: 1, EE: 2}}
  overlap: {by: [selection], values: {EE: 2, EB: 1}}
  binned: {by: [{of: pt, edges: [0, 2.5, 5, 10]}], values: [1, 2, 3]}
  online:
    arguments: [offline, object]
    by: [object, selection]
    formula: (offline - b) / a
    values:
      Ele: {EB: {a: 2, b: 1}, EE: {a: 4, b: 3}}
      Pho: {EB: {a: 1, b: 0}, EE: {a: 1, b: 10}}
  scaled: {arguments: [x], by: [selection], formula: x * value, values: {EB: 2, EE: 3}}
  nested:
    arguments: [what]
    by: [{of: abs(eta), edges: [0, 1, 10]}, what, selection, {of: pt, edges: [0, 5, 10]}]
    values:
      - {A: {Good: [1, 2]}, B: {Good: [3, 4], EE: [5, 6]}}
      - {A: {Good: [7, 8]}, B: {EB: [9, 10]}}
  shifted: {arguments: [x], by: [selection], formula: x + pt + value, values: {EB: 1}}
"""
CONFIG = configured(TABLES + HISTOGRAMS)


def compute(expression: str, whole: Events, collection: str = "Ele") -> list[Any]:
    binder = Binder(make_scope(CONFIG, SCHEMA))
    node = binder.bind(parse(expression), collection)
    values: list[Any] = Evaluator(whole, binder.derivations)(node).tolist()
    return values


def electrons(whole: Events) -> list[dict[str, Any]]:
    fields = whole.collections["Ele"].fields
    names = list(fields)
    columns = [values.tolist() for values in fields.values()]
    return [dict(zip(names, one, strict=True)) for one in zip(*columns, strict=True)]


def same(found: list[Any], expected: list[Any]) -> None:
    np.testing.assert_array_equal(np.array(found, float), np.array(expected, float))


def region(one: dict[str, Any], barrel: Any, endcap: Any) -> Any:
    """Choose by region; the edges lie between the values of float32."""
    if abs(one["eta"]) <= np.float32(1.479):
        return barrel
    return endcap if abs(one["eta"]) <= np.float32(2.4) else math.nan


random = settings(max_examples=30, deadline=None)


def test_a_word_gives_its_entry() -> None:
    whole = random_events(3)
    count = len(whole.collections["Ele"])
    assert compute("word(Loose)", whole) == [1] * count
    assert compute("word(Tight)", whole) == [2.5] * count


@random
@given(whole=events())
def test_selections_give_their_entry_and_nan_outside(whole: Events) -> None:
    same(compute("region()", whole), [region(one, 1, 2) for one in electrons(whole)])


@random
@given(whole=events())
def test_the_first_selection_that_an_object_passes_decides(whole: Events) -> None:
    # what passes EB passes EE, which stands before it
    same(compute("overlap()", whole), [region(one, 2, 2) for one in electrons(whole)])


@random
@given(whole=events())
def test_bins_hold_their_lower_edge_and_nan_is_outside(whole: Events) -> None:
    expected = []
    for one in electrons(whole):
        inside = [low <= one["pt"] < high for low, high in ((0, 2.5), (2.5, 5), (5, 10))]
        expected.append(inside.index(True) + 1 if any(inside) else math.nan)
    same(compute("binned()", whole), expected)


@random
@given(whole=events())
def test_a_formula_takes_arguments_and_numbers(whole: Events) -> None:
    expected = [region(one, (36 - 1) / 2, (36 - 3) / 4) for one in electrons(whole)]
    same(compute("online(36, Ele)", whole), expected)
    expected = [region(one, 12.0, 2.0) for one in electrons(whole)]
    same(compute("online(12, Pho)", whole), expected)


@random
@given(whole=events())
def test_arguments_can_be_expressions(whole: Events) -> None:
    expected = [
        region(one, (2 * np.float32(one["pt"]) - 1) / 2, (2 * np.float32(one["pt"]) - 3) / 4)
        for one in electrons(whole)
    ]
    same(compute("online(2 * pt, Ele)", whole), expected)


@random
@given(whole=events())
def test_a_single_number_is_called_value(whole: Events) -> None:
    same(compute("scaled(10)", whole), [region(one, 20, 30) for one in electrons(whole)])


@random
@given(whole=events())
def test_a_formula_knows_the_fields_of_the_object(whole: Events) -> None:
    expected = [
        region(one, np.float32(10) + np.float32(one["pt"]) + np.float32(1), math.nan)
        for one in electrons(whole)
    ]
    same(compute("shifted(10)", whole), expected)


def look_up(one: dict[str, Any], word: str) -> float:
    eta, pt = abs(one["eta"]), one["pt"]
    if not (eta < 10 and 0 <= pt < 10):
        return math.nan
    high = int(pt >= 5)
    good = one["tight"]
    if eta < 1:
        if good:
            return float({"A": [1, 2], "B": [3, 4]}[word][high])
        return [5, 6][high] if word == "B" else math.nan  # all of |eta| < 1 pass EE
    if word == "A":
        return [7, 8][high] if good else math.nan
    return [9, 10][high] if eta <= np.float32(1.479) else math.nan


@random
@given(whole=events())
def test_levels_are_looked_up_one_inside_the_other(whole: Events) -> None:
    for word in "AB":
        expected = [look_up(one, word) for one in electrons(whole)]
        same(compute(f"nested({word})", whole), expected)


@random
@given(whole=events())
def test_what_is_outside_passes_no_cut(whole: Events) -> None:
    inside = [not math.isnan(region(one, 1, 2)) for one in electrons(whole)]
    above = compute("pt >= region() or pt < region()", whole)
    expected = [
        where and not math.isnan(one["pt"])
        for where, one in zip(inside, electrons(whole), strict=True)
    ]
    assert above == expected


def test_a_table_is_looked_up_for_the_collection_that_it_is_used_in() -> None:
    whole = random_events(30)
    jets = compute("binned()", whole, "Jet")
    pts = whole.collections["Jet"].fields["pt"]
    assert len(jets) == len(pts)
    assert [value == 1 for value in jets] == [bool(0 <= pt < 2.5) for pt in pts]


def test_thresholds_of_the_menu_are_those_of_the_scalings() -> None:
    config = load_model(CONFIGS / "eg_rate_menu.yaml", HistoConfig)
    # its collections are none of this schema's
    binder = Binder(make_scope(replace(config, collections={}), SCHEMA))
    whole = random_events(200)
    regions = [region(one, "EB", "EE") for one in electrons(whole)]
    expected = {
        "online(36, TkEle)": {"EB": 29.034138218151536, "EE": 27.8268156424581},
        "online(12, TkEle)": {"EB": 9.050791007493755, "EE": 8.672785315243416},
        "online(22, TkEm)": {"EB": 16.89189189189189, "EE": 16.689201877934273},
        "online(51, EGSta)": {"EB": 40.88086303939962, "EE": 43.54716981132075},
        "isolation(Ele)": {"EB": 0.13, "EE": 0.28},
        "isolation(Pho)": {"EB": 0.25, "EE": 0.205},
    }
    for expression, numbers in expected.items():
        found = Evaluator(whole)(binder.bind(parse(expression), "Ele")).tolist()
        same(found, [numbers.get(where, math.nan) for where in regions])
