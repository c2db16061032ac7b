"""Baskets of numbers: any kind of branch, range of entries and compression, whole or damaged."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
import uproot

from schemas import loops
from schemas.baskets import read_numbers
from schemas.events import Array, Ragged, Values
from schemas.number_branches import VECTOR, NumberBranch, number_branch

KINDS = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32",
    "float64",
]  # fmt: skip
COMPRESSIONS = {
    "zstd": uproot.ZSTD(5),
    "lzma": uproot.LZMA(1),
    "zlib": uproot.ZLIB(1),
    "lz4": uproot.LZ4(4),
    "none": None,
    "zstd, all compressed": uproot.ZSTD(5),
}
UNEVEN, EVEN = (700, 1, 0, 40, 1300), (700, 701, 640)
"""Entries of each basket; small ones are not worth compressing, and stored as they are."""

ENTRIES = sum(EVEN)
COMPILED: Any = loops.compiled()

KEY = 60
"""Bytes of the keys of baskets that are made here."""

built = pytest.mark.skipif(COMPILED is None, reason="the loops are not compiled here")

RANDOM = np.random.default_rng(11)
COUNTS = RANDOM.poisson(2, ENTRIES)
COUNTS[:5] = COUNTS[705:720] = 0
OFFSETS = np.append(0, np.cumsum(COUNTS))
FLAT = {kind: RANDOM.integers(0, 2 if kind == "bool" else 100, ENTRIES).astype(kind)
        for kind in KINDS}  # fmt: skip
CONTENT = {kind: RANDOM.integers(0, 2 if kind == "bool" else 100, OFFSETS[-1]).astype(kind)
           for kind in KINDS}  # fmt: skip


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a file for each compression, with a branch of each kind, jagged and not."""
    folder = tmp_path_factory.mktemp("trees")
    paths = {}
    for name, compression in COMPRESSIONS.items():
        paths[name] = folder / f"{name}.root"
        with uproot.recreate(paths[name], compression=compression) as file:
            flat = {f"flat_{kind}": kind for kind in KINDS}
            file.mktree("Events", flat | {f"jagged_{kind}": f"var * {kind}" for kind in KINDS})
            start = 0
            for size in EVEN if "all" in name else UNEVEN:
                own = slice(start, start + size)
                jagged = ak.Array({k: ak.unflatten(v, COUNTS)[own] for k, v in CONTENT.items()})
                file["Events"].extend(
                    {f"flat_{kind}": FLAT[kind][own] for kind in KINDS}
                    | {f"jagged_{kind}": jagged[kind] for kind in KINDS}
                )
                start += size
    return paths


def branches(path: Path) -> dict[str, NumberBranch]:
    with uproot.open(path) as file:
        found = {branch.name: number_branch(branch) for branch in file["Events"].branches}
    return {name: branch for name, branch in found.items() if branch is not None}


@pytest.fixture(params=list(COMPRESSIONS))
def tree(request: pytest.FixtureRequest, trees: dict[str, Path]) -> Path:
    return trees[request.param]


def expected(name: str, start: int, stop: int) -> tuple[list[int] | None, Array]:
    form, _, kind = name.partition("_")
    if form == "flat":
        return None, FLAT[kind][start:stop]
    offsets = OFFSETS[start : stop + 1]
    return (offsets - offsets[0]).tolist(), CONTENT[kind][offsets[0] : offsets[-1]]


@pytest.mark.usefixtures("any_loops")
def test_all_kinds_of_branches_and_any_range(tree: Path) -> None:
    found = branches(tree)
    assert {f"{form}_{kind}" for form in ("flat", "jagged") for kind in KINDS} <= set(found)
    names = [name for name in found if name.startswith(("flat_", "jagged_"))]
    edges = [0, 1, 3, 699, 700, 701, 702, 740, 741, 2000, ENTRIES - 1, ENTRIES]
    for start in edges:
        for stop in (stop for stop in edges if stop > start):
            values = read_numbers(str(tree), [found[name] for name in names], start, stop)
            for name, own in zip(names, values, strict=True):
                require_same(own, *expected(name, start, stop))


def require_same(found: Values, offsets: list[int] | None, values: Array) -> None:
    own = found
    if offsets is not None:
        assert isinstance(found, Ragged)
        assert found.offsets.tolist() == offsets
        own = found.values
    assert isinstance(own, np.ndarray)
    assert own.dtype == values.dtype
    np.testing.assert_array_equal(own, values)


def opened(path: Path, branch: NumberBranch) -> tuple[int, int] | None:
    """Open all baskets of a branch at once: those of a file, which are the same as from memory."""
    seeks, sizes, entries = (
        np.ascontiguousarray(part, np.int64)
        for part in (branch.seeks, branch.sizes, branch.entries)
    )
    whole = path.read_bytes()
    places = zip(seeks.tolist(), sizes.tolist(), strict=True)
    content = b"".join(whole[seek : seek + size] for seek, size in places)

    def open_from(file: int, content: bytes) -> tuple[tuple[int, int] | None, bytes, Any]:
        frames, table = np.zeros(sizes.sum(), np.uint8), np.zeros((len(sizes), 4), np.int64)
        found = COMPILED.open_baskets(
            file, content, seeks, sizes, entries, branch.dtype.itemsize, branch.depth > 0,
            branch.header, frames, table,
        )  # fmt: skip
        return found, frames.tobytes(), table.tolist()

    with path.open("rb") as file:
        from_file = open_from(file.fileno(), b"")
    assert open_from(-1, content) == from_file
    assert open_from(-1, content[:-1])[0] is None
    return from_file[0]


@built
def test_baskets_of_zstd_are_opened_at_once_and_others_are_not(trees: dict[str, Path]) -> None:
    for name, path in trees.items():
        for branch in branches(path).values():
            assert (opened(path, branch) is not None) == ("all" in name)


def read_or_refuse(path: Path, branch: NumberBranch) -> list[Any] | None:
    """Read a branch; None if it is damaged."""
    try:
        [values] = read_numbers(str(path), [branch], 0, ENTRIES)
    except ValueError:
        return None
    if isinstance(values, Ragged):
        assert isinstance(values.values, np.ndarray)
        return [values.offsets.tolist(), values.values.tobytes()]
    return [values.tobytes()]


@built
@pytest.mark.parametrize("name", ["flat_float32", "jagged_float32", "jagged_int8"])
def test_damage_is_refused_with_and_without_compiled_loops_alike(
    trees: dict[str, Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trees["zstd, all compressed"]
    branch, content = branches(path)[name], path.read_bytes()
    copy = tmp_path / "damaged.root"
    random = np.random.default_rng(3)
    outcomes = []
    for _ in range(400):
        basket = random.integers(len(branch.seeks))
        key = int.from_bytes(content[branch.seeks[basket] + 14 :][:2], "big")
        # mostly in the key and the headers, where anything may stand for something else
        place = random.integers(key + 30 if random.random() < 0.8 else branch.sizes[basket])
        damaged = bytearray(content)
        damaged[branch.seeks[basket] + place] ^= 1 << random.integers(8)
        copy.write_bytes(damaged)
        with monkeypatch.context() as patch:
            patch.setattr(loops, "compiled", lambda: COMPILED)
            found = read_or_refuse(copy, branch)
            patch.setattr(loops, "compiled", lambda: None)
            assert read_or_refuse(copy, branch) == found
        outcomes.append(found is None)
    assert 0 < sum(outcomes) < len(outcomes)


@pytest.mark.usefixtures("any_loops")
def test_a_file_that_has_become_shorter_is_refused(trees: dict[str, Path], tmp_path: Path) -> None:
    path = trees["zstd, all compressed"]
    branch = branches(path)["jagged_float32"]
    copy = tmp_path / "short.root"
    copy.write_bytes(path.read_bytes()[: branch.seeks[-1] + 100])
    with pytest.raises(ValueError, match=r"what stands where a basket should be is none"):
        read_numbers(str(copy), [branch], 0, ENTRIES)


@pytest.mark.usefixtures("any_loops")
@pytest.mark.parametrize(
    "positions",
    [
        [0, 4, 8, 10, 16],  # within a value
        [4, 4, 8, 12, 16],  # not from the beginning
        [0, 8, 4, 12, 16],  # back
        [0, 4, 8, 12, 20],  # beyond the values
        [0, -4, 8, 12, 16],
    ],
    ids=str,
)
def test_positions_that_contradict_each_other_are_refused(
    positions: list[int], tmp_path: Path
) -> None:
    values = np.arange(4, dtype=">f4").tobytes()
    table = np.array([6, *(KEY + place for place in positions), 0], ">i4").tobytes()
    content = values + table
    path = tmp_path / "basket"
    path.write_bytes(basket(content, len(content), len(values), len(positions)))
    branch = NumberBranch(
        np.dtype(">f4"), 1, np.array([0]), np.array([path.stat().st_size]),
        np.array([0, len(positions)]),
    )  # fmt: skip
    with pytest.raises(ValueError, match="contradict"):
        read_numbers(str(path), [branch], 0, len(positions))


def vectors(kind: str, counts: Array, compress: bool) -> bytes:
    """Return a basket of vectors of consecutive numbers."""
    numbers = np.arange(counts.sum()).astype(np.dtype(kind).newbyteorder(">"))
    entries = np.split(numbers, np.cumsum(counts)[:-1])
    return stream([(len(own), own.tobytes()) for own in entries], compress)


def vectors_of_vectors(kind: str, counts: Array, inner: Array, compress: bool) -> bytes:
    """Return a basket of vectors with numbers of vectors, each of a number of numbers."""
    numbers = np.arange(inner.sum()).astype(np.dtype(kind).newbyteorder(">"))
    lists = [struct.pack(">I", len(own)) + own.tobytes()
             for own in np.split(numbers, np.cumsum(inner)[:-1])]  # fmt: skip
    edges = np.append(0, np.cumsum(counts))
    entries = [lists[a:b] for a, b in itertools.pairwise(edges)]
    return stream([(len(own), b"".join(own)) for own in entries], compress)


def stream(entries: list[tuple[int, bytes]], compress: bool) -> bytes:
    """Return a basket of entries with the header of a vector, of a number and its content."""
    parts = [struct.pack(">IHI", 0x40000000 | 6 + len(own), 9, number) + own
             for number, own in entries]  # fmt: skip
    places = np.cumsum([KEY, *(len(part) for part in parts[:-1])])
    table = np.array([len(parts) + 1, *places, 0], ">i4").tobytes()
    content = b"".join(parts) + table
    payload = content
    if compress:
        frame = pa.Codec("zstd").compress(content, asbytes=True)
        sizes = (len(frame).to_bytes(3, "little"), len(content).to_bytes(3, "little"))
        payload = b"ZS\1" + b"".join(sizes) + frame
        assert len(payload) < len(content)
    return basket(payload, len(content), len(content) - len(table), len(parts))


def vector_branch(
    path: Path, kind: str, baskets: list[bytes], entries: list[int], depth: int = 1
) -> NumberBranch:
    """Write baskets into a file, and describe them."""
    path.write_bytes(b"".join(baskets))
    sizes = np.array([len(one) for one in baskets])
    return NumberBranch(
        np.dtype(kind).newbyteorder(">"), depth, np.cumsum(sizes) - sizes, sizes,
        np.cumsum([0, *entries]), VECTOR,
    )  # fmt: skip


@pytest.mark.usefixtures("any_loops")
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_of_any_kind_and_any_range(kind: str, compress: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    counts = [random.poisson(20, entries) * (random.random(entries) < 0.8) for entries in (90, 40)]
    baskets = [vectors(kind, own, compress) for own in counts]
    branch = vector_branch(tmp_path / "baskets", kind, baskets, [90, 40])
    all_counts = np.concatenate(counts)
    offsets = np.append(0, np.cumsum(all_counts))
    numbers = np.concatenate([np.arange(own.sum()).astype(kind) for own in counts])
    if COMPILED is not None:
        assert (opened(tmp_path / "baskets", branch) is not None) == compress
    for start, stop in ((0, 130), (0, 1), (3, 89), (89, 91), (90, 130), (129, 130)):
        [found] = read_numbers(str(tmp_path / "baskets"), [branch], start, stop)
        first, last = offsets[start], offsets[stop]
        expected = (offsets[start : stop + 1] - first).tolist()
        require_same(found, expected, numbers[first:last])


@pytest.mark.usefixtures("any_loops")
@pytest.mark.parametrize(
    ("place", "value"),
    [
        (6, 2),  # number of values of the first vector
        (9, 9),
        (22 + 9, 4),  # of the second
        (-16, KEY + 4),  # position of the first
        (-12, KEY + 23),  # of the second: within a value
        (-12, KEY + 26),  # so that both have others than they say
        (-12, KEY + 8),  # within the header
        (-12, KEY + 200),
        (-8, 20),
    ],
)
def test_vectors_that_contradict_themselves_are_refused(
    place: int, value: int, tmp_path: Path
) -> None:
    one = bytearray(vectors("float32", np.array([3, 2, 1]), compress=False))
    if place < 0:  # in the table of positions, whose last number is of no use
        one[place : place + 4] = value.to_bytes(4, "big")
    else:
        one[KEY + place] ^= value
    branch = vector_branch(tmp_path / "basket", "float32", [bytes(one)], [3])
    with pytest.raises(ValueError, match="contradict"):
        read_numbers(str(tmp_path / "basket"), [branch], 0, 3)


@pytest.mark.usefixtures("any_loops")
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("kind", ["bool", "int16", "uint32", "float64"])
def test_vectors_of_vectors_of_any_kind_and_any_range(
    kind: str, compress: bool, tmp_path: Path
) -> None:
    random = np.random.default_rng(9)
    counts = [random.poisson(5, entries) * (random.random(entries) < 0.8) for entries in (90, 40)]
    inner = [random.poisson(3, own.sum()) for own in counts]
    baskets = [
        vectors_of_vectors(kind, own, lists, compress)
        for own, lists in zip(counts, inner, strict=True)
    ]
    branch = vector_branch(tmp_path / "baskets", kind, baskets, [90, 40], depth=2)
    if COMPILED is not None:
        assert (opened(tmp_path / "baskets", branch) is not None) == compress
    numbers = np.concatenate([np.arange(own.sum()).astype(kind) for own in inner])
    expected = ak.unflatten(
        ak.unflatten(numbers, np.concatenate(inner)), np.concatenate(counts), axis=0
    )
    for start, stop in ((0, 130), (0, 1), (3, 89), (89, 91), (90, 130), (129, 130)):
        [found] = read_numbers(str(tmp_path / "baskets"), [branch], start, stop)
        assert isinstance(found, Ragged)
        assert isinstance(found.values, Ragged)
        chosen = expected[start:stop]
        assert np.diff(found.offsets).tolist() == ak.num(chosen).tolist()
        lengths = ak.flatten(ak.num(chosen, axis=2)).tolist()
        assert (found.values.offsets[0], np.diff(found.values.offsets).tolist()) == (0, lengths)
        require_same(found.values.values, None, ak.to_numpy(ak.flatten(chosen, axis=None)))


def refuses(path: Path, branch: NumberBranch, entries: int) -> bool:
    try:
        read_numbers(str(path), [branch], 0, entries)
    except ValueError:
        return True
    return False


@built
def test_damaged_vectors_are_refused_with_and_without_compiled_loops_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, inner = np.array([3, 0, 2, 1]), np.array([1, 0, 4, 2, 2, 3])
    path, outcomes = tmp_path / "basket", []
    for nested in (False, True):
        made = (
            vectors_of_vectors("int16", counts, inner, compress=False)
            if nested
            else vectors("int16", counts, compress=False)
        )
        for place in range(KEY, len(made)):
            for bit in range(8):
                damaged = bytearray(made)
                damaged[place] ^= 1 << bit
                branch = vector_branch(path, "int16", [bytes(damaged)], [4], 1 + nested)
                with monkeypatch.context() as patch:
                    patch.setattr(loops, "compiled", lambda: COMPILED)
                    found = refuses(path, branch, 4)
                    patch.setattr(loops, "compiled", lambda: None)
                    assert refuses(path, branch, 4) == found
                outcomes.append(found)
    assert 0 < sum(outcomes) < len(outcomes)


def basket(payload: bytes, length: int, border: int, entries: int) -> bytes:
    """Return a basket whose payload stands for a content of some length."""
    head = struct.pack(">ihiIhh", KEY + len(payload), 1004, length, 0, KEY, 1)
    about = struct.pack(">Hiiii", 3, 32000, 4, entries, KEY + border)
    return head + bytes(KEY - len(head) - len(about) - 1) + about + b"\0" + payload


@pytest.mark.usefixtures("any_loops")
def test_memory_is_not_reserved_for_what_a_header_claims(tmp_path: Path) -> None:
    blocks, most = 120, 0xFFFFFF
    payload = blocks * (
        b"ZS\1" + (20).to_bytes(3, "little") + most.to_bytes(3, "little") + bytes(20)
    )
    claimed, number = blocks * most, 64
    one = basket(payload, claimed, claimed - claimed % 4, claimed // 4)
    path = tmp_path / "bomb"
    path.write_bytes(number * one)
    branch = NumberBranch(
        np.dtype(">f4"), 0, np.arange(number) * len(one), np.full(number, len(one)),
        np.arange(number + 1) * (claimed // 4),
    )  # fmt: skip
    with pytest.raises(ValueError, match="cannot be decompressed"):
        read_numbers(str(path), [branch], 0, 1)
    with pytest.raises(ValueError, match="cannot be decompressed"):
        read_numbers(str(path), [branch], 0, int(branch.entries[-1]))


@pytest.mark.usefixtures("any_loops")
def test_branches_of_a_collection_share_their_offsets(trees: dict[str, Path]) -> None:
    path = trees["zstd, all compressed"]
    chosen = [own for name, own in branches(path).items() if name.startswith("jagged_")]
    for start, stop in ((0, ENTRIES), (3, 1000)):
        values = read_numbers(str(path), chosen, start, stop)
        assert len({id(own.offsets) for own in values if isinstance(own, Ragged)}) == 1
