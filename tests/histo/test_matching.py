"""Gen matching against a loop over events, particles and objects.

The rules: of the objects that pass their selection and lie within reach of a selected particle, the
one that is nearest in pt is matched to it, the first in stored order on a tie; an object may be
matched to several particles. All in float32, as the inputs are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import boost_histogram as bh
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from histo.fill import fill
from histo.plan import make_plan
from histo.run import run_source
from runtime.scheduler import Scheduler
from schemas.event_schema import Collection, EventSchema, Field
from schemas.events import Events, Objects
from tests.histo.test_rates import Memory
from tests.strategies import configured

F = np.float32
TYPES = dict.fromkeys(("pt", "eta", "phi", "caloeta", "calophi"), "float32") | {"id": "int32"}
NAMES = ("Ele", "Sta", "GenEl", "GenPh")
SCHEMA = EventSchema(
    collections={
        name: Collection(kind="list", fields={f: Field(type=t) for f, t in TYPES.items()})
        for name in NAMES
    }
)
TEXT = """
collections: {Gen: {union: [GenEl, GenPh]}}
selections:
  Good: (id & 1) != 0
  Hard: pt >= 2.5
  Prompt: id >= 2
  Central: abs(eta) <= 1
matches:
  eg:
    to: Gen
    gen: all | Prompt x (all | Central)
    within: deltar2(obj.eta, obj.phi, gen.caloeta, gen.calophi) < 0.01
    best: abs(obj.pt - gen.pt)
    for:
      Sta: all | Hard
      Ele:
        selections: all | Good | Good x Hard
        within: deltar2(obj, gen) < 0.01
histograms:
  Objects:
    match: eg
    fill:
      pt: {axis: [8, 0, 4]}
      eta: {axis: [9, -4.5, 4.5]}
      n: {per_event: count(), axis: {integer: [0, 6]}}
      res: {of: (obj.pt - gen.pt) / gen.pt, axis: [9, -1, 1]}
      phi: {of: obj.phi - gen.phi, axis: [9, -0.1, 0.1]}
      pt_res:
        axes: [{of: gen.pt, axis: [4, 0, 4]}, {of: obj.pt / gen.pt, axis: [6, 0, 3]}]
  Particles:
    efficiency: eg
    fill:
      pt: {axis: [8, 0, 4]}
      eta: {axis: [9, -4.5, 4.5]}
"""
OBJECTS = {"Sta": ["all", "Hard"], "Ele": ["all", "Good", "GoodHard"]}
GENS = ["all", "Prompt", "PromptCentral"]


@st.composite
def showers(draw: st.DrawFn) -> Events:
    """Particles, and objects on them, beside them and on the other side of pi; ties and NaN."""
    size = draw(st.integers(0, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    nans = draw(st.booleans())
    centres = random.uniform(-2, 2, (size, 2)), random.choice([-3.12, 0.5, 3.12], (size, 2))
    collections = {}
    for name in NAMES:
        counts = random.integers(0, 5, size) * (random.random() < 0.9)
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        number, event = int(offsets[-1]), np.repeat(np.arange(size), counts)
        chosen = random.integers(0, 2, number)
        fields: dict[str, Any] = {
            "pt": random.choice([0.5, 1, 1.5, 2, 2.5, 3, 10], number),
            "id": random.integers(0, 5, number),
        }
        for place in ("", "calo"):
            near = random.choice([0, 0.03, -0.05, 0.06, 0.3], (2, number))
            fields[f"{place}eta"] = centres[0][event, chosen] + near[0]
            phi = centres[1][event, chosen] + near[1]
            fields[f"{place}phi"] = np.where(phi > np.pi, phi - 2 * np.pi, phi)
        if nans:
            for one in fields.values():
                if one.dtype.kind == "f":
                    one[random.random(number) < 0.1] = math.nan
        ready = {field: fields[field].astype(kind) for field, kind in TYPES.items()}
        collections[name] = Objects(offsets, ready)
    return Events(size, collections, {})


@dataclass(frozen=True)
class Matched:
    """Particles and the objects matched to them, event by event, as rows of fields."""

    particles: list[list[dict[str, Any]]]
    pairs: list[list[tuple[dict[str, Any], dict[str, Any]]]]


def rows(events: Events, number: int, *names: str) -> list[dict[str, Any]]:
    """Return the objects of some collections in one event, the numbers being NumPy's."""
    found = []
    for name in names:
        objects = events.collections[name]
        for place in range(objects.offsets[number], objects.offsets[number + 1]):
            found.append({field: values[place] for field, values in objects.fields.items()})
    return found


PASSES = {
    "all": lambda one: one is not None,
    "Good": lambda one: one["id"] & 1,
    "Hard": lambda one: one["pt"] >= 2.5,
    "GoodHard": lambda one: one["id"] & 1 and one["pt"] >= 2.5,
    "Prompt": lambda one: one["id"] >= 2,
    "PromptCentral": lambda one: one["id"] >= 2 and abs(one["eta"]) <= 1,
}


def match(events: Events, collection: str, selection: str, gen: str) -> Matched:
    eta, phi = ("eta", "phi") if collection == "Ele" else ("caloeta", "calophi")
    particles, pairs = [], []
    for number in range(events.size):
        chosen = [one for one in rows(events, number, "GenEl", "GenPh") if PASSES[gen](one)]
        objects = [one for one in rows(events, number, collection) if PASSES[selection](one)]
        particles.append(chosen)
        matched = []
        for particle in chosen:
            best, smallest = None, F(math.inf)
            for one in objects:
                deta, dphi = one["eta"] - particle[eta], one["phi"] - particle[phi]
                if dphi > F(math.pi):
                    dphi = dphi - F(2 * math.pi)
                if dphi < -F(math.pi):
                    dphi = dphi + F(2 * math.pi)
                distance = deta * deta + dphi * dphi
                away = abs(one["pt"] - particle["pt"])
                if distance < F(0.01) and away < smallest:
                    best, smallest = one, away
            if best is not None:
                matched.append((best, particle))
        pairs.append(matched)
    return Matched(particles, pairs)


def counts(axes: list[Any], *columns: list[Any]) -> Any:
    histogram = bh.Histogram(*axes, storage=bh.storage.Int64())
    integer = isinstance(axes[0], bh.axis.Integer)
    histogram.fill(*(np.array(column, int if integer else np.float32) for column in columns))
    return histogram.values(flow=True)


CONFIG = configured(TEXT)
PLAN = make_plan(CONFIG, SCHEMA)
PT = bh.axis.Regular(8, 0, 4)
ETA = bh.axis.Regular(9, -4.5, 4.5)


def contents(events: Events) -> dict[str, Any]:
    values = [values for values, _ in fill(PLAN, events, events.size).contents(PLAN)]
    return {booking.name: own for booking, own in zip(PLAN.bookings, values, strict=True)}


@settings(max_examples=40, deadline=None)
@given(events=showers())
def test_matched_objects_are_those_of_the_loop(events: Events) -> None:
    found = contents(events)
    expected = {}
    for collection, selections in OBJECTS.items():
        for selection, gen in product(selections, GENS):
            expected |= expected_of(events, collection, selection, gen)
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, name)


def expected_of(events: Events, collection: str, selection: str, gen: str) -> dict[str, Any]:
    matched = match(events, collection, selection, gen)
    pairs = [pair for event in matched.pairs for pair in event]
    particles = [one for event in matched.particles for one in event]
    with np.errstate(all="ignore"):
        expected = {
            "pt": counts([PT], [o["pt"] for o, _ in pairs]),
            "eta": counts([ETA], [o["eta"] for o, _ in pairs]),
            "n": counts([bh.axis.Integer(0, 6)], [len(event) for event in matched.pairs]),
            "res": counts(
                [bh.axis.Regular(9, -1, 1)], [(o["pt"] - g["pt"]) / g["pt"] for o, g in pairs]
            ),
            "phi": counts([bh.axis.Regular(9, -0.1, 0.1)], [o["phi"] - g["phi"] for o, g in pairs]),
            "pt_res": counts(
                [bh.axis.Regular(4, 0, 4), bh.axis.Regular(6, 0, 3)],
                [g["pt"] for _, g in pairs],
                [o["pt"] / g["pt"] for o, g in pairs],
            ),
        }
    stem = f"{collection}_{selection}_{gen}"
    named = {f"Objects/{stem}_{key}": values for key, values in expected.items()}
    for prefix, chosen in (("Num", [g for _, g in pairs]), ("Den", particles)):
        for key, axis in (("pt", PT), ("eta", ETA)):
            values = counts([axis], [one[key] for one in chosen])
            named[f"Particles/h_eff{prefix}_{stem}_{key}"] = values
    return named


@settings(max_examples=30, deadline=None)
@given(events=showers())
def test_no_more_particles_are_matched_than_there_are(events: Events) -> None:
    found = contents(events)
    for name, passed in found.items():
        if "/h_effNum_" in name:
            assert np.all(passed <= found[name.replace("/h_effNum_", "/h_effDen_")]), name


def two(obj: list[tuple[float, float]], gen: list[tuple[float, float]]) -> Events:
    """One event: pt and eta of electrons and of generated electrons."""
    collections = {}
    for name in NAMES:
        own = {"Ele": obj, "GenEl": gen}.get(name, [])
        fields = {field: np.zeros(len(own), kind) for field, kind in TYPES.items()}
        if own:
            fields["pt"][:], fields["eta"][:] = np.array(own).T
        collections[name] = Objects(np.array([0, len(own)]), fields)
    return Events(1, collections, {})


def matched_pt(events: Events) -> list[float]:
    histogram = contents(events)["Objects/Ele_all_all_pt"]
    return [float(pt) for pt in np.repeat(PT.edges[:-1], histogram[1:-1])]


def test_the_best_in_pt_is_matched_not_the_nearest() -> None:
    assert matched_pt(two([(1, 0), (2, 0.05)], [(2.25, 0)])) == [2]


def test_one_object_serves_several_particles() -> None:
    assert matched_pt(two([(1, 0)], [(2, 0), (3, 0.05)])) == [1, 1]


def test_the_first_of_two_equally_good_ones_is_matched() -> None:
    assert matched_pt(two([(3, 0), (1, 0)], [(2, 0)])) == [3]
    assert matched_pt(two([(1, 0), (3, 0)], [(2, 0)])) == [1]


def test_an_object_on_the_edge_of_reach_is_not_matched() -> None:
    inside = np.nextafter(F(0.1), F(0))
    assert inside * inside < F(0.01) <= F(0.1) * F(0.1)
    assert matched_pt(two([(1, 0.1)], [(2, 0)])) == []
    assert matched_pt(two([(1, inside)], [(2, 0)])) == [1]


def test_an_object_with_nan_is_never_matched() -> None:
    assert matched_pt(two([(math.nan, 0), (1, 0)], [(2, 0)])) == [1]
    assert matched_pt(two([(1, math.nan)], [(2, 0)])) == []


def test_fields_without_prefix_are_the_objects() -> None:
    text = TEXT.replace("pt: {axis: [8, 0, 4]}", "pt: {of: obj.pt, axis: [8, 0, 4]}", 1)
    events = two([(1, 0)], [(2, 0)])
    source = Memory([events], SCHEMA)
    first = run_source(CONFIG, source, scheduler=Scheduler(workers=1)).histograms
    second = run_source(configured(text), source, scheduler=Scheduler(workers=1)).histograms
    name = "Objects/Ele_all_all_pt"
    assert first[name].values().tolist() == second[name].values().tolist()


def test_weights_of_matched_objects_are_summed() -> None:
    text = TEXT.replace("    match: eg\n", "    match: eg\n    weight: obj.pt + gen.pt\n")
    text = text.replace("      n: {per_event: count(), axis: {integer: [0, 6]}}\n", "")
    source = Memory([two([(1, 0)], [(2, 0)])], SCHEMA)
    found = run_source(configured(text), source, scheduler=Scheduler(workers=1)).histograms
    histogram = found["Objects/Ele_all_all_eta"]
    assert (histogram.values().sum(), histogram.variances().sum()) == (3, 9)


def test_weights_of_particles_are_those_of_both_histograms() -> None:
    text = TEXT.replace("    efficiency: eg\n", "    efficiency: eg\n    weight: pt\n")
    source = Memory([two([(1, 0)], [(2, 0), (3, 2)])], SCHEMA)
    found = run_source(configured(text), source, scheduler=Scheduler(workers=1)).histograms
    passed, total = (found[f"Particles/h_eff{p}_Ele_all_all_eta"] for p in ("Num", "Den"))
    assert (passed.values().sum(), total.values().sum()) == (2, 5)
