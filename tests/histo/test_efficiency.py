"""Efficiencies and turn-ons: values, Clopper-Pearson intervals, and what has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boost_histogram as bh
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histo.efficiency import COVERAGE, Efficiency, efficiency
from histo.load import read_histograms
from histo.result import FilledHistogram
from schemas.errors import UsageError

EG = Path(__file__).parents[1] / "data" / "eg"
Command = Callable[..., Any]


def counts(*values: int, stop: float | None = None) -> FilledHistogram:
    """A histogram of some counts in bins of unit width, with as many again in each flow bin."""
    axis = bh.axis.Regular(len(values), 0, stop or len(values))
    contents = bh.Histogram(axis, storage=bh.storage.Int64())
    contents.view(flow=True)[...] = [1000, *values, 1000]
    return FilledHistogram("h", "", ("p_{T}",), contents)


def one(passed: int, total: int, coverage: float = COVERAGE) -> Efficiency:
    return efficiency(counts(passed), counts(total), coverage)


@pytest.mark.parametrize(
    ("passed", "total", "lower", "upper"),
    [  # of 95 %, from tables of the binomial distribution
        (0, 10, 0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1),
        (1, 1, 0.0250, 1),
        (50, 100, 0.3983, 0.6017),
        (99, 100, 0.9455, 0.9997),
    ],
)
def test_intervals_are_those_of_the_tables(
    passed: int, total: int, lower: float, upper: float
) -> None:
    found = one(passed, total, 0.95)
    assert found.values[0] == passed / total
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [lower, upper], atol=5e-5)


@given(total=st.integers(1, 200))
def test_intervals_of_nothing_and_of_everything_have_a_closed_form(total: int) -> None:
    tail = (1 - COVERAGE) / 2
    nothing, everything = one(0, total), one(total, total)
    np.testing.assert_allclose([nothing.lower[0], nothing.upper[0]], [0, 1 - tail ** (1 / total)])
    np.testing.assert_allclose([everything.lower[0], everything.upper[0]], [tail ** (1 / total), 1])


def test_one_standard_deviation_is_covered_by_default() -> None:
    found = one(500, 1000)
    np.testing.assert_allclose(found.upper[0] - found.lower[0], 2 * 0.5 / 1000**0.5, rtol=0.05)


@given(data=st.data(), total=st.integers(1, 500))
def test_the_interval_holds_the_value_and_lies_between_0_and_1(
    data: st.DataObject, total: int
) -> None:
    found = one(data.draw(st.integers(0, total)), total)
    assert 0 <= found.lower[0] <= found.values[0] <= found.upper[0] <= 1


def test_empty_bins_have_no_efficiency() -> None:
    found = efficiency(counts(0, 3, 0), counts(0, 6, 0))
    assert found.values[1] == 0.5
    for values in (found.values, found.lower, found.upper):
        assert np.isnan(values).tolist() == [True, False, True]


def test_flow_bins_are_left_out() -> None:
    found = efficiency(counts(1, 2), counts(2, 2))
    assert found.values.tolist() == [0.5, 1]
    assert found.edges.tolist() == [0, 1, 2]
    assert found.label == "p_{T}"


def test_more_passed_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="more entries passed than there are"):
        efficiency(counts(1, 3), counts(2, 2))


def test_different_axes_are_refused() -> None:
    with pytest.raises(UsageError, match="do not have one and the same axis"):
        efficiency(counts(1, 1), counts(2, 2, stop=5))


def test_two_dimensions_are_refused() -> None:
    axis = bh.axis.Regular(1, 0, 1)
    both = FilledHistogram(
        "h", "", ("x", "y"), bh.Histogram(axis, axis, storage=bh.storage.Int64())
    )
    with pytest.raises(UsageError, match="do not have one and the same axis"):
        efficiency(both, both)


def test_sums_of_weights_are_refused() -> None:
    weighted = FilledHistogram(
        "w", "", ("x",), bh.Histogram(bh.axis.Regular(1, 0, 1), storage=bh.storage.Weight())
    )
    with pytest.raises(UsageError, match="'w' and 'w': Clopper-Pearson intervals need counts"):
        efficiency(weighted, weighted)


CONFIG = """
selections:
  Electron: (hwQual & 2) != 0
  Hard: pt > 20
  Prompt: prompt >= 2
matches:
  ele:
    to: GenEl
    gen: Prompt
    within: deltar2(obj, gen) < 0.01
    best: abs(obj.pt - gen.pt)
    for: {TkEleL2: all | Electron x (all | Hard)}
histograms:
  TurnOn:
    efficiency: ele
    fill:
      pt: {axis: {edges: [0, 5, 10, 20, 30, 60, 100]}, label: "p_{T}^{GEN} [GeV]"}
      eta: {axis: [20, -3, 3], label: "#eta"}
"""


@pytest.fixture(scope="module")
def filled(
    skim: Command, histo: Command, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A configuration of turn-ons and its histograms, of 2,500 events with electrons."""
    folder = tmp_path_factory.mktemp("turnon")
    skim_config, config, output = (folder / n for n in ("skim.yaml", "histo.yaml", "out.root"))
    keep = "keep: {TkEleL2: [pt, eta, phi, hwQual], GenEl: [pt, eta, phi, prompt]}"
    skim_config.write_text(f"schema: fastpuppi\nsamples: {{e: {EG}/doubleele_0.root}}\n{keep}\n")
    config.write_text(CONFIG)
    for made in (
        skim("run", skim_config, "-o", folder / "dataset"),
        histo("run", config, folder / "dataset", "-o", output),
    ):
        assert made.exit_code == 0, made.output
    return config, output


def turn_on(output: Path, selection: str) -> Efficiency:
    found = read_histograms(output).histograms
    stem = f"TkEleL2_{selection}_Prompt_pt"
    return efficiency(found[f"TurnOn/h_effNum_{stem}"], found[f"TurnOn/h_effDen_{stem}"])


def test_tighter_selections_are_less_efficient(filled: tuple[Path, Path]) -> None:
    all_, electron, hard = (turn_on(filled[1], n) for n in ("all", "Electron", "ElectronHard"))
    assert np.all(electron.values <= all_.values)
    assert np.all(hard.values <= electron.values)


def test_a_threshold_turns_on_at_its_pt(filled: tuple[Path, Path]) -> None:
    hard = turn_on(filled[1], "ElectronHard").values
    assert np.all(hard[:2] < 0.02)  # below 10 GeV
    assert np.all(hard[4:] > 0.7)  # above 30 GeV


def test_turn_ons_are_drawn(filled: tuple[Path, Path], histo: Command, tmp_path: Path) -> None:
    drawn = histo("plot", *filled, "--output", tmp_path / "figures")
    assert drawn.exit_code == 0, drawn.output
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["TurnOn_TkEleL2_Prompt_eta.png", "TurnOn_TkEleL2_Prompt_pt.png"]
    assert all((tmp_path / "figures" / n).read_bytes().startswith(b"\x89PNG") for n in names)
