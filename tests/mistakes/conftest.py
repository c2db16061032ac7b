"""What the tests of mistakes share: a small dataset, and what the answer to a mistake must be."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from histo.cli import main as histo
from skim.cli import main as skim
from skim.sample import write_sample

SKIM = """\
schema: fastpuppi
samples: {ele: ntuples/*.root}
keep:
  event: [run, event]
  TkEleL2: [pt, eta, phi, hwQual, tkIso]
  TkEmL2: [pt, eta]
  HGCal3DCl: [pt, pfEmIdPass]
  L1PuppiMet: pt
"""

HISTO = "histograms: {H: {fill: {pt: {axis: [10, 0, 100]}}, for: {TkEleL2: all}}}\n"

MARK = re.compile("«(.*?)»")


@dataclass(frozen=True)
class Workshop:
    """A folder with ntuples, configurations and the dataset ``made`` of them."""

    folder: Path

    def ask(self, command: str) -> tuple[int, str, str]:
        """Run a command; return its exit code, stdout and stderr."""
        name, *arguments = command.split()
        result = CliRunner().invoke({"skim": skim, "histo": histo}[name], arguments)
        return result.exit_code, result.stdout, result.stderr

    def mistake(self, command: str) -> str:
        """Run a command that must be refused as every mistake is; return what it says."""
        before = self.everything()
        code, stdout, stderr = self.ask(command)
        assert code == 2, stderr
        assert stdout == ""
        assert self.everything() == before, "something was written"
        assert stderr.startswith("Error: ")
        assert all(line.strip() for line in stderr.splitlines()), "more than one paragraph"
        assert "Traceback" not in stderr
        assert "internal error" not in stderr
        return stderr

    def mistake_in(self, text: str, command: str) -> str:
        """Write ``config.yaml``, of which «this part» is wrong; the answer must mark that part."""
        (self.folder / "config.yaml").write_text(MARK.sub(r"\1", text))
        said = self.mistake(command)
        if wrong := MARK.search(text):
            line = text[: wrong.start()].count("\n") + 1
            assert re.match(rf"Error: config\.yaml:{line}:\d+: ", said), said
            assert marked(said) == wrong.group(1), said
        return said

    def everything(self) -> dict[str, tuple[int, int]]:
        """Return all files and folders with what changes when they are written to."""
        found = {}
        for folder, folders, files in os.walk(self.folder, followlinks=True):
            for name in (*folders, *files):
                stat = (Path(folder) / name).stat()
                found[f"{folder}/{name}"] = (stat.st_mtime_ns, stat.st_size)
        return found


def marked(said: str) -> str:
    """Return the words above the carets of an error message."""
    lines = said.splitlines()
    below = next(i for i, line in enumerate(lines) if re.fullmatch(r" +\^+", line))
    return lines[below - 1][lines[below].index("^") : len(lines[below])]


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small ntuples, a configuration for each command, and a dataset."""
    folder = tmp_path_factory.mktemp("workshop")
    write_sample(folder / "ntuples", "doubleele", events=20, files=2, seed=1)
    (folder / "skim.yaml").write_text(SKIM)
    (folder / "histo.yaml").write_text(HISTO)
    command = ["run", str(folder / "skim.yaml"), "-o", str(folder / "made")]
    assert CliRunner().invoke(skim, command).exit_code == 0
    return folder


@pytest.fixture
def workshop(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """The same in a folder of one's own, which is also the working folder."""
    for path in furnished.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return Workshop(tmp_path)
