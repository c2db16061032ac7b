"""What every format promises: each value of each event, as uproot and as ROOT read it.

The same tests for each kind of ntuple: those that real ROOT writes for them, and the shared ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import uproot

from schemas.model import from_data
from schemas.ntuple import NtupleFormat, load_format
from schemas.probe import probe
from tests.formats.conftest import CASES, FOR_ROOT, Branches, Case, Column, Flat, columns_of

ROOT_CASES = [case for case in CASES if case.made or case.file in FOR_ROOT]
EMPTY: Branches = {}


def file_name(case: Case) -> str:
    return case.file


def expected(
    case: Case, branches: Branches, columns: dict[Column, Flat]
) -> tuple[dict[Column, Flat], list[str]]:
    """Return what the columns have to be, and what is wrong with counters."""
    found: dict[Column, Flat] = {}
    wrong = []
    counts = {column: flat.lengths[0] for (column, _), flat in columns.items() if flat.lengths}
    for (tree, branch), flat in branches.items():
        counted = case.counted(tree, branch)
        if not flat.lengths and counted in counts:
            if flat.values.tolist() != counts[counted].tolist():
                wrong.append(branch)
        else:
            found[case.place(tree, branch, len(flat.lengths))] = flat
    return found, wrong


def differing(columns: dict[Column, Flat], wanted: dict[Column, Flat]) -> list[Column]:
    return [
        key for key, flat in wanted.items() if key not in columns or not columns[key].same(flat)
    ]


# one partition of a shared ntuple is compared with ROOT, and reading these takes seconds
PARTS = [(case, parts) for case in CASES for parts in ([1, 3] if case.made else [3])]


@pytest.mark.parametrize(
    ("case", "parts"), PARTS, ids=[f"{case.file}-{parts}" for case, parts in PARTS]
)
def test_every_value_is_what_uproot_reads(
    case: Case, parts: int, locate: Callable, uproot_reads: Callable, make_dataset: Callable
) -> None:
    branches, _ = uproot_reads(case)
    with uproot.open(locate(case)) as file:
        entries = file[case.trees[0]].num_entries
    storage = {"partition_events": -(-entries // parts)}
    dataset = make_dataset(locate(case), case.format, storage=storage)
    assert (len(dataset.samples["sample"].partitions) > 1) == (parts > 1)
    columns = columns_of(dataset)
    wanted, wrong_counters = expected(case, branches, columns)
    assert differing(columns, wanted) == []
    assert wrong_counters == []
    assert columns.keys() == wanted.keys()


@pytest.mark.parametrize("case", CASES, ids=file_name)
def test_every_branch_is_a_field_a_counter_or_named_as_unsupported(
    case: Case, locate: Callable, uproot_reads: Callable
) -> None:
    branches, others = uproot_reads(case)
    layout = probe(str(locate(case)), form(case)).layout
    fields = {(place.tree, place.branch.rpartition("/")[2]) for place in layout.branches.values()}
    lists = [name for name, _ in layout.schema.lists()]
    counters = {(t, b) for t, b in branches.keys() - fields if case.counted(t, b) in lists}
    assert fields | counters == branches.keys()
    assert others == layout.unsupported.keys() == case.unsupported


def form(case: Case) -> NtupleFormat:
    if isinstance(case.format, str):
        return load_format(case.format, Path())
    return from_data(case.format, NtupleFormat)


@pytest.mark.parametrize("case", ROOT_CASES, ids=file_name)
def test_every_value_is_what_root_reads(
    case: Case, locate: Callable, root_reads: Callable, make_dataset: Callable
) -> None:
    branches = root_reads(case)
    columns = columns_of(make_dataset(locate(case), case.format, keep={"*": "all"}))
    wanted, wrong_counters = expected(case, branches, columns)
    assert differing(columns, wanted) == []
    assert wrong_counters == []
    # ROOT has no type for lists of arrays
    assert {field for _, field in columns.keys() - wanted.keys()} <= {"cov"}


def test_members_of_several_objects_in_a_tree_are_told_apart(
    made: Path, make_dataset: Callable
) -> None:
    schema = {"name": "any", "tree": "Events"}
    columns = columns_of(make_dataset(made / "members.root", schema))
    for number, name in enumerate(("mu", "el", "tau")):
        assert columns[f"{name}_k", ""].values.tolist() == [100 * number + i for i in range(60)]
        for field, first in (("pt", 100.0 * number), ("eta", 100.5 * number)):
            flat = columns[name, field]
            assert flat.lengths[0].tolist() == [i % 3 for i in range(60)]
            assert flat.values.tolist() == [first + j for i in range(60) for j in range(i % 3)]
    assert len(columns) == 9
