"""ROOT's TH1D, TH2D, TH3D, TAxis and TObjString as the bytes that they are in a file.

An object is the number of its bytes, its version, its bases and its members, in the order of its
class. These are the layouts of ROOT 6; a file carries them along, see `histo.root_file`.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from histo.axis_bins import AxisBins
from histo.result import FilledHistogram
from histo.root_file import to_text

Floats = NDArray[np.float64]

_NO_BITS, _ON_HEAP, _IN_FILE = 0, 0x03000000, 0x02000000  # of TObject, as ROOT writes them
_MUST_CLEAN, _OWN_LIST = 1 << 3, 1 << 16
_UNSET = -1111.0  # a maximum or minimum that nobody chose


def _object(version: int, *members: bytes) -> bytes:
    content = b"".join(members)
    return struct.pack(">Ih", (len(content) + 2) | 1 << 30, version) + content


def _base(bits: int, identifier: int = 0) -> bytes:
    """Return a TObject, which has no number of bytes."""
    return struct.pack(">hII", 1, identifier, bits)


def _named(name: str, title: str, bits: int) -> bytes:
    return _object(1, _base(bits), to_text(name), to_text(title))


def _list(bits: int, items: Sequence[bytes] = ()) -> bytes:
    """Return a TList or THashList; after each item comes its option, which is empty."""
    size = struct.pack(">i", len(items))
    return _object(5, _base(bits), to_text(""), size, *(item + b"\0" for item in items))


def _pointed(kind: str, content: bytes) -> bytes:
    """Return an object of its own, which says its class."""
    content = b"\xff\xff\xff\xff" + kind.encode() + b"\0" + content
    return struct.pack(">I", len(content) | 1 << 30) + content


def _array(values: Floats) -> bytes:
    """Return a TArrayD."""
    return struct.pack(">i", values.size) + values.astype(">f8").tobytes()


def string_object(value: str, identifier: int = 0) -> bytes:
    """Return a TObjString with its ``fUniqueID``."""
    return _object(1, _base(_IN_FILE, identifier), to_text(value))


_ATTRIBUTES = (  # of line, area and marker
    _object(2, struct.pack(">3h", 602, 1, 1))
    + _object(2, struct.pack(">2h", 0, 1001))
    + _object(2, struct.pack(">2hf", 1, 1, 1.0))
)
_AXIS_ATTRIBUTES = _object(
    4, struct.pack(">i3h5f2h", 510, 1, 1, 42, 0.005, 0.035, 0.03, 1.0, 0.035, 1, 42)
)
_AFTER_SQUARES = (  # option, functions, buffer, kind of errors, treatment of flow bins
    to_text("") + _list(_ON_HEAP | _OWN_LIST) + struct.pack(">ixii", 0, 0, 2)
)


def axis_object(name: str, axis: AxisBins, title: str) -> bytes:
    """Return the TAxis of an axis; categories become bins of width one with labels.

    Parameters
    ----------
    name
        ``xaxis``, ``yaxis`` or ``zaxis``.
    axis
        Its bins.
    title
        Axis title in TLatex.
    """
    labels = struct.pack(">I", 0)
    if axis.categories is not None:
        numbered = [string_object(text, number) for number, text in enumerate(axis.categories, 1)]
        items = [_pointed("TObjString", item) for item in numbered]
        labels = _pointed("THashList", _list(_NO_BITS, items))
    return _object(
        10,
        _named(name, title, _ON_HEAP),
        _AXIS_ATTRIBUTES,
        struct.pack(">idd", axis.size, axis.edges[0], axis.edges[-1]),
        _array(axis.edges if axis.kind == "variable" else axis.edges[:0]),
        struct.pack(">iiH?", 0, 0, 0, False),  # range shown, bits, no time
        to_text(""),
        labels,
        struct.pack(">I", 0),  # no labels with attributes of their own
    )


class Frame(Struct, frozen=True):
    """What the histograms of the same axes and labels have in common.

    Attributes
    ----------
    axes
        The three TAxis.
    centers
        Of the bins of each axis, and their squares.
    """

    axes: bytes
    centers: tuple[Floats, ...]
    squares: tuple[Floats, ...]


_BLANK = axis_object("yaxis", AxisBins(np.array([0.0, 1.0])), "")


def make_frame(axes: Sequence[AxisBins], labels: Sequence[str]) -> Frame:
    """Prepare the axes of histograms, one to three of them."""
    named = zip("xyz", axes, labels, strict=False)
    objects = [axis_object(f"{letter}axis", axis, label) for letter, axis, label in named]
    objects += [_BLANK] * (3 - len(objects))
    centers = tuple(axis.centers for axis in axes)
    return Frame(b"".join(objects), centers, tuple(c**2 for c in centers))


def histogram_object(histogram: FilledHistogram, name: str, frame: Frame) -> bytes:
    """Return the TH1D, TH2D or TH3D of a histogram.

    Parameters
    ----------
    histogram
        Of one to three dimensions.
    name
        Without its folder.
    frame
        Of its axes and labels.
    """
    # the first axis runs fastest in ROOT; always so in memory, too, or sums would round differently
    values = np.asarray(histogram.values(), np.float64, order="F")
    contents = squares = _array(values.ravel(order="F"))
    variances = values
    if histogram.weighted:
        variances = np.asarray(histogram.variances(), np.float64, order="F")
        squares = _array(variances.ravel(order="F"))
    with np.errstate(invalid="ignore", over="ignore"):  # bins may be infinite: so are the sums then
        entries = float(values.sum())
        first, more = _statistics(values, variances, frame)
    base = _object(
        8,
        _named(name, histogram.title, _ON_HEAP | _MUST_CLEAN),
        _ATTRIBUTES,
        struct.pack(">i", values.size),
        frame.axes,
        struct.pack(">hhdddddddd", 0, 1000, entries, *first, _UNSET, _UNSET, 0.0),
        struct.pack(">i", 0),  # no contours
        squares,
        _AFTER_SQUARES,
    )
    match values.ndim:
        case 1:
            return _object(3, base, contents)
        case 2:
            return _object(4, _object(5, base, struct.pack(">4d", 1.0, *more)), contents)
        case _:
            drawn = _object(1)  # TAtt3D has no members
            return _object(4, _object(6, base, drawn, struct.pack(">7d", *more)), contents)


def _statistics(
    values: Floats, variances: Floats, frame: Frame
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the sums behind mean and width, as TH1::ResetStats has them: from bins in range.

    Returns
    -------
    first
        Of the weights, their squares, x and x**2, for any histogram.
    more
        Two dimensions: y, y**2, xy; three: also z, z**2, xz, yz.
    """
    inner = (slice(1, -1),) * values.ndim
    total = float(values[inner].sum())
    spread = total if variances is values else float(variances[inner].sum())
    values = values[inner]
    every = range(values.ndim)
    means: list[tuple[float, float]] = []
    for i in every:
        projected = (
            values.sum(axis=tuple(j for j in every if j != i)) if values.ndim > 1 else values
        )
        means.append((float(projected @ frame.centers[i]), float(projected @ frame.squares[i])))
    products = {}
    for i, j in itertools.combinations(every, 2):
        plane = values.sum(axis=3 - i - j) if values.ndim == 3 else values
        products[i, j] = float(frame.centers[i] @ plane @ frame.centers[j])
    more: list[float] = []
    for i in every[1:]:
        more += [*means[i], *(products[k, i] for k in range(i))]
    return (total, spread, *means[0]), tuple(more)
