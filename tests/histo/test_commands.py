"""The command `histo` as a whole: its files, their formats, what it imports."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import boost_histogram as bh
import hist
import numpy as np
import pytest
import uhi.io.json

from histo.load import read_histograms
from histo.write import write_histograms
from tests.histo.conftest import Command
from tests.histo.test_write import ROOT_SCRIPT
from tests.strategies import part_of, random_events, split, write_dataset

SUFFIXES = (".root", ".json", ".pkl")

CONFIG = """
selections: {Tight: tight, Fired: triggered}
histograms:
  Ele:
    fill:
      pt: {axis: [8, 0, 10], label: "p_{T} [GeV]", title: "Electrons, #eta < 2.4"}
      charge: {axis: {integer: [-1, 2]}}
      quality: {axis: {categories: [4, 1]}}
      tight: {axis: boolean}
      eta: {axis: {edges: [-5, -1, 0, 5]}, label: "#eta"}
      map: {axes: [{of: pt, axis: {log: [4, 0.5, 50]}}, {of: tight, axis: boolean}]}
      cube:
        axes:
          - {of: pt, axis: [4, 0, 10]}
          - {of: eta, axis: [4, -5, 5], label: "#eta"}
          - {of: charge, axis: {integer: [-1, 2]}}
    for: {Ele: all | Tight}
  Weighted:
    fill: {met: {of: MET.pt, axis: [8, 0, 10]}}
    for: {event: all | Fired}
    weight: weight
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commands") / "histo.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def dataset(config: Path) -> Path:
    """Two samples, of two partitions and one."""
    whole = random_events(120)
    samples = {"one": split(part_of(whole, 0, 100), 60), "two": [part_of(whole, 100, 120)]}
    return write_dataset(config.parent / "dataset", samples)


@pytest.fixture(scope="module")
def outputs(histo: Command, config: Path, dataset: Path) -> dict[str, Path]:
    """One run in each format."""
    made = {}
    for suffix in SUFFIXES:
        made[suffix] = config.parent / f"out{suffix}"
        result = histo("run", config, dataset, "-o", made[suffix])
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"{made[suffix]}: 16 histograms\n"
    return made


# -- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", SUFFIXES)
@pytest.mark.parametrize("second", SUFFIXES)
def test_formats_of_one_run_do_not_differ(
    histo: Command, outputs: dict[str, Path], first: str, second: str
) -> None:
    result = histo("diff", outputs[first], outputs[second])
    assert (result.exit_code, result.stdout) == (0, "16 histograms, no difference\n")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "name", ["Ele/Ele_Tight_pt", "Ele/Ele_all_cube", "Weighted/event_Fired_met"]
)
def test_a_planted_difference_is_found(
    histo: Command, outputs: dict[str, Path], suffix: str, name: str, tmp_path: Path
) -> None:
    planted = read_histograms(outputs[".json"])
    view = planted.histograms[name].contents.view(flow=True)
    last = (-1,) * view.ndim  # an overflow bin
    if view.dtype.names:
        view["value"][last] += 1
    else:
        view[last] += 1
    write_histograms(planted, tmp_path / f"planted{suffix}")
    for other in outputs.values():
        result = histo("diff", other, tmp_path / f"planted{suffix}")
        assert result.exit_code == 1
        assert name in result.stdout
        assert "contents" in result.stdout
        assert result.stdout.endswith(" in 16 histograms\n")
        assert result.stderr == ""


def test_the_difference_of_two_runs_is_found(
    histo: Command, config: Path, dataset: Path, outputs: dict[str, Path], tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer.json"
    assert histo("run", config, dataset, "--events", 99, "-o", fewer).exit_code == 0
    assert histo("diff", outputs[".root"], fewer).exit_code == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_carries_the_provenance(
    outputs: dict[str, Path], dataset: Path, suffix: str
) -> None:
    provenance = read_histograms(outputs[suffix]).provenance
    assert provenance == read_histograms(outputs[".json"]).provenance
    (source,) = provenance["datasets"]
    assert source["path"] == str(dataset)
    assert source["samples"]["one"]["events_read"] == 100
    assert provenance["configuration"]["selections"]["Tight"]["cut"] == "tight"
    assert len(provenance["configuration_hash"]) == 16
    assert "l1skim" in provenance["software"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("options", [(), ("--workers", 1), ("--scheduler", "processes")])
def test_the_same_inputs_give_the_same_bytes(
    histo: Command,
    config: Path,
    dataset: Path,
    outputs: dict[str, Path],
    suffix: str,
    options: tuple[object, ...],
    tmp_path: Path,
) -> None:
    again = tmp_path / f"again{suffix}"
    result = histo("run", config, dataset, "-o", again, *options)
    assert result.exit_code == 0, result.output
    assert again.read_bytes() == outputs[suffix].read_bytes()


def test_an_older_file_is_replaced(
    histo: Command, config: Path, dataset: Path, outputs: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "out.json"
    path.write_text("something older")
    assert histo("run", config, dataset, "-o", path).exit_code == 0
    assert path.read_bytes() == outputs[".json"].read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_real_root_sees_what_was_filled(outputs: dict[str, Path]) -> None:
    expected = read_histograms(outputs[".json"]).histograms
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROOT_SCRIPT, str(outputs[".root"]), *expected],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    seen = json.loads(run.stdout)
    for name, histogram in expected.items():
        found = seen[name]
        assert found["class"] == f"TH{histogram.contents.ndim}D"
        assert found["title"] == histogram.title
        assert found["axis titles"] == list(histogram.labels)
        np.testing.assert_array_equal(found["contents"], histogram.values().ravel(order="F"))
        errors = np.sqrt(histogram.variances()).ravel(order="F")
        np.testing.assert_allclose(found["errors"], errors, rtol=1e-15)
    pt = seen["Ele/Ele_all_pt"]
    assert (pt["title"], pt["axis titles"]) == ("Electrons, #eta < 2.4", ["p_{T} [GeV]"])
    assert seen["Ele/Ele_Tight_map"]["title"] == "Ele Tight"
    assert seen["Ele/Ele_all_quality"]["bin labels"] == [["4", "1"]]


def test_json_is_read_by_uhi(outputs: dict[str, Path]) -> None:
    with outputs[".json"].open() as file:
        loaded = json.load(file, object_hook=uhi.io.json.object_hook)
    expected = read_histograms(outputs[".root"]).histograms
    assert set(loaded) == set(expected)
    for name, histogram in expected.items():
        read = hist.Hist(loaded[name])
        assert read.label == histogram.title
        assert tuple(axis.label for axis in read.axes) == histogram.labels
        assert read.sum(flow=True) == histogram.contents.sum(flow=True)
        weighted = name.startswith("Weighted/")
        assert read.storage_type is (bh.storage.Weight if weighted else bh.storage.Int64)


def test_pickle_is_a_dictionary_of_hist(outputs: dict[str, Path]) -> None:
    loaded = pickle.loads(outputs[".pkl"].read_bytes())  # noqa: S301 - written above
    assert all(type(histogram) is hist.Hist for histogram in loaded.values())
    assert loaded["Ele/Ele_all_cube"].ndim == 3


# -- options ------------------------------------------------------------------------------------


def events_in(path: Path) -> int:
    return int(read_histograms(path).histograms["G/n"].values().sum())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), 120),
        (("--sample", "one"), 100),
        (("--sample", "two", "--sample", "one"), 120),
        (("--events", 70), 90),
        (("--events", 1, "--sample", "two"), 1),
    ],
)
def test_samples_and_events_are_chosen(
    histo: Command, dataset: Path, options: tuple[object, ...], expected: int, tmp_path: Path
) -> None:
    config, output = tmp_path / "count.yaml", tmp_path / "out.json"
    config.write_text("histograms: {G: {fill: {n: {of: 1, axis: [1, 0, 2]}}}}")
    result = histo("run", config, dataset, "-o", output, *options)
    assert result.exit_code == 0, result.output
    assert events_in(output) == expected


def test_several_datasets_are_one_input(
    histo: Command, dataset: Path, config: Path, tmp_path: Path
) -> None:
    other = write_dataset(tmp_path / "other", {"more": [random_events(30, seed=3)]})
    count, output = tmp_path / "count.yaml", tmp_path / "out.json"
    count.write_text("histograms: {G: {fill: {n: {of: 1, axis: [1, 0, 2]}}}}")
    assert histo("run", count, dataset, other, "-o", output).exit_code == 0
    assert events_in(output) == 150
    assert histo("run", count, dataset, other, "-o", output, "--sample", "more").exit_code == 0
    assert events_in(output) == 30


def test_a_cluster_gives_the_same_bytes(
    histo: Command,
    config: Path,
    dataset: Path,
    outputs: dict[str, Path],
    dask_cluster: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.root"
    result = histo("run", config, dataset, "-o", path, "--scheduler", dask_cluster)
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == outputs[".root"].read_bytes()


def test_a_power_that_numpy_refuses_is_a_mistake_and_no_bug(
    histo: Command, dataset: Path, tmp_path: Path
) -> None:
    config, output = tmp_path / "power.yaml", tmp_path / "out.json"
    config.write_text("""
histograms: {G: {fill: {x: {of: 2 ** charge, axis: [5, 0, 5]}}, for: {Ele: all}}}
""")
    result = histo("run", config, dataset, "-o", output)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "(2 ** Ele.charge)" in result.stderr
    assert "internal error" not in result.stderr
    assert not output.exists()
