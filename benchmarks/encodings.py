"""What the encoding of each column costs, against the best that it could have.

    python benchmarks/encodings.py                        # a synthetic sample of 25,000 events
    python benchmarks/encodings.py NTUPLE.root --schema l1nano --columns

Everything in the ntuple is skimmed, and each column is written in each encoding that Parquet has
for it, at several levels of zstd. ``skim.encode`` is tuned by the outcome; its docstring has the
figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skim.encode import choose_encoding
from skim.sample import write_sample

PLAIN, DICTIONARY = "PLAIN", "RLE_DICTIONARY"
SPLIT, DELTA = "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED"
TRIAL = 2048
ROUNDS = 3

Choice = Mapping[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ntuples", nargs="*", help="ROOT files; none for a synthetic sample")
    parser.add_argument("--schema", default="fastpuppi", help="their format")
    parser.add_argument("--events", type=int, default=25_000, help="of the synthetic sample")
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 3, 9], help="of zstd")
    parser.add_argument("--columns", action="store_true", help="show each column, at level 3")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ntuples = [Path(path).absolute() for path in given.ntuples]
        if not ntuples:
            ntuples = write_sample(folder / "ntuples", "doubleele", given.events, 1, 1)
        for path in ntuples:
            table = skimmed(path, given.schema, folder / f"dataset_{path.stem}")
            print(f"\n{path.name}: {table.num_rows:,} events, {len(leaves(table))} columns")
            for level in given.levels:
                measure(table, level, given.columns and level == 3)


def skimmed(path: Path, schema: str, output: Path) -> pa.Table:
    """Skim everything in a file into one partition, and read it."""
    config = output.with_suffix(".json")
    storage = {"partition_events": 10**9, "partition_bytes": "1 TB"}
    config.write_text(json.dumps({"schema": schema, "keep": {"*": "all"}, "storage": storage}))
    command = ["run", str(config), "--files", f"s={path}", "-o", str(output)]
    program = "from skim.cli import main; main()"
    subprocess.run([sys.executable, "-c", program, *command], check=True, capture_output=True)
    [part] = output.glob("sample=*/*.parquet")
    return pq.read_table(part)


def leaves(table: pa.Table) -> dict[str, np.ndarray[Any, Any]]:
    """Return the values of each Parquet column that holds numbers, by path."""
    return dict(
        pair for name in table.column_names
        for pair in _leaves(name, table.column(name).combine_chunks())
    )  # fmt: skip


def _leaves(path: str, array: pa.Array) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    if pa.types.is_list(array.type):
        yield from _leaves(f"{path}.list.element", array.flatten())
    elif pa.types.is_struct(array.type):
        for position, field in enumerate(array.type):
            yield from _leaves(f"{path}.{field.name}", array.field(position))
    elif not pa.types.is_boolean(array.type):
        yield path, array.to_numpy(zero_copy_only=False)


@dataclass(frozen=True)
class Written:
    """A table in one file: bytes by column, processor seconds to encode and to decode all."""

    sizes: Mapping[str, int]
    encode: float
    decode: float
    buffer: pa.Buffer

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


def write(table: pa.Table, choice: Choice, level: int) -> Written:
    """Write a table in memory; columns that are not chosen for are PLAIN."""
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": level,
        "use_dictionary": [path for path, name in choice.items() if name == DICTIONARY],
        "column_encoding": {p: n for p, n in choice.items() if n not in (DICTIONARY, PLAIN)},
        "write_page_checksum": True,
        "row_group_size": 50_000,
    }

    def encode() -> pa.Buffer:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **options)
        return sink.getvalue()

    buffer, spent = timed(encode)
    metadata = pq.ParquetFile(buffer).metadata
    sizes: dict[str, int] = {}
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            path = column.path_in_schema
            sizes[path] = sizes.get(path, 0) + column.total_compressed_size
    decoded, decode = timed(lambda: pq.ParquetFile(buffer).read(use_threads=False))
    assert decoded.num_rows == table.num_rows
    return Written(sizes, spent, decode, buffer)


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and the least processor time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return result, min(times)


def possible(values: np.ndarray[Any, Any]) -> tuple[str, ...]:
    """Return the encodings that a column may have: those that every reader knows for its type."""
    return (PLAIN, DICTIONARY, SPLIT if values.dtype.kind == "f" else DELTA)


def by_trial(values: np.ndarray[Any, Any], level: int) -> str:
    """Choose by writing the first values in every encoding."""
    table = pa.table({"x": values[:TRIAL]})
    sizes = {}
    for name in possible(values):
        column = next(iter(write_once(table, {"x": name}, level)))
        sizes[name] = column.total_compressed_size
        if name == DICTIONARY and len(values) > TRIAL:
            half = len(np.unique(values[: TRIAL // 2]))
            growth = np.log2(max(len(np.unique(values[:TRIAL])), half) / half)
            page = column.data_page_offset - column.dictionary_page_offset
            sizes[name] += page * ((len(values) / TRIAL) ** (growth - 1) - 1)
    return min(sizes, key=lambda name: sizes[name])


def write_once(table: pa.Table, choice: Choice, level: int) -> list[Any]:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", compression_level=level, write_statistics=False,
        use_dictionary=[path for path, name in choice.items() if name == DICTIONARY],
        column_encoding={p: n for p, n in choice.items() if n not in (DICTIONARY, PLAIN)},
    )  # fmt: skip
    group = pq.ParquetFile(sink.getvalue()).metadata.row_group(0)
    return [group.column(index) for index in range(group.num_columns)]


def measure(table: pa.Table, level: int, show_columns: bool) -> None:
    """Print bytes and processor time of every way to choose."""
    columns = {path: values for path, values in leaves(table).items() if len(values)}
    uniform = {
        f"{name} where possible": {
            path: name if name in possible(values) else PLAIN for path, values in columns.items()
        }
        for name in (PLAIN, DICTIONARY, SPLIT, DELTA)
    }
    found = {name: write(table, choice, level) for name, choice in uniform.items()}
    best = {
        path: min(possible(values), key=lambda name: found[f"{name} where possible"].sizes[path])
        for path, values in columns.items()
    }
    rule, rule_time = timed(lambda: {p: choose_encoding(values) for p, values in columns.items()})
    trial, trial_time = timed(lambda: {p: by_trial(v, level) for p, v in columns.items()})
    found |= {
        "the rule": write(table, rule, level),
        "writing the first values": write(table, trial, level),
        "the best of each column": write(table, best, level),
    }
    least = found["the best of each column"].bytes
    spent = {"the rule": rule_time, "writing the first values": trial_time}
    rows = [
        [
            name,
            f"{written.bytes:,}",
            f"{100 * (written.bytes / least - 1):+.1f} %",
            f"{written.encode:.3f}",
            f"{written.decode:.3f}",
            f"{1e3 * spent[name] / len(columns):.3f}" if name in spent else "-",
        ]
        for name, written in found.items()
    ]
    print_rows([f"zstd {level}", "bytes", "", "encode s", "decode s", "choose ms/column"], rows)
    if show_columns:
        print_columns(columns, found, rule, best)


def print_columns(
    columns: Mapping[str, Any], found: Mapping[str, Written], rule: Choice, best: Choice
) -> None:
    """Print each column, those first on which the rule loses most."""
    names = {name: f"{name} where possible" for name in (PLAIN, DICTIONARY, SPLIT, DELTA)}

    def lost(path: str) -> int:
        return found["the rule"].sizes[path] - found[names[best[path]]].sizes[path]

    rows = []
    for path in sorted(columns, key=lambda path: -lost(path)):
        shown = []
        for name in names:
            if name in possible(columns[path]):
                written = found[names[name]]
                _, decode = timed(lambda w=written, p=path: read_column(w.buffer, p))  # type: ignore[misc]
                shown.append(f"{written.sizes[path]:,} ({1e3 * decode:.2f} ms)")
            else:
                shown.append("-")
        rows.append([path, columns[path].dtype.name, rule[path], best[path], *shown])
    print_rows(["column", "type", "rule", "best", *names], rows)


def read_column(buffer: pa.Buffer, path: str) -> pa.Table:
    return pq.ParquetFile(buffer).read(columns=[path], use_threads=False)


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    print()


if __name__ == "__main__":
    main()
