"""The same histograms from columns as codes and a dictionary, and from selections as patterns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import histo.cells
import histo.patterns
from histo.fill import fill
from histo.partitions import concatenate
from histo.plan import Plan, make_plan
from schemas.binding import Binder
from schemas.errors import ConfigError, ExpressionError
from schemas.evaluate import Evaluator
from schemas.event_schema import EVENT
from schemas.events import Array, Coded, Events
from schemas.expressions import Node
from schemas.histo_config import HistoConfig
from schemas.scope import Scope
from schemas.syntax import parse
from tests.histo.test_fill import EVERYTHING
from tests.histo.test_vocabulary_properties import CONFIG
from tests.strategies import (
    COLUMNS,
    LISTS,
    SCHEMA,
    Tree,
    coded,
    condition_trees,
    configured,
    events,
    number_trees,
    random_events,
    written,
)

pytestmark = pytest.mark.usefixtures("any_loops")

NAMES = sorted({*COLUMNS, *(field for fields in LISTS.values() for field in fields)})
PLANS = [make_plan(config, SCHEMA) for config in (EVERYTHING, CONFIG)]


def repeated(block: Events, times: int = 4) -> Events:
    """Events that stand there several times, so that a dictionary is shorter than the column."""
    return concatenate([block] * times)


def bind(text: str, collection: str) -> Node:
    return Binder(Scope(SCHEMA, {}, {})).bind(parse(text), collection)


def same(plan: Plan, first: Events, second: Events) -> None:
    """Require the same contents to the last bit."""
    found, expected = (fill(plan, block, block.size).contents(plan) for block in (first, second))
    for booking, ours, theirs in zip(plan.bookings, found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=booking.name)


# -- columns as codes ---------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["Ele", "Jet", EVENT]).flatmap(
        lambda level: st.tuples(st.just(level), number_trees(level, 2) | condition_trees(level, 3))
    ),
    events(),
    st.lists(st.sampled_from(NAMES)),
)
def test_expressions_have_the_same_values(
    what: tuple[str, Tree], block: Events, plain: list[str]
) -> None:
    level, tree = what
    try:
        node = bind(written(tree, level), level)
    except (ConfigError, ExpressionError):
        return
    block = repeated(block)
    try:
        expected = Evaluator(block)(node)
    except ExpressionError:
        with pytest.raises(ExpressionError, match="cannot be computed"):
            Evaluator(coded(block, plain))(node)
        return
    found = Evaluator(coded(block, plain))(node)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("pt", True),
        ("abs(eta) < 2.5", True),
        ("(quality & 2) != 0", True),
        ("1 < pt <= 5 and not pt == 3 or pt > 8", True),
        ("where(pt > 5, pt, 0)", True),
        ("pt > eta", False),
        ("pt > MET.pt", False),
        ("max(Jet.pt)", False),
    ],
)
def test_what_is_computed_of_one_column_stays_coded(text: str, stays: bool) -> None:
    block = coded(repeated(random_events(50)))
    assert isinstance(Evaluator(block).coded(bind(text, "Ele")), Coded) == stays


def test_functions_of_a_user_are_given_all_objects() -> None:
    given: list[int] = []

    def noted(values: Array) -> Array:
        given.append(len(values))
        return np.cbrt(values)

    block = repeated(random_events(50))
    scope = Scope(SCHEMA, {}, {}, functions={"noted": noted})
    node = Binder(scope).bind(parse("noted(pt)"), "Ele")
    found, expected = Evaluator(coded(block))(node), Evaluator(block)(node)
    np.testing.assert_array_equal(found, expected)
    assert given[1:] == [len(expected)] * 2


def test_a_dictionary_as_long_as_the_column_is_not_used() -> None:
    block = coded(random_events(50))
    assert not isinstance(Evaluator(block).coded(bind("pt", "Ele")), Coded)


def test_what_numpy_refuses_is_only_refused_where_it_occurs() -> None:
    block = repeated(random_events(50))
    positive = block.collections["Ele"].fields["charge"] >= 0
    kept = block.collections["Ele"].select(positive)
    part = Events(block.size, {**block.collections, "Ele": kept}, block.columns)
    every = coded(block).collections["Ele"]
    chosen = Events(block.size, {**coded(block).collections, "Ele": every.select(positive)}, {})
    node = bind("2 ** charge", "Ele")
    np.testing.assert_array_equal(Evaluator(chosen)(node), Evaluator(part)(node))
    with pytest.raises(ExpressionError, match="negative integer powers"):
        Evaluator(coded(block))(node)


@pytest.mark.parametrize("plan", PLANS, ids=["everything", "vocabulary"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(block=events(), plain=st.lists(st.sampled_from(NAMES)))
def test_any_events_fill_the_same(plan: Plan, block: Events, plain: list[str]) -> None:
    same(plan, coded(repeated(block), plain), repeated(block))


@pytest.mark.parametrize("plan", PLANS, ids=["everything", "vocabulary"])
def test_many_events_fill_the_same(plan: Plan) -> None:
    block = repeated(random_events(3000), 12)
    same(plan, coded(block), block)
    same(plan, coded(block, NAMES[::2]), block)


@pytest.mark.parametrize("length", [1_000, 4_096])
def test_what_is_counted_in_parts_fills_the_same(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = repeated(random_events(2000))
    found = [[fill(plan, block, 1).contents(plan) for plan in PLANS]]
    monkeypatch.setattr(histo.cells, "CHUNK", length)
    monkeypatch.setattr(histo.patterns, "PART", length)
    for part in (block, coded(block)):
        found.append([fill(plan, part, 1).contents(plan) for plan in PLANS])
    whole, plain, dictionary = found
    np.testing.assert_equal(plain, whole)
    np.testing.assert_equal(dictionary, whole)


# -- selections as patterns ---------------------------------------------------------------------

ATOMS = [
    "pt > 5", "pt >= 5", "not pt < 2.5", "isnan(pt)", "eta != eta", "abs(eta) < 2.5", "eta > phi",
    "charge == 1", "(quality & 2) != 0", "tight", "triggered", "run > 2", "pt > MET.pt",
    "pt > max(Jet.pt)", "count(Jet) > 1", "any(Jet.mass > 3)", "all(Ele.tight)", "True", "False",
    *(f"phi < {number / 8}" for number in range(-40, 60)),
]  # fmt: skip


def combinations(atoms: Sequence[str]) -> st.SearchStrategy[str]:
    """Conditions that combine others by and, or and not."""
    return st.recursive(
        st.sampled_from(atoms),
        lambda inner: st.one_of(
            inner.map("not ({})".format),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
                lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
            ),
        ),
        max_leaves=5,
    )


def selecting(cuts: Sequence[str]) -> HistoConfig:
    names = "\n".join(f"  S{number}: {cut}" for number, cut in enumerate(cuts))
    family = " | ".join(f"S{number}" for number in range(len(cuts)))
    return configured(f"""
collections: {{Hard: {{filter: Ele, where: pt > 1}}}}
selections:
{names}
histograms:
  Counts: {{fill: {{pt: {{axis: [8, 0, 10]}}}}, for: {{Ele: all | {family}, Hard: {family}}}}}
  Weighted: {{fill: {{pt: {{axis: [8, 0, 10]}}}}, for: {{Ele: {family}}}, weight: weight}}
""")


def by_mask(pt: Array, passed: Array) -> list[int]:
    """Count by hand: under 0, in eight bins up to 10, beyond, where NaN is."""
    values = pt[passed].astype(float)
    inside = (values >= 0) & (values < 10)
    low, high = values < 0, ~(values < 10)
    counts = [np.count_nonzero(np.floor(values[inside] / 1.25) == number) for number in range(8)]
    return [np.count_nonzero(low), *counts, np.count_nonzero(high)]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([2, 8, 20, len(ATOMS)]).flatmap(
        lambda number: st.lists(combinations(ATOMS[:number]), min_size=1, max_size=90)
    ),
    st.booleans(),
)
def test_any_combinations_fill_what_their_masks_say(cuts: list[str], dictionary: bool) -> None:
    block = repeated(random_events(40))
    plan = make_plan(selecting(cuts), SCHEMA)
    found = fill(plan, coded(block) if dictionary else block, block.size).contents(plan)
    evaluate = Evaluator(block, plan.derivations)
    for booking, (counts, variances) in zip(plan.bookings, found, strict=True):
        pt = evaluate(booking.values[0])
        every = np.ones(len(pt), np.bool_)
        passed = every if booking.selection is None else evaluate(booking.selection)
        if variances is None:
            assert counts.tolist() == by_mask(pt, passed), booking.name
        else:
            weights = evaluate(booking.weight) if booking.weight else every
            assert counts.sum() == pytest.approx(weights[passed].sum(dtype=float)), booking.name
