"""Histogram files read back, in all formats, and what must not be read."""

import os
import pickle
from pathlib import Path

import boost_histogram as bh
import hist
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from histo.diff import compare
from histo.load import read_histograms
from histo.result import FilledHistogram, HistogramFile
from histo.write import write_histograms
from schemas.errors import DatasetError, UsageError

axis = bh.axis
SUFFIXES = (".root", ".json", ".pkl")

flows = st.fixed_dictionaries({"underflow": st.booleans(), "overflow": st.booleans()})
edges = st.lists(
    st.integers(-1000, 1000).map(lambda n: n / 8), min_size=2, max_size=5, unique=True
).map(sorted)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
axes = st.one_of(
    st.builds(
        lambda n, low, width, flow: axis.Regular(n, low, low + width, **flow),
        st.integers(1, 4),
        st.floats(-100, 100),
        st.floats(0.5, 100),
        flows,
    ),
    st.builds(
        lambda n, high: axis.Regular(n, 0.1, high, transform=axis.transform.log),
        st.integers(1, 4),
        st.floats(1, 1e5),
    ),
    st.builds(lambda e, flow: axis.Variable(e, **flow), edges, flows),
    st.builds(lambda n, low: axis.Integer(low, low + n), st.integers(1, 4), st.integers(-9, 9)),
    st.lists(st.integers(-9, 9), min_size=1, max_size=3, unique=True).map(axis.IntCategory),
    st.lists(texts, min_size=1, max_size=3, unique=True).map(axis.StrCategory),
    st.just(axis.Boolean()),
)
names = st.text("abcXYZ019_-.", min_size=1, max_size=6)


@st.composite
def histograms(draw: st.DrawFn, name: str) -> FilledHistogram:
    used = draw(st.lists(axes, min_size=1, max_size=3))
    if draw(st.booleans()):
        contents = bh.Histogram(*used, storage=bh.storage.Int64())
        shape = contents.view(flow=True).shape
        contents.view(flow=True)[...] = draw(
            npst.arrays(np.int64, shape, elements=st.integers(0, 2**53))
        )
    else:
        contents = bh.Histogram(*used, storage=bh.storage.Weight())
        view = contents.view(flow=True)
        numbers = st.floats(allow_nan=True, allow_infinity=True)
        view["value"] = draw(npst.arrays(np.float64, view.shape, elements=numbers))
        view["variance"] = draw(npst.arrays(np.float64, view.shape, elements=st.floats(0, 1e300)))
    labels = tuple(draw(texts) for _ in used)
    return FilledHistogram(name, draw(texts), labels, contents)


@st.composite
def histogram_files(draw: st.DrawFn) -> HistogramFile:
    found = {}
    for base in draw(st.lists(names, max_size=3, unique=True)):
        name = f"{draw(st.sampled_from(['', 'f/', 'f/g/']))}h{base}"
        found[name] = draw(histograms(name))
    provenance = draw(st.dictionaries(texts, texts | st.integers() | st.booleans(), max_size=3))
    return HistogramFile(found, provenance)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(result=histogram_files())
def test_what_is_written_is_read(suffix: str, result: HistogramFile, tmp_path: Path) -> None:
    path = tmp_path / f"h{suffix}"
    write_histograms(result, path)
    read = read_histograms(path)
    assert compare(result, read) == []
    assert compare(read, result) == []
    assert sorted(read.histograms) == sorted(result.histograms)
    if suffix == ".root" or result.histograms:  # the others keep it with a histogram
        assert read.provenance == result.provenance


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_storage_survives(suffix: str, tmp_path: Path) -> None:
    counts = bh.Histogram(axis.Regular(3, 0, 1), storage=bh.storage.Int64())
    weights = bh.Histogram(axis.Regular(3, 0, 1), storage=bh.storage.Weight())
    counts.fill([0.1, 0.1, 7])
    weights.fill([0.1, 0.1, 7], weight=[1, 2, 3])
    result = HistogramFile(
        {
            "counts": FilledHistogram("counts", "t", ("x",), counts),
            "weights": FilledHistogram("weights", "t", ("x",), weights),
        }
    )
    write_histograms(result, tmp_path / f"h{suffix}")
    assert read_histograms(tmp_path / f"h{suffix}").histograms == result.histograms


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A ROOT file as other programs write them: no squares of weights, other objects, cycles."""
    path = tmp_path / "foreign.root"
    with uproot.recreate(path) as file:
        file["deep/down/h"] = np.histogram([0.5, 1.5, 1.5], bins=3, range=(0, 3))
        file["old"] = np.histogram([0.5], bins=1, range=(0, 1))
        file["old"] = np.histogram([0.5, 0.5], bins=1, range=(0, 1))
        file["text"] = "not a histogram"
    return path


def test_foreign_root_files_are_read(foreign: Path) -> None:
    read = read_histograms(foreign)
    assert sorted(read.histograms) == ["deep/down/h", "old"]
    np.testing.assert_array_equal(read.histograms["deep/down/h"].values(), [0, 1, 2, 0, 0])
    assert read.histograms["old"].values()[1] == 2  # the newest cycle, as ROOT does
    assert not read.histograms["old"].weighted
    assert read.provenance == {}


def test_other_objects_are_mentioned(foreign: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_histograms(foreign)
    assert [r.getMessage() for r in caplog.records] == [
        f"{foreign}: text is a TObjString, not a histogram"
    ]


def test_filled_underflow_of_a_labelled_axis_is_not_lost(tmp_path: Path) -> None:
    from histo.axis_bins import bins_of_made
    from histo.root_file import Folder, file_bytes, pack_object
    from histo.root_objects import histogram_object, make_frame

    filled = bh.Histogram(axis.Regular(2, 0, 2), storage=bh.storage.Int64())
    filled.view(flow=True)[...] = [5, 1, 2, 0]
    frame = make_frame([bins_of_made(axis.StrCategory(["a", "b"]))], ["x"])
    content = histogram_object(FilledHistogram("h", "", ("x",), filled), "h", frame)
    path = tmp_path / "labelled.root"
    path.write_bytes(file_bytes(Folder("", [pack_object("TH1D", "h", "", content)])))
    read = read_histograms(path).histograms["h"]
    assert read.contents.axes[0].edges[0] == 0  # not a category axis, which has no underflow
    np.testing.assert_array_equal(read.values(), [5, 1, 2, 0])


def test_sparse_and_single_histograms_of_the_standard_are_read(tmp_path: Path) -> None:
    import json

    import uhi.io
    import uhi.io.json

    h = hist.Hist(axis.Regular(4, 0, 4), storage=bh.storage.Int64())
    h.fill([2.5, 2.5])
    path = tmp_path / "single.json"
    path.write_text(json.dumps(uhi.io.to_sparse(h._to_uhi_()), default=uhi.io.json.default))
    read = read_histograms(path)
    np.testing.assert_array_equal(read.histograms["single"].values(), [0, 0, 0, 2, 0, 0])


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_hostile_pickle_is_refused_and_not_executed(tmp_path: Path) -> None:
    path, target = tmp_path / "h.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps({"h": Hostile(target)}))
    with pytest.raises(DatasetError, match=r"h\.pkl: .*refused: it asks for posix\.mkdir"):
        read_histograms(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cboost_histogram._core.axis\n__loader__\n.",
        b"cboost_histogram._core.axis\ntransform\n.",
        b"cboost_histogram.axis.transform\n_internal_conversion\n(S'__doc__'\ntR.",
        b"chist.hist\nos\n.",
        b"\x80\x04\x8c\x09hist.hist\x8c\x0dHist.__init__\x93.",
        b"cnumpy\nload\n(S'x'\ntR.",
    ],
)
def test_pickles_get_no_other_names(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "h.pkl"
    path.write_bytes(program)
    with pytest.raises(DatasetError, match=r"h\.pkl: .*refused"):
        read_histograms(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", ["empty", "noise", "truncated", "other"])
def test_broken_files_are_named(suffix: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / f"h{suffix}"
    h = FilledHistogram("h", "", ("x",), bh.Histogram(axis.Regular(3, 0, 1)))
    write_histograms(HistogramFile({"h": h}), path)
    whole = path.read_bytes()
    other = {".root": b"{}", ".json": b'{"h": {"axes": 3}}', ".pkl": pickle.dumps({"h": 1})}[suffix]
    broken = {"empty": b"", "noise": b"root\xff\xfe" * 99, "truncated": whole[:-60], "other": other}
    path.write_bytes(broken[content])
    with pytest.raises(DatasetError, match=rf"h\{suffix}: cannot be read as histograms: .+"):
        read_histograms(path)


def test_missing_files_and_unknown_formats_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"h\.root: no such file"):
        read_histograms(tmp_path / "h.root")
    with pytest.raises(UsageError, match=r"h\.txt: .*\.root, \.json or \.pkl"):
        read_histograms(tmp_path / "h.txt")


def test_profiles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.pkl"
    path.write_bytes(
        pickle.dumps({"p": bh.Histogram(axis.Regular(2, 0, 1), storage=bh.storage.Mean())})
    )
    with pytest.raises(DatasetError, match="profile storage Mean"):
        read_histograms(path)
