"""The configuration of stage one: which samples, which fields, which events."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, model_validator
from pydantic import Field as ModelField

from schemas.config_types import ExpressionText, Identifier, Name, Text, Version
from schemas.load import StrictModel, load_document, validate
from schemas.narrow import parse_narrowing
from schemas.ntuple import NtupleFormat
from schemas.sizes import ByteSize


def _list_of_files(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Sample(StrictModel):
    """The files of a sample.

    Attributes
    ----------
    files
        Paths, globs or URLs; relative paths start from the configuration's folder.
    """

    files: Annotated[
        list[Text],
        BeforeValidator(_list_of_files, json_schema_input_type=str | list[str]),
        ModelField(min_length=1),
    ]


def _sample(value: Any) -> Any:
    if isinstance(value, str | list):
        return {"files": value}
    if not isinstance(value, dict | Sample):
        raise ValueError("expected a path, a list of paths, or a mapping with 'files'")
    return value


def _patterns(value: Any) -> Any:
    if isinstance(value, str):
        return ["*"] if value == "all" else [value]
    if not isinstance(value, list):
        raise ValueError("expected 'all', a field, or a list of fields")
    return value


Patterns = Annotated[
    list[Text],
    BeforeValidator(_patterns, json_schema_input_type=str | list[str]),
    ModelField(min_length=1),
]


Narrowing = Annotated[
    str,
    PlainValidator(parse_narrowing, json_schema_input_type=str | list[int]),
    PlainSerializer(str, return_type=str),
]


class Storage(StrictModel):
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

    partition_events: int = ModelField(default=50_000, ge=1)
    partition_bytes: ByteSize = 256_000_000
    row_group_events: int = ModelField(default=50_000, ge=1)
    row_group_bytes: ByteSize = 128_000_000
    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    level: int | None = ModelField(default=3, ge=1, le=22)
    narrow: dict[Text, Narrowing] = ModelField(default={})

    @model_validator(mode="after")
    def _has_the_level(self) -> Storage:
        if self.compression == "gzip" and self.level is not None and self.level > 9:
            raise ValueError(f"gzip has the levels 1 to 9, not {self.level}")
        return self


def _number_to_fill(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("nan", ".nan"):
        return math.nan
    if not isinstance(value, bool | int | float):
        raise ValueError(f"expected a number, true, false or nan, got {value!r}")
    return value


def _write_number(value: float) -> Any:
    return "nan" if math.isnan(value) else value  # JSON has no such number


NumberToFill = Annotated[
    bool | int | float,
    BeforeValidator(_number_to_fill, json_schema_input_type=bool | int | float | Literal["nan"]),
    PlainSerializer(_write_number, when_used="json"),
]


class Drift(StrictModel):
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

    fill: dict[Text, NumberToFill] = ModelField(default={})
    widen: list[Text] = ModelField(default=[])


class SkimConfig(StrictModel):
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

    version: Version = 1
    format: Text = ModelField(alias="schema")
    samples: dict[
        Name, Annotated[Sample, BeforeValidator(_sample, json_schema_input_type=str | list[str])]
    ] = ModelField(default={})
    keep: dict[Text, Patterns] = ModelField(min_length=1)
    define: dict[Text, dict[Identifier, ExpressionText]] = ModelField(default={})
    objects: dict[Text, ExpressionText] = ModelField(default={})
    events: ExpressionText | None = None
    weight: ExpressionText | None = None
    drift: Drift = ModelField(default_factory=Drift)
    storage: Storage = ModelField(default_factory=Storage)

    def normalised(self) -> dict[str, Any]:
        """Return what decides the content of partitions: everything but the samples."""
        return self.model_dump(mode="json", by_alias=True, exclude={"samples"})


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
    return SkimConfig(schema=path.name, keep={"*": ["*"]})
