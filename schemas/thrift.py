"""Thrift's compact protocol, as far as the headers of Parquet's pages and its footers use it.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
"""Types of fields, by their numbers in the protocol."""

_STATISTICS = 2  # depth that is left in the statistics of a page, the only ones to have 64 bits


def read_struct(data: bytes, position: int, depth: int = 4) -> tuple[dict[int, Any], int]:
    """Read a structure of Thrift's compact protocol, as far as headers of pages use it.

    Parameters
    ----------
    data
        The bytes.
    position
        Of its first one.
    depth
        How deep structures may be nested.

    Returns
    -------
    fields
        Numbers, bytes and structures by the number of the field.
    position
        After its last byte.

    Raises
    ------
    IndexError
        If the bytes end too early.
    ValueError
        If they are anything else.
    """
    fields: dict[int, Any] = {}
    number = 0
    while head := data[position]:
        position += 1
        if head >> 4:
            number += head >> 4
        else:
            number, position = _integer(data, position)
        match head & 15:
            case 1 | 2 as kind:
                fields[number] = kind == 1
            case 5:
                fields[number], position = _integer(data, position)
                if not -(2**31) <= fields[number] < 2**31:
                    raise ValueError("not a number of 32 bits")
            case 6 if depth <= _STATISTICS:
                fields[number], position = _integer(data, position)
            case 8:
                length, position = read_varint(data, position)
                if position + length > len(data):
                    raise IndexError
                fields[number], position = data[position : position + length], position + length
            case 12 if depth:
                fields[number], position = read_struct(data, position, depth - 1)
            case _:
                raise ValueError("not the header of a page")
    return fields, position + 1


def _integer(data: bytes, position: int) -> tuple[int, int]:
    value, position = read_varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number from 0 on, seven bits a byte; returns it and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("not a number of 64 bits")


def struct(*fields: tuple[int, int, int | bytes]) -> bytes:
    """Write a structure.

    Parameters
    ----------
    fields
        Number, type and value of each, by increasing number: an integer, bytes, or what `struct`
        or `array` made.
    """
    written, last = bytearray(), 0
    for number, kind, value in fields:
        written.append((number - last) << 4 | kind)
        last = number
        if isinstance(value, int):
            written += _varint(value << 1 if value >= 0 else (-value << 1) - 1)
        else:
            written += _varint(len(value)) + value if kind == BINARY else value
    return bytes(written) + b"\0"


def array(kind: int, items: Sequence[bytes]) -> bytes:
    """Write a list of bytes, or of what `struct` or `integer` made."""
    size = len(items)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + _varint(size)
    return head + b"".join(_varint(len(i)) + i if kind == BINARY else i for i in items)


def integer(value: int) -> bytes:
    """Write a number, from 0 on, as an item of a list."""
    return _varint(value << 1)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
