"""Histogram files read back: the three formats of :mod:`histo.write`, and ROOT files of others.

A pickle can run any code when it is loaded. The one here can build histograms and nothing else, so
that a file from a stranger is as harmless as its two sisters.
"""

from __future__ import annotations

import json
import logging
import math
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boost_histogram as bh
import numpy as np
import numpy.typing as npt

from histo.result import FilledHistogram, HistogramFile
from histo.unpickle import MAX_BYTES, load_histograms
from schemas.errors import DatasetError, UsageError

logger = logging.getLogger(__name__)

MAX_CELLS = 100_000_000
"""Bins of the largest histogram that is made of few words, as UHI's standard allows."""

# Above it, a double no longer tells one count from the next.
_LARGEST_COUNT = 2**53


def read_histograms(path: Path) -> HistogramFile:
    """Read a histogram file.

    Parameters
    ----------
    path
        A ``.root``, ``.json`` or ``.pkl`` file. From ROOT, histograms of one to three dimensions in
        any folder; other objects are passed over.

    Returns
    -------
    HistogramFile
        ROOT keeps contents as floating point: where these are counts and equal their variances,
        the histogram is unweighted again.

    Raises
    ------
    UsageError
        There is no such file, or no format has its suffix.
    DatasetError
        The file is broken, or does not hold histograms.
    """
    readers = {".root": _read_root, ".json": _read_json, ".pkl": _read_pickle}
    if path.suffix not in readers:
        raise UsageError(f"{path}: histograms are read from .root, .json or .pkl files")
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    # files of ROOT are not read as a whole
    if path.suffix != ".root" and path.stat().st_size > MAX_BYTES:
        raise DatasetError(f"{path}: larger than {MAX_BYTES} bytes, which is too large to be read")
    try:
        return readers[path.suffix](path)
    except (
        # what decoders of damaged bytes are known to end with; UsageError is a ValueError
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,  # also RecursionError
        TypeError,
        ValueError,
        pickle.UnpicklingError,
        struct.error,
        zlib.error,
    ) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DatasetError(f"{path}: cannot be read as histograms: {reason}") from error


def _read_json(path: Path) -> HistogramFile:
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object of histograms by name")
    if "uhi_schema" in content:  # the standard also allows a single histogram
        content = {path.stem: content}
    provenance: dict[str, Any] = {}
    histograms = {}
    for name, encoded in content.items():
        if not isinstance(encoded, dict) or not {"axes", "storage"} <= encoded.keys():
            raise ValueError(f"{name!r} is not a histogram in the UHI standard")
        metadata = encoded.pop("metadata", {})
        if isinstance(text := metadata.get("provenance"), str):
            provenance = json.loads(text)
        labels = tuple(
            _first_text(axis.pop("metadata", {}), "label", "name") for axis in encoded["axes"]
        )
        title = _first_text(metadata, "title", "label")
        histograms[name] = FilledHistogram(name, title, labels, _from_uhi(encoded))
    return HistogramFile(histograms, provenance)


def _from_uhi(encoded: dict[str, Any]) -> bh.Histogram[Any]:
    from boost_histogram.serialization import from_uhi

    cells = math.prod(_cells(axis) for axis in encoded["axes"])
    if cells > MAX_CELLS:
        raise ValueError(f"a histogram of {cells} bins, and {MAX_CELLS} are the most")
    for part in (encoded["storage"], *encoded["axes"]):
        for key, value in part.items():
            if isinstance(value, list) and key != "categories":
                part[key] = np.asarray(value)
    if "index" in encoded["storage"]:
        from uhi.io import from_sparse

        encoded = from_sparse(encoded)
    return from_uhi(encoded)


def _cells(axis: dict[str, Any]) -> int:
    """Return the number of bins that an axis says it has."""
    if axis["type"] == "regular":
        return int(axis["bins"]) + 2
    return max(len(axis.get("edges", ())), len(axis.get("categories", ()))) + 1


def _read_pickle(path: Path) -> HistogramFile:
    provenance: dict[str, Any] = {}
    histograms = {}
    for name, filled in load_histograms(path.read_bytes()).items():
        known = filled.__dict__
        metadata = known.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        provenance = provenance or metadata.get("provenance", {})
        title = _first_text({**known, **metadata}, "title", "label")
        contents = bh.Histogram(filled)
        labels = tuple(_first_text(axis.__dict__, "label", "name") for axis in contents.axes)
        for key in ("name", "label", "metadata"):
            contents.__dict__.pop(key, None)
        for axis in contents.axes:
            axis.__dict__.clear()
        histograms[name] = FilledHistogram(name, title, labels, contents)
    return HistogramFile(histograms, provenance)


def _first_text(metadata: dict[str, Any], *keys: str) -> str:
    return next((text for key in keys if isinstance(text := metadata.get(key), str)), "")


def _read_root(path: Path) -> HistogramFile:
    import uproot

    provenance: dict[str, Any] = {}
    histograms = {}
    with uproot.open(path, object_cache=None) as file:
        size, promised = path.stat().st_size, file.file.fEND
        if size < promised:
            raise ValueError(f"it ends after {size} of {promised} bytes")
        for name, class_name, directory in _root_objects(file):
            if class_name[:3] in {"TH1", "TH2", "TH3"}:
                histograms[name] = _from_root(name, directory[name.rpartition("/")[2]])
            elif name == "provenance" and class_name == "TObjString":
                provenance = json.loads(str(directory[name]))
            else:
                logger.warning("%s: %s is a %s, not a histogram", path, name, class_name)
    return HistogramFile(histograms, provenance)


def _root_objects(directory: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield name, class and directory of all objects; uproot opens anew all folders of a path."""
    for name, class_name in directory.classnames(recursive=False, cycle=False).items():
        if class_name.startswith("TDirectory"):
            yield from _root_objects(directory[name], f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", class_name, directory


def _from_root(name: str, histogram: Any) -> FilledHistogram:
    values = histogram.values(flow=True).astype(np.float64)
    # all of ROOT's own rules, such as errors without stored squares of weights
    variances = histogram.variances(flow=True).astype(np.float64)
    dimensions = range(values.ndim)
    models = [histogram.member(f"f{'XYZ'[i]}axis") for i in dimensions]
    axes = [
        _axis_from_root(model, underflow=bool(values.take(0, axis=i).any()))
        for i, model in enumerate(models)
    ]
    if values.shape != tuple(model.member("fNbins") + 2 for model in models):
        raise ValueError(f"{name} has {values.size} contents, which are not as many as its bins")
    kept = tuple(slice(0 if axis.traits.underflow else 1, None) for axis in axes)
    values, variances = values[kept], variances[kept]
    labels = tuple(model.member("fTitle") for model in models)
    title = histogram.member("fTitle")
    if _are_counts(values, variances):
        counts = bh.Histogram(*axes, storage=bh.storage.Int64())
        counts.view(flow=True)[...] = values
        return FilledHistogram(name, title, labels, counts)
    weights = bh.Histogram(*axes, storage=bh.storage.Weight())
    weights[...] = np.stack([values, variances], axis=-1)
    return FilledHistogram(name, title, labels, weights)


def _are_counts(values: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]) -> bool:
    return bool(
        np.array_equal(values, variances)
        and np.all((values >= 0) & (values <= _LARGEST_COUNT) & (values == np.floor(values)))
    )


def _axis_from_root(model: Any, *, underflow: bool) -> Any:
    """Return a category axis if every bin has a label and an underflow bin is not needed."""
    bins = model.member("fNbins")
    labels = model.member("fLabels")
    if labels is not None and len(labels) == bins and not underflow:
        # the list is in the order in which the labels were set; their number says the bin
        numbered = {label.bases[0].member("@fUniqueID"): str(label) for label in labels}
        if len(set(numbered.values())) == bins and set(numbered) == set(range(1, bins + 1)):
            return bh.axis.StrCategory([numbered[number] for number in range(1, bins + 1)])
    edges = model.member("fXbins")
    if len(edges) == bins + 1:
        return bh.axis.Variable(np.asarray(edges, dtype=np.float64))
    return bh.axis.Regular(bins, model.member("fXmin"), model.member("fXmax"))
