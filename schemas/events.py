"""Events in memory: flat arrays plus offsets, nothing else.

What ROOT files and Parquet partitions are read into, and what expressions are evaluated on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas import loops
from schemas.errors import InputError
from schemas.event_schema import EVENT

Array = NDArray[Any]
Numbers = NDArray[np.integer[Any]]


class Ragged(Struct, frozen=True):
    """A field with any number of values for each object, such as the cells of a cluster.

    Attributes
    ----------
    offsets
        int64, one entry more than there are objects, from 0 to the number of values.
    values
        The values of all objects: numbers, or lists again.
    """

    offsets: NDArray[np.int64]
    values: Array | Ragged

    def __post_init__(self) -> None:
        """Refuse values that are not as many as the offsets say."""
        if len(self.values) != self.offsets[-1]:
            raise InputError(f"{len(self.values)} values for offsets up to {self.offsets[-1]}")

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.offsets) - 1

    def __getitem__(self, mask: NDArray[np.bool_]) -> Ragged:
        """Keep the objects for which the mask is true."""
        counts = np.diff(self.offsets)
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts[mask])))
        return Ragged(offsets, self.values[np.repeat(mask, counts)])


Values = Array | Ragged
"""The values of a field of all objects."""


class Codes(Protocol):
    """Which value of a dictionary each object has, in any form that can be looked up."""

    def __len__(self) -> int:
        """Return the number of objects."""

    def look_up(self, values: Array) -> Array:
        """Return the value of each object, given those of the dictionary, not to be written to.

        Raises
        ------
        IndexError, DatasetError
            For a code beyond the dictionary.
        """

    def add_bits(self, words: Numbers, bits: NDArray[np.uint16]) -> None:
        """Set some of the 16 bits of each object, besides those that are set.

        Parameters
        ----------
        words
            Bits for each value of the dictionary, int32.
        bits
            Those of each object.

        Raises
        ------
        IndexError, DatasetError
            For a code beyond the dictionary.
        """

    def count(self, cells: Numbers, starts: Numbers | None, table: NDArray[np.int64]) -> None:
        """Count each object in a cell of a table.

        Parameters
        ----------
        cells
            Number of the cell for each value of the dictionary, int32.
        starts
            What is to be added to it for each object, int32; None for 0.
        table
            Where 1 is added.

        Raises
        ------
        IndexError, DatasetError
            For a code beyond the dictionary.
        """

    @property
    def numbers(self) -> NDArray[np.int32]:
        """The position in the dictionary for each object; never negative."""


class PlainCodes(Struct, frozen=True):
    """`Codes` that are written down as they are.

    Attributes
    ----------
    numbers
        The position in the dictionary for each object; never negative.
    """

    numbers: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.numbers)

    def look_up(self, values: Array) -> Array:
        """Return the value of each object; IndexError for a code beyond the dictionary."""
        return values.take(self.numbers)

    def add_bits(self, words: Numbers, bits: NDArray[np.uint16]) -> None:
        """Set bits of each object; see `Codes`."""
        add_words(self.look_up(words), bits)

    def count(self, cells: Numbers, starts: Numbers | None, table: NDArray[np.int64]) -> None:
        """Count each object in a cell of a table; see `Codes`."""
        count_cells(self.look_up(cells), starts, table)


def add_words(words: Numbers, bits: NDArray[np.uint16]) -> None:
    """Set the bits of a word for each object, besides those that are set."""
    np.bitwise_or(bits, words, out=bits, casting="unsafe")


def count_cells(cells: Numbers, starts: Numbers | None, table: NDArray[np.int64]) -> None:
    """Count entries in the cells of a table, with what is to be added to the number of each."""
    compiled = loops.compiled()
    short = cells.dtype == np.int32 and (starts is None or starts.dtype == np.int32)
    if compiled is not None and short:
        compiled.count(table, np.ascontiguousarray(cells), starts)
        return
    table += np.bincount(cells if starts is None else cells + starts, minlength=len(table))


class Coded(Struct, frozen=True):
    """A flat column of few distinct values: what they are, and which of them each object has.

    It stands where an array stands, in what is read to be filled into histograms and only there:
    what is computed of it, such as the bin of a value, is computed of the distinct values and then
    looked up by code, which takes about 1 ns an object, where to find a bin takes 2 to 5 ns.

    Attributes
    ----------
    codes
        Which of the values each object has.
    values
        The dictionary. Values may occur twice in it, or never in the column; to have many more of
        them than objects is correct and slow.
    """

    codes: Codes
    values: Array

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.codes)

    def __getitem__(self, mask: NDArray[np.bool_]) -> Coded:
        """Keep the objects for which the mask is true."""
        return Coded(PlainCodes(self.codes.numbers[mask]), self.values)

    def take(self, positions: NDArray[np.integer[Any]]) -> Coded:
        """Return the objects at some positions."""
        return Coded(PlainCodes(self.codes.numbers.take(positions)), self.values)

    def decode(self) -> Array:
        """Return the value of each object.

        Raises
        ------
        IndexError, DatasetError
            For a code beyond the dictionary.
        """
        return self.codes.look_up(self.values)


def decoded(values: Any) -> Any:
    """Return an array for `Coded`, and anything else as it is."""
    return values.decode() if isinstance(values, Coded) else values


def no_values(dtype: np.dtype[Any], depth: int = 0) -> Any:
    """Return the `Values` of a field of no objects."""
    values: Values = np.empty(0, dtype)
    for _ in range(depth):
        values = Ragged(np.zeros(1, np.int64), values)
    return values


class Objects(Struct, frozen=True):
    """The objects of one collection in all events.

    Attributes
    ----------
    offsets
        int64, N + 1 entries from 0 to the number of objects: event i owns the objects from
        ``offsets[i]`` to ``offsets[i + 1]``.
    fields
        The values of each field, as many as there are objects. In what is read to be filled into
        histograms, `Coded` may stand for an array here, and in the columns of `Events`.
    """

    offsets: NDArray[np.int64]
    fields: Mapping[str, Values]

    def __post_init__(self) -> None:
        """Refuse fields whose length contradicts the offsets: the data would shift silently."""
        for name, values in self.fields.items():
            if len(values) != self.offsets[-1]:
                raise InputError(
                    f"field {name!r} has {len(values)} values for {self.offsets[-1]} objects"
                )

    def __len__(self) -> int:
        """Return the number of objects in all events."""
        return int(self.offsets[-1])

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of objects of each event, N * int64."""
        return np.diff(self.offsets)

    def select(self, mask: NDArray[np.bool_]) -> Objects:
        """Keep the objects for which the mask (one entry an object) is true."""
        passed = np.concatenate(([0], np.cumsum(mask, dtype=np.int64)))
        return Objects(
            passed[self.offsets], {name: values[mask] for name, values in self.fields.items()}
        )

    def select_events(self, mask: NDArray[np.bool_]) -> Objects:
        """Keep the events for which the mask (one entry an event) is true."""
        objects = np.repeat(mask, self.counts)
        offsets = np.concatenate(([0], np.cumsum(self.counts[mask])))
        return Objects(offsets, {name: values[objects] for name, values in self.fields.items()})


class Events(Struct, frozen=True):
    """A block of events.

    Attributes
    ----------
    size
        Number of events N.
    collections
        The collections with any number of objects per event.
    columns
        The columns with one value per event, N each, by column name (``run``, ``MET_pt``).
    """

    size: int
    collections: Mapping[str, Objects]
    columns: Mapping[str, Array]

    def __post_init__(self) -> None:
        """Refuse parts that disagree on the number of events."""
        sizes = {name: len(objects.offsets) - 1 for name, objects in self.collections.items()}
        sizes |= {name: len(values) for name, values in self.columns.items()}
        for name, size in sizes.items():
            if size != self.size:
                raise InputError(f"{name!r} has {size} entries for {self.size} events")

    def offsets(self, collection: str) -> NDArray[np.int64]:
        """Return the offsets of a collection, N + 1 * int64."""
        return self.collections[collection].offsets

    def column(self, collection: str, field: str) -> Any:
        """Return a column as `Values` or `Coded`; for `EVENT`, ``field`` is the column's name."""
        if collection == EVENT:
            return self.columns[field]
        return self.collections[collection].fields[field]

    def select(self, mask: NDArray[np.bool_]) -> Events:
        """Keep the events for which the mask is true."""
        return Events(
            int(np.count_nonzero(mask)),
            {name: objects.select_events(mask) for name, objects in self.collections.items()},
            {name: values[mask] for name, values in self.columns.items()},
        )
