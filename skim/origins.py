"""The ROOT files that a dataset was made from, opened again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from runtime.console import Watch
from runtime.inputs import Opened, open_samples
from runtime.scheduler import Scheduler
from schemas.errors import ConfigError, InputError, UsageError
from schemas.manifest import Manifest, Source
from schemas.model import ModelError, from_data
from schemas.ntuple import NtupleFormat, format_names, load_format
from schemas.probe import Ntuple
from schemas.reduction import Recipe
from schemas.skim_config import SkimConfig
from schemas.storage import is_url
from schemas.trees import Input
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
class Origins:
    """What there is to make partitions again from.

    Attributes
    ----------
    remakes
        By sample and URL; none for files of which nothing can be made.
    problems
        What is wrong with files, a sentence each that starts with the file.
    """

    remakes: Mapping[tuple[str, str], Remake] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def open_origins(
    manifest: Manifest, where: str, form: Path | None, scheduler: Scheduler, watch: Watch
) -> Origins:
    """Open all ROOT files of a dataset, and resolve its configuration against them.

    All are needed, even to make few partitions again: what one file lacks, or holds in a narrower
    type, is made to fit the others.

    Parameters
    ----------
    manifest
        Of the dataset.
    where
        Its path, for messages.
    form
        Schema file of the ntuples, in place of the configuration's.
    scheduler
        Where files are opened.
    watch
        Shows how far that has come.

    Raises
    ------
    UsageError
        If the schema file is needed and not given.
    ConfigError
        If it is wrong.
    """
    written = {key: value for key, value in manifest.configuration.items() if key != LIMIT}
    try:
        config = from_data(written, SkimConfig)
    except ModelError as error:
        return Origins(problems=(f"{where}: holds no configuration of a skim: {error}",))
    known = _load_format(config.format, form)
    refused = [text for record in manifest.samples.values() for text in _refuse(record.sources)]
    if refused:
        return Origins(problems=tuple(f"{where}: {text}" for text in refused))
    urls = {name: [s.url for s in record.sources] for name, record in manifest.samples.items()}
    try:
        opened = open_samples(config, known, urls, scheduler, watch, on_error="skip")
    except InputError as error:
        return Origins(problems=tuple(str(error).splitlines()[1:]) or (str(error),))
    except ConfigError as error:
        return Origins(
            problems=(f"{where}: its configuration does not fit its files: {error.message}",)
        )
    problems = [skipped.cause for found in opened.skipped.values() for skipped in found]
    changed = list(_changed_columns(manifest, opened))
    if changed:
        return Origins(problems=(*problems, *(f"{where}: {text}" for text in changed)))
    # files that were added later may have moved columns
    recipe = replace(opened.plan.recipe, kept=manifest.event_schema)
    remakes = {}
    for name, record in manifest.samples.items():
        sources = {source.url: source for source in record.sources}
        inputs = opened.inputs(opened.samples[name])
        for ntuple in opened.samples[name]:
            source = sources[ntuple.url]
            problems += _changes(source, ntuple)
            if ntuple.entries >= source.entries:
                remakes[name, ntuple.url] = Remake(inputs[ntuple.url], recipe)
    return Origins(remakes, tuple(problems))


def _load_format(name: str, form: Path | None) -> NtupleFormat:
    if form is not None:
        return load_format(str(form.absolute()), Path())
    if name not in format_names():
        raise UsageError(
            f"the dataset was made with a schema file, {name!r}; give it with --schema"
        )
    return load_format(name, Path())


def _refuse(sources: list[Source]) -> Iterator[str]:
    """Say which files are not to be opened on the word of a manifest.

    It must not make a reader write, as fsspec does to keep copies; such URLs have ``::`` in them.
    """
    for source in sources:
        if "::" in source.url or not (is_url(source.url) or Path(source.url).is_absolute()):
            yield f"{source.url!r} is neither an absolute path nor a plain URL"


def _changed_columns(manifest: Manifest, opened: Opened) -> Iterator[str]:
    made = opened.plan.recipe.kept.collections
    for name, collection in manifest.event_schema.collections.items():
        for key, info in collection.fields.items():
            found = made[name].fields.get(key) if name in made else None
            if found is None or found.type != info.type or made[name].kind != collection.kind:
                gives = f"{made[name].kind} {found.type}" if found else "nothing"
                yield f"has {name}.{key} as {collection.kind} {info.type}, and its files as {gives}"


def _changes(source: Source, ntuple: Ntuple) -> Iterator[str]:
    for key in ("tree", "entries", "bytes", "uuid"):
        now, then = getattr(ntuple, key), getattr(source, key)
        if now != then:
            yield f"{source.url}: has changed: {key} was {then}, and is {now}"
