"""Filling one block of events: every bin equals a plain awkward + hist computation.

The expected histograms are written by hand, one by one, and share no code with the project.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import hist
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import histo.fill
from histo.book import make_axis
from histo.fill import Contents, Filled, fill, merge
from histo.patterns import pack, sum_patterns
from histo.plan import Plan, make_plan
from schemas.evaluate import Evaluator
from schemas.event_schema import Collection, EventSchema, Field
from schemas.events import Events, Objects
from schemas.histo_config import HistoConfig
from tests.strategies import (
    SCHEMA,
    awkward,
    configured,
    events,
    random_events,
    split,
)

pytestmark = pytest.mark.usefixtures("any_loops")

axis = hist.axis


def filled(axes: Any, *columns: Any, weight: Any = None) -> hist.Hist:
    """Fill a histogram with flattened columns."""
    used = axes if isinstance(axes, list) else [axes]
    storage = hist.storage.Int64() if weight is None else hist.storage.Weight()
    made = hist.Hist(*used, storage=storage)
    flat = [np.asarray(ak.flatten(column, axis=None)) for column in columns]
    if weight is None:
        made.fill(*flat)
    else:
        made.fill(*flat, weight=np.asarray(ak.flatten(weight, axis=None)))
    return made


EVERYTHING = configured("""
selections:
  Tight: tight
  Central: abs(eta) <= 2.5
  Hard: pt > 5
  Fired: triggered
  Crowded: count(Ele) + count(Jet) >= 3
  TwoTight: count(Ele.Tight) >= 2
  Always: true
histograms:
  Objects:
    fill: &objects
      pt: {axis: [8, 0, 10]}
      eta: {axis: {edges: [-10, -2.5, -1, 0, 0.5, 1, 10]}}
      log: {of: pt, axis: {log: [6, 0.5, 50]}}
      charge: {axis: {integer: [-1, 2]}}
      quality: {axis: {categories: [4, 1, 2]}}
      tight: {axis: boolean}
      ratio: {of: pt / MET.pt, axis: [10, -5, 5]}
      to_jet: {of: pt - max(Jet.pt), axis: [10, -10, 10]}
      map: {axes: [{of: pt, axis: [8, 0, 10]}, {of: abs(eta), axis: {log: [3, 0.1, 10]}}]}
      cube:
        axes:
          - {of: pt, axis: [4, 0, 10]}
          - {of: charge, axis: {integer: [-1, 2]}}
          - {of: tight, axis: boolean}
    for: {Ele: all | Tight | Central x (Always | Fired) | Crowded}
  Weighted:
    fill: *objects
    for: {Ele: all | Tight x Central | Fired}
    weight: weight * 0.5
  Charged:
    fill: {pt: {axis: [8, 0, 10]}}
    for: {Ele: all | Tight}
    weight: charge
  PerEvent:
    fill: &event
      n: {per_event: count(), axis: {integer: [0, 3]}}
      leading: {per_event: max(pt), axis: [8, 0, 10]}
      safe: {per_event: "max(pt, default=-1)", axis: [11, -1, 10]}
      balance: {per_event: max(pt) - max(Jet.pt), axis: [10, -10, 10]}
      odd: {per_event: count(charge > 0) == 1, axis: boolean}
    for: {Ele: all | Tight | Fired x Hard}
  PerEventWeighted:
    fill: *event
    for: {Ele: all | Tight | Fired x Hard}
    weight: weight
  Events:
    fill: {met: {of: MET.pt, axis: [8, 0, 10]}, run: {axis: {integer: [0, 6]}}}
    for: {event: all | Fired x Always | TwoTight}
  Everywhere:
    fill: {met: {of: MET.pt, axis: [8, 0, 10]}, one: {of: 1, axis: [1, 0, 2]}}
    weight: weight
""")

Numbers = dict[str, hist.Hist]


def of_objects(stem: str, chosen: ak.Array, weight: ak.Array | None) -> Numbers:
    """What EVERYTHING fills for objects."""
    each = {
        "pt": (axis.Regular(8, 0, 10), chosen.pt),
        "eta": (axis.Variable([-10, -2.5, -1, 0, 0.5, 1, 10]), chosen.eta),
        "log": (axis.Regular(6, 0.5, 50, transform=axis.transform.log), chosen.pt),
        "charge": (axis.Integer(-1, 2), chosen.charge),
        "quality": (axis.IntCategory([4, 1, 2]), chosen.quality),
        "tight": (axis.Boolean(), chosen.tight),
        "ratio": (axis.Regular(10, -5, 5), chosen.pt / chosen.met),
    }
    made = {f"{stem}_{name}": filled(a, x, weight=weight) for name, (a, x) in each.items()}
    with_jet = chosen[chosen.jets > 0]
    made[f"{stem}_to_jet"] = filled(
        axis.Regular(10, -10, 10),
        with_jet.pt - with_jet.highest_jet,
        weight=None if weight is None else weight[chosen.jets > 0],
    )
    made[f"{stem}_map"] = filled(
        [axis.Regular(8, 0, 10), axis.Regular(3, 0.1, 10, transform=axis.transform.log)],
        chosen.pt,
        abs(chosen.eta),
        weight=weight,
    )
    made[f"{stem}_cube"] = filled(
        [axis.Regular(4, 0, 10), axis.Integer(-1, 2), axis.Boolean()],
        chosen.pt,
        chosen.charge,
        chosen.tight,
        weight=weight,
    )
    return made


def of_events(stem: str, chosen: ak.Array, jets: ak.Array, weight: ak.Array | None) -> Numbers:
    """What EVERYTHING fills once per event."""
    # NumPy's maximum: NaN is the largest, where awkward would pass over it
    highest = np.array([max_or_nan(pt) for pt in chosen.pt])
    highest_jet = np.array([max_or_nan(pt) for pt in jets.pt])
    some, both = ak.num(chosen) > 0, (ak.num(chosen) > 0) & (ak.num(jets) > 0)

    def fill(a: Any, values: Any, where: Any = slice(None)) -> hist.Hist:
        return filled(a, values[where], weight=None if weight is None else weight[where])

    odd = ak.sum(chosen.charge > 0, axis=1) == 1
    return {
        f"{stem}_n": fill(axis.Integer(0, 3), ak.num(chosen)),
        f"{stem}_leading": fill(axis.Regular(8, 0, 10), highest, some),
        f"{stem}_safe": fill(axis.Regular(11, -1, 10), np.where(some, highest, -1)),
        f"{stem}_balance": fill(axis.Regular(10, -10, 10), highest - highest_jet, both),
        f"{stem}_odd": fill(axis.Boolean(), odd),
    }


def max_or_nan(values: ak.Array) -> float:
    return np.max(np.asarray(values)) if len(values) else np.float32(np.nan)


def expected_of(whole: Events) -> Numbers:
    """What EVERYTHING means."""
    with np.errstate(all="ignore"):
        return _expected_of(awkward(whole))


def _expected_of(event: ak.Array) -> Numbers:
    electrons, jets = event.Ele, event.Jet
    electrons = ak.with_field(electrons, event.MET_pt, "met")
    electrons = ak.with_field(electrons, event.weight, "weight")
    electrons = ak.with_field(electrons, event.triggered, "fired")
    electrons = ak.with_field(electrons, ak.num(jets), "jets")
    highest_jet = np.array([max_or_nan(pt) for pt in jets.pt], np.float32)
    electrons = ak.with_field(electrons, highest_jet, "highest_jet")
    crowded = ak.num(electrons) + ak.num(jets) >= 3
    central, fired = abs(electrons.eta) <= 2.5, electrons.fired
    hard = electrons.pt > 5
    made: Numbers = {}
    for name, chosen in {
        "all": electrons,
        "Tight": electrons[electrons.tight],
        "CentralAlways": electrons[central],
        "CentralFired": electrons[central & fired],
        "Crowded": electrons[crowded & (hard | ~hard)],
    }.items():
        made |= of_objects(f"Objects/Ele_{name}", chosen, None)
    for name, chosen in {
        "all": electrons,
        "TightCentral": electrons[electrons.tight & central],
        "Fired": electrons[fired],
    }.items():
        made |= of_objects(f"Weighted/Ele_{name}", chosen, chosen.weight * np.float32(0.5))
    for name, chosen in {"all": electrons, "Tight": electrons[electrons.tight]}.items():
        made[f"Charged/Ele_{name}_pt"] = filled(
            axis.Regular(8, 0, 10), chosen.pt, weight=chosen.charge
        )
    for name, chosen in {
        "all": electrons,
        "Tight": electrons[electrons.tight],
        "FiredHard": electrons[fired & hard],
    }.items():
        made |= of_events(f"PerEvent/Ele_{name}", chosen, jets, None)
        made |= of_events(f"PerEventWeighted/Ele_{name}", chosen, jets, event.weight)
    for name, kept in {
        "all": event,
        "FiredAlways": event[event.triggered],
        "TwoTight": event[ak.sum(electrons.tight, axis=1) >= 2],
    }.items():
        made[f"Events/event_{name}_met"] = filled(axis.Regular(8, 0, 10), kept.MET_pt)
        made[f"Events/event_{name}_run"] = filled(axis.Integer(0, 6), kept.run)
    ones = np.ones(len(event))
    made["Everywhere/met"] = filled(axis.Regular(8, 0, 10), event.MET_pt, weight=event.weight)
    made["Everywhere/one"] = filled(axis.Regular(1, 0, 2), ones, weight=event.weight)
    return made


def compare(plan: Plan, found: Filled, expected: Numbers) -> None:
    """Require the same counts, and the same sums of weights up to rounding."""
    assert [booking.name for booking in plan.bookings] == sorted(expected, key=order_of(plan))
    for booking, (values, variances) in zip(plan.bookings, found.contents(plan), strict=True):
        theirs = expected[booking.name].view(flow=True)
        if booking.weight is None:
            assert variances is None
            np.testing.assert_array_equal(values, theirs, err_msg=booking.name)
            continue
        for ours, part in ((values, "value"), (variances, "variance")):
            np.testing.assert_allclose(ours, theirs[part], rtol=1e-12, err_msg=booking.name)


def order_of(plan: Plan) -> Any:
    return [booking.name for booking in plan.bookings].index


def fill_all(config: HistoConfig, block: Events, schema: EventSchema = SCHEMA) -> dict[str, Any]:
    """Return the values of each histogram, or values and variances of a weighted one."""
    plan = make_plan(config, schema)
    found = fill(plan, block, block.size)
    return {
        booking.name: values if variances is None else (values, variances)
        for booking, (values, variances) in zip(plan.bookings, found.contents(plan), strict=True)
    }


PLAN = make_plan(EVERYTHING, SCHEMA)


def test_every_kind_of_histogram_equals_awkward_and_hist() -> None:
    block = random_events(600)
    expected = expected_of(block)
    compare(PLAN, fill(PLAN, block, block.size), expected)
    assert all(np.any(histogram.values(flow=True)) for histogram in expected.values())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(block=events(), size=st.integers(1, 5))
def test_any_events_in_any_parts_equal_awkward_and_hist(block: Events, size: int) -> None:
    first, *others = (fill(PLAN, part, part.size) for part in split(block, size))
    for other in others:
        first = merge(first, other)
    compare(PLAN, first, expected_of(block))


def test_sums_of_integer_weights_are_exact() -> None:
    block = random_events(600)
    found, expected = fill_all(EVERYTHING, block), expected_of(block)
    for name in ("Charged/Ele_all_pt", "Charged/Ele_Tight_pt"):
        values, variances = found[name]
        theirs = expected[name].view(flow=True)
        np.testing.assert_array_equal(values, theirs["value"])
        np.testing.assert_array_equal(variances, theirs["variance"])
        assert (values != variances).any()


def test_values_on_edges_and_beyond_are_where_boost_histogram_puts_them() -> None:
    values = [0, -0.0, 2.5, 5, 9.999999, 10, -1e-30, 1e30, np.nan, np.inf, -np.inf]
    electrons = Objects(np.array([0, 11]), {"pt": np.array(values, np.float32)})
    config = configured("""
histograms:
  G:
    fill:
      regular: {of: pt, axis: [4, 0, 10]}
      edges: {of: pt, axis: {edges: [0, 2.5, 5, 10]}}
      log: {of: pt, axis: {log: [1, 2.5, 10]}}
    for: {Ele: all}
""")
    found = fill_all(config, Events(1, {"Ele": electrons}, {}))
    # underflow first, overflow last; NaN overflows, and so does the logarithm of what is below 0
    assert found["G/Ele_all_regular"].tolist() == [2, 2, 1, 1, 1, 4]
    assert found["G/Ele_all_edges"].tolist() == [2, 2, 1, 2, 4]
    assert found["G/Ele_all_log"].tolist() == [2, 3, 6]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_integers_of_any_type_go_to_their_bin(kind: str) -> None:
    limits = np.iinfo(kind)
    values = np.array([0, 1, 1, 2, 5, limits.max, limits.min], kind)
    schema = EventSchema(
        collections={"event": Collection(kind="event", fields={"n": Field(type=kind)})}
    )
    config = configured("""
histograms:
  G:
    fill:
      integer: {of: n, axis: {integer: [1, 3]}}
      negative: {of: n, axis: {integer: [-1, 1]}}
      far: {of: n, axis: {integer: [70000, 70002]}}
      below: {of: n, axis: {integer: [-70002, -70000]}}
      category: {of: n, axis: {categories: [5, 1]}}
      regular: {of: n, axis: [2, 1, 3]}
""")
    found = fill_all(config, Events(len(values), {}, {"n": values}), schema)
    # the smallest of an unsigned type is 0, of a signed one below it: underflow either way
    assert found["G/integer"].tolist() == [2, 2, 1, 2]
    assert found["G/regular"].tolist() == [2, 2, 1, 2]
    signed = limits.min < 0
    assert found["G/negative"].tolist() == [signed, 0, 2 - signed, 5]
    large = limits.max > 70002
    assert found["G/far"].tolist() == [7 - large, 0, 0, large]
    assert found["G/below"].tolist() == [signed and large, 0, 0, 7 - (signed and large)]
    assert found["G/category"].tolist() == [1, 2, 4]


def test_the_weight_of_what_is_not_selected_does_not_matter() -> None:
    weights = np.array([1, np.nan, 2, np.inf, 4], np.float32)
    kinds = {"w": Field(type="float32"), "good": Field(type="bool")}
    schema = EventSchema(collections={"event": Collection(kind="event", fields=kinds)})
    config = configured("""
selections: {Good: good}
histograms: {G: {fill: {n: {of: 1, axis: [1, 0, 2]}}, for: {event: Good | all}, weight: w}}
""")
    block = Events(5, {}, {"w": weights, "good": np.isfinite(weights)})
    found = fill_all(config, block, schema)
    assert [part.tolist() for part in found["G/event_Good_n"]] == [[0, 7, 0], [0, 21, 0]]
    assert np.isnan(found["G/event_all_n"][0][1])


def test_events_without_a_value_are_left_out_of_what_needs_it() -> None:
    config = configured("""
histograms:
  Objects: {fill: {of_max: {of: pt / max(Jet.pt), axis: [2, 0, 2]}}, for: {Ele: all}}
  Events: {fill: {jet: {of: max(Jet.pt), axis: [2, 0, 2]}}}
  Weighted: {fill: {one: {of: 1, axis: [1, 0, 2]}}, weight: max(Jet.pt)}
  Cuts: {fill: {n: {of: 1, axis: [1, 0, 2]}}, for: {event: NoHard}}
selections: {NoHard: not max(Jet.pt) > 1.5}
""")
    electrons = Objects(np.array([0, 1, 3, 3]), {"pt": np.ones(3, np.float32)})
    jets = Objects(np.array([0, 1, 1, 2]), {"pt": np.array([1, 2], np.float32)})
    found = fill_all(config, Events(3, {"Ele": electrons, "Jet": jets}, {}))
    assert found["Objects/Ele_all_of_max"].tolist() == [0, 0, 1, 0]
    assert found["Events/jet"].tolist() == [0, 0, 1, 1]
    assert [part.tolist() for part in found["Weighted/one"]] == [[0, 3, 0], [0, 5, 0]]
    assert found["Cuts/event_NoHard_n"].tolist() == [0, 2, 0]  # a cut only asks whether it holds


# -- many selections at once --------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(1, 4) | st.integers(1, 70),
    size=st.integers(0, 60) | st.just(5000),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
)
def test_patterns_tell_which_selections_pass(
    number: int, size: int, seed: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    masks = [random.random(size) < share if i % 5 else None for i in range(number)]
    patterns = pack(masks, size)
    assert patterns.codes.shape == (size,)
    everything = np.ones(size, bool)
    expected = [everything if mask is None else mask for mask in masks]
    np.testing.assert_array_equal(patterns.passed[patterns.codes].T, expected)


def many_selections(number: int, order: list[int] | None = None) -> HistoConfig:
    """One-, two-dimensional and weighted histograms for many overlapping selections."""
    cuts = {
        i: f"pt > {i % 7} and {'eta' if i % 2 else 'phi'} < {i % 5 - 2} or charge == {i % 3}"
        for i in range(number)
    }
    names = "\n".join(f"  S{i}: {cuts[i]}" for i in order or range(number))
    family = " | ".join(f"S{i}" for i in order or range(number))
    return configured(f"""
selections:
{names}
histograms:
  Counts:
    fill:
      pt: {{axis: [8, 0, 10]}}
      map: {{axes: [{{of: pt, axis: [8, 0, 10]}}, {{of: charge, axis: {{integer: [-1, 2]}}}}]}}
    for: {{Ele: all | {family}}}
  Weighted: {{fill: {{pt: {{axis: [8, 0, 10]}}}}, for: {{Ele: all | {family}}}, weight: weight}}
""")


def one_by_one(plan: Plan, block: Events) -> list[Contents]:
    """Fill every histogram from its own mask with hist."""
    evaluate = Evaluator(block)
    axes = {"pt": axis.Regular(8, 0, 10), "charge": axis.Integer(-1, 2)}
    contents: list[Contents] = []
    for booking in plan.bookings:
        used = [axes["pt"], axes["charge"]] if booking.name.endswith("map") else [axes["pt"]]
        chosen = slice(None) if booking.selection is None else evaluate(booking.selection)
        entries = [evaluate(node)[chosen] for node in booking.values]
        weight = None if booking.weight is None else evaluate(booking.weight)[chosen]
        made = filled(used, *entries, weight=weight).view(flow=True)
        contents.append((made, None) if weight is None else (made["value"], made["variance"]))
    return contents


def same(first: list[Contents], second: list[Contents]) -> None:
    for (a, _), (b, _) in zip(first, second, strict=True):
        (np.testing.assert_array_equal if a.dtype.kind == "i" else np.testing.assert_allclose)(
            a, b, **({} if a.dtype.kind == "i" else {"rtol": 1e-12})
        )


@pytest.mark.parametrize("number", [1, 15, 16, 17, 33, 80])
def test_any_number_of_selections_equals_filling_one_by_one(number: int) -> None:
    block = random_events(300)
    plan = make_plan(many_selections(number), SCHEMA)
    assert len(plan.bookings) == 3 * (number + 1)
    same(fill(plan, block, block.size).contents(plan), one_by_one(plan, block))


@pytest.mark.parametrize(
    "shape", [(0, 3, 4), (1, 1, 5), (30, 9, 102), (700, 60, 40), (40_000, 3, 3)]
)
def test_patterns_are_summed_exactly(shape: tuple[int, int, int]) -> None:
    patterns, selections, bins = shape
    random = np.random.default_rng(5)
    passed = random.random((patterns, selections)) < 0.5
    table = random.integers(0, 2**53 // max(patterns, 1), (patterns, bins))
    expected = passed.T.astype(np.int64) @ table
    np.testing.assert_array_equal(sum_patterns(passed, table), expected)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(20)))
def test_the_order_of_selections_does_not_matter(order: list[int]) -> None:
    block = random_events(60)
    expected = fill_all(many_selections(20), block)
    for name, contents in fill_all(many_selections(20, order), block).items():
        np.testing.assert_allclose(contents, expected[name], rtol=1e-12)


@pytest.mark.parametrize("limit", [0, 100, 3000])
def test_selections_too_many_for_patterns_are_filled_one_by_one(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = random_events(300)
    plan = make_plan(many_selections(40), SCHEMA)
    by_pattern = fill(plan, block, block.size).contents(plan)
    monkeypatch.setattr(histo.fill, "MAX_CELLS", limit)
    same(fill(plan, block, block.size).contents(plan), by_pattern)
    monkeypatch.undo()
    compare(PLAN, fill(PLAN, block, block.size), expected_of(block))


def test_a_large_histogram_needs_no_patterns() -> None:
    config = configured("""
selections: {High: pt > 1, Low: pt < 1}
histograms:
  G:
    fill: {map: {axes: [{of: pt, axis: [3000, 0, 10]}, {of: eta, axis: [3000, -5, 5]}]}}
    for: {Ele: all | High | Low}
""")
    block = random_events(50)
    pt, eta = (block.column("Ele", name) for name in ("pt", "eta"))
    found = fill_all(config, block)
    axes = [axis.Regular(3000, 0, 10), axis.Regular(3000, -5, 5)]
    for name, mask in {"all": pt == pt, "High": pt > 1, "Low": pt < 1}.items():
        mask = mask | (name == "all")
        expected = filled(axes, pt[mask], eta[mask]).view(flow=True)
        np.testing.assert_array_equal(found[f"G/Ele_{name}_map"], expected)


def test_merging_is_associative_and_leaves_its_arguments_alone() -> None:
    parts = [fill(PLAN, part, part.size) for part in split(random_events(60), 20)]
    before = [values.copy() for values, _ in parts[0].contents(PLAN)]
    left = merge(merge(parts[0], parts[1]), parts[2])
    right = merge(parts[0], merge(parts[1], parts[2]))
    same(left.contents(PLAN), right.contents(PLAN))
    for (values, _), old in zip(parts[0].contents(PLAN), before, strict=True):
        np.testing.assert_array_equal(values, old)


def test_what_is_merged_has_the_type_of_its_parts() -> None:
    block = random_events(5)
    found = merge(fill(PLAN, block, block.size), fill(PLAN, block, block.size))
    for booking, (values, _) in zip(PLAN.bookings, found.contents(PLAN), strict=True):
        assert values.dtype == (np.int64 if booking.weight is None else np.float64)
        assert values.shape == tuple(made.extent for made in map(make_axis, booking.axes))
