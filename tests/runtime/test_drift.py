"""Files that differ: refused by default, else filled, widened or left out, and always reported."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from runtime.console import progress_bar
from runtime.differences import Difference, report
from runtime.drift import check_drift, holds, merge_layouts
from runtime.inputs import Opened, choose_samples, open_samples
from runtime.probing import OnError
from runtime.scheduler import Scheduler
from schemas import Dataset, open_dataset
from schemas.errors import ConfigError, InputError
from schemas.event_schema import EventSchema
from schemas.load import load_model
from schemas.model import from_data
from schemas.ntuple import NtupleFormat, load_format
from schemas.probe import probe
from schemas.skim_config import Drift, SkimConfig

SCHEMA = {"name": "mine", "tree": "Events"}
COUNTS = (2, 0, 3, 1)
WriteNtuple = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteNtuple:
    """How to write an ntuple of four events: types of the fields of ``A``, and of the event's."""

    def write(name: str, fields: Mapping[str, str] | None = None, **single: str) -> Path:
        path = tmp_path / "files" / f"{name}.root"
        path.parent.mkdir(exist_ok=True)
        columns: dict[str, Any] = {
            field: np.arange(len(COUNTS)).astype(kind) for field, kind in single.items()
        }
        if fields:
            numbers = {f: np.arange(sum(COUNTS)).astype(kind) for f, kind in fields.items()}
            columns["A"] = ak.unflatten(ak.Array(numbers), COUNTS)
        with uproot.recreate(path) as file:
            types = {
                name: value.dtype if isinstance(value, np.ndarray) else value.type.content
                for name, value in columns.items()
            }
            file.mktree("Events", types)
            file["Events"].extend(columns)
        return path

    return write


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Path]:
    """How to write a configuration for these ntuples."""

    def configure(keep: Mapping[str, Any] | None = None, **drift: Any) -> Path:
        (tmp_path / "schema.yaml").write_text(yaml.safe_dump(SCHEMA))
        path = tmp_path / "skim.yaml"
        keys = {"schema": "schema.yaml", "keep": keep or {"*": "all"}, "drift": drift}
        samples = {"samples": {"s": "files/*.root"}}
        path.write_text(yaml.safe_dump(keys | samples, sort_keys=False))
        return path

    return configure


def open_files(config: Path, on_error: OnError = "fail") -> Opened:
    """Open the files of a configuration, as a skim does before it writes anything."""
    model = load_model(config, SkimConfig)
    form = load_format(model.format, config.parent)
    urls = choose_samples(model, config.parent, [], [])
    return open_samples(model, form, urls, Scheduler(workers=2), progress_bar, on_error)


def run(skim: Callable[..., Any], config: Path, name: str = "out", *options: object) -> Dataset:
    output = config.parent / name
    result = skim("run", config, "-o", output, *options)
    assert result.exit_code == 0, result.output
    return open_dataset(output)


ALIKE = {"pt": "float32", "q": "int32"}


def test_files_that_differ_are_refused_and_all_named(
    write: WriteNtuple, configure: Callable, tmp_path: Path, skim: Callable
) -> None:
    for name in ("a", "b", "c"):
        write(name, ALIKE, run="int32", met="float32")
    lacks = write("lacks", {"pt": "float32"}, met="float32")
    retyped = write("retyped", ALIKE | {"q": "float32"}, run="int32", met="float32")
    result = skim("run", configure(), "-o", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"Error: {lacks}: has no branch 'run', which 4 of 5 files have; "
        "has no branch 'A_q', which 4 of 5 files have",
        f"{retyped}: branch 'A_q' holds float32, and int32 is expected",
        "say under 'drift' what to do (fill, widen), or leave such files out",
    ]
    assert not (tmp_path / "out").exists()


def test_what_is_not_read_may_differ(
    write: WriteNtuple, configure: Callable, skim: Callable
) -> None:
    write("a", ALIKE)
    write("b", {"pt": "float32", "q": "float64", "other": "int8"})
    dataset = run(skim, configure(keep={"A": "pt"}))
    assert dataset.arrays().A.fields == ["pt"]
    assert ak.flatten(dataset.arrays().A.pt).tolist() == [0, 1, 2, 3, 4, 5] * 2


def test_a_missing_field_is_filled_with_the_stated_value(
    write: WriteNtuple, configure: Callable, skim: Callable
) -> None:
    write("a", ALIKE, met="float32", run="int32")
    write("b", {"pt": "float32"}, run="int32")
    dataset = run(skim, configure(fill={"A.q": -7, "met": 0.5}))
    arrays = dataset.arrays()
    assert ak.flatten(arrays.A.q).tolist() == [0, 1, 2, 3, 4, 5] + [-7] * 6
    assert ak.num(arrays.A.q).tolist() == [*COUNTS, *COUNTS]
    assert arrays.met.tolist() == [0, 1, 2, 3, 0.5, 0.5, 0.5, 0.5]
    assert dataset.collections["A"].fields["q"].type == "int32"


def test_a_pattern_fills_each_field_that_is_missing(
    write: WriteNtuple, configure: Callable, skim: Callable
) -> None:
    write("a", ALIKE | {"ok": "bool", "x": "float64"})
    write("b", {"pt": "float32"})
    arrays = run(skim, configure(fill={"A.ok": True, "A.*": 3})).arrays()
    for field, value in {"q": 3, "x": 3.0, "ok": True}.items():
        assert ak.flatten(arrays.A[field]).tolist()[6:] == [value] * 6


def test_a_pattern_may_match_what_its_value_does_not_fit_and_nothing_lacks(
    write: WriteNtuple, configure: Callable, skim: Callable
) -> None:
    write("a", ALIKE | {"ok": "bool"})
    write("b", {"pt": "float32", "ok": "bool"})
    arrays = run(skim, configure(fill={"A.*": -3})).arrays()
    assert ak.flatten(arrays.A.q).tolist()[6:] == [-3] * 6


def test_not_a_number_fills_and_the_dataset_can_grow(
    write: WriteNtuple, configure: Callable, skim: Callable
) -> None:
    write("a", ALIKE)
    write("b", {"q": "int32"})
    config = configure(fill={"A.pt": math.nan})
    run(skim, config)
    write("c", {"q": "int32"})
    arrays = run(skim, config).arrays()
    assert np.isnan(ak.flatten(arrays.A.pt)).tolist() == [False] * 6 + [True] * 12


@pytest.mark.parametrize("field", ["A.pt", "A.q"])
def test_objects_are_counted_where_nothing_that_is_kept_of_them_is_there(
    field: str, write: WriteNtuple, configure: Callable, skim: Callable
) -> None:
    write("a", ALIKE | {"b": "int8"})
    write("b", {"other": "float64", "b": "int16"})
    name = field.removeprefix("A.")
    arrays = run(skim, configure(keep={"A": name}, fill={field: 1})).arrays()
    assert ak.num(arrays.A[name]).tolist() == [*COUNTS, *COUNTS]
    assert ak.flatten(arrays.A[name]).tolist()[6:] == [1] * 6
    assert arrays.A.fields == [name]


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        ({"A.q": 0.5}, "0.5 is no value of A.q, which holds int32"),
        ({"A.q": 2**31}, "2147483648 is no value of A.q"),
        ({"A.q": True}, "True is no value of A.q"),
        ({"A.q": "nan"}, "nan is no value of A.q"),
        ({"A.q": "none"}, "fill.A.q: expected a number, true, false or nan, got 'none'"),
        ({"A.ok": 1}, "1 is no value of A.ok, which holds bool"),
        ({"A.u": -1}, "-1 is no value of A.u, which holds uint8"),
        ({"A.pt": 1e39}, "1e+39 is no value of A.pt, which holds float32"),
        ({"A.*": -1}, "-1 is no value of A.ok"),
        ({"A.z": 1}, "no file has a field 'A.z'; did you mean"),
    ],
    ids=str,
)
def test_a_value_that_a_field_cannot_hold_is_refused_with_its_place(
    fill: dict[str, Any], said: str, write: WriteNtuple, configure: Callable, tmp_path: Path,
    skim: Callable,
) -> None:  # fmt: skip
    write("a", ALIKE | {"ok": "bool", "u": "uint8"})
    write("b", {"pt": "float32", "q": "int32", "u": "uint8"})
    result = skim("run", configure(fill=fill), "-o", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "drift" in result.stderr
    assert "skim.yaml:" in result.stderr
    assert not (tmp_path / "out").exists()


def test_lists_of_lists_are_not_filled() -> None:
    fields = {"x": {"type": "list[int32]"}}
    schema = {"collections": {"A": {"kind": "list", "fields": fields}}}
    with pytest.raises(ConfigError, match=r"0 is no value of A\.x, which holds list\[int32\]"):
        check_drift(Drift(fill={"A.x": 0}), from_data(schema, EventSchema))


@pytest.mark.parametrize(
    ("types", "widest"),
    [
        (("int32", "float32"), "float64"),
        (("int16", "float32"), "float32"),
        (("int32", "int64"), "int64"),
        (("uint32", "int32"), "int64"),
        (("bool", "int8"), "int8"),
        (("float32", "float64"), "float64"),
        (("int16", "uint16", "float32"), "float32"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_types_are_widened_to_the_smallest_that_holds_all(
    types: tuple[str, ...], widest: str, write: WriteNtuple, configure: Callable, skim: Callable
) -> None:
    for order in itertools.permutations(types):
        for number, kind in enumerate(order):
            write(f"{number}", {"q": kind}, s=kind)
        output = "-".join(order)
        dataset = run(skim, configure(widen=["A.q", "event.s"]), output)
        arrays = dataset.arrays()
        assert dataset.collections["A"].fields["q"].type == widest
        wanted = np.concatenate([np.arange(6).astype(kind).astype(widest) for kind in order])
        found = ak.to_numpy(ak.flatten(arrays.A.q))
        assert (found.dtype, found.tolist()) == (wanted.dtype, wanted.tolist())
        assert ak.to_numpy(arrays.s).dtype == np.dtype(widest)


@pytest.mark.parametrize(
    "types", [("int64", "float64"), ("uint64", "int64"), ("uint64", "float32")]
)
def test_types_that_no_type_holds_exactly_are_not_widened(
    types: tuple[str, str], write: WriteNtuple, configure: Callable
) -> None:
    for kind in types:
        write(kind, {"q": kind})
    config = configure(widen=["A.q"])
    with pytest.raises(InputError, match=r"branch 'A_q' holds \w+, and \w+ is expected"):
        open_files(config)


@pytest.mark.parametrize("wide", ["float32", "float64", "int64", "uint64", "bool"])
@pytest.mark.parametrize("narrow", ["bool", "int8", "uint16", "int32", "int64", "float32"])
def test_a_type_holds_another_if_the_ends_of_its_range_survive(wide: str, narrow: str) -> None:
    if narrow == "bool":
        ends = [False, True]
    elif narrow.startswith("float"):
        ends = [float(np.finfo(narrow).max), float(np.nextafter(np.float32(1), np.float32(2)))]
    else:
        limits = np.iinfo(narrow)
        ends = [int(limits.min), int(limits.max)]
    values = np.array(ends, narrow)
    with np.errstate(all="ignore"):
        again = values.astype(wide)
        survives = [
            int(a) == int(b) and float(a) == float(b) for a, b in zip(again, values, strict=True)
        ]
    if wide == "bool":
        survives = [narrow == "bool"]
    assert holds(np.dtype(wide), np.dtype(narrow)) == all(survives)


def test_a_collection_that_a_file_lacks_is_named_and_cannot_be_filled(
    write: WriteNtuple, configure: Callable
) -> None:
    write("a", ALIKE, run="int32")
    lacks = write("b", None, run="int32")
    for fill in ({}, {"A.*": 0}):
        with pytest.raises(InputError) as caught:
            open_files(configure(fill=fill))
        assert str(caught.value).startswith(f"{lacks}: has no branch of A, which 1 of 2 files have")


def test_one_value_and_many_are_different(write: WriteNtuple, configure: Callable) -> None:
    for name in ("a", "b"):
        write(name, None, A_pt="float32")
    many = write("c", {"pt": "float32"})
    with pytest.raises(InputError) as caught:
        open_files(configure(fill={"A.pt": 0}, widen=["A.pt"]))
    assert f"{many}: branch 'A_pt' holds any number of values an event, and one value an event" in (
        str(caught.value)
    )


def test_a_branch_that_belongs_elsewhere_for_lack_of_others_is_no_missing_one(
    write: WriteNtuple, configure: Callable
) -> None:
    write("a", {"pt": "float32"}, A_rho="float32")
    other = write("b", None, A_rho="float32")
    with pytest.raises(InputError) as caught:
        open_files(configure(keep={"event": "A_rho"}, fill={"A_rho": 0}))
    assert f"{other}: branch 'A_rho' holds one value an event as A.rho" in str(caught.value)


def test_files_that_differ_are_left_out_on_request(write: WriteNtuple, configure: Callable) -> None:
    good = [write(name, ALIKE, run="int32") for name in ("a", "b")]
    retyped = write("c", ALIKE | {"q": "float64"}, run="int32")
    filled = write("d", ALIKE)
    broken = write("e", ALIKE)
    broken.write_bytes(b"no ROOT file")
    opened = open_files(configure(fill={"run": 0}), "skip")
    assert [n.url for n in opened.samples["s"]] == [str(path) for path in (*good, filled)]
    causes = {skipped.url: skipped.cause for skipped in opened.skipped["s"]}
    assert causes.keys() == {str(retyped), str(broken)}
    assert "branch 'A_q' holds float64, and int32 is expected" in causes[str(retyped)]
    assert [(d.url, d.remedy) for d in opened.differences] == [(str(filled), "filled with 0")]
    assert [skipped.entries for skipped in opened.skipped["s"]] == [4, None]


def test_nothing_is_left_out_silently_if_nothing_is_left(
    write: WriteNtuple, configure: Callable
) -> None:
    write("a", {"q": "int32"})
    write("b", {"pt": "int32"})
    with pytest.raises(InputError, match=r"(?s)no file can be read:.*a\.root.*b\.root"):
        open_files(configure(), "skip")


def test_the_order_of_files_and_the_number_of_workers_change_nothing(
    write: WriteNtuple, configure: Callable, tmp_path: Path, skim: Callable
) -> None:
    files = [
        write("a", {"pt": "float32"}),
        write("b", ALIKE | {"q": "float32"}, run="int32"),
        write("c", ALIKE, run="int64"),
        write("d", ALIKE | {"x": "bool"}, run="int32"),
    ]
    config = configure(fill={"A.q": -1, "run": 0, "A.x": True}, widen=["A.q", "run"])
    found = set()
    for number, (order, workers) in enumerate(
        itertools.product([files, files[::-1], files[2:] + files[:2]], [1, 2])
    ):
        given = [text for path in order for text in ("--files", f"s={path}")]
        dataset = run(skim, config, f"out{number}", "--workers", workers, *given)
        found.add(dataset.manifest.to_json())
    assert len(found) == 1
    assert dataset.collections["A"].fields["q"].type == "float64"


def test_a_report_has_one_line_for_each_field(write: WriteNtuple, configure: Callable) -> None:
    write("a", ALIKE, run="int32", met="float32")
    for name in ("b", "c", "d", "e"):
        write(name, {"pt": "float32"}, met="float32", run="int64")
    write("f", ALIKE | {"pt": "float64"}, met="float32", run="int32")
    config = configure(fill={"A.q": -1}, widen=["A.pt", "run"])
    assert report(open_files(config).differences) == [
        "event.run: int32 in 2 of 6 files (a.root, f.root): widened to int64",
        "A.pt: float32 in 5 of 6 files (a.root, b.root, c.root, ...): widened to float64",
        "A.q: missing in 4 of 6 files (b.root, c.root, d.root, ...): filled with -1",
    ]


def test_the_report_is_shown_before_anything_is_written(
    write: WriteNtuple, configure: Callable, skim: Callable, tmp_path: Path
) -> None:
    write("a", ALIKE)
    write("b", {"pt": "float32"})
    config, line = (
        configure(fill={"A.q": -1}),
        "files differ: A.q: missing in 1 of 2 files (b.root)",
    )
    looked = skim("run", config, "-o", tmp_path / "out", "--dry-run")
    assert line in looked.stdout
    assert not (tmp_path / "out").exists()
    assert line in skim("run", config, "-o", tmp_path / "out").stderr


def test_a_report_names_folders_where_files_have_the_same_name() -> None:
    both = [
        Difference(f"/{x}/a.root", ("A", "q"), "A_q", "int8", "int16", "widened to int16", files=2)
        for x in ("x", "y")
    ]
    assert report(both) == ["A.q: int8 in 2 of 2 files (/x/a.root, /y/a.root): widened to int16"]
    assert report([]) == []


def test_the_type_that_a_format_states_is_the_one_expected(write: WriteNtuple) -> None:
    form = from_data(SCHEMA | {"fields": {"q": {"type": "int32"}}}, NtupleFormat)
    ntuples = [probe(str(write(name, {"q": "float32"})), form) for name in ("a", "b")]
    assert merge_layouts(ntuples, form, Drift()).schema.collections["A"].fields["q"].type == "int32"
    widened = merge_layouts(ntuples, form, Drift(widen=["A.q"])).schema.collections["A"].fields
    assert widened["q"].type == "float64"
