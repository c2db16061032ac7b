"""ROOT files as ROOT itself and uproot see them: folders, sizes, class layouts, large files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import boost_histogram as bh
import numpy as np
import pytest
import uproot

from histo.result import FilledHistogram
from histo.root_file import Folder, PackedObject, file_bytes, pack_object
from histo.root_objects import histogram_object, make_frame, string_object
from schemas.errors import UsageError

# Runs in a process of its own: ROOT installs signal handlers and takes over the exit.
ROOT_SCRIPT = """
import json, sys, ROOT
file = ROOT.TFile.Open(sys.argv[1])
infos = {}
for info in file.GetStreamerInfoList():
    known = ROOT.TClass.GetClass(info.GetName()).GetStreamerInfo(info.GetClassVersion())
    infos[info.GetName()] = [info.GetCheckSum(), known.GetCheckSum() if known else None]
described = {
    "recovered": bool(file.TestBit(ROOT.TFile.kRecovered)),
    "end": [file.GetEND(), file.GetSize()],
    "large": file.GetVersion() > 1_000_000,
    "infos": infos,
    "sum": file.Get("outer/inner/h").Integral(0, -1),
    "text": str(file.Get("text").GetString()),
}
file.Close()
file = ROOT.TFile.Open(sys.argv[1], "UPDATE")
ROOT.TH1D("more", "", 2, 0, 1).Write()
file.Close()
file = ROOT.TFile.Open(sys.argv[1])
described["updated"] = [key.GetName() for key in file.GetListOfKeys()]
print(json.dumps(described))
"""

BINS = 1_200_000
"""Doubles that take more than one compressed block of 16 MB, contents and squares together."""


def histogram(values: np.ndarray, name: str = "h") -> PackedObject:
    axes = [bh.axis.Regular(size - 2, 0, 1) for size in values.shape]
    filled = bh.Histogram(*axes, storage=bh.storage.Weight())
    filled.view(flow=True)["value"] = values
    labels = tuple("xyz"[: len(axes)])
    made = FilledHistogram(name, "", labels, filled)
    content = histogram_object(made, name, make_frame(made.axes, labels))
    return pack_object(f"TH{len(axes)}D", name, "", content)


@pytest.fixture(scope="module")
def folder() -> Folder:
    values = np.random.default_rng(3).random(BINS + 2)
    inner = Folder("inner", [histogram(values), histogram(np.arange(12.0).reshape(3, 4), "plane")])
    text = pack_object("TObjString", "text", "t" * 300, string_object("é" * 400))
    cube = histogram(np.arange(27.0).reshape(3, 3, 3), "cube")
    return Folder("", [text, cube], [Folder("outer", [], [inner]), Folder("empty")])


@pytest.fixture(scope="module", params=[False, True], ids=["small", "large"])
def written(
    request: pytest.FixtureRequest, folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("root") / "file.root"
    path.write_bytes(file_bytes(folder, large=request.param))
    return path


def test_uproot_reads_all_of_it(written: Path) -> None:
    with uproot.open(written) as file:
        assert file.file.is_64bit == (written.read_bytes()[4:8] > b"\0\x0f\0\0")
        assert file.keys(cycle=False) == [
            "text", "cube", "outer", "outer/inner", "outer/inner/h", "outer/inner/plane", "empty",
        ]  # fmt: skip
        assert str(file["text"]) == "é" * 400
        expected = np.random.default_rng(3).random(BINS + 2)
        np.testing.assert_array_equal(file["outer/inner/h"].values(flow=True), expected)
        cube = np.arange(27.0).reshape(3, 3, 3)
        np.testing.assert_array_equal(file["cube"].values(flow=True), cube)


def test_root_reads_and_updates_it(written: Path) -> None:
    copy = written.with_name("copy.root")
    copy.write_bytes(written.read_bytes())
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROOT_SCRIPT, str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    seen = json.loads(run.stdout)
    assert not seen["recovered"]
    assert seen["end"] == [written.stat().st_size] * 2
    assert seen["sum"] == pytest.approx(np.random.default_rng(3).random(BINS + 2).sum())
    assert seen["text"] == "é" * 400
    assert seen["updated"] == ["text", "cube", "outer", "empty", "more"]
    # the class layouts that the file carries are those that ROOT has itself
    assert {"TH1D", "TH2D", "TH3D", "TAxis", "THashList", "TObjString"} <= seen["infos"].keys()
    for name, (ours, theirs) in seen["infos"].items():
        assert ours == theirs, name


def test_incompressible_content_is_stored_as_it_is() -> None:
    noise = np.random.default_rng(4).integers(0, 2**63, 1000).view(np.float64)
    small = file_bytes(Folder("", [histogram(noise)]))
    zeros = file_bytes(Folder("", [histogram(np.zeros(1000))]))
    assert len(zeros) + 8000 < len(small) < len(zeros) + 16_000


def test_places_take_64_bits_where_32_might_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number:0200}" for number in range(500)]
    objects = [pack_object("TObjString", name, "", string_object("")) for name in names]
    folder = Folder("", objects[:250], [Folder("inner", objects[250:])])
    assert len(file_bytes(folder)) < len(file_bytes(folder, large=True))
    # keys are most of this file
    monkeypatch.setattr("histo.root_file._SMALL_FILE", 0.9 * len(file_bytes(folder)))
    assert file_bytes(folder) == file_bytes(folder, large=True)


def test_objects_that_root_could_not_read_are_refused() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 1 << 30

    with pytest.raises(UsageError, match=r"'h' takes 1\.0 GB.*\.json or \.pkl"):
        pack_object("TH1D", "h", "", Huge())
