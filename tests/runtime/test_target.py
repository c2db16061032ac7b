"""What every place that runs write to must do; a kind of storage adds a fixture that makes it."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import xxhash

from runtime.files import replace_file
from runtime.target import LocalTarget, Target, open_target
from schemas.errors import DatasetError, RunError, UsageError


class TargetContract:
    """The contract; a subclass has a fixture ``target``, an empty place that does not exist yet."""

    def test_it_travels_to_workers(self, target: Target) -> None:
        target.replace("a", b"1")
        assert pickle.loads(pickle.dumps(target)).read("a", 10) == b"1"  # noqa: S301

    def test_what_is_not_there_is_nothing_and_no_error(self, target: Target) -> None:
        assert target.names() == target.names("folder") == []
        assert target.read("folder/file", 10) is None
        assert not target.holds("folder/file", 0, "")
        assert not target.remove_if("folder/file", b"")
        target.remove("folder/file")
        target.remove_folders(["folder"])

    def test_a_file_is_replaced(self, target: Target) -> None:
        for content in (b"old", b"", b"new and longer"):
            target.replace("folder/file", content)
            assert target.read("folder/file", 100) == content
        assert target.names("folder") == ["file"]
        assert target.names() == ["folder"]

    def test_names_are_flushed_and_those_of_no_folder_too(self, target: Target) -> None:
        target.replace("folder/file", b"1", flush=False)
        target.flush_names("folder")
        target.flush_names("nowhere")
        assert target.names() == ["folder"]
        assert target.read("folder/file", 10) == b"1"

    def test_too_large_a_file_is_refused(self, target: Target) -> None:
        target.replace("file", b"12345")
        assert target.read("file", 5) == b"12345"
        with pytest.raises(DatasetError, match="too large"):
            target.read("file", 4)

    def test_of_several_that_create_a_file_one_succeeds(self, target: Target) -> None:
        target.make()
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: target.create("lock", str(n).encode()), range(40)))
        assert sum(made) == 1
        assert target.read("lock", 10) == str(made.index(True)).encode()
        assert target.names() == ["lock"]

    def test_of_several_that_remove_what_they_have_seen_one_succeeds(self, target: Target) -> None:
        target.make()
        with ThreadPoolExecutor(8) as pool:
            for _ in range(5):
                assert target.create("lock", b"old")
                removed = list(pool.map(lambda _: self.take_over(target), range(16)))
                assert sum(removed) == 1
                assert target.remove_if("lock", b"new")

    def take_over(self, target: Target) -> bool:
        return target.remove_if("lock", b"old") and target.create("lock", b"new")

    def test_what_another_has_created_is_not_removed(self, target: Target) -> None:
        target.replace("lock", b"theirs")
        assert not target.remove_if("lock", b"mine")
        assert not target.remove_if("lock", b"theirs and more")
        assert target.read("lock", 10) == b"theirs"
        assert target.remove_if("lock", b"theirs")
        assert target.names() == []

    def test_staged_files_are_in_place_after_the_block(self, target: Target) -> None:
        content = os.urandom(100_000)
        checksum = xxhash.xxh3_128_hexdigest(content)
        for _ in range(2):  # the second time it replaces what a run left that died
            with target.stage("sample=a") as folder, replace_file(folder / "part") as temporary:
                temporary.write_bytes(content)
        assert target.names("sample=a") == ["part"]
        assert target.holds("sample=a/part", len(content), checksum)
        assert not target.holds("sample=a/part", len(content) - 1, checksum)
        assert not target.holds("sample=a/part", len(content), "0" * 32)
        assert target.read("sample=a/part", 1 << 20) == content

    def test_a_failure_adds_nothing(self, target: Target) -> None:
        def fail() -> None:
            with target.stage("sample=a") as folder, replace_file(folder / "part") as temporary:
                temporary.write_bytes(b"half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert target.names("sample=a") == []

    def test_a_system_error_names_the_place(self, target: Target) -> None:
        with pytest.raises(RunError, match=r"^cannot write .*sample=a: No such file or directory"):
            self.open_nothing(target)

    def open_nothing(self, target: Target) -> None:
        with target.stage("sample=a") as folder:
            (folder / "nothing").read_bytes()

    def test_folders_go_when_they_are_empty(self, target: Target) -> None:
        made = target.make()
        target.replace("full/file", b"")
        target.replace("empty/file", b"")
        target.remove("empty/file")
        target.remove_folders([*made, "full", "empty"])
        assert target.names() == ["full"]
        target.remove("full/file")
        target.remove_folders([*made, "full"])
        assert target.names() == []

    def test_files_are_named_as_the_user_named_the_target(self, target: Target) -> None:
        assert target.describe("a/b") == f"{target.describe()}/a/b"


class TestLocalTarget(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        return open_target(str(tmp_path / "new" / "out"))

    def test_no_folder_is_left_that_was_not_there(self, target: Target, tmp_path: Path) -> None:
        made = target.make()
        assert made == [str(tmp_path / "new"), str(tmp_path / "new" / "out")]
        assert target.make() == []
        target.remove_folders(made)
        assert not (tmp_path / "new").exists()

    def test_a_relative_path_holds_on_workers_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        target = open_target("out")
        target.replace("file", b"1")
        monkeypatch.chdir("/")
        assert target.describe("file") == "out/file"
        assert target.read("file", 1) == b"1"

    def test_without_hard_links_creation_is_still_exclusive(
        self, target: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        self.test_of_several_that_create_a_file_one_succeeds(target)

    def test_creation_bears_that_another_writer_clears_temporary_files_away(
        self, target: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The holder of a lock does so when its run ends, while others ask for the lock."""
        target.make()
        with monkeypatch.context() as context:
            context.setattr("runtime.target.sync", os.unlink)
            assert not target.create("lock", b"mine")
        assert target.create("lock", b"mine")

    def test_a_file_in_the_way_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match=r"file' exists and is not a dataset but a file"):
            open_target(str(tmp_path / "file")).names()
        with pytest.raises(UsageError, match=r"out' is inside '.*/file', which is a file"):
            open_target(str(tmp_path / "file" / "out")).names()

    def test_it_is_local(self, target: Target) -> None:
        assert isinstance(target, LocalTarget)
