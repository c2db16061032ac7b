"""Whole commands on the sample, beside the bare imports of what an eager script needs."""

from __future__ import annotations

import sys

from benchmarks.inputs import RATES, histo
from benchmarks.measure import ROOT, Contender, side_by_side
from benchmarks.report import Section, at_most, usage_table
from benchmarks.sections import Settings

IMPORTS = "import uproot, awkward, hist"
RATE_MENU = "histo run eg_rate_menu.yaml"
MATCHING = "histo run eg_genmatch_menu.yaml"


def measure(settings: Settings) -> Section:
    """Measure what a user waits for."""
    dataset, work = settings.inputs.eg_dataset(), settings.inputs.work
    matching = ROOT / "configs" / "histo" / "eg_genmatch_menu.yaml"
    found = side_by_side(
        {
            IMPORTS: Contender([sys.executable, "-c", IMPORTS]),
            "histo --help": Contender(["histo", "--help"]),
            RATE_MENU: histo(RATES, dataset, work / "rates.root"),
            MATCHING: histo(matching, dataset, work / "matching.root"),
        },
        2 * settings.rounds + 1,
    )
    ratio = found[RATE_MENU].seconds / found[IMPORTS].seconds
    return Section(
        "Whole commands",
        tables=[usage_table(found, IMPORTS, ratio="times the imports")],
        promises=[
            at_most("1. 56 rate histograms, whole process", found[RATE_MENU].seconds, 1.0, " s"),
            at_most("1. the same, times the imports of an eager script", ratio, 2.0),
            at_most("1. gen-matching study, whole process", found[MATCHING].seconds, 2.0, " s"),
        ],
    )
