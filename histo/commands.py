"""The commands of ``histo``: each parses its arguments, calls one function and shows the result."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from runtime.console import print_result, progress_bar
from runtime.profile import profile_option, profiled
from runtime.scheduler import parse_scheduler


@click.command(short_help="Fill histograms from datasets.")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("datasets", nargs=-1, metavar="DATASET...")
@click.option("--ntuples", type=click.Path(path_type=Path), metavar="SKIM_CONFIG",
              help="Fill straight from the ntuples of a skim, without a dataset.")  # fmt: skip
@click.option("--files", multiple=True, metavar="NAME=GLOB",
              help="With --ntuples: give a sample, or replace its files.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="OUT",
              help="File to write: .root, .json or .pkl.")  # fmt: skip
@click.option("--sample", "samples", multiple=True, metavar="NAME",
              help="Take only this sample. May be repeated.")  # fmt: skip
@click.option("--events", type=click.IntRange(min=1),
              help="Take the first events of each sample only.")  # fmt: skip
@click.option("--allow-functions", "modules", multiple=True, metavar="MODULE",
              help="Let CONFIG run functions of this Python module. May be repeated.")  # fmt: skip
@click.option("--scheduler", default="threads", show_default=True,
              help="threads, processes, htcondor or slurm (as jobs), or tcp://host:port of a Dask "
              "cluster.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1),
              help="How many partitions at a time; default: one per processor, or 20 as jobs."
              )  # fmt: skip
@profile_option
def run(
    config: Path,
    datasets: tuple[str, ...],
    ntuples: Path | None,
    files: tuple[str, ...],
    output: Path,
    samples: tuple[str, ...],
    events: int | None,
    modules: tuple[str, ...],
    scheduler: str,
    workers: int | None,
    profile: bool,
) -> None:
    """Fill the histograms of CONFIG from each DATASET into one file.

    \b
    Example:
      histo run configs/histo/demo.yaml dataset -o histograms.root
      histo run configs/histo/demo.yaml --ntuples configs/skim/demo.yaml -o check.root
    """
    from histo.run import run_source
    from histo.sources import Datasets, Source
    from histo.write import check_output, write_histograms
    from runtime.memory import reuse_memory
    from runtime.startup import collect_garbage
    from schemas.dataset import open_dataset
    from schemas.histo_config import HistoConfig
    from schemas.load import load_model
    from schemas.tally import step

    if bool(datasets) == (ntuples is not None):
        raise click.UsageError("give either one or more DATASET, or --ntuples SKIM_CONFIG")
    if files and ntuples is None:
        raise click.UsageError("--files goes with --ntuples; a dataset has its files already")
    check_output(output)  # before any work is done
    reuse_memory()
    collect_garbage()
    with profiled(profile):
        where = parse_scheduler(scheduler, workers)
        with step("plan"):
            model = load_model(config, HistoConfig)
        source: Source
        if ntuples is not None:
            from histo.ntuples import open_ntuples
            from schemas.skim_config import load_skim_config

            source = open_ntuples(
                load_skim_config(ntuples), base=ntuples.parent, files=files, only=samples,
                limit=events, scheduler=where, watch=progress_bar,
            )  # fmt: skip
        else:
            source = Datasets([open_dataset(dataset) for dataset in datasets], samples, events)
        result = run_source(model, source, modules=modules, scheduler=where)
        write_histograms(result, output)
    click.echo(f"{output}: {len(result.histograms)} histograms")


@click.command("list", short_help="Show selections, histograms and what they read.")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("dataset", required=False)
@click.option("--allow-functions", "modules", multiple=True, metavar="MODULE",
              help="Let CONFIG run functions of this Python module. May be repeated.")  # fmt: skip
def list_(config: Path, dataset: str | None, modules: tuple[str, ...]) -> None:
    """Show the selections and histograms of CONFIG; with DATASET, resolved, and what they read.

    \b
    Example:
      histo list configs/histo/demo.yaml dataset
    """
    from histo.listing import render_config, render_plan
    from schemas.dataset import open_dataset
    from schemas.histo_config import HistoConfig
    from schemas.load import load_model

    model = load_model(config, HistoConfig)
    tables = render_plan(model, open_dataset(dataset), modules) if dataset else render_config(model)
    for table in tables:
        print_result(table)


@click.command(short_help="Compare two histogram files bin by bin.")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--contents-only", is_flag=True, help="Compare bins; not titles, labels or errors.")
@click.option("--rtol", type=click.FloatRange(min=0), default=0.0, show_default=True,
              help="Relative difference up to which numbers are the same.")  # fmt: skip
def diff(a: Path, b: Path, contents_only: bool, rtol: float) -> None:
    """Compare the histograms of A and B, flow bins included; exit 1 if they differ.

    \b
    Example:
      histo diff before.root after.root
    """
    from histo.diff import compare, render
    from histo.load import read_histograms

    first, second = read_histograms(a), read_histograms(b)
    differences = compare(first, second, contents_only=contents_only, rtol=rtol)
    if not differences:
        click.echo(f"{len(first.histograms)} histograms, no difference")
        return
    print_result(render(differences))
    click.echo(f"{len(differences)} differences in {len(first.histograms)} histograms")
    sys.exit(1)


@click.command(short_help="Draw the histograms of a file.")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, metavar="OUT...",
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True,
              metavar="DIR", help="Folder for the figures.")  # fmt: skip
@click.option("--format", "kind", type=click.Choice(["png", "pdf"]), default="png",
              show_default=True, help="Kind of file.")  # fmt: skip
def plot(config: Path, files: tuple[Path, ...], output: Path, kind: str) -> None:
    """Draw what CONFIG describes from the files OUT that `histo run` wrote.

    The selections of one collection share a figure, each with its label; two-dimensional
    histograms have one each.

    \b
    Example:
      histo plot configs/histo/demo.yaml histograms.root --output figures
    """
    from histo.figures import draw_figures
    from histo.load import read_histograms
    from schemas.histo_config import HistoConfig
    from schemas.load import load_model

    model = load_model(config, HistoConfig)
    drawn = draw_figures(model, {str(path): read_histograms(path) for path in files}, output, kind)
    for path in drawn:
        click.echo(path)


@click.command(short_help="Print the JSON Schema of configurations.")
def schema() -> None:
    """Print the JSON Schema of the configuration of `histo run`, for editors.

    \b
    Example:
      histo schema > histo.schema.json
      # then, on the first line of a configuration:
      # yaml-language-server: $schema=histo.schema.json
    """
    from schemas.histo_config import HistoConfig
    from schemas.json_schema import json_schema

    click.echo(json.dumps(json_schema(HistoConfig, "Configuration of histo run"), indent=2))
