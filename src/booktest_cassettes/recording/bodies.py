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
from typing import Any

_WINDOWS = {"gzip": 31, "zlib": 15, "deflate": -15}
_READINGS = {"gzip": ("gzip",), "x-gzip": ("gzip",), "deflate": ("zlib", "deflate")}
_GZIP_HEADER_SIZE = 10
_GZIP_SPEED = 8  # where the header says fastest (4) or best (2)
_ANY_OS = b"\xff"
_LEVELS = (6, 5, 4, 3, 2, 7, 8, 9, 1, 0)  # where several give the same bytes, the one the header fits
_LIKELY = {2: (9, *_LEVELS), 4: (1, 0, *_LEVELS)}
_TRIAL = 131_072  # bytes of content; a wrong level mostly shows itself in the first of them
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
LINE_TYPES = ("application/x-ndjson", "application/jsonl", "application/json-seq", "application/x-jsonlines")
_AWS_JSON = "application/x-amz-json"


@dataclass(frozen=True, slots=True)
class Coding:
    """How content becomes wire bytes: ``gzip``, ``zlib`` or raw ``deflate``, with zlib's parameters."""

    name: str
    level: int = 6
    memory: int = 8

    def encode(self, content: bytes) -> bytes:
        """Compress; the same content gives the same bytes under one zlib."""
        press = self._press()
        parts = [press.compress(content), press.flush()]
        if self.name == "gzip":  # the header is whole in the part that has anything, zlib writes it at once
            at = 0 if parts[0] else 1
            start = parts[at][: _GZIP_HEADER_SIZE - 1] + _ANY_OS
            parts[at : at + 1] = [start, memoryview(parts[at])[_GZIP_HEADER_SIZE:]]
        return b"".join(parts)

    def gives(self, content: bytes, wire: bytes) -> bool:
        """Whether encoding ``content`` gives these bytes, a gzip header aside."""
        skip = _GZIP_HEADER_SIZE if self.name == "gzip" else 0
        if not self.level:  # what is only stored is cut where compress() was called
            return self.encode(content)[skip:] == wire[skip:]
        press, position = self._press(), 0
        for start in range(0, len(content) + 1, _TRIAL):
            given: bytes = press.compress(memoryview(content)[start : start + _TRIAL])
            if start + _TRIAL > len(content):
                given += press.flush()
            behind = max(0, skip - position)
            if not wire.startswith(given[behind:], position + behind):
                return False
            position += len(given)
        return position == len(wire)

    def _press(self) -> Any:
        return zlib.compressobj(self.level, zlib.DEFLATED, _WINDOWS[self.name], self.memory)


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
        for name in _READINGS.get(coding, ()) if wire else ():
            content = _decode(wire, name)
            if content is not None:
                return cls(content, _recipe(name, wire, content))
        return cls(wire)


def _decode(wire: bytes, name: str) -> bytes | None:
    """The content, or ``None`` where the stream is broken, cut or followed by something else."""
    decompress = zlib.decompressobj(_WINDOWS[name])
    try:
        content: bytes = decompress.decompress(wire)
        rest = decompress.flush()
    except zlib.error:
        return None
    if not decompress.eof or decompress.unused_data:
        return None
    return content + rest if rest else content


def _recipe(name: str, wire: bytes, content: bytes) -> Coding:
    """The parameters that give exactly these bytes (a gzip header aside), or zlib's defaults."""
    levels = _LIKELY.get(wire[_GZIP_SPEED], _LEVELS) if name == "gzip" else _LEVELS
    for memory in (8, 9):
        for level in levels:
            coding = Coding(name, level, memory)
            if coding.gives(content, wire):
                return coding
    return Coding(name)


def media_type(content_type: str) -> str:
    """``application/json`` out of ``Application/JSON; charset=utf-8``."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether a content type says JSON (RFC 6839's ``+json`` and AWS's own name included)."""
    kind = media_type(content_type)
    return kind in ("application/json", "text/json") or kind.endswith("+json") or kind.startswith(_AWS_JSON)


def pieces(body: Body, content_type: str, splits: tuple[int, ...] = ()) -> list[bytes]:
    """How a body is delivered on replay.

    Event streams come event by event and line-delimited JSON line by line, whatever TCP did; other
    bodies come whole; ``splits`` (recorded with ``chunks = "exact"``) are followed where they are.
    Together the pieces are the wire bytes, whatever ``splits`` says.
    """
    wire = body.wire
    if splits:
        return _cut(wire, sorted(end for end in splits if 0 < end < len(wire)))
    if body.coding is None:
        kind = media_type(content_type)
        if kind == "text/event-stream":
            return _cut(wire, [match.end() for match in _EVENT_END.finditer(wire)])
        if kind in LINE_TYPES:
            return wire.splitlines(keepends=True)
    return [wire] if wire else []


def _cut(data: bytes, ends: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *ends, len(data)]) if b > a]
