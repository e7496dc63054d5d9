"""A look inside bodies that are kept as they were on the wire, for redaction.

`bodies.Body` only opens what it can close again to the same bytes. A secret inside the rest (a
stream that was cut or broke, several gzip members, stacked codings, brotli, zstd) must not be written
down either: then secrecy comes before the exact bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .bodies import Body, Coding

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_NAMES = ("gzip", "x-gzip")


@dataclass(frozen=True, slots=True)
class Opened:
    """What is inside a sealed body.

    Attributes
    ----------
    content:
        What can be read of it: all of it, or what comes before the place where it is cut or broken.
    codings:
        What it is wrapped in, outermost last.
    """

    content: bytes
    codings: tuple[str, ...]

    def closed(self, content: bytes) -> Body:
        """Other content in the same codings, complete."""
        *inner, last = self.codings
        for coding in inner:
            content = _CLOSE[coding](content)
        return Body(content, Coding("gzip")) if last in _GZIP_NAMES else Body(_CLOSE[last](content))


def look_inside(wire: bytes, content_encoding: str) -> Opened | None:
    """Open what a client could read, as far as it can be read.

    ``None`` where there is nothing to open: no coding, an unknown one, or one whose library is not
    installed (then the client cannot read it either).

    Parameters
    ----------
    wire:
        The body; the content of a gzip file is looked at without any header saying so.
    content_encoding:
        The ``Content-Encoding`` header.
    """
    named = [part.strip().lower() for part in content_encoding.split(",")]
    codings = tuple(coding for coding in named if coding not in ("", "identity"))
    if not codings and wire.startswith(_GZIP_MAGIC):
        codings = ("gzip",)
    if not codings or not all(coding in _OPEN for coding in codings):
        return None
    content = wire
    for coding in reversed(codings):
        content = _OPEN[coding](content)
    return Opened(content, codings) if content else None


def _inflate(data: bytes, window: int) -> bytes:
    """Every member of a stream, up to the first byte that does not decode."""
    found = []
    while data:
        decompress = zlib.decompressobj(window)
        try:
            found.append(decompress.decompress(data))
        except zlib.error:
            found.append(_readable_start(data, window))
            break
        data = decompress.unused_data
    return b"".join(found)


def _readable_start(data: bytes, window: int) -> bytes:
    """The content before the place where a stream breaks: zlib gives none when it meets an error."""
    low, high = 0, len(data)
    content = b""
    while low < high:
        middle = (low + high + 1) // 2
        try:
            content = zlib.decompressobj(window).decompress(data[:middle])
            low = middle
        except zlib.error:
            high = middle - 1
    return content


def _inflate_either(data: bytes) -> bytes:
    return _inflate(data, 15) or _inflate(data, -15)


def _library(*names: str) -> Any:
    """The first of these modules that is installed; they differ in nothing that is used here."""
    for name in names:
        with suppress(ImportError):
            return import_module(name)
    raise ImportError(f"none of {', '.join(names)} is installed")


def _brotli() -> Any:
    return _library("brotli", "brotlicffi")


def _zstd() -> Any:
    return _library("compression.zstd", "backports.zstd", "zstandard")


def _open_brotli(data: bytes) -> bytes:
    try:
        return bytes(_brotli().Decompressor().process(data))
    except Exception:  # noqa: BLE001 - not installed, or its own error for a broken stream
        return b""


def _open_zstd(data: bytes) -> bytes:
    try:
        decompressor = _zstd().ZstdDecompressor()
        if hasattr(decompressor, "decompressobj"):  # zstandard's own decompress() wants whole frames
            decompressor = decompressor.decompressobj()
        return bytes(decompressor.decompress(data))
    except Exception:  # noqa: BLE001 - not installed, or its own error for a broken stream
        return b""


def _close_zstd(content: bytes) -> bytes:
    zstd = _zstd()
    compress = zstd.ZstdCompressor().compress if zstd.__name__ == "zstandard" else zstd.compress
    return bytes(compress(content))


_OPEN: dict[str, Callable[[bytes], bytes]] = {
    **dict.fromkeys(_GZIP_NAMES, lambda data: _inflate(data, 31)),
    "deflate": _inflate_either,
    "br": _open_brotli,
    "zstd": _open_zstd,
}
_CLOSE: dict[str, Callable[[bytes], bytes]] = {
    **dict.fromkeys(_GZIP_NAMES, Coding("gzip").encode),
    "deflate": Coding("zlib").encode,
    "br": lambda content: bytes(_brotli().compress(content)),
    "zstd": _close_zstd,
}
