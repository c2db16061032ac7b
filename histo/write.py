"""Histogram files, in the format that their suffix says.

======== ==========================================================================================
suffix   contents
======== ==========================================================================================
.root    TH1D, TH2D, TH3D in folders; the provenance as JSON text in the TObjString ``provenance``
.json    the UHI serialization standard, one object name -> histogram; read by ``uhi.io.json``
.pkl     a pickled ``dict[str, hist.Hist]``
======== ==========================================================================================

All keep under- and overflow, variances, title and labels, and :func:`histo.load.read_histograms`
reads them back. The same histograms give the same bytes.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histo.result import FilledHistogram, HistogramFile
from histo.write_root import root_bytes
from runtime.files import replace_file
from schemas.digests import digest
from schemas.errors import UsageError
from schemas.tally import step

if TYPE_CHECKING:
    import hist

# Fixed, so that the bytes do not depend on the version of Python.
_PICKLE_PROTOCOL = 5


def write_histograms(result: HistogramFile, path: Path) -> None:
    """Write a file that is complete as soon as it has its name.

    Parameters
    ----------
    result
        What to write.
    path
        Ends in ``.root``, ``.json`` or ``.pkl``; an older file of that name is replaced.

    Raises
    ------
    UsageError
        The suffix is another one, the folder does not exist, or the format cannot hold a
        histogram.

    Examples
    --------
    >>> write_histograms(result, Path("rates.root"))  # doctest: +SKIP
    """
    check_output(path)
    with step("write"):
        data = encoder(path)(result)
        with replace_file(path) as temporary:
            temporary.write_bytes(data)


def check_output(path: Path) -> None:
    """Refuse a path that histograms cannot be written to, before there are any.

    Raises
    ------
    UsageError
        The suffix is another one, the folder does not exist, or a folder has this name.
    """
    encoder(path)
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; choose another name")


def encoder(path: Path) -> Callable[[HistogramFile], bytes]:
    """Return what turns histograms into the format that a path asks for.

    Raises
    ------
    UsageError
        No format has this suffix.
    """
    encoders = {".root": root_bytes, ".json": json_bytes, ".pkl": pickle_bytes}
    try:
        return encoders[path.suffix]
    except KeyError:
        found = repr(path.suffix) if path.suffix else "no suffix"
        raise UsageError(
            f"{path}: histograms are written to .root, .json or .pkl, got {found}"
        ) from None


def json_bytes(result: HistogramFile) -> bytes:
    """Return one JSON object, name -> histogram in the UHI standard, which has no sparse bins here.

    The standard admits nothing but histograms at the top and only texts and numbers in their
    metadata. So each histogram carries ``provenance_digest``, and the first one the provenance
    itself, as JSON text under ``provenance``.
    """
    provenance = json.dumps(result.provenance, sort_keys=True)
    metadata = {"provenance": provenance}
    identifier = {"provenance_digest": digest(provenance.encode())}
    encoded = {}
    for name, histogram in result.histograms.items():
        encoded[name] = _uhi(histogram, {**identifier, **metadata})
        metadata = {}
    # one row a histogram, as far as JSON has rows: kind to diff, grep and less
    rows = (
        f"{json.dumps(name)}: {json.dumps(content, separators=(',', ':'))}"
        for name, content in encoded.items()
    )
    return ("{\n" + ",\n".join(rows) + "\n}\n").encode()


def pickle_bytes(result: HistogramFile) -> bytes:
    """Return a pickled ``dict[str, hist.Hist]``.

    Axes are named ``x``, ``y``, ``z``, ``axis3`` and on, and carry their labels; ``name`` and
    ``label`` of a histogram are its name and title, and ``metadata`` holds ``title`` and the
    ``provenance`` that all share.
    """
    # Pickle writes a text once and refers to it where the same object comes again. Equal texts must
    # therefore be one object always, wherever the histograms were made.
    texts: dict[str, str] = {}
    provenance = json.loads(json.dumps(result.provenance, sort_keys=True))
    histograms = {
        texts.setdefault(name, name): _hist(histogram, provenance, texts)
        for name, histogram in result.histograms.items()
    }
    return pickle.dumps(histograms, protocol=_PICKLE_PROTOCOL)


def axis_name(position: int) -> str:
    """Return the name of an axis that has only a label: ``x``, ``y``, ``z``, ``axis3`` ...."""
    return "xyz"[position] if position < 3 else f"axis{position}"


def _uhi(histogram: FilledHistogram, metadata: dict[str, str]) -> dict[str, Any]:
    from boost_histogram.serialization import to_uhi

    encoded = to_uhi(histogram.contents)
    for i, (axis, label) in enumerate(zip(encoded["axes"], histogram.labels, strict=True)):
        axis["metadata"] = {"name": axis_name(i), "label": label}
        if "edges" in axis:
            axis["edges"] = axis["edges"].tolist()
    for key, values in encoded["storage"].items():
        if key != "type":
            encoded["storage"][key] = values.tolist()
    # hist shows "label" where this project says title
    encoded["metadata"] = {
        "name": histogram.name,
        "title": histogram.title,
        "label": histogram.title,
        **metadata,
    }
    return encoded


def _hist(
    histogram: FilledHistogram, provenance: dict[str, Any], texts: dict[str, str]
) -> hist.Hist:
    import hist

    # a conversion shares the metadata of the axes with its source; a copy does not
    filled = hist.Hist(histogram.contents.copy())
    title = texts.setdefault(histogram.title, histogram.title)
    for i, (axis, label) in enumerate(zip(filled.axes, histogram.labels, strict=True)):
        name = axis_name(i)
        axis.__dict__.clear()
        axis.__dict__["name"] = texts.setdefault(name, name)
        axis.__dict__["label"] = texts.setdefault(label, label)
    filled.name = texts.setdefault(histogram.name, histogram.name)
    filled.label = title
    filled.metadata = {"title": title, "provenance": provenance}
    return filled
