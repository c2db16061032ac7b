"""Histograms as ROOT objects: TH1D, TH2D and TH3D with errors, statistics and bin labels.

Uproot's own conversion of a boost-histogram loses the title and the axis titles and takes the sum
of weights for the sum of their squares; so the objects are assembled here from its building blocks.

A ROOT file carries the time in every key and random identifiers in its directories. Both would make
two runs differ that computed the same, so both are replaced once the file is complete.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import struct
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boost_histogram as bh
import numpy as np

from histo.result import FilledHistogram, HistogramFile, axis_categories
from schemas.errors import UsageError

if TYPE_CHECKING:
    from uproot.model import Model

# What a key takes in the list of its directory, beyond its name, title and class; generous, because
# a list that outgrows its place moves and leaves a stale copy behind.
_KEY_BYTES = 128
_EPOCH = struct.pack(">I", 1 << 22 | 1 << 17)  # 1995-01-01, the first day TDatime can express


class _Buffer(io.BytesIO):
    """A file in memory that outlives its writer, which closes what it is given."""

    def close(self) -> None:
        pass


def root_bytes(result: HistogramFile) -> bytes:
    """Return a complete ROOT file: same histograms and provenance, same bytes.

    Parameters
    ----------
    result
        Histograms of one to three dimensions; ``folder/name`` becomes ``name`` in ``folder``.

    Raises
    ------
    UsageError
        A histogram has no counterpart in ROOT, or its name cannot be a key.
    """
    import uproot

    folders = _folders(result)
    _check(result, folders)
    sizes = _list_sizes(folders)
    buffer = _Buffer()
    blank = axis_model("yaxis", bh.axis.Regular(1, 0, 1), "")
    with uproot.recreate(
        buffer,
        uuid_function=lambda: uuid.UUID(int=0),
        initial_directory_bytes=sizes[""],
        initial_streamers_bytes=1 << 16,
    ) as file:
        file["provenance"] = uproot.writing.identify.to_TObjString(
            json.dumps(result.provenance, sort_keys=True)
        )
        directories = {"": file}
        for folder, histograms in folders.items():
            if folder:
                parent, _, base = folder.rpartition("/")
                made = directories[parent].mkdir(base, initial_directory_bytes=sizes[folder])
                directories[folder] = made
            for histogram in histograms:
                base = histogram.name.rpartition("/")[2]
                directories[folder][base] = _model(histogram, blank)
    return _without_time(bytearray(buffer.getvalue()))


def axis_model(name: str, axis: Any, title: str) -> Model:
    """Return the TAxis of a boost-histogram axis.

    Integer and boolean axes become regular ones, transformed axes variable ones with the same
    edges, categories bins of width one that carry the category as their label.

    Parameters
    ----------
    name
        ``xaxis``, ``yaxis`` or ``zaxis``.
    axis
        Any boost-histogram axis.
    title
        Axis title in TLatex.
    """
    from uproot.writing import identify

    edges = axis.edges
    regular = isinstance(axis, bh.axis.Regular) and axis.transform is None
    variable = isinstance(axis, bh.axis.Variable | bh.axis.Regular) and not regular
    labels = None
    if (categories := axis_categories(axis)) is not None:
        labels = identify.to_THashList([identify.to_TObjString(text) for text in categories])
        for bin_number, label in enumerate(labels, 1):
            label.bases[0].members["@fUniqueID"] = bin_number  # as TAxis::SetBinLabel does
    return identify.to_TAxis(
        name,
        title,
        axis.size,
        float(edges[0]),
        float(edges[-1]),
        fXbins=edges.astype(np.float64) if variable else None,
        fLabels=labels,
    )


def _model(histogram: FilledHistogram, blank: Model) -> Model:
    """Return the TH1D, TH2D or TH3D; ``blank`` stands in for the axes it does not have."""
    from uproot.writing import identify

    values = histogram.values().astype(np.float64, copy=False)
    variances = histogram.variances().astype(np.float64, copy=False)
    axes = histogram.contents.axes
    names = "xyz"[: len(axes)]
    models = {
        f"f{letter.upper()}axis": axis_model(f"{letter}axis", axis, title)
        for letter, axis, title in zip(names, axes, histogram.labels, strict=True)
    }
    make = (identify.to_TH1x, identify.to_TH2x, identify.to_TH3x)[len(axes) - 1]
    with np.errstate(invalid="ignore", over="ignore"):  # bins may be infinite: so are the sums then
        entries = float(values.sum())
        statistics = _statistics(values, variances, axes)
    return make(
        fName=None,
        fTitle=histogram.title,
        # the first axis runs fastest in ROOT
        data=values.ravel(order="F"),
        fSumw2=variances.ravel(order="F"),
        fEntries=entries,
        **statistics,
        **{"fYaxis": blank, "fZaxis": blank, **models},
    )


def _statistics(values: Any, variances: Any, axes: Any) -> dict[str, float]:
    """Return the sums behind mean and width, as TH1::ResetStats has them: from bins in range."""
    inner = (slice(1, -1),) * values.ndim
    values = values[inner]
    # not axis.centers, which for a transformed axis are those of the transformed bins
    centers = [(axis.edges[1:] + axis.edges[:-1]) / 2 for axis in axes]
    sums = {"fTsumw": values.sum(), "fTsumw2": variances[inner].sum()}
    every = set(range(values.ndim))
    for i in every:
        projected = values.sum(axis=tuple(every - {i}))
        sums[f"fTsumw{'xyz'[i]}"] = projected @ centers[i]
        sums[f"fTsumw{'xyz'[i]}2"] = projected @ centers[i] ** 2
    for i, j in itertools.combinations(sorted(every), 2):
        projected = values.sum(axis=tuple(every - {i, j}))
        sums[f"fTsumw{'xyz'[i]}{'xyz'[j]}"] = centers[i] @ projected @ centers[j]
    return {name: float(value) for name, value in sums.items()}


def _check(result: HistogramFile, folders: dict[str, list[FilledHistogram]]) -> None:
    for name, histogram in result.histograms.items():
        axes = histogram.contents.axes
        if not 1 <= len(axes) <= 3:
            raise UsageError(
                f"histogram {name!r} has {len(axes)} axes and ROOT has TH1 to TH3 only; "
                "write .json or .pkl, which take any number"
            )
        if not all(axis.size for axis in axes):
            raise UsageError(
                f"histogram {name!r} has an axis without bins, which ROOT cannot hold; "
                "write .json or .pkl, or name the categories"
            )
        if ";" in name or not all(name.split("/")) or name == "provenance" or name in folders:
            raise UsageError(
                f"histogram {name!r} cannot have this name in a ROOT file: parts must not be "
                "empty, contain ';', be 'provenance' or the name of a folder beside it"
            )


def _folders(result: HistogramFile) -> dict[str, list[FilledHistogram]]:
    """Return the histograms directly in each folder, every folder after the one around it."""
    folders: dict[str, list[FilledHistogram]] = {"": []}
    for name, histogram in result.histograms.items():
        parts = name.split("/")[:-1]
        for folder in itertools.accumulate(parts, "{}/{}".format):
            folders.setdefault(folder, [])
        folders["/".join(parts)].append(histogram)
    return folders


def _list_sizes(folders: dict[str, list[FilledHistogram]]) -> dict[str, int]:
    """Return how many bytes the list of keys of each folder takes, and a few more."""
    sizes = dict.fromkeys(folders, 4 * _KEY_BYTES)
    for folder, histograms in folders.items():
        for h in histograms:
            sizes[folder] += _KEY_BYTES + len(h.name.encode()) + len(h.title.encode())
        if folder:
            sizes[folder.rpartition("/")[0]] += _KEY_BYTES + 2 * len(folder.encode())
    return sizes


def _without_time(data: bytearray) -> bytes:
    """Set every time to the epoch and every identifier to one derived from the contents."""
    (version,) = struct.unpack_from(">i", data, 4)
    if version >= 1_000_000:
        # Over 2 GB: places are then 64 bits wide, here and in some keys. Such a file is correct,
        # only not reproducible to the byte.
        return bytes(data)
    begin, _, seek_free, _, _, name_bytes, _, _, seek_info = struct.unpack_from(
        ">iiiiiiBii", data, 8
    )
    identifiers = [47]  # where the file's own stands in the header
    for key in (begin, seek_free, seek_info):
        data[key + 10 : key + 14] = _EPOCH
    for directory in _directories(data, begin + name_bytes):
        data[directory + 2 : directory + 10] = _EPOCH * 2
        identifiers.append(directory + 32)
    digest = uuid.UUID(bytes=hashlib.sha256(data).digest()[:16], version=4)
    for place in identifiers:
        data[place : place + 16] = digest.bytes
    return bytes(data)


def _directories(data: bytearray, start: int) -> Iterator[int]:
    """Yield where each directory's header is, after setting the time of all its keys."""
    yield start
    (keys,) = struct.unpack_from(">i", data, start + 26)
    data[keys + 10 : keys + 14] = _EPOCH
    place = keys + _key_length(data, keys)
    (count,) = struct.unpack_from(">i", data, place)
    place += 4
    for _ in range(count):
        length = _key_length(data, place)
        (key,) = struct.unpack_from(">i", data, place + 18)
        for copy in (place, key):
            data[copy + 10 : copy + 14] = _EPOCH
        class_name = data[place + 27 : place + 27 + data[place + 26]]
        if class_name == b"TDirectory":
            yield from _directories(data, key + length)
        place += length


def _key_length(data: bytearray, key: int) -> int:
    (length,) = struct.unpack_from(">h", data, key + 14)
    return int(length)
