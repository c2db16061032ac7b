"""Histogram files that ask for code, or for memory that is not theirs."""

from __future__ import annotations

import json
import os
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boost_histogram as bh
import hist
import numpy as np
import pytest


def pickled(protocol: int = 3) -> bytes:
    counts = bh.Histogram(bh.axis.Regular(10, 0, 1), storage=bh.storage.Int64())
    return pickle.dumps({"a": counts}, protocol)


def axis(bins: int) -> dict[str, Any]:
    flags = {"underflow": True, "overflow": True, "circular": False}
    return {"type": "regular", "lower": 0.0, "upper": 1.0, "bins": bins, **flags}


def uhi(storage: dict[str, Any], *bins: int) -> bytes:
    axes = [axis(number) for number in bins]
    histogram = {"uhi_schema": 1, "axes": axes, "storage": {"type": "int", **storage}}
    return json.dumps({"a": histogram}).encode()


class Call:
    """Pickled as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def says(bins: int) -> bytes:
    """A histogram of 10 bins that says that it has others."""
    stated = b"K\x00K\x0a"  # no circle, 10 bins
    assert pickled().count(stated) == 1
    return pickled().replace(stated, b"K\x00J" + struct.pack("<i", bins))


PICKLES = {
    "a command": (pickle.dumps(Call(os.system, "touch ran")), "refused: it asks for"),
    "an eval": (pickle.dumps(Call(eval, "open('ran', 'w')")), "refused: it asks for"),
    "more bins than contents": (says(1000), "'a' has 12 contents for 1002 of its axes"),
    "many more": (says(10**9), "'a' has 12 contents for 1000000002 of its axes"),
    "fewer bins": (says(5), "'a' has 12 contents for 7 of its axes"),
    "a negative number of bins": (says(-5), "of its axes"),
    "an axis in a call": (
        pickle.dumps({"a": Call(bh.Histogram, Call(bh.axis.Regular, 2 * 10**9, 0, 1))}),
        "refused: a call that no histogram needs",
    ),
    "an array in a call": (
        pickle.dumps({"a": Call(np.ndarray, (2**36,))}), "refused: a call that no histogram needs",
    ),
    "a type of objects": (
        pickle.dumps({"a": np.array([print], dtype=object)}), "refused",
    ),
    "a memory of 2^31 places": (b"\x80\x03}r\xf0\xff\xff\x7f\x8c\x01ah\x00s.", "cannot be read"),
    "bytes that are not there": (b"\x80\x05\x96" + b"\xff" * 6 + b"\0\0.", "ends too early"),
    "a histogram that is none": (
        b"\x80\x03}X\x01\x00\x00\x00acboost_histogram.histogram\nHistogram\n)\x81s.",
        "'a' is not a whole histogram",
    ),
}  # fmt: skip

JSONS = {
    "an axis of 10^12 bins": (uhi({"values": [0] * 12}, 10**12), "1000000000002 bins"),
    "two axes of 10^5": (uhi({"values": [0] * 12}, 10**5, 10**5), "10000400004 bins"),
    "few of many bins": (
        uhi({"index": [[1], [1]], "values": [5]}, 10**5, 10**5), "10000400004 bins",
    ),
    "a negative number of bins": (uhi({"values": [0] * 12}, -10), "cannot be read"),
    "deep lists": (b"[" * 1_000_000, "cannot be read as histograms"),
    "other numbers of values": (uhi({"values": [0] * 7}, 10), "cannot be read as histograms"),
}  # fmt: skip

FILES = {
    **{f"pkl: {name}": case for name, case in PICKLES.items()},
    **{f"json: {name}": case for name, case in JSONS.items()},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, run_limited: Any) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "good.pkl").write_bytes(pickled())
    commands = []
    for number, (name, (content, _)) in enumerate(FILES.items()):
        path = folder / f"{number}.{name.partition(':')[0]}"
        path.write_bytes(content)
        commands.append(["histo", "diff", path.name, "good.pkl"])
    outcomes = run_limited(folder, *commands)
    assert not (folder / "ran").exists()
    return dict(zip(FILES, outcomes, strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_refused(name: str, answers: dict[str, Any], refused: Any) -> None:
    assert FILES[name][1] in refused(answers[name], 1)


@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_files_without_end_are_not_read(
    suffix: str, tmp_path: Path, run_limited: Any, refused: Any
) -> None:
    with (tmp_path / f"a{suffix}").open("wb") as file:
        file.truncate(10**12)
    [outcome] = run_limited(tmp_path, ["histo", "diff", f"a{suffix}", f"a{suffix}"])
    assert "too large to be read" in refused(outcome, 1)


def test_changed_pickles_are_read_or_refused(tmp_path: Path, run_limited: Any) -> None:
    # in a process of its own: what boost-histogram believes could end it
    axes = [hist.axis.Regular(4, 1, 5, transform=hist.axis.transform.log, name="x")]
    whole = hist.Hist(*axes, hist.axis.StrCategory(["a", "b"]), storage=hist.storage.Weight())
    contents = [pickled(4), pickle.dumps({"a": whole, "b": whole}, 5)]
    draw, commands = random.Random(8), []  # noqa: S311  # no secret
    for number in range(300):
        content = bytearray(draw.choice(contents))
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (tmp_path / f"{number}.pkl").write_bytes(content)
        commands.append(["histo", "diff", f"{number}.pkl", f"{number}.pkl"])
    for number, outcome in enumerate(run_limited(tmp_path, *commands, timeout=300)):
        assert outcome.exit_code in (0, 1), number
        assert "internal error" not in outcome.stderr, (number, outcome.stderr)
