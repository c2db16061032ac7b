"""What users write wrongly on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

USAGE = {
    "unknown command of skim": ("skim rnu", "no command 'rnu'; did you mean 'run'?"),
    "unknown command of histo": ("histo lits", "no command 'lits'; did you mean 'list'?"),
    "unknown option of skim": ("skim --bugs", "No such option"),
    "unknown option of a command": ("skim run skim.yaml -o out --event 5", "--events"),
    "unknown option of histo run": ("histo run histo.yaml made -o o.root --smaple a", "--sample"),
    "argument missing": ("skim run", "Missing argument 'CONFIG'"),
    "dataset missing": ("histo run histo.yaml -o o.root", "give either one or more DATASET"),
    "output missing": ("skim run skim.yaml", "Missing option '-o' / '--output'"),
    "one argument too many": ("skim run skim.yaml -o out more", "unexpected extra argument (more)"),
    "word for a number": ("skim run skim.yaml -o out --events many", "'many' is not a valid int"),
    "no events": ("histo run histo.yaml made -o o.root --events 0", "'--events': 0 is not in"),
    "no workers": ("skim run skim.yaml -o out --workers 0", "'--workers': 0 is not in"),
    "unknown kind of sample": ("skim sample out --kind ttbar", "'doubleele', 'minbias'"),
    "unknown kind of figure": ("histo plot histo.yaml h.root -o f --format gif", "'png', 'pdf'"),
}

INPUTS = {
    "configuration missing": (
        "skim run skim.yml -o out", "no configuration file 'skim.yml'; did you mean 'skim.yaml'",
    ),
    "histogram configuration missing": (
        "histo run hist.yaml made -o o.root",
        "no configuration file 'hist.yaml'; did you mean 'histo.yaml'",
    ),
    "configuration in a missing folder": ("skim run no/a.yaml -o out", "file 'no/a.yaml'"),
    "folder for a configuration": ("histo list made", "no configuration file 'made'"),
    "dataset missing": ("histo run histo.yaml mode -o o.root", "no dataset 'mode'; did you mean"),
    "dataset of list missing": ("histo list histo.yaml mode", "did you mean 'made'?"),
    "dataset of info missing": ("skim info mad", "no dataset 'mad'; did you mean 'made'?"),
    "dataset where there is none": ("skim info ntuples/made", "no dataset 'ntuples/made'; '"),
    "dataset in a missing folder": ("skim info no/made", "'no/made': there is no folder '"),
    "folder that is no dataset": ("skim info ntuples", "'ntuples' is not a dataset: it has no"),
    "file that is no dataset": ("histo run histo.yaml histo.yaml -o o.root", "is not a dataset"),
    "ntuple missing": ("skim inspect ntuple", "no file 'ntuple'; did you mean 'ntuples'?"),
    "folder for an ntuple": ("skim inspect ntuples", "is a folder; name a file in it"),
    "tree missing": (
        "skim inspect ntuples/doubleele_0.root:Event", "has no tree 'Event'; did you mean 'Events'",
    ),
    "files without a name": (
        "skim run skim.yaml -o out --files ntuples/*.root", "--files takes NAME=GLOB, for instance",
    ),
    "files without a match": (
        "skim run skim.yaml -o out --files a=ntupels/*.root",
        "there is no 'ntupels' in the working directory",
    ),
    "files of a bad name": ("skim run skim.yaml -o out --files a/b=ntuples/*", "'a/b' is not a"),
    "unknown sample": ("skim run skim.yaml -o out --sample el", "sample 'el'; did you mean 'ele'?"),
    "unknown sample of a dataset": (
        "histo run histo.yaml made -o o.root --sample el", "has no sample 'el'; did you mean 'ele'",
    ),
    "histograms missing": ("histo diff h.root histo.yaml", "h.root: no such file"),
    "histograms of another suffix": ("histo diff histo.yaml h.root", "are read from .root, .json"),
    "figures of missing histograms": ("histo plot histo.yaml h.root -o f", "h.root: no such file"),
}  # fmt: skip

SCHEDULERS = {
    "misspelt": ("thread", "unknown --scheduler 'thread'; did you mean 'threads'?"),
    "without protocol": ("login7:8786", "did you mean 'tcp://login7:8786'?"),
    "without port": ("tcp://login7", "expected tcp://host:port for --scheduler"),
    "another protocol": ("http://login7:80", "cannot reach a cluster by http://"),
    "misspelt batch system": ("slrum", "did you mean 'slurm'?"),
    "workers of a cluster": ("tcp://login7:8786 --workers 2", "which has the workers it has"),
}

OUTPUTS = {
    "another suffix": ("histo run histo.yaml made -o o.txt", ".root, .json or .pkl, got '.txt'"),
    "no suffix": ("histo run histo.yaml made -o o", ".root, .json or .pkl, got no suffix"),
    "folder missing": ("histo run histo.yaml made -o no/o.root", "there is no folder no; make it"),
    "dataset in a file": ("skim run skim.yaml -o skim.yaml/out", "'skim.yaml', which is a file"),
    "file for a dataset": ("skim run skim.yaml -o histo.yaml", "exists and is not a dataset"),
    "folder with something else": (
        "skim run skim.yaml -o ntuples", "exists and is not a dataset (it holds 'doubleele_0",
    ),
    "dataset of fewer events": (
        "skim run skim.yaml -o made --events 5",
        "made with another configuration: events_per_sample was None and is 5; choose another",
    ),
    "ntuples that are there": ("skim sample ntuples", "already exists; choose another directory"),
    "file for a folder": ("skim sample skim.yaml", "Directory 'skim.yaml' is a file"),
}  # fmt: skip

MISTAKES = {
    **{f"usage: {n}": c for n, c in USAGE.items()},
    **{f"input: {n}": c for n, c in INPUTS.items()},
    **{f"output: {n}": c for n, c in OUTPUTS.items()},
    **{f"scheduler of skim: {n}": (f"skim run skim.yaml -o out --scheduler {s}", m)
       for n, (s, m) in SCHEDULERS.items()},
    **{f"scheduler of histo: {n}": (f"histo run histo.yaml made -o o.root --scheduler {s}", m)
       for n, (s, m) in SCHEDULERS.items()},
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(workshop: Any, case: tuple[str, str]) -> None:
    command, message = case
    assert message in workshop.mistake(command)


@pytest.mark.parametrize("case", USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_is_followed_by_the_right_one(workshop: Any, case: tuple[str, str]) -> None:
    usage = workshop.mistake(case[0]).splitlines()[-1]
    assert usage.startswith(f"Usage: {case[0].split()[0]}")
    assert usage.endswith("; more with --help")


def test_dataset_of_another_configuration(workshop: Any) -> None:
    text = Path("skim.yaml").read_text().replace("tkIso", "charge")
    said = workshop.mistake_in(text, "skim run config.yaml -o made")
    old, new = "['pt', 'eta', 'phi', 'hwQual', 'tkIso']", "['pt', 'eta', 'phi', 'hwQual', 'charge']"
    assert f"another configuration: keep.TkEleL2 was {old} and is {new}; choose" in said


def test_folder_for_histograms(workshop: Any) -> None:
    Path("h.root").mkdir()
    assert "h.root is a folder" in workshop.mistake("histo run histo.yaml made -o h.root")
