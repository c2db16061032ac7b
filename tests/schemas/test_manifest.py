"""The manifest: read as written, and refused with its name when it cannot be true."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xxhash

from schemas import open_dataset
from schemas.errors import DatasetError
from schemas.manifest import parse_manifest, seal

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def text(dataset: Path) -> str:
    return (dataset / "manifest.json").read_text()


def sealed(data: dict[str, Any]) -> bytes:
    """Return the content of a manifest that someone has changed and given a new digest."""
    return seal({key: value for key, value in data.items() if key != "digest"}).encode()


def partition(data: dict[str, Any], **values: object) -> None:
    data["samples"]["doubleele"]["partitions"][0].update(values)


def test_a_manifest_is_written_as_it_was_read(text: str) -> None:
    manifest = parse_manifest(text.encode(), "manifest.json")
    assert manifest.to_json() == text
    assert parse_manifest(manifest.to_json().encode(), "manifest.json") == manifest


def test_a_manifest_says_where_everything_comes_from(text: str, ntuples: list[Path]) -> None:
    data = json.loads(text)
    record = data["samples"]["doubleele"]
    assert data["format_version"] == 1
    assert [source["url"] for source in record["sources"]] == [str(path) for path in ntuples]
    assert {(source["tree"], source["entries"]) for source in record["sources"]} == {
        ("Events", 150)
    }
    assert [(p["source"], p["entry_start"], p["entry_stop"]) for p in record["partitions"]] == [
        (source, start, start + 50) for source in (0, 1) for start in (0, 50, 100)
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "format version None is unknown"),
        (b"{}", "format version None is unknown"),
        (b'{"format_version": 2}', "format version 2 is unknown; this l1skim reads 1"),
        (b'{"format_version": "1"}', "format version '1' is unknown"),
        (b'{"format_version": 1}', "the manifest is damaged"),
    ],
)
def test_what_is_no_manifest_is_refused_by_name(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'manifest.json'}: ")
    assert said in str(caught.value)


def test_a_truncated_manifest_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match=r"copy/manifest\.json: the manifest is damaged"):
        parse_manifest(text[: len(text) // 2].encode(), "copy/manifest.json")


def test_a_dataset_with_digests_of_the_kind_before_is_not_called_damaged(text: str) -> None:
    first, _, *rest = text.splitlines(keepends=True)
    old = hashlib.blake2b("".join([first, *rest]).encode(), digest_size=16).hexdigest()
    content = "".join([first, f' "digest": "{old}",\n', *rest])
    with pytest.raises(DatasetError, match=r"BLAKE2b and not XXH3; make the dataset again"):
        parse_manifest(content.encode(), "copy/manifest.json")


DAMAGE: dict[str, Change] = {
    "an unknown key": lambda data: data.update(extra=1),
    "no samples": lambda data: data.pop("samples"),
    "a text for a number": lambda data: partition(data, events_read="50"),
    "a negative number": lambda data: partition(data, bytes=-1),
    "a number that is not whole": lambda data: partition(data, events_kept=1.5),
    "an unknown type": lambda data: data["schema"]["collections"]["event"]["fields"]["run"].update(
        type="object"
    ),
    "a sample named like a path": lambda data: data["samples"].update(
        {"../up": data["samples"]["doubleele"]}
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_values_of_a_wrong_kind_are_refused(damage: Change, text: str) -> None:
    data = json.loads(text)
    damage(data)
    with pytest.raises(DatasetError, match=r"copy/manifest\.json: the manifest is damaged: \w+"):
        parse_manifest(sealed(data), "copy/manifest.json")


@pytest.mark.parametrize(
    "path",
    [
        "../sample=doubleele/part-00000-12345678.parquet",
        "sample=doubleele/../../part-00000-12345678.parquet",
        "sample=../part-00000-12345678.parquet",
        "sample=../../x/part-00000-12345678.parquet",
        "/etc/passwd",
        "/sample=doubleele/part-00000-12345678.parquet",
        "sample=doubleele/part-00000-12345678.parquet\n",
        "http://host/sample=doubleele/part-00000-12345678.parquet",
        "",
    ],
)
def test_no_path_leads_out_of_the_dataset(path: str, text: str) -> None:
    data = json.loads(text)
    partition(data, path=path)
    with pytest.raises(DatasetError, match=r"^copy/manifest\.json: "):
        parse_manifest(sealed(data), "copy/manifest.json")


CONTRADICTIONS: dict[str, dict[str, object]] = {
    "kept more than it read": {"events_kept": 51},
    "read more than its range": {"events_read": 51},
    "ends before it starts": {"entry_start": 50, "entry_stop": 0, "events_read": 0},
    "ends after its file": {"entry_stop": 151, "events_read": 151},
    "has a source that is not there": {"source": 2},
    "is in the folder of another sample": {"path": "sample=x/part-00000-12345678.parquet"},
}


@pytest.mark.parametrize("values", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_partition_that_contradicts_the_rest_is_refused(
    values: dict[str, object], text: str
) -> None:
    data = json.loads(text)
    partition(data, **values)
    named = data["samples"]["doubleele"]["partitions"][0]["path"]
    with pytest.raises(DatasetError, match="contradicts itself") as caught:
        parse_manifest(sealed(data), "copy/manifest.json")
    assert str(caught.value).startswith("copy/manifest.json: ")
    assert named in str(caught.value)


def test_the_counts_of_a_sample_are_those_of_its_partitions(text: str) -> None:
    data = json.loads(text)
    partition(data, events_kept=7, sum_of_weights=2.5, bytes=1)
    sample = parse_manifest(sealed(data), "manifest.json").samples["doubleele"]
    assert (sample.events_read, sample.events_kept) == (300, 257)
    assert sample.sum_of_weights == 252.5
    assert sample.bytes == 1 + sum(part.bytes for part in sample.partitions[1:])


def test_any_changed_byte_is_noticed(text: str) -> None:
    content = text.encode()
    places = {*range(120), *range(120, len(content), 17), *range(len(content) - 20, len(content))}
    for place in places:
        for value in {content[place] ^ 1, content[place] ^ 0x20, ord(" "), ord("0")}:
            if value != content[place]:
                changed = bytearray(content)
                changed[place] = value
                with pytest.raises(DatasetError, match=r"^copy/manifest\.json: "):
                    parse_manifest(bytes(changed), "copy/manifest.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content + b"\n",
        lambda content: b" " + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: json.dumps(json.loads(content)).encode(),
        lambda content: content[:2] + content[content.index(b' "format_version"') :],
    ],
    ids=["a line more", "a blank before", "other line ends", "written anew", "no digest"],
)
def test_what_json_does_not_mind_is_noticed(change: Callable[[bytes], bytes], text: str) -> None:
    changed = change(text.encode())
    json.loads(changed)
    with pytest.raises(DatasetError, match="it is not as it was written"):
        parse_manifest(changed, "manifest.json")


def test_the_digest_is_that_of_the_other_lines(text: str) -> None:
    first, digest, *rest = text.splitlines(keepends=True)
    expected = xxhash.xxh3_128_hexdigest((first + "".join(rest)).encode())
    assert digest == f' "digest": "{expected}",\n'
