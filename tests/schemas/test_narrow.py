"""Narrower columns: what a configuration means for a schema, and what happens to the values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from schemas.errors import ConfigError, InputError
from schemas.event_schema import Collection, EventSchema, Field
from schemas.events import Array, Events, Objects
from schemas.model import from_data, to_data
from schemas.narrow import (
    Narrowing,
    Rounding,
    largest,
    narrow_events,
    narrow_schema,
    narrow_values,
    round_mantissa,
)

SCHEMA = EventSchema(
    collections={
        "event": Collection(kind="event", fields={"run": Field(type="uint32")}),
        "MET": Collection(kind="singleton", fields={"pt": Field(type="float64", unit="GeV")}),
        "A": Collection(
            kind="list",
            fields={
                "pt": Field(type="float32", unit="GeV"),
                "eta": Field(type="float32"),
                "hw": Field(type="int32"),
                "tight": Field(type="bool"),
            },
        ),
    }
)


def stored(schema: EventSchema) -> dict[str, str]:
    """Return how each column that was narrowed is stored."""
    found = {}
    for name, collection in schema.collections.items():
        for field, info in collection.fields.items():
            if info.mantissa_bits is not None:
                found[f"{name}.{field}"] = f"{info.mantissa_bits} bits"
            elif info.narrowed_from:
                found[f"{name}.{field}"] = f"{info.type} from {info.narrowed_from}"
    return found


# What a configuration means ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"A.hw": "int8"}, {"A.hw": "int8 from int32"}),
        ({"event.run": [0, 65535]}, {"event.run": "uint16 from uint32"}),
        ({"MET.pt": "float32"}, {"MET.pt": "float32 from float64"}),
        ({"A.pt": "int16"}, {"A.pt": "int16 from float32"}),
        ({"MET.pt": "30 bits"}, {"MET.pt": "30 bits"}),
        ({"*": "30 bits"}, {"MET.pt": "30 bits"}),
        ({"*": "uint8"}, {"event.run": "uint8 from uint32", "A.hw": "uint8 from int32"}),
        ({"*.pt": "9 bits"}, {"MET.pt": "9 bits", "A.pt": "9 bits"}),
        ({"A.*": "9 bits"}, {"A.pt": "9 bits", "A.eta": "9 bits"}),
        ({}, {}),
    ],
)
def test_keys_are_names_or_patterns(narrow: dict, found: dict[str, str]) -> None:
    rules = {key: Narrowing.parse(value) for key, value in narrow.items()}
    assert stored(narrow_schema(SCHEMA, rules)) == found


@pytest.mark.parametrize("order", [1, -1])
def test_the_more_precise_key_wins_in_any_order(order: int) -> None:
    rules = {"*": "5 bits", "A.*": "9 bits", "A.pt": "12 bits"}
    found = stored(narrow_schema(SCHEMA, dict(list(rules.items())[::order])))
    assert found == {"MET.pt": "5 bits", "A.pt": "12 bits", "A.eta": "9 bits"}


def test_patterns_that_agree_are_no_contradiction() -> None:
    found = stored(narrow_schema(SCHEMA, {"A.*": "9 bits", "*.pt": "9 bits"}))
    assert found == {"A.pt": "9 bits", "A.eta": "9 bits", "MET.pt": "9 bits"}


def test_contradictions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"for A\.pt; say it for 'A\.pt'"):
        narrow_schema(SCHEMA, {"A.*": "9 bits", "*.pt": "8 bits"})


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [(0, 0, "uint8"), (0, 255, "uint8"), (-1, 1, "int8"), (-1, 128, "int16"), (0, 256, "uint16"),
     (0, 65536, "uint32"), (-(2**31), 0, "int32"), (-1, 2**32, "int64"), (0, 2**64 - 1, "uint64")],
)  # fmt: skip
def test_ranges_take_the_smallest_type(low: int, high: int, kind: str) -> None:
    assert Narrowing.parse([low, high]) == kind


def test_units_and_meaning_survive() -> None:
    field = narrow_schema(SCHEMA, {"A.pt": "9 bits"}).collections["A"].fields["pt"]
    assert (field.type, field.unit) == ("float32", "GeV")
    assert from_data(to_data(field), Field) == field
    assert to_data(SCHEMA.collections["A"].fields["pt"]).keys() == {"type", "unit", "doc"}


# Real numbers --------------------------------------------------------------------------------


def floats(kind: str) -> st.SearchStrategy[Array]:
    width = 32 if kind == "float32" else 64
    return npst.arrays(kind, st.integers(0, 30), elements=st.floats(width=width))


FLOATS_AND_BITS = st.one_of(
    st.tuples(floats("float32"), st.integers(1, 22)),
    st.tuples(floats("float64"), st.integers(1, 51)),
)


def same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


@given(FLOATS_AND_BITS)
def test_rounding_again_changes_nothing(case: tuple[Array, int]) -> None:
    once = round_mantissa(*case)
    assert same(round_mantissa(once, case[1]), once)


@given(FLOATS_AND_BITS)
@example((np.float32([2**-149, 2**-126, 1.5 * 2**-126]), 1))
def test_the_error_is_at_most_half_of_the_last_bit_that_is_left(case: tuple[Array, int]) -> None:
    values, bits = case
    found = round_mantissa(values, bits)
    kept = np.isfinite(found)
    exact, rounded = values[kept].astype(np.longdouble), found[kept].astype(np.longdouble)
    assert np.all(np.abs(rounded - exact) <= np.abs(exact) * 2.0 ** -(bits + 1))
    limit = np.finfo(values.dtype).max * (1 - 2.0 ** -(bits + 2))
    assert np.all(~np.isfinite(values[~kept]) | (np.abs(values[~kept]) > limit))


@given(FLOATS_AND_BITS)
def test_the_last_bits_are_zero_and_the_rest_is_left_alone(case: tuple[Array, int]) -> None:
    values, bits = case
    found = round_mantissa(values, bits)
    raw = found.view(f"u{values.dtype.itemsize}")
    info = np.finfo(values.dtype)
    normal = np.isfinite(found) & (np.abs(found) >= info.tiny)
    dropped = raw.dtype.type(2 ** (info.nmant - bits) - 1)
    assert not np.any(raw[normal] & dropped)
    special = ~np.isfinite(values) | (np.abs(values) < info.tiny)
    assert same(found[special], values[special])
    assert np.array_equal(np.signbit(found), np.signbit(values))


@given(FLOATS_AND_BITS, st.integers(1, 7))
def test_any_partitioning_gives_the_same_values(case: tuple[Array, int], size: int) -> None:
    values, bits = case
    parts = [round_mantissa(values[i : i + size], bits) for i in range(0, len(values), size)]
    assert same(np.concatenate([values[:0], *parts]), round_mantissa(values, bits))


@given(FLOATS_AND_BITS)
def test_order_is_kept(case: tuple[Array, int]) -> None:
    values = np.sort(case[0][~np.isnan(case[0])])
    found = round_mantissa(values, case[1])
    assert np.all(found[:-1] <= found[1:])


def test_ties_go_to_even_and_carries_to_the_next_power_of_two() -> None:
    values = np.float32([1.25, 1.75, 1.7501, 3.5, -1.25, 1.2500001, 2 - 2**-20])
    assert round_mantissa(values, 1).tolist() == [1.0, 2.0, 2.0, 4.0, -1.0, 1.5, 2.0]


# Events --------------------------------------------------------------------------------------

OFFSETS = np.array([0, 2, 2, 3])


def events(hw: Array | None = None, pt: Array | None = None, met: Array | None = None) -> Events:
    fields = {
        "pt": np.float32([1.1, 2.2, 3.3]) if pt is None else pt,
        "eta": np.float32([-1, 0, 1]),
        "hw": np.int32([0, 1, 2]) if hw is None else hw,
        "tight": np.array([True, False, True]),
    }
    columns = {
        "run": np.uint32([7, 7, 7]),
        "MET_pt": np.float64([1e-3, 0.1, 1e3]) if met is None else met,
    }
    return Events(3, {"A": Objects(OFFSETS, fields)}, columns)


def place(event: int) -> str:
    return f"event {event}"


def narrow(found: Events, **rules: str) -> tuple[Events, dict[str, Rounding]]:
    schema = narrow_schema(SCHEMA, {key.replace("__", "."): rule for key, rule in rules.items()})
    return narrow_events(found, schema, place)


def test_integers_keep_their_values() -> None:
    found, errors = narrow(events(np.int32([-128, 0, 127])), A__hw="int8", event__run="uint8")
    assert found.collections["A"].fields["hw"].dtype == np.int8
    assert found.collections["A"].fields["hw"].tolist() == [-128, 0, 127]
    assert found.columns["run"].tolist() == [7, 7, 7]
    assert found.columns["run"].dtype == np.uint8
    assert errors == {}


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([0, 1, 256], "uint8", r"^event 2: A\.hw is 256, which cannot be stored as uint8; change"),
        ([0, -1, 0], "uint8", r"^event 0: A\.hw is -1,"),
        ([0, 0, -32769], "int16", r"^event 2: A\.hw is -32769,"),
    ],
)
def test_integers_that_do_not_fit_are_named(values: list[int], kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        narrow(events(np.int32(values)), A__hw=kind)


@pytest.mark.parametrize("wrong", [0.5, -1.0, 65536.0, float("nan"), float("inf")])
def test_only_whole_numbers_become_integers(wrong: float) -> None:
    found, _ = narrow(events(pt=np.float32([0, 65535, 3])), A__pt="uint16")
    assert found.collections["A"].fields["pt"].tolist() == [0, 65535, 3]
    with pytest.raises(InputError, match=rf"^event 2: A\.pt is {wrong}, which cannot be stored"):
        narrow(events(pt=np.float32([0, 1, wrong])), A__pt="uint16")


@pytest.mark.parametrize("rule", ["float32", "9 bits"])
def test_nothing_becomes_infinite(rule: str) -> None:
    huge = float(np.finfo(np.float64).max)
    found, _ = narrow(events(met=np.array([1, np.inf, np.nan])), MET__pt=rule)
    assert found.columns["MET_pt"].tolist()[:2] == [1, np.inf]
    with pytest.raises(InputError, match=r"^event 1: MET\.pt is 1\.79.*e\+308"):
        narrow(events(met=np.array([1, huge, 1])), MET__pt=rule)


def test_the_largest_errors_are_recorded() -> None:
    met = np.array([0.0, 100.3, np.nan])
    found, errors = narrow(events(met=met), A__pt="9 bits", A__eta="9 bits", MET__pt="float32")
    assert errors.keys() == {"A.pt", "A.eta", "MET.pt"}
    assert errors["A.eta"] == Rounding()
    assert errors["MET.pt"].absolute == abs(float(np.float32(100.3)) - 100.3)
    exact = np.float32([1.1, 2.2, 3.3]).astype(float)
    made = np.abs(found.collections["A"].fields["pt"].astype(float) - exact)
    assert errors["A.pt"] == Rounding(absolute=made.max(), relative=(made / exact).max())
    assert 0 < errors["A.pt"].relative <= 2**-10


def test_what_is_not_narrowed_is_the_same_array() -> None:
    before = events()
    found, _ = narrow(before, A__hw="int8")
    assert found.collections["A"].fields["pt"] is before.collections["A"].fields["pt"]
    assert found.columns["MET_pt"] is before.columns["MET_pt"]


def test_no_objects_at_all() -> None:
    empty = {"pt": np.float32([]), "hw": np.int32([]), "eta": np.float32([]),
             "tight": np.array([], bool)}  # fmt: skip
    none = Events(1, {"A": Objects(np.array([0, 0]), empty)},
                  {"run": np.uint32([1]), "MET_pt": np.array([0.0])})  # fmt: skip
    found, errors = narrow(none, A__hw="int8", A__pt="3 bits")
    assert found.collections["A"].fields["hw"].dtype == np.int8
    assert errors == {"A.pt": Rounding()}


@given(npst.arrays(np.int64, st.integers(0, 20)), st.sampled_from(["int8", "uint16", "int32"]))
def test_integers_fit_exactly_if_they_are_in_the_range(values: Array, kind: str) -> None:
    field = Field(type=kind, narrowed_from="int64")
    ends = np.iinfo(kind)
    inside = values[(values >= ends.min) & (values <= ends.max)]
    assert narrow_values(inside, field).tolist() == inside.tolist()
    schema = EventSchema(
        collections={"event": Collection(kind="event", fields={"x": Field(type="int64")})}
    )
    narrower = narrow_schema(schema, {"event.x": kind})
    block = Events(len(values), {}, {"x": values})
    if len(inside) == len(values):
        assert narrow_events(block, narrower, place)[0].columns["x"].tolist() == values.tolist()
    else:
        with pytest.raises(InputError, match=rf"event\.x is .*, which cannot be stored as {kind}"):
            narrow_events(block, narrower, place)


def test_errors_merge_to_the_largest() -> None:
    one = {"A.pt": Rounding(absolute=1, relative=0.5)}
    two = {"A.pt": Rounding(absolute=2, relative=0.25), "A.eta": Rounding(absolute=3)}
    merged = {"A.pt": Rounding(absolute=2, relative=0.5), "A.eta": Rounding(absolute=3)}
    assert largest([one, two]) == largest([two, one]) == merged
    assert largest([]) == {}
