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
    file: int, content: Buffer, seeks: Buffer, sizes: Buffer, entries: Buffer, item: int,
    jagged: bool, header: int, frames: Buffer, baskets: Buffer, /,
) -> tuple[int, int] | None: ...  # fmt: skip
def join_baskets(
    content: Buffer, baskets: Buffer, item: int, header: int, values: Buffer, offsets: Buffer, /
) -> None: ...
def join_nested(
    content: Buffer, baskets: Buffer, item: int, header: int, values: Buffer, inner: Buffer,
    offsets: Buffer, /,
) -> tuple[int, int]: ...  # fmt: skip
def count_slots(values: Buffer, size: int, factor: int, logarithm: int, /) -> int: ...
def encode_codes(
    values: Buffer, size: int, head: Buffer, found: Buffer, /
) -> tuple[bytearray, int] | None: ...
