"""What a configuration books: names, titles, labels, axes, and exactly the columns it needs."""

from __future__ import annotations

import pytest

from histo.plan import Booking, Plan, make_plan
from schemas.errors import ConfigError
from schemas.event_schema import EVENT
from tests.strategies import SCHEMA, configured


def plan(text: str) -> Plan:
    return make_plan(configured(text), SCHEMA)


def booked(text: str) -> dict[str, Booking]:
    return {booking.name: booking for booking in plan(text).bookings}


PLANNED = """
selections:
  Tight: {cut: tight, label: tight ones}
  Central: {cut: abs(eta) < 1.5 and Tight}
  Fired: triggered
histograms:
  Electrons:
    fill:
      pt: {axis: [10, 0, 100], label: "p_{T} [GeV]"}
      scaled: {of: pt * 2, axis: [10, 0, 100], title: Twice}
      map: {axes: [{of: pt, axis: [2, 0, 1]}, {of: eta, axis: [2, 0, 1], label: "#eta"}]}
      n: {per_event: count(), axis: {integer: [0, 3]}}
    for: {Ele: all | Tight x Central}
  Events:
    fill: {run: {axis: {integer: [0, 9]}}}
    for: {event: Fired}
  Everything:
    fill: {run: {axis: {integer: [0, 9]}}}
    weight: weight
"""


def test_names_are_predictable_and_in_the_order_of_the_configuration() -> None:
    members = ["all", "TightCentral"]
    keys = ["pt", "scaled", "map", "n"]
    assert list(booked(PLANNED)) == [
        *(f"Electrons/Ele_{member}_{key}" for member in members for key in keys),
        "Events/event_Fired_run",
        "Everything/run",
    ]


def test_titles_and_labels_are_given_or_derived() -> None:
    made = booked(PLANNED)
    assert made["Electrons/Ele_TightCentral_pt"].title == "Ele TightCentral"
    assert made["Electrons/Ele_all_scaled"].title == "Twice"
    assert made["Electrons/Ele_all_pt"].labels == ("p_{T} [GeV]",)
    assert made["Electrons/Ele_all_scaled"].labels == ("pt * 2",)
    assert made["Electrons/Ele_all_map"].labels == ("pt", "#eta")
    assert made["Electrons/Ele_all_n"].labels == ("count()",)


def test_levels_and_weights_are_resolved() -> None:
    made = booked(PLANNED)
    assert made["Electrons/Ele_all_pt"].level == "Ele"
    assert made["Electrons/Ele_all_n"].level == EVENT
    assert made["Events/event_Fired_run"].level == EVENT
    assert made["Electrons/Ele_all_pt"].selection is None
    assert made["Everything/run"].weight is not None


def test_columns_are_those_that_are_needed() -> None:
    made = plan(PLANNED)
    assert made.columns == {
        ("Ele", "pt"),
        ("Ele", "eta"),
        ("Ele", "tight"),
        (EVENT, "triggered"),
        (EVENT, "run"),
        (EVENT, "weight"),
    }
    assert made.collections == {"Ele"}


@pytest.mark.parametrize(
    ("histogram", "columns", "collections"),
    [
        ("{fill: {n: {per_event: count(), axis: [3, 0, 3]}}, for: {Jet: all}}", set(), {"Jet"}),
        ("{fill: {n: {of: 1, axis: [3, 0, 3]}}, for: {Jet: all}}", set(), {"Jet"}),
        ("{fill: {n: {of: 1, axis: [3, 0, 3]}}}", set(), set()),
        ("{fill: {n: {of: count(Jet), axis: [3, 0, 3]}}}", set(), {"Jet"}),
        ("{fill: {n: {of: MET.pt, axis: [3, 0, 3]}}}", {(EVENT, "MET_pt")}, set()),
        ("{fill: {pt: {axis: [3, 0, 3]}}, for: {Jet: all}}", {("Jet", "pt")}, {"Jet"}),
    ],
)
def test_nothing_more_is_read_than_needed(
    histogram: str, columns: set[tuple[str, str]], collections: set[str]
) -> None:
    made = plan(f"histograms: {{G: {histogram}}}")
    assert (made.columns, made.collections) == (columns, collections)


def test_unused_selections_need_nothing_and_are_not_checked() -> None:
    made = plan(
        "selections: {Bad: nonsense > 1}\nhistograms: {G: {fill: {run: {axis: [1, 0, 2]}}}}"
    )
    assert made.columns == {(EVENT, "run")}


def test_selections_are_resolved_for_each_collection_that_uses_them() -> None:
    made = plan("""
selections: {High: pt > 10, Both: High and triggered}
histograms:
  G: {fill: {pt: {axis: [1, 0, 2]}}, for: {Ele: Both, Jet: High}}
""")
    assert made.selections == {
        ("Both", "Ele"): "((Ele.pt > 10) and triggered@Ele)",
        ("High", "Jet"): "(Jet.pt > 10)",
    }


def test_the_same_things_are_the_same_node() -> None:
    made = booked("""
selections: {A: pt > 10, B: (pt) > 10}
histograms: {G: {fill: {pt: {axis: [1, 0, 2]}}, for: {Ele: A | B}}}
""")
    first, second = (booking.selection for booking in made.values())
    assert first is not None
    assert second is not None
    assert first.key == second.key


def group(fill: str, rest: str = "for: {Ele: all}", selections: str = "{}") -> str:
    return f"selections: {selections}\nhistograms:\n  G: {{fill: {{{fill}}}, {rest}}}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (group("pt: {axis: [1, 0, 2]}", "for: {El: all}"), "unknown collection 'El' // 'Ele'"),
        (group("pt: {axis: [1, 0, 2]}", "for: {MET: all}"), "'MET'"),
        (group("ptt: {axis: [1, 0, 2]}"), "'G/Ele_all_ptt' // 'ptt' // of: EXPRESSION // 'pt'"),
        (group("x: {of: ptt, axis: [1, 0, 2]}"), "'ptt' // did you mean 'pt'?"),
        (group("x: {of: Jet.pt, axis: [1, 0, 2]}"), "of Jet, where one per object of Ele"),
        (group("pt: {axis: {integer: [0, 2]}}"), "'integer' axis needs an integer // float32"),
        (group("pt: {axis: {categories: [0, 2]}}"), "'categories' axis needs an integer"),
        (group("charge: {axis: boolean}"), "'boolean' axis needs a condition // int8"),
        (group("tight: {axis: {integer: [0, 2]}}"), "'integer' axis needs an integer // bool"),
        (group("x: {per_event: pt, axis: [1, 0, 2]}"), "one value per object of Ele // reduce it"),
        (group("x: {per_event: max(pt), axis: {integer: [0, 2]}}"), "needs an integer"),
        (group("x: {per_event: count(), axis: [1, 0, 2]}", "for: {event: all}"), "'per_event'"),
        (group("x: {per_event: count(), axis: [1, 0, 2]}", ""), "'per_event'"),
        (group("x: {of: Ele.pt, axis: [1, 0, 2]}", ""), "one value per object of Ele"),
        (group("run: {axis: [1, 0, 2]}", "weight: Ele.pt"), "one value per object of Ele"),
        (group("pt: {axis: [1, 0, 2]}", "for: {Ele: all}, weight: tight"), "a weight is a number"),
        (
            group("n: {per_event: count(), axis: [1, 0, 2]}", "for: {Ele: all}, weight: pt"),
            "'pt'",
        ),
        (group("pt: {axis: [1, 0, 2]}", "for: {Ele: S}", "{S: pt}"), "condition // number"),
        (group("pt: {axis: [1, 0, 2]}", "for: {Ele: S}", "{S: T, T: S}"), "S -> T -> S"),
        (group("pt: {axis: [1, 0, 2]}", "for: {Ele: S}", "{S: hits > 1}"), "'hits' // Jet.hits"),
        (group("pt: {axis: [1, 0, 2]}", "for: {Ele: S}", "{all: pt > 1}"), "'all'"),
        (
            group("A_pt: {of: pt, axis: [1, 0, 2]}, pt: {axis: [1, 0, 2]}", "for: {Ele: S | S_A}",
                  "{S: tight, S_A: tight}"),
            "two histograms are called 'G/Ele_S_A_pt'",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_placed_and_answered(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(text)
    for piece in says.split(" // "):
        assert piece in str(caught.value)
    assert str(caught.value).startswith("histo.yaml:")
    assert caught.value.location is not None
    assert caught.value.location.line in (1, 3)
