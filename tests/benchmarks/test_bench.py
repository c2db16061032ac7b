"""The benchmark on a tiny sample: it measures whole commands, and notices different numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import job
from benchmarks.checks import (
    DifferentResultsError,
    read_job,
    read_rates,
    require_same,
    require_same_columns,
)
from benchmarks.inputs import CLUSTERS_SKIM, EG_SKIM, HISTOGRAMS, RATES, Inputs, histo
from benchmarks.measure import CommandFailedError, Contender, run, side_by_side
from benchmarks.peers import eager, eager_rates
from benchmarks.report import Promise, Section, at_least, at_most, render
from benchmarks.run import main


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path, tmp_path, events=200)


@pytest.mark.parametrize("style", ["records", "flat"])
def test_200_histograms_are_those_of_the_eager_script(
    style: str, ntuples: list[Path], inputs: Inputs
) -> None:
    found = inputs.work / "job.root"
    run(inputs.skim("clusters", CLUSTERS_SKIM, ntuples[0].parent))
    run(histo(HISTOGRAMS, inputs.dataset("clusters"), found))
    expected = eager.fill(f"{ntuples[0].parent}/*.root", None, style)
    assert expected.shape == (200, job.BINS + 2)
    assert (expected.sum(axis=1) > 0).all()
    require_same("histo", expected, read_job(found), job.histogram_names())


def test_rates_are_those_of_the_eager_script(ntuples: list[Path], inputs: Inputs) -> None:
    found = inputs.work / "rates.root"
    run(inputs.skim("eg", EG_SKIM, ntuples[0].parent))
    run(histo(RATES, inputs.dataset("eg"), found, "--events", "200"))
    expected = eager_rates.fill(f"{ntuples[0].parent}/*.root", 200)
    curves = eager_rates.curve_names()
    assert len(curves) * 2 == 56
    require_same("histo", expected, read_rates(found, curves), curves)


def test_a_different_bin_is_an_error_that_names_it() -> None:
    expected = np.zeros((2, 3), np.int64)
    found = expected.copy()
    found[1, 2] = 5
    with pytest.raises(DifferentResultsError, match=r"peer: 1 numbers .* h1\[2\]: 5 instead of 0"):
        require_same("peer", expected, found, ["h0", "h1"])


def test_missing_files_are_no_agreement(ntuples: list[Path], inputs: Inputs) -> None:
    run(inputs.skim("eg", EG_SKIM, ntuples[0].parent))
    (inputs.work / "other").mkdir()
    with pytest.raises(DifferentResultsError, match="0 files for 2 partitions"):
        require_same_columns(inputs.dataset("eg"), inputs.work / "other")


def test_copies_are_the_same_files_by_other_names(inputs: Inputs) -> None:
    copied = sorted(inputs.ntuples(2).iterdir())
    assert len({path.stat().st_ino for path in copied}) == 4
    assert len(copied) == 8


def test_commands_are_measured_as_processes_of_their_own() -> None:
    ballast = bytearray(200_000_000)  # of this process, not of the one that is measured
    found = side_by_side({"python": Contender([sys.executable, "-c", "sum(range(10**6))"])}, 1)
    assert found["python"].processor > 0
    assert 1_000_000 < found["python"].memory < len(ballast) / 2


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(CommandFailedError, match="no such thing"):
        run(Contender([sys.executable, "-c", "raise SystemExit('no such thing')"]))


def test_report_shows_what_is_missed_and_what_failed() -> None:
    sections = [
        Section("First", promises=[at_most("fast", 2.0, 1.0, " s"), at_least("ahead", 12.0, 10)]),
        Section("Second", failure="it broke"),
        Section("Third", promises=[Promise("same", "same", "same", kept=True)]),
    ]
    text = render(sections, events=200, quick=False, took=60, load=3)
    assert "Others were using the machine" in text
    assert "2 of 3 hold." in text
    assert "| fast | at most 1 s | 2.00 s | NOT MET |" in text
    assert "| ahead | at least 10x | 12.0x | PASS |" in text
    assert "it broke" in text


def test_one_part_runs_alone(tmp_path: Path) -> None:
    arguments = ["--quick", "--only", "counting", "--events", "2000", "--cache", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "## Counting" in (tmp_path / "benchmarks.md").read_text()
