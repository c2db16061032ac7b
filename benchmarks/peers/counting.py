"""Events and electrons that pass a cut, counted in a dataset by polars or by DuckDB.

``python -m benchmarks.peers.counting polars DATASET -o out.npy``; the result is [events, electrons]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import common


def count_with_polars(files: str) -> Any:
    """Count with polars' lazy frames."""
    import polars as pl

    field = pl.element().struct.field
    # a number in an expression is float64 there; the columns, and cuts in histo, are float32
    single = {value: pl.lit(value, pl.Float32) for value in (20, 1.5, 0.125)}
    passing = (
        (field("pt") > single[20])
        & (field("eta").abs() < single[1.5])
        & ((field("hwQual") & 2) != 0)
        & (field("tkIso") < single[0.125])
    )
    number = pl.col("TkEleL2").list.eval(passing).list.sum()
    counted = pl.scan_parquet(files).select(
        (number > 0).sum().alias("events"), number.sum().alias("electrons")
    )
    return np.array(counted.collect().row(0), np.int64)


def count_with_duckdb(files: str) -> Any:
    """Count with DuckDB's SQL."""
    import duckdb

    query = f"""
        SELECT count_if(n > 0), sum(n) FROM (
            SELECT len(list_filter(TkEleL2, lambda x:
                x.pt > 20::FLOAT AND abs(x.eta) < 1.5::FLOAT
                AND x.hwQual & 2 != 0 AND x.tkIso < 0.125::FLOAT)) AS n
            FROM read_parquet('{files}'))
    """  # noqa: S608  # the path is the benchmark's own
    (row,) = duckdb.connect().execute(query).fetchall()
    return np.array(row, np.int64)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("tool", choices=["polars", "duckdb"])
    parser.add_argument("dataset")
    options = parser.parse_args()
    files = f"{options.dataset}/*/*.parquet"
    count = count_with_polars if options.tool == "polars" else count_with_duckdb
    common.finish(options, lambda: count(files))


if __name__ == "__main__":
    main()
