"""Flipped bytes in ROOT files: noticed where the format allows it, as docs/reliability.md says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from schemas.errors import InputError
from schemas.ntuple import NtupleFormat
from schemas.probe import probe
from schemas.trees import Input, read_entries

FORM = NtupleFormat(name="own", tree="Events")
ENTRIES = 3000

COMPRESSIONS = {
    "zlib": uproot.ZLIB(1),
    "lzma": uproot.LZMA(1),
    "lz4": uproot.LZ4(4),
    "zstd": uproot.ZSTD(5),
    "none": None,
}


def values() -> Any:
    """Return numbers that any method makes smaller."""
    return (np.random.default_rng(4).poisson(30, ENTRIES) / 4).astype(np.float32)


def read(path: Path) -> Any:
    ntuple = probe(str(path), FORM)
    layout = ntuple.layout
    source = Input(str(path), layout.branches, layout.schema, baskets=ntuple.baskets)
    return read_entries(source, 0, ntuple.entries).columns["pt"]


def tree(path: Path, compression: str) -> range:
    """Write a tree of one branch; return where the payload of its only basket is."""
    with uproot.recreate(path, compression=COMPRESSIONS[compression]) as file:
        file.mktree("Events", {"pt": "float32"})
        file["Events"].extend({"pt": values()})
    baskets = probe(str(path), FORM).baskets
    [seek], [size] = baskets.seeks.tolist(), baskets.sizes.tolist()
    key = int.from_bytes(path.read_bytes()[seek + 14 : seek + 16], "big")
    return range(seek + key, seek + size)


IMPORT = """
import sys, ROOT
ROOT.gInterpreter.Declare('''
#include <ROOT/RNTupleImporter.hxx>
void import(const char *tree, const char *output, int compression) {
  auto importer = ROOT::Experimental::RNTupleImporter::Create(tree, "Events", output);
  importer->SetIsQuiet(true);
  auto options = importer->GetWriteOptions();
  options.SetCompression(compression);
  importer->SetWriteOptions(options);
  importer->Import();
}
''')
for name, compression in {"zlib": 101, "lz4": 404, "zstd": 505, "none": 0}.items():
    getattr(ROOT, "import")("tree.root", f"{name}.root", compression)
"""


@pytest.fixture(scope="module")
def rntuples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an RNTuple by ROOT for each compression: those of uproot have no checksums."""
    pytest.importorskip("ROOT")
    folder = tmp_path_factory.mktemp("rntuples")
    tree(folder / "tree.root", "zlib")
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def page(path: Path) -> range:
    """Return where the only page of an RNTuple is."""
    with uproot.open(path) as file:
        [[column]] = file["Events"].page_link_list
        [page] = column.pages
        assert page.has_checksum
        return range(page.locator.offset, page.locator.offset + page.locator.num_bytes)


def silent(path: Path, places: range) -> int:
    """Flip some bytes, one at a time; return how often other values were read without an error."""
    content, good = path.read_bytes(), read(path)
    assert ak.array_equal(good, values())
    random, count = np.random.default_rng(5), 0
    for place in random.choice(np.array(places), 30, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            count += not np.array_equal(read(path), good)
        except InputError:
            continue
    return count


@pytest.mark.parametrize("compression", ["zlib", "lzma", "lz4"])
def test_a_flipped_byte_of_a_compressed_basket_is_an_error(
    compression: str, tmp_path: Path
) -> None:
    places = tree(tmp_path / "a.root", compression)
    assert len(places) < values().nbytes  # ROOT and uproot store plainly what does not shrink
    assert silent(tmp_path / "a.root", places) == 0


def test_lzma_is_read_as_well_without_the_faster_library(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['lzma_mt'] = None\n"
        "from pathlib import Path\n"
        "from tests.schemas.test_root_damage import silent, tree\n"
        "path = Path(sys.argv[1])\n"
        "print(silent(path, tree(path, 'lzma')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.root"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_what_has_no_checksum_may_be_other_values(compression: str, tmp_path: Path) -> None:
    # should this ever fail, the documentation can promise more
    assert silent(tmp_path / "a.root", tree(tmp_path / "a.root", compression)) > 0


@pytest.mark.parametrize("compression", ["zlib", "lz4", "zstd", "none"])
def test_a_flipped_byte_of_a_page_of_an_rntuple_is_an_error(
    compression: str, rntuples: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(rntuples / f"{compression}.root", tmp_path / "a.root"))
    assert silent(path, page(path)) == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_an_error(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    tree(path, "zlib")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"a\.root"):
        read(path)
