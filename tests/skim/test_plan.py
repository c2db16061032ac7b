"""Which files, which entries: ranges cover every entry once, samples are what is asked for."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from runtime.inputs import cut_entries
from runtime.scheduler import Scheduler
from runtime.target import open_target
from schemas import open_dataset
from schemas.skim_config import load_skim_config
from skim.job import prepare

EG = Path(__file__).parents[2] / "configs" / "skim" / "fastpuppi_eg.yaml"
SIZES = (29, 149, 150, 1000)


@st.composite
def files(draw: st.DrawFn) -> tuple[int, list[int]]:
    """Draw a number of entries, and the clusters of a file that has as many."""
    lengths = draw(st.lists(st.integers(1, 400), max_size=30))
    clusters = list(itertools.accumulate(lengths, initial=0))
    return clusters[-1], clusters


@given(files(), st.integers(1, 1000))
def test_ranges_cover_every_entry_once_and_none_is_too_large(
    file: tuple[int, list[int]], size: int
) -> None:
    entries, clusters = file
    edges = cut_entries(entries, clusters, size)
    assert (edges[0], edges[-1]) == (0, entries)
    assert all(0 < stop - start <= size for start, stop in itertools.pairwise(edges))


@given(files(), st.integers(1, 1000))
def test_a_range_ends_between_clusters_if_one_ends_within_reach(
    file: tuple[int, list[int]], size: int
) -> None:
    entries, clusters = file
    for start, stop in itertools.pairwise(cut_entries(entries, clusters, size)):
        reachable = any(start < edge <= start + size for edge in clusters)
        assert stop in clusters or not reachable


@given(st.integers(1, 5000), st.integers(1, 1000))
def test_a_file_of_one_cluster_is_cut_into_about_equal_ranges(entries: int, size: int) -> None:
    edges = cut_entries(entries, [0, entries], size)
    lengths = [stop - start for start, stop in itertools.pairwise(edges)]
    assert len(lengths) == -(-entries // size)
    assert max(lengths) - min(lengths) <= 1


@given(files(), st.integers(1, 1000), st.data())
def test_the_first_entries_of_a_file_are_cut_as_well(
    file: tuple[int, list[int]], size: int, data: st.DataObject
) -> None:
    entries = data.draw(st.integers(0, file[0]))
    edges = cut_entries(entries, file[1], size)
    assert (edges[0], edges[-1]) == (0, entries)
    assert all(0 < stop - start <= size for start, stop in itertools.pairwise(edges))


def test_partitions_of_a_real_file_end_between_clusters(
    shared: Path, make_dataset: Callable
) -> None:
    file = shared / "fastpuppi_doubleele_0.root"
    dataset = make_dataset([file], keep={"event": "run"}, storage={"partition_events": 1100})
    clusters = set(uproot.open(file)["Events"].common_entry_offsets())
    ranges = [(p.entry_start, p.entry_stop) for _, p in dataset.partitions()]
    assert len(ranges) > 1
    assert clusters.issuperset(itertools.chain(*ranges))


@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_partitions_changes_no_value(
    size: int, ntuples: list[Path], dataset: Path, make_dataset: Callable
) -> None:
    keep = {"TkEleL2": "all", "L1PFJets": "pt", "event": "all"}
    cut = make_dataset(ntuples, keep=keep, storage={"partition_events": size})
    assert all(part.events_read <= size for _, part in cut.partitions())
    whole = open_dataset(dataset).arrays(["TkEleL2", "L1PFJets.pt", "event"])
    assert ak.array_equal(cut.arrays()[whole.fields], whole)


def test_the_order_in_which_files_are_given_does_not_matter(
    ntuples: list[Path], make_dataset: Callable
) -> None:
    keep = {"event": "all", "GenEl": "pt"}
    one, two = (make_dataset(order, keep=keep) for order in (ntuples, ntuples[::-1]))
    assert one.manifest == two.manifest


def test_a_file_named_twice_is_read_once(ntuples: list[Path], make_dataset: Callable) -> None:
    dataset = make_dataset(
        [ntuples[0], *ntuples, ntuples[0].parent / "*.root"], keep={"event": "run"}
    )
    assert dataset.samples["sample"].events_read == 300


def test_events_takes_the_first_of_each_sample(
    ntuples: list[Path], write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    config = write_config(
        keep={"event": "event"}, samples={"both": [*map(str, ntuples)], "one": str(ntuples[1])}
    )
    result = skim("run", config, "-o", tmp_path / "out", "--events", 160)
    assert result.exit_code == 0, result.output
    dataset = open_dataset(tmp_path / "out")
    kept = {name: dataset.arrays(sample=name)["event"].tolist() for name in dataset.samples}
    first, second = (uproot.open(path)["Events"]["event"].array().tolist() for path in ntuples)
    assert kept == {"both": first + second[:10], "one": second}


def test_sample_takes_only_the_named_ones(
    ntuples: list[Path], write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    config = write_config(
        keep={"event": "event"}, samples={name: str(ntuples[0]) for name in ("a", "b", "c")}
    )
    result = skim("run", config, "-o", tmp_path / "out", "--sample", "c", "--sample", "a")
    assert result.exit_code == 0, result.output
    assert list(open_dataset(tmp_path / "out").samples) == ["a", "c"]


def test_files_gives_a_sample_or_replaces_its_files(
    ntuples: list[Path], write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    config = write_config(keep={"event": "event"}, samples={"a": "nowhere/*.root"})
    given = [f"a={ntuples[0]}", f"b={ntuples[0]}", f"b={ntuples[1]}"]
    options = [text for name in given for text in ("--files", name)]
    result = skim("run", config, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    records = open_dataset(tmp_path / "out").samples
    assert {name: len(record.sources) for name, record in records.items()} == {"a": 1, "b": 2}


def test_relative_paths_start_from_the_configuration(
    ntuples: list[Path], write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(ntuples[0].parent)
    config = write_config(keep={"event": "event"}, samples={"a": "data/*.root"})
    result = skim("run", config, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert len(open_dataset(tmp_path / "out").samples["a"].sources) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sample", "doubleel"], "unknown sample 'doubleel'; did you mean 'doubleele'?"),
        (["--files", "doubleele"], "--files takes NAME=GLOB"),
        (["--files", "../up=a.root"], "'../up' is not a name"),
        (["--files", "a=nowhere/*.root"], "no file matches 'nowhere/*.root'"),
    ],
)
def test_samples_that_cannot_be_found_are_refused(
    options: list[str], said: str, ntuples: list[Path], write_config: Callable, skim: Callable,
    tmp_path: Path,
) -> None:  # fmt: skip
    config = write_config(samples={"doubleele": str(ntuples[0])})
    result = skim("run", config, "-o", tmp_path / "out", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_configuration_without_samples_needs_files(
    write_config: Callable, skim: Callable, tmp_path: Path
) -> None:
    result = skim("run", write_config(), "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "no samples" in result.stderr


def test_a_job_keeps_little_of_each_file(ntuples: list[Path], tmp_path: Path) -> None:
    sizes = []
    for number in (2, 22):
        folder = tmp_path / str(number)
        folder.mkdir()
        for copy in range(number):
            os.link(ntuples[0], folder / f"{copy:02d}.root")
        job = prepare(
            load_skim_config(EG), base=tmp_path, target=open_target(str(tmp_path / "out")),
            files=[f"s={folder}/*.root"], scheduler=Scheduler(workers=2),
        )  # fmt: skip
        assert len(job.tasks) == number
        sizes.append(len(pickle.dumps(job)))
    assert (sizes[1] - sizes[0]) / 20 < 8000  # 239 branches, 53 of them read, in a basket each
