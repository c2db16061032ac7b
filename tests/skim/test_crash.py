"""Runs that are killed: what readers see then, and what the same command makes of it.

Every moment is real: a process is ended by SIGKILL just before it creates, flushes, renames or
removes a file of the dataset, or at a random time.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import yaml

from schemas import open_dataset
from schemas.errors import UsageError

SKIM = Path(sys.executable).with_name("skim")

KEYS = {
    "schema": "nanoaod",
    "keep": {"A": "all", "event": "all"},
    "storage": {"partition_events": 100},
}

# Imports what a run needs, once; each run is a fork, which shares nothing else with the others.
# Its argument says for each which command to run and before which step to die: the steps are what
# it does to files below the output. Step 0 dies never, and tells the number of steps.
DRIVER = """
import glob, json, os, signal, sys
import awkward, dask.threaded, pyarrow.parquet, rich.console, rich.table, uproot
import skim.commands, skim.info, skim.job, skim.run
from skim.cli import main

STEPS = ("os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir")

def watch(output, step, tear):
    done = 0
    sync = os.fsync

    def reached():
        nonlocal done
        done += 1
        if done == step:
            if tear:
                for path in glob.glob(f"{output}/_journal/*.json"):  # never flushed
                    os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in STEPS or writes) and str(arguments[0]).startswith(output):
            reached()

    def fsync(descriptor):
        if tear and done + 1 == step:  # nor is this yet
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if os.path.isfile(path):
                os.truncate(path, os.path.getsize(path) // 2)
        reached()
        sync(descriptor)

    sys.addaudithook(hook)
    os.fsync = fsync
    return lambda: done

def run(command, output, step, tear, log):
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    count = watch(output, step, tear)
    code = 0
    try:
        main(command)
    except SystemExit as end:
        code = end.code
    with open(log, "a") as file:
        file.write(f"\\n{code} {count()}")
    os._exit(code)

for arguments in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        run(**arguments)
    status = os.waitpid(child, 0)[1]
    expected = 0 if arguments["step"] == 0 else -signal.SIGKILL
    assert os.waitstatus_to_exitcode(status) == expected, arguments
"""


@dataclass(frozen=True)
class Scene:
    """A command, what is in its output before, and what has to be there after it.

    Attributes
    ----------
    command
        Without the output.
    before
        A dataset, or nothing.
    after
        What the command makes of it if nobody disturbs it.
    """

    command: list[str]
    before: Path | None
    after: Path

    def set_up(self, output: Path) -> list[str]:
        """Make an output as it is before; return the command for it."""
        if self.before:
            shutil.copytree(self.before, output)
        return [*self.command, "-o", str(output)]


def events(folder: Path) -> ak.Array | None:
    """Return all that a reader sees, or None where it sees no dataset."""
    try:
        return open_dataset(folder).arrays()
    except UsageError:
        return None


def same(one: ak.Array | None, two: ak.Array | None) -> bool:
    if one is None or two is None:
        return one is two
    return one.fields == two.fields and ak.array_equal(one, two)


@pytest.fixture(scope="module")
def folder(write_tiny: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny ntuples and some configurations."""
    folder = tmp_path_factory.mktemp("crashes")
    for seed in (1, 2):
        write_tiny(folder / f"{seed}.root", seed)
    (folder / "skim.yaml").write_text(yaml.safe_dump(KEYS))
    harder = KEYS | {"objects": {"A": "pt > 20"}}
    (folder / "harder.yaml").write_text(yaml.safe_dump(harder))
    # of the same content as the dataset that is there, in other bytes
    denser = KEYS | {"storage": {"partition_events": 100, "compression": "gzip", "level": 9}}
    (folder / "denser.yaml").write_text(yaml.safe_dump(denser))
    return folder


@pytest.fixture(scope="module")
def scenes(folder: Path, skim: Callable) -> dict[str, Scene]:
    first, both = f"ele={folder}/1.root", f"ele={folder}/*.root"

    def scene(name: str, config: str, files: str, before: Path | None, *options: str) -> Scene:
        command = ["run", str(folder / config), "--files", files, "--workers", "1", *options]
        made = Scene(command, before, folder / name)
        result = skim(*made.set_up(made.after))
        assert result.exit_code == 0, result.output
        return made

    new = scene("new", "skim.yaml", first, None)
    return {
        "new": new,
        "growing": scene("growing", "skim.yaml", both, new.after),
        "replaced": scene("replaced", "harder.yaml", first, new.after, "--overwrite"),
        "recompressed": scene("recompressed", "denser.yaml", first, new.after, "--overwrite"),
    }


def die_at(
    scene: Scene, steps: Iterable[int], outputs: Path, *, tear: bool = False
) -> Iterator[Path]:
    """Run a scene once for each step, up to that step; return the outputs in their order."""
    runs = []
    for step in steps:
        output = outputs / f"step{step}"
        runs.append(
            {
                "command": scene.set_up(output),
                "output": str(output),
                "step": step,
                "tear": tear,
                "log": str(outputs / f"step{step}.log"),
            }
        )
    subprocess.run([sys.executable, "-c", DRIVER, json.dumps(runs)], check=True)
    return (outputs / f"step{step}" for step in steps)


def number_of_steps(scene: Scene, outputs: Path, content: Callable) -> int:
    """Return how often an undisturbed run of a scene touches files."""
    [output] = die_at(scene, [0], outputs)
    assert content(output) == content(scene.after)
    return int(output.with_suffix(".log").read_text().split()[-1])


def check(scene: Scene, output: Path, skim: Callable, content: Callable) -> bool:
    """Check what a killed run left, and what the same command does; tell if it was complete."""
    found = manifest(output)
    before = manifest(scene.before) if scene.before else None
    assert found in (before, manifest(scene.after)), output
    expected = scene.after if found != before else scene.before
    assert same(events(output), events(expected) if expected else None), output
    result = skim(*scene.command, "-o", output)
    assert result.exit_code == 0, result.output
    assert content(output) == content(scene.after), output
    assert all(any(path.iterdir()) for path in output.rglob("*") if path.is_dir())
    return found != before


def manifest(folder: Path) -> bytes | None:
    path = folder / "manifest.json"
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("name", ["new", "growing", "replaced", "recompressed"])
def test_killed_at_any_step_the_old_dataset_is_readable_and_the_new_one_completed(
    name: str,
    scenes: dict[str, Scene],
    skim: Callable,
    content: Callable,
    tmp_path: Path,
) -> None:
    scene = scenes[name]
    count = number_of_steps(scene, tmp_path, content)
    assert count >= 25
    # every step of a new dataset, and every other one where something is there before
    steps = range(1, count + 1, 2 if scene.before else 1)
    outcomes = [check(scene, output, skim, content) for output in die_at(scene, steps, tmp_path)]
    assert outcomes == sorted(outcomes)  # complete from the replacement of the manifest on
    assert {*outcomes} == {False, True}


def test_what_was_not_flushed_when_the_power_failed_does_not_matter(
    scenes: dict[str, Scene],
    skim: Callable,
    content: Callable,
    tmp_path: Path,
) -> None:
    scene = scenes["growing"]
    count = number_of_steps(scene, tmp_path, content)
    steps = range(1, count + 1, 2)
    for output in die_at(scene, steps, tmp_path, tear=True):
        check(scene, output, skim, content)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_killed_at_random_times_again_and_again_it_is_completed_in_the_end(
    scheduler: str,
    scenes: dict[str, Scene],
    skim: Callable,
    content: Callable,
    tmp_path: Path,
) -> None:
    scene = scenes["growing"]
    output = tmp_path / "out"
    numbers = np.random.default_rng(7)
    command = [SKIM, *scene.set_up(output), "--workers", "2", "--scheduler", scheduler]
    for _ in range(5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (output / "_lock").exists():
            time.sleep(0.005)
        time.sleep(numbers.uniform(0, 1.5))
        process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
    check(scene, output, skim, content)
