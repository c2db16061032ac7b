"""Stage one against other ways to Parquet, and against its codecs alone."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import NamedTuple

from benchmarks.checks import require_same_columns
from benchmarks.inputs import EG_SKIM
from benchmarks.measure import Contender, Usage, median, python, run, run_json, side_by_side
from benchmarks.report import Promise, Section, Table, at_least, at_most, seconds, usage_table
from benchmarks.sections import Settings

OURS = "skim run"
LAZY = "uproot.dask, to_parquet"
HEPCONVERT = "hepconvert"
PEERS = (LAZY, HEPCONVERT)
CODECS = ("lzma", "zlib", "zstd", "lz4")


def measure(settings: Settings) -> Section:
    """Measure the sample as it is, then what the skim reads of it in each compression."""
    inputs = settings.inputs
    dataset = inputs.eg_dataset()
    branches = inputs.branches(dataset)
    sample = _peers("the sample", inputs.ntuples(), branches, settings)
    compared = [sample]
    copies = settings.copies[0]
    floors = [
        _floor("the sample, zstd", inputs.ntuples(), inputs.ntuples(copies), branches, settings)
    ]
    bounds = []
    for codec in CODECS:
        ntuples = inputs.recompressed(codec)
        many = inputs.recompressed(codec, copies)
        floors.append(_floor(codec, ntuples, many, branches, settings))
        if codec in ("lzma", "zstd"):
            compared.append(_peers(codec.upper(), ntuples, branches, settings))
            bounds.append(_bound(codec.upper(), floors[-1], compared[-1].found))
    header = [
        "input", "events", "skim run, processor s", "of which start-up", "decompress", "compress",
        "times both", "times both, without start-up",
    ]  # fmt: skip
    promises = [promise for part in compared for promise in part.promises]
    promises += [promise for floor in floors for promise in floor.promises]
    return Section(
        "Skimming",
        [
            f"The fields of `{EG_SKIM.name}` of {inputs.events:,} events to Parquet, zstd level 3, "
            f"two threads. {sample.values:,} values were compared: all are the same. The sample "
            "has 239 branches, compressed by zstd; the others have those alone that the skim "
            "reads.",
            "Decompressing takes the baskets that are read, compressing the encoded pages that "
            "are written, one by one, in memory and nothing else, by the libraries that the skim "
            "takes: of LZMA and zlib faster ones than those of the other tools. Two processes do "
            "that at once, as the skim has two workers: each of two busy cores is slower than one "
            "alone.",
        ],
        [*(part.table for part in compared), Table(header, [floor.row for floor in floors])],
        promises,
        [
            "Besides the codecs, a skim has to start, to find out where the baskets are, to hash "
            "the values and the files, and to encode: to find the distinct values of each "
            "column that has a dictionary. *Where the time goes* has each of them.",
            *bounds,
        ],
    )


class _Compared(NamedTuple):
    """Number of values that were compared, what each tool took, and what is said of that."""

    values: int
    found: dict[str, Usage]
    table: Table
    promises: list[Promise]


class _Floor(NamedTuple):
    """What the codecs take of a skim.

    Attributes
    ----------
    row
        Of the table.
    promises
        What is said of it.
    start
        Elapsed seconds of a skim of one event.
    codecs
        Processor seconds of the codecs for the ntuples as they are, without copies.
    """

    row: list[str]
    promises: list[Promise]
    start: float
    codecs: float


def _bound(label: str, floor: _Floor, found: dict[str, Usage]) -> str:
    """Say how far ahead what starts as we do, and then has only the codecs to run, would be."""
    least = floor.start + floor.codecs / 2
    ahead = [f"{found[peer].seconds / least:.1f} times as fast as {peer}" for peer in PEERS]
    return (
        f"Our start-up, and then the codecs alone on two cores, would take {seconds(least)} s of "
        f"{label}: {' and '.join(ahead)}."
    )


def _peers(label: str, ntuples: Path, branches: Path, settings: Settings) -> _Compared:
    inputs = settings.inputs
    files, lazy, converted = f"{ntuples}/*.root", inputs.work / "lazy", inputs.work / "converted"
    peers = {LAZY: ("peers.uproot_dask", lazy), HEPCONVERT: ("peers.hepconvert_parquet", converted)}
    found = side_by_side(
        {
            OURS: inputs.skim("skimmed", EG_SKIM, ntuples),
            **{
                name: Contender(python(module, files, branches, output), (output,))
                for name, (module, output) in peers.items()
            },
        },
        2 * settings.rounds + 1,
    )
    compared = sum(
        require_same_columns(inputs.dataset("skimmed"), output) for _, output in peers.values()
    )
    ours = found[OURS].seconds
    return _Compared(
        compared,
        found,
        usage_table(found, OURS, name=f"{label}"),
        [
            at_least(f"4. skim of {label}, against {LAZY}", found[LAZY].seconds / ours, 2),
            at_least(f"4. skim of {label}, against {HEPCONVERT}",
                     found[HEPCONVERT].seconds / ours, 3),
        ],
    )  # fmt: skip


def _floor(label: str, ntuples: Path, many: Path, branches: Path, settings: Settings) -> _Floor:
    """Compare the processor time for many copies of ntuples with that of the codecs for one."""
    inputs, copies = settings.inputs, settings.copies[0]
    skimmed = inputs.skim("floor", EG_SKIM, many)
    one = inputs.skim("one", EG_SKIM, ntuples, "--events", "1")
    alone = python("peers.codecs", f"{ntuples}/*.root", branches, inputs.dataset("alone"))
    run(inputs.skim("alone", EG_SKIM, ntuples))
    wholes, starts, floors = [], [], []
    for _ in range(settings.rounds):  # in turns, as in `side_by_side`
        wholes.append(run(skimmed)[0])
        starts.append(run(one)[0])
        floors.append(run_json(alone))
    whole, start = median(wholes), median(starts)
    codecs = {
        name: statistics.median(floor[name] for floor in floors)
        for name in ("decompress", "compress")
    }
    once = codecs["decompress"] + codecs["compress"]
    floor = copies * once
    rest = (whole.processor - start.processor) / floor
    row = [
        label, f"{copies * inputs.events:,}", seconds(whole.processor), seconds(start.processor),
        seconds(copies * codecs["decompress"]), seconds(copies * codecs["compress"]),
        f"{whole.processor / floor:.1f}", f"{rest:.1f}",
    ]  # fmt: skip
    what = f"4. processor time of a skim, times its codecs: {label}"
    promised = ntuples == inputs.ntuples() or label == "lzma"
    promises = [at_most(what, whole.processor / floor, 1.5)] if promised else []
    return _Floor(row, promises, start.seconds, once)
