"""Functions against formulas, reductions against loops, and arithmetic against NumPy."""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from schemas.binding import Binder
from schemas.evaluate import Evaluator
from schemas.event_schema import EVENT
from schemas.events import Array
from schemas.operations import FUNCTIONS, REDUCTIONS
from schemas.scope import Scope
from schemas.syntax import parse
from tests.strategies import (
    LISTS,
    SCHEMA,
    Tree,
    condition_trees,
    events,
    interpret,
    number_trees,
    values,
    written,
)

angles = st.floats(-math.pi, math.pi)
etas = st.floats(-5, 5)


def call(name: str, *values: object) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[name].compute(*values))


ONE = {
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "sign": lambda x: math.copysign(1, x),
    "isfinite": math.isfinite,
    "isnan": math.isnan,
}
TWO = {"atan2": math.atan2, "hypot": math.hypot, "minimum": min, "maximum": max}


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_number(name: str) -> None:
    points = [0.125, 0.3, 0.5, 1.0]
    expected = [float(ONE[name](point)) for point in points]
    assert call(name, np.array(points)).tolist() == pytest.approx(expected, rel=1e-15)
    assert len(FUNCTIONS[name].arguments) == 1


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_numbers(name: str) -> None:
    first, second = [0.5, -1.5, 2.0], [1.0, 0.25, -3.0]
    expected = [TWO[name](a, b) for a, b in zip(first, second, strict=True)]
    assert call(name, np.array(first), np.array(second)).tolist() == pytest.approx(expected)


def test_every_function_is_tested_here() -> None:
    several = {"where", "deltaphi", "deltar", "deltar2", "mass", "pair_pt"}
    assert set(FUNCTIONS) == {*ONE, *TWO, *several}


@given(st.floats(0.1, 1e3), angles, st.floats(0.1, 1e3), angles)
def test_pair_pt_is_the_length_of_the_sum(pt1: float, phi1: float, pt2: float, phi2: float) -> None:
    total = pt1 * cmath.exp(1j * phi1) + pt2 * cmath.exp(1j * phi2)
    assert float(call("pair_pt", pt1, phi1, pt2, phi2)) == pytest.approx(abs(total), abs=1e-9)


@given(etas, angles, etas, angles)
def test_deltar2_is_the_square_of_deltar(
    eta1: float, phi1: float, eta2: float, phi2: float
) -> None:
    square = float(call("deltar2", eta1, phi1, eta2, phi2))
    assert square == pytest.approx(float(call("deltar", eta1, phi1, eta2, phi2)) ** 2)


def test_halves_are_rounded_to_the_even_integer() -> None:
    assert call("round", np.array([0.5, 1.5, 2.5, -0.5])).tolist() == [0, 2, 2, 0]


def test_where_chooses_element_by_element() -> None:
    chosen = call("where", np.array([True, False]), np.array([1.5, 2.5], np.float32), 0)
    assert chosen.tolist() == [1.5, 0]
    assert chosen.dtype == np.float32


def test_functions_keep_float32() -> None:
    values = np.array([0.5, 1.0], np.float32)
    for name in {*ONE} - {"isfinite", "isnan"}:
        assert call(name, values).dtype == np.float32, name
    for name in (*TWO, "deltaphi"):
        assert call(name, values, values).dtype == np.float32, name
    assert call("deltar", values, values, values, values).dtype == np.float32
    assert call("mass", *[values] * 6).dtype == np.float64


@given(angles, angles)
def test_deltaphi_is_the_difference_on_the_circle(first: float, second: float) -> None:
    difference = float(call("deltaphi", first, second))
    assert abs(difference) <= math.pi * (1 + 1e-15)
    assert math.cos(difference) == pytest.approx(math.cos(first - second), abs=1e-12)
    assert math.sin(difference) == pytest.approx(math.sin(first - second), abs=1e-12)


@given(etas, angles, etas, angles)
def test_deltar_is_the_distance_on_the_cylinder(
    eta1: float, phi1: float, eta2: float, phi2: float
) -> None:
    turns = (phi1 - phi2 + turn for turn in (-2 * math.pi, 0, 2 * math.pi))
    nearest = min(math.hypot(eta1 - eta2, turn) for turn in turns)
    assert float(call("deltar", eta1, phi1, eta2, phi2)) == pytest.approx(nearest, abs=1e-12)


particles = st.tuples(st.floats(0.5, 500), etas, angles)


@given(particles, particles)
def test_mass_is_that_of_the_sum_of_four_vectors(
    first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    momenta = []
    for pt, eta, phi in (first, second):
        p = np.array([pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)])
        momenta.append(np.array([math.sqrt(p @ p), *p]))
    total = sum(momenta)
    square = total[0] ** 2 - total[1:] @ total[1:]
    # relative to the energy: the square is a difference of much larger numbers
    assert float(call("mass", *first, *second)) ** 2 == pytest.approx(
        square, abs=1e-11 * total[0] ** 2
    )


def test_mass_of_parallel_legs_is_zero_and_not_nan() -> None:
    legs = np.random.default_rng(1).normal(1, 1, (3, 1000)).astype(np.float32)
    np.testing.assert_array_equal(call("mass", *legs, *legs), 0)


REFERENCE: dict[str, Callable[[list[float]], float]] = {
    "any": any,
    "all": all,
    "count": sum,
    "sum": lambda found: float(sum(found)),
    "min": lambda found: min(found, default=math.nan),
    "max": lambda found: max(found, default=math.nan),
    "mean": lambda found: math.fsum(found) / len(found) if found else math.nan,
}


@pytest.mark.parametrize("name", REFERENCE)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_reductions_equal_a_loop_over_events(name: str, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 3), max_size=8))
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    kinds = ["bool"] if REDUCTIONS[name].condition else ["float32", "float64", "int8", "uint32"]
    kind = np.dtype(data.draw(st.sampled_from(kinds)))
    if kind.kind == "f":  # exact in any order of additions
        elements = st.integers(-1000, 1000).map(lambda n: n / 8)
        found = data.draw(npst.arrays(kind, int(offsets[-1]), elements=elements))
    else:
        found = data.draw(values(kind.name, offsets[-1]))
    with np.errstate(invalid="ignore"):
        reduced = REDUCTIONS[name].compute(found, offsets)
    events = [found[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    np.testing.assert_allclose(reduced, [REFERENCE[name](e) for e in events], rtol=1e-15)


def test_every_reduction_is_tested_here() -> None:
    assert set(REDUCTIONS) == set(REFERENCE)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("sum", "float32", "float64"),
        ("sum", "int8", "int64"),
        ("sum", "uint32", "int64"),
        ("max", "float32", "float32"),
        ("max", "int8", "float64"),
        ("min", "float64", "float64"),
        ("mean", "float32", "float64"),
        ("count", "bool", "int64"),
        ("any", "bool", "bool"),
        ("all", "bool", "bool"),
    ],
)
@pytest.mark.parametrize("counts", [[], [0, 0], [1, 0, 2]])
def test_types_do_not_depend_on_what_there_is(
    name: str, kind: str, expected: str, counts: list[int]
) -> None:
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    with np.errstate(invalid="ignore"):
        found = REDUCTIONS[name].compute(np.ones(offsets[-1], kind), offsets)
    assert (found.dtype.name, len(found)) == (expected, len(counts))


def test_nan_is_the_extreme_of_whatever_it_is_among() -> None:
    offsets = np.array([0, 2, 3])
    values = np.array([math.nan, 1.0, 2.0])
    for name in ("min", "max", "sum", "mean"):
        found = REDUCTIONS[name].compute(values, offsets)
        assert math.isnan(found[0])
        assert found[1] == 2


def test_sums_are_in_double_precision() -> None:
    values = np.array([2**24, 1, 1], np.float32)  # 2**24 + 1 is no float32
    assert REDUCTIONS["sum"].compute(values, np.array([0, 3]))[0] == 2**24 + 2


def outcome(compute: Callable[[], Array]) -> Array | None:
    """Return values, or None where NumPy refuses."""
    try:
        with np.errstate(all="ignore"):
            return compute()
    except (TypeError, ValueError, ArithmeticError):  # ExpressionError is a ValueError
        return None


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("trees", [number_trees, condition_trees])
def test_arithmetic_is_that_of_numpy_on_the_stored_types(
    trees: Callable[[str, int], st.SearchStrategy[Tree]], data: st.DataObject
) -> None:
    block = data.draw(events(max_events=5))
    level = data.draw(st.sampled_from([*LISTS, EVENT]))
    tree = data.draw(trees(level, 3))
    text = written(tree, level)

    def expect() -> Array:
        where, found = interpret(tree, level, block)
        size = block.size if level == EVENT else len(block.collections[level])
        if where == "":
            return np.full(size, found)
        if where == EVENT != level:
            return np.repeat(found, block.collections[level].counts)
        return np.asarray(found)

    def find() -> Array:
        node = Binder(Scope(SCHEMA)).bind(parse(text), level)
        found = Evaluator(block)(node)
        assert found.dtype == node.dtype, text
        return found

    expected, found = outcome(expect), outcome(find)
    assert (found is None) == (expected is None), text
    if expected is not None and found is not None:
        assert found.dtype == expected.dtype, text
        np.testing.assert_array_equal(found, expected, err_msg=text)
