"""As much of Thrift's compact protocol as the pages and the footer of a Parquet file take.

A value is the type that stands before it and its bytes; `schemas.pages.read_struct` reads headers.
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Sequence

Value = tuple[int, bytes]

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _STRUCT = (
    1, 2, 3, 4, 5, 6, 7, 8, 9, 12
)  # fmt: skip
_LONG = 15  # stands for a length that follows


def unsigned(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
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
    parts = []
    last = 0
    for number, (kind, data) in fields:
        parts.append(bytes([number - last << 4 | kind]) + data)
        last = number
    return _STRUCT, b"".join(parts) + b"\0"


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
            number, position = _read_unsigned(data, position + 1)
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
        return _read_unsigned(data, position)[1]
    if kind == _DOUBLE:
        return position + 8
    if kind == _BINARY:
        length, position = _read_unsigned(data, position)
        return position + length
    if kind == _LIST:
        size, inner = data[position] >> 4, data[position] & 15
        position += 1
        if size == _LONG:
            size, position = _read_unsigned(data, position)
        for _ in range(size):
            position = _skip(data, position, _BYTE if inner in (_TRUE, _FALSE) else inner)
        return position
    if kind == _STRUCT:
        while head := data[position]:
            position += 1
            if not head >> 4:
                _, position = _read_unsigned(data, position)
            position = _skip(data, position, head & 15)
        return position + 1
    raise ValueError(f"unknown type {kind}")


def _read_unsigned(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
