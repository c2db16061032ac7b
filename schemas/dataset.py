"""A Parquet dataset in Python: samples, collections, awkward arrays of chosen columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from schemas.errors import UsageError, nearest
from schemas.event_schema import EVENT, Collection, EventSchema
from schemas.events import Events, Objects, Ragged, Values, no_values
from schemas.manifest import MANIFEST, MAX_BYTES, Manifest, Partition, SampleRecord, parse_manifest
from schemas.parquet import read_events
from schemas.storage import is_url, join, missing, read_bytes

if TYPE_CHECKING:
    import awkward as ak

Selected = list[tuple[str, str]]


class Dataset(Struct, frozen=True):
    """A dataset that `open_dataset` found; nothing but its manifest has been read.

    Attributes
    ----------
    path
        Folder or URL.
    manifest
        What it says of itself.

    Examples
    --------
    >>> dataset = open_dataset("datasets/eg")  # doctest: +SKIP
    >>> dataset.arrays(["TkEleL2.pt", "run"]).TkEleL2.pt  # doctest: +SKIP
    <Array [[36.5, 12.25], [], ..., [27.75]] type='5000 * var * float32'>
    """

    path: str
    manifest: Manifest

    @property
    def samples(self) -> dict[str, SampleRecord]:
        """Samples by name, with their numbers of events and partitions."""
        return self.manifest.samples

    @property
    def schema(self) -> EventSchema:
        """Collections and fields with types, units and docs."""
        return self.manifest.event_schema

    @property
    def collections(self) -> dict[str, Collection]:
        """Collections by name; ``event`` holds the fields of the event itself."""
        return self.schema.collections

    def partitions(self, samples: Iterable[str] | None = None) -> Iterator[tuple[str, Partition]]:
        """Iterate over sample name and partition.

        Raises
        ------
        UsageError
            For an unknown sample.
        """
        wanted = set(self.samples) if samples is None else set(samples)
        for name in sorted(wanted):
            if name not in self.samples:
                hint = nearest(name, self.samples)
                raise UsageError(f"dataset {self.path!r} has no sample {name!r}; {hint}")
        return ((name, part) for name, part in self.manifest.partitions() if name in wanted)

    def select(self, columns: Iterable[str] | None = None) -> Selected:
        """Resolve columns to ``(collection, field)``.

        Parameters
        ----------
        columns
            ``TkEleL2`` (all fields), ``TkEleL2.pt``, ``TkEleL2.*Iso``, ``MET.pt``, ``run``; None
            for everything.

        Raises
        ------
        UsageError
            For a name that matches nothing.
        """
        known = [(name, field) for name, c in self.collections.items() for field in c.fields]
        if columns is None:
            return known
        chosen: dict[tuple[str, str], None] = {}
        for pattern in columns:
            # the event number is a field `event` of the pseudo-collection `event`
            found = [pair for pair in known if _dotted(*pair) == pattern]
            found = found or [pair for pair in known if _matches(*pair, pattern)]
            if not found:
                names = [*self.collections, *(_dotted(*pair) for pair in known)]
                hint = nearest(pattern, names)
                raise UsageError(f"dataset {self.path!r} has no column {pattern!r}; {hint}")
            chosen.update(dict.fromkeys(found))
        return list(chosen)

    def read(self, partition: Partition, columns: Selected) -> Events:
        """Read some columns of one partition as flat arrays and offsets.

        Raises
        ------
        DatasetError
            If the partition is damaged.
        """
        resolved = [
            (name, field)
            if self.schema.is_list(name)
            else (EVENT, self.schema.column_name(name, field))
            for name, field in columns
        ]
        path = join(self.path, partition.path)
        return read_events(
            path, self.schema, resolved, rows=partition.events_kept, footer=partition.footer
        )

    def arrays(self, columns: Iterable[str] | None = None, sample: str | None = None) -> ak.Array:
        """Read columns as one awkward array, a record per event.

        Parameters
        ----------
        columns
            As in `select`.
        sample
            Only this one.

        Returns
        -------
        awkward.Array
            ``N * {TkEleL2: var * {pt: float32, ...}, MET_pt: float32, ...}``, non-nullable.

        Raises
        ------
        UsageError
            For an unknown sample or column.
        DatasetError
            If a partition is damaged.
        """
        import awkward as ak

        chosen = self.select(columns)
        samples = None if sample is None else [sample]
        parts = [
            self.to_awkward(self.read(part, chosen), chosen) for _, part in self.partitions(samples)
        ]
        if not parts:
            return self.to_awkward(self._nothing(chosen), chosen)
        return ak.concatenate(parts) if len(parts) > 1 else parts[0]

    def lazy(self, columns: Iterable[str] | None = None, sample: str | None = None) -> Any:
        """Return a dask-awkward array over all partitions, one each; needs the extra ``lazy``.

        Raises
        ------
        UsageError
            For an unknown sample or column, or if dask-awkward is not installed.
        """
        try:
            import dask_awkward
        except ImportError as error:
            raise UsageError("lazy arrays need dask-awkward: pip install 'l1skim[lazy]'") from error
        import awkward as ak

        chosen = self.select(columns)
        samples = None if sample is None else [sample]
        partitions = [part for _, part in self.partitions(samples)]
        if not partitions:
            return dask_awkward.from_awkward(self.arrays(columns, sample), npartitions=1)
        empty = self.to_awkward(self._nothing(chosen), chosen)
        divisions = np.cumsum([0, *(part.events_kept for part in partitions)])
        return dask_awkward.from_map(
            _ReadPartition(self, chosen),
            partitions,
            label="read-partition",
            meta=ak.Array(empty.layout.to_typetracer(forget_length=True)),
            divisions=tuple(int(n) for n in divisions),
        )

    def to_awkward(self, events: Events, columns: Selected) -> ak.Array:
        """Return events as an awkward array that shares their memory."""
        import awkward as ak

        contents: dict[str, Any] = {}
        for name, field in columns:
            if not self.schema.is_list(name):
                column = self.schema.column_name(name, field)
                contents[column] = ak.contents.NumpyArray(events.columns[column])
            elif name not in contents:
                objects = events.collections[name]
                fields = [f for owner, f in columns if owner == name]
                record = ak.contents.RecordArray(
                    [_layout(objects.fields[f]) for f in fields],
                    fields,
                    length=len(objects),
                )
                offsets = ak.index.Index64(objects.offsets)
                contents[name] = ak.contents.ListOffsetArray(offsets, record)
        return ak.Array(
            ak.contents.RecordArray(list(contents.values()), list(contents), length=events.size)
        )

    def _nothing(self, columns: Selected) -> Events:
        """Return no events, with the columns and types of some."""
        collections: dict[str, dict[str, Any]] = {}
        singles: dict[str, Any] = {}
        for name, field in columns:
            info = self.collections[name].fields[field]
            nothing = no_values(info.dtype, info.depth)
            if self.schema.is_list(name):
                collections.setdefault(name, {})[field] = nothing
            else:
                singles[self.schema.column_name(name, field)] = nothing
        lists = {name: Objects(np.zeros(1, np.int64), f) for name, f in collections.items()}
        return Events(0, lists, singles)


def _layout(values: Values) -> Any:
    import awkward as ak

    if isinstance(values, Ragged):
        offsets = ak.index.Index64(values.offsets)
        return ak.contents.ListOffsetArray(offsets, _layout(values.values))
    return ak.contents.NumpyArray(values)


class _ReadPartition(Struct, frozen=True):
    """Reads one partition on a worker."""

    dataset: Dataset
    columns: Selected

    def __call__(self, partition: Partition) -> ak.Array:
        events = self.dataset.read(partition, self.columns)
        return self.dataset.to_awkward(events, self.columns)


def _dotted(collection: str, field: str) -> str:
    return field if collection == EVENT else f"{collection}.{field}"


def _matches(collection: str, field: str, pattern: str) -> bool:
    if pattern == collection:
        return True
    return fnmatchcase(_dotted(collection, field), pattern)


def open_dataset(path: str | Path) -> Dataset:
    """Open a dataset: read its manifest, and nothing else.

    Parameters
    ----------
    path
        Folder or fsspec URL that ``skim run`` wrote to.

    Raises
    ------
    UsageError
        If there is no dataset.
    DatasetError
        If its manifest is damaged or of an unknown version.
    """
    text = str(path)
    where = join(text, MANIFEST)
    content = read_bytes(where, MAX_BYTES)
    if content is None:
        raise missing(text, "dataset", MANIFEST)
    return Dataset(text if is_url(text) else str(Path(text)), parse_manifest(content, where))
