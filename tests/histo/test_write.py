"""Histogram files as others read them: ROOT itself, uhi, hist and plain pickle."""

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import boost_histogram as bh
import hist
import numpy as np
import pytest
import uhi.io.json

from histo.result import FilledHistogram, HistogramFile
from histo.write import write_histograms
from schemas.errors import UsageError

axis = bh.axis

# Runs in a process of its own: ROOT installs signal handlers and takes over the exit.
ROOT_SCRIPT = """
import json, sys, ROOT
file = ROOT.TFile.Open(sys.argv[1])
described = {"provenance": str(file.Get("provenance").GetString())}
for name in sys.argv[2:]:
    h = file.Get(name)
    axes = [h.GetXaxis(), h.GetYaxis(), h.GetZaxis()][: h.GetDimension()]
    sizes = [axis.GetNbins() + 2 for axis in axes]
    cells = range(h.GetNcells())
    labelled = [axis.GetLabels() for axis in axes]
    import array
    stats = array.array("d", [0.0] * 11)
    h.GetStats(stats)
    stored = list(stats)
    entries = h.GetEntries()
    h.ResetStats()
    h.GetStats(stats)
    described[name] = {
        "class": h.ClassName(),
        "name": h.GetName(),
        "title": h.GetTitle(),
        "axis titles": [axis.GetTitle() for axis in axes],
        "sizes": sizes,
        "edges": [[a.GetBinLowEdge(i + 1) for i in range(a.GetNbins() + 1)] for a in axes],
        "bin labels": [
            [a.GetBinLabel(i + 1) for i in range(a.GetNbins())] if has else None
            for a, has in zip(axes, labelled)
        ],
        "contents": [h.GetBinContent(i) for i in cells],
        "errors": [h.GetBinError(i) for i in cells],
        "squares stored": h.GetSumw2N(),
        "entries": entries,
        "stats": stored,
        "stats from bins": list(stats),
    }
print(json.dumps(described))
"""


def filled(name: str, *axes: object, weighted: bool) -> FilledHistogram:
    storage = bh.storage.Weight() if weighted else bh.storage.Int64()
    contents = bh.Histogram(*axes, storage=storage)
    random = np.random.default_rng(7)
    view = contents.view(flow=True)
    if weighted:
        view["value"] = random.normal(5, 3, view.shape)
        view["variance"] = random.random(view.shape)
    else:
        view[...] = random.integers(0, 1000, view.shape)
    labels = tuple(f"l_{{{i}}} [GeV]" for i in range(len(axes)))
    return FilledHistogram(name, f"Title of {name}, #eta < 2.4", labels, contents)


def a_file(*histograms: FilledHistogram) -> HistogramFile:
    provenance = {"dataset": {"path": "d", "digest": "ab" * 200}, "configuration": "é [1]"}
    return HistogramFile({h.name: h for h in histograms}, provenance)


@pytest.fixture(scope="module")
def every_kind() -> HistogramFile:
    return a_file(
        filled("top", axis.Regular(5, -0.3, 1.1), weighted=False),
        filled("one/counts", axis.Regular(5, -0.3, 1.1), weighted=False),
        filled("one/weights", axis.Variable([0, 1, 4, 10]), weighted=True),
        filled("one/log", axis.Regular(4, 1, 1e4, transform=axis.transform.log), weighted=True),
        filled("one/integer", axis.Integer(-2, 3), weighted=False),
        filled("one/noflow", axis.Regular(3, 0, 1, underflow=False, overflow=False), weighted=True),
        filled("one/regions", axis.StrCategory(["barrel", "end cap"]), weighted=False),
        filled("one/codes", axis.IntCategory([7, 3], overflow=False), weighted=True),
        filled("two/deep/map", axis.Regular(3, 0, 3), axis.StrCategory(["a", "b"]), weighted=False),
        filled("two/deep/weights", axis.Regular(3, 0, 3), axis.Variable([0, 1, 5]), weighted=True),
        filled(
            "cube", axis.Regular(2, 0, 1), axis.Boolean(), axis.Variable([1, 2, 9]), weighted=True
        ),
    )


@pytest.fixture(scope="module")
def seen_by_root(every_kind: HistogramFile, tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("root") / "histograms.root"
    write_histograms(every_kind, path)
    run = subprocess.run(
        # the wheel warns on import that it is young
        [sys.executable, "-W", "ignore", "-c", ROOT_SCRIPT, str(path), *every_kind.histograms],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""  # no complaint about the file either
    return json.loads(run.stdout)


def test_root_sees_class_name_and_titles(every_kind: HistogramFile, seen_by_root: dict) -> None:
    for name, histogram in every_kind.histograms.items():
        seen = seen_by_root[name]
        assert seen["class"] == f"TH{histogram.contents.ndim}D"
        assert seen["name"] == name.rpartition("/")[2]
        assert seen["title"] == histogram.title
        assert seen["axis titles"] == list(histogram.labels)


def test_root_sees_contents_and_errors(every_kind: HistogramFile, seen_by_root: dict) -> None:
    for name, histogram in every_kind.histograms.items():
        seen = seen_by_root[name]
        values, variances = histogram.values(), histogram.variances()
        assert tuple(seen["sizes"]) == values.shape
        np.testing.assert_array_equal(seen["contents"], values.ravel(order="F"))
        np.testing.assert_allclose(seen["errors"], np.sqrt(variances).ravel(order="F"), rtol=1e-15)
        assert seen["squares stored"] == values.size
        assert seen["entries"] == pytest.approx(values.sum())


def test_root_sees_edges_and_bin_labels(every_kind: HistogramFile, seen_by_root: dict) -> None:
    for name, histogram in every_kind.histograms.items():
        for i, ax in enumerate(histogram.contents.axes):
            category = isinstance(ax, axis.StrCategory | axis.IntCategory)
            expected = [str(item) for item in ax] if category else None
            assert seen_by_root[name]["bin labels"][i] == expected
            np.testing.assert_allclose(seen_by_root[name]["edges"][i], ax.edges, rtol=1e-12)


def test_root_statistics_are_those_it_computes_itself(
    every_kind: HistogramFile, seen_by_root: dict
) -> None:
    for name in every_kind.histograms:
        seen = seen_by_root[name]
        assert seen["stats"] == pytest.approx(seen["stats from bins"], rel=1e-12, abs=1e-12)


def test_root_sees_provenance(every_kind: HistogramFile, seen_by_root: dict) -> None:
    assert json.loads(seen_by_root["provenance"]) == every_kind.provenance


def test_json_is_read_by_uhi_and_hist(every_kind: HistogramFile, tmp_path: Path) -> None:
    path = tmp_path / "h.json"
    write_histograms(every_kind, path)
    with path.open() as file:
        loaded = json.load(file, object_hook=uhi.io.json.object_hook)
    assert list(loaded) == list(every_kind.histograms)
    for name, histogram in every_kind.histograms.items():
        read = hist.Hist(loaded[name])
        assert (read.name, read.label) == (name, histogram.title)
        assert tuple(a.label for a in read.axes) == histogram.labels
        assert read.storage_type is histogram.contents.storage_type
        np.testing.assert_array_equal(read.view(flow=True), histogram.contents.view(flow=True))


def test_json_holds_the_provenance_once(every_kind: HistogramFile, tmp_path: Path) -> None:
    path = tmp_path / "h.json"
    write_histograms(every_kind, path)
    metadata = [h["metadata"] for h in json.loads(path.read_text()).values()]
    assert json.loads(metadata[0]["provenance"]) == every_kind.provenance
    assert ["provenance" in m for m in metadata] == [True] + [False] * (len(metadata) - 1)
    assert len({m["provenance_digest"] for m in metadata}) == 1


def test_pickle_is_a_plain_dictionary_of_hist(every_kind: HistogramFile, tmp_path: Path) -> None:
    path = tmp_path / "h.pkl"
    write_histograms(every_kind, path)
    loaded = pickle.loads(path.read_bytes())  # noqa: S301 - written above
    assert type(loaded) is dict
    assert list(loaded) == list(every_kind.histograms)
    for name, histogram in every_kind.histograms.items():
        read = loaded[name]
        assert type(read) is hist.Hist
        assert (read.name, read.label) == (name, histogram.title)
        assert tuple(a.label for a in read.axes) == histogram.labels
        assert tuple(a.name for a in read.axes) == ("x", "y", "z")[: len(histogram.labels)]
        assert read.metadata["title"] == histogram.title
        np.testing.assert_array_equal(read.view(flow=True), histogram.contents.view(flow=True))
    assert len({id(read.metadata["provenance"]) for read in loaded.values()}) == 1
    assert loaded["top"].metadata["provenance"] == every_kind.provenance


@pytest.mark.parametrize("suffix", [".root", ".json", ".pkl"])
def test_same_histograms_same_bytes(every_kind: HistogramFile, suffix: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_histograms(every_kind, first)
    # times are stored in seconds: the second file must be written in another one
    time.sleep(1.01 if suffix == ".root" else 0)
    # equal, but made of other objects
    write_histograms(pickle.loads(pickle.dumps(every_kind)), second)  # noqa: S301
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", [".root", ".json", ".pkl"])
def test_writing_leaves_the_histograms_alone_and_no_file_behind(
    suffix: str, tmp_path: Path
) -> None:
    result = a_file(filled("a", axis.Regular(3, 0, 1), axis.Integer(0, 2), weighted=True))
    write_histograms(result, tmp_path / f"h{suffix}")
    write_histograms(result, tmp_path / f"h{suffix}")
    fresh = filled("a", axis.Regular(3, 0, 1), axis.Integer(0, 2), weighted=True)
    assert result.histograms["a"] == fresh
    assert [path.name for path in tmp_path.iterdir()] == [f"h{suffix}"]


def test_different_root_files_have_different_identifiers(tmp_path: Path) -> None:
    import uproot

    identifiers = set()
    for bins in (3, 4):
        path = tmp_path / f"{bins}.root"
        write_histograms(a_file(filled("h", axis.Regular(bins, 0, 1), weighted=False)), path)
        with uproot.open(path) as file:
            identifiers.add(str(file.file.uuid))
    assert len(identifiers) == 2


def test_unknown_suffix_is_refused(every_kind: HistogramFile, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.root, \.json or \.pkl, got '\.txt'"):
        write_histograms(every_kind, tmp_path / "h.txt")


def test_missing_folder_is_refused(every_kind: HistogramFile, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        write_histograms(every_kind, tmp_path / "nowhere" / "h.root")


def test_four_dimensions_go_anywhere_but_to_root(tmp_path: Path) -> None:
    four = filled("f/four", *[axis.Regular(2, 0, 1)] * 4, weighted=True)
    with pytest.raises(UsageError, match=r"'f/four' has 4 axes.*\.json or \.pkl"):
        write_histograms(a_file(four), tmp_path / "h.root")
    assert list(tmp_path.iterdir()) == []
    write_histograms(a_file(four), tmp_path / "h.json")
    write_histograms(a_file(four), tmp_path / "h.pkl")


@pytest.mark.parametrize("name", ["a;1", "f//a", "provenance", "f"])
def test_names_that_root_cannot_keep_apart_are_refused(name: str, tmp_path: Path) -> None:
    result = a_file(
        filled("f/a", axis.Regular(2, 0, 1), weighted=False),
        filled(name, axis.Regular(2, 0, 1), weighted=False),
    )
    with pytest.raises(UsageError, match="cannot have this name"):
        write_histograms(result, tmp_path / "h.root")


def test_labels_must_match_the_axes() -> None:
    with pytest.raises(UsageError, match=r"'a' needs one label an axis \(1\), got 2: x, y"):
        FilledHistogram("a", "", ("x", "y"), bh.Histogram(axis.Regular(2, 0, 1)))
