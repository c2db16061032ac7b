"""Makes the files of tests/data/eg: what the e/gamma studies read, and what the predecessor filled.

    python tests/reference/make_data.py ../shared tests/data/eg

Run again it gives the same bytes. Real ROOT copies the branches, so that the inputs stay files as
CMS writes them; the histograms become one ``.npz`` for each file of the predecessor.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import uproot

KEPT = {
    "GenEl": ["pt", "eta", "phi", "caloeta", "calophi", "prompt", "charge"],
    "GenPh": ["pt", "eta", "phi", "caloeta", "calophi", "prompt"],
    "TkEleL2": ["*"],
    "TkEmL2": ["*"],
    "EGStaEB": ["*"],
    "EGStaEE": ["*"],
}
EVENT = ["run", "luminosityBlock", "event"]
INPUTS = ["doubleele_0", "doubleele_1", "nugun_0"]
LZMA_9 = 209  # ROOT's compression setting: algorithm 2, level 9


def copy_branches(source: Path, target: Path) -> None:
    """Copy the branches that configs/skim/fastpuppi_eg.yaml keeps, of all entries."""
    import ROOT

    with ROOT.TFile.Open(str(source)) as file:
        tree = file.Get("Events")
        tree.SetBranchStatus("*", False)
        names = [f"{owner}_{field}" for owner, fields in KEPT.items() for field in fields]
        for name in [*EVENT, *(f"n{owner}" for owner in KEPT), *names]:
            tree.SetBranchStatus(name, True)
        with ROOT.TFile.Open(f"{target}?reproducible=eg", "RECREATE", "", LZMA_9) as made:
            copy = tree.CloneTree(0)
            copy.SetAutoFlush(tree.GetEntries())  # few, large baskets compress best
            copy.SetBasketSize("*", 1_000_000)
            for branch in copy.GetListOfBranches():
                branch.SetCompressionSettings(LZMA_9)
            copy.CopyEntries(tree)
            copy.Write()
            made.Close()


def pack_histograms(source: Path, target: Path) -> None:
    """Put the contents of all histograms in a row, with a description of each in JSON."""
    described, contents, variances = [], [], []
    with uproot.open(source) as file:
        folders = [k for k, kind in file.classnames(cycle=False).items() if kind == "TDirectory"]
        for folder in folders:
            for name in file[folder].keys(cycle=False, recursive=False):
                histogram = file[folder][name]
                axes = []
                for axis in histogram.axes:
                    assert len(axis.member("fXbins")) == 0  # all axes are regular
                    members = ("fNbins", "fXmin", "fXmax", "fTitle")
                    axes.append([axis.member(member) for member in members])
                title = histogram.title
                described.append({"name": f"{folder}/{name}", "title": title, "axes": axes})
                contents.append(histogram.values(flow=True).ravel())
                variances.append(histogram.variances(flow=True).ravel())
    flat = np.concatenate(contents)
    squares = np.concatenate(variances)
    assert np.array_equal(flat, flat.astype(np.int64))
    assert np.array_equal(squares, squares.astype(np.int64))
    text = json.dumps(described).encode()
    parts = {
        "description": np.frombuffer(text, np.uint8),
        "contents": flat.astype(np.int32),
        "variances": squares.astype(np.int64),
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        for name, values in parts.items():
            written = io.BytesIO()
            np.lib.format.write_array(written, values)
            entry = zipfile.ZipInfo(f"{name}.npy")  # with a fixed date, unlike numpy.savez
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, written.getvalue())


def main(shared: Path, target: Path) -> None:
    """Make all files."""
    for name in INPUTS:
        copy_branches(shared / "data" / f"fastpuppi_{name}.root", target / f"{name}.root")
    for path in sorted((shared / "reference").glob("*.root")):
        name = path.stem.removeprefix("ntuple-analysis_")
        pack_histograms(path, target / f"{name}.npz")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
