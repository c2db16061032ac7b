"""The predecessor's histograms in every bin, from Parquet and straight from ntuples.

The inputs and the histograms are carried in ``tests/data/eg``. Where the originals are at hand, in
``../shared`` beside the repository, the carried files are compared with them, and the originals
filled from as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import boost_histogram as bh
import numpy as np
import pytest
import uproot
from click.testing import CliRunner
from numpy.typing import NDArray

from histo.cli import main as histo
from histo.load import read_histograms
from histo.result import FilledHistogram
from skim.cli import main as skim

ROOT_FOLDER = Path(__file__).parents[2]
CONFIGS = ROOT_FOLDER / "configs"
CARRIED = ROOT_FOLDER / "tests" / "data" / "eg"
SHARED = ROOT_FOLDER.parent / "shared"
SKIM = CONFIGS / "skim" / "fastpuppi_eg.yaml"
INPUTS = ("doubleele_0", "doubleele_1", "nugun_0")
STUDIES = {
    "rate_menu_doubleele": "eg_rate_menu",
    "rate_menu_nugun": "eg_rate_menu",
    "rate_counter_menu_doubleele": "eg_rate_counters",
    "rate_counter_menu_nugun": "eg_rate_counters",
    "egmenu_doubleele": "eg_genmatch_menu",
}
EVENTS = 5000
"""In each of the two samples."""

NEVER_FILLED = {
    *("energy", "dzRes"),  # booked for everything, filled for nothing
    *("tkIso", "pfIso", "puppiIso", "tkIsoPV", "pfIsoPV", "idScore"),  # where objects lack them
}
WEIGHTED = ("RateHistos", "SingleObjRateHistoCounter", "DoubleObjRateHistoCounter")
"""Folders whose histograms the predecessor fills once a block, with a count as the weight."""

needs_originals = pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared beside the clone")


@dataclass(frozen=True)
class Reference:
    """One histogram of the predecessor."""

    name: str
    title: str
    labels: tuple[str, ...]
    axes: tuple[tuple[int, float, float], ...]
    contents: NDArray[np.int64]
    variances: NDArray[np.int64]


@cache
def references(study: str) -> dict[str, Reference]:
    with np.load(CARRIED / f"{study}.npz") as packed:
        description = json.loads(packed["description"].tobytes())
        contents, variances = packed["contents"], packed["variances"]
    found, start = {}, 0
    for one in description:
        own = tuple((bins, low, high) for bins, low, high, _ in one["axes"])
        shape = tuple(bins + 2 for bins, _, _ in own)
        stop = start + int(np.prod(shape))
        found[one["name"]] = Reference(
            one["name"],
            one["title"],
            tuple(label for *_, label in one["axes"]),
            own,
            contents[start:stop].reshape(shape).astype(np.int64),
            variances[start:stop].reshape(shape),
        )
        start = stop
    assert start == len(contents)
    return found


def invoke(command: object, *arguments: object) -> None:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output


def files_of(folder: Path) -> tuple[str, ...]:
    stem = f"{folder}/fastpuppi_" if folder != CARRIED else f"{folder}/"
    return "--files", f"doubleele={stem}doubleele_[01].root", "--files", f"nugun={stem}nugun_0.root"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("eg") / "dataset"
    invoke(skim, "run", SKIM, *files_of(CARRIED), "--output", path)
    return path


Ours = tuple[str, dict[str, FilledHistogram]]


@pytest.fixture(
    scope="module",
    params=[
        *((study, way, "carried") for study in STUDIES for way in ("parquet", "ntuples")),
        *(
            pytest.param((study, "ntuples", "originals"), marks=needs_originals)
            for study in STUDIES
        ),
    ],
    ids=lambda param: "-".join(param),
)
def ours(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ours:
    """A study's name, and what ``histo run`` makes of it, read back from its ROOT file."""
    study, way, data = request.param
    output = tmp_path_factory.mktemp(study) / "out.root"
    sample = study.rpartition("_")[2]
    source: tuple[object, ...]
    if way == "parquet":
        source = (request.getfixturevalue("dataset"),)
    else:
        source = "--ntuples", SKIM, *files_of(CARRIED if data == "carried" else SHARED / "data")
    config = CONFIGS / "histo" / f"{STUDIES[study]}.yaml"
    invoke(histo, "run", config, *source, "--sample", sample, "--output", output)
    return study, read_histograms(output).histograms


def compared(ours: Ours) -> Iterator[tuple[Reference, FilledHistogram]]:
    """Pair what the predecessor has with what there is here; `absent` is about the rest."""
    study, histograms = ours
    pairs = [(r, histograms[name]) for name, r in references(study).items() if name in histograms]
    assert len(pairs) == len(histograms)  # nothing that the predecessor lacks
    return iter(pairs)


def described(histogram: FilledHistogram) -> tuple[tuple[int, float, float], ...]:
    axes = histogram.contents.axes
    assert all(isinstance(axis, bh.axis.Regular) for axis in axes)
    return tuple((axis.size, axis.edges[0], axis.edges[-1]) for axis in axes)


def is_n(reference: Reference) -> bool:
    return reference.name.startswith("EGHistos/") and reference.name.endswith("_n")


def test_every_bin_is_equal(ours: Ours) -> None:
    different = [
        reference.name
        for reference, own in compared(ours)
        if not is_n(reference) and not np.array_equal(reference.contents, own.values())
    ]
    assert different == []


def test_the_axes_are_equal(ours: Ours) -> None:
    for reference, own in compared(ours):
        assert described(own) == reference.axes, reference.name


def test_the_titles_are_equal(ours: Ours) -> None:
    for reference, own in compared(ours):
        assert own.title == reference.title, reference.name


def test_the_axis_titles_are_equal(ours: Ours) -> None:
    # the predecessor's have a blank in front
    for reference, own in compared(ours):
        expected = tuple(label.strip() for label in reference.labels)
        assert tuple(own.labels) == expected, reference.name


def test_only_what_the_predecessor_never_fills_is_absent(ours: Ours) -> None:
    study, histograms = ours
    for name, reference in references(study).items():
        if name not in histograms:
            assert name.rpartition("_")[2] in NEVER_FILLED, name
            assert not reference.contents.any(), name


def test_all_that_the_predecessor_fills_is_there(ours: Ours) -> None:
    study, histograms = ours
    filled = {name for name, r in references(study).items() if r.contents.any()}
    assert filled <= set(histograms)


def test_variances_of_unweighted_fills_are_equal(ours: Ours) -> None:
    for reference, own in compared(ours):
        if not reference.name.startswith(WEIGHTED) and not is_n(reference):
            np.testing.assert_array_equal(own.variances(), reference.variances, reference.name)


def test_variances_of_rates_and_counters_are_poissonian(ours: Ours) -> None:
    # the predecessor's are sums of squares of counts per block: they grow with the size of a block
    for reference, own in compared(ours):
        if reference.name.startswith(WEIGHTED):
            np.testing.assert_array_equal(own.variances(), own.values(), reference.name)


def test_variances_of_the_predecessor_depend_on_its_blocks() -> None:
    norm = references("rate_menu_doubleele")["RateHistos/EGStaEB_MenuSta_norm"]
    assert norm.contents[1] == EVENTS
    assert norm.variances[1] == 2 * 2500**2


def test_n_has_one_entry_an_event(ours: Ours) -> None:
    for reference, own in compared(ours):
        if is_n(reference):
            assert own.values().sum() == EVENTS, reference.name


def test_n_counts_the_matched_objects(ours: Ours) -> None:
    _, histograms = ours
    for reference, own in compared(ours):
        if is_n(reference):
            counts = np.arange(100) @ own.values()[1:-1]
            pt = histograms[reference.name.removesuffix("_n") + "_pt"]
            assert counts == pt.values().sum(), reference.name


def test_n_of_the_predecessor_counts_zeros_of_each_position() -> None:
    filled = references("egmenu_doubleele")["EGHistos/TkEleL2_MenuEleTight_GEN_n"].contents.sum()
    assert filled % 2500 == 0
    assert filled > EVENTS


@pytest.mark.parametrize(
    ("study", "count"),
    [("rate_menu", 56), ("rate_counter_menu", 56), ("egmenu", 4374)],
)
def test_no_histogram_of_the_predecessor_is_forgotten(study: str, count: int) -> None:
    assert len(references(f"{study}_doubleele")) == count


@needs_originals
@pytest.mark.parametrize("name", INPUTS)
def test_carried_inputs_are_the_originals(name: str) -> None:
    with (
        uproot.open(CARRIED / f"{name}.root") as carried,
        uproot.open(SHARED / "data" / f"fastpuppi_{name}.root") as original,
    ):
        branches = carried["Events"].keys()
        ours = carried["Events"].arrays(branches, library="ak", how=dict)
        theirs = original["Events"].arrays(branches, library="ak", how=dict)
    for branch in branches:
        assert ours[branch].type == theirs[branch].type, branch
        assert ours[branch].tolist() == theirs[branch].tolist(), branch


@needs_originals
@pytest.mark.parametrize("study", STUDIES)
def test_carried_histograms_are_the_originals(study: str) -> None:
    original = read_histograms(SHARED / "reference" / f"ntuple-analysis_{study}.root").histograms
    carried = references(study)
    assert sorted(carried) == sorted(original)
    for name, reference in carried.items():
        theirs = original[name]
        assert (theirs.title, tuple(theirs.labels)) == (reference.title, reference.labels)
        np.testing.assert_array_equal(reference.contents, theirs.values(), name)
        np.testing.assert_array_equal(reference.variances, theirs.variances(), name)
        assert described(theirs) == reference.axes
