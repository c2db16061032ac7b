"""Ntuples that contradict themselves, or are not what their format says: named, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from schemas import open_dataset
from schemas.errors import InputError
from schemas.ntuple import NtupleFormat, TreeFormat, load_format
from schemas.probe import probe
from schemas.trees import Input, read_entries

TWO_TREES = NtupleFormat(name="two", trees=[TreeFormat(tree="a/t"), TreeFormat(tree="b/t")])
UNEVEN = [
    ("A_eta", "nanoaod", "'A_eta' has 3 values and 'A_pt' has 2; both are fields of A: keep one"),
    ("cl3d_quality", "hgcal", "'cl3d_quality' has .* values and 'cl3d_id' has .* of cl3d: keep"),
    ("cl3d_quality_rntuple", "hgcal", "'cl3d_quality' has .* values and 'cl3d_id' has"),
    ("cl3d_clusters_id", "hgcal", "'cl3d_clusters_id' has .* values and 'cl3d_id' has"),
    ("cl3d_clusters_id_rntuple", "hgcal", "'cl3d_clusters_id' has .* values and 'cl3d_id' has"),
    ("cl3d_n", "hgcal", "'cl3d_n' counts .* objects of cl3d and 'cl3d_id' has .*; leave the file"),
    ("cl3d_n_rntuple", "hgcal", "'cl3d_n' counts .* objects of cl3d and 'cl3d_id' has"),
    ("nEGs", "l1ntuple", "'nEGs' counts .* objects of EmuEG and 'egEt' has"),
]


@pytest.mark.parametrize("size", [7, 20, 60])
@pytest.mark.parametrize(("name", "form", "said"), UNEVEN, ids=[name for name, *_ in UNEVEN])
def test_counts_that_differ_name_file_branch_and_entry(
    name: str, form: str, said: str, size: int, made: Path
) -> None:
    file = made / "uneven" / f"{name}.root"
    ntuple = probe(str(file), load_format(form, Path()))
    layout = ntuple.layout
    source = Input(ntuple.url, layout.branches, layout.schema, layout.counters)
    starts = range(0, ntuple.entries, size)
    wrong = [start for start in starts if start <= 47 < start + size]
    for start in starts:
        stop = min(start + size, ntuple.entries)
        if start in wrong:
            with pytest.raises(InputError, match=rf"{name}\.root: in entry 47 branch {said}"):
                read_entries(source, start, stop)
        else:
            assert read_entries(source, start, stop).size == stop - start


def skim_with(skim: Callable, folder: Path, file: Path, schema: Any, **keys: object) -> Any:
    """Skim one file with a format, or a schema."""
    if not isinstance(schema, str):
        (folder / "schema.yaml").write_text(yaml.safe_dump(schema))
        schema = "schema.yaml"
    config = folder / "skim.yaml"
    config.write_text(yaml.safe_dump({"schema": schema, "keep": {"*": "all"}} | keys))
    return skim("run", config, "-o", folder / "dataset", "--files", f"s={file}")


def test_a_skim_of_such_a_file_fails_and_leaves_no_dataset(
    made: Path, tmp_path: Path, skim: Callable
) -> None:
    file = made / "uneven" / "cl3d_n.root"
    storage = {"partition_events": 20}
    result = skim_with(skim, tmp_path, file, "hgcal", storage=storage)
    assert result.exit_code == 1
    assert f"{file}: in entry 47 branch 'cl3d_n'" in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "dataset" / "manifest.json").exists()


def test_a_field_that_is_not_kept_may_have_other_counts(
    made: Path, tmp_path: Path, skim: Callable
) -> None:
    file = made / "uneven" / "cl3d_quality.root"
    result = skim_with(skim, tmp_path, file, "hgcal", keep={"cl3d": ["id", "pt"]})
    assert result.exit_code == 0, result.output


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """How to write trees of one branch ``x``: by place and number of entries."""

    def write(name: str, **trees: int) -> Path:
        with uproot.recreate(tmp_path / name) as file:
            for place, entries in trees.items():
                tree = file.mktree(place.replace("_", "/"), {f"{place}_x": "float32"})
                tree.extend({f"{place}_x": np.arange(entries, dtype=np.float32)})
        return tmp_path / name

    return write


def test_trees_of_different_lengths_are_refused(write: Callable) -> None:
    file = write("lengths.root", a_t=3, b_t=4)
    said = r"lengths\.root: tree 'b/t' has 4 entries and 'a/t' has 3: they cannot be joined"
    with pytest.raises(InputError, match=said):
        probe(str(file), TWO_TREES)


def test_a_tree_without_entries_is_refused(write: Callable) -> None:
    file = write("empty.root", a_t=0)
    with pytest.raises(InputError, match=r"empty\.root: tree 'a/t' has no entries"):
        probe(str(file), NtupleFormat(name="one", tree="a/t"))


def test_two_trees_that_match_a_pattern_are_refused(write: Callable) -> None:
    file = write("two.root", a_t=3, b_t=3)
    with pytest.raises(InputError, match=r"'a/t' and 'b/t' both match '\*/t'; write a schema"):
        probe(str(file), NtupleFormat(name="any", tree="*/t"))


def test_a_tree_that_is_not_there_is_answered_with_those_that_are(write: Callable) -> None:
    file = write("other.root", a_t=3)
    with pytest.raises(InputError, match=r"other\.root: has no tree 'Events'; valid names: a/t"):
        probe(str(file), NtupleFormat(name="x", tree="Events"))


def test_what_is_named_like_the_tree_but_is_none_is_refused(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "h.root") as file:
        file["Events"] = np.histogram([1, 2, 3])
    with pytest.raises(InputError, match=r"h\.root: 'Events' is a TH1D, neither TTree nor RNTuple"):
        probe(str(tmp_path / "h.root"), NtupleFormat(name="x", tree="Events"))


@pytest.mark.parametrize(
    ("keep", "said"),
    [({"*": "all"}, "has no tree 'b/t', which 1 of 2 files have"), ({"a": "all"}, "")],
)
def test_a_tree_that_some_files_lack_matters_only_if_it_is_kept(
    keep: dict[str, str], said: str, write: Callable, tmp_path: Path, skim: Callable
) -> None:
    write("both.root", a_t=3, b_t=3)
    write("one.root", a_t=2)
    trees = {"name": "two", "trees": [{"tree": "a/t"}, {"tree": "b/t"}]}
    result = skim_with(skim, tmp_path, tmp_path / "*.root", trees, keep=keep)
    assert result.exit_code == (1 if said else 0), result.output
    assert said in result.stderr
    if said:
        assert f"{tmp_path / 'one.root'}: " in result.stderr


def test_what_no_column_can_hold_is_named_with_its_type(
    made: Path, tmp_path: Path, skim: Callable
) -> None:
    result = skim_with(skim, tmp_path, made / "flat.root", "nanoaod", keep={"event": "pair"})
    assert result.exit_code == 2
    assert "branch 'pair' is a 'struct {float one; float two;}', which cannot be kept" in (
        result.stderr
    )


def test_arrays_of_fixed_size_are_lists(made: Path, tmp_path: Path, skim: Callable) -> None:
    keep = {"triple": "all", "Beam": "all", "Ele": ["pt", "cov"]}
    result = skim_with(skim, tmp_path, made / "flat.root", "nanoaod", keep=keep)
    assert result.exit_code == 0, result.output
    arrays = open_dataset(tmp_path / "dataset").arrays()
    assert set(ak.num(arrays.triple.value).tolist()) == {3}
    assert set(ak.num(arrays.Beam.x).tolist()) == {2}
    assert set(ak.flatten(ak.num(arrays.Ele.cov, axis=2)).tolist()) == {2}
