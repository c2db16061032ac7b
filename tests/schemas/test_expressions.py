"""Expressions against a schema: what they mean, what they read, and what they refuse."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.binding import Binder
from schemas.errors import ExpressionError
from schemas.evaluate import Evaluator
from schemas.event_schema import EVENT
from schemas.events import Array, Events, Objects
from schemas.expressions import Node
from schemas.needs import needed
from schemas.scope import Scope
from schemas.syntax import parse
from tests.schemas.test_syntax import ANY
from tests.strategies import LISTS, SCHEMA, condition_trees, written

# Three events: two electrons and a jet, nothing, one electron and two jets.
ELECTRONS = Objects(
    np.array([0, 2, 2, 3]),
    {
        "pt": np.array([20.5, 5, 40.25], np.float32),
        "eta": np.array([-1, 2.5, 0.5], np.float32),
        "phi": np.array([3, -3, 0], np.float32),
        "charge": np.array([1, -1, 1], np.int8),
        "quality": np.array([3, 2, 1], np.uint32),
        "tight": np.array([True, False, True]),
    },
)
JETS = Objects(
    np.array([0, 1, 1, 3]),
    {
        "pt": np.array([30, 50, 15], np.float32),
        "mass": np.array([5, 6, 7], np.float64),
        "hits": np.array([1, 2, 3], np.int64),
    },
)
THREE = Events(
    3,
    {"Ele": ELECTRONS, "Jet": JETS},
    {
        "run": np.array([1, 1, 2], np.uint32),
        "weight": np.array([1, 2, 0.5], np.float32),
        "triggered": np.array([True, False, True]),
        "MET_pt": np.array([10, 60, 30], np.float32),
        "MET_phi": np.array([0, 1, 2], np.float64),
    },
)


def bind(text: str, collection: str = EVENT, **names: Any) -> Node:
    selections = {name: parse(cut) for name, cut in names.pop("selections", {}).items()}
    fields = {
        owner: {name: parse(cut) for name, cut in defined.items()}
        for owner, defined in names.pop("define", {}).items()
    }
    assert not names
    return Binder(Scope(SCHEMA, fields, selections)).bind(parse(text), collection)


def values(text: str, collection: str = EVENT, events: Events = THREE, **names: Any) -> list[Any]:
    return Evaluator(events)(bind(text, collection, **names)).tolist()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("pt * 0.1", "float32"),
        ("pt + 1", "float32"),
        ("pt + sqrt(2)", "float32"),
        ("where(tight, pt, 0)", "float32"),
        ("charge + 1", "int8"),
        ("charge * 0.5", "float64"),
        ("quality & 2", "uint32"),
        ("charge + quality", "int64"),
        ("pt + MET.phi", "float64"),
        ("pt > 5", "bool"),
        ("7", "int64"),
    ],
)
def test_plain_numbers_never_widen_a_column(text: str, kind: str) -> None:
    assert bind(text, "Ele").dtype == kind
    assert Evaluator(THREE)(bind(text, "Ele")).dtype == kind


def test_float32_is_compared_as_float32() -> None:
    # 0.13 is no float32: as doubles, the column's 0.13 would be above it
    events = Events(1, {"Ele": Objects(np.array([0, 1]), {"pt": np.array([0.13], np.float32)})}, {})
    assert values("pt == 0.13", "Ele", events) == [True]
    assert values("pt > 0.13", "Ele", events) == [False]


# -- meaning ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt > 10 and tight", [True, False, True]),
        ("pt > 10 && tight", [True, False, True]),
        ("pt < 10 || charge > 0 && eta > 0", [False, True, True]),
        ("not tight", [False, True, False]),
        ("!tight", [False, True, False]),
        ("!(pt > 10) || tight", [True, True, True]),
        ("~tight", [False, True, False]),
        ("tight ^ (pt > 10)", [False, False, False]),
        ("(quality & 2) != 0", [True, True, False]),
        ("5 < pt <= 20.5", [True, False, False]),
        ("5 <= pt < 40 < 2 * pt", [True, False, False]),
        ("-1 == charge", [False, True, False]),
        ("abs(eta) < 1.479", [True, False, True]),
        ("pt > MET.pt", [True, False, True]),
        ("triggered and pt > 10", [True, False, True]),
        ("run == 1", [True, True, False]),
        ("pt > max(Jet.pt)", [False, False, False]),
        ("pt == max(Ele.pt)", [True, False, True]),
        ("count(Jet) == 2", [False, False, True]),
        ("True", [True, True, True]),
    ],
)
def test_conditions_of_objects(text: str, expected: list[bool]) -> None:
    assert values(text, "Ele") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count(Ele)", [2, 0, 1]),
        ("count(Ele.pt > 10)", [1, 0, 1]),
        ("count(Ele.tight)", [1, 0, 1]),
        ("any(Ele.pt < 10)", [True, False, False]),
        ("all(Ele.pt < 10)", [False, True, False]),
        ("sum(Ele.charge)", [0, 0, 1]),
        ("sum(Ele.pt)", [25.5, 0, 40.25]),
        ("max(Ele.pt, default=-1)", [20.5, -1, 40.25]),
        ("min(Ele.pt, default=0.5)", [5, 0.5, 40.25]),
        ("mean(Ele.pt, default=0)", [12.75, 0, 40.25]),
        ("max(Jet.pt) > 20", [True, False, True]),
        ("not max(Jet.pt) > 20", [False, True, False]),
        ("isnan(max(Jet.pt))", [False, True, False]),
        ("sum(where(Jet.pt > 20, Jet.pt, 0))", [30, 0, 50]),
        ("MET.pt > 20 and triggered", [False, False, True]),
        ("count(Ele.pt > MET.pt)", [1, 0, 1]),
        ("max(abs(Ele.eta)) < 3 or run == 1", [True, True, True]),
        ("max(Ele.pt * weight) - min(Ele.pt * weight)", [15.5, math.nan, 0]),
        ("4 / 2", [2.0, 2.0, 2.0]),
    ],
)
def test_values_of_events(text: str, expected: list[float]) -> None:
    np.testing.assert_array_equal(values(text), expected)


def test_functions_work_on_columns() -> None:
    pt, eta, phi = (ELECTRONS.fields[name].tolist() for name in ("pt", "eta", "phi"))
    turn = [a - math.pi for a in phi]
    turn = [angle + 2 * math.pi if angle < -math.pi else angle for angle in turn]
    found = values(f"deltaphi(phi, {math.pi!r})", "Ele")
    assert found == pytest.approx(turn, rel=1e-5)
    found = values(f"deltar(eta, phi, 0, {math.pi!r})", "Ele")
    assert found == pytest.approx([math.hypot(a, b) for a, b in zip(eta, turn, strict=True)])
    found = values("mass(pt, eta, phi, MET.pt, 0, MET.phi)", "Ele")
    met = [(10, 0), (10, 0), (30, 2)]
    squares = [
        2 * pt[i] * met[i][0] * (math.cosh(eta[i]) - math.cos(phi[i] - met[i][1])) for i in range(3)
    ]
    assert found == pytest.approx([math.sqrt(square) for square in squares])


def test_selections_are_read_in_the_collection_that_uses_them() -> None:
    selections = {"High": "pt > 25", "Both": "High and count(Ele.High) > 0"}
    assert values("High", "Ele", selections=selections) == [False, False, True]
    assert values("High", "Jet", selections=selections) == [True, True, False]
    assert values("Both", "Jet", selections=selections) == [False, True, False]
    assert values("count(Jet.High)", selections=selections) == [1, 0, 1]
    assert values("!High", "Ele", selections=selections) == [True, True, False]


def test_defined_fields_are_used_as_stored_ones() -> None:
    define = {"Ele": {"abseta": "abs(eta)", "far": "abseta > 2"}, "event": {"ht": "sum(Jet.pt)"}}
    assert values("abseta", "Ele", define=define) == [1, 2.5, 0.5]
    assert values("count(Ele.far)", define=define) == [1, 0, 0]
    assert values("pt < ht", "Ele", define=define) == [True, True, True]
    assert values("ht", define=define) == [30, 0, 65]


def per_event(text: str, where: str | None) -> list[Any]:
    binder = Binder(Scope(SCHEMA))
    passing = None if where is None else binder.condition(parse(where), "Ele")
    node = binder.per_event(parse(text), "Ele", passing)
    return Evaluator(THREE)(node).tolist()


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("count()", None, [2, 0, 1]),
        ("count()", "pt > 10", [1, 0, 1]),
        ("count(Ele)", "pt > 10", [1, 0, 1]),
        ("count(tight)", "pt < 10", [0, 0, 0]),
        ("count(Jet)", "pt > 10", [1, 0, 2]),
        ("sum(pt)", "pt > 10", [20.5, 0, 40.25]),
        ("max(pt)", "pt < 10", [5, math.nan, math.nan]),
        ("max(pt, default=0)", "pt < 10", [5, 0, 0]),
        ("max(pt) + max(Jet.pt)", "pt < 10", [35, math.nan, math.nan]),
        ("all(tight)", "pt > 10", [True, True, True]),
    ],
)
def test_values_per_event_see_selected_objects_only(
    text: str, where: str | None, expected: list[float]
) -> None:
    np.testing.assert_array_equal(per_event(text, where), expected)


def test_values_per_event_must_be_reduced() -> None:
    with pytest.raises(ExpressionError, match="one value per object of Ele"):
        per_event("pt", None)


def empty_events(text: str, collection: str = EVENT) -> list[bool] | None:
    found = Evaluator(THREE).empty_events(bind(text, collection))
    return None if found is None else found.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max(Ele.pt)", [False, True, False]),
        ("mean(Ele.pt) + 1", [False, True, False]),
        ("min(Ele.pt) + max(Jet.pt)", [False, True, False]),
        ("max(Ele.pt, default=0)", None),
        ("sum(Ele.pt)", None),
        ("count(Ele)", None),
        ("run", None),
    ],
)
def test_events_without_a_value_are_known(text: str, expected: list[bool] | None) -> None:
    assert empty_events(text) == expected


def test_invalid_arithmetic_is_nan_without_a_warning() -> None:
    found = Evaluator(THREE)(bind("log(eta) + 1 / (charge - charge) + sqrt(-pt)", "Ele"))
    assert np.isnan(found).all()


# -- what is read, and how often ----------------------------------------------------------------


class CountedArray(np.ndarray):
    """An array that counts the functions computed on it or on what comes of it."""

    calls: Counter[str]

    def __array_finalize__(self, source: object) -> None:
        self.calls = getattr(source, "calls", Counter())

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        self.calls[ufunc.__name__] += 1
        plain = [np.asarray(i) if isinstance(i, CountedArray) else i for i in inputs]
        result = np.asarray(getattr(ufunc, method)(*plain, **options)).view(CountedArray)
        result.calls = self.calls
        return result


class CountingColumns:
    """Columns that remember what was read and computed."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.size = events.size
        self.read: Counter[tuple[str, str]] = Counter()
        self.seen: set[str] = set()
        self.calls: Counter[str] = Counter()

    def offsets(self, collection: str) -> Array:
        self.seen.add(collection)
        return self.events.offsets(collection)

    def column(self, collection: str, field: str) -> Array:
        self.read[collection, field] += 1
        column = self.events.column(collection, field).view(CountedArray)
        column.calls = self.calls
        return column


def test_each_distinct_part_is_computed_once() -> None:
    columns = CountingColumns(THREE)
    evaluate = Evaluator(columns)
    binder = Binder(Scope(SCHEMA, {}, {"Hard": parse("sqrt(pt) > 3")}))
    for text in ("sqrt(pt) > 3 and eta < 1", "sqrt(pt)", "Hard", "Hard or !Hard", "sqrt( (pt) )"):
        evaluate(binder.bind(parse(text), "Ele"))
    evaluate(binder.bind(parse("max(sqrt(Ele.pt)) + count(Ele.Hard)")))
    evaluate(binder.per_event(parse("max(sqrt(pt))"), "Ele", binder.selection("Hard", "Ele")))
    assert columns.calls["sqrt"] == 1
    assert columns.calls["greater"] == 1
    assert columns.read == {("Ele", "pt"): 1, ("Ele", "eta"): 1}


@pytest.mark.parametrize(
    ("text", "collection", "columns", "collections"),
    [
        ("pt > 5", "Ele", {("Ele", "pt")}, {"Ele"}),
        ("1", "Ele", set(), {"Ele"}),
        ("1", EVENT, set(), set()),
        ("run", EVENT, {(EVENT, "run")}, set()),
        ("MET.pt", EVENT, {(EVENT, "MET_pt")}, set()),
        ("pt", "MET", {(EVENT, "MET_pt")}, set()),
        ("pt > MET.pt", "Jet", {("Jet", "pt"), (EVENT, "MET_pt")}, {"Jet"}),
        ("count(Ele)", EVENT, set(), {"Ele"}),
        ("count(Ele) + max(Jet.pt)", EVENT, {("Jet", "pt")}, {"Ele", "Jet"}),
        ("mass > count(Ele.tight)", "Jet", {("Jet", "mass"), ("Ele", "tight")}, {"Ele", "Jet"}),
    ],
)
def test_columns_are_inferred(
    text: str, collection: str, columns: set[tuple[str, str]], collections: set[str]
) -> None:
    assert needed([bind(text, collection)]) == (columns, collections)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_exactly_the_inferred_columns_are_read(data: st.DataObject) -> None:
    level = data.draw(st.sampled_from([*LISTS, EVENT]))
    text = written(data.draw(condition_trees(level, 3)), level)
    columns = CountingColumns(THREE)
    try:
        node = bind(text, level)
        with np.errstate(all="ignore"):
            Evaluator(columns)(node)
    except ExpressionError:
        return
    expected, collections = needed([node])
    assert columns.read == dict.fromkeys(expected, 1)
    assert columns.seen <= collections


# -- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "collection", "says"),
    [
        ("«ptt» > 5", "Ele", "did you mean 'pt'?"),
        ("a and «Tight»", "Ele", "did you mean 'tight'?"),
        ("«Jt».pt > 5", "Ele", "unknown collection 'Jt' // did you mean 'Jet'?"),
        ("«Jet.eta» > 5", "Jet", "Jet has no field 'eta'"),
        ("«MET_pt» > 5", EVENT, "did you mean 'MET.pt'?"),
        ("«Ele_pt» > 5", EVENT, "did you mean 'Ele.pt'?"),
        ("«mass» > 5", EVENT, "did you mean 'Jet.mass'?"),
        ("«Ele» > 5", EVENT, "'Ele' is a collection // for instance Ele.pt"),
        ("«Ele.pt > 5»", EVENT, "one value per object of Ele // reduce it with one of any"),
        ("«Jet.pt > 5»", "Ele", "per object of Jet, where one per object of Ele // reduce it"),
        ("«Jet.pt»", "MET", "per object of Jet, where one per event // reduce it"),
        ("«Ele.pt + Jet.pt» > 5", EVENT, "mixes objects of Ele and Jet"),
        ("pt > 5 and «Jet.pt + eta» > 5", "Ele", "mixes objects of Ele and Jet"),
        ("«Ele.pt.x»", "Ele", "only 'Collection.field' has a dot"),
        ("pt > 5 and «quality»", "Ele", "'and' takes conditions // 'quality != 0'"),
        ("«pt» or tight", "Ele", "'or' takes conditions"),
        ("not «pt»", "Ele", "'not' takes conditions"),
        ("!(«pt»)", "Ele", "'not' takes conditions"),
        ("«pt & 2»", "Ele", "takes two integers or two conditions, not float32 and int64"),
        ("pt > «1 & eta» < 2", "Ele", "write (a > 1) & (b > 2)"),
        ("«tight | quality»", "Ele", "takes two integers or two conditions"),
        ("«~pt»", "Ele", "'~' does not work with float32"),
        ("«tight + tight»", "Ele", "ambiguous // count(...)"),
        ("«-tight»", "Ele", "takes a number, and this is a condition"),
        ("«charge == 1 == tight»", "Ele", "compares a condition with a number"),
        ("«tight > 1»", "Ele", "compares a condition with a number"),
        ("«sqr»(pt)", "Ele", "unknown function 'sqr' // did you mean 'sqrt'?"),
        ("«__import__»(pt)", "Ele", "unknown function '__import__'"),
        ("«sqrt(pt, 1)»", "Ele", "takes 1 argument: sqrt(x)"),
        ("«hypot(pt)»", "Ele", "takes 2 arguments: hypot(x, y)"),
        ("«sqrt(x=pt)»", "Ele", "takes 1 argument: sqrt(x)"),
        ("sqrt(«pt > 1»)", "Ele", "'sqrt' takes numbers"),
        ("where(«pt», 1, 2)", "Ele", "the first argument of 'where' takes conditions"),
        ("«max(pt, eta)»", "Ele", "takes one argument // maximum(a, b)"),
        ("«sum()»", "Ele", "takes one argument"),
        ("«count()»", EVENT, "takes one argument"),
        ("any(«pt»)", "Ele", "'any' takes conditions"),
        ("sum(«tight»)", "Ele", "'sum' takes numbers // count(...)"),
        ("max(«pt > 1»)", "Ele", "'max' takes numbers"),
        ("max(«MET.pt»)", EVENT, "needs values of objects"),
        ("max(«max(Ele.pt)»)", EVENT, "needs values of objects"),
        ("max(Ele.pt, default=«run»)", EVENT, "the default must be a number"),
        ("«sum(Ele.pt, default=0)»", EVENT, "'sum' has no argument 'default'"),
        ("«max(Ele.pt, start=0)»", EVENT, "'max' has no argument 'start'"),
        ("«charge + 300»", "Ele", "300 out of bounds for int8"),
        ("«quality + -1»", "Ele", "out of bounds for uint32"),
        ("«charge ** -1»", "Ele", "negative integer powers"),
        ("«2 ** 64» > pt", "Ele", "does not fit 64 bits"),
        ("«2 ** 1000» > pt", "Ele", "the exponent is larger than 64"),
        ("«1 << 1000» > pt", "Ele", "the exponent is larger than 64"),
        ("«1 << -1» > pt", "Ele", "negative shift count"),
        ("«1 / 0» > pt", "Ele", "division by zero"),
        ("«(-1) ** 0.5» > pt", "Ele", "not a real number"),
        ("«1.0 ^ 2» > pt", "Ele", "takes two integers or two conditions"),
    ],
)
def test_mistakes_are_marked_and_answered(text: str, collection: str, says: str) -> None:
    before, _, rest = text.partition("«")
    part, _, after = rest.partition("»")
    with pytest.raises(ExpressionError) as caught:
        bind(before + part + after, collection, selections={"a": "pt > 1"})
    error = caught.value
    for piece in says.split(" // "):
        assert piece in str(error)
    assert error.text[slice(*error.span)] == part


def test_definitions_must_not_be_circular() -> None:
    with pytest.raises(ExpressionError, match="defined by itself: A -> B -> A"):
        bind("A", "Ele", selections={"A": "pt > 1 and B", "B": "!A"})
    with pytest.raises(ExpressionError, match="defined by itself"):
        bind("x", "Ele", define={"Ele": {"x": "y + 1", "y": "x"}})
    with pytest.raises(ExpressionError, match="defined by itself: A -> A"):
        bind("A", "Ele", selections={"A": "count(Ele.A) > 0"})


def test_a_selection_must_not_hide_a_field() -> None:
    with pytest.raises(ExpressionError, match="is a selection and also a field of Ele"):
        bind("tight", "Ele", selections={"tight": "pt > 1"})
    assert values("mass", "Ele", selections={"mass": "pt > 25"}) == [False, False, True]


def test_a_selection_must_be_a_condition() -> None:
    with pytest.raises(ExpressionError, match="a condition is needed, and this is a number"):
        bind("A", "Ele", selections={"A": "pt"})


def test_powers_that_numpy_refuses_are_answered_when_they_occur() -> None:
    node = bind("charge ** charge", "Ele")
    with pytest.raises(ExpressionError, match=r"negative integer powers(.|\n)*decimal point"):
        Evaluator(THREE)(node)


@settings(max_examples=300, deadline=None)
@given(ANY, st.sampled_from([*SCHEMA.collections]))
def test_only_expression_errors_come_out_of_any_text(text: str, collection: str) -> None:
    try:
        node = bind(text, collection)
    except ExpressionError as error:
        said = str(error)
    else:
        said = node.key
    assert said
