"""Where baskets are: what is kept in few arrays is what was put in."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.grouping import Place
from schemas.number_branches import Baskets, NumberBranch


@st.composite
def branches(draw: st.DrawFn) -> NumberBranch:
    """Draw a branch of some baskets, or of none."""
    lengths = draw(st.lists(st.integers(1, 1000), max_size=5))
    numbers = st.lists(st.integers(0, 2**40), min_size=len(lengths), max_size=len(lengths))
    return NumberBranch(
        np.dtype(draw(st.sampled_from(["bool", ">i4", ">f8"]))),
        draw(st.booleans()),
        np.array(draw(numbers), ">i8"),
        np.array(lengths, ">i4"),
        np.cumsum([0, *lengths]),
    )


@given(st.lists(branches(), max_size=5), st.data())
def test_branches_come_back_as_they_were(own: list[NumberBranch], data: st.DataObject) -> None:
    known = {Place("t", str(number)): branch for number, branch in enumerate(own)}
    baskets = pickle.loads(pickle.dumps(Baskets.of(known)))  # noqa: S301 - as workers get it
    require_same(baskets.branches(), known)
    places = data.draw(st.permutations(list(known)))[: len(known) // 2]
    some = baskets.only([*places, Place("t", "other")])
    require_same(some.branches(), {place: known[place] for place in places})


def require_same(
    found: Mapping[Place, NumberBranch], expected: Mapping[Place, NumberBranch]
) -> None:
    assert list(found) == list(expected)
    for place, branch in expected.items():
        own = found[place]
        assert (own.dtype, own.depth, own.header) == (branch.dtype, branch.depth, branch.header)
        assert own.seeks.tolist() == branch.seeks.tolist()
        assert own.sizes.tolist() == branch.sizes.tolist()
        assert own.entries.tolist() == branch.entries.tolist()
