"""What must not matter: partitions, their order, files, workers and schedulers."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histo.efficiency import efficiency
from histo.load import read_histograms
from histo.result import FilledHistogram
from histo.run import run, run_source
from runtime.scheduler import Scheduler
from schemas.dataset import open_dataset
from schemas.events import Events
from tests.histo.test_rates import Memory
from tests.strategies import (
    configured,
    events,
    part_of,
    random_events,
    split,
    write_dataset,
)

EG = Path(__file__).parents[1] / "data" / "eg"
CONFIGS = Path(__file__).parents[2] / "configs"
Command = Callable[..., Any]

CONFIG = configured("""
collections:
  Pair: {pairs: Ele, define: {pt: leg1.pt, m: "mass(leg0, leg1)"}}
  Both: {union: [Ele, Jet]}
  Mixed: {pairs: [Ele, Both]}
  Top: {highest: 2, of: Both, by: pt}
  Tight: {filter: Ele, where: tight}
  Near: {match: Ele, to: Jet, within: abs(obj.pt - gen.pt) < 3, best: abs(obj.pt - gen.pt)}
tables:
  scale: {by: [selection], values: {Hard: 2}}
selections:
  Hard: pt > 2.5
  Good: tight and pt * scale() > 5
  Opposite: leg0.charge * leg1.charge < 0
matches:
  jets:
    to: Jet
    gen: all | Hard
    within: abs(obj.pt - gen.pt) < 3
    best: abs(obj.pt - gen.pt)
    for: {Ele: all | Good}
histograms:
  Counts:
    fill: {pt: {axis: [20, 0, 10]}, n: {per_event: count(), axis: {integer: [0, 9]}}}
    for: {Ele: all | Hard | Good, Both: all | Hard, Top: all, Tight: Hard, Near: all}
  Pairs: {fill: {m: {axis: [20, 0, 20]}}, for: {Pair: all | Opposite}}
  Products: {fill: {pt: {of: leg1.pt, axis: [20, 0, 10]}}, for: {Mixed: all}}
  Sums: {weight: weight, fill: {pt: {axis: [20, 0, 10]}}, for: {Ele: all | Good, Pair: all}}
  Event: {fill: {met: {of: MET.pt, axis: [20, 0, 10]}, jets: {of: count(Jet), axis: [9, 0, 9]}}}
  Rates: {rate: {pt: {axis: [20, 0, 10]}}, for: {Ele: all | Good, Pair: Opposite}}
  KHz: {rate: {pt: {axis: [20, 0, 10], unit: kHz}}, for: {Ele: all}}
  WeightedRates: {weight: weight, rate: {pt: {axis: [20, 0, 10]}}, for: {Ele: all}}
  Counters: {counter: true, for: {Ele: all | Good, Pair: all | Opposite}}
  WeightedCounters: {weight: weight, counter: true, for: {Ele: Good}}
  Matched:
    match: jets
    fill:
      res: {of: obj.pt - gen.pt, axis: [20, -5, 5]}
      n: {per_event: count(), axis: {integer: [0, 9]}}
  Particles: {efficiency: jets, fill: {pt: {axis: [20, 0, 10]}}}
""")


def filled(parts: Sequence[Events]) -> dict[str, FilledHistogram]:
    return run_source(CONFIG, Memory(parts), scheduler=Scheduler(workers=1)).histograms


def same(first: dict[str, FilledHistogram], second: dict[str, FilledHistogram]) -> None:
    """Require equal counts, and sums of weights that are equal up to rounding."""
    assert list(first) == list(second)
    for name, one in first.items():
        other = second[name]
        assert one.weighted == other.weighted, name
        if one.weighted:
            np.testing.assert_allclose(one.values(), other.values(), 1e-12, err_msg=name)
            np.testing.assert_allclose(one.variances(), other.variances(), 1e-12, err_msg=name)
        else:
            np.testing.assert_array_equal(one.values(), other.values(), name)


@settings(max_examples=25, deadline=None)
@given(whole=events(), size=st.integers(1, 5), data=st.data())
def test_blocks_and_their_order_do_not_matter(
    whole: Events, size: int, data: st.DataObject
) -> None:
    parts = data.draw(st.permutations(split(whole, size)))
    same(filled(parts), filled([whole]))


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(whole=events(), size=st.integers(1, 5), data=st.data())
def test_partitions_and_their_order_do_not_matter(
    whole: Events, size: int, data: st.DataObject
) -> None:
    parts = data.draw(st.permutations(split(whole, size)))
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(str(write_dataset(Path(folder) / "dataset", {"s": parts})))
        found = run(CONFIG, [dataset], scheduler=Scheduler(workers=1)).histograms
    same(found, filled([whole]))


def test_samples_add_up() -> None:
    whole = random_events(300)
    halves = [filled([part_of(whole, 0, 100)]), filled([part_of(whole, 100, 300)])]
    for name, histogram in filled([whole]).items():
        if not name.startswith("KHz"):  # which are relative to the events read
            added = halves[0][name].values() + halves[1][name].values()
            np.testing.assert_allclose(histogram.values(), added, 1e-12, err_msg=name)


@pytest.mark.parametrize("cut", [0, 150, 300])
def test_efficiencies_do_not_depend_on_partitions(cut: int) -> None:
    whole = random_events(300)
    found = []
    for parts in ([whole], [part_of(whole, cut, 300), part_of(whole, 0, cut)]):
        histograms = filled(parts)
        stem = "Ele_Good_Hard_pt"
        passed, total = (histograms[f"Particles/h_eff{p}_{stem}"] for p in ("Num", "Den"))
        found.append(efficiency(passed, total))
    for attribute in ("values", "lower", "upper"):
        one, other = (getattr(efficiencies, attribute) for efficiencies in found)
        np.testing.assert_array_equal(one, other)
    assert np.nanmax(found[0].values) > 0


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events in five partitions, one of them empty."""
    whole = random_events(600)
    cuts = [0, 90, 90, 300, 301, 600]
    parts = [part_of(whole, low, high) for low, high in itertools.pairwise(cuts)]
    return write_dataset(tmp_path_factory.mktemp("parted") / "dataset", {"s": parts})


@pytest.fixture(scope="module")
def on_one_worker(parted: Path) -> dict[str, FilledHistogram]:
    dataset = open_dataset(str(parted))
    return run(CONFIG, [dataset], scheduler=Scheduler(workers=1)).histograms


@pytest.mark.parametrize("kind", ["threads", "processes", "cluster"])
def test_schedulers_change_not_one_bit(
    kind: Any,
    parted: Path,
    on_one_worker: dict[str, FilledHistogram],
    request: pytest.FixtureRequest,
) -> None:
    scheduler = Scheduler(kind=kind, workers=2)
    if kind == "cluster":
        scheduler = Scheduler(kind=kind, address=request.getfixturevalue("dask_cluster"))
    found = run(CONFIG, [open_dataset(str(parted))], scheduler=scheduler).histograms
    assert list(found) == list(on_one_worker)
    for name, histogram in found.items():
        expected = on_one_worker[name].contents.view(flow=True)
        assert histogram.contents.view(flow=True).tobytes() == expected.tobytes(), name


def test_all_kinds_of_histograms_are_filled(on_one_worker: dict[str, FilledHistogram]) -> None:
    empty = [name for name, h in on_one_worker.items() if not h.values().any()]
    assert empty == []


@pytest.mark.parametrize("size", [700, 5000])
def test_the_menu_does_not_depend_on_partitions_and_order_of_files(
    size: int, skim: Command, histo: Command, tmp_path: Path
) -> None:
    for name, file in zip("ba", ("doubleele_0", "doubleele_1"), strict=True):
        (tmp_path / f"{name}.root").symlink_to(EG / f"{file}.root")
    (tmp_path / "skim.yaml").write_text(
        f"include: {CONFIGS}/skim/fastpuppi_eg.yaml\nstorage: {{partition_events: {size}}}\n"
    )
    config = CONFIGS / "histo" / "eg_rate_counters.yaml"
    files = ("--files", f"ele={tmp_path}/*.root")
    steps = [
        (skim, "run", tmp_path / "skim.yaml", *files, "-o", tmp_path / "dataset"),
        (histo, "run", config, tmp_path / "dataset", "-o", tmp_path / "out.root"),
    ]
    for command, *arguments in steps:
        made = command(*arguments)
        assert made.exit_code == 0, made.output
    with np.load(EG / "rate_counter_menu_doubleele.npz") as packed:
        expected = packed["contents"]
    found = read_histograms(tmp_path / "out.root").histograms
    assert sorted(h.values()[1] for h in found.values()) == sorted(expected.reshape(-1, 3)[:, 1])
