"""Rates and counters against loops over events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from histo.load import read_histograms
from histo.plan import Plan
from histo.rates import BUNCHES, COLLISION_RATE, ORBIT_FREQUENCY
from histo.result import FilledHistogram
from histo.run import run_source
from runtime.scheduler import Scheduler
from schemas.event_schema import EventSchema
from schemas.events import Events, Objects
from tests.strategies import SCHEMA, configured, events, part_of, random_events

EG = Path(__file__).parents[1] / "data" / "eg"


@dataclass(frozen=True)
class Part:
    """Some events in memory, and how many they were before a skim."""

    events: Events
    events_read: int

    def load(self, plan: Plan) -> Events:  # noqa: ARG002  # it is all here
        return self.events


@dataclass(frozen=True)
class Memory:
    """Events that are in memory already: a source for `run_source`."""

    parts: Sequence[Events]
    schema: EventSchema = SCHEMA
    events_read: int | None = None

    def blocks(self, plan: Plan) -> list[Part]:  # noqa: ARG002
        return [Part(part, self.events_read or part.size) for part in self.parts]

    def provenance(self) -> dict[str, Any]:
        return {}


def filled(text: str, *parts: Events, read: int | None = None) -> dict[str, FilledHistogram]:
    """Fill the histograms of a configuration from events in memory."""
    source = Memory(parts, events_read=read)
    return run_source(configured(text), source, scheduler=Scheduler(workers=1)).histograms


def objects_of(whole: Events, name: str, field: str) -> Iterator[tuple[int, list[Any]]]:
    """Iterate over the events: number of each, and the values of its objects."""
    objects = whole.collections[name]
    for number in range(whole.size):
        start, stop = objects.offsets[number : number + 2]
        yield number, objects.fields[field][start:stop].tolist()


def electrons(*pts: Sequence[float]) -> Events:
    """Events of electrons of which only the pt matters."""
    whole = part_of(random_events(50), 0, len(pts))
    offsets = np.cumsum([0, *map(len, pts)])
    flat = np.array([pt for event in pts for pt in event], np.float32)
    fields = {
        name: flat if name == "pt" else np.ones(len(flat), values.dtype)
        for name, values in whole.collections["Ele"].fields.items()
    }
    collections = {**whole.collections, "Ele": Objects(offsets, fields)}
    return Events(whole.size, collections, whole.columns)


RATE = "histograms: {R: {rate: {pt: {axis: %s}}, for: {Ele: all}}}"


@pytest.mark.parametrize("pt", [7, 14, 28, 55, 56])
def test_a_threshold_is_the_edge_and_not_the_integer_beside_it(pt: int) -> None:
    above = filled(RATE % "[100, 0, 100]", electrons([pt]))["R/Ele_all_pt"].values()[1:-1]
    assert pt / 100 * 100 > pt  # the edge of hist is one unit in the last place higher
    assert above.tolist() == [1] * pt + [0] * (100 - pt)


@pytest.mark.parametrize("pt", [29, 57, 58])
def test_a_threshold_below_the_integer_is_passed(pt: int) -> None:
    above = filled(RATE % "[100, 0, 100]", electrons([pt]))["R/Ele_all_pt"].values()[1:-1]
    assert pt / 100 * 100 < pt
    assert above.tolist() == [1] * (pt + 1) + [0] * (99 - pt)


def test_thresholds_are_compared_in_float64() -> None:
    edge = 0.1  # as float32, 0.1 is 1.5e-9 more: above the edge, although equal to it in float32
    above = filled(RATE % f"{{edges: [0, {edge}, 1]}}", electrons([edge]))["R/Ele_all_pt"]
    assert above.values().tolist() == [0, 1, 1, 0]
    just_below = np.nextafter(np.float32(edge), np.float32(0))
    above = filled(RATE % f"{{edges: [0, {edge}, 1]}}", electrons([just_below]))["R/Ele_all_pt"]
    assert above.values().tolist() == [0, 1, 0, 0]


AXES = {
    "[20, 0, 10]": np.arange(20) / 20 * 10,
    "{edges: [-1, 1, 2.5, 5, 10]}": np.array([-1, 1, 2.5, 5]),
}


def thresholds_passed(highest: float, edges: Sequence[float]) -> list[int]:
    return [int(highest >= edge) for edge in edges]


@pytest.mark.parametrize("axis", AXES)
@settings(max_examples=30, deadline=None)
@given(whole=events())
def test_a_rate_counts_events_whose_highest_object_passes(axis: str, whole: Events) -> None:
    expected = np.zeros(len(AXES[axis]), int)
    tight = dict(objects_of(whole, "Ele", "tight"))
    for number, pts in objects_of(whole, "Ele", "pt"):
        chosen = [
            pt for pt, good in zip(pts, tight[number], strict=True) if good and not math.isnan(pt)
        ]
        if chosen:
            expected += thresholds_passed(max(chosen), AXES[axis])
    text = f"selections: {{T: tight}}\n{RATE % axis}".replace("all", "T")
    above = filled(text, whole)["R/Ele_T_pt"]
    assert above.values()[1:-1].tolist() == expected.tolist()
    assert above.values()[[0, -1]].tolist() == [0, 0]
    np.testing.assert_array_equal(above.variances(), above.values())


def test_log_axes_have_thresholds() -> None:
    whole = electrons([5], [50, 2], [500])
    above = filled(RATE % "{log: [2, 1, 100]}", whole)["R/Ele_all_pt"].values()
    assert above.tolist() == [0, 3, 2, 0]


def test_nan_objects_are_left_out() -> None:
    whole = electrons([math.nan, 3], [math.nan], [4, math.nan])
    above = filled(RATE % "[5, 0, 5]", whole)["R/Ele_all_pt"].values()
    assert above.tolist() == [0, 2, 2, 2, 2, 1, 0]


def test_infinities_pass_all_thresholds_or_none() -> None:
    whole = electrons([math.inf, 1], [-math.inf])
    above = filled(RATE % "[3, 0, 3]", whole)["R/Ele_all_pt"].values()
    assert above.tolist() == [0, 1, 1, 1, 0]


def test_ties_count_an_event_once() -> None:
    above = filled(RATE % "[3, 0, 3]", electrons([2, 2, 2]))["R/Ele_all_pt"].values()
    assert above.tolist() == [0, 1, 1, 1, 0]


def test_events_without_objects_count_for_nothing_but_the_norm() -> None:
    found = filled(RATE % "[3, 0, 3]", electrons([], [1], []))
    assert found["R/Ele_all_pt"].values().tolist() == [0, 1, 1, 0, 0]
    assert found["R/Ele_all_norm"].values().tolist() == [0, 3, 0]


@settings(max_examples=30, deadline=None)
@given(whole=events())
def test_a_weight_of_the_event_is_summed(whole: Events) -> None:
    edges = AXES["[20, 0, 10]"]
    sums, squares = np.zeros(20), np.zeros(20)
    for number, pts in objects_of(whole, "Ele", "pt"):
        chosen = [pt for pt in pts if not math.isnan(pt)]
        weight = float(whole.columns["weight"][number])
        if chosen:
            passed = np.array(thresholds_passed(max(chosen), edges))
            sums += weight * passed
            squares += weight**2 * passed
    text = RATE.replace("{R: {", "{R: {weight: weight, ") % "[20, 0, 10]"
    above = filled(text, whole)["R/Ele_all_pt"]
    np.testing.assert_allclose(above.values()[1:-1], sums, rtol=1e-12)
    np.testing.assert_allclose(above.variances()[1:-1], squares, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(whole=events())
def test_a_rate_of_the_event_takes_its_own_value(whole: Events) -> None:
    text = """
histograms: {R: {rate: {met: {of: MET.pt, axis: [20, 0, 10]}}, for: {event: all}}}
"""
    expected = np.zeros(20, int)
    for met in whole.columns["MET_pt"].tolist():
        expected += thresholds_passed(met, AXES["[20, 0, 10]"])
    assert filled(text, whole)["R/event_all_met"].values()[1:-1].tolist() == expected.tolist()


@settings(max_examples=30, deadline=None)
@given(whole=events())
def test_a_rate_of_pairs_is_that_of_their_own_value(whole: Events) -> None:
    text = """
collections: {Pair: {pairs: Ele}}
histograms: {R: {rate: {second: {of: leg1.pt, axis: [20, 0, 10]}}, for: {Pair: all}}}
"""
    expected = np.zeros(20, int)
    for _, pts in objects_of(whole, "Ele", "pt"):
        second = [pt for pt in pts[1:] if not math.isnan(pt)]
        if second:
            expected += thresholds_passed(max(second), AXES["[20, 0, 10]"])
    assert filled(text, whole)["R/Pair_all_second"].values()[1:-1].tolist() == expected.tolist()


def test_the_collision_rate_is_that_of_all_bunches() -> None:
    assert (BUNCHES, ORBIT_FREQUENCY) == (2760, 11246)
    assert abs(COLLISION_RATE - 31038.96) < 1e-10


KHZ = "histograms: {R: {rate: {pt: {axis: [3, 0, 3], unit: kHz}}, for: {Ele: all}}}"


def test_kilohertz_are_counts_times_the_collision_rate_over_events_read() -> None:
    found = filled(KHZ, electrons([1], [2], []), read=10)["R/Ele_all_pt"]
    scale = 2760 * 11246 / 1000 / 10
    np.testing.assert_allclose(found.values(), np.array([0, 2, 2, 1, 0]) * scale, rtol=1e-15)
    np.testing.assert_allclose(found.variances(), np.array([0, 2, 2, 1, 0]) * scale**2, rtol=1e-15)


def test_kilohertz_of_no_events_are_zero() -> None:
    assert filled(KHZ, electrons())["R/Ele_all_pt"].values().tolist() == [0, 0, 0, 0, 0]


# -- counters -----------------------------------------------------------------------------------

COUNTERS = """
collections: {Pair: {pairs: Ele}, Cross: {pairs: [Ele, Jet]}}
selections:
  Hard: pt > 2.5
  Both: leg0.pt > 2.5 and leg1.pt > 2.5
histograms:
  C:
    counter: true
    %s
    for: {Ele: all | Hard, Pair: all | Both, Cross: Both}
"""


def events_with(whole: Events) -> dict[str, list[bool]]:
    ele = [pts for _, pts in objects_of(whole, "Ele", "pt")]
    jet = [pts for _, pts in objects_of(whole, "Jet", "pt")]
    hard = [[pt > 2.5 for pt in pts] for pts in ele]
    return {
        "Ele_all": [len(pts) > 0 for pts in ele],
        "Ele_Hard": [any(passed) for passed in hard],
        "Pair_all": [len(pts) > 1 for pts in ele],
        "Pair_Both": [sum(passed) > 1 for passed in hard],
        "Cross_Both": [
            any(passed) and any(pt > 2.5 for pt in pts)
            for passed, pts in zip(hard, jet, strict=True)
        ],
    }


@settings(max_examples=40, deadline=None)
@given(whole=events())
def test_counters_count_events_with_an_object_or_pair(whole: Events) -> None:
    found = filled(COUNTERS % "", whole)
    for name, passed in events_with(whole).items():
        assert found[f"C/{name}_rate"].values().tolist() == [0, sum(passed), 0]
        assert found[f"C/{name}_norm"].values().tolist() == [0, whole.size, 0]


@settings(max_examples=40, deadline=None)
@given(whole=events())
def test_weighted_counters_sum_the_weights_of_events(whole: Events) -> None:
    found = filled(COUNTERS % "weight: weight", whole)
    weights = whole.columns["weight"].astype(float)
    for name, passed in events_with(whole).items():
        chosen = weights[np.array(passed, bool)]
        rate = found[f"C/{name}_rate"]
        np.testing.assert_allclose(rate.values(), [0, chosen.sum(), 0], rtol=1e-12)
        np.testing.assert_allclose(rate.variances(), [0, (chosen**2).sum(), 0], rtol=1e-12)


# -- events read --------------------------------------------------------------------------------

SKIM = f"""
schema: fastpuppi
samples: {{nugun: {EG}/nugun_0.root}}
keep: {{TkEleL2: [pt, eta]}}
events: any(TkEleL2.pt > 20)
"""
HISTO = """
selections: {Hard: pt > 20}
histograms:
  Rates: {rate: {pt: {axis: [100, 0, 100], unit: kHz}}, for: {TkEleL2: Hard}}
  Counts: {rate: {pt: {axis: [100, 0, 100]}}, for: {TkEleL2: Hard}}
  Counter: {counter: true, for: {TkEleL2: Hard}}
"""
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def skimmed(skim: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of the events with an electron above 20 GeV, of 5,000 that were read."""
    folder = tmp_path_factory.mktemp("skimmed")
    (folder / "skim.yaml").write_text(SKIM)
    (folder / "histo.yaml").write_text(HISTO)
    made = skim("run", folder / "skim.yaml", "-o", folder / "dataset")
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture(scope="module")
def rates_of_skimmed(skimmed: Path, histo: Command) -> dict[str, FilledHistogram]:
    output = skimmed / "out.root"
    made = histo("run", skimmed / "histo.yaml", skimmed / "dataset", "-o", output)
    assert made.exit_code == 0, made.output
    return read_histograms(output).histograms


def test_the_norm_counts_the_events_read_before_the_skim(
    rates_of_skimmed: dict[str, FilledHistogram],
) -> None:
    for group in ("Rates", "Counts", "Counter"):
        assert rates_of_skimmed[f"{group}/TkEleL2_Hard_norm"].values().tolist() == [0, 5000, 0]
    kept = rates_of_skimmed["Counter/TkEleL2_Hard_rate"].values()[1]
    assert 0 < kept < 5000


def test_kilohertz_of_a_skim_refer_to_the_events_read(
    rates_of_skimmed: dict[str, FilledHistogram],
) -> None:
    counts = rates_of_skimmed["Counts/TkEleL2_Hard_pt"].values()
    rates = rates_of_skimmed["Rates/TkEleL2_Hard_pt"].values()
    np.testing.assert_allclose(rates, counts * 2760 * 11246 / 1000 / 5000, rtol=1e-14)


def test_part_of_a_skimmed_partition_has_no_rate(skimmed: Path, histo: Command) -> None:
    refused = histo(
        "run", skimmed / "histo.yaml", skimmed / "dataset", "-o", skimmed / "x.root",
        "--events", 10,
    )  # fmt: skip
    assert refused.exit_code == 2
    assert "the events read for those left are not known" in refused.stderr


@pytest.mark.parametrize("suffix", ["root", "json", "pkl"])
def test_kilohertz_are_read_back_as_written(suffix: str, skimmed: Path, histo: Command) -> None:
    outputs = [skimmed / "first.pkl", skimmed / f"second.{suffix}"]
    for output in outputs:
        made = histo("run", skimmed / "histo.yaml", skimmed / "dataset", "-o", output)
        assert made.exit_code == 0, made.output
    same = histo("diff", *outputs)
    assert same.exit_code == 0, same.output


def test_random_parts_are_events_of_the_whole() -> None:
    whole = random_events(20)
    halves = filled(RATE % "[20, 0, 10]", part_of(whole, 0, 9), part_of(whole, 9, 20))
    together = filled(RATE % "[20, 0, 10]", whole)
    for name, histogram in together.items():
        np.testing.assert_array_equal(halves[name].values(), histogram.values())
