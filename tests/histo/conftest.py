"""What the tests of stage two share: datasets as `skim` makes them, and the command itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from click.testing import Result

Command = Callable[..., "Result"]

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="session", autouse=True)
def each_partition_alone() -> Iterator[None]:
    """Fill from every partition by itself, small as they are here: what is merged is tested so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histo.partitions.EVENTS_PER_BLOCK", 0)
        yield


@pytest.fixture(scope="session")
def configs() -> Path:
    """The folder of the ready-made configurations."""
    return CONFIGS


@pytest.fixture(scope="session")
def histo() -> Command:
    """The command ``histo``: call it with its arguments."""
    from click.testing import CliRunner

    from histo.cli import main

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return call


@pytest.fixture(scope="session")
def demo(ntuples: list[Path], skim: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of the demonstration, from small ntuples."""
    folder = tmp_path_factory.mktemp("demo") / "dataset"
    files = f"doubleele={ntuples[0].parent}/*.root"
    made = skim("run", CONFIGS / "skim" / "demo.yaml", "-o", folder, "--files", files)
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture(scope="session")
def nano_file(shared: Path) -> Path:
    """A real NanoAOD file of CMS."""
    return shared / "nanoAOD_2015_CMS_Open_Data_ttbar.root"


@pytest.fixture(scope="session")
def nano(nano_file: Path, skim: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of the ready-made configuration for NanoAOD."""
    folder = tmp_path_factory.mktemp("nano") / "dataset"
    made = skim("run", CONFIGS / "skim/nanoaod.yaml", "-o", folder, "--files", f"tt={nano_file}")
    assert made.exit_code == 0, made.output
    return folder
