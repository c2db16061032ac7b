"""The configuration of stage two: its short forms and defaults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.axes import (
    Axis,
    BooleanAxis,
    CategoryAxis,
    IntegerAxis,
    RegularAxis,
    VariableAxis,
)
from schemas.histo_config import Dimension, HistoConfig
from schemas.load import load_model, parse_yaml, validate

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "histo").glob("*.yaml"))


def read(text: str) -> HistoConfig:
    return validate(parse_yaml(text, "histo.yaml"), HistoConfig)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path: Path) -> None:
    assert load_model(path, HistoConfig).version == 1


@pytest.mark.parametrize(
    ("written", "axis"),
    [
        ("[10, 0, 100]", RegularAxis(kind="regular", bins=10, start=0, stop=100)),
        ("{regular: [10, 0, 1]}", RegularAxis(kind="regular", bins=10, start=0, stop=1)),
        ("{log: [10, 0.1, 100]}", RegularAxis(kind="log", bins=10, start=0.1, stop=100)),
        ("{edges: [0, 1, 5]}", VariableAxis(kind="edges", edges=[0, 1, 5])),
        ("{integer: [-1, 2]}", IntegerAxis(kind="integer", start=-1, stop=2)),
        ("{categories: [11, 13]}", CategoryAxis(kind="categories", categories=[11, 13])),
        ("boolean", BooleanAxis(kind="boolean")),
    ],
)
def test_axes_have_short_forms(written: str, axis: Axis) -> None:
    config = read(f"histograms: {{H: {{fill: {{pt: {{axis: {written}}}}}}}}}\n")
    assert config.histograms["H"].fill["pt"].axis == axis


def test_a_selection_may_be_its_cut_alone() -> None:
    config = read("selections: {A: pt > 5, B: {cut: pt > 5}}\nhistograms: {H: {fill: "
                  "{pt: {axis: [1, 0, 1]}}}}\n")  # fmt: skip
    assert config.selections["A"] == config.selections["B"]


def test_a_family_may_stand_alone() -> None:
    config = read("histograms: {H: {fill: {pt: {axis: [1, 0, 1]}}, for: {A: all, B: [all, x]}}}\n")
    assert config.histograms["H"].families == {"A": ["all"], "B": ["all", "x"]}


def test_one_axis_is_one_dimension() -> None:
    config = read("histograms: {H: {fill: {pt: {of: 2 * pt, axis: [1, 0, 1], label: x}}}}\n")
    axis = RegularAxis(kind="regular", bins=1, start=0, stop=1)
    assert config.histograms["H"].fill["pt"].dimensions == [
        Dimension(of="2 * pt", axis=axis, label="x")
    ]


def test_axes_are_dimensions_in_their_order() -> None:
    config = read("histograms: {H: {fill: {m: {axes: [{of: pt, axis: boolean}, {of: eta, "
                  "axis: boolean}, {of: phi, axis: boolean}]}}}}\n")  # fmt: skip
    assert [d.of for d in config.histograms["H"].fill["m"].dimensions] == ["pt", "eta", "phi"]


def test_normalised_configuration_is_plain_data_with_all_defaults() -> None:
    config = read("histograms: {H: {fill: {pt: {axis: [1, 0, 1]}}}}\n")
    normalised = config.normalised()
    fill = normalised["histograms"]["H"]["fill"]["pt"]
    assert fill["axis"] == {"kind": "regular", "bins": 1, "start": 0.0, "stop": 1.0}
    assert (fill["of"], fill["label"], fill["axes"], fill["per_event"]) == (None, "", [], None)
    assert (normalised["version"], normalised["selections"]) == (1, {})
    assert json.loads(json.dumps(normalised)) == normalised
