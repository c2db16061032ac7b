"""`skim verify`: silent on what is right, and naming whatever is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from runtime.files import digest_file
from runtime.scheduler import Scheduler
from schemas import open_dataset
from schemas.errors import DatasetError
from schemas.events import Events
from schemas.manifest import seal
from schemas.pages import footer_digest
from skim.sample import write_sample
from skim.verify import choose, verify
from skim.write import content_digest

CONFIG = """
schema: fastpuppi
keep:
  event: [run, event]
  TkEleL2: [pt, eta, charge, hwQual, tkIso]
  GenEl: [pt]
  L1PuppiMet: pt
storage: {partition_events: 20}
"""

Skim = Callable[..., Any]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, skim: Skim) -> Path:
    """A folder with ``ntuples``, and the ``dataset`` of six partitions made of them."""
    folder = tmp_path_factory.mktemp("made")
    write_sample(folder / "ntuples", "doubleele", events=120, files=2, seed=3)
    (folder / "skim.yaml").write_text(CONFIG)
    files = f"ele={folder}/ntuples/*.root"
    done = skim("run", folder / "skim.yaml", "-o", folder / "dataset", "--files", files)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of the dataset, to be damaged."""
    return Path(shutil.copytree(made / "dataset", tmp_path / "copy"))


def partitions(dataset: Path) -> list[Path]:
    return [dataset / part.path for _, part in open_dataset(dataset).partitions()]


def edit(dataset: Path, change: Change) -> None:
    """Change a manifest, and give it the digest that fits."""
    data = json.loads((dataset / "manifest.json").read_text())
    del data["digest"]
    change(data)
    (dataset / "manifest.json").write_text(seal(data))


def found(dataset: Path, **options: Any) -> list[str]:
    report = verify(open_dataset(dataset), scheduler=Scheduler(workers=1), **options)
    assert report.is_right == all(finding.severity != "error" for finding in report.findings)
    return [finding.text for finding in report.findings]


# -- what is right --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [(), ("--source",), ("--source", "--scheduler", "processes"), ("--sample-fraction", "0.1")],
)
def test_a_dataset_as_it_was_written_is_right(
    options: tuple[str, ...], made: Path, skim: Skim
) -> None:
    done = skim("verify", made / "dataset", *options, "--workers", 2)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "no errors"


def test_json_says_what_was_checked(made: Path, skim: Skim) -> None:
    done = skim("verify", made / "dataset", "--source", "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert (said["is_right"], said["findings"]) == (True, [])
    sample = said["samples"]["ele"]
    assert (sample["sources"], sample["partitions"], sample["checked"]) == (2, 6, 6)
    assert sample["events"] == 120
    assert sample["bytes"] == sum(path.stat().st_size for path in partitions(made / "dataset"))


@pytest.mark.parametrize(
    "keys",
    [
        {"objects": {"TkEleL2": "pt > 10"}, "events": "count(TkEleL2) > 1", "weight": "GenEl.pt"},
        {"define": {"TkEleL2": {"twice": "2 * pt"}, "event": {"n": "count(TkEleL2)"}}},
        {"storage": {"narrow": {"TkEleL2.pt": "8 bits", "TkEleL2.charge": "int8"}}},
    ],
    ids=["cuts", "defined fields", "narrow types"],
)
def test_every_reduction_can_be_made_again(
    keys: dict[str, Any], made: Path, make_dataset: Skim
) -> None:
    if "weight" in keys:
        keys = {**keys, "weight": "1 + sum(GenEl.pt)"}
    files = sorted((made / "ntuples").glob("*.root"))
    kept = {"TkEleL2": ["pt", "eta", "charge"], "event": ["event"]}
    keys["storage"] = {"partition_events": 25} | keys.get("storage", {})
    dataset = make_dataset(files, keep=kept, **keys)
    assert found(Path(dataset.path), source=True) == []


def test_files_that_differ_are_made_to_fit_again(tmp_path: Path, make_dataset: Skim) -> None:
    for number, kind in enumerate(("int32", "int64")):
        with uproot.recreate(tmp_path / f"{number}.root") as file:
            branches = {"a": kind} | ({"b": "float32"} if number else {})
            file.mktree("Events", branches)
            file["Events"].extend({name: np.arange(3, dtype=branches[name]) for name in branches})
    files = [tmp_path / "0.root", tmp_path / "1.root"]
    keys = {"keep": {"event": "all"}, "drift": {"fill": {"b": 7}, "widen": ["a"]}}
    dataset = make_dataset(files, **keys)
    assert found(Path(dataset.path), source=True) == []
    # the first file alone has another type, and lacks a field
    assert found(Path(dataset.path), source=True, fraction=0.1) == []


def test_lists_inside_objects_are_compared(shared: Path, make_dataset: Skim) -> None:
    files = [shared / "hgcal_ntuple_0.root"]
    dataset = make_dataset(files, schema="hgcal", keep={"cl3d": ["pt", "clusters_id"]})
    assert found(Path(dataset.path), source=True) == []


@pytest.mark.parametrize("limit", [1, 30, 60, 75, 1000])
def test_the_first_events_of_a_sample_are_right(limit: int, made: Path, make_dataset: Skim) -> None:
    files = sorted((made / "ntuples").glob("*.root"))
    kept = {"keep": {"event": ["event"]}}
    dataset = make_dataset(files, "--events", limit, **kept)
    assert found(Path(dataset.path), source=True) == []


def test_a_schema_file_is_named_again(made: Path, tmp_path: Path, skim: Skim) -> None:
    (tmp_path / "own.yaml").write_text("{name: own, tree: Events}\n")
    (tmp_path / "skim.yaml").write_text("{schema: own.yaml, keep: {TkEleL2: pt}}\n")
    files = f"ele={made}/ntuples/*.root"
    done = skim("run", tmp_path / "skim.yaml", "-o", tmp_path / "out", "--files", files)
    assert done.exit_code == 0, done.output
    done = skim("verify", tmp_path / "out", "--source")
    assert done.exit_code == 2
    assert "made with a schema file, 'own.yaml'; give it with --schema" in done.stderr
    done = skim("verify", tmp_path / "out", "--source", "--schema", tmp_path / "own.yaml")
    assert done.exit_code == 0, done.output


# -- damaged partitions ---------------------------------------------------------------------------


def regions(content: bytes, path: Path) -> dict[str, list[int]]:
    """Return some places in each part of a Parquet file."""
    metadata = pq.read_metadata(path)
    chunks = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    starts = [c.dictionary_page_offset or c.data_page_offset for c in chunks]
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return {
        "first magic": [0, 1, 2, 3],
        "page headers": [start + k for start in starts for k in range(0, 40, 3)],
        "page data": [s + c.total_compressed_size - 1 for s, c in zip(starts, chunks, strict=True)],
        "footer": list(range(footer, len(content) - 8, 29)),
        "statistics": [content.index(np.uint32(c.statistics.max).tobytes(), footer)
                       for c in chunks if c.path_in_schema == "run"],
        "footer length": list(range(len(content) - 8, len(content) - 4)),
        "last magic": list(range(len(content) - 4, len(content))),
    }  # fmt: skip


def test_any_changed_byte_of_a_partition_is_found(copy: Path) -> None:
    path = partitions(copy)[0]
    content = path.read_bytes()
    random = np.random.default_rng(6)
    places = regions(content, path)
    assert all(places.values())
    places["random"] = random.integers(0, len(content), 200).tolist()
    for region, chosen in places.items():
        for place in chosen:
            damaged = bytearray(content)
            damaged[place] ^= int(random.integers(1, 256))
            path.write_bytes(damaged)
            problems = found(copy)
            assert any("the checksum differs" in text for text in problems), (region, place)
            assert all(text.startswith(str(path)) for text in problems)


def test_any_changed_byte_of_a_page_is_an_error_or_changes_no_value(copy: Path) -> None:
    path = partitions(copy)[0]
    content = path.read_bytes()
    dataset = open_dataset(copy)
    part = next(part for _, part in dataset.partitions())
    columns = dataset.select(["TkEleL2", "event"])
    good = dataset.to_awkward(dataset.read(part, columns), columns)
    read = [f"TkEleL2.list.element.{f}" for f in dataset.collections["TkEleL2"].fields] + ["event"]
    metadata = pq.read_metadata(path)
    chunks = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    random, noticed = np.random.default_rng(7), 0
    for chunk in chunks:
        if chunk.path_in_schema not in read:
            continue
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        for place in range(start, start + chunk.total_compressed_size):
            damaged = bytearray(content)
            damaged[place] ^= int(random.integers(1, 256))
            path.write_bytes(damaged)
            try:
                found = dataset.to_awkward(dataset.read(part, columns), columns)
                assert ak.array_equal(found, good), place
            except DatasetError:
                noticed += 1
    assert noticed > 500


def test_a_page_that_claims_another_encoding_is_an_error(copy: Path) -> None:
    # of one size in both encodings, and outside of what the page's checksum covers: Arrow itself
    # gives other numbers without a word
    path = next(p for p in partitions(copy) if _encoding(p, "L1PuppiMet_pt") is not None)
    place = _encoding(path, "L1PuppiMet_pt")
    assert place is not None
    content = bytearray(path.read_bytes())
    content[place] = 0  # PLAIN
    good = pq.read_table(path, columns=["L1PuppiMet_pt"])
    path.write_bytes(content)
    other = pq.ParquetFile(path, page_checksum_verification=True).read(columns=["L1PuppiMet_pt"])
    assert not other.equals(good)
    with pytest.raises(DatasetError, match=r"L1PuppiMet_pt is damaged: .* another encoding"):
        open_dataset(copy).arrays(["L1PuppiMet.pt"])


def _encoding(path: Path, column: str) -> int | None:
    """Return where the header of a column's first page says BYTE_STREAM_SPLIT, if it does."""
    metadata = pq.read_metadata(path)
    chunks = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    [chunk] = [c for c in chunks if c.path_in_schema == column]
    # fields 1 and 2 of a structure: number of values (20, in one byte) and encoding 9
    place = path.read_bytes().find(b"\x15\x28\x15\x12", chunk.data_page_offset)
    return None if chunk.has_dictionary_page or place < 0 else place + 3


def test_files_that_are_missing_or_cut_or_no_files_are_named(copy: Path) -> None:
    paths = partitions(copy)
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    paths[2].unlink()
    os.mkfifo(paths[2])
    paths[3].write_bytes(b"")
    paths[4].unlink()
    paths[4].mkdir()
    said = found(copy)
    for path in (paths[0], paths[2], paths[4]):
        assert f"{path}: is missing, or not a file" in said
    for path in (paths[1], paths[3]):
        assert any(text.startswith(f"{path}: does not have the ") for text in said)
    assert not any(str(paths[5]) in text for text in said)


def test_all_that_is_wrong_is_said_and_the_exit_code_is_one(copy: Path, skim: Skim) -> None:
    first, second, *_ = partitions(copy)
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    (copy / "sample=ele" / "part-00009-00000000.parquet").write_bytes(contents[0])
    done = skim("verify", copy)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith(f"error: {first}: ") for line in lines)
    assert any(line.startswith(f"error: {second}: ") for line in lines)
    left = copy / "sample=ele" / "part-00009-00000000.parquet"
    assert f"warning: {left}: is not part of the dataset" in lines
    assert lines[-1] == f"{sum(line.startswith('error: ') for line in lines)} errors, 1 warnings"


def test_what_lies_about_is_a_warning(copy: Path, skim: Skim) -> None:
    (copy / "notes.txt").write_text("mine")
    done = skim("verify", copy)
    assert done.exit_code == 0
    assert f"warning: {copy / 'notes.txt'}: is not part of the dataset" in done.stdout
    assert done.stdout.endswith("no errors, 1 warnings\n")


def test_a_damaged_manifest_is_an_error(copy: Path, skim: Skim) -> None:
    path = copy / "manifest.json"
    path.write_text(path.read_text().replace('"events_kept": 20', '"events_kept": 19', 1))
    for command in (("verify", copy), ("verify", copy, "--source"), ("info", copy)):
        done = skim(*command)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "it is not as it was written" in done.stderr


# -- a manifest that contradicts itself -----------------------------------------------------------


def first(data: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = data["samples"]["ele"]["partitions"][0]
    return part


def repeat(data: dict[str, Any]) -> None:
    data["samples"]["ele"]["partitions"].append(first(data))


def drop(data: dict[str, Any]) -> None:
    del data["samples"]["ele"]["partitions"][1]


def drop_last(data: dict[str, Any]) -> None:
    del data["samples"]["ele"]["partitions"][-1]


def limit(data: dict[str, Any]) -> None:
    data["configuration"]["events_per_sample"] = 100


def skip(data: dict[str, Any]) -> None:
    url = data["samples"]["ele"]["sources"][0]["url"]
    data["samples"]["ele"]["skipped"].append({"url": url, "cause": "x"})


CONTRADICTIONS: dict[str, tuple[Change, str]] = {
    "a partition twice": (repeat, "part-00000-.* is listed more than once"),
    "entries twice": (repeat, "entries from 0 are in two partitions"),
    "a partition less": (drop, "entries 20 to 40 are missing"),
    "the last partition less": (drop_last, "entries 40 to 60 are missing"),
    "another limit": (limit, "120 entries are covered, and --events 100 of 120 is 100"),
    "another configuration": (limit, "the hash of the configuration is another"),
    "another sum of weights": (
        lambda data: first(data).update(sum_of_weights=19.0), "the sum of weights is not the num",
    ),
    "skipped and not": (skip, "is listed more than once"),
    "another size": (lambda data: first(data).update(bytes=7), "does not have the 7 bytes"),
    "another digest": (lambda data: first(data).update(content="00"), "the digest differs"),
    "another column": (
        lambda data: data["schema"]["collections"]["event"]["fields"].pop("run"), "has the columns",
    ),
    "fewer events": (lambda data: first(data).update(events_kept=19), "20 events, and the man"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_manifest_that_contradicts_itself_or_its_files_is_wrong(name: str, copy: Path) -> None:
    change, said = CONTRADICTIONS[name]
    edit(copy, change)
    texts = found(copy)
    assert any(re.search(said, text) for text in texts), texts


# -- against the ntuples --------------------------------------------------------------------------


def write_ntuple(path: Path, **changes: Any) -> None:
    """Write an ntuple of five events."""
    electrons = {"pt": [[1.5, 2.5], [], [3.5], [4.5, 5.5, 6.5], [7.5]]}
    run = {"run": [1, 1, 1, 2, 2]}
    for name, (event, value) in changes.items():
        (run if name == "run" else electrons)[name][event] = value
    with uproot.recreate(path) as file:
        file.mktree("Events", {"TkEleL2": "var * {pt: float32}", "run": "uint32"})
        zipped = ak.values_astype(ak.zip(electrons), np.float32)
        file["Events"].extend({"TkEleL2": zipped, "run": np.array(run["run"], np.uint32)})


@pytest.fixture
def small(tmp_path: Path, make_dataset: Skim) -> Path:
    """A dataset of two partitions, and its ntuple ``small.root``."""
    write_ntuple(tmp_path / "small.root")
    keys = {"keep": {"TkEleL2": ["pt"], "event": ["run"]}, "storage": {"partition_events": 3}}
    return Path(make_dataset([tmp_path / "small.root"], **keys).path)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a value": (
        {"pt": (3, [4.5, 5.25, 6.5])},
        "TkEleL2.pt of entry 3 of {url}, object 1: 5.5 stored, 5.25 from the ntuple",
    ),
    "a number of objects": (
        {"pt": (3, [4.5, 5.5])},
        "number of TkEleL2 of entry 3 of {url}: 3 stored, 2 from the ntuple",
    ),
    "a value of the event": (
        {"run": (4, 3)},
        "run of entry 4 of {url}: 2 stored, 3 from the ntuple",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_value_that_differs_is_named_with_its_place(
    name: str, small: Path, tmp_path: Path
) -> None:
    changes, said = CHANGES[name]
    url = tmp_path / "small.root"
    write_ntuple(url, **changes)
    assert found(small) == []
    _, second = partitions(small)
    assert f"{second}: sample sample: {said.format(url=url)}" in found(small, source=True)


def test_values_that_were_written_wrong_are_found_with_the_source_only(
    small: Path, tmp_path: Path
) -> None:
    # everything that the dataset says of itself is changed alike, as a wrong skim would have it
    dataset = open_dataset(small)
    part = next(part for _, part in dataset.partitions())
    events = dataset.read(part, dataset.select())
    columns = {"run": np.array([1, 9, 1], np.uint32)}
    wrong = content_digest(Events(3, events.collections, columns), dataset.schema)
    path = small / part.path
    table = pq.read_table(path)
    place = table.column_names.index("run")
    run = pa.array(columns["run"])
    pq.write_table(
        table.set_column(place, table.schema.field(place), run), path, write_page_checksum=True
    )

    def change(data: dict[str, Any]) -> None:
        data["samples"]["sample"]["partitions"][0].update(
            bytes=path.stat().st_size, checksum=digest_file(path), content=wrong,
            footer=footer_digest(str(path)),
        )  # fmt: skip

    edit(small, change)
    assert found(small) == []
    url = tmp_path / "small.root"
    assert found(small, source=True) == [
        f"{path}: sample sample: run of entry 1 of {url}: 9 stored, 1 from the ntuple"
    ]


def test_a_source_that_has_changed_or_is_gone_is_named(small: Path, tmp_path: Path) -> None:
    url = tmp_path / "small.root"
    write_ntuple(url)  # the same values with another UUID
    [said] = found(small, source=True)
    assert said.startswith(f"{url}: has changed: uuid was ")
    url.write_bytes(b"")
    [said] = found(small, source=True)
    assert said.startswith(f"{url}: cannot be opened as a ROOT file")
    url.unlink()
    [said] = found(small, source=True)
    assert said.startswith(f"{url}: cannot be opened as a ROOT file")


def test_a_source_without_a_column_is_named(small: Path, tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "small.root") as file:
        file.mktree("Events", {"run": "uint32"})
        file["Events"].extend({"run": np.zeros(5, np.uint32)})
    said = found(small, source=True)
    assert any("its configuration does not fit its files" in text for text in said)


@pytest.mark.parametrize("url", ["simplecache::https://localhost/a.root", "a.root", "../a.root"])
def test_only_plain_urls_are_opened(url: str, small: Path) -> None:
    edit(small, lambda data: data["samples"]["sample"]["sources"][0].update(url=url))
    [said] = found(small, source=True)
    assert said.endswith(f"{url!r} is neither an absolute path nor a plain URL")


# -- a share of the partitions --------------------------------------------------------------------


def test_a_share_of_each_sample_is_read(copy: Path) -> None:
    paths = partitions(copy)
    read = []
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(b"")
        if found(copy, fraction=0.5):
            read.append(path)
        path.write_bytes(content)
    assert read == [paths[1], paths[3], paths[5]]


@pytest.mark.parametrize("number", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("fraction", [1e-9, 0.1, 0.34, 0.999, 1.0])
def test_a_share_has_no_partition_twice(number: int, fraction: float) -> None:
    chosen = choose(range(number), fraction)  # type: ignore[arg-type]  # any sequence will do
    assert len(set(chosen)) == len(chosen) == min(number, max(1, -int(-fraction * number // 1)))
    assert all(0 <= index < number for index in chosen)


def test_a_share_is_above_zero(made: Path, skim: Skim) -> None:
    assert skim("verify", made / "dataset", "--sample-fraction", "0").exit_code == 2
    assert skim("verify", made / "dataset", "--schema", "x.yaml").exit_code == 2
