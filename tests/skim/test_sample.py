import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from schemas.errors import UsageError
from skim.sample import write_sample

SHARED = Path(__file__).parents[3] / "shared" / "data"
SHARED_FILES = {"doubleele": "fastpuppi_doubleele_0.root", "minbias": "fastpuppi_nugun_0.root"}
COLLECTIONS = {
    "GenEl": 8,
    "GenPh": 8,
    "GenPi": 8,
    "GenJets": 5,
    "TkEleL2": 18,
    "TkEmL2": 11,
    "TkEleEB": 18,
    "TkEleEE": 18,
    "TkEmEB": 11,
    "TkEmEE": 11,
    "EGStaEB": 4,
    "EGStaEE": 4,
    "HGCal3DCl": 54,
    "DecTkBarrel": 12,
    "DecTkHgcal": 12,
    "L1PFJets": 7,
}


def tree(path):
    return uproot.open(path)["Events"]


def events_of(paths, *branches):
    return ak.concatenate([tree(path).arrays(list(branches)) for path in paths])


def flat(array):
    return ak.to_numpy(ak.flatten(array, axis=None))


def schema(path):
    """Name, type and name of the counter of every branch, in their order."""
    return [
        # a branch without sub-branches is false
        (name, branch.typename, None if branch.count_branch is None else branch.count_branch.name)
        for name, branch in tree(path).items()
    ]


@pytest.fixture(scope="module")
def doubleele(tmp_path_factory):
    # more than one chunk a file, and a remainder
    return write_sample(tmp_path_factory.mktemp("doubleele"), "doubleele", 6001, 2, seed=7)


@pytest.fixture(scope="module")
def minbias(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("minbias"), "minbias", 1000, 1, seed=7)


def test_files_are_named_and_complete(tmp_path):
    paths = write_sample(tmp_path / "new" / "sample", "minbias", 10, 3, seed=1)
    assert [path.name for path in paths] == ["minbias_0.root", "minbias_1.root", "minbias_2.root"]
    assert sorted(paths[0].parent.iterdir()) == paths


@pytest.mark.parametrize(
    ("events", "files", "shares"),
    [(10, 3, [4, 3, 3]), (2, 3, [1, 1, 0]), (0, 2, [0, 0]), (1, 1, [1])],
)
def test_events_are_shared_out(tmp_path, events, files, shares):
    paths = write_sample(tmp_path, "doubleele", events, files, seed=1)
    assert [tree(path).num_entries for path in paths] == shares
    assert len({tuple(schema(path)) for path in paths}) == 1


def test_progress_adds_up_to_the_events(tmp_path):
    steps = []
    write_sample(tmp_path, "minbias", 2600, 2, seed=1, progress=steps.append)
    assert sum(steps) == 2600


@pytest.mark.parametrize("kind", ["doubleele", "minbias"])
def test_same_seed_gives_same_values_and_another_seed_others(tmp_path, kind):
    first, again = (
        write_sample(tmp_path / name, kind, 60, 2, seed=3) for name in ("first", "again")
    )
    other = write_sample(tmp_path / "other", kind, 60, 2, seed=4)
    for one, two in zip(first, again, strict=True):
        assert ak.array_equal(tree(one).arrays(), tree(two).arrays())
        assert one.stat().st_size == two.stat().st_size
        assert uproot.open(one).file.uuid == uproot.open(two).file.uuid
    assert not ak.array_equal(
        tree(first[0])["TkEmL2_pt"].array(), tree(other[0])["TkEmL2_pt"].array()
    )
    assert uproot.open(first[0]).file.uuid != uproot.open(other[0]).file.uuid
    assert not ak.array_equal(
        tree(first[0])["TkEmL2_pt"].array(), tree(first[1])["TkEmL2_pt"].array()
    )


def test_existing_files_are_refused_and_kept(tmp_path):
    (path,) = write_sample(tmp_path, "minbias", 3, 1, seed=1)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"minbias_0\.root already exists"):
        write_sample(tmp_path, "minbias", 5, 2, seed=2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    write_sample(tmp_path, "minbias", 5, 1, seed=2, overwrite=True)
    assert tree(path).num_entries == 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "doubleelectron"}, "did you mean 'doubleele'"),
        ({"events": -1}, "events must be at least 0, not -1"),
        ({"files": 0}, "files must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, changed, message):
    arguments = {"kind": "doubleele", "events": 1, "files": 1, "seed": 1} | changed
    with pytest.raises(UsageError, match=message):
        write_sample(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="cannot make the directory"):
        write_sample(tmp_path / "taken", "minbias", 1, 1, seed=1)


@pytest.mark.parametrize("kind", ["doubleele", "minbias"])
def test_schema_is_that_of_the_shared_file(request, kind):
    shared = SHARED / SHARED_FILES[kind]
    if not shared.exists():
        pytest.skip(f"{shared.name} is not beside this repository")
    assert schema(request.getfixturevalue(kind)[0]) == schema(shared)


def test_most_used_fields_have_their_types(doubleele):
    found = {name: (type_, counter) for name, type_, counter in schema(doubleele[0])}
    assert found["run"] == ("uint32_t", None)
    assert found["event"] == ("uint64_t", None)
    assert found["genMet_pt"] == ("float", None)
    assert found["nTkEleL2"] == ("int32_t", None)
    for field in ("pt", "eta", "phi", "tkIso", "vz", "caloEta", "caloPhi", "idScore"):
        assert found[f"TkEleL2_{field}"] == ("float[]", "nTkEleL2")
    for field in ("charge", "hwQual"):
        assert found[f"TkEleL2_{field}"] == ("int32_t[]", "nTkEleL2")
    assert found["GenEl_prompt"] == ("int32_t[]", "nGenEl")
    assert found["HGCal3DCl_pfEmIdPass"] == ("bool[]", "nHGCal3DCl")


def test_each_collection_has_one_counter(doubleele):
    counters = [counter for _, _, counter in schema(doubleele[0]) if counter]
    assert {name: counters.count(f"n{name}") for name in COLLECTIONS} == COLLECTIONS
    assert set(counters) == {f"n{name}" for name in COLLECTIONS}


def test_files_have_several_clusters(doubleele):
    assert len(tree(doubleele[0]).common_entry_offsets()) > 2


def test_event_numbers_are_unique_and_exceed_32_bits(doubleele, minbias):
    numbers = flat(events_of(doubleele, "event").event)
    assert len(np.unique(numbers)) == 6001
    assert numbers.min() > 2**32
    assert not np.intersect1d(numbers, flat(events_of(minbias, "event").event)).size


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_objects_fall_in_pt_and_lie_in_range(doubleele, collection):
    pt, phi = f"{collection}_pt", f"{collection}_phi"
    events = events_of(doubleele, pt, phi)
    assert ak.all(events[pt][:, 1:] <= events[pt][:, :-1])
    assert flat(events[pt]).min() > 0
    assert np.abs(flat(events[phi])).max() < np.pi


@pytest.mark.parametrize(
    ("collection", "low", "high"),
    [
        ("GenEl", 0, 3.01),
        ("TkEleL2", 0, 2.41),
        ("TkEmL2", 0, 3.01),
        ("TkEleEB", 0, 1.479),
        ("TkEleEE", 1.479, 2.41),
        ("TkEmEB", 0, 1.479),
        ("TkEmEE", 1.479, 3.01),
        ("EGStaEB", 0, 1.479),
        ("EGStaEE", 1.479, 3.01),
        ("HGCal3DCl", 1.49, 3.06),
        ("DecTkBarrel", 0, 1.56),
        ("DecTkHgcal", 1.39, 2.51),
        ("L1PFJets", 0, 4.9),
    ],
)
def test_objects_stay_in_their_region(doubleele, collection, low, high):
    eta = np.abs(flat(events_of(doubleele, f"{collection}_eta")[f"{collection}_eta"]))
    assert low <= eta.min()
    assert eta.max() <= high


@pytest.mark.parametrize("kind", ["doubleele", "minbias"])
def test_all_values_are_finite(request, kind):
    arrays = tree(request.getfixturevalue(kind)[0]).arrays(how=dict)
    assert [name for name, values in arrays.items() if not np.isfinite(flat(values)).all()] == []


def test_values_sit_on_hardware_steps_and_bin_edges(doubleele):
    events = events_of(doubleele, "TkEleL2_pt", "TkEleL2_tkIso", "TkEleL2_eta", "TkEleL2_hwQual")
    pt = flat(events.TkEleL2_pt)
    assert np.all(pt * 4 == np.rint(pt * 4))
    assert np.mean(pt == np.rint(pt)) > 0.15
    assert np.all(flat(events.TkEleL2_eta).view(np.uint32) << 17 == 0)
    assert 0.2 < np.mean(flat(events.TkEleL2_tkIso) == 0) < 0.7
    assert set(flat(events.TkEleL2_hwQual)) == set(range(16))


def test_isolations_of_fewer_particles_are_smaller(doubleele):
    events = events_of(doubleele, "TkEmL2_tkIso", "TkEmL2_tkIsoPV", "TkEmL2_pfIso")
    assert ak.all(events.TkEmL2_tkIsoPV <= events.TkEmL2_tkIso)
    assert ak.all(events.TkEmL2_tkIso <= events.TkEmL2_pfIso)


def test_gun_shoots_two_opposite_electrons(doubleele):
    events = events_of(doubleele, "GenEl_prompt", "GenEl_charge", "GenEl_pt")
    gun = events.GenEl_prompt == 2
    both = ak.sum(gun, axis=1) == 2
    assert np.mean(both) > 0.9
    assert ak.all(ak.sum(events.GenEl_charge[gun][both], axis=1) == 0)
    # flat from 1 to 100 GeV above the cut at 2 GeV
    assert flat(events.GenEl_pt[gun]).mean() == pytest.approx(51, abs=2)


def test_minbias_has_no_prompt_electrons(minbias):
    events = events_of(minbias, "GenEl_prompt", "TkEleL2_pt")
    assert not np.any(flat(events.GenEl_prompt) >= 2)
    assert len(flat(events.TkEleL2_pt)) > 500


def match(events, collection, low, high, eta, phi):
    """Relative pt differences of the nearest object in pt, NaN without one, of prompt electrons."""
    gen = ak.zip({"pt": events.GenEl_pt, "eta": events[eta], "phi": events[phi]})
    abs_eta = abs(gen.eta)
    gen = gen[(events.GenEl_prompt == 2) & (gen.pt > 20) & (abs_eta > low) & (abs_eta < high)]
    objects = ak.zip({name: events[f"{collection}_{name}"] for name in ("pt", "eta", "phi")})
    true, seen = ak.unzip(ak.cartesian([gen, objects], nested=True))
    dphi = (seen.phi - true.phi + np.pi) % (2 * np.pi) - np.pi
    difference = (seen.pt - true.pt) / true.pt
    difference = difference[np.hypot(seen.eta - true.eta, dphi) < 0.1]
    best = difference[ak.argmin(abs(difference), axis=-1, keepdims=True)]
    return flat(ak.fill_none(ak.firsts(best, axis=-1), np.nan))


@pytest.mark.parametrize(
    ("collection", "low", "high"),
    [
        ("TkEleL2", 0, 2.35),
        ("TkEmL2", 0, 2.9),
        ("TkEleEB", 0, 1.4),
        ("TkEleEE", 1.55, 2.3),
        ("EGStaEB", 0, 1.4),
        ("EGStaEE", 1.55, 2.9),
        ("HGCal3DCl", 1.6, 2.9),
    ],
)
def test_electrons_are_found_and_measured(doubleele, collection, low, high):
    # TkEleL2 points from the vertex, the others to the calorimeter
    directions = (
        ["GenEl_eta", "GenEl_phi"]
        if collection == "TkEleL2"
        else ["GenEl_caloeta", "GenEl_calophi"]
    )
    fields = [f"{collection}_{name}" for name in ("pt", "eta", "phi")]
    events = events_of(doubleele, "GenEl_pt", "GenEl_prompt", *directions, *fields)
    difference = match(events, collection, low, high, *directions)
    found = difference[~np.isnan(difference)]
    assert 0.85 < found.size / difference.size < 1
    tail, left, middle, right = np.quantile(found, [0.01, 0.16, 0.5, 0.84])
    assert -0.05 < middle < 0.01
    assert 0.02 < (right - left) / 2 < 0.08
    # bremsstrahlung: a tail far beyond what a normal distribution of this width has
    assert middle - tail > 3 * (middle - left)


def test_soft_electrons_turn_on(doubleele):
    events = events_of(doubleele, "GenEl_pt", "TkEleL2_pt")
    soft = ak.all(events.GenEl_pt < 6, axis=1)
    hard = ak.all(events.GenEl_pt > 20, axis=1)
    leading = ak.fill_none(ak.max(events.TkEleL2_pt, axis=1), 0)
    assert np.mean(leading[hard] > 15) > 0.85
    assert np.mean(leading[soft] > 15) < 0.2


# a process of its own: ROOT installs signal handlers and takes over the interpreter's exit
READ_WITH_ROOT = """
import json, sys
import ROOT

path, *names = sys.argv[1:]
columns = ROOT.RDataFrame("Events", path).AsNumpy(names)
lists = {
    name: [list(row) for row in values] if values.dtype == object else values.tolist()
    for name, values in columns.items()
}
file = ROOT.TFile.Open(path)
largest = file.Get("Events").GetLeaf("nTkEleL2").GetMaximum()
print(json.dumps({"columns": lists, "largest": largest}, default=lambda scalar: scalar.item()))
"""


def test_root_reads_the_same(tmp_path):
    if importlib.util.find_spec("ROOT") is None:
        pytest.skip("ROOT is not installed")
    names = ["event", "nTkEleL2", "TkEleL2_pt", "HGCal3DCl_hwQual", "HGCal3DCl_pfEmIdPass"]
    (path,) = write_sample(tmp_path, "doubleele", 2600, 1, seed=9)
    done = subprocess.run(
        [sys.executable, "-c", READ_WITH_ROOT, str(path), *names],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    ours = tree(path).arrays(names)
    assert seen["columns"] == {name: ours[name].to_list() for name in names}
    assert len(ours) == 2600
    # what ROOT's own buffers are sized by
    assert seen["largest"] == ak.max(ours.nTkEleL2)
