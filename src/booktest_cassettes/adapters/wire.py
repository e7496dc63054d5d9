"""HTTP/1 on the wire: a canned answer for http.client to parse, and a tee on a real one.

Replayed bytes go through the client's own parser, so status, version, header order, chunking, early
ends and decoding come out as they did live.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterator
from typing import Any

from ..recording.bodies import Body
from ..recording.model import Failure, Headers, Response, header
from .failures import failure_of
from .serving import has_body, served_headers, wire_pieces

_CRLF = b"\r\n"


class CannedSocket:
    """A socket that swallows what is sent and answers from memory.

    Parameters
    ----------
    data:
        The whole answer as bytes.
    at_end:
        Gives the exception to raise when everything is read and more is asked for.
    """

    def __init__(self, data: bytes, at_end: Callable[[], Exception] | None = None) -> None:
        self._data = data
        self._at_end = at_end

    def makefile(self, *_args: Any, **_options: Any) -> io.BufferedReader:
        """What http.client reads the answer from."""
        return io.BufferedReader(_Reader(self._data, self._at_end))

    def sendall(self, _data: Any) -> None:
        """Swallow request bytes."""

    def close(self) -> None:
        """Nothing to close."""

    def settimeout(self, _value: float | None) -> None:
        """Nothing ever waits."""

    def gettimeout(self) -> None:
        """Nothing ever waits."""

    def setsockopt(self, *_args: Any) -> None:
        """No options."""

    def shutdown(self, _how: int) -> None:
        """Nothing to shut down."""


class _Reader(io.RawIOBase):
    def __init__(self, data: bytes, at_end: Callable[[], Exception] | None) -> None:
        self._data = memoryview(data)
        self._at_end = at_end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), len(self._data))
        if not count and self._at_end and len(buffer):
            raise self._at_end()
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


def answer_bytes(method: str, response: Response) -> bytes:
    """A recorded response as HTTP/1 bytes; the pieces of a chunked one as its chunks."""
    parts = wire_pieces(response) if has_body(method, response) else []
    headers = served_headers(method, response, sum(map(len, parts)))
    version = response.http_version if response.http_version.startswith("HTTP/1") else "HTTP/1.1"
    lines = [
        f"{version} {response.status} {response.reason}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if not is_chunked(headers) or not has_body(method, response):
        return head + b"".join(parts)
    whole = not (response.cut or response.error)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return head + chunks + (b"0\r\n\r\n" if whole else b"")


def is_chunked(headers: Headers) -> bool:
    """Whether the body is in chunks on the wire."""
    return "chunked" in header(headers, "transfer-encoding").lower()


class TeeResponse(http.client.HTTPResponse):
    """An http.client response that tells what was read of its body.

    ``taken`` is set by whoever makes it; it is called once, when the body is done with.
    """

    taken: Callable[[TeeBody], None]
    tee: TeeBody | None = None

    def begin(self) -> None:
        super().begin()
        fp: Any = self.fp
        if fp is not None:
            self.tee = TeeBody(fp, self, self.taken)
            self.fp = self.tee  # type: ignore[assignment]


class TeeBody:
    """The file http.client reads a body from, keeping a copy of every byte."""

    def __init__(self, fp: Any, response: TeeResponse, done: Callable[[TeeBody], None]) -> None:
        self._fp = fp
        self._done: Callable[[TeeBody], None] | None = done
        self.response = response
        self.declared = response.length
        self.chunked = bool(response.chunked)
        self.data = bytearray()
        self.ended = False
        self.error: Failure | None = None

    def read(self, amount: int | None = -1) -> bytes:
        """See io.BufferedReader."""
        return self._keep(self._fp.read, amount)

    def read1(self, amount: int = -1) -> bytes:
        """See io.BufferedReader."""
        return self._keep(self._fp.read1, amount)

    def readline(self, limit: int = -1) -> bytes:
        """See io.BufferedReader."""
        return self._keep(self._fp.readline, limit)

    def readinto(self, buffer: Any) -> int:
        """See io.BufferedReader."""
        data = self._keep(self._fp.read, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def peek(self, amount: int = 0) -> bytes:
        """See io.BufferedReader; what is only peeked at is not read yet."""
        found: bytes = self._fp.peek(amount)
        return found

    def close(self) -> None:
        """Close, and report once."""
        self._fp.close()
        self.report()

    def report(self) -> None:
        """Tell the recorder that nothing more will be read."""
        done, self._done = self._done, None
        if done is not None:
            done(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fp, name)

    def _keep(self, read: Callable[[Any], bytes], amount: Any) -> bytes:
        try:
            data = read(amount)
        except Exception as error:
            self.error = failure_of(error)
            self.report()
            raise
        self.ended = self.ended or (not data and amount != 0)
        self.data += data
        return data

    def outcome(self) -> Response:
        """The response as far as it was read."""
        response = self.response
        if self.chunked:
            parts, complete = dechunk(bytes(self.data))
        else:
            parts = [bytes(self.data)]
            complete = self.ended if self.declared is None else len(self.data) >= self.declared
        wire = b"".join(parts)
        headers = tuple((name, value) for name, value in response.headers.items())
        return Response(
            status=response.status,
            reason=response.reason,
            http_version="HTTP/1.0" if response.version == 10 else "HTTP/1.1",
            headers=headers,
            body=Body.from_wire(wire, header(headers, "content-encoding")),
            splits=tuple(_ends(parts)) if self.chunked else (),
            cut=not complete and self.error is None,
            error=self.error,
        )


def _ends(parts: list[bytes]) -> Iterator[int]:
    position = 0
    for part in parts[:-1]:
        position += len(part)
        yield position


def dechunk(data: bytes) -> tuple[list[bytes], bool]:
    """The chunks of a chunked body as far as it is there, and whether its last one is."""
    parts: list[bytes] = []
    position = 0
    while (end := data.find(_CRLF, position)) >= 0:
        try:
            size = int(data[position:end].partition(b";")[0], 16)
        except ValueError:
            break
        if size == 0:
            return parts, True
        part = data[end + 2 : end + 2 + size]
        if part:
            parts.append(part)
        position = end + 2 + size + 2
    return parts, False
