"""The ROOT files that a dataset was made from, opened again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydantic

from schemas.errors import ConfigError, InputError, UsageError
from schemas.event_schema import EventSchema
from schemas.manifest import Manifest, Partition, Source
from schemas.ntuple import NtupleFormat, format_names, load_format
from schemas.recipe import make_plan, schema_of_inputs
from schemas.reduction import Recipe
from schemas.skim_config import SkimConfig
from schemas.storage import is_url
from schemas.trees import Input, Ntuple, probe
from skim.consistency import LIMIT


@dataclass(frozen=True)
class Remake:
    """How to make the events of partitions of one ntuple again.

    Attributes
    ----------
    source
        What to read.
    recipe
        What to do with it; it keeps the columns of the dataset.
    """

    source: Input
    recipe: Recipe


@dataclass(frozen=True)
class SourceCheck:
    """A ROOT file to compare with what a manifest says of it."""

    sample: str
    number: int
    source: Source
    config: SkimConfig
    form: NtupleFormat
    schema: EventSchema


def check_source(check: SourceCheck) -> tuple[list[str], Remake | None]:
    """Find out whether a ROOT file is the one that was read, and how to read it again.

    Returns
    -------
    problems
        A sentence for each, which starts with the file.
    remake
        None if its events cannot be made again.
    """
    url = check.source.url
    try:
        ntuple = probe(url, check.form)
        plan = make_plan(check.config, ntuple.layout)
    except InputError as error:
        return [str(error)], None
    except ConfigError as error:
        return [f"{url}: does not fit the configuration of the dataset: {error.message}"], None
    problems = list(_changes(check, ntuple))
    for name, collection in check.schema.collections.items():
        made = plan.recipe.kept.collections.get(name)
        for field, info in collection.fields.items():
            found = made.fields[field].type if made and field in made.fields else "nothing"
            if found != info.type:
                was = f"{name}.{field}, which the dataset has as {info.type}"
                return [*problems, f"{url}: gives {found} for {was}"], None
    schema = schema_of_inputs(ntuple.layout.schema, plan.branches)
    recipe = replace(plan.recipe, kept=check.schema)  # the order in which files have fields varies
    return problems, Remake(Input(url, ntuple.tree, plan.branches, schema), recipe)


def _changes(check: SourceCheck, ntuple: Ntuple) -> Iterator[str]:
    for key in ("tree", "entries", "bytes", "uuid"):
        now, then = getattr(ntuple, key), getattr(check.source, key)
        if now != then:
            yield f"{check.source.url}: has changed: {key} was {then}, and is {now}"


def list_sources(
    manifest: Manifest, chosen: Mapping[str, Sequence[Partition]], form: Path | None
) -> tuple[list[SourceCheck], list[str]]:
    """List the ROOT files that some partitions of each sample were made from.

    Parameters
    ----------
    manifest
        Of the dataset.
    chosen
        The partitions.
    form
        Schema file of the ntuples, in place of the configuration's.

    Returns
    -------
    checks
        One for each file.
    problems
        Why some or all are not among them.

    Raises
    ------
    UsageError
        If the schema file is needed and not given.
    ConfigError
        If it is wrong.
    """
    written = {key: value for key, value in manifest.configuration.items() if key != LIMIT}
    try:
        config = SkimConfig.model_validate(written)
    except pydantic.ValidationError as error:
        return [], [f"holds no configuration of a skim: {error.errors()[0]['msg']}"]
    if form is None and config.format not in format_names():
        raise UsageError(
            f"the dataset was made with a schema file, {config.format!r}; give it with --schema"
        )
    known = load_format(config.format if form is None else str(form.absolute()), Path())
    tasks, problems = [], []
    for name, partitions in chosen.items():
        for number in sorted({part.source for part in partitions}):
            source = manifest.samples[name].sources[number]
            # a manifest must not make a reader write: caches of fsspec are written as A::B
            if "::" in source.url or not (is_url(source.url) or Path(source.url).is_absolute()):
                problems.append(f"{source.url!r} is neither an absolute path nor a plain URL")
                continue
            schema = manifest.event_schema
            tasks.append(SourceCheck(name, number, source, config, known, schema))
    return tasks, problems
