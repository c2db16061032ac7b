"""``histo run --ntuples``: the same histograms straight from ROOT, reading no more than needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histo.load import read_histograms
from histo.ntuples import open_ntuples
from histo.plan import make_plan
from runtime.console import progress_bar
from runtime.scheduler import Scheduler
from schemas.histo_config import HistoConfig
from schemas.load import load_model, parse_yaml, validate
from schemas.skim_config import SkimConfig

EG = Path(__file__).parents[1] / "data" / "eg"
Command = Callable[..., Any]

SKIM = f"""
schema: fastpuppi
samples: {{ele: "{EG}/doubleele_*.root", nugun: {EG}/nugun_0.root}}
keep:
  event: [run, event]
  TkEleL2: [pt, eta, phi, hwQual, vz]
  TkEmL2: [pt, eta]
  GenEl: [pt, eta, phi, prompt]
define:
  TkEleL2: {{abseta: abs(eta), isolated: tkIso < 0.13}}
  event: {{ht: sum(EGStaEB.pt)}}
objects: {{TkEleL2: pt > 3}}
events: any(TkEleL2.pt > 15) or any(TkEmL2.pt > 20)
"""
HISTO = """
collections:
  Pair: {pairs: TkEleL2, define: {pt: leg1.pt, dz: abs(leg0.vz - leg1.vz)}}
selections: {Tight: isolated and pt > 10, Both: leg0.Tight and leg1.Tight and dz < 1}
matches:
  ele:
    to: GenEl
    gen: all
    within: deltar2(obj, gen) < 0.01
    best: abs(obj.pt - gen.pt)
    for: {TkEleL2: Tight}
histograms:
  Objects:
    fill:
      pt: {axis: [50, 0, 100]}
      abseta: {axis: [30, 0, 3]}
      n: {per_event: count(), axis: {integer: [0, 9]}}
    for: {TkEleL2: all | Tight}
  Event: {fill: {ht: {axis: [50, 0, 500]}, photons: {of: count(TkEmL2), axis: [20, 0, 20]}}}
  Weighted: {weight: ht, fill: {abseta: {axis: [30, 0, 3]}}, for: {TkEleL2: Tight}}
  Rates: {rate: {pt: {axis: [100, 0, 100], unit: kHz}}, for: {TkEleL2: Tight, Pair: Both}}
  Counters: {counter: true, for: {Pair: Both}}
  Matched: {match: ele, fill: {res: {of: obj.pt / gen.pt, axis: [50, 0, 2]}}}
  Particles: {efficiency: ele, fill: {pt: {axis: [50, 0, 100]}}}
"""


@pytest.fixture(scope="module")
def folder(skim: Command, histo: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both configurations, and what comes from a dataset: ``dataset.json``."""
    made = tmp_path_factory.mktemp("ntuples")
    (made / "skim.yaml").write_text(SKIM)
    (made / "histo.yaml").write_text(HISTO)
    for result in (
        skim("run", made / "skim.yaml", "-o", made / "dataset"),
        histo("run", made / "histo.yaml", made / "dataset", "-o", made / "dataset.json"),
    ):
        assert result.exit_code == 0, result.output
    return made


def run(histo: Command, folder: Path, output: Path, *options: object) -> Path:
    result = histo(
        "run", folder / "histo.yaml", "--ntuples", folder / "skim.yaml", "-o", output, *options
    )
    assert result.exit_code == 0, result.output
    return output


def test_histograms_are_those_of_the_dataset(folder: Path, histo: Command, tmp_path: Path) -> None:
    output = run(histo, folder, tmp_path / "ntuples.json")
    same = histo("diff", folder / "dataset.json", output)
    assert same.exit_code == 0, same.output
    filled = read_histograms(output).histograms
    assert len(filled) == 18
    assert all(histogram.values().any() for histogram in filled.values())


def test_the_norm_counts_entries_before_the_cut(
    folder: Path, histo: Command, tmp_path: Path
) -> None:
    found = read_histograms(run(histo, folder, tmp_path / "out.json")).histograms
    assert found["Counters/Pair_Both_norm"].values().tolist() == [0, 10_000, 0]
    assert found["Event/ht"].values().sum() < 10_000


def test_one_sample_can_be_chosen(folder: Path, histo: Command, tmp_path: Path) -> None:
    output = run(histo, folder, tmp_path / "ntuples.json", "--sample", "nugun")
    expected = tmp_path / "dataset.json"
    made = histo(
        "run", folder / "histo.yaml", folder / "dataset", "-o", expected, "--sample", "nugun"
    )
    assert made.exit_code == 0, made.output
    same = histo("diff", expected, output)
    assert same.exit_code == 0, same.output


def test_files_replace_those_of_a_sample(folder: Path, histo: Command, tmp_path: Path) -> None:
    options = ("--sample", "ele", "--files", f"ele={EG}/doubleele_1.root")
    found = read_histograms(run(histo, folder, tmp_path / "out.json", *options)).histograms
    assert found["Counters/Pair_Both_norm"].values()[1] == 2500


def test_the_first_entries_of_each_sample_are_taken(
    folder: Path, histo: Command, tmp_path: Path
) -> None:
    found = read_histograms(run(histo, folder, tmp_path / "o.json", "--events", 2600)).histograms
    assert found["Counters/Pair_Both_norm"].values()[1] == 2 * 2600


def test_processes_give_the_same(folder: Path, histo: Command, tmp_path: Path) -> None:
    output = run(histo, folder, tmp_path / "out.json", "--scheduler", "processes", "--workers", 2)
    same = histo("diff", folder / "dataset.json", output)
    assert same.exit_code == 0, same.output


def branches(folder: Path, text: str) -> set[str]:
    """Return the branches that a histogram configuration reads."""
    source = open_ntuples(
        load_model(folder / "skim.yaml", SkimConfig), base=folder,
        scheduler=Scheduler(workers=1), watch=progress_bar,
    )  # fmt: skip
    plan = make_plan(validate(parse_yaml(text, "c.yaml"), HistoConfig), source.schema)
    return {name for block in source.blocks(plan) for name in block.source.branches.values()}


CUT = {"TkEleL2_pt", "TkEmL2_pt"}
"""What the cut on events reads."""


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        ("abseta: {axis: [9, 0, 3]}", {"TkEleL2_eta"}),
        ("i: {of: isolated, axis: boolean}", {"TkEleL2_tkIso"}),
        ("pt: {axis: [9, 0, 9]}", set()),
        ("h: {per_event: ht, axis: [9, 0, 9]}", {"EGStaEB_pt"}),
        ("g: {per_event: max(GenEl.pt), axis: [9, 0, 9]}", {"GenEl_pt"}),
    ],
)
def test_only_needed_branches_are_read(folder: Path, fill: str, expected: set[str]) -> None:
    text = f"histograms: {{G: {{fill: {{{fill}}}, for: {{TkEleL2: all}}}}}}"
    assert branches(folder, text) == expected | CUT


def test_the_output_says_where_the_events_come_from(
    folder: Path, histo: Command, tmp_path: Path
) -> None:
    said = read_histograms(run(histo, folder, tmp_path / "out.json")).provenance
    assert sorted(said["ntuples"]) == ["ele", "nugun"]
    assert [entry["entries"] for entry in said["ntuples"]["ele"]] == [2500, 2500]
    assert said["skim_configuration"]["events"].startswith("any(TkEleL2.pt > 15)")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset", "--ntuples", "skim.yaml"], "give either one or more DATASET, or --ntuples"),
        ([], "give either one or more DATASET, or --ntuples"),
        (["dataset", "--files", "ele=x.root"], "--files goes with --ntuples"),
        (["--ntuples", "skim.yaml", "--files", "ele=none.root"], "none.root"),
        (["--ntuples", "skim.yaml", "--sample", "elle"], "did you mean 'ele'?"),
        (["--ntuples", "skin.yaml"], "did you mean 'skim.yaml'"),
    ],
)
def test_contradictory_arguments_are_refused(
    arguments: list[str],
    message: str,
    folder: Path,
    histo: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    refused = histo("run", "histo.yaml", *arguments, "-o", "never.root")
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert not (folder / "never.root").exists()


def test_what_the_skim_does_not_keep_is_unknown(
    folder: Path, histo: Command, tmp_path: Path
) -> None:
    config = tmp_path / "histo.yaml"
    config.write_text(
        "histograms:\n  G:\n    fill: {x: {of: tkIso, axis: [5, 0, 1]}}\n    for: {TkEleL2: all}\n"
    )
    refused = histo("run", config, "--ntuples", folder / "skim.yaml", "-o", tmp_path / "o.root")
    assert refused.exit_code == 2
    assert "histo.yaml:3:20: 'tkIso' is not a field of TkEleL2" in refused.stderr


def test_defined_fields_are_computed_alike(folder: Path, histo: Command, tmp_path: Path) -> None:
    found = read_histograms(run(histo, folder, tmp_path / "out.json")).histograms
    own = read_histograms(folder / "dataset.json").histograms["Weighted/TkEleL2_Tight_abseta"]
    weighted = found["Weighted/TkEleL2_Tight_abseta"]
    np.testing.assert_array_equal(weighted.values(), own.values())
    np.testing.assert_array_equal(weighted.variances(), own.variances())
