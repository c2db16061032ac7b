from __future__ import annotations

import os
from pathlib import Path

import pytest
import xxhash

from runtime.files import digest_file, expand, is_url, replace_file
from schemas.errors import UsageError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two runs with three files."""
    for name in ("run1/b.root", "run1/a.root", "run2/deep/c.root", "run1/notes.txt"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "data"


def names(found: list[str], folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in found]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("root://eoscms.cern.ch//eos/a.root", True),
        ("https://host/a.root", True),
        ("/eos/a.root", False),
        ("a:b.root", False),
    ],
)
def test_urls_are_told_from_paths(path: str, expected: bool) -> None:
    assert is_url(path) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("run1/a.root", ["run1/a.root"]),
        ("run1/*.root", ["run1/a.root", "run1/b.root"]),
        ("run?/[ab].root", ["run1/a.root", "run1/b.root"]),
        ("**/*.root", ["run1/a.root", "run1/b.root", "run2/deep/c.root"]),
        ("run2/**", ["run2/deep/c.root"]),
        ("run2", ["run2"]),
    ],
)
def test_relative_patterns_are_expanded_from_the_base(
    data: Path, pattern: str, expected: list[str]
) -> None:
    assert names(expand(pattern, data), data) == expected


def test_absolute_patterns_take_no_notice_of_the_base(data: Path) -> None:
    assert names(expand(f"{data}/run1/*.root", Path("/nowhere")), data) == [
        "run1/a.root",
        "run1/b.root",
    ]


def test_without_a_base_the_working_directory_is_meant(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    assert expand("run1/*.root") == ["run1/a.root", "run1/b.root"]
    with pytest.raises(UsageError, match=r"no 'ruin1' in the working directory .* mean 'run1'"):
        expand("ruin1/*.root")


def test_the_home_directory_has_its_short_name(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(data))
    assert expand("~/run1/a.root") == [f"{data}/run1/a.root"]


def test_a_wildcard_in_a_name_is_taken_literally_if_that_exists(data: Path) -> None:
    odd = data / "x[1].root"
    odd.touch()
    assert expand("x[1].root", data) == [str(odd)]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("run1/aa.root", r"no 'aa.root' in '.*/run1'; did you mean 'a.root'?"),
        ("run11/*.root", r"no 'run11' in '.*/data'; did you mean 'run1'"),
        ("run*/deeep/c.root", r"no 'deeep' in 2 folders; did you mean 'deep'"),
        ("run1/*.ROOT", r"no '\*.ROOT' in '.*/run1'; "),
        ("run1/a.root/x", r"no 'x' in '.*/a.root'; there are none"),
        ("**/*.parquet", r"no '\*.parquet' in \d folders"),
        ("", "empty path"),
    ],
)
def test_nothing_found_says_where_the_path_goes_wrong(
    data: Path, pattern: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        expand(pattern, data)


def test_a_url_without_wildcards_asks_no_server() -> None:
    url = "root://no.such.host//eos/cms/a.root"
    assert expand(url, Path("/base")) == [url]


def test_a_glob_on_a_server_gives_urls(data: Path) -> None:
    found = expand(f"file://{data}/run1/*.root")
    assert found == [f"file://{data}/run1/a.root", f"file://{data}/run1/b.root"]
    with pytest.raises(UsageError, match="no file matches"):
        expand(f"file://{data}/run1/*.parquet")


def test_an_unknown_kind_of_url_is_a_mistake() -> None:
    with pytest.raises(UsageError, match=r"cannot list 'eoss://host/.*eoss"):
        expand("eoss://host/*.root")


def test_a_replaced_file_is_old_or_new_but_never_half(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("old")
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("old")

    def fail_half_way() -> None:
        with replace_file(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with replace_file(str(tmp_path / "replaced")) as temporary:
        temporary.touch()
    modes = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    assert modes["replaced"] == modes["plain"]


def test_a_block_that_writes_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replace_file(tmp_path / "empty"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_digest_is_that_of_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    content = os.urandom(1_000_003)
    path.write_bytes(content)
    assert digest_file(path) == xxhash.xxh3_128_hexdigest(content)
    assert len(digest_file(path)) == 32
