"""Digests that tell whether data is damaged, or other data: XXH3 of 128 bits.

Whoever can write a dataset can write its digests too, so there is nothing to keep secret or to
forge, and BLAKE2b, which would withstand that, takes ten times as long.

https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xxhash


def digest(data: bytes | bytearray) -> str:
    """Return the digest of data, 32 hexadecimal digits.

    Examples
    --------
    >>> digest(b"PAR1")
    'a6a8f04411eb62ea6f89d3cb1ad9878e'
    """
    import xxhash

    return xxhash.xxh3_128_hexdigest(data)


def new_digest() -> xxhash.xxh3_128:
    """Return the digest of no data, to be updated with parts and asked for its ``hexdigest``."""
    import xxhash

    return xxhash.xxh3_128()
