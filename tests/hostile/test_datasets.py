"""Datasets whose manifest or partitions claim what cannot be, each with digests that fit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.files import digest_file
from schemas.manifest import seal
from schemas.pages import footer_digest

ROWS = 12_345
HUGE = 10**12


@pytest.fixture
def folder(dataset: Path, tmp_path: Path) -> Path:
    """A folder with a copy of a dataset, and a configuration that reads it."""
    shutil.copytree(dataset, tmp_path / "copy")
    (tmp_path / "run.yaml").write_text("histograms: {H: {fill: {run: {axis: [9, 0, 9]}}}}\n")
    return tmp_path


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, and give it the digest that fits."""
    path = folder / "copy" / "manifest.json"
    data = json.loads(path.read_text())
    del data["digest"]
    change(data)
    path.write_text(seal(data))


def partition(data: dict[str, Any], **values: object) -> None:
    data["samples"]["doubleele"]["partitions"][0].update(values)


COMMANDS = (
    ["histo", "run", "run.yaml", "copy", "-o", "out.root"],
    ["histo", "list", "run.yaml", "copy"],
    ["skim", "info", "copy"],
    ["skim", "verify", "copy"],
)


def all_refuse(folder: Path, run_limited: Any, refused: Callable[..., str]) -> list[str]:
    """Run the commands that read a manifest, of which none may get further than that."""
    said = [refused(outcome, 1) for outcome in run_limited(folder, *COMMANDS)]
    assert not (folder / "out.root").exists()
    return said


@pytest.mark.parametrize(
    "path",
    [
        "../secret.parquet",
        "../../sample=doubleele/part-00000-12345678.parquet",
        "sample=doubleele/../../part-00000-12345678.parquet",
        "/etc/passwd",
        "file:///etc/passwd",
        "sample=../part-00000-12345678.parquet",
        "sample=doubleele/part-00000-12345678.parquet\0.parquet",
    ],
)
def test_no_partition_is_outside(
    path: str, folder: Path, run_limited: Any, refused: Callable[..., str]
) -> None:
    edit(folder, lambda data: partition(data, path=path))
    said = all_refuse(folder, run_limited, refused)
    known = f"{path!r} is not the path of a partition", f"contradicts itself on {path!r}"
    assert all(any(reason in text for reason in known) for text in said)


@pytest.mark.parametrize("name", ["../up", "/etc", "a/b", "..", "", "a\nb", "a\0b"])
def test_no_sample_is_named_like_a_path(name: str, folder: Path, refused: Any) -> None:
    from click.testing import CliRunner

    from skim.cli import main

    edit(folder, lambda data: data["samples"].update({name: data["samples"]["doubleele"]}))
    result = CliRunner().invoke(main, ["verify", str(folder / "copy")])
    assert result.exit_code == 1
    assert "is not a name" in result.stderr


def test_manifests_without_end_are_not_read(
    folder: Path, run_limited: Any, refused: Callable[..., str]
) -> None:
    path = folder / "copy" / "manifest.json"
    with path.open("ab") as file:
        file.truncate(10**12)  # takes no room on disk
    said = all_refuse(folder, run_limited, refused)
    assert all("too large to be what it should be" in text for text in said)


@pytest.mark.parametrize("content", ["[" * 10_000_000, '{"a":' * 1_000_000, "[[]," * 5_000_000])
def test_nesting_takes_no_memory(
    content: str, folder: Path, run_limited: Any, refused: Callable[..., str]
) -> None:
    (folder / "copy" / "manifest.json").write_text(content)
    said = all_refuse(folder, run_limited, refused)
    assert all("the manifest is damaged: not JSON" in text for text in said)


def test_a_pipe_for_a_partition_is_not_waited_for(
    folder: Path, run_limited: Any, refused: Callable[..., str]
) -> None:
    path = next((folder / "copy").glob("*/*.parquet"))
    path.unlink()
    os.mkfifo(path)
    [run] = run_limited(folder, COMMANDS[0], timeout=60)
    assert "is missing, or not a file" in refused(run, 1)


def varint(value: int) -> bytes:
    """Encode a number as Thrift's compact protocol does."""
    value, found = value * 2, bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def claim_rows(path: Path) -> None:
    """Make the footer of a Parquet file of ROWS events say HUGE wherever it said that."""
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer = content[start:-8]
    assert footer.count(varint(ROWS)) >= 3
    footer = footer.replace(varint(ROWS), varint(HUGE))
    path.write_bytes(content[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def pretend(folder: Path, rows: int) -> None:
    """Make a manifest say that a dataset is its only file, of a column ``run``."""
    [path] = (folder / "copy").glob("*/*.parquet")

    def change(data: dict[str, Any]) -> None:
        field = {"type": "float64"}
        data["schema"]["collections"] = {"event": {"kind": "event", "fields": {"run": field}}}
        record = data["samples"]["doubleele"]
        record["sources"][0].update(entries=rows)
        record["partitions"] = record["partitions"][:1]
        partition(
            data, path=str(path.relative_to(folder / "copy")), entry_start=0, entry_stop=rows,
            events_read=rows, events_kept=rows, sum_of_weights=float(rows),
            bytes=path.stat().st_size, checksum=digest_file(path), footer=footer_digest(str(path)),
        )  # fmt: skip

    edit(folder, change)


def only_file(folder: Path) -> Path:
    """Remove all partitions; return where one may be put."""
    for path in (folder / "copy").glob("*/*.parquet"):
        path.unlink()
    return folder / "copy" / "sample=doubleele" / "part-00000-12345678.parquet"


SCHEMA = pa.schema([pa.field("run", pa.float64(), nullable=False)])


def test_a_partition_that_claims_a_million_million_events_is_not_read(
    folder: Path, run_limited: Any, refused: Callable[..., str]
) -> None:
    path = only_file(folder)
    table = pa.table({"run": np.zeros(ROWS)}, schema=SCHEMA)
    pq.write_table(table, path, write_page_checksum=True, use_dictionary=False)
    claim_rows(path)
    assert pq.read_metadata(path).num_rows == HUGE
    pretend(folder, HUGE)
    run, verify = run_limited(folder, COMMANDS[0], COMMANDS[3])
    assert f"claims {HUGE} events that would take" in refused(run, 1)
    assert verify.exit_code == 1
    assert f"claims {HUGE} events that would take" in verify.stdout
    assert "internal error" not in verify.stderr


def test_a_manifest_that_alone_claims_them_is_refuted(
    folder: Path, run_limited: Any, refused: Callable[..., str]
) -> None:
    path = only_file(folder)
    table = pa.table({"run": np.zeros(ROWS)}, schema=SCHEMA)
    pq.write_table(table, path, write_page_checksum=True)
    pretend(folder, HUGE)
    [run] = run_limited(folder, COMMANDS[0])
    assert f"{ROWS} events, and the manifest says {HUGE}" in refused(run, 1)


def test_a_few_bytes_that_would_be_gigabytes_are_not_decompressed(
    folder: Path, run_limited: Any, refused: Callable[..., str]
) -> None:
    # honest and whole: the same number, 200 million times, in less than 1 MB
    path, part, parts = only_file(folder), 10_000_000, 20
    block = pa.table({"run": np.zeros(part)}, schema=SCHEMA)
    with pq.ParquetWriter(path, SCHEMA, write_page_checksum=True, compression="zstd") as writer:
        for _ in range(parts):
            writer.write_table(block, row_group_size=part)
    assert path.stat().st_size < 1_000_000
    pretend(folder, parts * part)
    run, verify = run_limited(folder, COMMANDS[0], COMMANDS[3])
    assert "it is not read" in refused(run, 1)
    assert (verify.exit_code, "it is not read" in verify.stdout) == (1, True)
