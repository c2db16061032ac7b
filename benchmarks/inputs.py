"""What the benchmark reads: ntuples, made once and kept, and datasets, made anew in every run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import ROOT, Contender, Usage, python, run

FILES = 4
"""Files of the sample."""

SAMPLE = "doubleele"
EG_SKIM = ROOT / "configs" / "skim" / "fastpuppi_eg.yaml"
RATES = ROOT / "configs" / "histo" / "eg_rate_menu.yaml"
CONFIGS = ROOT / "benchmarks" / "configs"
CLUSTERS_SKIM = CONFIGS / "clusters.yaml"
HISTOGRAMS = CONFIGS / "histograms.yaml"


@dataclass(frozen=True)
class Inputs:
    """Makes inputs when they are first asked for.

    Attributes
    ----------
    cache
        Folder for ntuples, which are kept from run to run.
    work
        Folder for datasets and results of this run.
    events
        Number of events of the sample.
    """

    cache: Path
    work: Path
    events: int

    def ntuples(self, copies: int = 1) -> Path:
        """Return the folder of the sample's files, or of hard links to them by other names."""
        from skim.sample import GENERATION

        name = f"ntuples-{GENERATION}-{self.events}"
        folder = self.cache / name
        if not folder.exists():
            made = _partial(folder)
            number = ["--events", str(self.events), "--files", str(FILES)]
            run(Contender(["skim", "sample", str(made), *number]))
            made.rename(folder)
        return _copied(folder, copies)

    def recompressed(self, codec: str, copies: int = 1) -> Path:
        """Return the folder of what the e/g skim reads of the sample, compressed otherwise."""
        source = self.ntuples()
        folder = self.cache / f"{source.name}-{codec}"
        if not folder.exists():
            made = _partial(folder)
            made.mkdir()
            with ThreadPoolExecutor(2) as pool:
                work = [
                    Contender(python("recompress", path, made / path.name, codec))
                    for path in sorted(source.iterdir())
                ]
                list(pool.map(run, work))
            made.rename(folder)
        return _copied(folder, copies)

    def skim(
        self, name: str, config: Path, ntuples: Path, *options: str, files: str = "*.root"
    ) -> Contender:
        """Return the command that makes a dataset from nothing; its output is `dataset` of name."""
        output = self.dataset(name)
        files = f"{SAMPLE}={ntuples}/{files}"
        command = ["skim", "run", str(config), "--files", files, "-o", str(output), *options]
        return Contender(command, (output,))

    def dataset(self, name: str) -> Path:
        """Return the place of a dataset of this run, made or not."""
        return self.work / name

    def eg_dataset(self) -> Path:
        """Return the e/g skim of the sample."""
        return self._made("eg", EG_SKIM, 1)

    def clusters_dataset(self, copies: int = 1) -> Path:
        """Return the dataset that the 200-histogram job reads."""
        return self._made(f"clusters-x{copies}", CLUSTERS_SKIM, copies)

    def _made(self, name: str, config: Path, copies: int) -> Path:
        if not (self.dataset(name) / "manifest.json").exists():
            run(self.skim(name, config, self.ntuples(copies)))
        return self.dataset(name)

    def branches(self, dataset: Path) -> Path:
        """Return a file with the names of the branches that a dataset was made of, one a line."""
        from schemas.dataset import open_dataset

        schema = open_dataset(str(dataset)).schema
        names = [name for name, _ in schema.event_columns()]
        names += [f"{name}_{field}" for name, kept in schema.lists() for field in kept.fields]
        path = self.work / f"branches-{dataset.name}.txt"
        path.write_text("\n".join(names), encoding="utf-8")
        return path


def histo(config: Path, dataset: Path, output: Path, *options: str) -> Contender:
    """Return the command that fills the histograms of a configuration."""
    command = ["histo", "run", str(config), str(dataset), "-o", str(output), *options]
    return Contender(command, (output,))


def fill_once(contender: Contender) -> Usage:
    """Run a command once, after a first time that is not measured."""
    run(contender)
    return run(contender)[0]


def free_space(folder: Path) -> int:
    """Return the free space of a file system, in bytes."""
    return shutil.disk_usage(folder).free


def remove(folders: Sequence[Path]) -> None:
    """Remove what takes much space as soon as nobody needs it."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(folder: Path, copies: int) -> Path:
    """Return the folder of hard links to files by other names, as often as there are copies."""
    copied = folder.with_name(f"{folder.name}-x{copies}")
    if copies == 1:
        return folder
    if not copied.exists():
        made = _partial(copied)
        made.mkdir()
        for copy in range(copies):
            for path in folder.iterdir():
                os.link(path, made / f"{path.stem}_copy{copy:03d}.root")
        made.rename(copied)
    return copied


def _partial(folder: Path) -> Path:
    """Return the name that a folder has until it is complete; what was left there is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    return made
