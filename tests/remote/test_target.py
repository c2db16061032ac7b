"""A folder on a server as what runs write to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import xxhash

from runtime.remote import RemoteTarget
from runtime.target import Target, open_target
from runtime.upload import CHUNK, upload
from schemas.errors import RemoteError, RunError, UsageError
from schemas.xrootd import Server
from tests.remote.proxy import proxy
from tests.runtime.test_target import TargetContract

if TYPE_CHECKING:
    from tests.remote.conftest import StartServer, XRootD


@pytest.fixture(scope="module")
def with_checksums(start_server: StartServer) -> Iterator[XRootD]:
    with start_server() as server:
        yield server


@pytest.fixture(scope="module")
def without_checksums(start_server: StartServer) -> Iterator[XRootD]:
    with start_server("") as server:
        yield server


class RemoteContract(TargetContract):
    """The contract, and what is the same for every server."""

    @pytest.fixture
    def place(self, host: XRootD) -> Iterator[XRootD]:
        """A server that holds nothing."""
        yield host
        shutil.rmtree(host.data / "new", ignore_errors=True)

    @pytest.fixture
    def target(self, place: XRootD) -> Target:
        return open_target(place.url("new/out"))

    def test_it_is_remote(self, target: Target) -> None:
        assert isinstance(target, RemoteTarget)

    def test_only_new_folders_are_made(self, target: Target) -> None:
        assert target.make() == ["/data/new", "/data/new/out"]
        assert target.make() == []
        target.remove_folders(["/data/new", "/data/new/out"])
        assert target.make() == ["/data/new", "/data/new/out"]

    def test_of_several_that_remove_what_they_have_seen_one_succeeds(self, target: Target) -> None:
        """Or none: where all give way to each other, the next run finds it as it was."""
        target.make()
        with ThreadPoolExecutor(8) as pool:
            for _ in range(5):
                assert target.create("lock", b"old")
                removed = list(pool.map(lambda _: self.take_over(target), range(16)))
                assert sum(removed) <= 1
                target.remove("lock")

    def test_a_large_file_arrives_whole(self, target: Target) -> None:
        content = os.urandom(5 * CHUNK + 17)
        with target.stage("sample=a") as folder:
            (folder / "part").write_bytes(content)
        checksum = xxhash.xxh3_128_hexdigest(content)
        assert target.holds("sample=a/part", len(content), checksum)

    def test_temporary_files_stay_where_they_are(self, target: Target) -> None:
        with target.stage("sample=a") as folder:
            (folder / ".part.01234567.tmp").write_bytes(b"half")
        assert target.names("sample=a") == []

    def test_a_file_in_the_way_is_named(self, place: XRootD) -> None:
        open_target(place.url("new")).replace("file", b"")
        with pytest.raises(UsageError, match=r"new/file' exists and is not a folder"):
            open_target(place.url("new/file")).names()


class TestWithChecksums(RemoteContract):
    @pytest.fixture
    def host(self, with_checksums: XRootD) -> XRootD:
        return with_checksums

    def test_what_arrives_damaged_is_sent_again(
        self, target: Target, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask = Server.ask
        answers = iter([b"adler32 00000bad\0"])

        def lie_once(server: Server, name: str, *arguments: Any) -> Any:
            answer = ask(server, name, *arguments)
            return next(answers, answer) if name == "query" else answer

        monkeypatch.setattr(Server, "ask", lie_once)
        target.replace("file", b"content")
        assert "arrived with checksum 00000bad" in caplog.text
        assert target.read("file", 100) == b"content"

    def test_what_may_not_be_written_says_so(self, place: XRootD) -> None:
        target = open_target(f"root://127.0.0.1:{place.port}//elsewhere/out")
        with pytest.raises(RunError, match=r"cannot write .*: Permission denied; make it writable"):
            target.replace("file", b"")


class TestWithoutChecksums(RemoteContract):
    """Of what arrived such a server says no checksum, and it is read back."""

    @pytest.fixture
    def host(self, without_checksums: XRootD) -> XRootD:
        return without_checksums


class TestWithoutReplacingRenames(RemoteContract):
    """EOS refuses a rename onto a file that exists; `xrootd` cannot be told to."""

    @pytest.fixture
    def host(self, with_checksums: XRootD) -> XRootD:
        return with_checksums

    @pytest.fixture(autouse=True)
    def _refuse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ask = Server.ask

        def refuse(server: Server, name: str, *arguments: Any) -> Any:
            if name == "mv" and server.size(arguments[1]) is not None:
                raise FileExistsError(17, "File exists")
            return ask(server, name, *arguments)

        monkeypatch.setattr(Server, "ask", refuse)

    def test_a_file_whose_writer_died_half_way_is_put_back(
        self, target: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target.replace("manifest.json", b"old")
        ask = Server.ask
        moves = []

        def die(server: Server, name: str, *arguments: Any) -> Any:
            if name == "mv":
                moves.append(arguments)
                if len(moves) == 3:  # the old file has made way for the new one
                    raise KeyboardInterrupt
            return ask(server, name, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Server, "ask", die)
            with pytest.raises(KeyboardInterrupt):
                target.replace("manifest.json", b"new")
        assert "manifest.json" not in target.names()
        assert target.read("manifest.json", 100) == b"old"
        target.replace("manifest.json", b"new")
        assert target.read("manifest.json", 100) == b"new"


def test_an_upload_whose_connection_stalls_is_repeated(
    server: XRootD,
) -> None:
    content = os.urandom(3 * CHUNK)
    with proxy(server.port) as network:
        target = open_target(server.url("out", network.port))
        target.make()
        network.stall_after_sent[0] = 2 * CHUNK
        with target.stage("sample=a") as folder:
            (folder / "part").write_bytes(content)
        assert network.connections >= 2
    assert (server.data / "out/sample=a/part").read_bytes() == content


def test_a_lost_server_is_an_error_of_its_own(server: XRootD) -> None:
    target = open_target(server.url("out"))
    target.make()
    server.kill()
    with pytest.raises(RemoteError, match=r"out/file: cannot be written: .*tried 4 times"):
        target.replace("file", b"content")


def test_a_file_cannot_be_written_where_one_is(server: XRootD) -> None:
    upload(b"first", server.url("file"))
    with pytest.raises(FileExistsError):
        upload(b"second", server.url("file"))
    assert (server.data / "file").read_bytes() == b"first"
