"""Fixtures for all tests: real Dask clusters as processes of their own, ntuples and datasets."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas import loops

if TYPE_CHECKING:
    from click.testing import Result

SHARED = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Cluster:
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


StartCluster = Callable[..., AbstractContextManager[Cluster]]


@pytest.fixture(scope="module", params=["compiled", "not compiled"])
def any_loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the tests of a module twice: with the compiled loops, and with what stands for them."""
    if request.param == "compiled":
        if loops.compiled() is None:
            pytest.skip("the loops are not compiled here")
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "compiled", lambda: None)
        yield


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> StartCluster:
    """How to start a cluster that a test may destroy: ``with start_cluster(workers=2) as ...``."""

    @contextlib.contextmanager
    def start(workers: int = 2, **settings: str) -> Iterator[Cluster]:
        folder = tmp_path_factory.mktemp("cluster")
        contact = folder / "scheduler.json"
        common = [
            *("--scheduler-file", str(contact), "--host", "127.0.0.1"),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
        ]
        with contextlib.ExitStack() as stack:

            def launch(role: str, *arguments: str) -> subprocess.Popen[bytes]:
                log = stack.enter_context((folder / f"{len(os.listdir(folder))}.log").open("wb"))
                process = subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.dask_{role}", *common, *arguments],
                    env=os.environ | settings,
                    cwd=folder,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
                stack.callback(_end, process)
                return process

            scheduler = launch("scheduler", "--port", "0")
            address = _address(contact, scheduler)
            alone = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0")
            processes = [
                launch("worker", *alone, "--local-directory", str(folder)) for _ in range(workers)
            ]
            _await_workers(address, workers)
            yield Cluster(address, scheduler, processes)

    return start


@pytest.fixture(scope="session")
def dask_cluster(start_cluster: StartCluster) -> Iterator[str]:
    """The address of a cluster of two workers, shared by all tests that leave it alive."""
    with start_cluster(workers=2) as cluster:
        yield cluster.address


def _address(contact: Path, scheduler: subprocess.Popen[bytes]) -> str:
    """Wait for the scheduler to choose a free port and write down which."""
    for _ in range(600):
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return str(json.loads(contact.read_text())["address"])
        assert scheduler.poll() is None, "the scheduler did not start"
        time.sleep(0.05)
    raise TimeoutError("the scheduler said no address within 30 s")


def _await_workers(address: str, count: int) -> None:
    from distributed import Client

    if count:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=30)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the files that real ROOT wrote."""
    if not SHARED.is_dir():
        pytest.skip("the test ntuples of ../shared/data are not here")
    return SHARED


@pytest.fixture(scope="session")
def ntuples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two small synthetic ntuples of 150 events; not to be changed."""
    from skim.sample import write_sample

    folder = tmp_path_factory.mktemp("ntuples")
    return write_sample(folder, "doubleele", events=300, files=2, seed=5)


@pytest.fixture(scope="session")
def dataset(ntuples: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything in the synthetic ntuples as a dataset of six partitions; not to be changed."""
    folder = tmp_path_factory.mktemp("everything")
    config = folder / "everything.yaml"
    config.write_text("""
schema: fastpuppi
keep: {"*": all}
storage: {partition_events: 60}
""")
    result = call_skim("run", config, "-o", folder / "dataset", "--files", _files(ntuples))
    assert result.exit_code == 0, result.output
    return folder / "dataset"


def _files(ntuples: list[Path]) -> str:
    return f"doubleele={ntuples[0].parent}/*.root"


SkimCommand = Callable[..., "Result"]


def call_skim(*arguments: object) -> Result:
    """Call the command ``skim`` in this process."""
    from click.testing import CliRunner

    from skim.cli import main

    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def skim() -> SkimCommand:
    """The command ``skim``: call it with its arguments."""
    return call_skim
