"""What each command imports: nothing that it does not need, for that is what most of its time is.

Checked on the packages that are imported, in a process of its own, and not on time.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "histo" / "eg_rate_menu.yaml"
SKIM_CONFIG = ROOT / "configs" / "skim" / "fastpuppi_eg.yaml"

EVERY = {
    "awkward", "boost_histogram", "dask", "dask_awkward", "distributed", "fsspec",
    "hist", "jinja2", "matplotlib", "mplhep", "msgspec", "numpy", "pandas", "polars", "psutil",
    "pyarrow", "pydantic", "rich", "scipy", "uhi", "uproot", "xxhash", "yaml",
}  # fmt: skip

CONFIGURED = {"msgspec", "numpy", "yaml"}
FILLING = {*CONFIGURED, "pyarrow", "xxhash"}
# Arrow's clients of cloud storages, and libraries of 2 to 5 ms each
NOT_FOR_PARQUET = {"pyarrow.fs", "pyarrow.parquet", "hashlib", "importlib.metadata", "ssl"}
# of ntuples that are not plain, and of those on servers
READING_ROOT = {"awkward", "fsspec", "uproot"}

IMPORTED = """
import sys
from importlib import import_module
main = import_module(sys.argv[1]).main
code = main(sys.argv[2:], standalone_mode=False)
print("\\nimported:", *sorted(name for name in sys.modules if "__" not in name))
sys.exit(code)
"""


def modules_of(command: str, *arguments: object) -> set[str]:
    """Run a command and return the names of the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTED, command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("imported:")[2].split())


def packages(modules: set[str]) -> set[str]:
    return EVERY & {name.partition(".")[0] for name in modules}


HELPS = [
    *(("skim.cli", *name, "--help") for name in ((), ("run",), ("info",), ("inspect",))),
    *(("histo.cli", *name, "--help") for name in ((), ("run",), ("list",), ("diff",))),
    ("histo.cli", "plot", "--help"),
    ("skim.cli", "--version"),
]


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_imports_nothing(arguments: tuple[str, ...]) -> None:
    assert packages(modules_of(*arguments)) == set()


@pytest.mark.parametrize("suffix", [".root", ".json"])
def test_filling_from_partitions(suffix: str, dataset: Path, tmp_path: Path) -> None:
    modules = modules_of("histo.cli", "run", CONFIG, dataset, "-o", tmp_path / f"out{suffix}")
    assert packages(modules) == FILLING | ({"boost_histogram"} if suffix == ".json" else set())
    # what reads Parquet can do without these parts of pyarrow; what reads ntuples is not needed
    assert not {"pyarrow.dataset", "pyarrow.pandas_compat", "pyarrow.compute"} & modules
    assert not NOT_FOR_PARQUET & modules
    assert not {"schemas.trees", "schemas.ntuple", "runtime.inputs"} & modules


def test_filling_and_telling_where_the_time_went(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.root"
    modules = modules_of("histo.cli", "run", CONFIG, dataset, "-o", output, "--profile")
    assert packages(modules) == {*FILLING, "rich"}


def test_filling_in_processes_goes_without_dask(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.root"
    modules = modules_of(
        "histo.cli", "run", CONFIG, dataset, "-o", output, "--scheduler", "processes"
    )
    assert packages(modules) <= FILLING


def test_filling_into_a_pickle_needs_hist(dataset: Path, tmp_path: Path) -> None:
    modules = modules_of("histo.cli", "run", CONFIG, dataset, "-o", tmp_path / "out.pkl")
    assert packages(modules) >= {*FILLING, "hist"}
    assert not packages(modules) & {"awkward", "dask", "matplotlib", "pandas", "scipy", "uproot"}


def test_filling_straight_from_ntuples(ntuples: list[Path], tmp_path: Path) -> None:
    files = f"doubleele={ntuples[0].parent}/*.root"
    modules = modules_of(
        "histo.cli", "run", CONFIG, "--ntuples", SKIM_CONFIG, "--files", files,
        "-o", tmp_path / "out.json",
    )  # fmt: skip
    assert packages(modules) >= CONFIGURED
    assert not packages(modules) & READING_ROOT
    assert not packages(modules) & {"dask", "distributed", "hist", "matplotlib", "pandas", "rich"}


def test_listing(dataset: Path) -> None:
    listing = {*CONFIGURED, "rich"}
    assert packages(modules_of("histo.cli", "list", CONFIG)) == listing
    assert packages(modules_of("histo.cli", "list", CONFIG, dataset)) == {*listing, "xxhash"}


def test_comparing(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    modules_of("histo.cli", "run", CONFIG, dataset, "-o", output)
    modules = modules_of("histo.cli", "diff", output, output)
    assert not packages(modules) & {"awkward", "dask", "matplotlib", "pyarrow", "rich", "uproot"}


def test_showing_a_dataset(dataset: Path) -> None:
    modules = modules_of("skim.cli", "info", dataset)
    assert packages(modules) == {"msgspec", "numpy", "rich", "xxhash", "yaml"}


def test_skimming(ntuples: list[Path], tmp_path: Path) -> None:
    files = f"doubleele={ntuples[0].parent}/*.root"
    modules = modules_of("skim.cli", "run", SKIM_CONFIG, "-o", tmp_path / "made", "--files", files)
    assert packages(modules) == {"msgspec", "numpy", "pyarrow", "xxhash", "yaml"}
    assert not {"pyarrow.compute", *NOT_FOR_PARQUET} & modules
