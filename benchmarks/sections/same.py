"""Fast and the same: from Parquet, straight from ROOT, and as the predecessor had it."""

from __future__ import annotations

import sys

from benchmarks.inputs import EG_SKIM, SAMPLE, histo
from benchmarks.measure import ROOT, CommandFailedError, Contender, run
from benchmarks.report import Promise, Section, Table
from benchmarks.sections import Settings

STUDIES = ("eg_rate_menu", "eg_rate_counters", "eg_genmatch_menu")


def measure(settings: Settings) -> Section:
    """Fill all studies both ways, compare them, and run the tests against the predecessor."""
    inputs, work = settings.inputs, settings.inputs.work
    files = f"{SAMPLE}={inputs.ntuples()}/*.root"
    rows, promises = [], []
    for study in STUDIES:
        config = ROOT / "configs" / "histo" / f"{study}.yaml"
        parquet, direct = work / f"{study}.root", work / f"{study}-direct.root"
        run(histo(config, inputs.eg_dataset(), parquet))
        source = ["--ntuples", str(EG_SKIM), "--files", files]
        run(Contender(["histo", "run", str(config), *source, "-o", str(direct)]))
        said, same = _answer(["histo", "diff", str(parquet), str(direct)])
        rows.append([f"{study}.yaml, from Parquet and straight from ROOT", said])
        promises.append(Promise(f"7. {study}.yaml, dataset against ntuples", "same", said, same))
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/reference"]
    said, same = _answer(tests)
    rows.append(["histograms of the predecessor (tests/reference)", said])
    promises.append(Promise("7. reference histograms of the predecessor", "same", said, same))
    return Section(
        "The same histograms",
        [
            "Every bin, flow bins included. The parts above also compare the 200 histograms and "
            "the 56 rates with those of the other tools, at each size that they measure."
        ],
        [Table(["histograms", "result"], rows)],
        promises,
    )  # fmt: skip


def _answer(command: list[str]) -> tuple[str, bool]:
    """Return the last line that a comparison prints, and whether it found all the same."""
    try:
        return run(Contender(command))[1].strip().splitlines()[-1], True
    except CommandFailedError as error:
        return str(error).splitlines()[-1], False
