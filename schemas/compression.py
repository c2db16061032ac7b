"""Decompression of what ROOT stores: blocks of up to 16 MB, each compressed on its own.

::

    header    compression, its version, size with compression and without
    block     with LZ4 after a checksum of 8 bytes
"""

from __future__ import annotations

import functools
import lzma
import struct
from collections.abc import Callable, Iterator
from typing import Any

_CHECKSUM = struct.Struct(">Q")
# compression, its version, and two sizes of three bytes, the lowest first
_BLOCK = struct.Struct("<2sBHBHB")

ZLIB, LZMA, LZ4, ZSTD = b"ZL", b"XZ", b"L4", b"ZS"
"""The marks of compressions."""


def _blocks(data: memoryview) -> Iterator[tuple[bytes, memoryview, int]]:
    """Iterate over compression, bytes and decompressed size of the blocks of an object."""
    position, end = 0, len(data)
    while position < end:
        start = position + _BLOCK.size
        if start > end:
            raise ValueError("a compressed block ends within its header")
        method, _, low, high, unpacked_low, unpacked_high = _BLOCK.unpack_from(data, position)
        position = start + (high << 16 | low)
        yield method, data[start:position], unpacked_high << 16 | unpacked_low


def inflate(data: memoryview, length: int) -> bytes:
    """Decompress the blocks of an object.

    Raises
    ------
    ValueError
        If they are damaged, compressed in an unknown way, or do not make ``length`` bytes.
    """
    blocks = []
    for method, block, unpacked in _blocks(data):
        made = decompress(method, block, unpacked)
        if len(made) != unpacked:
            raise ValueError(f"{len(made)} bytes were decompressed where {unpacked} are expected")
        blocks.append(made)
    whole = blocks[0] if len(blocks) == 1 else b"".join(blocks)
    if len(whole) != length:
        raise ValueError(f"{len(whole)} bytes were decompressed where {length} are expected")
    return whole


def decompress(method: bytes, block: memoryview, size: int) -> Any:
    """Decompress one block.

    Parameters
    ----------
    method
        Mark of the compression.
    block
        Without its header; of zstd any number of frames, one after another.
    size
        Of what comes out.

    Raises
    ------
    ValueError
        If it is damaged, or the compression unknown.
    """
    methods, errors = _decompressors()
    if method not in methods:
        raise ValueError(f"unknown compression {method!r}")
    try:
        return methods[method](block, size)
    except errors as error:
        raise ValueError(f"a block cannot be decompressed: {error}") from error


@functools.cache
def _decompressors() -> tuple[dict[bytes, Callable[[memoryview, int], Any]], Any]:
    """Return what decompresses blocks, by the letters that mark them, and the errors of all."""
    import cramjam
    import pyarrow as pa
    from isal import isal_zlib

    zlib, zstd = isal_zlib.decompress, pa.Codec("zstd")
    return {
        ZLIB: lambda block, size: zlib(block, bufsize=size),  # 0.6 of the time of Python's own
        LZMA: _lzma,
        ZSTD: lambda block, size: zstd.decompress(block, size, asbytes=True),
        LZ4: _lz4,
    }, (OSError, isal_zlib.error, lzma.LZMAError, cramjam.DecompressionError)


def _lzma(block: memoryview, size: int) -> bytes:
    decompressor = _lzma_library().LZMADecompressor(lzma.FORMAT_XZ)
    # one byte more, or the checksum would not be read
    made: bytes = decompressor.decompress(block, size + 1)
    if not decompressor.eof:
        raise ValueError("an LZMA block ends too early or too late")
    return made


@functools.cache
def _lzma_library() -> Any:
    """Return what decompresses LZMA: with liblzma 5.8 if it is there, else Python's own module.

    5.8 takes three quarters of the time of 5.4, which itself takes 7 % less than cramjam, and a
    skim of LZMA is little else. Both raise the same errors.
    """
    try:
        import lzma_mt
    except ImportError:  # there is no wheel of it for this platform
        return lzma
    return lzma_mt


def _lz4(block: memoryview, size: int) -> Any:
    import cramjam
    import xxhash

    (stated,) = _CHECKSUM.unpack_from(block)
    if xxhash.xxh64(block[_CHECKSUM.size :]).intdigest() != stated:
        raise ValueError("an LZ4 block fails its checksum")
    return cramjam.lz4.decompress_block(block[_CHECKSUM.size :], output_len=size)
