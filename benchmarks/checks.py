"""That all tools found the same numbers: a benchmark of different answers is worth nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import job


class DifferentResultsError(AssertionError):
    """Two tools that do the same work found different numbers; the message says where first."""


def require_same(what: str, expected: Any, found: Any, names: Sequence[str] = ()) -> None:
    """Require two arrays to be the same, number by number.

    Parameters
    ----------
    what
        Whose result ``found`` is.
    expected, found
        The arrays.
    names
        Of their rows.

    Raises
    ------
    DifferentResultsError
        If they are not.
    """
    if expected.shape != found.shape:
        raise DifferentResultsError(f"{what}: shape {found.shape} instead of {expected.shape}")
    different = np.argwhere(expected != found)
    if len(different):
        row, *rest = (int(index) for index in different[0])
        place = f"{names[row] if names else row}{rest}"
        index = tuple(different[0])
        raise DifferentResultsError(
            f"{what}: {len(different)} numbers differ, the first in {place}: {found[index]} "
            f"instead of {expected[index]}"
        )


def read_job(path: Path) -> Any:
    """Read the 200 histograms that `histo run` wrote, as the peers write them."""
    return _read(path, job.histogram_names())


def read_rates(path: Path, curves: Sequence[str]) -> Any:
    """Read the rate curves that `histo run` wrote: for each 100 rates and the number of events."""
    rates = _read(path, [f"RateHistos/{name}_pt" for name in curves])
    norms = _read(path, [f"RateHistos/{name}_norm" for name in curves])
    return np.hstack([rates[:, 1:-1], norms.sum(axis=1, keepdims=True)])


def read_counts(path: Path) -> Any:
    """Read what `configs/counting.yaml` counts: events and electrons that pass."""
    events, number = (
        _read(path, [name])[0]
        for name in ("Count/TkEleL2_Passing_rate", "Objects/TkEleL2_Passing_n")
    )
    electrons = (number * np.arange(-1, len(number) - 1)).sum()
    return np.array([events.sum(), electrons], np.int64)


def _read(path: Path, names: Sequence[str]) -> Any:
    from histo.load import read_histograms

    histograms = read_histograms(path).histograms
    return np.stack([histograms[name].values() for name in names]).astype(np.int64)


def require_same_columns(dataset: Path, other: Path) -> int:
    """Require another tool's Parquet files to hold the columns of a dataset, value by value.

    Returns
    -------
    int
        Number of values compared.

    Raises
    ------
    DifferentResultsError
        If they do not.
    """
    import pyarrow.parquet as pq

    partitions = sorted(dataset.glob("*/*.parquet"))
    files = sorted(other.glob("*.parquet"))
    if len(partitions) != len(files):
        raise DifferentResultsError(f"{other}: {len(files)} files for {len(partitions)} partitions")
    compared = 0
    for partition, path in zip(partitions, files, strict=True):
        theirs = pq.read_table(path)
        for name, values in _flat(pq.read_table(partition)).items():
            found = _flat(theirs.select([name]))[name]
            require_same(f"{path} {name}", values, found)
            compared += values.size
    return compared


def _flat(table: Any) -> dict[str, Any]:
    """Return the columns of a table as flat arrays; the fields of a collection one by one."""
    import pyarrow as pa

    found = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ExtensionArray):  # awkward's
            column = column.storage
        if not hasattr(column, "flatten") or pa.types.is_primitive(column.type):
            found[name] = column.to_numpy(zero_copy_only=False)
            continue
        content = column.flatten()
        if isinstance(content, pa.ExtensionArray):
            content = content.storage
        if pa.types.is_struct(content.type):
            for field in content.type:
                values = content.field(field.name)
                found[f"{name}_{field.name}"] = values.to_numpy(zero_copy_only=False)
        else:
            found[name] = content.to_numpy(zero_copy_only=False)
    return found
