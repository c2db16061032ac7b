"""What histograms share is computed once for each partition, and kept no longer than needed."""

from __future__ import annotations

import sys
import weakref
from types import ModuleType

import numpy as np
import pytest

from histo.fill import fill
from histo.plan import make_plan
from schemas.events import Array
from tests.strategies import SCHEMA, configured, random_events


class Trace:
    """A function of a user that remembers what it was given, and which results are still there.

    Attributes
    ----------
    sizes
        Number of values of each call.
    alive
        How many results of earlier calls somebody held at each call.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.alive: list[int] = []
        self._made: list[weakref.ref[Array]] = []

    def __call__(self, values: Array) -> Array:
        self.sizes.append(len(values))
        self.alive.append(sum(result() is not None for result in self._made))
        result = values + np.float32(1)
        self._made.append(weakref.ref(result))
        return result

    def clear(self) -> None:
        """Forget the calls that found the type of what is returned."""
        self.sizes.clear()
        self.alive.clear()
        self._made.clear()


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> Trace:
    """The function ``traced`` of configurations that begin with `FUNCTIONS`."""
    module, function = ModuleType("traced_functions"), Trace()
    module.__dict__["traced"] = function
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return function


FUNCTIONS = """
functions: {traced: "traced_functions:traced"}
"""


def test_each_derived_collection_is_made_once(trace: Trace) -> None:
    text = """
collections:
  Hard: {filter: Ele, where: traced(pt) > 3}
  Top: {highest: 2, of: Hard, by: pt}
  Pair: {pairs: Hard}
histograms:
  First: {fill: &fill {n: {per_event: count(), axis: {integer: [0, 9]}}}, for: {Hard: all}}
  Second: {fill: *fill, for: {Top: all, Pair: all, Hard: all}}
"""
    plan = make_plan(configured(FUNCTIONS + text), SCHEMA, ["traced_functions"])
    block = random_events(50)
    trace.clear()
    fill(plan, block, block.size)
    assert trace.sizes == [len(block.collections["Ele"])]


def test_values_are_kept_for_the_histograms_of_their_collection_and_no_longer(
    trace: Trace,
) -> None:
    text = """
histograms:
  First: {fill: &fill {x: {of: traced(pt), axis: [3, 0, 3]}}, for: &for {Ele: all, Jet: all}}
  Second: {fill: *fill, for: *for, weight: traced(pt)}
  Third: {fill: {x: {of: traced(pt) + traced(pt), axis: [5, 0, 5]}}, for: *for}
"""
    plan = make_plan(configured(FUNCTIONS + text), SCHEMA, ["traced_functions"])
    block = random_events(50)
    trace.clear()
    fill(plan, block, block.size)
    assert trace.sizes == [len(block.collections[name]) for name in ("Ele", "Jet")]
    assert trace.alive == [0, 0]  # that of the electrons is gone when the jets' turn comes
