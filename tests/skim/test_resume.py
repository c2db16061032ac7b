"""Going on with a run that did not finish, growing a dataset, replacing one."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import pytest
import yaml

from schemas import open_dataset


def change(config: Path, name: str, **keys: object) -> Path:
    """Write another configuration beside one."""
    other = config.with_name(name)
    other.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | keys))
    return other


@pytest.fixture
def slow(tiny: Path) -> Path:
    """A configuration of 150 partitions."""
    return change(tiny, "slow.yaml", storage={"partition_events": 4})


@pytest.fixture
def whole(slow: Path, skim: Callable) -> Path:
    """What an undisturbed run makes of it."""
    assert skim("run", slow, "-o", slow.with_name("whole")).exit_code == 0
    return slow.with_name("whole")


@pytest.fixture
def killed(slow: Path, start: Callable, await_path: Callable) -> Path:
    """What a run left that was killed when it had made some partitions."""
    output = slow.with_name("out")
    process = start("run", slow, "-o", output, "--workers", 1)
    await_path(output, "_journal/*.json", process, 20)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    return output


def identity(output: Path) -> dict[str, tuple[int, int]]:
    """Return what changes if a partition is written again, even with the same bytes."""
    found = {path.name: path.stat() for path in output.glob("sample=*/part-*")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def done(output: Path) -> dict[str, tuple[int, int]]:
    """Return the identity of the partitions that have a receipt."""
    receipts = [json.loads(path.read_text()) for path in output.glob("_journal/*.json")]
    names = {Path(receipt["partition"]["path"]).name for receipt in receipts}
    return {name: where for name, where in identity(output).items() if name in names}


def damage_file(path: Path) -> None:
    """Overwrite the middle of a file, and hide that from whoever looks at its attributes."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(stat.st_size // 2)
        file.write(os.urandom(64))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_only_what_is_not_done_is_made(
    slow: Path, killed: Path, whole: Path, skim: Callable, content: Callable
) -> None:
    before = done(killed)
    assert len(before) >= 20
    result = skim("run", slow, "-o", killed, "--dry-run")
    [row] = [line.split() for line in result.stdout.splitlines() if line.split()[:1] == ["s"]]
    # sample, files, entries, size and unit, entries to read, partitions to make, prediction
    assert int(row[6]) == 150 - len(before)
    assert skim("run", slow, "-o", killed, "--workers", 3).exit_code == 0
    assert identity(killed).items() >= before.items()
    assert content(killed) == content(whole)


def test_a_partition_that_is_not_what_its_receipt_says_is_made_again(
    slow: Path, killed: Path, whole: Path, skim: Callable, content: Callable
) -> None:
    first, second, third, *_ = sorted(killed.glob("sample=s/part-*"))
    damage_file(first)
    second.write_bytes(b"PAR1")
    third.unlink()
    receipts = sorted(killed.glob("_journal/*.json"))
    receipts[3].write_text("{")
    receipts[4].write_text(receipts[5].read_text())
    record = json.loads(receipts[6].read_text())
    record["partition"]["path"] = "sample=other/part-00006-00000000.parquet"
    receipts[6].write_text(json.dumps(record))
    assert skim("run", slow, "-o", killed).exit_code == 0
    assert content(killed) == content(whole)


@pytest.mark.parametrize("how", ["touched", "rewritten"])
def test_a_file_that_changed_since_the_run_that_did_not_finish_is_refused(
    how: str, slow: Path, killed: Path, write_tiny: Callable, skim: Callable
) -> None:
    file = slow.parent / "input" / "1.root"
    if how == "touched":
        file.touch()
    else:
        write_tiny(file, 9, 120)
    result = skim("run", slow, "-o", killed)
    assert result.exit_code == 2
    assert f"{file}, which has changed since the run that made them and did not " in result.stderr
    assert ("touched" if how == "touched" else "had 200 entries in") in result.stderr
    assert "--overwrite" in result.stderr
    assert skim("run", slow, "-o", killed, "--overwrite").exit_code == 0
    assert skim("run", slow, "-o", slow.with_name("new")).exit_code == 0
    found, new = (open_dataset(path).arrays() for path in (killed, slow.with_name("new")))
    assert ak.array_equal(found[ak.argsort(found.event)], new[ak.argsort(new.event)])


def test_what_another_configuration_left_is_not_used(
    tiny: Path, killed: Path, undisturbed: Path, skim: Callable, content: Callable
) -> None:
    assert skim("run", tiny, "-o", killed).exit_code == 0
    assert content(killed) == content(undisturbed)


def test_another_list_of_files_repeats_nothing(
    slow: Path, killed: Path, write_tiny: Callable, skim: Callable
) -> None:
    before = done(killed)
    write_tiny(slow.parent / "input" / "0.root", 4)
    assert skim("run", slow, "-o", killed).exit_code == 0
    assert identity(killed).items() >= before.items()
    record = open_dataset(killed).samples["s"]
    assert record.events_read == 800
    assert len({part.path.split("-")[1] for part in record.partitions}) == 200


def test_growing_reads_only_what_is_new(
    tiny: Path, undisturbed: Path, write_tiny: Callable, skim: Callable
) -> None:
    before = identity(undisturbed)
    for file in sorted(tiny.parent.glob("input/*.root")):
        damage_file(file)
    write_tiny(tiny.parent / "input" / "4.root", 4)
    result = skim("run", tiny, "-o", undisturbed)
    assert result.exit_code == 0, result.stderr
    assert identity(undisturbed).items() > before.items()
    assert open_dataset(undisturbed).samples["s"].events_read == 800


def test_a_touched_source_is_refused(tiny: Path, undisturbed: Path, skim: Callable) -> None:
    file = tiny.parent / "input" / "2.root"
    file.touch()
    result = skim("run", tiny, "-o", undisturbed)
    assert result.exit_code == 2
    said = f"was made from {file}, which has changed since then: it was written again, or touched"
    assert said in result.stderr


def test_a_run_with_nothing_to_do_does_not_touch_the_manifest(
    tiny: Path, undisturbed: Path, skim: Callable
) -> None:
    before = (undisturbed / "manifest.json").stat()
    assert skim("run", tiny, "-o", undisturbed).exit_code == 0
    after = (undisturbed / "manifest.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_overwrite_replaces_the_dataset_and_nothing_else(
    tiny: Path, undisturbed: Path, skim: Callable
) -> None:
    (undisturbed / "notes.txt").write_text("precious")
    (undisturbed / "sample=s" / "plot.png").write_text("precious")
    (undisturbed / "sample=mine").mkdir()
    (undisturbed / "sample=mine" / "table.parquet").write_text("precious")
    old = {part.path for _, part in open_dataset(undisturbed).partitions()}
    other = change(tiny, "other.yaml", objects={"A": "pt > 10"})
    refused = skim("run", other, "-o", undisturbed)
    assert refused.exit_code == 2
    assert "objects.A was None and is 'pt > 10'" in refused.stderr
    assert "or replace this one with --overwrite" in refused.stderr
    assert skim("run", other, "-o", undisturbed, "--overwrite").exit_code == 0
    assert skim("run", other, "-o", undisturbed.with_name("new")).exit_code == 0
    replaced, new = open_dataset(undisturbed), open_dataset(undisturbed.with_name("new"))
    assert ak.array_equal(replaced.arrays(), new.arrays())
    assert not old & {part.path for _, part in replaced.partitions()}
    assert not [name for name in old if (undisturbed / name).exists()]
    for name in ("notes.txt", "sample=s/plot.png", "sample=mine/table.parquet"):
        assert (undisturbed / name).read_text() == "precious"


def test_overwrite_with_nothing_to_replace_repeats_nothing(
    tiny: Path, undisturbed: Path, skim: Callable, content: Callable
) -> None:
    before = content(undisturbed), identity(undisturbed)
    assert skim("run", tiny, "-o", undisturbed, "--overwrite").exit_code == 0
    assert (content(undisturbed), identity(undisturbed)) == before


def test_overwrite_takes_files_that_have_changed(
    tiny: Path, undisturbed: Path, write_tiny: Callable, skim: Callable
) -> None:
    write_tiny(tiny.parent / "input" / "2.root", 7, 90)
    assert skim("run", tiny, "-o", undisturbed).exit_code == 2
    assert skim("run", tiny, "-o", undisturbed, "--overwrite").exit_code == 0
    assert open_dataset(undisturbed).samples["s"].events_read == 490


def test_overwrite_does_not_touch_what_is_no_dataset(tiny: Path, skim: Callable) -> None:
    folder = tiny.with_name("mine")
    shutil.copytree(tiny.parent / "input", folder)
    result = skim("run", tiny, "-o", folder, "--overwrite")
    assert result.exit_code == 2
    assert "exists and is not a dataset" in result.stderr
    assert len(list(folder.iterdir())) == 3


def test_a_file_that_changes_while_it_is_read_is_an_error(
    slow: Path, start: Callable, await_path: Callable
) -> None:
    output = slow.with_name("out")
    process = start("run", slow, "-o", output, "--workers", 1)
    await_path(output, "sample=s/part-*", process)
    (slow.parent / "input" / "1.root").touch()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1.root changed while it was read; nothing was written" in stderr
    assert not (output / "manifest.json").exists()
