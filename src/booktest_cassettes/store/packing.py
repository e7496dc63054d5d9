"""Compressed blobs: gzip that ``zcat`` reads, in which no byte can change unnoticed.

gzip's own checksum covers the data only: a changed timestamp, padding bit or trailing zero goes
unnoticed by its readers. So the header holds nothing that varies, and an extra field (RFC 1952,
section 2.3.1.1) carries a CRC-32 of all that follows it.
"""

from __future__ import annotations

import io
import zlib

MAGIC = b"\x1f\x8b"
# Deflate, with an extra field, no timestamp, unknown system; the field is `BT`, four bytes long.
_HEADER = MAGIC + b"\x08\x04" + b"\0\0\0\0" + b"\0\xff" + b"\x08\0" + b"BT" + b"\x04\0"
_LEVEL = 6
_STEP = 1 << 20
_BIG = 4 * _STEP  # bytes
_SAMPLE = 65_536
_MOST = 1032  # bytes that deflate gives for one, at the very most


def pack_where_worth(data: bytes) -> bytes:
    """Compressed, but for a big blob of which that would not save a third.

    The quarter that is saved on the base64 of compressed bytes is not worth the time of each replay.
    """
    if len(data) > _BIG:
        sample = b"".join(data[start : start + _SAMPLE] for start in range(0, len(data), len(data) // 8))
        if len(zlib.compress(sample, _LEVEL)) * 3 > len(sample) * 2:
            return data
    return pack(data)


def pack(data: bytes) -> bytes:
    """Compress; equal bytes in, equal bytes out (with one version of zlib), no timestamp."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    # Piece by piece: a body of many megabytes is not copied again for each step.
    stored, check, view = io.BytesIO(), 0, memoryview(data)
    stored.write(_HEADER + _number(0))
    for start in range(0, len(data), _STEP):
        check = _put(stored, deflate.compress(view[start : start + _STEP]), check)
    check = _put(stored, deflate.flush() + _number(zlib.crc32(data)) + _number(len(data)), check)
    stored.seek(len(_HEADER))
    stored.write(_number(check))
    return stored.getvalue()


def _put(stored: io.BytesIO, piece: bytes, check: int) -> int:
    stored.write(piece)
    return zlib.crc32(piece, check)


def unpack(stored: bytes) -> bytes:
    """Decompress what :func:`pack` gave.

    Raises
    ------
    ValueError
        For anything else, other gzip files among it.
    """
    start = len(_HEADER) + 4
    body = memoryview(stored)[start:]
    if stored[:start] != _HEADER + _number(zlib.crc32(body)):
        raise ValueError("its compressed bytes were changed")
    try:
        # With the size it ends at, zlib needs no second buffer; what is stored there may be a lie.
        size = min(int.from_bytes(body[-4:], "little"), _MOST * len(body))
        return zlib.decompress(body, -zlib.MAX_WBITS, max(size, 1))
    except zlib.error as error:
        raise ValueError(f"it does not decompress: {error}") from None


def _number(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")
