"""Wildcards in root:// URLs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from runtime.files import expand
from schemas.errors import InputError, RemoteError, UsageError

if TYPE_CHECKING:
    from tests.remote.conftest import StartServer, XRootD

FILES = [
    "top.root", "a/one.root", "a/two.root", "a/three.txt", "a/.hidden.root", "a/b/deep.root",
    "b/one.root", ".c/one.root",
]  # fmt: skip


@pytest.fixture(scope="module")
def tree(start_server: StartServer) -> Iterator[XRootD]:
    with start_server() as server:
        for name in FILES:
            path = server.data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        server.give_away()
        yield server


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.root", ["top.root"]),
        ("a/*.root", ["a/one.root", "a/two.root"]),
        ("a/t*", ["a/three.txt", "a/two.root"]),
        ("a/t?o.root", ["a/two.root"]),
        ("a/[!t]*.root", ["a/one.root"]),
        ("a/.h*", ["a/.hidden.root"]),
        ("*/one.root", ["a/one.root", "b/one.root"]),
        ("[ab]/o*", ["a/one.root", "b/one.root"]),
        ("**/*.root", ["a/b/deep.root", "a/one.root", "a/two.root", "b/one.root", "top.root"]),
        ("a/**", ["a/b/deep.root", "a/one.root", "a/three.txt", "a/two.root"]),
        ("a/**/deep.root", ["a/b/deep.root"]),
    ],
)
def test_patterns_match_as_locally(tree: XRootD, pattern: str, found: list[str]) -> None:
    assert expand(tree.url(pattern)) == [tree.url(name) for name in found]
    local = expand(str(tree.data / pattern))
    assert [path.removeprefix(f"{tree.data}/") for path in local] == found


def test_what_is_for_the_server_goes_with_every_result(tree: XRootD) -> None:
    query = "?xrd.wantprot=unix"
    found = expand(tree.url("a/t?o.root") + query)
    assert found == [tree.url("a/two.root") + query]


def test_a_url_without_wildcards_is_not_looked_for() -> None:
    assert expand("root://nowhere.invalid//a.root?x=*") == ["root://nowhere.invalid//a.root?x=*"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("aa/*.root", "there is no folder 'aa' in '/data'; did you mean 'a'?"),
        ("a/*.rot", "/data/a holds nothing like that"),
        ("a/one.root/*", "there is no folder 'one.root' in '/data/a'"),
    ],
)
def test_nothing_found_says_where_the_path_ends(tree: XRootD, pattern: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(tree.url(pattern))
    assert str(caught.value).startswith(f"no file matches {tree.url(pattern)!r}: {said}")


def test_what_is_not_exported_is_refused(tree: XRootD) -> None:
    with pytest.raises(InputError, match=r"cannot list .*disallowed"):
        expand(f"root://127.0.0.1:{tree.port}//etc/*")


def test_no_server_is_not_no_file(server: XRootD) -> None:
    server.kill()
    with pytest.raises(RemoteError, match=r"cannot be listed: .*tried 4 times"):
        expand(server.url("*.root"))
