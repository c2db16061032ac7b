"""What the comparison finds, and what it must not mind."""

import io
import math
from pathlib import Path

import boost_histogram as bh
import numpy as np
import pytest
from rich.console import Console

from histo.diff import Difference, compare, render
from histo.load import read_histograms
from histo.result import FilledHistogram, HistogramFile
from histo.write import write_histograms

axis = bh.axis


def pt(
    *,
    title: str = "t",
    label: str = "p_{T} [GeV]",
    ax: object = None,
    values: tuple[float, ...] = (1, 2, 3, 4, 5),
    variances: tuple[float, ...] | None = None,
) -> FilledHistogram:
    storage = bh.storage.Weight() if variances else bh.storage.Int64()
    contents = bh.Histogram(ax or axis.Regular(3, 0, 30), storage=storage)
    view = contents.view(flow=True)
    if variances:
        view["value"], view["variance"] = values, variances
    else:
        view[...] = values
    return FilledHistogram("f/pt", title, (label,), contents)


def a_file(*histograms: FilledHistogram) -> HistogramFile:
    return HistogramFile({h.name: h for h in histograms}, {"run": id(histograms)})


WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (pt(), []),
        (pt(title="u"), [Difference("f/pt", "title", in_a="t", in_b="u")]),
        (pt(label="E"), [Difference("f/pt", "labels", in_a="p_{T} [GeV]", in_b="E")]),
        (
            pt(ax=axis.Regular(3, 0, 33)),
            [Difference("f/pt", "axes", in_a="3 bins in [0, 30)", in_b="3 bins in [0, 33)")],
        ),
        (
            pt(ax=axis.Variable([0, 10, 21, 30])),
            [
                Difference(
                    "f/pt", "axes", in_a="3 bins in [0, 30)", in_b="3 variable bins in [0, 30)"
                )
            ],
        ),
        (
            pt(values=(1, 2, 9, 5, 5)),
            [Difference("f/pt", "contents", 2, 6.0, "p_{T} in [10, 20)", 3.0, 9.0)],
        ),
        (
            pt(values=(0, 2, 3, 4, 5)),
            [Difference("f/pt", "contents", 1, 1.0, "p_{T} < 0", 1.0, 0.0)],
        ),
        (
            pt(values=(1, 2, 3, 4, 7)),
            [Difference("f/pt", "contents", 1, 2.0, "p_{T} >= 30", 5.0, 7.0)],
        ),
        (
            pt(variances=(1, 2, 3, 4.5, 5)),
            [Difference("f/pt", "variances", 1, 0.5, "p_{T} in [20, 30)", 4.0, 4.5)],
        ),
    ],
)
def test_each_kind_of_difference_is_found(
    other: FilledHistogram, expected: list[Difference]
) -> None:
    assert compare(a_file(pt()), a_file(other)) == expected


def test_missing_histograms_are_found_on_both_sides() -> None:
    assert compare(a_file(pt()), a_file()) == [Difference("f/pt", "missing in B")]
    assert compare(a_file(), a_file(pt())) == [Difference("f/pt", "missing in A")]


def test_contents_only_leaves_the_rest_aside() -> None:
    other = pt(title="u", label="E", variances=(9, 9, 9, 9, 9))
    assert compare(a_file(pt()), a_file(other), contents_only=True) == []
    other = pt(title="u", values=(1, 2, 3, 4, 6))
    found = compare(a_file(pt()), a_file(other), contents_only=True)
    assert [difference.what for difference in found] == ["contents"]


def test_tolerance_is_relative_to_the_larger_value() -> None:
    other = a_file(pt(values=(1, 2, 3, 4.25, 5), variances=(1, 2, 3, 4, 5)))
    assert len(compare(a_file(pt()), other, rtol=0.05)) == 1
    assert compare(a_file(pt()), other, rtol=0.06) == []


def test_nan_equals_nan_and_nothing_else() -> None:
    a = a_file(pt(values=(math.nan, math.inf, 3, 4, 5), variances=WEIGHTS))
    b = a_file(pt(values=(math.nan, math.inf, math.nan, 4, 9), variances=WEIGHTS))
    assert compare(a, a) == []
    (found,) = compare(a, b, rtol=1e-3)
    assert (found.bins, found.where) == (2, "p_{T} in [10, 20)")
    assert math.isnan(found.largest)


def test_categories_are_compared_by_label() -> None:
    def regions(*categories: str) -> HistogramFile:
        contents = bh.Histogram(axis.StrCategory(categories), storage=bh.storage.Int64())
        contents.fill(["barrel", "barrel", "nowhere"])
        return a_file(FilledHistogram("r", "", ("region",), contents))

    (axes,) = compare(regions("barrel", "endcap"), regions("endcap", "barrel"))
    assert (axes.what, axes.in_a) == ("axes", "categories barrel, endcap")
    more = regions("barrel", "endcap")
    more.histograms["r"].contents.fill(["elsewhere"] * 3 + ["barrel"])
    (contents,) = compare(regions("barrel", "endcap"), more)
    assert (contents.where, contents.bins) == ("region in no category", 2)


def test_bins_of_several_axes_are_named_in_order() -> None:
    def cube(value: int) -> HistogramFile:
        contents = bh.Histogram(
            axis.Regular(2, 0, 1), axis.Integer(0, 3), axis.StrCategory(["a", "b"])
        )
        contents[1, bh.overflow, 1] = value
        return a_file(FilledHistogram("c", "", ("#eta", "", "region"), contents))

    (found,) = compare(cube(1), cube(2))
    assert found.where == "#eta in [0.5, 1), y >= 3, region = 'b'"


def test_formats_of_one_result_say_the_same(tmp_path: Path) -> None:
    axes = (
        axis.Regular(7, -0.1, 0.6),
        axis.Regular(5, 0.1, 70, transform=axis.transform.log),
        axis.Integer(-3, 2),
        axis.IntCategory([5, 1]),
        axis.StrCategory(["a", "b c"], overflow=False),
        axis.Boolean(),
        axis.Variable([0, 1, 10], overflow=False),
    )
    random = np.random.default_rng(3)
    made = []
    for i, ax in enumerate(axes):
        for storage in (bh.storage.Int64(), bh.storage.Weight()):
            h = bh.Histogram(ax, axes[i - 1], storage=storage)
            shape = h.view(flow=True).shape + (2,) * isinstance(storage, bh.storage.Weight)
            h[...] = random.integers(0, 9, shape)
            name = f"{i}/{type(storage).__name__}"
            made.append(FilledHistogram(name, "t", ("x", "y"), h))
    result = a_file(*made)
    files = []
    for suffix in (".root", ".json", ".pkl"):
        write_histograms(result, tmp_path / f"h{suffix}")
        files.append(read_histograms(tmp_path / f"h{suffix}"))
    for a in files:
        for b in files:
            assert compare(a, b) == []


def test_table_shows_labels_as_they_are() -> None:
    found = compare(a_file(pt()), a_file(pt(label="E [bold]", values=(1, 2, 9, 4, 5))))
    out = io.StringIO()
    Console(file=out, width=160).print(render(found))
    lines = out.getvalue().splitlines()
    assert any("E [bold]" in line and "p_{T} [GeV]" in line for line in lines)
    assert any("contents" in line and "p_{T} in [10, 20)" in line for line in lines)
