"""Compressed blobs: gzip that ``zcat`` reads, in which no byte can change unnoticed.

gzip's own checksum covers the data only: a changed timestamp, padding bit or trailing zero goes
unnoticed by its readers. So the header holds nothing that varies, and an extra field (RFC 1952,
section 2.3.1.1) carries a CRC-32 of all that follows it.
"""

from __future__ import annotations

import zlib

MAGIC = b"\x1f\x8b"
# Deflate, with an extra field, no timestamp, unknown system; the field is `BT`, four bytes long.
_HEADER = MAGIC + b"\x08\x04" + b"\0\0\0\0" + b"\0\xff" + b"\x08\0" + b"BT" + b"\x04\0"
_LEVEL = 6


def pack(data: bytes) -> bytes:
    """Compress; equal bytes in, equal bytes out (with one version of zlib), no timestamp."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush() + _number(zlib.crc32(data)) + _number(len(data))
    return _HEADER + _number(zlib.crc32(body)) + body


def unpack(stored: bytes) -> bytes:
    """Decompress what :func:`pack` gave.

    Raises
    ------
    ValueError
        For anything else, other gzip files among it.
    """
    start = len(_HEADER) + 4
    body = stored[start:]
    if stored[:start] != _HEADER + _number(zlib.crc32(body)):
        raise ValueError("its compressed bytes were changed")
    try:
        return zlib.decompress(body, -zlib.MAX_WBITS)
    except zlib.error as error:
        raise ValueError(f"it does not decompress: {error}") from None


def _number(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")
