"""What ``--profile`` shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.execute import map_reduce
from runtime.profile import profiled
from runtime.scheduler import Scheduler
from schemas import loops
from schemas.tally import absorb, count, step, tallying

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


def work(task: int) -> int:
    with step("read"):
        count("bytes_read", 1000)
        count("events", task)
    return task


def shown(text: str) -> dict[str, list[str]]:
    """Return the cells of each row by its first one."""
    rows = [re.split(r"  +", line.strip()) for line in text.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def test_steps_and_counts_of_all_workers_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with profiled(show=True), step("plan"):
        map_reduce(work, max, range(10), scheduler=Scheduler(workers=2))
    captured = capsys.readouterr()
    rows = shown(captured.err)
    assert captured.out == ""
    assert {"start-up", "plan", "read", "merge", "all steps"} <= rows.keys()
    assert rows["bytes read"] == ["10,000"]
    assert rows["events"] == ["45"]
    assert rows["retries"] == ["0"]
    assert rows["events a second"]
    assert rows["compiled loops"] == ["no" if loops.compiled() is None else "yes"]
    shares = [int(cells[2].rstrip("%")) for cells in rows.values() if cells[-1].endswith("%")]
    assert 95 <= sum(shares) <= 105


def test_nothing_is_shown_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with profiled(show=False), step("plan"):
        map_reduce(work, max, range(10), scheduler=Scheduler(workers=2))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_an_error_is_not_hidden_by_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), profiled(show=True):
        raise KeyError("x")
    assert capsys.readouterr().err == ""


def test_what_others_tallied_is_added() -> None:
    with tallying() as theirs:
        work(3)
    absorb(theirs)  # nobody listens
    with tallying() as ours:
        absorb(theirs)
        work(4)
    assert ours.counts == {"bytes_read": 2000, "events": 7}
    assert ours.seconds["read"] > theirs.seconds["read"]


def test_both_stages_have_it(
    skim: Callable[..., Result], ntuples: list[Path], tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from histo.cli import main as histo

    configs = Path(__file__).parents[2] / "configs"
    files = f"doubleele={ntuples[0].parent}/*.root"
    made = skim(
        "run", configs / "skim/demo.yaml", "-o", tmp_path / "d", "--files", files, "--profile"
    )
    assert "plan" in shown(made.stderr)
    arguments = ["run", configs / "histo/demo.yaml", tmp_path / "d", "-o", tmp_path / "h.root"]
    filled = CliRunner().invoke(histo, [*map(str, arguments), "--profile"])
    rows = shown(filled.stderr)
    assert {"plan", "read", "derive", "select", "fill", "merge", "write"} <= rows.keys()
    assert rows["events"] == ["300"]
    assert int(rows["bytes read"][0].replace(",", "")) > 1000
    assert "Profile" not in filled.stdout
