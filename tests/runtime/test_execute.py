"""What holds on every scheduler."""

from __future__ import annotations

import gc
import operator
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.execute import map_reduce, run_tasks
from runtime.scheduler import Scheduler
from schemas.errors import (
    ConfigError,
    DatasetError,
    ExpressionError,
    InputError,
    L1SkimError,
    Location,
    RunError,
    UsageError,
)
from schemas.tally import Tally, count, step, tallying

# workers of a cluster need not be able to import the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])

ERRORS: list[L1SkimError] = [
    UsageError("the output is taken"),
    ConfigError("unknown key 'plts'", Location("cuts.yaml", 3, 7)),
    ExpressionError("unknown field", "ptt > 5", (0, 3), "did you mean 'pt'?", Location("a.yaml")),
    InputError("a.root is truncated"),
    DatasetError("part-00001 is missing"),
    RunError("2 partitions failed"),
]


def fail_at_two(task: int) -> int:
    if task == 2:
        raise KeyError("offsets")
    return task


def raise_it(error: Exception) -> None:
    raise error


class HandleError(Exception):
    """Cannot be pickled: it holds what only this process has."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where}")
        self.handle = threading.Lock()


def raise_with_handle(_: int) -> None:
    raise HandleError("bad magic", "basket 7")


def raise_input_error_because_of_another(_: int) -> None:
    try:
        raise HandleError("bad magic", "basket 7")
    except HandleError as error:
        raise InputError("a.root cannot be read") from error


def bracket(left: str, right: str) -> str:
    return f"({left}{right})"


def test_results_come_in_the_order_of_the_tasks(scheduler: Scheduler) -> None:
    def sleep_less_and_less(task: int) -> int:
        time.sleep(0.01 * (5 - task))
        return task * task

    assert run_tasks(sleep_less_and_less, range(5), scheduler=scheduler) == [0, 1, 4, 9, 16]


def test_merged_results_are_those_of_a_loop(scheduler: Scheduler) -> None:
    words = [f"word{number} " for number in range(23)]
    assert map_reduce(str, operator.add, words, scheduler=scheduler) == "".join(words)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17])
def test_what_is_merged_with_what_depends_on_the_number_of_tasks_alone(
    scheduler: Scheduler, count: int
) -> None:
    here = map_reduce(str, bracket, range(count), scheduler=Scheduler(workers=1))
    assert map_reduce(str, bracket, range(count), scheduler=scheduler) == here


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_sums_are_equal_to_the_last_bit_with_any_number_of_workers(numbers: list[float]) -> None:
    sums = {
        map_reduce(float, operator.add, numbers, scheduler=Scheduler(workers=workers)).hex()
        for workers in (1, 2, 3, 4)
    }
    assert len(sums) == 1


def test_tasks_are_never_searched_for_what_dask_would_understand(scheduler: Scheduler) -> None:
    tasks: list[object] = [("merge1", 0), [len, "abc"], (len, "abc"), {"key": (len, "")}, None]
    assert run_tasks(repr, tasks, scheduler=scheduler) == [repr(task) for task in tasks]


def test_no_task_is_no_result(scheduler: Scheduler) -> None:
    assert run_tasks(str, [], scheduler=scheduler) == []
    with pytest.raises(ValueError, match="no tasks"):
        map_reduce(str, operator.add, [], scheduler=scheduler)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_progress_is_reported_here_and_adds_up(scheduler: Scheduler, count: int) -> None:
    steps: list[int] = []
    threads: set[threading.Thread] = set()

    def progress(step: int) -> None:
        steps.append(step)
        threads.add(threading.current_thread())

    tasks = range(count)
    assert map_reduce(int, max, tasks, scheduler=scheduler, progress=progress) == count - 1
    assert sum(steps) == count
    run_tasks(int, tasks, scheduler=scheduler, progress=progress)
    assert sum(steps) == 2 * count
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_of_the_project_arrive_as_they_were_raised(
    scheduler: Scheduler, error: L1SkimError
) -> None:
    with pytest.raises(L1SkimError) as caught:
        run_tasks(raise_it, [error, error], scheduler=scheduler)
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)
    assert vars(caught.value).keys() >= vars(error).keys()


def test_a_bug_arrives_with_the_traceback_of_the_worker(scheduler: Scheduler) -> None:
    with pytest.raises(KeyError) as caught:
        map_reduce(fail_at_two, max, range(4), scheduler=scheduler)
    assert caught.value.args == ("offsets",)
    assert "fail_at_two" in [entry.name for entry in caught.traceback]


def test_a_bug_in_a_merge_arrives_too(scheduler: Scheduler) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        map_reduce(str, operator.sub, range(6), scheduler=scheduler)


@pytest.mark.parametrize("kind", ["processes", "cluster"])
def test_an_exception_that_cannot_travel_is_told(kind: str, dask_cluster: str) -> None:
    elsewhere = Scheduler(kind=kind, address=dask_cluster, workers=1)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="HandleError: bad magic in basket 7") as caught:
        run_tasks(raise_with_handle, [0, 1], scheduler=elsewhere)
    assert "raise_with_handle" in str(caught.value)


def test_a_cause_that_cannot_travel_does_not_hide_the_error(scheduler: Scheduler) -> None:
    with pytest.raises(InputError) as caught:
        run_tasks(raise_input_error_because_of_another, [0, 1], scheduler=scheduler)
    assert str(caught.value) == "a.root cannot be read"
    told = [*getattr(caught.value, "__notes__", []), repr(caught.value.__cause__)]
    assert "bad magic in basket 7" in "".join(told)


def test_no_task_starts_after_a_failure_and_none_runs_on() -> None:
    started: list[int] = []
    ended: list[int] = []

    def task(index: int) -> None:
        started.append(index)
        if len(started) == 3:
            raise InputError("broken")
        time.sleep(0.05)
        ended.append(index)

    with pytest.raises(InputError):
        run_tasks(task, range(100), scheduler=Scheduler(workers=2))
    assert len(started) < 10
    assert len(ended) == len(started) - 1


def test_partial_results_do_not_pile_up() -> None:
    class Histogram:
        """Something of which one can count how many there are."""

    alive: weakref.WeakSet[Histogram] = weakref.WeakSet()
    most = 0

    def fill(_: int) -> Histogram:
        nonlocal most
        made = Histogram()
        alive.add(made)
        most = max(most, len(alive))
        return made

    def merge(_: Histogram, __: Histogram) -> Histogram:
        return fill(0)

    gc.collect()
    map_reduce(fill, merge, range(400), scheduler=Scheduler(workers=2))
    assert most < 40


def test_threads_do_without_dask(
    run_script: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    code = (
        "import sys\n"
        "from runtime.execute import map_reduce\n"
        "from runtime.scheduler import parse_scheduler\n"
        "scheduler = parse_scheduler('threads', None)\n"
        "assert map_reduce(abs, max, [-3], scheduler=scheduler) == 3\n"
        "assert map_reduce(abs, max, range(-9, 9), scheduler=scheduler) == 9\n"
        "assert not {'dask', 'distributed', 'numpy', 'fsspec'} & set(sys.modules)\n"
    )
    done = run_script(code)
    assert (done.returncode, done.stderr) == (0, "")


def note_itself(task: int) -> int:
    with step("outer"):
        with step("inner"):
            count("bytes", task)
        count("tasks")
    return task


@pytest.mark.parametrize("tasks", [1, 3, 9])
def test_tallies_of_all_tasks_come_back(scheduler: Scheduler, tasks: int) -> None:
    listed, merged = Tally(), Tally()
    run_tasks(note_itself, range(tasks), scheduler=scheduler, tally=listed)
    map_reduce(note_itself, max, range(tasks), scheduler=scheduler, tally=merged)
    expected = {"bytes": sum(range(tasks)), "tasks": tasks}
    assert listed.counts == merged.counts == expected
    assert listed.seconds.keys() == listed.processor.keys() == {"outer", "inner"}
    assert merged.seconds.keys() - {"merge"} == {"outer", "inner"}


def test_tallies_of_tasks_are_added_to_the_one_that_is_open(scheduler: Scheduler) -> None:
    with tallying() as tally:
        run_tasks(note_itself, range(3), scheduler=scheduler)
        map_reduce(note_itself, max, range(3), scheduler=scheduler)
        count("tasks")
    assert tally.counts == {"bytes": 6, "tasks": 7}


def test_nothing_is_tallied_outside_a_task() -> None:
    note_itself(1)


def test_a_step_does_not_count_the_steps_inside_it() -> None:
    with tallying() as tally, step("outer"), step("inner"):
        time.sleep(0.02)
    assert tally.seconds["inner"] > tally.seconds["outer"]
