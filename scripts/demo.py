"""The demonstration behind ``make demo``: from nothing to figures with the commands themselves."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"

STEPS = (
    ("made 2 ntuples of 5,000 events", "skim sample demo/ntuples --events 10000 --files 2"),
    ("skimmed them to Parquet", "skim run configs/skim/demo.yaml --output demo/dataset"),
    ("looked at the dataset", "skim info demo/dataset"),
    ("filled histograms", "histo run configs/histo/demo.yaml demo/dataset -o demo/demo.root"),
    ("drew them", "histo plot configs/histo/demo.yaml demo/demo.root -o demo/figures"),
)

NEXT = """
Next:
  change a cut in configs/histo/demo.yaml, then repeat the last two commands
  histo list configs/histo/demo.yaml demo/dataset     what is filled, and from which columns
  skim run configs/skim/nanoaod.yaml --files dy='...' -o nano     the same for CMS NanoAOD
  make test                                           lint, types and all tests
The commands are in .venv/bin: 'source .venv/bin/activate' puts them on your path."""


def run(command: str) -> float:
    """Show a command, run it, and return how long it took, in seconds."""
    sys.stdout.write(f"\n$ {command}\n")
    sys.stdout.flush()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    start = time.monotonic()
    subprocess.run(  # noqa: S603  # the commands stand above
        shlex.split(command), cwd=ROOT, env={**os.environ, "PATH": path}, check=True
    )
    return time.monotonic() - start


def main() -> None:
    """Run the steps in an empty folder and sum up."""
    shutil.rmtree(DEMO, ignore_errors=True)
    seconds = [run(command) for _, command in STEPS]
    figures = sorted((DEMO / "figures").glob("*.png"))
    sys.stdout.write("\nWhat this did:\n")
    for (what, _), duration in zip(STEPS, seconds, strict=True):
        sys.stdout.write(f"  {duration:5.1f} s  {what}\n")
    sys.stdout.write(f"{len(figures)} figures are in {DEMO / 'figures'}\n{NEXT}\n")


if __name__ == "__main__":
    main()
