"""The configurations to start from, and the words of the formats, on the ntuples they are for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import pytest
from click.testing import CliRunner

from histo.cli import main as histo
from histo.load import read_histograms
from schemas import open_dataset
from schemas.ntuple import load_format
from schemas.probe import probe

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = {
    "l1nano": "l1nano_dy_0.root",
    "hgcal": "hgcal_ntuple_0.root",
    "l1ntuple": "l1ntuple_run3_0.root",
}


@pytest.mark.parametrize("name", FILES)
def test_an_example_keeps_a_small_part_of_every_collection_it_names(
    name: str, shared: Path, tmp_path: Path, skim: Callable
) -> None:
    file = shared / FILES[name]
    config = CONFIGS / "skim" / f"{name}.yaml"
    result = skim("run", config, "-o", tmp_path / name, "--files", f"s={file}")
    assert (result.exit_code, result.stderr) == (0, "")
    dataset = open_dataset(tmp_path / name)
    arrays = dataset.arrays()
    for collection, _ in dataset.schema.lists():
        assert ak.count(arrays[collection][arrays[collection].fields[0]]) > 0, collection
    kept = sum(part.bytes for _, part in dataset.partitions())
    assert 0 < kept < 0.25 * file.stat().st_size


def test_the_example_of_histograms_fills_all_of_them(
    shared: Path, tmp_path: Path, skim: Callable
) -> None:
    config = CONFIGS / "skim" / "l1nano.yaml"
    given = f"dy={shared / FILES['l1nano']}"
    assert skim("run", config, "-o", tmp_path / "nano", "--files", given).exit_code == 0
    output = tmp_path / "nano.json"
    command = ["run", str(CONFIGS / "histo" / "l1nano.yaml"), str(tmp_path / "nano")]
    result = CliRunner().invoke(histo, [*command, "-o", str(output)])
    assert result.exit_code == 0, result.output
    filled = read_histograms(output).histograms
    assert [name for name, one in filled.items() if not one.values().sum() > 0] == []


@pytest.mark.parametrize("name", FILES)
def test_a_format_says_what_collections_are_and_in_which_unit(name: str, shared: Path) -> None:
    schema = probe(str(shared / FILES[name]), load_format(name, Path())).layout.schema
    assert [name for name, c in schema.collections.items() if not c.doc and c.kind == "list"] == []
    for name, collection in schema.collections.items():
        for field, unit in {"pt": "GeV", "et": "GeV", "phi": "rad", "z0": "cm"}.items():
            if field in collection.fields:
                assert (name, collection.fields[field].unit) == (name, unit)
