"""Bodies: readable content in the blob, wire bytes for the client (ADR-0003).

A gzip or deflate body is kept *decoded*, with the parameters that compress it again, so that it can
be reviewed, redacted and compared, and its timestamp cannot change a digest. Anything else (brotli,
zstd, stacked codings, a stream that does not decode) is kept as it was on the wire.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from itertools import pairwise

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no timestamp, no file name, unknown OS
_LEVELS = (6, 9, 1, 5, 4, 3, 2, 7, 8)
_SEARCH_LIMIT = 1_000_000  # bytes; above it only the common levels are tried
_EVENT_END = re.compile(rb"(?:\r\n\r\n|\n\n|\r\r)")
_LINE_TYPES = ("application/x-ndjson", "application/jsonl", "application/json-seq", "application/x-jsonlines")


@dataclass(frozen=True, slots=True)
class Coding:
    """How content becomes wire bytes: ``gzip``, ``zlib`` or raw ``deflate``, with zlib's parameters."""

    name: str
    level: int = 6
    memory: int = 8

    def encode(self, content: bytes) -> bytes:
        """Compress; the same content gives the same bytes under one zlib."""
        window = 15 if self.name == "zlib" else -15
        press = zlib.compressobj(self.level, zlib.DEFLATED, window, self.memory)
        stream = press.compress(content) + press.flush()
        if self.name != "gzip":
            return stream
        trailer = zlib.crc32(content).to_bytes(4, "little") + (len(content) & 0xFFFFFFFF).to_bytes(
            4, "little"
        )
        return _GZIP_HEADER + stream + trailer


@dataclass(frozen=True, slots=True)
class Body:
    """Content as a person reads it, and the coding it travelled in (``None``: as it is)."""

    content: bytes = b""
    coding: Coding | None = None

    @property
    def wire(self) -> bytes:
        """The bytes a client reads from the connection, transfer coding removed."""
        return self.coding.encode(self.content) if self.coding else self.content

    @classmethod
    def from_wire(cls, wire: bytes, content_encoding: str) -> Body:
        """Open a received body when its coding is one we can close again.

        Parameters
        ----------
        wire:
            Bytes as received, transfer coding removed.
        content_encoding:
            The ``Content-Encoding`` header, ``""`` when there is none.
        """
        coding = content_encoding.strip().lower()
        if not wire or coding not in ("gzip", "x-gzip", "deflate"):
            return cls(wire)
        names = ("zlib", "deflate") if coding == "deflate" else ("gzip",)
        for name in names:
            content = _decode(wire, name)
            if content is not None:
                return cls(content, _recipe(name, wire, content))
        return cls(wire)


def _decode(wire: bytes, name: str) -> bytes | None:
    """The content, or ``None`` where the stream is broken, cut or followed by something else."""
    decompress = zlib.decompressobj({"gzip": 31, "zlib": 15, "deflate": -15}[name])
    try:
        content = decompress.decompress(wire) + decompress.flush()
    except zlib.error:
        return None
    return content if decompress.eof and not decompress.unused_data else None


def _recipe(name: str, wire: bytes, content: bytes) -> Coding:
    """The parameters that give exactly these bytes (a gzip header aside), or zlib's defaults."""
    levels = _LEVELS if len(content) <= _SEARCH_LIMIT else _LEVELS[:3]
    stream = wire[10:] if name == "gzip" else wire
    skip = 10 if name == "gzip" else 0
    for memory in (8, 9):
        for level in levels:
            coding = Coding(name, level, memory)
            if coding.encode(content)[skip:] == stream:
                return coding
    return Coding(name)


def media_type(content_type: str) -> str:
    """``application/json`` out of ``Application/JSON; charset=utf-8``."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether a content type says JSON (RFC 6839's ``+json`` included)."""
    kind = media_type(content_type)
    return kind in ("application/json", "text/json") or kind.endswith("+json")


def pieces(body: Body, content_type: str, splits: tuple[int, ...] = ()) -> list[bytes]:
    """How a body is delivered on replay.

    Event streams come event by event and line-delimited JSON line by line, whatever TCP did; other
    bodies come whole; ``splits`` (recorded with ``chunks = "exact"``) are followed where they are.
    """
    wire = body.wire
    if splits:
        bounds = [0, *splits, len(wire)]
        return [wire[a:b] for a, b in pairwise(bounds) if b > a]
    if body.coding is None:
        kind = media_type(content_type)
        if kind == "text/event-stream":
            return _after(wire, _EVENT_END)
        if kind in _LINE_TYPES:
            return wire.splitlines(keepends=True)
    return [wire] if wire else []


def _after(data: bytes, mark: re.Pattern[bytes]) -> list[bytes]:
    ends = [match.end() for match in mark.finditer(data)]
    bounds = [0, *ends, len(data)]
    return [data[a:b] for a, b in pairwise(bounds) if b > a]
