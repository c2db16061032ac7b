"""Skimming ntuples on an XRootD server, which runs on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.checks import require_same_columns
from benchmarks.inputs import EG_SKIM
from benchmarks.measure import Contender, python, side_by_side
from benchmarks.report import Section, usage_table
from benchmarks.sections import Settings

OURS = "skim run"
LOCAL = "skim run, local files"
LAZY = "uproot.dask, to_parquet"


def measure(settings: Settings) -> Section:
    """Measure the sample on a server, beside the same files without one."""
    title = "Ntuples on a server"
    if not shutil.which("xrootd"):
        return Section(title, ["Left out, since there is no `xrootd` on this machine."])
    inputs = settings.inputs
    ntuples = inputs.ntuples()
    if os.getuid() == 0 and not all(
        path.stat().st_mode & 1 for path in (ntuples, *ntuples.parents)
    ):
        return Section(title, ["Left out, since a server that is not root cannot see the sample."])
    branches = inputs.branches(inputs.eg_dataset())
    lazy = inputs.work / "lazy"
    with _served(ntuples) as url:
        there = [f"{url}/{path.name}" for path in sorted(ntuples.iterdir())]
        files = [option for name in there for option in ("--files", f"doubleele={name}")]
        output = inputs.dataset("from_server")
        found = side_by_side(
            {
                OURS: Contender(
                    ["skim", "run", str(EG_SKIM), *files, "-o", str(output)], (output,)
                ),
                LOCAL: inputs.skim("from_here", EG_SKIM, ntuples),
                LAZY: Contender(
                    python("peers.uproot_dask", ",".join(there), branches, lazy), (lazy,)
                ),
            },
            settings.rounds,
        )
    compared = require_same_columns(output, lazy)
    return Section(
        title,
        [
            f"The fields of `{EG_SKIM.name}` of {inputs.events:,} events in {len(there)} files, "
            "from an XRootD server on this machine: what it takes itself is not in the processor "
            f"time. {compared:,} values were compared: all are the same.",
        ],
        [usage_table(found, OURS)],
    )


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve a folder; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        Path(home, "xrootd.cfg").write_text(
            f"all.export /{folder.name}\noss.localroot {folder.parent}\nxrd.port {port}\n"
            f"all.adminpath {home}\nall.pidpath {home}\n"
        )
        command = ["xrootd", "-c", f"{home}/xrootd.cfg", "-l", f"{home}/log"]
        if os.getuid() == 0:  # as which it does not serve
            shutil.chown(home, "nobody")
            command += ["-R", "nobody"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as own:
            try:
                _await(port, own)
                yield f"root://127.0.0.1:{port}//{folder.name}"
            finally:
                own.terminate()


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("xrootd did not start")
