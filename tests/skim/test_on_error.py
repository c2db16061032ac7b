"""Files that cannot be read: the end of the run, or left out whole and listed."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import uproot

from schemas import Dataset, open_dataset


def damage(path: Path) -> None:
    """Overwrite the last values of a branch."""
    with uproot.open(path) as file:
        found = file["Events"]["A_pt"].basket(1)
        cursor = found.cursor.index
        size = found.compressed_bytes
    with path.open("r+b") as file:
        file.seek(cursor)
        file.write(b"\xff" * size)


@pytest.fixture
def partly(tiny: Path, write_tiny: Callable) -> Path:
    """The second file of the sample, of which only the first partitions can be read."""
    path = write_tiny(tiny.parent / "input" / "2.root", 2, 400, baskets=2)
    damage(path)
    return path


def check_whole(dataset: Dataset, good: set[str]) -> None:
    """Check that a dataset holds all of some files, and nothing of others."""
    for record in dataset.samples.values():
        assert {Path(source.url).name for source in record.sources} == good
        read = dict.fromkeys(range(len(record.sources)), 0)
        for part in record.partitions:
            read[part.source] += part.events_read
        assert list(read.values()) == [source.entries for source in record.sources]
        assert record.events_read == len(dataset.arrays()) == sum(read.values())
        names = {Path(part.path).name for part in record.partitions}
        assert {path.name for path in Path(dataset.path).glob("sample=s/*")} == names


def test_by_default_nothing_is_written(tiny: Path, partly: Path, skim: Callable) -> None:
    result = skim("run", tiny, "-o", tiny.with_name("out"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Error: {partly}: branch 'A_pt', entries " in result.stderr
    assert not (tiny.with_name("out") / "manifest.json").exists()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_file_of_which_a_part_cannot_be_read_is_left_out_whole(
    scheduler: str, tiny: Path, partly: Path, skim: Callable
) -> None:
    output = tiny.with_name("out")
    options = ["--on-error", "skip", "--scheduler", scheduler, "--workers", 2]
    result = skim("run", tiny, "-o", output, *options)
    assert result.exit_code == 0, result.stderr
    assert f"WARNING: left out: {partly}: branch 'A_pt', entries " in result.stderr
    assert "left out" in result.stdout
    check_whole(open_dataset(output), {"1.root", "3.root"})
    [skipped] = open_dataset(output).samples["s"].skipped
    assert (skipped.url, skipped.entries) == (str(partly), 400)
    assert "A_pt" in skipped.cause
    assert f"left out of s: {skipped.cause}" in " ".join(skim("info", output).stdout.split())
    assert json.loads(skim("info", output, "--json").stdout)["samples"]["s"]["left_out"] == [
        {"url": str(partly), "cause": skipped.cause, "entries": 400}
    ]


def test_every_kind_of_bad_file_is_left_out(tiny: Path, partly: Path, skim: Callable) -> None:
    folder = tiny.parent / "input"
    (folder / "no_root.root").write_text("not one")
    (folder / "nothing.root").touch()
    content = (folder / "1.root").read_bytes()
    (folder / "truncated.root").write_bytes(content[: len(content) // 2])
    with uproot.recreate(folder / "empty.root") as file:
        file.mktree("Events", {"event": "int64", "A": "var * {pt: float32, hw: float32}"})
    output = tiny.with_name("out")
    result = skim("run", tiny, "-o", output, "--on-error", "skip")
    assert result.exit_code == 0, result.stderr
    check_whole(open_dataset(output), {"1.root", "3.root"})
    skipped = {Path(s.url).name: s.cause for s in open_dataset(output).samples["s"].skipped}
    bad = ["2.root", "empty.root", "no_root.root", "nothing.root", "truncated.root"]
    assert list(skipped) == bad
    assert all(name in cause for name, cause in skipped.items())
    assert result.stderr.count("left out") == len(bad)


def test_the_same_command_again_changes_nothing(
    tiny: Path, partly: Path, skim: Callable, content: Callable
) -> None:
    output = tiny.with_name("out")
    assert skim("run", tiny, "-o", output, "--on-error", "skip").exit_code == 0
    before = content(output)
    again = skim("run", tiny, "-o", output, "--on-error", "skip")
    assert again.exit_code == 0
    assert "left out" in again.stderr
    assert content(output) == before
    assert skim("run", tiny, "-o", output).exit_code == 1  # it is tried again, and no error now
    assert content(output)["manifest.json"] == before["manifest.json"]


def test_a_file_that_was_repaired_is_added(
    tiny: Path, partly: Path, write_tiny: Callable, skim: Callable, content: Callable
) -> None:
    output = tiny.with_name("out")
    assert skim("run", tiny, "-o", output, "--on-error", "skip").exit_code == 0
    before = content(output)
    write_tiny(partly, 2)
    assert skim("run", tiny, "-o", output).exit_code == 0
    check_whole(open_dataset(output), {"1.root", "2.root", "3.root"})
    assert open_dataset(output).samples["s"].skipped == []
    kept = {name for name in before if name.startswith("sample=")}
    assert {name: content(output)[name] for name in kept} == {n: before[n] for n in kept}


def test_a_sample_that_is_not_taken_keeps_its_list(
    tiny: Path, partly: Path, skim: Callable
) -> None:
    output = tiny.with_name("out")
    assert skim("run", tiny, "-o", output, "--on-error", "skip").exit_code == 0
    more = ["--files", f"more={tiny.parent}/input/1.root", "--sample", "more"]
    assert skim("run", tiny, "-o", output, *more).exit_code == 0
    assert [s.url for s in open_dataset(output).samples["s"].skipped] == [str(partly)]


def test_a_sample_without_a_good_file_ends_with_1_and_keeps_the_others(
    tiny: Path, partly: Path, skim: Callable
) -> None:
    output = tiny.with_name("out")
    command = ["run", tiny, "-o", output, "--files", f"bad={partly}", "--on-error", "skip"]
    result = skim(*command)
    assert result.exit_code == 1
    assert "Error: each file of sample 'bad' was left out (1 in all)" in result.stderr
    assert "left out" in result.stdout
    dataset = open_dataset(output)
    assert dataset.samples["s"].events_read == 400
    assert dataset.samples["bad"].sources == []
    assert not (output / "sample=bad").exists()


def test_without_any_good_file_there_is_no_dataset(
    tiny: Path, partly: Path, skim: Callable
) -> None:
    output = tiny.with_name("out")
    result = skim("run", tiny, "-o", output, "--files", f"s={partly}", "--on-error", "skip")
    assert result.exit_code == 1
    assert "each file was left out" in result.stderr
    assert not (output / "manifest.json").exists()


def test_a_file_that_the_dataset_has_stays_in_it(
    tiny: Path, undisturbed: Path, skim: Callable, content: Callable
) -> None:
    before = content(undisturbed)
    (tiny.parent / "input" / "2.root").write_text("not one any more")
    result = skim("run", tiny, "-o", undisturbed, "--on-error", "skip")
    assert result.exit_code == 0, result.stderr
    assert content(undisturbed) == before


def test_the_first_events_of_good_files_are_taken(
    tiny: Path, partly: Path, write_tiny: Callable, skim: Callable
) -> None:
    output = tiny.with_name("out")
    command = ["run", tiny, "-o", output, "--on-error", "skip", "--events", 650]
    assert skim(*command).exit_code == 0
    assert open_dataset(output).samples["s"].events_read == 250  # those of 2.root do not count
    assert skim(*command).exit_code == 0
    write_tiny(partly, 2)  # with half the events, so that more of 3.root come in
    result = skim(*command)
    assert result.exit_code == 2
    assert "holds the first 650 events of other files of sample 's'" in result.stderr


def test_what_cannot_be_written_is_never_left_out(tiny: Path, start: Callable) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))

    output = tiny.with_name("out")
    process = start("run", tiny, "-o", output, "--on-error", "skip", preexec_fn=limit)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Error: cannot write " in stderr
    assert not (output / "manifest.json").exists()


def test_the_bad_files_that_root_wrote(shared: Path, tmp_path: Path, skim: Callable) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    for path in (shared / "bad").glob("*.root"):
        shutil.copy(path, folder)
    os.symlink(shared / "fastpuppi_doubleele_0.root", folder / "a_good.root")
    config = tmp_path / "skim.yaml"
    config.write_text("schema: fastpuppi\nkeep: {TkEleL2: [pt, tkIso, hwQual]}\n")
    output = tmp_path / "out"
    command = ["run", config, "-o", output, "--files", f"s={folder}/*.root"]
    assert skim(*command).exit_code == 1
    assert skim(*command, "--on-error", "skip").exit_code == 0
    record = open_dataset(output).samples["s"]
    assert {Path(s.url).name for s in record.sources} == {"a_good.root"}
    assert {Path(s.url).name for s in record.skipped} == {
        path.name for path in (shared / "bad").glob("*.root")
    }
