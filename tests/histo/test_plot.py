"""Figures: that they are drawn, equal for equal input, and refused with a reason."""

import subprocess
import sys
from pathlib import Path

import boost_histogram as bh
import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from histo.plot import draw, poisson_errors
from histo.result import FilledHistogram
from histo.tlatex import to_mathtext
from schemas.errors import UsageError

axis = bh.axis


def spectrum(*, weighted: bool = False) -> FilledHistogram:
    storage = bh.storage.Weight() if weighted else bh.storage.Int64()
    contents = bh.Histogram(axis.Regular(20, 0, 100), storage=storage)
    values = np.random.default_rng(1).exponential(10, 2000)
    contents.fill(values, weight=values if weighted else None)
    return FilledHistogram("f/pt", "spectrum", ("p_{T} [GeV]",), contents)


def a_map() -> FilledHistogram:
    contents = bh.Histogram(axis.Regular(5, 1, 100, transform=axis.transform.log), axis.Boolean())
    contents.fill([3, 3, 50], [True, False, True])
    return FilledHistogram("f/map", "", ("E [GeV]", "#eta > 0"), contents)


def regions() -> FilledHistogram:
    contents = bh.Histogram(axis.StrCategory(["barrel", "p_{T} > 5"]))
    return FilledHistogram("f/regions", "", ("",), contents)


FIGURES = {
    "curves": [("loose, |#eta| < 2.4", spectrum()), ("tight", spectrum(weighted=True))],
    "map": [("", a_map())],
    "empty": [("nothing", regions())],
}


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
@pytest.mark.parametrize("name", FIGURES)
def test_equal_figures_are_equal_bytes(name: str, suffix: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"]
    for path in paths:
        draw(FIGURES[name], path, title="sample", text="Phase-2 Simulation")
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith({".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix])


def test_figure_shows_something_and_cms_only_on_request(tmp_path: Path) -> None:
    draw([("", spectrum())], tmp_path / "plain.png")
    draw([("", spectrum())], tmp_path / "cms.png", text="Phase-2 Simulation")
    inks = []
    for name in ("plain.png", "cms.png"):
        dark = imread(tmp_path / name)[..., :3].min(axis=-1) < 0.5
        assert 0.005 < dark.mean() < 0.2  # mostly paper, some ink
        width = dark.shape[1]
        frame = np.argmax(dark.sum(axis=1) > 0.7 * width)
        inks.append(int(dark[:frame, width // 5 :].sum()))
    assert inks[0] == 0
    assert inks[1] > 0


def test_drawing_leaves_the_settings_alone(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    draw(FIGURES["curves"], tmp_path / "a.png")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("curves", "file", "reason"),
    [
        ([], "a.png", "got nothing"),
        ([("", spectrum()), ("", a_map())], "a.png", "got f/pt, f/map"),
        ([("", a_map()), ("", a_map())], "a.png", "got f/map, f/map"),
        ([("", spectrum())], "a.svg", r"\.png or \.pdf"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    curves: list[tuple[str, FilledHistogram]], file: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=reason):
        draw(curves, tmp_path / file)


def test_missing_libraries_are_a_usage_error(tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["mplhep"] = None  # what an import finds when there is none
from pathlib import Path
import boost_histogram as bh
from histo.plot import draw
from histo.result import FilledHistogram
h = FilledHistogram("h", "", ("x",), bh.Histogram(bh.axis.Regular(2, 0, 1)))
draw([("", h)], Path({str(tmp_path / "a.png")!r}))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "UsageError: figures need mplhep" in run.stderr
    assert "pip install 'l1skim[plots]'" in run.stderr


def test_poisson_intervals_are_near_the_exact_ones() -> None:
    # central 68.27% intervals: PDG, Review of Particle Physics, Table of Poisson limits
    lower, upper = poisson_errors(np.array([0, 1, 2, 3, 10, 100]))
    assert lower == pytest.approx([0, 0.827, 1.292, 1.633, 3.108, 9.983], rel=0.01)
    assert upper == pytest.approx([0, 2.300, 2.638, 2.918, 4.267, 11.033], rel=0.01)


@pytest.mark.parametrize(
    ("tlatex", "mathtext"),
    [
        ("p_{T} [GeV]", r"$\mathit{p}_{\mathrm{T}}$ [GeV]"),
        ("|#eta^{gen}|", r"|$\eta^{\mathrm{gen}}$|"),
        ("#DeltaR(e, #gamma)", r"$\Delta$R(e, $\gamma$)"),
        ("#theta", r"$\theta$"),
        ("#sqrt{s} = 14 TeV", r"$\sqrt{\mathit{s}}$ = 14 TeV"),
        ("#it{p}_{T}", r"$\mathit{p}_{\mathrm{T}}$"),
        ("m_{ee} [GeV/c^{2}]", r"$\mathit{m}_{\mathrm{ee}}$ [GeV/$\mathrm{c}^{\mathrm{2}}$]"),
        ("p_{T}^{L1} - p_{T}^{GEN}", None),
        ("# of events", "# of events"),
        ("EGStaEE_MenuSta", "EGStaEE_MenuSta"),
        ("L1-matched, 50%, $5", r"L1-matched, 50%, \$5"),
    ],
)
def test_tlatex_becomes_mathtext(tlatex: str, mathtext: str | None) -> None:
    assert to_mathtext(tlatex) == (
        mathtext
        or r"$\mathit{p}_{\mathrm{T}}^{\mathrm{L}\mathrm{1}}$ "
        "\N{MINUS SIGN}"
        r" $\mathit{p}_{\mathrm{T}}^{\mathrm{GEN}}$"
    )


@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["p", "_{", "^{", "}", "#eta", "#sqrt{", "#", "$", "\\", "^", "{", "%", " "]
        ),
        max_size=8,
    ).map("".join)
)
def test_no_label_stops_a_figure(tmp_path_factory: pytest.TempPathFactory, label: str) -> None:
    path = tmp_path_factory.mktemp("label") / "a.png"
    draw([(label, spectrum())], path, title=label, text=label)
    assert path.stat().st_size > 0
