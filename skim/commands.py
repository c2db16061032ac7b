"""The commands of ``skim``: each parses its arguments, calls one function and shows the result."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runtime.console import print_result, progress_bar
from runtime.profile import profile_option, profiled
from runtime.scheduler import parse_scheduler


@click.command(short_help="Write realistic synthetic ntuples.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["doubleele", "minbias"]),
    default="doubleele",
    show_default=True,
    help="Two electrons per event, or pile-up alone.",
)
@click.option("--events", type=click.IntRange(min=0), default=10_000, show_default=True,
              help="Number of events in all files together.")  # fmt: skip
@click.option("--files", type=click.IntRange(min=1), default=1, show_default=True,
              help="Number of files.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True,
              help="The same seed gives the same events.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def sample(directory: Path, kind: str, events: int, files: int, seed: int, overwrite: bool) -> None:
    """Write realistic synthetic FastPUPPI-like ntuples to DIRECTORY.

    \b
    Example:
      skim sample ntuples --kind minbias --events 20000 --files 2
    """
    from skim.sample import write_sample

    with progress_bar("writing events", events) as advance:
        paths = write_sample(
            directory, "minbias" if kind == "minbias" else "doubleele", events, files, seed,
            progress=advance, overwrite=overwrite,
        )  # fmt: skip
    for path in paths:
        click.echo(path)


@click.command(short_help="Show what is in a ROOT file.")
@click.argument("file")
def inspect(file: str) -> None:
    """Show the trees in FILE, and the collections of each (FILE:TREE for one tree).

    \b
    Example:
      skim inspect ntuple.root
      skim inspect ntuple.root:Events
    """
    from skim.contents import describe, render

    for table in render(describe(file)):
        print_result(table)


@click.command(short_help="Convert and slim ROOT ntuples into a Parquet dataset.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DATASET",
              help="Folder of the dataset; run again on it, only what is new is read.")  # fmt: skip
@click.option("--files", multiple=True, metavar="NAME=GLOB",
              help="Give a sample, or replace its files. May be repeated.")  # fmt: skip
@click.option("--sample", "samples", multiple=True, metavar="NAME",
              help="Take only this sample. May be repeated.")  # fmt: skip
@click.option("--events", type=click.IntRange(min=1),
              help="Take the first events of each sample only.")  # fmt: skip
@click.option("--scheduler", default="threads", show_default=True,
              help="threads, processes, or tcp://host:port of a Dask cluster.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1),
              help="How many partitions at a time; default: one per processor.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@profile_option
def run(
    config: Path,
    output: Path,
    files: tuple[str, ...],
    samples: tuple[str, ...],
    events: int | None,
    scheduler: str,
    workers: int | None,
    dry_run: bool,
    profile: bool,
) -> None:
    """Convert and slim ROOT ntuples, as CONFIG says, into a partitioned Parquet dataset.

    \b
    Example:
      skim run configs/skim/demo.yaml --files doubleele='ntuples/*.root' -o dataset
    """
    from schemas.load import load_model
    from schemas.skim_config import SkimConfig
    from schemas.tally import step
    from skim.info import render_dataset, render_job
    from skim.run import prepare
    from skim.run import run as run_skim

    where = parse_scheduler(scheduler, workers)
    with profiled(profile):
        with step("plan"):
            model = load_model(config, SkimConfig)
            job = prepare(
                model, base=config.parent, output=output, files=files, only=samples, limit=events,
                scheduler=where,
            )  # fmt: skip
        if dry_run:
            for table in render_job(job):
                print_result(table)
            return
        made = run_skim(job, scheduler=where)
    print_result(render_dataset(str(output), made))


@click.command(short_help="Show what is in a dataset.")
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def info(dataset: str, as_json: bool) -> None:
    """Show samples, events read and kept, collections, sizes and provenance of DATASET.

    \b
    Example:
      skim info dataset
      skim info dataset --json | jq .events_read
    """
    from schemas.dataset import open_dataset
    from skim.info import render_collections, render_dataset, render_provenance, summary

    opened = open_dataset(dataset)
    if as_json:
        click.echo(json.dumps(summary(opened.path, opened.manifest), indent=2))
        return
    print_result(render_dataset(opened.path, opened.manifest))
    print_result(render_collections(opened.schema))
    print_result(render_provenance(opened.manifest))


@click.command(short_help="Print the JSON Schema of configurations.")
def schema() -> None:
    """Print the JSON Schema of the configuration of `skim run`, for editors.

    \b
    Example:
      skim schema > skim.schema.json
      # then, on the first line of a configuration:
      # yaml-language-server: $schema=skim.schema.json
    """
    from schemas.json_schema import json_schema
    from schemas.skim_config import SkimConfig

    click.echo(json.dumps(json_schema(SkimConfig, "Configuration of skim run"), indent=2))
