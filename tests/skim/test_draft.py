"""Drafted schemas: ``skim run`` takes them as they are, and keeps every number of the file."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml
from click.testing import CliRunner

from histo.cli import main as histo
from schemas import Dataset, open_dataset
from schemas.grouping import Branch
from schemas.model import from_data
from schemas.ntuple import NtupleFormat
from skim.draft import Draft, draft_rules
from skim.scan import ScannedTree

GOOD = [
    "cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root",
    "fastpuppi_doubleele_0.root",
    "fastpuppi_doubleele_1.root",
    "fastpuppi_doubleele_rntuple.root",
    "fastpuppi_nugun_0.root",
    "hgcal_ntuple_0.root",
    "l1nano_dy_0.root",
    "l1nano_minbias_0.root",
    "l1ntuple_run3_0.root",
    "nanoAOD_2015_CMS_Open_Data_ttbar.root",
    "uproot-HZZ-lzma.root",
]

Print = tuple[object, ...]
"""Type, numbers of values and bits of all values: what a branch and its column must share."""


def fingerprint(array: ak.Array) -> Print:
    counts = (ak.flatten(ak.num(array, axis=d), axis=None) for d in range(1, array.ndim))
    values = ak.to_numpy(ak.flatten(array, axis=None))
    return values.dtype.name, *(numbers(found) for found in counts), values.tobytes()


def numbers(array: ak.Array) -> bytes:
    return ak.to_numpy(array).astype(np.int64).tobytes()


def holds_numbers(array: ak.Array) -> bool:
    kind = str(array.type)
    return not any(word in kind for word in ("string", "{", "char", "?"))


def read_with_uproot(path: Path, trees: Sequence[str]) -> Iterator[tuple[str, ak.Array]]:
    """Iterate over all branches of some trees, or of all if none is named."""
    with uproot.open(path) as file:
        for name, kind in file.classnames(cycle=False).items():
            if trees and name not in trees:
                continue
            if kind == "TTree":
                for inner, branch in file[name].iteritems(recursive=True):
                    if not branch.branches:
                        yield f"{name}:{inner}", branch.array()
            elif kind == "ROOT::RNTuple":
                arrays = file[name].arrays(filter_field=lambda f: not f.path.startswith("_"))
                yield from ((f"{name}:{field}", arrays[field]) for field in arrays.fields)


def columns_of(dataset: Dataset) -> Iterator[ak.Array]:
    arrays = dataset.arrays()
    for column in arrays.fields:
        fields = arrays[column].fields
        yield from (arrays[column, field] for field in fields) if fields else [arrays[column]]


def assert_holds_all(dataset: Dataset, path: Path, trees: Sequence[str] = ()) -> None:
    """Require each branch in a column of its own or, if it is a counter, as numbers of objects."""
    left = Counter(map(fingerprint, columns_of(dataset)))
    arrays = dataset.arrays()
    lists = [name for name in arrays.fields if arrays[name].ndim > 1]
    counts = {numbers(ak.num(arrays[name])) for name in lists}
    for name, array in read_with_uproot(path, trees):
        if not holds_numbers(array):
            continue
        if left[fingerprint(array)]:
            left[fingerprint(array)] -= 1
        else:
            assert array.ndim == 1, name
            assert numbers(array) in counts, name
    assert not left.total(), "columns that are no branch"


@pytest.fixture
def draft(tmp_path: Path, skim: Callable) -> Callable[[Path | str], Path]:
    """How to write the draft of a file to ``drafted.yaml``."""

    def write(place: Path | str) -> Path:
        result = skim("inspect", place, "--schema")
        assert (result.exit_code, result.stderr) == (0, "")
        target = tmp_path / "drafted.yaml"
        target.write_text(result.stdout)
        return target

    return write


@pytest.fixture
def run(tmp_path: Path, skim: Callable) -> Callable[..., Dataset]:
    """How to skim a file with a configuration, or a schema in its place."""

    def run(config: Path, path: Path, *options: object) -> Dataset:
        output = tmp_path / f"{config.stem}.dataset"
        result = skim("run", config, "--files", f"sample={path}", "-o", output, *options)
        assert result.exit_code == 0, result.output
        return open_dataset(output)

    return run


def assert_works(draft: Callable, run: Callable, path: Path) -> Path:
    """Skim with the draft alone, and with a configuration that names it; return the draft."""
    drafted = draft(path)
    dataset = run(drafted, path)
    assert_holds_all(dataset, path)
    config = drafted.with_name("config.yaml")
    config.write_text('schema: drafted.yaml\nkeep: {"*": all}\n')
    some, every = run(config, path, "--events", 20).arrays(), dataset.arrays()
    assert some.fields == every.fields
    for column in every.fields:
        assert some[column].type.content == every[column].type.content
        assert ak.array_equal(some[column], every[column][:20], equal_nan=True), column
    return drafted


@pytest.mark.parametrize("name", GOOD)
def test_the_draft_of_every_good_file_works(
    name: str, shared: Path, draft: Callable, run: Callable
) -> None:
    assert_works(draft, run, shared / name)


def test_split_objects_become_collections_by_their_counts(shared: Path, draft: Callable) -> None:
    _, unpacked, emulated = yaml.safe_load(draft(shared / GOOD[8]).read_text())["trees"]
    assert unpacked["collections"] == {
        "eg": "eg", "tau": "tau", "jet": "jet", "muon": "muon", "sum": "sum",
    }  # fmt: skip
    assert unpacked["counters"]["eg"] == "nEGs"
    assert emulated["collections"]["emuEg"] == "eg"


def test_what_no_column_can_hold_is_a_comment(shared: Path, draft: Callable) -> None:
    text = draft(shared / GOOD[8]).read_text()
    assert "#   l1EventTree/L1EventTree: Event/hlt: std::vector<TString>" in text


def test_titles_become_docs(shared: Path, draft: Callable) -> None:
    text = draft(shared / GOOD[9]).read_text()
    assert '      area: {type: float32, doc: "jet catchment area, for JECs"}\n' in text


def test_the_draft_of_synthetic_ntuples_works(
    ntuples: list[Path], draft: Callable, run: Callable
) -> None:
    drafted = assert_works(draft, run, ntuples[0])
    assert "# The schema fastpuppi, which comes with the project, reads" in drafted.read_text()


def test_histograms_are_filled_with_a_draft_in_place_of_a_configuration(
    ntuples: list[Path], draft: Callable, run: Callable, tmp_path: Path
) -> None:
    drafted = draft(ntuples[0])
    config = tmp_path / "histo.yaml"
    config.write_text("histograms: {H: {fill: {pt: {axis: [9, 0, 90]}}, for: {TkEleL2: all}}}")
    sources = (
        [str(run(drafted, ntuples[0]).path)],
        ["--ntuples", str(drafted), "--files", f"s={ntuples[0]}"],
    )
    outputs = [tmp_path / name for name in ("dataset.json", "ntuples.json")]
    for source, output in zip(sources, outputs, strict=True):
        result = CliRunner().invoke(histo, ["run", str(config), *source, "-o", str(output)])
        assert result.exit_code == 0, result.output
    assert CliRunner().invoke(histo, ["diff", *map(str, outputs)]).exit_code == 0


ROOT_SCRIPT = """
import sys, ROOT
file = ROOT.TFile(sys.argv[1], "RECREATE")
for folder, entries in (("Raw", 40), ("RawEmu", 40), ("Runs", 1)):
    file.mkdir(folder).cd()
    tree = ROOT.TTree("tree", "")
    kinds = {
        "hit_x": "float", "hit_y": "float",  # together
        "hit_adc": "int", "hit_time": "int",  # other counts: not the same hits
        "jetEt": "float", "jetEta": "float", "jetSeedId": "int",
        "pt": "double", "name": "string",
        "hit_cells": "std::vector<short>",
    }
    lists = {name: ROOT.std.vector[kind]() for name, kind in kinds.items()}
    for name, values in lists.items():
        tree.Branch(name, values)
    scalars = {name: ROOT.std.array["int", 1]() for name in ("run", "nJets", "hit_n", "hit")}
    for name, value in scalars.items():
        tree.Branch(name, value, f"{name}/I")
    shape = ROOT.std.array["float", 6]()
    tree.Branch("cov", shape, "cov[3][2]/F")
    for entry in range(entries):
        for values in lists.values():
            values.clear()
        for i in range(entry % 4):
            lists["hit_x"].push_back(entry + i)
            lists["hit_y"].push_back(-entry)
            cells = ROOT.std.vector["short"]()
            for cell in range(i):
                cells.push_back(entry * cell)
            lists["hit_cells"].push_back(cells)
        for i in range(entry % 5):
            lists["hit_adc"].push_back(entry * i)
            lists["hit_time"].push_back(i)
        for i in range(entry % 3):
            lists["jetEt"].push_back(entry / 7 + i)
            lists["jetEta"].push_back(i)
        for i in range(entry % 2):
            lists["jetSeedId"].push_back(i)
        for i in range(entry % 6):
            lists["pt"].push_back(entry / 3)
        lists["name"].push_back("entry")
        for i in range(6):
            shape[i] = entry * i
        scalars["run"][0] = 1000 + entry * (folder == "Raw")
        scalars["nJets"][0] = entry % 3
        scalars["hit_n"][0] = 5
        scalars["hit"][0] = 7
        tree.Fill()
    tree.Write()
file.Close()
"""


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that ROOT wrote, whose names mislead in every way that names do."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.root"
    command = [sys.executable, "-W", "ignore", "-c", ROOT_SCRIPT, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_the_draft_of_vectors_in_folders_works(
    vectors: Path, draft: Callable, run: Callable
) -> None:
    drafted = draft(vectors)
    dataset = run(drafted, vectors)
    assert_holds_all(dataset, vectors, ("Raw/tree", "RawEmu/tree"))
    arrays = dataset.arrays()
    lists = {name: set(arrays[name].fields) for name in arrays.fields if arrays[name].fields}
    assert {name: fields for name, fields in lists.items() if not name.startswith("emu")} == {
        "hits": {"x", "y", "cells"},
        "hit_adc": {"value"},
        "hit_time": {"value"},
        "jet": {"et", "eta"},
        "jetSeed": {"id"},
        "pt": {"value"},
        "cov": {"value"},
    }
    assert {"run", "hit", "hit_n", "emu_run", "emu_hit", "emu_hit_n"} <= set(arrays.fields)


RNTUPLE_SCRIPT = """
import sys, ROOT
lists = {"A_x": "std::vector<float>", "A_y": "std::vector<float>", "A_id": "std::vector<int>",
         "cells": "std::vector<std::vector<short>>"}
model = ROOT.RNTupleModel.Create()
for name, kind in {"run": "std::uint32_t", "ok": "bool", "label": "std::string",
                   "cov": "std::array<float,3>", **lists}.items():
    model.MakeField[kind](name)
writer = ROOT.RNTupleWriter.Recreate(model, "tuple", sys.argv[1])
values = writer.CreateEntry()
for entry in range(30):
    values["run"], values["ok"], values["label"] = entry, entry % 2 == 0, "x"
    for name in lists:
        values[name].clear()
    for i in range(3):
        values["cov"][i] = entry * i
    for i in range(entry % 3):
        values["A_x"].push_back(i)
        values["A_y"].push_back(entry)
    for i in range(entry % 4):
        values["A_id"].push_back(-i)
        values["cells"].push_back(ROOT.std.vector["short"]([entry] * i))
    writer.Fill(values)
del writer
"""


def test_the_draft_of_an_rntuple_without_counters_works(
    tmp_path: Path, draft: Callable, run: Callable
) -> None:
    path = tmp_path / "tuple.root"
    command = [sys.executable, "-W", "ignore", "-c", RNTUPLE_SCRIPT, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    drafted = assert_works(draft, run, path)
    assert "#   label: std::string\n" in drafted.read_text()
    arrays = open_dataset(drafted.with_suffix(".dataset")).arrays()
    lists = {name: arrays[name].fields for name in arrays.fields if arrays[name].fields}
    assert lists["A"] == ["x", "y"]
    assert set(lists) == {"A", "A_id", "cells", "cov"}


def test_trees_with_other_numbers_of_entries_are_mentioned(vectors: Path, draft: Callable) -> None:
    text = draft(vectors).read_text()
    assert "# Left out: Runs/tree, with 1 entry.\n" in text
    assert "same numbers\n# of values; that was checked in 40 entries." in text


def test_one_of_several_trees_can_be_drafted(vectors: Path, draft: Callable, run: Callable) -> None:
    drafted = draft(f"{vectors}:RawEmu/tree")
    assert [tree["tree"] for tree in yaml.safe_load(drafted.read_text())["trees"]] == [
        "RawEmu/tree"
    ]
    assert run(drafted, vectors).arrays(["run"]).run[0] == 1000


def write_lists(path: Path, **lists: list[list[float]]) -> Path:
    """Write jagged branches as uproot does: each has a counter of its own."""
    with uproot.recreate(path) as file:
        file.mktree("Events", dict.fromkeys(lists, "var * float32"))
        file["Events"].extend({name: ak.Array(values) for name, values in lists.items()})
    return path


def test_lists_with_counters_of_their_own_are_grouped(
    tmp_path: Path, draft: Callable, run: Callable
) -> None:
    path = write_lists(
        tmp_path / "own.root", A_pt=[[1], [2, 3]], A_eta=[[4], [5, 6]], A_z=[[], [1]], b=[[1], []]
    )
    drafted = assert_works(draft, run, path)
    arrays = open_dataset(drafted.with_suffix(".dataset")).arrays()
    assert {name: arrays[name].fields for name in arrays.fields} == {
        "A": ["pt", "eta"], "A_z": ["value"], "b": ["value"],
    }  # fmt: skip


def test_names_without_beginnings_are_one_collection(
    tmp_path: Path, draft: Callable, run: Callable
) -> None:
    path = write_lists(tmp_path / "bare.root", pt=[[1], [2, 3]], eta=[[4], [5, 6]])
    drafted = assert_works(draft, run, path)
    assert open_dataset(drafted.with_suffix(".dataset")).arrays().objects.fields == ["pt", "eta"]


def scanned(*branches: Branch, name: str = "t", **counts: list[int]) -> ScannedTree:
    as_bytes = {path: np.array(values, np.int64).tobytes() for path, values in counts.items()}
    entries = max(map(len, counts.values()), default=2)
    return ScannedTree(name, "TTree", entries, 1, "", branches, as_bytes, entries)


def vector(name: str, path: str = "") -> Branch:
    return Branch(name, "float32", depth=1, path=path or name)


def number(name: str) -> Branch:
    return Branch(name, "int32", path=name)


def rules_of(tree: ScannedTree) -> tuple[dict[str, str], dict[str, str]]:
    drafted: Draft = draft_rules([tree])
    [rules] = drafted.rules
    return dict(rules.collections), dict(rules.counters)


def test_a_counter_of_something_else_is_none() -> None:
    tree = scanned(number("nA"), vector("A_x"), nA=[5, 5], A_x=[1, 2])
    assert rules_of(tree) == ({}, {"A": ""})


def test_a_counter_is_found_by_its_values_and_name() -> None:
    names = [number("nAs"), number("A_size"), number("other")]
    tree = scanned(*names, vector("A_x"), nAs=[5, 5], A_size=[1, 2], other=[1, 2], A_x=[1, 2])
    assert rules_of(tree) == ({}, {"A": "A_size"})


def test_a_longer_beginning_takes_what_has_other_counts() -> None:
    counts = {"jetEt": [1, 2], "jetEta": [1, 2], "jetSeedEt": [3, 4], "jetSeedEta": [3, 4]}
    tree = scanned(*map(vector, counts), **counts)
    assert rules_of(tree) == ({"jet": "jet", "jetSeed": "jetSeed"}, {})


def test_a_field_that_two_branches_would_be_gets_a_collection_of_its_own() -> None:
    counts = {"eg_et": [1, 2], "egEt": [1, 2], "egEta": [1, 2]}
    collections, _ = rules_of(scanned(*map(vector, counts), **counts))
    assert collections == {"eg": "eg", "egEt": "egEt"}


def test_a_collection_does_not_take_the_name_of_a_column() -> None:
    collections, _ = rules_of(scanned(number("vtx"), vector("vtx_x"), vtx=[9, 9], vtx_x=[1, 2]))
    assert collections == {"vtxs": "vtx"}


def test_a_tree_without_entries_is_grouped_by_names() -> None:
    assert rules_of(scanned(*map(vector, ("egEt", "egEta", "x")))) == ({"eg": "eg"}, {})


def test_drafts_read_back_as_written(ntuples: list[Path], draft: Callable) -> None:
    said: dict[str, Any] = yaml.safe_load(draft(ntuples[0]).read_text())
    assert from_data(said, NtupleFormat).tree == "Events"
