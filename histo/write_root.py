"""Histograms in the folders of a ROOT file, with their provenance beside them."""

from __future__ import annotations

import json

from histo.axis_bins import AxisBins
from histo.result import FilledHistogram, HistogramFile
from histo.root_file import Folder, file_bytes, pack_object
from histo.root_objects import Frame, histogram_object, make_frame, string_object
from schemas.errors import UsageError

PROVENANCE = "provenance"
"""Name of the TObjString that holds the provenance as JSON."""


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
    folders = _folders(result)
    provenance = json.dumps(result.provenance, sort_keys=True)
    top = folders[""]
    top.objects.append(
        pack_object("TObjString", PROVENANCE, "Collectable string class", string_object(provenance))
    )
    frames: dict[tuple[str, ...], list[tuple[tuple[AxisBins, ...], Frame]]] = {}
    for histogram in result.histograms.values():
        _check(histogram, folders)
        folder, _, base = histogram.name.rpartition("/")
        axes = histogram.axes
        known = frames.setdefault(histogram.labels, [])
        frame = next((frame for same, frame in known if same == axes), None)
        if frame is None:
            frame = make_frame(axes, histogram.labels)
            known.append((axes, frame))
        content = histogram_object(histogram, base, frame)
        packed = pack_object(f"TH{len(axes)}D", base, histogram.title, content)
        folders[folder].objects.append(packed)
    return file_bytes(top)


def _folders(result: HistogramFile) -> dict[str, Folder]:
    """Return all folders by their path, nested in each other."""
    folders = {"": Folder("")}
    for name in result.histograms:
        path = ""
        for part in name.split("/")[:-1]:
            outer, path = folders[path], f"{path}/{part}" if path else part
            if path not in folders:
                folders[path] = Folder(part)
                outer.folders.append(folders[path])
    return folders


def _check(histogram: FilledHistogram, folders: dict[str, Folder]) -> None:
    name, axes = histogram.name, histogram.axes
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
    if ";" in name or not all(name.split("/")) or name == PROVENANCE or name in folders:
        raise UsageError(
            f"histogram {name!r} cannot have this name in a ROOT file: parts must not be "
            "empty, contain ';', be 'provenance' or the name of a folder beside it"
        )
