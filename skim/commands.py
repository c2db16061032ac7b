"""The commands of ``skim``: each parses its arguments, calls one function and shows the result."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Literal

import click

from runtime.console import print_result, progress_bar
from runtime.profile import profile_option, profiled
from runtime.scheduler import parse_scheduler
from runtime.target import open_target


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
@click.option("--schema", "as_schema", is_flag=True,
              help="Print a starting schema in YAML that `skim run` takes as it is.")  # fmt: skip
def inspect(file: str, as_schema: bool) -> None:
    """Show the trees in FILE, and the collections of each (FILE:TREE for one tree).

    \b
    Example:
      skim inspect ntuple.root
      skim inspect ntuple.root:Events
      skim inspect ntuple.root --schema > mine.yaml
    """
    from skim.contents import describe, draft_schema, render

    if as_schema:
        click.echo(draft_schema(file), nl=False)
        return
    for part in render(describe(file)):
        click.echo(part) if isinstance(part, str) else print_result(part)


@click.command(short_help="Convert and slim ROOT ntuples into a Parquet dataset.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="DATASET",
              help="Folder or root:// URL of the dataset; run again on it, only what is new is "
              "read.")  # fmt: skip
@click.option("--files", multiple=True, metavar="NAME=GLOB",
              help="Give a sample, or replace its files; also URLs. May be repeated.")  # fmt: skip
@click.option("--sample", "samples", multiple=True, metavar="NAME",
              help="Take only this sample. May be repeated.")  # fmt: skip
@click.option("--events", type=click.IntRange(min=1),
              help="Take the first events of each sample only.")  # fmt: skip
@click.option("--scheduler", default="threads", show_default=True,
              help="threads, processes (faster for a long skim), htcondor or slurm (as jobs), or "
              "tcp://host:port of a Dask cluster.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1),
              help="How many partitions at a time; default: one per processor, or 20 as jobs."
              )  # fmt: skip
@click.option("--on-error", type=click.Choice(["fail", "skip"]), default="fail", show_default=True,
              help="Whether a file that cannot be read ends the run, or is left out and listed, to "
              "be tried again by the next run.")  # fmt: skip
@click.option("--overwrite", is_flag=True,
              help="Replace a dataset that was made with another configuration, or from files that "
              "have changed since.")  # fmt: skip
@click.option(
    "--dry-run", is_flag=True, help="Say what would be done, predict the size, and write nothing."
)
@profile_option
def run(
    config: Path,
    output: str,
    files: tuple[str, ...],
    samples: tuple[str, ...],
    events: int | None,
    scheduler: str,
    workers: int | None,
    on_error: Literal["fail", "skip"],
    overwrite: bool,
    dry_run: bool,
    profile: bool,
) -> None:
    """Convert and slim ROOT ntuples, as CONFIG says, into a partitioned Parquet dataset.

    A run that ended early, for whatever reason, is completed by the same command again.

    CONFIG may also be a schema, such as `skim inspect --schema` drafts: everything is kept then.

    \b
    Example:
      skim run configs/skim/demo.yaml --files doubleele='ntuples/*.root' -o dataset

    \b
    Exit code:
      0    the dataset is complete, but for files that --on-error skip left out
      1    something failed, or each file of a sample was left out
      2    the command, its configuration or its output does not do
      130  interrupted (143: terminated); the same command again goes on
    """
    from runtime.memory import reuse_memory
    from runtime.startup import collect_garbage
    from schemas.skim_config import load_skim_config
    from schemas.tally import step
    from skim.info import describe_dataset, render_job
    from skim.job import find_dataset, prepare
    from skim.lock import locked
    from skim.run import require_samples
    from skim.run import run as run_skim

    where = parse_scheduler(scheduler, workers)
    reuse_memory()
    collect_garbage()
    with profiled(profile):
        with step("plan"):
            model = load_skim_config(config)
            target = open_target(output)
            find_dataset(model, target, events, overwrite)  # a refusal need not touch it
        look = partial(
            prepare, model, base=config.parent, target=target, files=files, only=samples,
            limit=events, on_error=on_error, overwrite=overwrite, scheduler=where,
        )  # fmt: skip
        if dry_run:
            from runtime.differences import report
            from skim.predict import predict

            with step("plan"):
                job = look()
            for table in render_job(job, predict(job, scheduler=where)):
                print_result(table)
            for line in report(job.differences):
                click.echo(f"files differ: {line}")
            return
        with locked(target) as lock:
            with step("plan"):
                job = look()
            manifest = run_skim(job, lock=lock, scheduler=where)
    click.echo(describe_dataset(output, manifest))
    require_samples(manifest)


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
    from skim.info import (
        render_collections,
        render_dataset,
        render_narrowed,
        render_provenance,
        summary,
    )

    opened = open_dataset(dataset)
    if as_json:
        click.echo(json.dumps(summary(opened.path, opened.manifest), indent=2))
        return
    print_result(render_dataset(opened.path, opened.manifest))
    print_result(render_collections(opened.schema))
    if narrowed := render_narrowed(opened.manifest):
        print_result(narrowed)
    print_result(render_provenance(opened.manifest))


@click.command(short_help="Check a dataset, also against its ROOT files.")
@click.argument("dataset")
@click.option("--source", is_flag=True,
              help="Make all events again from the ROOT files, and compare.")  # fmt: skip
@click.option("--schema", type=click.Path(path_type=Path), metavar="FILE",
              help="With --source: schema file of the ntuples, if they need one.")  # fmt: skip
@click.option("--sample-fraction", type=click.FloatRange(min=0, max=1, min_open=True), default=1.0,
              show_default=True, metavar="F",
              help="Read this share of the partitions of each sample only.")  # fmt: skip
@click.option("--scheduler", default="threads", show_default=True,
              help="threads, processes, htcondor or slurm (as jobs), or tcp://host:port of a Dask "
              "cluster.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1),
              help="How many partitions at a time; default: one per processor, or 20 as jobs."
              )  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def verify(
    dataset: str,
    source: bool,
    schema: Path | None,
    sample_fraction: float,
    scheduler: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Check all of DATASET: manifest, checksums, events, values; exit 1 if anything is wrong.

    Without --source nothing but the dataset is read. With it, the ROOT files that its manifest
    names are read too: look into manifest.json first if the dataset is from a stranger.

    \b
    Example:
      skim verify dataset
      skim verify dataset --source --sample-fraction 0.1
    """
    from schemas.dataset import open_dataset
    from skim.verify import conclude, render, summary
    from skim.verify import verify as run_verify

    if schema is not None and not source:
        raise click.UsageError("--schema goes with --source")
    report = run_verify(
        open_dataset(dataset), source=source, form=schema, fraction=sample_fraction,
        scheduler=parse_scheduler(scheduler, workers),
    )  # fmt: skip
    if as_json:
        click.echo(json.dumps(summary(report), indent=2))
    else:
        print_result(render(report))
        for finding in report.findings:
            click.echo(f"{finding.severity}: {finding.text}")
        click.echo(conclude(report))
    if not report.is_right:
        sys.exit(1)


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
