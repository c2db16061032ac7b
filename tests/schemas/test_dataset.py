"""Datasets in Python: what `open_dataset` gives, and what other readers see in the same folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import duckdb
import numpy as np
import polars
import pyarrow.dataset
import pyarrow.parquet
import pytest
import uproot
from msgspec.structs import replace

import schemas
from schemas import Dataset, open_dataset
from schemas.errors import DatasetError, UsageError
from schemas.pages import footer_digest


@pytest.fixture(scope="module")
def opened(dataset: Path) -> Dataset:
    return open_dataset(dataset)


@pytest.fixture(scope="module")
def arrays(opened: Dataset) -> ak.Array:
    return opened.arrays()


@pytest.fixture(scope="module")
def two_samples(
    ntuples: list[Path], tmp_path_factory: pytest.TempPathFactory, skim: Callable
) -> Dataset:
    """A dataset of two samples, one file each, with a few fields."""
    folder = tmp_path_factory.mktemp("two")
    config = folder / "two.yaml"
    config.write_text("""
schema: fastpuppi
keep: {TkEleL2: [pt, eta, hwQual, tkIso, pfIso], event: [run, event], genMet: all}
storage: {partition_events: 100}
""")
    given = ["--files", f"a={ntuples[0]}", "--files", f"b={ntuples[1]}"]
    result = skim("run", config, "-o", folder / "out", *given)
    assert result.exit_code == 0, result.output
    return open_dataset(folder / "out")


@pytest.fixture
def empty(tmp_path: Path, skim: Callable) -> Dataset:
    """A dataset without partitions."""
    from skim.sample import write_sample

    [path] = write_sample(tmp_path / "few", "doubleele", events=2, files=1, seed=1)
    (tmp_path / "all.yaml").write_text("{schema: fastpuppi, keep: {TkEleL2: all, event: run}}")
    result = skim("run", tmp_path / "all.yaml", "-o", tmp_path / "out", "--files", f"none={path}")
    assert result.exit_code == 0, result.output
    manifest = replace(open_dataset(tmp_path / "out").manifest, samples={})
    (tmp_path / "out" / "manifest.json").write_text(manifest.to_json())
    return open_dataset(tmp_path / "out")


def test_the_public_names_of_the_package_are_these() -> None:
    assert schemas.__all__ == ["Dataset", "open_dataset"]


def test_samples_and_collections_are_known_without_reading(two_samples: Dataset) -> None:
    assert {name: s.events_read for name, s in two_samples.samples.items()} == {"a": 150, "b": 150}
    kinds = {name: c.kind for name, c in two_samples.collections.items()}
    assert kinds == {"event": "event", "TkEleL2": "list", "genMet": "singleton"}
    pt = two_samples.collections["TkEleL2"].fields["pt"]
    assert (pt.type, pt.unit) == ("float32", "GeV")


def test_arrays_have_no_missing_values(arrays: ak.Array) -> None:
    assert "?" not in str(arrays.type)
    assert "option" not in str(arrays.type)
    assert len(arrays) == 300


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["TkEleL2"], {"TkEleL2": ["pt", "eta", "hwQual", "tkIso", "pfIso"]}),
        (["TkEleL2.pt", "TkEleL2.eta"], {"TkEleL2": ["pt", "eta"]}),
        (["TkEleL2.*Iso"], {"TkEleL2": ["tkIso", "pfIso"]}),
        (["genMet.pt", "run"], {"genMet_pt": [], "run": []}),
        (["genMet"], {"genMet_pt": [], "genMet_phi": []}),
        (["*.pt"], {"TkEleL2": ["pt"], "genMet_pt": []}),
        (["TkEleL2.pt", "TkEle*.pt", "TkEleL2.pt"], {"TkEleL2": ["pt"]}),
        ([], {}),
    ],
)
def test_columns_are_chosen_by_name_or_pattern(
    columns: list[str], found: dict[str, list[str]], two_samples: Dataset
) -> None:
    arrays = two_samples.arrays(columns)
    assert {name: arrays[name].fields for name in arrays.fields} == found
    assert len(arrays) == 300


def test_chosen_columns_have_the_values_they_have_among_all(
    opened: Dataset, arrays: ak.Array
) -> None:
    chosen = opened.arrays(["TkEleL2.pt", "TkEleL2.hwQual", "genMet.pt"])
    assert ak.array_equal(chosen.TkEleL2, arrays.TkEleL2[["pt", "hwQual"]])
    assert ak.array_equal(chosen.genMet_pt, arrays.genMet_pt)


def test_the_event_number_can_be_chosen_alone(opened: Dataset) -> None:
    assert opened.arrays(["event"]).fields == ["event"]


def test_one_sample_is_that_sample(two_samples: Dataset, ntuples: list[Path]) -> None:
    for name, path in zip("ab", ntuples, strict=True):
        event = uproot.open(path)["Events"]["event"].array()
        assert ak.array_equal(two_samples.arrays(["event"], sample=name)["event"], event)


@pytest.mark.parametrize("method", ["arrays", "lazy"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"columns": ["TkEleL2.tkiso"]}, "no column 'TkEleL2.tkiso'; did you mean 'TkEleL2.tkIso'"),
        ({"columns": ["TkEle"]}, "no column 'TkEle'; did you mean 'TkEleL2'"),
        ({"columns": ["rum"]}, "no column 'rum'; did you mean 'run'"),
        ({"sample": "c"}, "no sample 'c'; valid names: a, b"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(
    method: str, arguments: dict, said: str, two_samples: Dataset
) -> None:
    if method == "lazy":
        pytest.importorskip("dask_awkward")
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        getattr(two_samples, method)(**arguments)


@pytest.mark.parametrize("name", ["datasett", ""])
def test_a_folder_that_is_no_dataset_is_refused(name: str, dataset: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'dataset'" if name else "no manifest"):
        open_dataset(dataset.parent / name)


# What other readers see ---------------------------------------------------------------------


def flat(arrays: ak.Array) -> dict[str, list]:
    """Return the counts of each collection and the bits of each column, by dotted name."""
    found: dict[str, list] = {}
    for column in sorted(arrays.fields):
        values = arrays[column]
        if values.ndim == 1:
            found[column] = [str(values.type), ak.to_numpy(values).tobytes()]
            continue
        found[column] = ak.to_list(ak.num(values))
        for field in sorted(values.fields):
            inner = ak.to_numpy(ak.flatten(values[field]))
            found[f"{column}.{field}"] = [str(inner.dtype), inner.tobytes()]
    return found


def from_arrow(table: pyarrow.Table) -> ak.Array:
    """Return an Arrow table of any reader, which may have made everything nullable."""
    if "sample" in table.column_names:  # from the name of the folder
        table = table.drop_columns(["sample"])
    return ak.drop_none(ak.from_arrow(table.cast(_plain(table.schema))))


def _plain(schema: pyarrow.Schema) -> pyarrow.Schema:
    """Give lists 32-bit offsets and no null anywhere, as the dataset has them."""

    def strict(kind: pyarrow.DataType) -> pyarrow.DataType:
        if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
            value = strict(kind.value_type)
            return pyarrow.list_(pyarrow.field("element", value, nullable=False))
        if pyarrow.types.is_struct(kind):
            return pyarrow.struct([pyarrow.field(f.name, f.type, nullable=False) for f in kind])
        return kind

    return pyarrow.schema([pyarrow.field(f.name, strict(f.type), nullable=False) for f in schema])


READERS: dict[str, Callable[[Path], ak.Array]] = {
    "awkward": lambda folder: ak.from_parquet(folder),
    "pyarrow": lambda folder: from_arrow(
        pyarrow.parquet.read_table(folder, ignore_prefixes=["manifest"])
    ),
    "pyarrow.dataset": lambda folder: from_arrow(
        pyarrow.dataset.dataset(folder, partitioning="hive", exclude_invalid_files=True).to_table()
    ),
    "polars": lambda folder: from_arrow(
        polars.scan_parquet(f"{folder}/**/*.parquet").collect().to_arrow()
    ),
    "duckdb": lambda folder: from_arrow(
        duckdb.read_parquet(f"{folder}/**/*.parquet")
        .order("filename, file_row_number")
        .to_arrow_table()
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_other_readers_see_the_same_values(reader: str, dataset: Path, arrays: ak.Array) -> None:
    assert flat(READERS[reader](dataset)) == flat(arrays)


def test_other_readers_see_the_sample_in_the_name_of_the_folder(two_samples: Dataset) -> None:
    rows = duckdb.read_parquet(f"{two_samples.path}/**/*.parquet", hive_partitioning=True)
    counted = rows.aggregate("sample, count(*)", "sample").fetchall()
    assert sorted(counted) == [("a", 150), ("b", 150)]


# Lazy arrays --------------------------------------------------------------------------------


def test_a_lazy_array_has_one_partition_each_and_the_same_values(
    opened: Dataset, arrays: ak.Array
) -> None:
    pytest.importorskip("dask_awkward")
    lazy = opened.lazy()
    assert lazy.npartitions == len(list(opened.partitions())) == 6
    assert len(lazy) == 300
    assert ak.array_equal(lazy.compute(scheduler="sync"), arrays, equal_nan=True)


def test_a_lazy_computation_is_that_on_the_arrays(opened: Dataset, arrays: ak.Array) -> None:
    pytest.importorskip("dask_awkward")
    lazy = opened.lazy(["TkEleL2.pt", "TkEleL2.eta"])
    found = ak.to_list(lazy.TkEleL2.pt[abs(lazy.TkEleL2.eta) < 1.5].compute(scheduler="threads"))
    assert found == ak.to_list(arrays.TkEleL2.pt[abs(arrays.TkEleL2.eta) < 1.5])


def test_a_lazy_array_of_one_sample(two_samples: Dataset) -> None:
    pytest.importorskip("dask_awkward")
    lazy = two_samples.lazy(["run", "event"], sample="b")
    expected = two_samples.arrays(["run", "event"], sample="b")
    assert lazy.npartitions == 2
    assert ak.array_equal(lazy.compute(scheduler="sync"), expected)


def test_a_lazy_array_of_no_partitions_is_empty(empty: Dataset) -> None:
    pytest.importorskip("dask_awkward")
    lazy = empty.lazy()
    assert len(lazy.compute(scheduler="sync")) == 0
    assert str(lazy.compute(scheduler="sync").type) == str(empty.arrays().type)


def test_a_lazy_array_of_partitions_without_events(
    ntuples: list[Path], tmp_path: Path, skim: Callable
) -> None:
    pytest.importorskip("dask_awkward")
    (tmp_path / "none.yaml").write_text(
        "{schema: fastpuppi, keep: {TkEleL2: pt}, events: count(TkEleL2) < 0}"
    )
    files = f"s={ntuples[0].parent}/*.root"
    assert (
        skim("run", tmp_path / "none.yaml", "-o", tmp_path / "out", "--files", files).exit_code == 0
    )
    lazy = open_dataset(tmp_path / "out").lazy()
    assert lazy.npartitions == 2
    assert str(lazy.compute(scheduler="sync").type) == "0 * {TkEleL2: var * {pt: float32}}"


# Damage -------------------------------------------------------------------------------------


@pytest.fixture
def broken(two_samples: Dataset, tmp_path: Path) -> tuple[Dataset, Path]:
    """A copy of the dataset to be damaged, and its first partition."""
    shutil.copytree(two_samples.path, tmp_path / "copy")
    copy = open_dataset(tmp_path / "copy")
    _, part = next(iter(copy.partitions()))
    return copy, tmp_path / "copy" / part.path


def flip(path: Path, column: str) -> None:
    """Change the last byte of a column's pages."""
    metadata = pyarrow.parquet.ParquetFile(path).metadata.row_group(0)
    chunks = [metadata.column(i) for i in range(metadata.num_columns)]
    [chunk] = [chunk for chunk in chunks if chunk.path_in_schema == column]
    first = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[first + chunk.total_compressed_size - 1] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize("method", ["arrays", "lazy"])
@pytest.mark.parametrize(
    "column", ["TkEleL2.list.element.pt", "run", "TkEleL2.list.element.hwQual"]
)
def test_a_flipped_bit_is_an_error_and_not_other_values(
    method: str, column: str, broken: tuple[Dataset, Path]
) -> None:
    if method == "lazy":
        pytest.importorskip("dask_awkward")
    dataset, path = broken
    flip(path, column)
    with pytest.raises(DatasetError, match=path.name):
        dataset.arrays() if method == "arrays" else dataset.lazy().compute(scheduler="sync")


@pytest.mark.parametrize("method", ["arrays", "lazy"])
def test_only_the_chosen_columns_are_read(
    method: str, broken: tuple[Dataset, Path], two_samples: Dataset
) -> None:
    if method == "lazy":
        pytest.importorskip("dask_awkward")
    dataset, path = broken
    flip(path, "TkEleL2.list.element.pt")  # which would be noticed
    found = getattr(dataset, method)(["TkEleL2.eta", "run"])
    found = found.compute(scheduler="sync") if method == "lazy" else found
    assert ak.array_equal(found, two_samples.arrays(["TkEleL2.eta", "run"]))


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_a_truncated_partition_is_an_error(share: float, broken: tuple[Dataset, Path]) -> None:
    dataset, path = broken
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DatasetError, match=path.name):
        dataset.arrays()


def test_a_missing_partition_is_an_error(broken: tuple[Dataset, Path]) -> None:
    dataset, path = broken
    path.unlink()
    with pytest.raises(DatasetError, match=path.name):
        dataset.arrays(["run"])


def read_replaced(dataset: Dataset, path: Path, columns: list[str]) -> None:
    """Read the first partition, whose file was replaced by one that the manifest says is right."""
    _, part = next(iter(dataset.partitions()))
    part = replace(part, footer=footer_digest(str(path)))
    dataset.read(part, dataset.select(columns))


def test_another_file_in_the_place_of_a_partition_is_an_error(
    broken: tuple[Dataset, Path],
) -> None:
    dataset, path = broken
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path), path)
    with pytest.raises(DatasetError, match=rf"{path.name}: .* footer is not as it was written"):
        dataset.arrays(["run"])


def test_a_partition_with_other_rows_than_the_manifest_says_is_an_error(
    broken: tuple[Dataset, Path],
) -> None:
    dataset, path = broken
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(1), path)
    with pytest.raises(DatasetError, match=rf"{path.name}: 74 events, and the manifest says 75"):
        read_replaced(dataset, path, ["run"])


def test_a_partition_without_a_column_of_the_manifest_is_an_error(
    broken: tuple[Dataset, Path],
) -> None:
    dataset, path = broken
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).drop_columns(["run"]), path)
    with pytest.raises(DatasetError, match=rf"{path.name}: has no column run"):
        read_replaced(dataset, path, ["run", "event"])


def test_a_column_of_another_type_than_the_manifest_says_is_an_error(
    broken: tuple[Dataset, Path],
) -> None:
    dataset, path = broken
    table = pyarrow.parquet.read_table(path)
    position = table.column_names.index("run")
    narrow = pyarrow.field("run", pyarrow.int64(), nullable=False)
    wrong = table.set_column(position, narrow, table["run"].cast(pyarrow.int64()))
    pyarrow.parquet.write_table(wrong, path)
    with pytest.raises(DatasetError, match=rf"{path.name}: run is int64, and the manifest says"):
        read_replaced(dataset, path, ["run"])


def test_any_flipped_byte_gives_the_same_values_or_an_error(broken: tuple[Dataset, Path]) -> None:
    dataset, path = broken
    columns = ["TkEleL2.pt", "run", "genMet.pt"]
    good = dataset.arrays(columns)
    whole = path.read_bytes()
    noticed = 0
    for place in np.random.default_rng(1).integers(0, len(whole), 200):
        content = bytearray(whole)
        content[place] ^= 0xFF
        path.write_bytes(content)
        try:
            assert ak.array_equal(dataset.arrays(columns), good)
        except DatasetError:
            noticed += 1
    assert noticed > 50
