"""Derived collections against computations with awkward and with plain loops."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations, product
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histo.fill import fill
from histo.plan import make_plan
from histo.vocabulary import make_scope
from schemas.binding import Binder
from schemas.evaluate import Evaluator
from schemas.event_schema import EVENT, Collection, EventSchema, Field
from schemas.events import Events, Objects
from schemas.histo_config import HistoConfig
from schemas.load import parse_yaml, validate
from schemas.needs import needed
from schemas.syntax import parse

TYPES = {"pt": "float32", "eta": "float32", "phi": "float32", "charge": "int32", "id": "bool"}
NAMES = ("Ele", "Sta", "Gen")
SCHEMA = EventSchema(
    collections={
        name: Collection(kind="list", fields={f: Field(type=t) for f, t in TYPES.items()})
        for name in NAMES
    }
)
COLLECTIONS = """
collections:
  Hard: {filter: Ele, where: pt > 2, define: {twice: 2 * pt}}
  Both: {union: [Ele, Sta], define: {abseta: abs(eta)}}
  Pair: {pairs: Ele, define: {pt: leg1.pt, dz: abs(leg0.eta - leg1.eta)}}
  Mixed: {pairs: [Ele, Sta], define: {dr: "deltar(leg0, leg1)"}}
  Top2: {highest: 2, of: Ele, by: pt}
  Close: {match: Ele, to: Gen, within: "deltar(obj, gen) < 1", best: abs(obj.pt - gen.pt)}
  BothPair: {pairs: Both}
  FarPair: {filter: Pair, where: dz > 1}
  HardTop: {highest: 1, of: Hard, by: pt}
  HardBoth: {filter: Both, where: pt > 2}
  Either: {union: [Hard, Sta]}
  PairPair: {pairs: [Pair, Sta]}
selections:
  Tight: id and pt > 1
  Central: abs(eta) < 1
  BothTight: leg0.Tight and leg1.Tight
  Opposite: leg0.charge * leg1.charge < 0
  GoodPair: BothTight and Opposite
"""
CONFIG = COLLECTIONS + "histograms: {G: {fill: {n: {of: count(Ele), axis: [3, 0, 3]}}}}"

ANGLES = [-3.125, -1.5, -0.5, 0.0, 0.25, 0.5, 1.5, 3.125, math.nan]
VALUES: dict[str, list[Any]] = {
    "pt": [0.0, 1.0, 1.5, 2.0, 2.5, 2.5, 3.0, 50.25, math.inf, math.nan],
    "eta": ANGLES,
    "phi": ANGLES,
    "charge": [-1, 1],
    "id": [False, True],
}


@st.composite
def random_events(draw: st.DrawFn) -> Events:
    """Up to five events of up to four objects; collections are often empty in all of them."""
    size = draw(st.integers(0, 5))
    most = [draw(st.sampled_from([4, 1, 0, 4])) for _ in NAMES]
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    collections = {}
    for name, limit in zip(NAMES, most, strict=True):
        counts = random.integers(0, limit, size, endpoint=True)
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        fields = {
            f: random.choice(VALUES[f], int(offsets[-1])).astype(kind) for f, kind in TYPES.items()
        }
        collections[name] = Objects(offsets, fields)
    return Events(size, collections, {})


def awkward(events: Events) -> dict[str, Any]:
    return {
        name: ak.Array(
            ak.contents.ListOffsetArray(
                ak.index.Index64(objects.offsets),
                ak.contents.RecordArray(
                    [ak.contents.NumpyArray(values) for values in objects.fields.values()],
                    list(objects.fields),
                    length=len(objects),
                ),
            )
        )
        for name, objects in events.collections.items()
    }


def loops(events: Events, name: str) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = awkward(events)[name].to_list()
    return found


@cache
def config(text: str = CONFIG) -> HistoConfig:
    return validate(parse_yaml(text, "c.yaml"), HistoConfig)


def compute(events: Events, expression: str, collection: str) -> Any:
    """Return the values of an expression: a list per event, or for `EVENT` a value."""
    binder = Binder(make_scope(config(), SCHEMA))
    node = binder.bind(parse(expression), collection)
    evaluate = Evaluator(events, binder.derivations)
    values = evaluate(node)
    if collection == EVENT:
        return values
    return ak.Array(
        ak.contents.ListOffsetArray(
            ak.index.Index64(evaluate.offsets(collection)), ak.contents.NumpyArray(values)
        )
    )


def same(found: Any, expected: Any) -> None:
    """Compare jagged arrays or lists exactly; NaN equals NaN."""
    assert len(found) == len(expected)
    assert ak.num(found).to_list() == [len(event) for event in expected]
    flat = [value for event in expected for value in event]
    np.testing.assert_array_equal(ak.flatten(found).to_numpy(), np.array(flat))


def everything(test: Any) -> Any:
    return settings(max_examples=40, deadline=None)(given(events=random_events())(test))


@everything
def test_filter_keeps_objects_that_pass(events: Events) -> None:
    ele = awkward(events)["Ele"]
    same(compute(events, "pt", "Hard"), ele.pt[ele.pt > np.float32(2)])


@everything
def test_filter_has_its_own_fields(events: Events) -> None:
    ele = awkward(events)["Ele"]
    same(compute(events, "twice", "Hard"), 2 * ele.pt[ele.pt > np.float32(2)])


@everything
def test_union_has_the_objects_of_the_first_before_those_of_the_second(events: Events) -> None:
    arrays = awkward(events)
    joined = ak.concatenate([arrays["Ele"].pt, arrays["Sta"].pt], axis=1)
    same(compute(events, "pt", "Both"), joined)


@everything
def test_definitions_of_a_union_see_all_its_objects(events: Events) -> None:
    arrays = awkward(events)
    joined = ak.concatenate([arrays["Ele"].eta, arrays["Sta"].eta], axis=1)
    same(compute(events, "abseta", "Both"), abs(joined))


@everything
def test_union_of_integers_and_conditions_keeps_their_types(events: Events) -> None:
    arrays = awkward(events)
    for name in ("charge", "id"):
        joined = ak.concatenate([arrays["Ele"][name], arrays["Sta"][name]], axis=1)
        found = compute(events, name, "Both")
        same(found, joined)
        assert found.type == joined.type


@pytest.mark.parametrize("leg", [0, 1])
@everything
def test_pairs_of_one_collection_are_its_combinations(events: Events, leg: int) -> None:
    legs = ak.unzip(ak.combinations(awkward(events)["Ele"], 2))
    same(compute(events, f"leg{leg}.pt", "Pair"), legs[leg].pt)


@pytest.mark.parametrize("leg", [0, 1])
@everything
def test_pairs_of_two_collections_are_their_product(events: Events, leg: int) -> None:
    arrays = awkward(events)
    legs = ak.unzip(ak.cartesian([arrays["Ele"], arrays["Sta"]]))
    same(compute(events, f"leg{leg}.eta", "Mixed"), legs[leg].eta)


@everything
def test_definitions_of_pairs_use_their_legs(events: Events) -> None:
    first, second = ak.unzip(ak.combinations(awkward(events)["Ele"], 2))
    same(compute(events, "dz", "Pair"), abs(first.eta - second.eta))
    same(compute(events, "pt", "Pair"), second.pt)


@everything
def test_distance_is_that_of_the_shorter_way_round(events: Events) -> None:
    expected = [
        [distance(one, other) for one, other in product(ele, sta)]
        for ele, sta in zip(loops(events, "Ele"), loops(events, "Sta"), strict=True)
    ]
    found = compute(events, "dr", "Mixed")
    assert ak.num(found).to_list() == [len(event) for event in expected]
    flat = np.array([value for event in expected for value in event])
    np.testing.assert_allclose(ak.flatten(found).to_numpy(), flat, atol=1e-5)  # float32


def distance(one: dict[str, float], other: dict[str, float]) -> float:
    dphi = one["phi"] - other["phi"]
    dphi = math.remainder(dphi, 2 * math.pi) if math.isfinite(dphi) else math.nan
    return math.hypot(one["eta"] - other["eta"], dphi)


@everything
def test_mass_and_pt_of_pairs_are_those_of_the_sum_of_four_vectors(events: Events) -> None:
    with np.errstate(all="ignore"):
        legs = ak.unzip(ak.combinations(awkward(events)["Ele"], 2))
        vectors = []
        for leg in legs:
            pt, eta, phi = (
                ak.flatten(leg[name]).to_numpy().astype(float) for name in ("pt", "eta", "phi")
            )
            momentum = [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]
            vectors.append(np.array([pt * np.cosh(eta), *momentum]))
        energy, x, y, z = vectors[0] + vectors[1]
        mass = np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0))
        pt = np.hypot(x, y)
    finite = np.isfinite(mass)  # the sum of squares loses what is infinite or tiny
    found = ak.flatten(compute(events, "mass(leg0, leg1)", "Pair")).to_numpy()
    np.testing.assert_allclose(found[finite], mass[finite], rtol=1e-6, atol=1e-4)
    found = ak.flatten(compute(events, "pair_pt(leg0, leg1)", "Pair")).to_numpy()
    np.testing.assert_allclose(found[finite], pt[finite], rtol=1e-9, atol=1e-9)


def highest(event: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Choose one after the other the highest that is left, the first of equal ones, NaN last."""
    left, chosen = list(event), []
    while left and len(chosen) < number:
        numbers = [one for one in left if not math.isnan(one["pt"])] or left
        best = numbers[0]
        for one in numbers[1:]:
            if one["pt"] > best["pt"]:
                best = one
        chosen.append(best)
        left = [one for one in left if one is not best]
    return chosen


@pytest.mark.parametrize("name", ["pt", "eta"])
@everything
def test_highest_come_first_and_ties_in_stored_order(events: Events, name: str) -> None:
    expected = [[one[name] for one in highest(event, 2)] for event in loops(events, "Ele")]
    same(compute(events, name, "Top2"), expected)


def closest(obj: list[dict[str, Any]], gen: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """Match each particle to the object within 1 that is nearest in pt, the first of equal ones."""
    found = []
    for particle in gen:
        best, smallest = None, math.inf
        for one in obj:
            away = math.nan
            if not math.inf == one["pt"] == particle["pt"]:
                away = abs(one["pt"] - particle["pt"])
            reached = distance(one, particle) < 1
            if reached and not math.isnan(away) and (best is None or away < smallest):
                best, smallest = one, away
        if best is not None:
            found.append((best, particle))
    return found


@pytest.mark.parametrize("side", [0, 1])
@everything
def test_match_takes_the_best_object_of_each_particle(events: Events, side: int) -> None:
    pairs = zip(loops(events, "Ele"), loops(events, "Gen"), strict=True)
    matched = [closest(obj, gen) for obj, gen in pairs]
    reference = ("obj", "gen")[side]
    for name in ("pt", "phi"):
        expected = [[pair[side][name] for pair in event] for event in matched]
        same(compute(events, f"{reference}.{name}", "Close"), expected)


@everything
def test_matched_objects_are_the_bare_ones(events: Events) -> None:
    same(compute(events, "pt", "Close"), compute(events, "obj.pt", "Close"))


# -- one on top of the other ----------------------------------------------------------------


@pytest.mark.parametrize("leg", [0, 1])
@everything
def test_pairs_of_a_union(events: Events, leg: int) -> None:
    arrays = awkward(events)
    joined = ak.concatenate([arrays["Ele"].pt, arrays["Sta"].pt], axis=1)
    legs = ak.unzip(ak.combinations(joined, 2))
    same(compute(events, f"leg{leg}.pt", "BothPair"), legs[leg])


@everything
def test_definitions_of_a_union_are_fields_of_the_legs_of_its_pairs(events: Events) -> None:
    arrays = awkward(events)
    joined = ak.concatenate([arrays["Ele"].eta, arrays["Sta"].eta], axis=1)
    first, _ = ak.unzip(ak.combinations(joined, 2))
    same(compute(events, "leg0.abseta", "BothPair"), abs(first))


@everything
def test_filter_of_pairs_keeps_their_legs(events: Events) -> None:
    first, second = ak.unzip(ak.combinations(awkward(events)["Ele"], 2))
    far = abs(first.eta - second.eta) > 1
    same(compute(events, "leg0.pt", "FarPair"), first.pt[far])
    same(compute(events, "leg1.pt", "FarPair"), second.pt[far])
    same(compute(events, "dz", "FarPair"), abs(first.eta - second.eta)[far])


@everything
def test_highest_of_a_filter(events: Events) -> None:
    hard = [[one for one in event if one["pt"] > 2] for event in loops(events, "Ele")]
    expected = [[2 * one["pt"] for one in highest(event, 1)] for event in hard]
    same(compute(events, "twice", "HardTop"), expected)


@everything
def test_filter_of_a_union(events: Events) -> None:
    arrays = awkward(events)
    joined = ak.concatenate([arrays["Ele"], arrays["Sta"]], axis=1)
    same(compute(events, "eta", "HardBoth"), joined.eta[joined.pt > 2])


@everything
def test_union_with_a_filter(events: Events) -> None:
    arrays = awkward(events)
    hard = arrays["Ele"][arrays["Ele"].pt > 2]
    same(compute(events, "phi", "Either"), ak.concatenate([hard.phi, arrays["Sta"].phi], axis=1))


@everything
def test_pairs_of_pairs_have_legs_of_legs(events: Events) -> None:
    expected = [
        [pair[1]["pt"] for pair, _ in product(combinations(ele, 2), sta)]
        for ele, sta in zip(loops(events, "Ele"), loops(events, "Sta"), strict=True)
    ]
    same(compute(events, "leg0.leg1.pt", "PairPair"), expected)


# -- names ----------------------------------------------------------------------------------


@everything
def test_selections_apply_to_a_leg(events: Events) -> None:
    first, second = ak.unzip(ak.combinations(awkward(events)["Ele"], 2))
    tight = first.id & (first.pt > 1) & second.id & (second.pt > 1)
    same(compute(events, "BothTight", "Pair"), tight)
    opposite = first.charge * second.charge < 0
    same(compute(events, "GoodPair", "Pair"), tight & opposite)


@everything
def test_a_selection_means_the_fields_of_the_collection_it_is_used_in(events: Events) -> None:
    arrays = awkward(events)
    for name in ("Ele", "Gen"):
        same(compute(events, "Central", name), abs(arrays[name].eta) < 1)


@everything
def test_selections_apply_to_obj_and_gen(events: Events) -> None:
    pairs = zip(loops(events, "Ele"), loops(events, "Gen"), strict=True)
    expected = [
        [one["id"] and one["pt"] > 1 and abs(particle["eta"]) < 1 for one, particle in found]
        for found in (closest(obj, gen) for obj, gen in pairs)
    ]
    same(compute(events, "obj.Tight and gen.Central", "Close"), expected)


@everything
def test_derived_collections_can_be_reduced_to_one_value_an_event(events: Events) -> None:
    first, second = ak.unzip(ak.combinations(awkward(events)["Ele"], 2))
    np.testing.assert_array_equal(compute(events, "count(Pair)", EVENT), ak.num(first))
    # NaN is the largest of whatever it is among
    softer = [np.max(event) if event else math.nan for event in second.pt.to_list()]
    np.testing.assert_array_equal(compute(events, "max(Pair.leg1.pt)", EVENT), softer)


@everything
def test_reductions_of_the_event_are_known_to_its_pairs(events: Events) -> None:
    count = ak.num(awkward(events)["Ele"])
    pairs, _ = ak.unzip(ak.combinations(awkward(events)["Ele"].pt, 2))
    expected = ak.broadcast_arrays(count, pairs)[0]
    same(compute(events, "count(Ele)", "Pair"), expected)


# -- what is read and made --------------------------------------------------------------------


@dataclass
class CountingColumns:
    """Events that count how often each column and each offsets array is asked for."""

    events: Events
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.events.size

    def offsets(self, collection: str) -> NDArray[np.int64]:
        return self.events.offsets(collection)

    def column(self, collection: str, field: str) -> NDArray[Any]:
        self.asked.append((collection, field))
        return self.events.column(collection, field)


FILLS = """
histograms:
  Pairs:
    fill:
      pt: {axis: [10, 0, 10]}
      dz: {axis: [10, 0, 10]}
      leg0: {of: leg0.pt, axis: [10, 0, 10]}
    for: {Pair: all | BothTight | GoodPair, FarPair: all}
"""


@everything
def test_each_column_is_read_once_and_no_other(events: Events) -> None:
    plan = make_plan(config(COLLECTIONS + FILLS), SCHEMA)
    columns = CountingColumns(events)
    fill(plan, columns, events.size)
    assert sorted(columns.asked) == sorted(plan.columns)
    wanted = {("Ele", name) for name in ("pt", "eta", "id", "charge")}
    assert plan.columns == wanted
    assert plan.collections == {"Ele"}


def test_what_nothing_uses_is_not_made() -> None:
    plan = make_plan(config(COLLECTIONS + FILLS), SCHEMA)
    assert set(plan.derivations) == {"Pair", "FarPair"}


def test_counting_pairs_reads_no_more_than_their_number() -> None:
    text = "histograms: {G: {fill: {n: {of: count(BothPair), axis: [9, 0, 9]}}}}"
    plan = make_plan(config(COLLECTIONS + text), SCHEMA)
    assert plan.columns == set()
    assert plan.collections == {"Ele", "Sta"}


@pytest.mark.parametrize(
    "kind", ["counter: true", "fill: {n: {per_event: count(), axis: [9, 0, 9]}}"]
)
def test_pairs_without_a_selection_are_counted(kind: str) -> None:
    text = f"histograms: {{G: {{{kind}, for: {{Pair: all}}}}}}"
    plan = make_plan(config(COLLECTIONS + text), SCHEMA)
    filled = fill(plan, three_objects(), 2).contents(plan)[0][0]
    assert filled.sum() == (1 if "counter" in kind else 2)  # one event has a pair


def test_a_filter_needs_what_its_condition_needs() -> None:
    binder = Binder(make_scope(config(), SCHEMA))
    node = binder.bind(parse("phi"), "HardTop")
    assert needed([node], binder.derivations) == ({("Ele", "pt"), ("Ele", "phi")}, {"Ele"})


def three_objects() -> Events:
    empty = Objects(np.zeros(3, np.int64), {f: np.zeros(0, kind) for f, kind in TYPES.items()})
    fields = {f: np.ones(3, kind) for f, kind in TYPES.items()}
    objects = Objects(np.array([0, 2, 3]), fields)
    return Events(2, {"Ele": objects, "Sta": empty, "Gen": empty}, {})


def test_collections_empty_in_a_whole_partition_make_empty_ones() -> None:
    events = three_objects()
    assert compute(events, "leg0.pt", "Mixed").to_list() == [[], []]
    assert compute(events, "obj.pt", "Close").to_list() == [[], []]
    assert compute(events, "pt", "Both").to_list() == [[1, 1], [1]]


def test_no_events_make_empty_collections() -> None:
    nothing = {f: np.zeros(0, kind) for f, kind in TYPES.items()}
    events = Events(0, {name: Objects(np.zeros(1, np.int64), nothing) for name in NAMES}, {})
    for name in config().collections:
        assert compute(events, "1 + 1", str(name)).to_list() == []
