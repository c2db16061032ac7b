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
def fill_slots(
    values: Buffer, size: int, step: int, factor: int, logarithm: int, slots: Buffer,
    counts: Buffer, /,
) -> None: ...  # fmt: skip
def find_codes(
    values: Buffer, size: int, factor: int, logarithm: int, slots: Buffer, code: Buffer,
    codes: Buffer, others: Buffer, /,
) -> int: ...  # fmt: skip
def join_bytes(split: Buffer, size: int, found: Buffer, /) -> None: ...
def pack(numbers: Buffer, size: int, width: int, packed: Buffer, /) -> None: ...
