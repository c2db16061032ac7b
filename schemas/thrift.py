"""Thrift's compact protocol, as far as the pages and the footer of a Parquet file take it.

A value that is written is the type that stands before it and its bytes.
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Value = tuple[int, bytes]

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _STRUCT = (
    1, 2, 3, 4, 5, 6, 7, 8, 9, 12
)  # fmt: skip
_BYTES = tuple(bytes([number]) for number in range(256))
_LONG = 15  # stands for a length that follows
_STATISTICS = 2  # depth that is left in the statistics of a page, the only ones to have 64 bits


def unsigned(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    if number <= 127:  # as most are
        return _BYTES[number]
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _signed(number: int) -> bytes:
    return unsigned(number << 1 if number >= 0 else (-number << 1) - 1)


def i32(number: int) -> Value:
    """Return an integer of 32 bits."""
    return _I32, _signed(number)


def i64(number: int) -> Value:
    """Return an integer of 64 bits."""
    return _I64, _signed(number)


def boolean(truth: bool) -> Value:
    """Return a field that is true or false; no item of a list."""
    return _TRUE if truth else _FALSE, b""


def binary(data: bytes) -> Value:
    """Return bytes, or a text in UTF-8."""
    return _BINARY, unsigned(len(data)) + data


def sequence(values: Sequence[Value], kind: int = _STRUCT) -> Value:
    """Return a list of values of one type, ``kind`` if there are none."""
    kind = values[0][0] if values else kind
    size = len(values)
    head = bytes([min(size, _LONG) << 4 | kind]) + (unsigned(size) if size >= _LONG else b"")
    return _LIST, head + b"".join(data for _, data in values)


def record(*fields: tuple[int, Value]) -> Value:
    """Return a structure of numbered fields in ascending order."""
    parts: list[bytes] = []
    last = 0
    for number, (kind, data) in fields:
        parts += _BYTES[number - last << 4 | kind], data
        last = number
    parts.append(b"\0")
    return _STRUCT, b"".join(parts)


def fields_of(data: bytes) -> dict[int, Value]:
    """Split a structure into its fields, whatever they are.

    Raises
    ------
    ValueError
        If it has a field of an unknown type.
    """
    found = {}
    number = position = 0
    while head := data[position]:
        kind = head & 15
        if head >> 4:
            number, position = number + (head >> 4), position + 1
        else:
            number, position = read_varint(data, position + 1)
            number >>= 1
        end = _skip(data, position, kind)
        found[number] = kind, data[position:end]
        position = end
    return found


def _skip(data: bytes, position: int, kind: int) -> int:
    """Return where a value ends."""
    if kind in (_TRUE, _FALSE):
        return position
    if kind == _BYTE:
        return position + 1
    if kind in (_I16, _I32, _I64):
        return read_varint(data, position)[1]
    if kind == _DOUBLE:
        return position + 8
    if kind == _BINARY:
        length, position = read_varint(data, position)
        return position + length
    if kind == _LIST:
        size, inner = data[position] >> 4, data[position] & 15
        position += 1
        if size == _LONG:
            size, position = read_varint(data, position)
        for _ in range(size):
            position = _skip(data, position, _BYTE if inner in (_TRUE, _FALSE) else inner)
        return position
    if kind == _STRUCT:
        while head := data[position]:
            position += 1
            if not head >> 4:
                _, position = read_varint(data, position)
            position = _skip(data, position, head & 15)
        return position + 1
    raise ValueError(f"unknown type {kind}")


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
    value = data[position]
    if value < 128:  # as most are
        return (value >> 1) ^ -(value & 1), position + 1
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
