"""The whole of stage two: datasets to histograms, whatever the partitions and the scheduler.

The expected histograms are computed from the ROOT files with awkward and hist, by hand.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histo.result import FilledHistogram, HistogramFile
from histo.run import run
from runtime.scheduler import Scheduler
from schemas.dataset import open_dataset
from schemas.errors import UsageError
from schemas.event_schema import Collection, EventSchema, Field
from schemas.events import Events, Objects
from schemas.histo_config import HistoConfig
from schemas.load import load_model
from tests.histo.test_fill import EVERYTHING, expected_of, filled
from tests.strategies import (
    SCHEMA,
    configured,
    events,
    part_of,
    random_events,
    split,
    write_dataset,
)

axis = hist.axis
ONE_WORKER = Scheduler(workers=1)


def fill_from(config: HistoConfig, *datasets: Path, **options: Any) -> HistogramFile:
    opened = [open_dataset(dataset) for dataset in datasets]
    return run(config, opened, scheduler=options.pop("scheduler", ONE_WORKER), **options)


def compare(found: FilledHistogram, expected: hist.Hist) -> None:
    """Require the same bins and contents; sums of weights up to rounding."""
    assert len(found.contents.axes) == len(expected.axes)
    for ours, theirs in zip(found.contents.axes, expected.axes, strict=True):
        np.testing.assert_array_equal(ours.edges, theirs.edges)
        assert ours.extent == theirs.extent
    assert found.contents.storage_type is expected.storage_type, found.name
    ours, theirs = found.contents.view(flow=True), expected.view(flow=True)
    if not found.weighted:
        np.testing.assert_array_equal(ours, theirs, err_msg=found.name)
        return
    for part in ("value", "variance"):
        np.testing.assert_allclose(ours[part], theirs[part], rtol=1e-12, err_msg=found.name)


def compare_all(found: HistogramFile, expected: dict[str, hist.Hist]) -> None:
    assert set(found.histograms) == set(expected)
    for name, histogram in expected.items():
        compare(found.histograms[name], histogram)


# -- the ready-made configurations --------------------------------------------------------------


def read_ntuple(files: Sequence[Path], collections: dict[str, str]) -> dict[str, ak.Array]:
    """Read collections from ROOT as record arrays, by name and fields."""
    read = {}
    for name, fields in collections.items():
        branches = {f: f"{name}_{f}" if name else f for f in fields.split()}
        arrays = uproot.concatenate([f"{file}:Events" for file in files], list(branches.values()))
        lists = {field: arrays[branch] for field, branch in branches.items()}
        read[name] = ak.zip(lists) if name else arrays
    return read


@pytest.fixture(scope="module")
def demo_from_root(ntuples: list[Path]) -> dict[str, hist.Hist]:
    """What configs/histo/demo.yaml means, of what configs/skim/demo.yaml keeps."""
    read = read_ntuple(
        ntuples,
        {
            "TkEleL2": "pt eta hwQual tkIso",
            "TkEmL2": "pt eta",
            "GenEl": "pt prompt",
            "L1PFJets": "pt",
            "": "L1PuppiMet_pt",
        },
    )
    kept = ak.num(read["TkEleL2"]) + ak.num(read["TkEmL2"]) > 0
    assert ak.sum(kept) > 0
    electrons, photons = read["TkEleL2"][kept], read["TkEmL2"][kept]
    generated, jets = read["GenEl"][kept], read["L1PFJets"][kept]
    met = read[""].L1PuppiMet_pt[kept]
    ht = ak.sum(ak.values_astype(jets.pt[jets.pt > 30], np.float64), axis=1)

    barrel = abs(electrons.eta) < np.float32(1.479)
    endcap = (np.float32(1.479) < abs(electrons.eta)) & (abs(electrons.eta) <= np.float32(2.4))
    identified = (electrons.hwQual & 2) != 0
    isolated = identified & (electrons.tkIso < np.float32(0.13))
    selections = {
        "all": barrel | ~barrel,
        "Isolated": isolated,
        "ElectronEB": identified & barrel,
        "ElectronEE": identified & endcap,
    }
    made = {}
    for name, mask in selections.items():
        chosen, stem = electrons[mask], f"Electrons/TkEleL2_{name}"
        highest = ak.max(chosen.pt, axis=1)
        made[f"{stem}_pt"] = filled(axis.Regular(50, 0, 100), chosen.pt)
        made[f"{stem}_eta"] = filled(axis.Regular(60, -3, 3), chosen.eta)
        made[f"{stem}_tkIso"] = filled(axis.Regular(50, 0, 2), chosen.tkIso)
        made[f"{stem}_n"] = filled(axis.Integer(0, 12), ak.num(chosen))
        made[f"{stem}_leading"] = filled(
            axis.Regular(40, 1, 200, transform=axis.transform.log), ak.drop_none(highest)
        )
    chosen = electrons[identified]
    made["ElectronMaps/TkEleL2_Electron_pt_eta"] = filled(
        [axis.Regular(50, 0, 100), axis.Regular(30, 0, 3)], chosen.pt, abs(chosen.eta)
    )
    pt, eta = axis.Regular(50, 0, 100), abs(photons.eta)
    made["Photons/TkEmL2_all_pt"] = filled(pt, photons.pt)
    made["Photons/TkEmL2_EB_pt"] = filled(pt, photons.pt[eta < np.float32(1.479)])
    in_endcap = (np.float32(1.479) < eta) & (eta <= np.float32(2.4))
    made["Photons/TkEmL2_EE_pt"] = filled(pt, photons.pt[in_endcap])
    made["Generator/GenEl_Prompt_pt"] = filled(pt, generated.pt[generated.prompt >= 2])
    for name, passed in {
        "all": met == met,  # everything
        "OneElectron": ak.any(isolated & (electrons.pt > 20), axis=1),
    }.items():
        made[f"Events/event_{name}_met"] = filled(pt, met[passed])
        made[f"Events/event_{name}_ht"] = filled(axis.Regular(50, 0, 500), ht[passed])
    return made


def test_demo_configuration_equals_the_ntuples_themselves(
    demo: Path, configs: Path, demo_from_root: dict[str, hist.Hist]
) -> None:
    config = load_model(configs / "histo/demo.yaml", HistoConfig)
    compare_all(fill_from(config, demo), demo_from_root)
    assert all(histogram.sum() for histogram in demo_from_root.values())


@pytest.mark.parametrize("size", [7, 60, 1000])
def test_demo_is_the_same_for_any_size_of_partitions(
    size: int,
    ntuples: list[Path],
    configs: Path,
    demo_from_root: dict[str, hist.Hist],
    skim: Any,
    tmp_path: Path,
) -> None:
    skim_config = tmp_path / "skim.yaml"
    skim_config.write_text(
        f"include: {configs / 'skim/demo.yaml'}\nstorage: {{partition_events: {size}}}\n"
    )
    # links of other names put the files in the opposite order
    for name, file in zip("ba", ntuples, strict=True):
        (tmp_path / f"{name}.root").symlink_to(file)
    files = f"doubleele={tmp_path}/*.root"
    made = skim("run", skim_config, "-o", tmp_path / "dataset", "--files", files)
    assert made.exit_code == 0, made.output
    config = load_model(configs / "histo/demo.yaml", HistoConfig)
    compare_all(fill_from(config, tmp_path / "dataset"), demo_from_root)


@pytest.fixture(scope="module")
def nano_from_root(nano_file: Path) -> dict[str, hist.Hist]:
    """What configs/histo/nanoaod.yaml means, of what configs/skim/nanoaod.yaml keeps."""
    read = read_ntuple(
        [nano_file],
        {
            "Muon": "pt eta charge dxy dz tightId pfRelIso04_all",
            "Electron": "pt eta charge dxy dz cutBased",
            "Jet": "pt eta jetId",
            "": "MET_pt PV_npvs",
        },
    )
    kept = ak.num(read["Muon"]) + ak.num(read["Electron"]) > 0
    assert 0 < ak.sum(kept) < len(kept)
    muons, electrons, event = read["Muon"][kept], read["Electron"][kept], read[""][kept]
    jets = read["Jet"][kept]
    jets = jets[jets.pt > 15]

    tight = muons.tightId & (muons.pfRelIso04_all < np.float32(0.15)) & (muons.pt > 20)
    medium = (electrons.cutBased >= 3) & (electrons.pt > 20)
    good = (jets.pt > 30) & (jets.jetId > 0) & (abs(jets.eta) < np.float32(2.4))
    made = {}
    for stem, leptons in {
        "Muon_all": muons,
        "Muon_TightMu": muons[tight],
        "Electron_all": electrons,
        "Electron_MediumEle": electrons[medium],
    }.items():
        made[f"Leptons/{stem}_pt"] = filled(axis.Regular(40, 0, 200), leptons.pt)
        made[f"Leptons/{stem}_eta"] = filled(axis.Regular(50, -2.5, 2.5), leptons.eta)
        made[f"Leptons/{stem}_charge"] = filled(axis.Integer(-1, 2), leptons.charge)
        made[f"Leptons/{stem}_dxy_dz"] = filled(
            [
                axis.Regular(30, 1e-4, 1, transform=axis.transform.log),
                axis.Regular(30, 1e-4, 10, transform=axis.transform.log),
            ],
            abs(leptons.dxy),
            abs(leptons.dz),
        )
    for stem, chosen in {"Jet_all": jets, "Jet_Jet30": jets[good]}.items():
        edges = [15, 20, 30, 40, 60, 80, 120, 200, 400]
        total = ak.sum(ak.values_astype(chosen.pt, np.float64), axis=1)
        made[f"Jets/{stem}_pt"] = filled(axis.Variable(edges), chosen.pt)
        made[f"Jets/{stem}_n"] = filled(axis.Integer(0, 12), ak.num(chosen))
        made[f"Jets/{stem}_ht"] = filled(axis.Regular(50, 0, 1000), total)
    lepton = ak.sum(tight, axis=1) + ak.sum(medium, axis=1) >= 1
    for name, passed in {
        "all": lepton | ~lepton,
        "OneLepton": lepton,
        "OneLeptonFourJets": lepton & (ak.sum(good, axis=1) >= 4),
    }.items():
        chosen = event[passed]
        made[f"Events/event_{name}_met"] = filled(axis.Regular(40, 0, 200), chosen.MET_pt)
        made[f"Events/event_{name}_npvs"] = filled(axis.Integer(0, 60), chosen.PV_npvs)
    return made


def test_nanoaod_configuration_equals_the_real_file_itself(
    nano: Path, configs: Path, nano_from_root: dict[str, hist.Hist]
) -> None:
    config = load_model(configs / "histo/nanoaod.yaml", HistoConfig)
    compare_all(fill_from(config, nano), nano_from_root)


@pytest.fixture(scope="module")
def whole() -> Events:
    return random_events(600)


@pytest.fixture(scope="module")
def parted(whole: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events in five partitions, one of them empty."""
    cuts = [0, 90, 90, 300, 301, 600]
    parts = [part_of(whole, a, b) for a, b in itertools.pairwise(cuts)]
    return write_dataset(tmp_path_factory.mktemp("parted") / "dataset", {"s": parts})


# -- the same for any partitions, order, scheduler and number of workers ------------------------


def same_bits(first: HistogramFile, second: HistogramFile) -> None:
    assert list(first.histograms) == list(second.histograms)
    for a, b in zip(first.histograms.values(), second.histograms.values(), strict=True):
        assert a.contents.view(flow=True).tobytes() == b.contents.view(flow=True).tobytes(), a.name


def same_counts(first: HistogramFile, second: HistogramFile) -> None:
    """Require equal bits of what is unweighted, and equal sums of weights up to rounding."""
    assert list(first.histograms) == list(second.histograms)
    for a, b in zip(first.histograms.values(), second.histograms.values(), strict=True):
        compare(a, hist.Hist(b.contents))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(whole=events(), size=st.integers(1, 5), data=st.data())
def test_partitions_and_their_order_do_not_matter(
    whole: Events, size: int, data: st.DataObject
) -> None:
    parts = data.draw(st.permutations(split(whole, size)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = write_dataset(folder / "one", {"s": [whole]})
        many = write_dataset(folder / "many", {"s": parts})
        several = write_dataset(folder / "several", {"a": parts[:1], "b": parts[1:]})
        expected = fill_from(EVERYTHING, one)
        same_counts(fill_from(EVERYTHING, many), expected)
        same_counts(fill_from(EVERYTHING, several), expected)


def test_partitions_give_what_awkward_and_hist_give(whole: Events, parted: Path) -> None:
    compare_all(fill_from(EVERYTHING, parted), expected_of(whole))


@pytest.fixture(scope="module")
def on_one_worker(parted: Path) -> HistogramFile:
    return fill_from(EVERYTHING, parted)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_change_not_one_bit(
    kind: Any, workers: int, parted: Path, on_one_worker: HistogramFile
) -> None:
    scheduler = Scheduler(kind=kind, workers=workers)
    same_bits(fill_from(EVERYTHING, parted, scheduler=scheduler), on_one_worker)


def test_a_cluster_changes_not_one_bit(
    dask_cluster: str, parted: Path, on_one_worker: HistogramFile
) -> None:
    scheduler = Scheduler(kind="cluster", address=dask_cluster)
    same_bits(fill_from(EVERYTHING, parted, scheduler=scheduler), on_one_worker)


# -- nothing to fill ----------------------------------------------------------------------------


def test_no_events_give_empty_histograms(whole: Events, tmp_path: Path) -> None:
    nothing = part_of(whole, 0, 0)
    for number, samples in enumerate([{}, {"s": []}, {"s": [nothing]}, {"s": [nothing] * 2}]):
        dataset = write_dataset(tmp_path / str(number), samples)
        compare_all(fill_from(EVERYTHING, dataset), expected_of(nothing))


def test_a_partition_without_objects_adds_its_events_only(tmp_path: Path) -> None:
    whole = random_events(50)
    bare = random_events(50, seed=2)
    without = {
        name: objects.select(np.zeros(len(objects), bool))
        for name, objects in bare.collections.items()
    }
    bare = Events(bare.size, without, bare.columns)
    with_both = write_dataset(tmp_path / "both", {"s": [bare, whole]})
    alone = write_dataset(tmp_path / "alone", {"s": [whole]})
    config = configured("""
histograms:
  Objects: {fill: {pt: {axis: [8, 0, 10]}}, for: {Ele: all}}
  PerEvent:
    fill:
      n: {per_event: count(), axis: {integer: [0, 3]}}
      leading: {per_event: max(pt), axis: [8, 0, 10]}
    for: {Ele: all}
""")
    both, one = (fill_from(config, dataset).histograms for dataset in (with_both, alone))
    for name in ("Objects/Ele_all_pt", "PerEvent/Ele_all_leading"):
        np.testing.assert_array_equal(both[name].values(), one[name].values())
    more = both["PerEvent/Ele_all_n"].values() - one["PerEvent/Ele_all_n"].values()
    assert more.tolist() == [0, 50, 0, 0, 0]


# -- several datasets, samples, numbers of events -----------------------------------------------

COUNT = configured("""
histograms: {G: {fill: {run: {axis: {integer: [0, 7]}}, n: {of: 1, axis: [1, 0, 2]}}}}
""")


@pytest.fixture
def two_samples(whole: Events, tmp_path: Path) -> Path:
    samples = {
        "first": [part_of(whole, 0, 30), part_of(whole, 30, 50)],
        "second": [part_of(whole, 50, 57)],
    }
    return write_dataset(tmp_path / "two", samples)


def number_of(found: HistogramFile) -> int:
    return int(found.histograms["G/n"].values().sum())


def test_several_datasets_are_added_up(whole: Events, two_samples: Path, parted: Path) -> None:
    both = fill_from(COUNT, two_samples, parted)
    assert number_of(both) == 57 + 600
    parts = [fill_from(COUNT, dataset).histograms["G/run"] for dataset in (two_samples, parted)]
    added = parts[0].values() + parts[1].values()
    np.testing.assert_array_equal(both.histograms["G/run"].values(), added)
    assert [entry["path"] for entry in both.provenance["datasets"]] == [
        str(two_samples),
        str(parted),
    ]


@pytest.mark.parametrize(
    ("samples", "limit", "expected"),
    [
        ((), None, 57),
        (("first",), None, 50),
        (("second",), None, 7),
        (("first", "second"), None, 57),
        ((), 1, 2),
        ((), 35, 35 + 7),
        (("first",), 30, 30),
        (("first",), 1000, 50),
    ],
)
def test_samples_and_numbers_of_events_are_chosen(
    samples: Sequence[str], limit: int | None, expected: int, two_samples: Path
) -> None:
    found = fill_from(COUNT, two_samples, samples=samples, limit=limit)
    assert number_of(found) == expected
    assert found.provenance["events_per_sample"] == limit
    chosen = samples or ("first", "second")
    assert sorted(found.provenance["datasets"][0]["samples"]) == sorted(chosen)


def test_the_first_events_are_taken(whole: Events, two_samples: Path) -> None:
    found = fill_from(COUNT, two_samples, samples=["first"], limit=40).histograms["G/run"]
    expected = np.bincount(whole.columns["run"][:40], minlength=7)
    assert found.values()[1:-1].tolist() == expected.tolist()


def test_unknown_samples_are_refused(two_samples: Path) -> None:
    with pytest.raises(UsageError, match=r"no sample 'frist'; did you mean 'first'"):
        fill_from(COUNT, two_samples, samples=["frist"])


def with_type(kind: str | None) -> EventSchema:
    """The schema with another type of ``run``, or without it."""
    collections = dict(SCHEMA.collections)
    fields = {name: field for name, field in collections["event"].fields.items() if name != "run"}
    if kind:
        fields["run"] = Field(type=kind)
    collections["event"] = Collection(kind="event", fields=fields)
    return EventSchema(collections=collections)


@pytest.mark.parametrize(
    ("kind", "says"),
    [("int64", r"has run as int64, and .* has it as uint32"), (None, r"has no run, and")],
)
def test_datasets_that_disagree_on_what_is_filled_are_refused(
    kind: str | None, says: str, whole: Events, two_samples: Path, tmp_path: Path
) -> None:
    block = part_of(whole, 0, 5)
    columns = {name: values for name, values in block.columns.items() if name != "run"}
    if kind:
        columns["run"] = block.columns["run"].astype(kind)
    block = Events(block.size, block.collections, columns)
    other = write_dataset(tmp_path / "other", {"s": [block]}, with_type(kind))
    with pytest.raises(UsageError, match=rf"other' {says}"):
        fill_from(COUNT, two_samples, other)
    without = configured("histograms: {G: {fill: {n: {of: 1, axis: [1, 0, 2]}}}}")
    assert number_of(fill_from(without, two_samples, other)) == 57 + 5


def test_counting_needs_any_field_that_all_datasets_have(
    whole: Events, two_samples: Path, tmp_path: Path
) -> None:
    block = part_of(whole, 0, 5)

    def with_jets(name: str, **kinds: str) -> Path:
        values = {field: block.column("Jet", field).astype(kind) for field, kind in kinds.items()}
        jets = Events(5, {"Jet": Objects(block.offsets("Jet"), values)}, {})
        fields = {field: Field(type=kind) for field, kind in kinds.items()}
        schema = EventSchema(collections={"Jet": Collection(kind="list", fields=fields)})
        return write_dataset(tmp_path / name, {"s": [jets]}, schema)

    other = with_jets("other", pt="float64", hits="int64")
    config = configured("histograms: {G: {fill: {n: {of: count(Jet), axis: [9, 0, 9]}}}}")
    assert number_of(fill_from(config, other, two_samples)) == 57 + 5
    assert number_of(fill_from(config, two_samples, other)) == 57 + 5
    with pytest.raises(UsageError, match="no field of Jet in common"):
        fill_from(config, two_samples, with_jets("none", pt="float64"))


# -- provenance ---------------------------------------------------------------------------------


def test_provenance_says_where_histograms_come_from(demo: Path, configs: Path) -> None:
    config = load_model(configs / "histo/demo.yaml", HistoConfig)
    first, second = fill_from(config, demo).provenance, fill_from(config, demo).provenance
    assert first == second
    (source,) = first["datasets"]
    assert source["path"] == str(demo)
    kept = open_dataset(demo).samples["doubleele"]
    assert source["samples"] == {
        "doubleele": {
            "events_read": 300,
            "events_kept": kept.events_kept,
            "sum_of_weights": 300.0,
        }
    }
    assert first["configuration"]["selections"]["EB"]["cut"] == "abs(eta) < 1.479"
    assert set(first["software"]) >= {"l1skim", "boost-histogram", "numpy"}
