"""What `schemas/_loops.c` defines; `schemas.loops` says what each of them is for."""

from typing_extensions import Buffer

def look_up(page: Buffer, words: Buffer, found: Buffer, /) -> None: ...
def add_bits(page: Buffer, words: Buffer, bits: Buffer, /) -> None: ...
def count(table: Buffer, cells: Buffer, starts: Buffer | None, /) -> None: ...
def count_values(
    table: Buffer, values: Buffer, size: int, start: float, width: float, bins: int,
    starts: Buffer | None, /,
) -> None: ...  # fmt: skip
def count_codes(
    table: Buffer, page: Buffer, number: int, cells: Buffer, starts: Buffer | None, /
) -> None: ...
def join_bytes(split: Buffer, size: int, found: Buffer, /) -> None: ...
def open_baskets(
    file: int, seeks: Buffer, sizes: Buffer, entries: Buffer, item: int, jagged: bool,
    frames: Buffer, baskets: Buffer, /,
) -> tuple[int, int] | None: ...  # fmt: skip
def join_baskets(
    content: Buffer, baskets: Buffer, item: int, values: Buffer, offsets: Buffer, /
) -> None: ...
def find_distinct(
    values: Buffer, size: int, step: int, factor: int, logarithm: int, found: Buffer,
    codes: Buffer, others: Buffer, /,
) -> tuple[int, int]: ...  # fmt: skip
def count_slots(values: Buffer, size: int, factor: int, logarithm: int, /) -> int: ...
def pack(numbers: Buffer, size: int, width: int, packed: Buffer, /) -> None: ...
