"""How columns are encoded: by what they hold, never changing it, and smaller than others write."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from schemas.event_schema import Collection, EventSchema, Field
from schemas.events import Array, Events, Objects
from schemas.parquet import to_table
from schemas.skim_config import Storage
from skim.encode import choose_encoding, write_options
from skim.sample import write_sample

RANDOM = np.random.default_rng(3)
CONFIG = Path(__file__).parents[2] / "configs" / "skim" / "fastpuppi_eg.yaml"


def quantised(size: int) -> Array:
    """Numbers with a mantissa of 8 bits, as NanoAOD has them."""
    return (RANDOM.integers(256, 512, size) * 2.0 ** RANDOM.integers(-6, -2, size)).astype("f4")


@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        (np.full(5000, 7, np.uint32), "RLE_DICTIONARY"),
        (np.full(100, np.nan, np.float32), "RLE_DICTIONARY"),
        (RANDOM.integers(0, 16, 5000).astype("i4"), "RLE_DICTIONARY"),
        (np.sort(RANDOM.integers(0, 50, 5000)).astype("u4"), "RLE_DICTIONARY"),
        (np.arange(10_000_000_000, 10_000_005_000), "DELTA_BINARY_PACKED"),
        (RANDOM.integers(-(2**14), 2**14, 5000).astype("i2"), "DELTA_BINARY_PACKED"),
        (RANDOM.normal(size=5000).astype("f4"), "BYTE_STREAM_SPLIT"),
        (RANDOM.normal(size=5000), "BYTE_STREAM_SPLIT"),
        (np.repeat(RANDOM.normal(size=5000), 2), "PLAIN"),
        (RANDOM.normal(size=5000).astype("f2"), "PLAIN"),
        (np.float32([1.5]), "BYTE_STREAM_SPLIT"),
    ],
)
def test_a_column_is_encoded_by_what_it_holds(values: Array, encoding: str) -> None:
    assert choose_encoding(values) == encoding


def test_a_longer_column_shares_its_dictionary_among_more_values() -> None:
    values = quantised(100_000)
    assert choose_encoding(values[:2000]) == "BYTE_STREAM_SPLIT"
    assert choose_encoding(values) == "RLE_DICTIONARY"


SCHEMA = EventSchema(
    collections={
        "event": Collection(
            kind="event",
            fields={kind: Field(type=kind) for kind in ("int64", "uint64", "float64", "bool")},
        ),
        "A": Collection(
            kind="list",
            fields={
                kind: Field(type=kind)
                for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32")
            },
        ),
    }
)


def elements(kind: str) -> st.SearchStrategy[object]:
    dtype = np.dtype(kind)
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        special = st.sampled_from([ends.min, ends.max, 0, 1])
        return special | st.integers(int(ends.min), int(ends.max))
    return npst.from_dtype(dtype)  # NaN, infinities, -0.0 and subnormal numbers among them


@st.composite
def blocks(draw: st.DrawFn) -> Events:
    size = draw(st.integers(0, 12))
    counts = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    offsets = np.cumsum([0, *counts], dtype=np.int64)

    def fill(kind: str, length: int) -> Array:
        return draw(npst.arrays(kind, int(length), elements=elements(kind)))

    lists = {kind: fill(kind, offsets[-1]) for kind in SCHEMA.collections["A"].fields}
    columns = {kind: fill(kind, size) for kind in SCHEMA.collections["event"].fields}
    return Events(size, {"A": Objects(offsets, lists)}, columns)


@given(blocks())
def test_values_come_back_bit_by_bit(block: Events) -> None:
    options = write_options(block, SCHEMA, Storage(row_group_events=5))
    file = io.BytesIO()
    pq.write_table(to_table(block, SCHEMA), file, **options)
    found = pq.read_table(file)
    lists = found["A"].combine_chunks()
    assert lists.value_lengths().to_pylist() == block.collections["A"].counts.tolist()
    columns = {kind: found[kind] for kind in block.columns}
    columns |= {kind: lists.flatten().field(kind) for kind in SCHEMA.collections["A"].fields}
    for kind, column in columns.items():
        other = block.columns.get(kind, block.collections["A"].fields.get(kind))
        one = column.to_numpy() if kind in block.columns else column.to_numpy(zero_copy_only=False)
        assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes()), kind


def test_no_reader_meets_split_integers(dataset: Path) -> None:
    for path in dataset.glob("sample=*/*.parquet"):
        group = pq.ParquetFile(path).metadata.row_group(0)
        for column in map(group.column, range(group.num_columns)):
            split = "BYTE_STREAM_SPLIT" in column.encodings
            assert not split or column.physical_type in ("FLOAT", "DOUBLE"), column.path_in_schema


def test_row_groups_are_limited_in_bytes() -> None:
    schema = EventSchema(collections={"event": SCHEMA.collections["event"]})
    kinds = schema.collections["event"].fields
    block = Events(100, {}, {kind: np.zeros(100, kind) for kind in kinds})

    def size(**storage: object) -> int:
        return write_options(block, schema, Storage(**storage))["row_group_size"]

    assert size() == 50_000
    assert size(row_group_bytes=250) == 10
    assert size(row_group_bytes=1) == 1


# Against others ------------------------------------------------------------------------------


def size_of(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("larger")
    return [
        *write_sample(folder, "doubleele", events=2000, files=1, seed=2),
        *write_sample(folder, "minbias", events=2000, files=1, seed=2),
    ]


def compare(path: Path, folder: Path, skim: Callable) -> None:
    """Skim with the e/gamma menu's configuration, and write the same fields as others do."""
    result = skim("run", CONFIG, "--files", f"s={path}", "-o", folder / "ours")
    assert result.exit_code == 0, result.output
    ours = size_of(folder / "ours")
    assert ours <= 0.12 * path.stat().st_size
    with uproot.open(path) as file:
        tree = file["Events"]
        names = tree.keys()
        groups = {"GenEl": ["pt", "eta", "phi", "caloeta", "calophi", "prompt", "charge"],
                  "GenPh": ["pt", "eta", "phi", "caloeta", "calophi", "prompt"]}  # fmt: skip
        for name in ("TkEleL2", "TkEmL2", "EGStaEB", "EGStaEE"):
            groups[name] = [k.removeprefix(f"{name}_") for k in names if k.startswith(f"{name}_")]
        singles = ["run", "luminosityBlock", "event"]
        branches = singles + [f"{n}_{field}" for n, fields in groups.items() for field in fields]
        flat = tree.arrays(branches)
    objects = {
        name: ak.zip({field: flat[f"{name}_{field}"] for field in fields})
        for name, fields in groups.items()
    }
    zipped = ak.zip({name: flat[name] for name in singles} | objects, depth_limit=1)
    for name, array in (("flat", flat), ("zipped", zipped)):
        target = folder / f"{name}.parquet"
        ak.to_parquet(array, target, compression="zstd")
        assert ours < size_of(target), name
    dask_awkward = pytest.importorskip("dask_awkward")
    lazy = uproot.dask({str(path): "Events"}, filter_name=branches)
    dask_awkward.to_parquet(lazy, str(folder / "dask"), compression="zstd")
    assert ours < size_of(folder / "dask")


@pytest.mark.filterwarnings("ignore")  # of dask-awkward and of what it imports
@pytest.mark.parametrize("kind", ["doubleele", "minbias"])
def test_a_dataset_is_smaller_than_what_others_write(
    kind: str, inputs: list[Path], tmp_path: Path, skim: Callable
) -> None:
    [path] = [path for path in inputs if path.name.startswith(kind)]
    compare(path, tmp_path, skim)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["doubleele_0", "doubleele_1", "nugun_0"])
def test_so_is_one_of_files_that_root_wrote(
    name: str, shared: Path, tmp_path: Path, skim: Callable
) -> None:
    compare(shared / f"fastpuppi_{name}.root", tmp_path, skim)
