"""Compressed bodies that would fill the memory are refused before anything opens them."""

from __future__ import annotations

import zlib

#: Bytes of one body, decompressed: twice the biggest file that is read.
LIMIT = 64 * 1024 * 1024
_SMALL = 256 * 1024  # zlib makes at most a thousand bytes out of one
_STEP = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


def fits(wire: bytes, content_encoding: str) -> bool:
    """Whether a body, opened as its header or its first bytes say, stays within the limit."""
    if len(wire) < _SMALL:
        return True
    if wire.startswith(_GZIP_MAGIC):
        return _inflates_within(wire, 31)
    if content_encoding.strip().lower() == "deflate":
        return _inflates_within(wire, 15) and _inflates_within(wire, -15)
    return True


def _inflates_within(data: bytes, window: int) -> bool:
    total = 0
    while data:  # gzip may have several members
        decompress = zlib.decompressobj(window)
        try:
            while not decompress.eof and data:
                total += len(decompress.decompress(data, _STEP))
                if total > LIMIT:
                    return False
                data = decompress.unconsumed_tail
        except zlib.error:
            return True
        data = decompress.unused_data if decompress.eof else b""
    return True
