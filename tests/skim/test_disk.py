"""Targets that cannot take what is written: full, limited, read-only."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas import open_dataset


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of its own, or skip the test and say why not."""
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder.mkdir()
    options = f"size={size},mode=700"
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # lazily: the traceback of an error may still hold a file open
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Fill a file system but for some bytes."""
    stat = os.statvfs(folder)
    ballast = folder.parent / "ballast" if stat.f_bavail == 0 else folder / "ballast"
    ballast.write_bytes(b"\0" * max(0, stat.f_bavail * stat.f_frsize - leave))
    return ballast


@pytest.mark.parametrize("leave", [0, 4096, 16384, 40960])
def test_a_full_disk_is_an_error_and_the_same_command_completes_the_job(
    leave: int, tiny: Path, undisturbed: Path, skim: Callable, content: Callable, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "1m") as disk:
        output = disk / "out"
        ballast = fill(disk, leave)
        result = skim("run", tiny, "-o", output)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Error: cannot write {output}" in result.stderr
        assert "No space left on device; make room, then run the same comm" in result.stderr
        assert not list(output.rglob("*.tmp"))
        assert not (output / "manifest.json").exists()
        assert not (output / "_lock").exists()
        ballast.unlink()
        assert skim("run", tiny, "-o", output).exit_code == 0
        assert content(output) == content(undisturbed)


def test_a_full_disk_leaves_the_previous_dataset(
    tiny: Path, undisturbed: Path, write_tiny: Callable, skim: Callable, content: Callable,
    tmp_path: Path,
) -> None:  # fmt: skip
    with mounted(tmp_path / "disk", "1m") as disk:
        output = disk / "out"
        shutil.copytree(undisturbed, output)
        write_tiny(tmp_path / "input" / "4.root", 4)
        ballast = fill(disk, 12288)
        assert skim("run", tiny, "-o", output).exit_code == 1
        assert len(open_dataset(output).arrays()) == 600
        ballast.unlink()
        assert skim("run", tiny, "-o", output).exit_code == 0
        assert len(open_dataset(output).arrays()) == 800


def test_a_file_that_may_not_grow_so_large_is_an_error(
    tiny: Path, undisturbed: Path, start: Callable, skim: Callable, content: Callable,
    tmp_path: Path,
) -> None:  # fmt: skip
    sizes = [path.stat().st_size for path in undisturbed.glob("sample=*/*")]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes) - 1, resource.RLIM_INFINITY))

    output = tmp_path / "out"
    process = start("run", tiny, "-o", output, preexec_fn=limit)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Error: cannot write {output}/sample=s: File too large; make room, then" in stderr
    assert "Traceback" not in stderr
    assert not list(output.rglob("*.tmp"))
    assert skim("run", tiny, "-o", output).exit_code == 0
    assert content(output) == content(undisturbed)


def test_a_read_only_target_is_an_error_that_changes_nothing(
    tiny: Path, undisturbed: Path, write_tiny: Callable, skim: Callable, content: Callable,
    tmp_path: Path,
) -> None:  # fmt: skip
    with mounted(tmp_path / "disk", "1m") as disk:
        shutil.copytree(undisturbed, disk / "old")
        before = content(disk)
        write_tiny(tmp_path / "input" / "4.root", 4)
        remount(disk, "ro")
        for name in ("new", "old"):
            result = skim("run", tiny, "-o", disk / name)
            assert (result.exit_code, result.stdout) == (1, "")
            assert f"Error: cannot write {disk / name}" in result.stderr
            assert "Read-only file system; make it writable, then run the same" in result.stderr
        assert content(disk) == before


def test_a_place_where_no_folder_can_be_is_an_error(tiny: Path, skim: Callable) -> None:
    result = skim("run", tiny, "-o", "/proc/nowhere/out")
    assert result.exit_code == 1
    assert "Error: cannot write /proc/nowhere/out: " in result.stderr
