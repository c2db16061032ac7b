"""Stage one as a whole: the same dataset however it is run, resumed, refused or interrupted."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import polars
import pytest
import uproot
import yaml

from schemas import loops, open_dataset

KEYS = {
    "schema": "fastpuppi",
    "keep": {"TkEleL2": "all", "GenEl": ["pt", "eta"], "event": ["run", "event"]},
    "define": {"TkEleL2": {"abseta": "abs(eta)"}},
    "objects": {"TkEleL2": "pt > 5"},
    "events": "count(TkEleL2) > 0",
    "storage": {"partition_events": 100},
}
SKIM = Path(sys.executable).with_name("skim")
HEAVY = ("uproot", "awkward", "pyarrow", "dask", "distributed")


@pytest.fixture
def config(tmp_path: Path, ntuples: list[Path]) -> Path:
    """A configuration with cuts, of a sample that takes what is in the folder ``input``."""
    folder = tmp_path / "input"
    folder.mkdir()
    for path in ntuples:
        (folder / path.name).symlink_to(path)
    path = tmp_path / "skim.yaml"
    path.write_text(yaml.safe_dump(KEYS | {"samples": {"ele": "input/*.root"}}))
    return path


def change(config: Path, **keys: object) -> Path:
    """Write another configuration beside one."""
    other = config.with_name("other.yaml")
    other.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | keys))
    return other


def content(folder: Path) -> dict[str, bytes]:
    """Return all bytes of a dataset, by path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def identity(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what changes if a partition is written again, even with the same bytes."""
    found = {path.name: path.stat() for path in folder.glob("sample=*/*")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def run(skim: Callable, config: Path, output: Path, *options: object) -> None:
    result = skim("run", config, "-o", output, *options)
    assert result.exit_code == 0, result.output


def refuse(skim: Callable, config: Path, output: Path, *options: object) -> str:
    """Run a skim that must be refused, changing nothing, and return the message."""
    before = content(output) if output.is_dir() else output.exists()
    result = skim("run", config, "-o", output, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert (content(output) if output.is_dir() else output.exists()) == before
    return result.stderr


@pytest.fixture
def done(config: Path, skim: Callable, tmp_path: Path) -> Path:
    """The dataset of the configuration, made with one thread."""
    run(skim, config, tmp_path / "done", "--workers", 1)
    return tmp_path / "done"


@pytest.mark.parametrize("scheduler", ["threads", "processes", "cluster"])
def test_every_scheduler_writes_the_same_bytes(
    scheduler: str, config: Path, done: Path, skim: Callable, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    where = request.getfixturevalue("dask_cluster") if scheduler == "cluster" else scheduler
    workers = [] if scheduler == "cluster" else ["--workers", 2]
    run(skim, config, tmp_path / "again", "--scheduler", where, *workers)
    assert content(tmp_path / "again") == content(done)


def test_without_compiled_loops_the_bytes_are_the_same(
    config: Path, done: Path, skim: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "compiled", lambda: None)
    run(skim, config, tmp_path / "again", "--workers", 1)
    assert content(tmp_path / "again") == content(done)


def test_the_number_of_workers_does_not_matter(
    config: Path, done: Path, skim: Callable, tmp_path: Path
) -> None:
    run(skim, config, tmp_path / "again", "--workers", 5)
    assert content(tmp_path / "again") == content(done)


def test_a_dataset_holds_its_manifest_and_the_partitions_it_lists(done: Path) -> None:
    listed = {part.path for _, part in open_dataset(done).partitions()}
    assert content(done).keys() == {"manifest.json", *listed}
    assert len(listed) == 4


def test_the_same_command_again_changes_nothing(config: Path, done: Path, skim: Callable) -> None:
    before = content(done), identity(done)
    run(skim, config, done)
    assert (content(done), identity(done)) == before


def test_a_further_file_adds_only_its_partitions(
    config: Path, done: Path, ntuples: list[Path], skim: Callable
) -> None:
    before = identity(done)
    old = open_dataset(done).arrays()
    shutil.copy(ntuples[0], config.parent / "input" / "a_further_one.root")
    run(skim, config, done)
    assert identity(done).items() > before.items()
    dataset = open_dataset(done)
    assert dataset.samples["ele"].events_read == 450
    first = sum(part.source == 0 for part in dataset.samples["ele"].partitions)
    new = dataset.samples["ele"].partitions[len(before) :]
    assert len(new) == first == len(identity(done)) - len(before)
    assert {dataset.samples["ele"].sources[part.source].url for part in new} == {
        str(config.parent / "input" / "a_further_one.root")
    }
    assert ak.array_equal(dataset.arrays()[: len(old)], old)


def test_a_further_sample_leaves_the_others_alone(
    config: Path, done: Path, ntuples: list[Path], skim: Callable
) -> None:
    before = identity(done)
    run(skim, config, done, "--files", f"more={ntuples[1]}")
    assert identity(done).items() >= before.items()
    assert {name: s.events_read for name, s in open_dataset(done).samples.items()} == {
        "ele": 300,
        "more": 150,
    }


def test_a_sample_that_is_not_taken_stays_in_the_dataset(
    config: Path, done: Path, ntuples: list[Path], skim: Callable
) -> None:
    run(skim, config, done, "--files", f"more={ntuples[1]}", "--sample", "more")
    assert list(open_dataset(done).samples) == ["ele", "more"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"events": "count(TkEleL2) > 1"}, "events was 'count(TkEleL2) > 0' and is"),
        ({"objects": {"TkEleL2": "pt > 6"}}, "objects.TkEleL2 was 'pt > 5' and is 'pt > 6'"),
        ({"keep": {"TkEleL2": "pt"}}, "keep.GenEl was ['pt', 'eta'] and is None"),
        ({"storage": {"partition_events": 41}}, "storage.partition_events was 100 and is 41"),
        ({"storage": {"compression": "snappy"}}, "storage.compression was 'zstd'"),
    ],
)
def test_another_configuration_is_refused_saying_what_changed(
    keys: dict, said: str, config: Path, done: Path, skim: Callable
) -> None:
    assert said in refuse(skim, change(config, **keys), done)


def test_another_number_of_events_is_another_configuration(
    config: Path, done: Path, skim: Callable
) -> None:
    said = refuse(skim, config, done, "--events", 10)
    assert "events_per_sample was None and is 10" in said


def test_white_space_in_an_expression_is_no_change(
    config: Path, done: Path, skim: Callable
) -> None:
    before = identity(done)
    run(skim, change(config, events="  count(TkEleL2)   > 0\n"), done)
    assert identity(done) == before


def test_a_source_file_that_changed_is_refused(config: Path, done: Path, skim: Callable) -> None:
    from skim.sample import write_sample

    other = write_sample(config.parent / "new", "doubleele", events=150, files=1, seed=99)
    target = config.parent / "input" / "doubleele_1.root"
    target.unlink()
    shutil.copy(other[0], target)
    assert f"was made from {target}, which has changed since then" in refuse(skim, config, done)


def test_files_whose_fields_differ_from_those_of_the_dataset_are_refused(
    tmp_path: Path, write_config: Callable, skim: Callable
) -> None:
    for name, fields in (("a", ["x"]), ("b", ["x", "y"])):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("Events", dict.fromkeys(fields, "int32"))
            file["Events"].extend({field: [1, 2] for field in fields})
    config = write_config(schema="nanoaod")
    output = tmp_path / "out"
    run(skim, config, output, "--files", f"s={tmp_path / 'a.root'}")
    said = refuse(skim, config, output, "--files", f"s={tmp_path / 'b.root'}")
    assert "holds event.y as nothing, and the files have it as event int32" in said


def test_the_first_events_of_a_sample_are_not_mixed_with_those_of_other_files(
    config: Path, ntuples: list[Path], skim: Callable, tmp_path: Path
) -> None:
    output = tmp_path / "first"
    run(skim, config, output, "--events", 200)
    run(skim, config, output, "--events", 200)
    assert open_dataset(output).samples["ele"].events_read == 200
    shutil.copy(ntuples[0], config.parent / "input" / "a_further_one.root")
    assert "the first 200 events of other files of sample 'ele'" in refuse(
        skim, config, output, "--events", 200
    )


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_output_that_is_something_else_is_refused(
    kind: str, config: Path, skim: Callable, tmp_path: Path
) -> None:
    output = tmp_path / "mine"
    if kind == "folder":
        output.mkdir()
        (output / "thesis.tex").write_text("precious")
    else:
        output.write_text("precious")
    said = refuse(skim, config, output)
    assert "exists and is not a dataset" in said
    assert kind == "file" or "'thesis.tex'" in said


def test_an_output_with_a_damaged_manifest_is_left_alone(
    config: Path, done: Path, skim: Callable
) -> None:
    (done / "manifest.json").write_text("{}")
    result = skim("run", config, "-o", done)
    assert result.exit_code == 1
    assert str(done / "manifest.json") in result.stderr
    assert (done / "manifest.json").read_text() == "{}"


def test_an_empty_folder_is_a_fine_output(config: Path, skim: Callable, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    run(skim, config, tmp_path / "new")
    assert open_dataset(tmp_path / "new").samples["ele"].events_read == 300


def test_leftovers_of_a_killed_run_are_made_again_to_the_same_bytes(
    config: Path, done: Path, skim: Callable, tmp_path: Path
) -> None:
    output = tmp_path / "killed"
    shutil.copytree(done, output)
    (output / "manifest.json").unlink()
    parts = sorted(output.glob("sample=ele/*"))
    parts[0].unlink()
    parts[1].write_bytes(parts[1].read_bytes()[:100])
    run(skim, config, output)
    assert content(output) == content(done)


def test_what_the_manifest_does_not_list_is_no_part_of_the_dataset(
    config: Path, done: Path, skim: Callable, tmp_path: Path
) -> None:
    output = tmp_path / "killed"
    (output / "sample=ele").mkdir(parents=True)
    (output / "sample=ele" / ".part-00000-12345678.parquet.0badcafe.tmp").write_bytes(b"PAR1")
    shutil.copy(next(done.glob("sample=ele/*")), output / "sample=ele/part-00000-12345678.parquet")
    run(skim, config, output)
    assert ak.array_equal(open_dataset(output).arrays(), open_dataset(done).arrays())
    assert len(ak.from_parquet(output)) == len(ak.from_parquet(done))  # nothing is counted twice


def test_a_run_that_is_killed_leaves_no_dataset_and_is_completed_by_the_next(
    config: Path, skim: Callable, tmp_path: Path
) -> None:
    small = change(config, storage={"partition_events": 15})
    output, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    process = subprocess.Popen(
        [SKIM, "run", small, "-o", output, "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(output.glob("sample=*/part-*")):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (output / "manifest.json").exists()
    run(skim, small, output)
    run(skim, small, undisturbed)
    listed = {part.path for _, part in open_dataset(output).partitions()}
    made = {name: data for name, data in content(output).items() if not name.endswith(".tmp")}
    assert made == content(undisturbed)
    assert made.keys() == {"manifest.json", *listed}
    rows = polars.scan_parquet(f"{output}/**/*.parquet").select(polars.len()).collect().item()
    assert rows == open_dataset(undisturbed).samples["ele"].events_kept


def test_a_run_that_fails_leaves_the_previous_dataset(
    config: Path, done: Path, skim: Callable
) -> None:
    before = content(done)
    broken = config.parent / "input" / "z.root"
    broken.write_bytes(b"root" + b"\0" * 500)
    result = skim("run", config, "-o", done)
    assert result.exit_code == 1
    assert str(broken) in result.stderr
    assert content(done) == before


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(
    config: Path, skim: Callable, tmp_path: Path
) -> None:
    result = skim("run", config, "-o", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    [row] = [line.split() for line in result.stdout.splitlines() if line.split()[:1] == ["ele"]]
    files, entries, _, _, read, partitions, *predicted = row[1:]
    assert (files, entries, read, partitions) == ("2", "300", "300", "4")
    assert predicted[-1] == "%"
    assert "abseta" in result.stdout
    assert not (tmp_path / "out").exists()


def test_a_dry_run_on_a_complete_dataset_finds_nothing_to_do(
    config: Path, done: Path, skim: Callable
) -> None:
    before = content(done), identity(done)
    result = skim("run", config, "-o", done, "--dry-run")
    [row] = [line.split() for line in result.stdout.splitlines() if line.split()[:1] == ["ele"]]
    _, _, _, _, read, partitions, *predicted = row[1:]
    assert (read, partitions, predicted) == ("0", "0", ["0", "B", "-"])
    assert (content(done), identity(done)) == before


def test_nothing_is_said_on_standard_error_where_nobody_watches(
    config: Path, tmp_path: Path
) -> None:
    result = subprocess.run(
        [SKIM, "run", config, "-o", tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    assert "ele" in result.stdout


@pytest.mark.parametrize("command", [[], ["sample"], ["inspect"], ["run"], ["info"]])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    code = """
import sys
from skim.cli import main
try:
    main(sys.argv[1:])
finally:
    print("\\nimported:", *sorted(set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    shown, _, imported = result.stdout.partition("\nimported:")
    assert "Example:" in shown
    assert "skim" in imported.split()
    assert not set(HEAVY) & set(imported.split())
