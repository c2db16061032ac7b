"""Which figures a configuration makes of its histograms."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.image import imread

from histo.figures import MAX_CURVES, draw_figures
from histo.result import HistogramFile
from histo.run import run
from runtime.scheduler import Scheduler
from schemas.dataset import open_dataset
from schemas.errors import UsageError
from schemas.histo_config import HistoConfig
from tests.histo.conftest import Command
from tests.strategies import configured, random_events, write_dataset

CONFIG = configured("""
selections: {Tight: tight, Hard: pt > 5, Fired: triggered}
histograms:
  Ele:
    fill:
      pt: {axis: [8, 0, 10], label: "p_{T} [GeV]"}
      map: {axes: [{of: pt, axis: [8, 0, 10]}, {of: eta, axis: [8, -5, 5]}]}
      cube:
        axes: [{of: pt, axis: [2, 0, 1]}, {of: eta, axis: [2, 0, 1]}, {of: phi, axis: [2, 0, 1]}]
    for: {Ele: all | Tight}
  Events:
    fill: {met: {of: MET.pt, axis: [8, 0, 10]}}
    for: {event: Fired}
  Everything:
    fill: {met: {of: MET.pt, axis: [8, 0, 10]}}
    weight: weight
""")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures") / "dataset"
    return write_dataset(folder, {"s": [random_events(200)]})


def fill_from(config: HistoConfig, dataset: Path) -> HistogramFile:
    return run(config, [open_dataset(dataset)], scheduler=Scheduler(workers=1))


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_selections_share_a_figure_and_maps_have_their_own(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "figures"
    drawn = draw_figures(CONFIG, {"one.root": fill_from(CONFIG, dataset)}, folder, "png")
    assert names(drawn) == [
        "Ele_Ele_pt.png",
        "Ele_Ele_all_map.png",
        "Ele_Ele_Tight_map.png",
        "Events_met.png",
        "Everything_met.png",
    ]
    assert sorted(drawn) == sorted(folder.iterdir())
    for path in drawn:
        assert imread(path).std() > 0.01


def test_several_files_share_curves_and_not_maps(dataset: Path, tmp_path: Path) -> None:
    filled = fill_from(CONFIG, dataset)
    drawn = draw_figures(CONFIG, {"a.root": filled, "b.json": filled}, tmp_path, "pdf")
    assert names(drawn) == [
        "Ele_Ele_pt.pdf",
        "Ele_Ele_all_map_a.pdf",
        "Ele_Ele_all_map_b.pdf",
        "Ele_Ele_Tight_map_a.pdf",
        "Ele_Ele_Tight_map_b.pdf",
        "Events_met.pdf",
        "Everything_met.pdf",
    ]
    assert all(path.read_bytes().startswith(b"%PDF") for path in drawn)


def test_too_many_curves_continue_on_the_next_figure(dataset: Path, tmp_path: Path) -> None:
    number = 2 * MAX_CURVES + 1
    cuts = ", ".join(f"S{i}: pt > {i}" for i in range(number))
    config = configured(f"""
selections: {{{cuts}}}
histograms: {{G: {{fill: {{pt: {{axis: [8, 0, 10]}}}}, for: {{Ele: S*}}}}}}
""")
    drawn = draw_figures(config, {"a.root": fill_from(config, dataset)}, tmp_path, "png")
    assert names(drawn) == ["G_Ele_pt.png", "G_Ele_pt_2.png", "G_Ele_pt_3.png"]


def test_histograms_of_another_configuration_are_refused(dataset: Path, tmp_path: Path) -> None:
    other = configured("histograms: {G: {fill: {run: {axis: {integer: [0, 5]}}}}}")
    with pytest.raises(UsageError, match=r"one\.root has no histogram 'Ele/Ele_all_pt'"):
        draw_figures(CONFIG, {"one.root": fill_from(other, dataset)}, tmp_path, "png")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_makes_at_least_six_figures(
    histo: Command, configs: Path, demo: Path, tmp_path: Path
) -> None:
    config, output = configs / "histo/demo.yaml", tmp_path / "demo.root"
    assert histo("run", config, demo, "-o", output).exit_code == 0
    result = histo("plot", config, output, "--output", tmp_path / "figures")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = [Path(line) for line in result.stdout.splitlines()]
    assert len(shown) >= 6
    assert sorted(shown) == sorted((tmp_path / "figures").iterdir())
    assert all(imread(path).std() > 0.01 for path in shown)
