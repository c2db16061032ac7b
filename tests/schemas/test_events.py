"""Columns as codes and a dictionary stand for the arrays that they mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histo.partitions import concatenate
from schemas.errors import InputError
from schemas.event_schema import EVENT
from schemas.events import Coded, Events, Objects, PlainCodes, decoded
from tests.strategies import coded, events


def test_a_code_stands_for_a_value() -> None:
    codes = PlainCodes(np.array([2, 0, 2, 1], np.int32))
    column = Coded(codes, np.array([1.5, np.nan, -0.0], np.float32))
    assert len(column) == 4
    expected = np.array([-0.0, 1.5, -0.0, np.nan], np.float32)
    assert column.decode().tobytes() == expected.tobytes()
    assert column.decode().dtype == np.float32


def test_a_code_beyond_the_dictionary_is_refused() -> None:
    with pytest.raises(IndexError):
        Coded(PlainCodes(np.array([3], np.int32)), np.arange(3)).decode()


def test_as_many_codes_as_objects_are_required() -> None:
    column = Coded(PlainCodes(np.zeros(3, np.int32)), np.array([1.0]))
    with pytest.raises(InputError, match="3 values for 2 objects"):
        Objects(np.array([0, 2]), {"pt": column})  # type: ignore[dict-item]  # as read


@given(events(), st.data())
def test_coded_events_are_selected_as_plain_ones(plain: Events, data: st.DataObject) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=plain.size, max_size=plain.size)))
    check_equal(coded(plain).select(mask.astype(np.bool_)), plain.select(mask.astype(np.bool_)))
    for name, objects in plain.collections.items():
        chosen = np.arange(len(objects)) % 2 == 0
        kept = coded(plain).collections[name].select(chosen)
        assert (kept.offsets == objects.select(chosen).offsets).all()


@given(events(), events())
def test_coded_and_plain_events_are_put_together(first: Events, second: Events) -> None:
    check_equal(
        concatenate([coded(first), second, coded(second)]), concatenate([first, second, second])
    )


def check_equal(found: Events, expected: Events) -> None:
    assert found.size == expected.size
    columns = [(EVENT, name) for name in expected.columns]
    columns += [(c, name) for c, objects in expected.collections.items() for name in objects.fields]
    for column in columns:
        values, wanted = decoded(found.column(*column)), expected.column(*column)
        assert values.dtype == wanted.dtype
        assert values.tobytes() == wanted.tobytes()
