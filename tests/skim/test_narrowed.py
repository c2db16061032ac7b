"""Datasets with narrower columns: their values, types and records, and what computes with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.narrow import round_mantissa

KEEP = {"TkEleL2": ["pt", "eta", "charge", "hwQual"], "genMet": ["pt", "phi"], "event": ["run"]}
NARROW = {"TkEleL2.hwQual": [0, 15], "*.charge": "int8", "genMet.*": "7 bits", "*.scaled": "6 bits"}
DEFINE = {"TkEleL2": {"scaled": "pt / 3"}}


def flat(array: ak.Array) -> np.ndarray:
    return ak.to_numpy(ak.flatten(array, axis=None))


def test_values_are_narrowed_and_all_else_is_as_before(
    ntuples: list[Path], make_dataset: Callable
) -> None:
    wide = make_dataset(ntuples, keep=KEEP, define=DEFINE).arrays()
    dataset = make_dataset(ntuples, keep=KEEP, define=DEFINE, storage={"narrow": NARROW})
    narrow = dataset.arrays()
    for field in ("pt", "eta", "charge", "hwQual"):
        assert ak.array_equal(narrow.TkEleL2[field], wide.TkEleL2[field], dtype_exact=False), field
    assert flat(narrow.TkEleL2.hwQual).dtype == np.uint8
    assert flat(narrow.TkEleL2.charge).dtype == np.int8
    assert flat(narrow.TkEleL2.pt).dtype == flat(narrow.genMet_pt).dtype == np.float32
    expected = round_mantissa(flat(wide.TkEleL2.scaled), 6)
    assert np.array_equal(flat(narrow.TkEleL2.scaled), expected)
    assert np.array_equal(flat(narrow.genMet_phi), round_mantissa(flat(wide.genMet_phi), 7))
    assert np.array_equal(narrow.run, wide.run)


def test_the_manifest_says_how_and_at_what_cost(
    ntuples: list[Path], make_dataset: Callable, skim: Callable
) -> None:
    wide = make_dataset(ntuples, keep=KEEP, define=DEFINE).arrays()
    storage = {"narrow": NARROW, "partition_events": 60}
    dataset = make_dataset(ntuples, keep=KEEP, define=DEFINE, storage=storage)
    fields = json.loads(Path(f"{dataset.path}/manifest.json").read_text())["schema"]["collections"]
    assert fields["TkEleL2"]["fields"]["hwQual"]["type"] == "uint8"
    assert fields["TkEleL2"]["fields"]["hwQual"]["narrowed_from"] == "int32"
    assert fields["TkEleL2"]["fields"]["scaled"]["mantissa_bits"] == 6
    assert "mantissa_bits" not in fields["TkEleL2"]["fields"]["pt"]

    record = dataset.samples["sample"]
    exact = flat(wide.TkEleL2.scaled).astype(float)
    made = np.abs(flat(dataset.arrays().TkEleL2.scaled).astype(float) - exact)
    assert record.errors["TkEleL2.scaled"].absolute == made.max()
    assert record.errors["TkEleL2.scaled"].relative == (made / exact).max() <= 2**-7
    parts = [part.errors["TkEleL2.scaled"].absolute for part in record.partitions]
    assert len(parts) == 6
    assert max(parts) == made.max()

    found = json.loads(skim("info", dataset.path, "--json").stdout)["narrowed"]
    assert found.keys() == {
        f"TkEleL2.{name}" for name in ("charge", "hwQual", "scaled")
    } | {"genMet.pt", "genMet.phi"}  # fmt: skip
    assert found["TkEleL2.scaled"] == {
        "from": "float32",
        "to": "float32, 6 bits",
        "absolute_error": made.max(),
        "relative_error": (made / exact).max(),
    }
    text = skim("info", dataset.path).stdout
    assert [line.split() for line in text.splitlines() if "TkEleL2.hwQual" in line] == [
        ["TkEleL2.hwQual", "int32", "uint8", "exact", "exact"]
    ]


def test_nothing_is_said_of_datasets_that_are_not_narrowed(dataset: Path, skim: Callable) -> None:
    assert json.loads(skim("info", dataset, "--json").stdout)["narrowed"] == {}
    assert "Narrowed" not in skim("info", dataset).stdout


def test_cuts_and_definitions_see_all_bits(ntuples: list[Path], make_dataset: Callable) -> None:
    keys = {
        "keep": KEEP,
        "define": {"TkEleL2": {"scaled": "pt / 3", "again": "scaled * 3"}},
        "objects": {"TkEleL2": "scaled > 5"},
        "events": "any(TkEleL2.scaled > 11)",
    }
    wide = make_dataset(ntuples, **keys)
    narrow = make_dataset(ntuples, **keys, storage={"narrow": {"TkEleL2.scaled": "1 bits"}})
    assert narrow.samples["sample"].events_kept == wide.samples["sample"].events_kept
    assert ak.array_equal(narrow.arrays(["TkEleL2.pt"]), wide.arrays(["TkEleL2.pt"]))
    assert ak.array_equal(narrow.arrays(["TkEleL2.again"]), wide.arrays(["TkEleL2.again"]))
    assert set(flat(narrow.arrays().TkEleL2.scaled)) < {
        2.0**n * m for n in range(9) for m in (2, 3)
    }


@pytest.mark.parametrize("events", [30, 1000])
def test_values_do_not_depend_on_the_partitions(
    events: int, ntuples: list[Path], make_dataset: Callable
) -> None:
    one, other = (
        make_dataset(ntuples, keep=KEEP, define=DEFINE,
                     storage={"narrow": NARROW, "partition_events": size})
        for size in (100, events)
    )  # fmt: skip
    assert ak.array_equal(one.arrays(), other.arrays())
    assert one.samples["sample"].errors == other.samples["sample"].errors


def test_types_are_the_same_in_all_partitions(ntuples: list[Path], make_dataset: Callable) -> None:
    storage = {"narrow": NARROW, "partition_events": 60}
    dataset = make_dataset(ntuples, keep=KEEP, define=DEFINE, storage=storage)
    schemas = [pq.read_schema(f"{dataset.path}/{part.path}") for _, part in dataset.partitions()]
    assert len(schemas) == 6
    assert all(schema == schemas[0] for schema in schemas)


def test_a_value_that_does_not_fit_is_named_with_file_and_entry(
    ntuples: list[Path], make_dataset: Callable, write_config: Callable, skim: Callable,
    tmp_path: Path,
) -> None:  # fmt: skip
    keep = {"event": "event", "TkEleL2": "pt"}
    arrays = make_dataset(ntuples[:1], keep=keep).arrays()
    entry = int(np.flatnonzero(ak.to_numpy(ak.any(arrays.TkEleL2.pt > 20, axis=1)))[50])
    config = write_config(
        keep=keep,
        define={
            "TkEleL2": {"code": f"where((event == {arrays.event[entry]}) & (pt > 20), 128, 0)"}
        },
        events="any(TkEleL2.pt > 20)",
        storage={"narrow": {"TkEleL2.code": "int8"}, "partition_events": 20},
    )
    result = skim("run", config, "--files", f"s={ntuples[0]}", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert f"{ntuples[0]}: entry {entry}: TkEleL2.code is 128, which cannot be" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_fewer_bits_take_less_room(ntuples: list[Path], make_dataset: Callable) -> None:
    keys = {"keep": {"event": "run"}, "define": {"GenEl": {"x": "pt * 1.1", "y": "eta * 1.1"}}}
    sizes = [
        make_dataset(ntuples, **keys, storage={"narrow": narrow}).samples["sample"].bytes
        for narrow in ({}, {"GenEl.*": "12 bits"}, {"GenEl.*": "5 bits"})
    ]
    assert sizes[0] > sizes[1] > sizes[2]


def test_another_width_is_another_configuration(
    ntuples: list[Path], write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    for bits, status in ((7, 0), (7, 0), (8, 2)):
        config = write_config(keep=KEEP, storage={"narrow": {"genMet.pt": f"{bits} bits"}})
        result = skim("run", config, "--files", f"s={ntuples[0]}", "-o", tmp_path / "out")
        assert result.exit_code == status
    assert "storage.narrow.genMet.pt was '7 bits' and is '8 bits'" in result.stderr
