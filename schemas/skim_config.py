"""The configuration of stage one: which samples, which fields, which events."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.config_types import TEXT, TEXTS, ExpressionText, Identifier, Name, Version, listed
from schemas.load import load_document, validate
from schemas.model import ShortForm, StrictModel, to_data
from schemas.narrow import Narrowing
from schemas.ntuple import NtupleFormat
from schemas.sizes import SIZE, parse_size

Count = Annotated[int, Meta(ge=1)]
Patterns = Annotated[list[str], Meta(min_length=1)]


class Sample(StrictModel, frozen=True, kw_only=True):
    """The files of a sample.

    Attributes
    ----------
    files
        Paths, globs or URLs; relative paths start from the configuration's folder.
    """

    files: Patterns


class Storage(StrictModel, frozen=True, kw_only=True):
    """How partitions are stored.

    Attributes
    ----------
    partition_events
        Largest number of events read into one partition. More make fewer, larger files; what a
        worker holds in memory grows with it.
    partition_bytes
        Largest size in memory of what is read into one partition, in bytes or as ``256 MB``.
    row_group_events
        Largest number of events in a row group, the unit in which readers can skip and read in
        parallel.
    row_group_bytes
        Largest size in memory of what is written into one row group.
    compression
        Codec of the Parquet pages.
    level
        Its level; 1 is fastest.
    narrow
        Columns to store with fewer bits, by ``COLLECTION.FIELD`` (both may be patterns): a type
        (``uint8``), a range of integers (``[0, 200]``), or what is left of the mantissa of real
        numbers (``12 bits``). Applied last, after all cuts.
    """

    partition_events: Count = 50_000
    partition_bytes: Count = 256_000_000
    row_group_events: Count = 50_000
    row_group_bytes: Count = 128_000_000
    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    level: Annotated[int, Meta(ge=1, le=22)] | None = 3
    narrow: dict[str, Narrowing] = {}

    def __post_init__(self) -> None:
        if self.compression == "gzip" and self.level is not None and self.level > 9:
            raise ValueError(f"gzip has the levels 1 to 9, not {self.level}")


class Drift(StrictModel, frozen=True, kw_only=True):
    """What to do where files of the samples differ; without a word of it, they must not.

    Attributes
    ----------
    fill
        Value of a field (``TkEleL2.tkIso``, ``run``, or a pattern) in files that lack it: a number
        that its type holds, ``true``, ``false`` or ``nan``. The first pattern that matches counts.
    widen
        Fields (or patterns) whose type differs between files: the dataset gets the smallest type
        that holds the values of all exactly.
    """

    fill: dict[str, bool | int | float] = {}
    widen: list[str] = []


def _sample(value: Any) -> Any:
    return {"files": value} if isinstance(value, str | list) else value


def _all_fields(value: Any) -> Any:
    return ["*"] if value == "all" else listed(value)


def _number_to_fill(value: Any) -> Any:
    return math.nan if isinstance(value, str) and value.lower() in ("nan", ".nan") else value


# inner ones after those that may put them there
SHORT_FORMS = (
    ShortForm(
        ("samples", "*"), _sample, "a path, a list of paths, or a mapping with 'files'", TEXTS
    ),
    ShortForm(("samples", "*", "files"), listed, "a path, or a list of paths", TEXT),
    ShortForm(("keep", "*"), _all_fields, "'all', a field, or a list of fields", TEXT),
    ShortForm(
        ("drift", "fill", "*"), _number_to_fill, "a number, true, false or nan", {"const": "nan"}
    ),
    ShortForm(("storage", "partition_bytes"), parse_size, SIZE, TEXT),
    ShortForm(("storage", "row_group_bytes"), parse_size, SIZE, TEXT),
)


class SkimConfig(StrictModel, frozen=True, kw_only=True, rename={"format": "schema"}):
    """The configuration of ``skim run``.

    Attributes
    ----------
    version
        Of the configuration language.
    format
        Key ``schema``: name of the ntuple format, or path of a schema file.
    samples
        By name; a path, a list of paths, or a mapping with ``files``.
    keep
        Fields to keep, by collection (both may be patterns): ``all``, a name or a list.
    define
        Fields computed from others, by collection.
    objects
        Condition by collection: objects that fail are dropped (*thinning*).
    events
        Condition on the event, after thinning: events that fail are dropped (*skimming*).
    weight
        Weight of an event; the sum over all events read is kept in the manifest.
    drift
        What to do where files differ.
    storage
        How partitions are stored.
    """

    short_forms = SHORT_FORMS

    version: Version = 1
    format: str
    samples: dict[Name, Sample] = {}
    keep: Annotated[dict[str, Patterns], Meta(min_length=1)]
    define: dict[str, dict[Identifier, ExpressionText]] = {}
    objects: dict[str, ExpressionText] = {}
    events: ExpressionText | None = None
    weight: ExpressionText | None = None
    drift: Drift = msgspec.field(default_factory=Drift)
    storage: Storage = msgspec.field(default_factory=Storage)

    def normalised(self) -> dict[str, Any]:
        """Return what decides the content of partitions: everything but the samples."""
        said = to_data(self)
        del said["samples"]
        fill = said["drift"]["fill"]
        fill |= {key: "nan" for key, value in fill.items() if math.isnan(value)}  # not in JSON
        return said


def load_skim_config(path: Path) -> SkimConfig:
    """Load a configuration of ``skim run``, or a schema of ntuples of which everything is kept.

    Raises
    ------
    UsageError
        If the file is missing.
    ConfigError
        With the place of whatever is wrong.
    """
    document = load_document(path)
    keys = set(document.data)
    if keys.isdisjoint({"tree", "trees"}) or not keys.isdisjoint({"schema", "keep"}):
        return validate(document, SkimConfig)
    validate(document, NtupleFormat)  # so that its mistakes are told before any file is opened
    return SkimConfig(format=path.name, keep={"*": ["*"]})
