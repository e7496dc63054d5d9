"""HTTP/1 on the wire: a canned answer for http.client to parse, and a tee on a real one.

Replayed bytes go through the client's own parser, so status, version, header order, chunking, early
ends and decoding come out as they did live.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from ..recording.bodies import Body
from ..recording.model import Failure, Headers, Response, header
from .failures import failure_of
from .serving import Piece, has_body, served_headers, wire_pieces

_CRLF = b"\r\n"
#: What ended a body that the server left unfinished by closing the connection: no exception of the
#: socket's, so the client makes its own of it.
HUNG_UP = Failure("builtins.EOFError", "the server closed the connection early")


class CannedSocket:
    """A socket that swallows what is sent and answers from memory.

    Parameters
    ----------
    pieces:
        The answer as it arrives, piece by piece.
    at_end:
        Gives the exception to raise when everything is read and more is asked for.
    """

    def __init__(self, pieces: Iterable[Piece], at_end: Callable[[], Exception] | None = None) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._at_end = at_end

    def makefile(self, _mode: str = "rb", buffering: int = -1, **_options: Any) -> io.IOBase:
        """What http.client reads the answer from; one made later goes on where the last one stopped."""
        raw = _Reader(self.recv_into)
        return raw if buffering == 0 else io.BufferedReader(raw)

    def recv_into(self, buffer: Any) -> int:
        """The next bytes, at most the rest of a piece."""
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._piece))
        if not count and self._at_end and len(buffer):
            raise self._at_end()
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def fileno(self) -> int:
        """Always readable: botocore polls for an early answer to ``Expect: 100-continue``."""
        return _readable()

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


@cache
def _readable() -> int:
    return os.open(os.devnull, os.O_RDONLY)


class _Reader(io.RawIOBase):
    def __init__(self, receive: Callable[[Any], int]) -> None:
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._receive(buffer)


def answer_pieces(method: str, response: Response) -> list[Piece]:
    """A recorded response as HTTP/1 bytes: its head, and its body as that is delivered."""
    parts = wire_pieces(response) if has_body(method, response) else []
    headers = served_headers(method, response, sum(map(len, parts)))
    found: list[Piece] = [_head(response, headers), *parts]
    if is_chunked(headers) and has_body(method, response):
        found[1:] = [b"".join((b"%x\r\n" % len(part), part, _CRLF)) for part in parts]
        if not (response.cut or response.error):
            found.append(b"0\r\n\r\n")
    return found


def arriving_pieces(method: str, response: Response) -> list[Piece]:
    """:func:`answer_pieces` as they come in over a connection: at once, where the answer is no stream."""
    found = answer_pieces(method, response)
    ends = 1 if is_chunked(response.headers) else 0
    if len(found) <= 2 + ends and not (response.cut or response.error):
        return [b"".join(found)]
    return found


def _head(response: Response, headers: Headers) -> bytes:
    version = response.http_version if response.http_version.startswith("HTTP/1") else "HTTP/1.1"
    lines = [
        f"{version} {response.status} {response.reason}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def is_chunked(headers: Headers) -> bool:
    """Whether the body is in chunks on the wire."""
    return "chunked" in header(headers, "transfer-encoding").lower()


def teed(response: Any, done: Callable[[TeeBody], None]) -> None:
    """Have a response that is about to begin keep a copy of what is read of its body.

    Parameters
    ----------
    response:
        An http.client response, of whatever class its connection uses.
    done:
        Called once, when the body is done with.
    """

    def begin() -> None:
        del response.begin  # back to the class's own
        response.begin()
        if response.fp is not None:
            response.fp = TeeBody(response.fp, response, done)

    response.begin = begin


class TeeBody:
    """The file http.client reads a body from, keeping a copy of every byte."""

    def __init__(self, fp: Any, response: Any, done: Callable[[TeeBody], None]) -> None:
        self._fp = fp
        self._done: Callable[[TeeBody], None] | None = done
        # Not the response itself: in a cycle its socket would be collected before it is closed.
        self._head = Response(
            status=response.status,
            reason=response.reason,
            http_version="HTTP/1.0" if response.version == 10 else "HTTP/1.1",
            headers=tuple(response.headers.items()),
        )
        self.declared = response.length
        self.chunked = bool(response.chunked)
        self._data = io.BytesIO()  # gives its bytes away without a copy
        self.ended = False
        self.error: Failure | None = None

    def read(self, amount: int | None = -1) -> bytes:
        """See io.BufferedReader."""
        data = self._keep(self._fp.read, amount)
        # Unlike read1(), read() only gives less than it was asked for where there is no more.
        self.ended = self.ended or amount is None or amount < 0 or len(data) < amount
        return data

    def read1(self, amount: int = -1) -> bytes:
        """See io.BufferedReader."""
        return self._keep(self._fp.read1, amount)

    def readline(self, limit: int = -1) -> bytes:
        """See io.BufferedReader."""
        return self._keep(self._fp.readline, limit)

    def readinto(self, buffer: Any) -> int:
        """See io.BufferedReader."""
        data = self.read(len(buffer))
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
        self._data.write(data)
        return data

    def outcome(self) -> Response:
        """The response as far as it was read."""
        data = self._data.getvalue()
        if self.chunked:
            parts, complete = dechunk(data)
        else:
            parts = [data]
            complete = self.ended if self.declared is None else len(data) >= self.declared
        error = HUNG_UP if self.ended and not (complete or self.error) else self.error
        wire = b"".join(parts)
        return replace(
            self._head,
            body=Body.from_wire(wire, header(self._head.headers, "content-encoding")),
            splits=tuple(piece_ends(parts)) if self.chunked else (),
            cut=not complete and error is None,
            error=error,
        )


def piece_ends(parts: list[Piece]) -> Iterator[int]:
    """Where pieces end in the whole, the last one left out: a response's ``splits``."""
    position = 0
    for part in parts[:-1]:
        position += len(part)
        yield position


def dechunk(data: bytes) -> tuple[list[Piece], bool]:
    """The chunks of a chunked body as far as it is there, and whether its last one is."""
    parts: list[Piece] = []
    position = 0
    while (end := data.find(_CRLF, position)) >= 0:
        try:
            size = int(data[position:end].partition(b";")[0], 16)
        except ValueError:
            break
        if size == 0:
            return parts, True
        part = memoryview(data)[end + 2 : end + 2 + size]
        if part:
            parts.append(part)
        position = end + 2 + size + 2
    return parts, False
