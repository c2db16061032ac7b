"""What a skim does to events, against awkward arrays computed independently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

KEEP = {
    "TkEleL2": ["pt", "eta", "phi", "charge"],
    "L1PFJets": ["pt", "eta"],
    "event": ["run", "event"],
    "genMet": "pt",
}


@pytest.fixture(scope="module")
def read(ntuples: list[Path]) -> ak.Array:
    """The events as uproot reads them, one record array a collection."""
    trees = [uproot.open(path)["Events"] for path in ntuples]
    flat = ak.concatenate([tree.arrays(library="ak") for tree in trees])
    fields = {
        name: [b.removeprefix(f"{name}_") for b in flat.fields if b.startswith(f"{name}_")]
        for name in ("TkEleL2", "TkEmL2", "L1PFJets", "GenEl")
    }
    objects = {
        name: ak.zip({field: flat[f"{name}_{field}"] for field in known})
        for name, known in fields.items()
    }
    singles = {name: flat[name] for name in flat.fields if flat[name].ndim == 1}
    return ak.zip(objects | singles, depth_limit=1)


def values(array: ak.Array) -> list[object]:
    return ak.to_list(array)


def test_keep_drops_all_other_fields(ntuples: list[Path], make_dataset: Callable) -> None:
    arrays = make_dataset(ntuples, keep=KEEP).arrays()
    assert set(arrays.fields) == {"run", "event", "genMet_pt", "TkEleL2", "L1PFJets"}
    assert set(arrays.TkEleL2.fields) == {"pt", "eta", "phi", "charge"}


@pytest.mark.parametrize(
    ("keep", "found"),
    [
        ({"TkEl*": "pt"}, {"TkEleL2.pt", "TkEleEB.pt", "TkEleEE.pt"}),
        ({"GenEl": ["calo*", "pt"]}, {"GenEl.pt", "GenEl.caloeta", "GenEl.calophi"}),
        ({"L1P*Met": "p[th]*"}, {f"L1{a}Met.{b}" for a in ("PF", "Puppi") for b in ("pt", "phi")}),
    ],
)
def test_keep_takes_patterns(
    keep: dict, found: set[str], ntuples: list[Path], make_dataset: Callable
) -> None:
    schema = make_dataset(ntuples, keep=keep).schema.collections
    assert {f"{name}.{field}" for name, c in schema.items() for field in c.fields} == found


def test_define_adds_fields_of_objects_and_events(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    define = {
        "TkEleL2": {"abseta": "abs(eta)", "px": "pt * cos(phi)", "forward": "abseta > 1.479"},
        "event": {"ht": "sum(where(L1PFJets.pt > 30, L1PFJets.pt, 0))", "jets": "count(L1PFJets)"},
    }
    arrays = make_dataset(ntuples, keep=KEEP, define=define).arrays()
    electrons, jets = read.TkEleL2, read.L1PFJets
    assert values(arrays.TkEleL2.abseta) == values(abs(electrons.eta))
    assert values(arrays.TkEleL2.px) == values(electrons.pt * np.cos(electrons.phi))
    assert values(arrays.TkEleL2.forward) == values(abs(electrons.eta) > 1.479)
    assert values(arrays.jets) == values(ak.num(jets))
    ht = ak.sum(ak.values_astype(jets.pt[jets.pt > 30], np.float64), axis=1)
    assert ak.to_numpy(arrays.ht) == pytest.approx(ak.to_numpy(ht), rel=1e-14)
    assert str(arrays.TkEleL2.px.type.content.content) == "float32"


def test_define_uses_fields_that_are_not_kept(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    define = {"TkEleL2": {"deta": "caloEta - eta"}}
    arrays = make_dataset(ntuples, keep={"TkEleL2": "pt"}, define=define).arrays()
    assert arrays.TkEleL2.fields == ["pt", "deta"]
    assert values(arrays.TkEleL2.deta) == values(read.TkEleL2.caloEta - read.TkEleL2.eta)


def test_objects_thins_a_collection_and_leaves_the_others(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    objects = {"TkEleL2": "pt > 10 and (hwQual & 2) != 0"}
    arrays = make_dataset(ntuples, keep=KEEP, objects=objects).arrays()
    passed = (read.TkEleL2.pt > 10) & ((read.TkEleL2.hwQual & 2) != 0)
    assert 0 < ak.sum(passed) < ak.count(passed)
    assert values(arrays.TkEleL2.phi) == values(read.TkEleL2.phi[passed])
    assert values(arrays.L1PFJets.pt) == values(read.L1PFJets.pt)
    assert values(arrays["event"]) == values(read["event"])


def test_events_cuts_whole_events(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    events = "any(TkEleL2.pt > 40) or max(TkEmL2.pt) > 50"
    dataset = make_dataset(ntuples, keep=KEEP, events=events)
    arrays = dataset.arrays()
    leading = ak.fill_none(ak.max(read.TkEmL2.pt, axis=1), -1)
    passed = ak.any(read.TkEleL2.pt > 40, axis=1) | (leading > 50)
    assert 0 < ak.sum(passed) < len(passed)
    for column, field in (("TkEleL2", "pt"), ("L1PFJets", "eta")):
        assert values(arrays[column, field]) == values(read[column, field][passed])
    for column in ("event", "genMet_pt"):
        assert values(arrays[column]) == values(read[column][passed])


def test_fields_are_defined_on_all_objects_and_events_cut_on_thinned_ones(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    arrays = make_dataset(
        ntuples,
        keep=KEEP,
        define={"event": {"leptons": "count(TkEleL2)"}},
        objects={"TkEleL2": "pt > 20"},
        events="count(TkEleL2) == 1",
    ).arrays()
    thinned = read.TkEleL2[read.TkEleL2.pt > 20]
    passed = ak.num(thinned) == 1
    assert values(arrays.TkEleL2.pt) == values(thinned.pt[passed])
    assert values(arrays.leptons) == values(ak.num(read.TkEleL2)[passed])
    assert ak.any(arrays.leptons > 1)


def test_a_cut_on_events_sees_defined_fields_as_they_were_before_thinning(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    arrays = make_dataset(
        ntuples,
        keep=KEEP,
        define={"event": {"leptons": "count(TkEleL2)"}},
        objects={"TkEleL2": "pt > 1e9"},
        events="leptons > 1",
    ).arrays()
    passed = ak.num(read.TkEleL2) > 1
    assert values(arrays["event"]) == values(read["event"][passed])
    assert ak.all(ak.num(arrays.TkEleL2) == 0)


def test_a_cut_may_use_a_thinned_collection_that_is_not_kept(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    arrays = make_dataset(
        ntuples, keep={"event": "event"}, objects={"TkEmL2": "pt > 15"}, events="count(TkEmL2) > 0"
    ).arrays()
    assert arrays.fields == ["event"]
    assert values(arrays["event"]) == values(read["event"][ak.any(read.TkEmL2.pt > 15, axis=1)])


def test_events_and_weights_are_counted_before_any_cut(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    dataset = make_dataset(
        ntuples,
        keep=KEEP,
        objects={"TkEleL2": "pt > 30"},
        events="count(TkEleL2) > 1",
        weight="genMet.pt + count(TkEleL2)",
        storage={"partition_events": 40},
    )
    record = dataset.samples["sample"]
    weights = ak.to_numpy(read.genMet_pt).astype(np.float64) + ak.to_numpy(ak.num(read.TkEleL2))
    assert record.events_read == 300
    assert record.events_kept == len(dataset.arrays()) < 300
    assert record.sum_of_weights == pytest.approx(weights.sum(), rel=1e-7)


def test_without_a_weight_every_event_counts_one(
    ntuples: list[Path], make_dataset: Callable
) -> None:
    dataset = make_dataset(ntuples, keep=KEEP, events="count(TkEleL2) > 1")
    assert dataset.samples["sample"].sum_of_weights == 300


def test_single_precision_weights_are_summed_in_double_precision(
    tmp_path: Path, make_dataset: Callable
) -> None:
    weights = np.array([2.0**24, 1.0, 1.0, 1.0], np.float32)
    with uproot.recreate(tmp_path / "weights.root") as file:
        file.mktree("Events", {"genWeight": "float32"}).extend({"genWeight": weights})
    dataset = make_dataset([tmp_path / "weights.root"], schema="nanoaod", weight="genWeight")
    assert dataset.samples["sample"].sum_of_weights == 2.0**24 + 3


def test_weights_without_a_finite_sum_are_refused(
    tmp_path: Path, write_config: Callable, skim: Callable
) -> None:
    with uproot.recreate(tmp_path / "weights.root") as file:
        file.mktree("Events", {"w": "float32"}).extend({"w": np.array([1, np.nan], np.float32)})
    config = write_config(schema="nanoaod", samples={"s": "weights.root"}, weight="w")
    result = skim("run", config, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert f"{tmp_path / 'weights.root'}: the weights of entries 0 to 2 sum up" in result.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_thinning_everything_away_leaves_empty_events(
    ntuples: list[Path], make_dataset: Callable, read: ak.Array
) -> None:
    arrays = make_dataset(ntuples, keep=KEEP, objects={"TkEleL2": "pt < 0"}).arrays()
    assert values(ak.num(arrays.TkEleL2)) == [0] * 300
    assert str(arrays.TkEleL2.pt.type) == "300 * var * float32"
    assert values(arrays.genMet_pt) == values(read.genMet_pt)


def test_a_cut_that_no_event_passes_leaves_a_dataset_of_no_events(
    ntuples: list[Path], make_dataset: Callable
) -> None:
    dataset = make_dataset(ntuples, keep=KEEP, events="genMet.pt < 0")
    assert (dataset.samples["sample"].events_read, len(dataset.arrays())) == (300, 0)
    assert str(dataset.arrays().TkEleL2.pt.type) == "0 * var * float32"
    assert len(ak.from_parquet(dataset.path)) == 0


def test_a_collection_may_be_empty_in_a_whole_partition(
    tmp_path: Path, make_dataset: Callable
) -> None:
    pt = ak.values_astype(ak.Array([[]] * 5 + [[1.5, 2.5], [], [3.5]]), np.float32)
    with uproot.recreate(tmp_path / "sparse.root") as file:
        objects = ak.zip({"pt": pt})
        file.mktree("Events", {"A": objects.type.content}).extend({"A": objects})
    dataset = make_dataset(
        [tmp_path / "sparse.root"],
        define={"A": {"half": "pt / 2"}, "event": {"n": "count(A)"}},
        objects={"A": "pt > 2"},
        storage={"partition_events": 3},
    )
    assert len(dataset.samples["sample"].partitions) == 3
    assert values(dataset.arrays().A.half) == [*[[]] * 5, [1.25], [], [1.75]]
    assert values(dataset.arrays().n) == [0] * 5 + [2, 0, 1]
