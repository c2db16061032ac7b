"""Both stages with ntuples and datasets on a server: the same as with local ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import awkward as ak
import pytest

from schemas import open_dataset
from schemas.errors import DatasetError, InputError, RemoteError, UsageError
from schemas.ntuple import load_format
from schemas.plain_file import open_plain
from schemas.probe import probe
from schemas.remote import RangeReader, prefetch_columns
from schemas.trees import Input, read_entries

if TYPE_CHECKING:
    from click.testing import Result

    from tests.remote.conftest import XRootD

Command = Callable[..., "Result"]

MENU = Path(__file__).parents[2] / "configs/histo/eg_rate_menu.yaml"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def samples(folder: Path) -> dict[str, object]:
    """Return what a manifest says of the samples, without where the files are."""
    found = json.loads((folder / "manifest.json").read_text())["samples"]
    for sample in found.values():
        for source in sample["sources"]:
            source["url"] = Path(source["url"]).name
            del source["modified"]
    return dict(found)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_remote_ntuples_give_the_same_dataset(
    shared_server: XRootD, everything: Path, dataset: Path, skim: Command, tmp_path: Path,
    scheduler: str,
) -> None:  # fmt: skip
    files = f"doubleele={shared_server.url('ntuples/*.root')}"
    output = tmp_path / "dataset"
    done = skim("run", everything, "-o", output, "--files", files, "--scheduler", scheduler)
    assert done.exit_code == 0, done.output
    assert contents(output) == contents(dataset)
    assert samples(output) == samples(dataset)


def test_plain_remote_ntuples_are_read_without_uproot(
    shared_server: XRootD, everything: Path, dataset: Path, skim: Command, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for module in ("schemas.probe", "schemas.trees"):
        monkeypatch.delattr(f"{module}.open_file")
    files = f"doubleele={shared_server.url('ntuples/*.root')}"
    done = skim("run", everything, "-o", tmp_path / "dataset", "--files", files)
    assert done.exit_code == 0, done.output
    assert contents(tmp_path / "dataset") == contents(dataset)


def test_a_remote_ntuple_is_described_by_three_requests(server: XRootD, shared: Path) -> None:
    path = shared / "fastpuppi_doubleele_0.root"
    server.put(path)
    with open_plain(server.url(path.name)) as remote, open_plain(str(path)) as local:
        assert remote.read("Events") == local.read("Events")
        assert (remote.uuid, remote.size) == (local.uuid, local.size)
        # opening it, its beginning and its end, its list of contents
        assert remote.file.requests == 3


def test_another_ntuple_in_the_place_of_one_is_not_read(
    server: XRootD, ntuples: list[Path]
) -> None:
    server.put(ntuples[0])
    url = server.url(ntuples[0].name)
    ntuple = probe(url, load_format("fastpuppi", Path()))
    layout = ntuple.layout
    source = Input(
        url, layout.branches, layout.schema, layout.counters,
        baskets=ntuple.baskets, uuid=ntuple.uuid,
    )  # fmt: skip
    assert read_entries(source, 0, 10).size == 10
    (server.data / ntuples[0].name).write_bytes(ntuples[1].read_bytes())
    with pytest.raises(InputError, match="is not the file that it was when the run began"):
        read_entries(source, 0, 10)


def test_a_remote_output_holds_the_same_as_a_local_one(
    server: XRootD, everything: Path, dataset: Path, ntuples: list[Path], skim: Command
) -> None:
    files = f"doubleele={ntuples[0].parent}/*.root"
    output = server.url("new/dataset")
    done = skim("run", everything, "-o", output, "--files", files)
    assert done.exit_code == 0, done.output
    assert contents(server.data / "new/dataset") == contents(dataset)
    assert samples(server.data / "new/dataset") == samples(dataset)
    left = {path.name for path in (server.data / "new/dataset").rglob("*") if path.is_file()}
    assert left == {"manifest.json"} | {Path(name).name for name in contents(dataset)}
    again = skim("run", everything, "-o", output, "--files", files)
    assert (again.exit_code, again.stdout) == (0, done.stdout)


def test_a_remote_output_takes_only_what_is_new(
    server: XRootD, everything: Path, dataset: Path, ntuples: list[Path], skim: Command
) -> None:
    output = server.url("dataset")
    for files in (ntuples[0], f"{ntuples[0].parent}/*.root"):
        done = skim("run", everything, "-o", output, "--files", f"doubleele={files}")
        assert done.exit_code == 0, done.output
    assert contents(server.data / "dataset") == contents(dataset)


def test_a_remote_output_of_another_configuration_is_refused(
    server: XRootD, everything: Path, ntuples: list[Path], skim: Command
) -> None:
    command = ["run", everything, "-o", server.url("d"), "--files", f"doubleele={ntuples[0]}"]
    assert skim(*command).exit_code == 0
    everything.write_text("schema: fastpuppi\nkeep: {GenEl: all}\n")
    refused = skim(*command)
    assert refused.exit_code == 2
    assert "another configuration" in refused.stderr


def test_a_remote_dataset_gives_the_same_histograms(
    shared_server: XRootD, dataset: Path, histo: Command, tmp_path: Path
) -> None:
    outputs = [tmp_path / "local.root", tmp_path / "remote.root"]
    for source, output in zip((dataset, shared_server.url("dataset")), outputs, strict=True):
        done = histo("run", MENU, source, "-o", output)
        assert done.exit_code == 0, done.output
    same = histo("diff", *outputs)
    assert (same.exit_code, same.stdout.endswith("no difference\n")) == (0, True), same.output


def test_remote_ntuples_give_the_same_histograms(
    shared_server: XRootD, everything: Path, dataset: Path, histo: Command, tmp_path: Path
) -> None:
    outputs = [tmp_path / "local.root", tmp_path / "remote.root"]
    assert histo("run", MENU, dataset, "-o", outputs[0]).exit_code == 0
    files = f"doubleele={shared_server.url('ntuples/*.root')}"
    command = ["run", MENU, "--ntuples", everything, "--files", files, "-o", outputs[1]]
    done = histo(*command)
    assert done.exit_code == 0, done.output
    assert histo("diff", *outputs).exit_code == 0


def test_a_remote_dataset_is_shown_and_opened(
    shared_server: XRootD, dataset: Path, skim: Command
) -> None:
    shown = [skim("info", where, "--json") for where in (dataset, shared_server.url("dataset"))]
    local, remote = (json.loads(result.stdout) for result in shown)
    assert remote.pop("path") == shared_server.url("dataset")
    local.pop("path")
    assert remote == local
    columns = ["TkEleL2", "run"]
    arrays = open_dataset(shared_server.url("dataset")).arrays(columns)
    assert ak.array_equal(arrays, open_dataset(dataset).arrays(columns))


def test_a_remote_ntuple_is_inspected(
    shared_server: XRootD, ntuples: list[Path], skim: Command
) -> None:
    local = skim("inspect", ntuples[0])
    remote = skim("inspect", shared_server.url(f"ntuples/{ntuples[0].name}"))
    assert remote.exit_code == 0
    assert remote.stdout == local.stdout


def test_only_the_chunks_of_the_columns_are_read(shared_server: XRootD, dataset: Path) -> None:
    import pyarrow.parquet as pq

    part = sorted(dataset.glob("sample=*/*.parquet"))[0]
    columns = ["TkEleL2.list.element.pt", "GenEl.list.element.eta"]
    with RangeReader(shared_server.url(part.relative_to(dataset.parent))) as reader:
        with pq.ParquetFile(reader, page_checksum_verification=True) as file:
            prefetch_columns(reader, file.metadata, columns)
            table = file.read(columns=columns, use_threads=False)
        # opening, the footer, all columns
        assert reader.requests <= 3 + (file.metadata.serialized_size > 65_000)
        footer = max(65_536, file.metadata.serialized_size + 8)
        assert reader.bytes_requested < 2 * footer + 0.2 * part.stat().st_size
    assert table == pq.ParquetFile(part).read(columns=columns)


def test_a_missing_ntuple_is_named(
    shared_server: XRootD, everything: Path, skim: Command, tmp_path: Path
) -> None:
    url = shared_server.url("ntuples/none.root")
    done = skim("run", everything, "-o", tmp_path / "d", "--files", f"a={url}")
    assert done.exit_code == 1
    assert done.stderr == f"Error: {url}: there is no such file on the server\n"


def test_a_missing_dataset_is_named(shared_server: XRootD) -> None:
    with pytest.raises(UsageError, match="is not a dataset: it has no manifest"):
        open_dataset(shared_server.url("ntuples"))


@pytest.mark.parametrize("url", ["root://127.0.0.1//etc/passwd", "ntuples/secret.root"])
def test_what_the_server_refuses_says_so(
    server: XRootD, skim: Command, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L1SKIM_REMOTE_WAIT", "30")  # which must not be waited
    secret = server.data / "ntuples/secret.root"
    secret.parent.mkdir()
    secret.write_bytes(b"root")
    server.give_away()
    secret.chmod(0)
    place = url.replace("127.0.0.1", f"127.0.0.1:{server.port}")
    done = skim("inspect", place if "://" in url else server.url(url))
    assert done.exit_code == 1
    assert "the server refuses access" in done.stderr


def test_a_truncated_ntuple_is_damaged_not_short(
    server: XRootD, ntuples: list[Path], everything: Path, skim: Command, tmp_path: Path
) -> None:
    whole = ntuples[0].read_bytes()
    (server.data / "cut.root").write_bytes(whole[: len(whole) * 2 // 3])
    server.give_away()
    files = f"a={server.url('cut.root')}"
    done = skim("run", everything, "-o", tmp_path / "d", "--files", files)
    assert done.exit_code == 1
    assert "copy the file again" in done.stderr
    assert "retr" not in done.stderr
    assert not (tmp_path / "d").exists()


def test_a_damaged_partition_is_an_error(
    server: XRootD, dataset: Path, histo: Command, tmp_path: Path
) -> None:
    server.put(dataset)
    part = sorted((server.data / "dataset").glob("sample=*/*.parquet"))[1]
    opened = open_dataset(server.url("dataset"))
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(part)
    columns = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    column = next(c for c in columns if c.path_in_schema == "TkEleL2.list.element.pt")
    content = bytearray(part.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 0x10
    part.write_bytes(content)
    with pytest.raises(DatasetError, match=part.name):
        opened.arrays(["TkEleL2.pt"])
    assert len(opened.arrays(["GenEl.pt"])) == 300  # what is not read does not matter
    config = tmp_path / "h.yaml"
    config.write_text("histograms: {h: {fill: {pt: {axis: [10, 0, 100]}}, for: {TkEleL2: all}}}\n")
    done = histo("run", config, server.url("dataset"), "-o", tmp_path / "h.root")
    assert done.exit_code == 1
    assert part.name in done.stderr
    assert not (tmp_path / "h.root").exists()


def test_a_remote_dataset_is_verified(
    server: XRootD, dataset: Path, ntuples: list[Path], skim: Command
) -> None:
    server.put(dataset)
    right = skim("verify", server.url("dataset"), "--source")
    assert right.exit_code == 0, right.output
    part = sorted((server.data / "dataset").glob("sample=*/*.parquet"))[2]
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    wrong = skim("verify", server.url("dataset"))
    assert wrong.exit_code == 1
    assert f"{part.name}: its bytes are not those that were written" in wrong.stdout


def test_a_dataset_on_a_lost_server_is_not_found_wrong(server: XRootD, dataset: Path) -> None:
    from skim.check import Check, check_partition

    server.put(dataset)
    opened = open_dataset(server.url("dataset"))
    _, partition = next(iter(opened.partitions()))
    server.kill()
    with pytest.raises(RemoteError):
        check_partition(Check(opened.path, "doubleele", partition, opened.schema))


def test_a_missing_partition_is_an_error(server: XRootD, dataset: Path) -> None:
    server.put(dataset)
    part = sorted((server.data / "dataset").glob("sample=*/*.parquet"))[1]
    part.unlink()
    with pytest.raises(DatasetError, match=part.name):
        open_dataset(server.url("dataset")).arrays(["TkEleL2.pt"])


def test_a_changed_ntuple_is_noticed_when_it_is_opened_again(
    server: XRootD, ntuples: list[Path]
) -> None:
    from schemas.remote_file import RemoteFile

    server.put(ntuples[0])
    with RemoteFile(server.url(ntuples[0].name)) as file:
        (server.data / ntuples[0].name).write_bytes(b"other")
        with pytest.raises(OSError, match="changed while it was read"):
            file.reopen(failed=file.opening)


def test_the_client_is_asked_for_when_it_is_missing(
    skim: Command, everything: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "XRootD", None)
    done = skim("inspect", "root://127.0.0.1//data/a.root")
    assert done.exit_code == 2
    assert "pip install 'l1skim[xrootd]'" in done.stderr
    files = "a=root://127.0.0.1//data/*.root"
    assert "pip install" in skim("run", everything, "-o", tmp_path / "d", "--files", files).stderr
    assert "pip install" in skim("info", "root://127.0.0.1//data/dataset").stderr
