"""Writes one small ntuple of each kind with real ROOT, into the folder that it is given.

In a process of its own, so that nothing of ROOT is loaded beside what is tested. The numbers are
random; among them are those that conversions lose first: NaN, infinities, -0, the ends of integers.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # the package of PyPI says of itself to be in alpha stage

import numpy as np  # noqa: E402
import ROOT  # noqa: E402

ENTRIES = 60
CLUSTER = 20
UNEVEN = 47  # the entry in which some ntuples contradict themselves

SINGLE = {"run": "uint32", "event": "uint64", "MET_pt": "float32", "MET_ok": "bool"}
FLAT = {
    "Ele": {"pt": "float32", "charge": "int32", "index": "int16", "isTight": "bool", "id": "uint8"},
    "Jet": {"pt": "float64", "flags": "uint16", "key": "int64", "seed": "int8", "word": "uint64"},
}
HGCAL = {
    "cl3d": {
        "id": "uint32",
        "pt": "float32",
        "quality": "int32",
        "ok": "bool",
        "clusters_id": "list[int32]",
        "layer_pt": "list[float32]",
    },
    "tc": {"id": "uint32", "x": "float32"},
}
L1 = {
    "EG": {"Et": "float32", "IEta": "int16", "Bx": "int16"},
    "Muon": {"Et": "float32", "Iso": "uint16"},
}
UPGRADE = r"""
namespace L1Analysis {
struct Event {
  unsigned int run; unsigned long long event; double puWeight;
  std::vector<std::string> hlt;
};
struct Upgrade {
  unsigned short nEGs, nMuons;
  std::vector<float> egEt, muonEt;
  std::vector<short> egIEta, egBx;
  std::vector<unsigned short> muonIso;
};
}
"""
CXX = {
    "bool": "bool", "float32": "float", "float64": "double",
    **{f"{u}int{n}": f"std::{u}int{n}_t" for u in ("", "u") for n in (8, 16, 32, 64)},
}  # fmt: skip
LEAF = {
    "bool": "O", "float32": "F", "float64": "D", "int8": "B", "uint8": "b", "int16": "S",
    "uint16": "s", "int32": "I", "uint32": "i", "int64": "L", "uint64": "l",
}  # fmt: skip
SIGNED = {"std::int32_t": "int", "std::uint32_t": "unsigned int"}

Columns = Mapping[str, str]
Event = dict[str, Any]


def draw(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    """Return some numbers of a type."""
    dtype = np.dtype(kind)
    if dtype.kind == "b":
        return rng.random(size) < 0.5
    if dtype.kind == "f":
        special = np.array([np.nan, np.inf, -np.inf, -0.0, np.finfo(dtype).max, 1e-40], dtype)
        chosen = rng.integers(0, 30, size)
        numbers = rng.normal(size=size).astype(dtype)
        return np.where(chosen < special.size, special[chosen % special.size], numbers)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, size, dtype=dtype, endpoint=True)


def events(
    seed: int, single: Columns, collections: Mapping[str, Columns], counter: str
) -> list[Event]:
    """Make the events of a tree, a fifth of them without any objects."""
    rng = np.random.default_rng(seed)
    made = []
    for entry in range(ENTRIES):
        event: Event = {name: draw(rng, kind, 1)[0] for name, kind in single.items()}
        for collection, fields in collections.items():
            size = int(rng.integers(entry == UNEVEN, 5))
            event[counter.format(collection)] = size
            for name, kind in fields.items():
                inner = kind.removeprefix("list[").removesuffix("]")
                event[f"{collection}_{name}"] = (
                    draw(rng, kind, size)
                    if inner == kind
                    else [draw(rng, inner, int(rng.integers(0, 4))) for _ in range(size)]
                )
        made.append(event)
    return made


def columns(
    single: Columns, collections: Mapping[str, Columns], counter: str
) -> dict[str, tuple[str, int]]:
    """Return type of the numbers and levels of lists of each column."""
    found = {name: (kind, 0) for name, kind in single.items()}
    for collection, fields in collections.items():
        found[counter.format(collection)] = "int32", 0
        for name, kind in fields.items():
            inner = kind.removeprefix("list[").removesuffix("]")
            found[f"{collection}_{name}"] = inner, 1 + (inner != kind)
    return found


def write_flat(path: Path) -> None:
    """Write arrays with counters, as NanoAOD has them, and arrays of fixed size beside."""
    file = ROOT.TFile(str(path), "RECREATE", "", 404)  # zstd
    tree = new_tree("Events")
    buffers: dict[str, np.ndarray] = {}

    def book(name: str, kind: str, shape: tuple[int, ...], leaf: str) -> None:
        buffers[name] = np.zeros(shape, kind)
        tree.Branch(name, buffers[name], f"{name}{leaf}/{LEAF[kind]}")

    for name, kind in SINGLE.items():
        book(name, kind, (1,), "")
    book("triple", "float32", (3,), "[3]")
    book("Beam_x", "float64", (2,), "[2]")
    for collection, fields in FLAT.items():
        book(f"n{collection}", "int32", (1,), "")
        for name, kind in fields.items():
            book(f"{collection}_{name}", kind, (8,), f"[n{collection}]")
        book(f"{collection}_cov", "float32", (8, 2), f"[n{collection}][2]")
    pair = np.zeros(2, "float32")
    tree.Branch("pair", pair, "one/F:two/F")  # no number: no column can hold it
    rng = np.random.default_rng(99)
    for event in events(1, SINGLE, FLAT, "n{}"):
        for name, buffer in buffers.items():
            if name in event:
                buffer[: np.size(event[name])] = event[name]
            else:
                buffer[...] = draw(rng, "float32", buffer.size).reshape(buffer.shape)
        tree.Fill()
    tree.Write()
    file.Close()


def new_tree(name: str) -> Any:
    """Make a tree of several clusters."""
    tree = ROOT.TTree(name, "")
    tree.SetAutoFlush(CLUSTER)
    return tree


def write_vectors(
    file: Any, place: str, known: Mapping[str, tuple[str, int]], made: Sequence[Event]
) -> None:
    """Write a tree with vectors, and vectors of vectors, in a folder."""
    folder, _, name = place.rpartition("/")
    file.mkdir(folder).cd()
    tree = new_tree(name)
    setters: dict[str, Callable[[Any], None]] = {}
    for column, (kind, depth) in known.items():
        if not depth:
            buffer = np.zeros(1, kind)
            tree.Branch(column, buffer, f"{column}/{LEAF[kind]}")
            setters[column] = lambda x, buffer=buffer: buffer.__setitem__(0, x)
            continue
        element = SIGNED.get(CXX[kind], CXX[kind])
        inner = ROOT.std.vector[element]
        vector = inner() if depth == 1 else ROOT.std.vector[f"std::vector<{element}>"]()
        tree.Branch(column, vector)
        setters[column] = lambda xs, vector=vector, make=inner, depth=depth: fill(
            vector, plain(xs) if depth == 1 else [make(plain(x)) for x in xs]
        )
    for event in made:
        for column, set_value in setters.items():
            set_value(event[column])
        tree.Fill()
    tree.Write()


def fill(vector: Any, values: Any) -> None:
    """Put values into a vector of C++."""
    vector.clear()
    for value in plain(values):
        vector.push_back(value)


def write_members(path: Path) -> None:
    """Write objects of one class in one tree."""
    ROOT.gInterpreter.Declare("struct Object { int k; std::vector<float> pt, eta; };")
    file = ROOT.TFile(str(path), "RECREATE")
    tree, objects = new_tree("Events"), {name: ROOT.Object() for name in ("mu", "el.", "tau")}
    for name, obj in objects.items():
        tree.Branch(name, "Object", obj, 32000, 99)
    for i in range(ENTRIES):
        for number, obj in enumerate(objects.values()):
            obj.k = 100 * number + i
            fill(obj.pt, [100.0 * number + j for j in range(i % 3)])
            fill(obj.eta, [100.5 * number + j for j in range(i % 3)])
        tree.Fill()
    tree.Write()
    file.Close()


def write_split(path: Path) -> None:
    """Write split objects in three trees of three folders."""
    ROOT.gInterpreter.Declare(UPGRADE)
    file = ROOT.TFile(str(path), "RECREATE", "", 404)
    file.mkdir("l1EventTree").cd()
    tree, event = new_tree("L1EventTree"), ROOT.L1Analysis.Event()
    tree.Branch("Event", "L1Analysis::Event", event, 32000, 3)
    rng = np.random.default_rng(3)
    for i in range(ENTRIES):
        event.run, event.event = int(draw(rng, "uint32", 1)[0]), int(draw(rng, "uint64", 1)[0])
        event.puWeight = float(draw(rng, "float64", 1)[0])
        event.hlt = ROOT.std.vector["std::string"](["HLT_A"] * (i % 3))
        tree.Fill()
    tree.Write()
    for seed, folder in ((4, "l1UpgradeTree"), (5, "l1UpgradeEmuTree")):
        file.mkdir(folder).cd()
        tree, upgrade = new_tree("L1UpgradeTree"), ROOT.L1Analysis.Upgrade()
        tree.Branch("L1Upgrade", "L1Analysis::Upgrade", upgrade, 32000, 3)
        for made in events(seed, {}, L1, "n{}s"):
            for name, value in made.items():
                if name.startswith("n"):
                    setattr(upgrade, name, value)
                else:
                    fill(getattr(upgrade, l1_name(*name.split("_"))), value)
            tree.Fill()
        tree.Write()
    file.Close()


@dataclass(frozen=True)
class Tuple:
    """An RNTuple to write."""

    place: str
    single: Columns
    collections: Mapping[str, Columns] = field(default_factory=dict)
    counter: str = ""
    name: Callable[[str, str], str] = "{}_{}".format
    uneven: str = ""


def write_tuples(path: Path, tuples: Sequence[Tuple]) -> None:
    """Write RNTuples, in folders or not."""
    file = ROOT.TFile(str(path), "RECREATE", "", 404)
    for seed, made in enumerate(tuples, 6):
        folder, _, name = made.place.rpartition("/")
        known = columns(made.single, made.collections, made.counter)
        names = {
            column: made.name(*column.split("_", 1)) if depth else column
            for column, (_, depth) in known.items()
        }
        model = ROOT.RNTupleModel.Create()
        for column, (kind, depth) in known.items():
            full = "std::vector<" * depth + CXX[kind] + ">" * depth
            model.MakeField[full](names[column])
        if made.single:
            model.MakeField["std::array<float,3>"]("triple")
            model.MakeField["std::string"]("note")
        directory = file.mkdir(folder) if folder else file
        with ROOT.RNTupleWriter.Append(model, name, directory) as writer:
            entry = writer.CreateEntry()
            drawn = events(seed, made.single, made.collections, made.counter)
            for i, event in enumerate(uneven(drawn, made.uneven)):
                if i in range(CLUSTER, ENTRIES, CLUSTER):
                    writer.CommitCluster()
                for column, value in event.items():
                    entry[names[column]] = plain(value)
                if made.single:
                    entry["triple"], entry["note"] = [i, i + 0.5, -i], "no number"
                writer.Fill(entry)
    file.Close()


def plain(value: Any) -> Any:
    """Return numbers and lists of Python."""
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def l1_name(collection: str, name: str) -> str:
    """Return how Run 3 ntuples call a field: ``egEt``."""
    return collection.lower() + name


def uneven(made: list[Event], column: str) -> list[Event]:
    """Leave one object out of a column, or count one too many, in a single entry."""
    if column:
        value = made[UNEVEN][column]
        made[UNEVEN][column] = value + 1 if isinstance(value, int) else value[:-1]
    return made


def write_uneven(folder: Path) -> None:
    """Write ntuples that contradict themselves in one entry."""
    place, known = "a/HGCalTriggerNtuple", columns(SINGLE, HGCAL, "{}_n")
    for name in ("cl3d_quality", "cl3d_clusters_id", "cl3d_n"):
        file = ROOT.TFile(str(folder / f"{name}.root"), "RECREATE")
        write_vectors(file, place, known, uneven(events(2, SINGLE, HGCAL, "{}_n"), name))
        file.Close()
        again = Tuple(place, SINGLE, HGCAL, "{}_n", uneven=name)
        write_tuples(folder / f"{name}_rntuple.root", [again])
    file = ROOT.TFile(str(folder / "nEGs.root"), "RECREATE")
    for seed, tree in ((4, "l1UpgradeTree/L1UpgradeTree"), (5, "l1UpgradeEmuTree/L1UpgradeTree")):
        made = uneven(events(seed, {}, L1, "n{}s"), "nEGs" if "Emu" in tree else "")
        named = {
            name: l1_name(*name.split("_")) if "_" in name else name
            for name in columns({}, L1, "n{}s")
        }
        write_vectors(
            file,
            tree,
            {named[name]: kind for name, kind in columns({}, L1, "n{}s").items()},
            [{named[name]: value for name, value in event.items()} for event in made],
        )
    file.Close()
    # arrays of one collection that have different counters
    file = ROOT.TFile(str(folder / "A_eta.root"), "RECREATE")
    tree = new_tree("Events")
    counters, values = np.zeros((2, 1), "int32"), np.zeros(8, "float32")
    tree.Branch("nA", counters[0], "nA/I")
    tree.Branch("nB", counters[1], "nB/I")
    tree.Branch("A_pt", values, "A_pt[nA]/F")
    tree.Branch("A_eta", values, "A_eta[nB]/F")
    for i in range(ENTRIES):
        counters[:] = i % 5
        counters[1] += i == UNEVEN
        tree.Fill()
    tree.Write()
    file.Close()


def main(folder: Path) -> None:
    """Write all of them."""
    write_flat(folder / "flat.root")
    file = ROOT.TFile(str(folder / "hgcal.root"), "RECREATE", "", 404)
    made = events(2, SINGLE, HGCAL, "{}_n")
    place = "hgcalTriggerNtuplizer/HGCalTriggerNtuple"
    write_vectors(file, place, columns(SINGLE, HGCAL, "{}_n"), made)
    file.Close()
    write_split(folder / "l1ntuple.root")
    write_members(folder / "members.root")
    write_tuples(folder / "flat_rntuple.root", [Tuple("Events", SINGLE, FLAT, "n{}")])
    place = "l1tHGCalTriggerNtuplizer/HGCalTriggerNtuple"
    write_tuples(folder / "hgcal_rntuple.root", [Tuple(place, SINGLE, HGCAL, "{}_n")])
    write_tuples(
        folder / "l1ntuple_rntuple.root",
        [
            Tuple("l1EventTree/L1EventTree", SINGLE),
            Tuple("l1UpgradeTree/L1UpgradeTree", {}, L1, "n{}s", l1_name),
            Tuple("l1UpgradeEmuTree/L1UpgradeTree", {}, L1, "n{}s", l1_name),
        ],
    )
    (folder / "uneven").mkdir()
    write_uneven(folder / "uneven")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
