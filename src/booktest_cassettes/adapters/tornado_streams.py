"""Streams of tornado: one that reads from the cassette, and the recording of what a real one gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from inspect import isawaitable
from typing import Any

from tornado.iostream import BaseIOStream, UnsatisfiableReadError
from tornado.simple_httpclient import HTTPStreamClosedError

from ..digest import Kind
from ..recording.bodies import Body
from ..recording.model import Failure, Headers, Request, Response, header
from ..session import Session
from .failures import exception_of, failure_of
from .serving import Piece, has_body, kept, read_too_far
from .wire import HUNG_UP, arriving_pieces, dechunk, is_chunked, piece_ends

_CALLBACKS = ("streaming_callback", "header_callback")
_READS = ("read_until_regex", "read_until", "read_bytes")


class CannedStream(BaseIOStream):
    """A connection that answers one request from a cassette.

    A piece becomes readable when the parser waits for it, in a turn of the loop of its own: so the
    parser passes on what it has before it sees the next one, as it does on a live connection.
    """

    def __init__(self, connection: Any, session: Session, request: Request, recorded: Response) -> None:
        super().__init__(connection.max_buffer_size)
        self._connection = connection
        pieces = arriving_pieces(request.method, recorded)
        self._pieces = [memoryview(piece) for piece in reversed(pieces)]
        self._readable = memoryview(b"")
        self._due = False
        self._error: Callable[[], Exception] | None = None
        if recorded.cut:
            self._error = read_too_far(session, request)
        elif recorded.error not in (None, HUNG_UP):
            error = recorded.error
            self._error = lambda: exception_of(error)

    def _add_io_state(self, _state: int) -> None:
        """There is no descriptor to watch: the next piece is ready as soon as it is waited for."""
        if self.reading() and not self._due:
            self._due = True
            self.io_loop.add_callback(self._turn)

    def _turn(self) -> None:
        self._due = False
        if self.closed() or not self.reading():
            return
        if self._pieces:
            self._readable = self._pieces.pop()
        elif self._error is not None:
            error = self._error()
            self._connection._handle_exception(type(error), error, None)  # as tornado's timeouts do
            return
        else:
            self.close()  # the server's end
            return
        try:
            self._handle_read()
        except UnsatisfiableReadError as error:
            self.close(exc_info=error)
        if not self.closed():
            self._add_io_state(self.io_loop.READ)

    def read_from_fd(self, buf: Any) -> int | None:
        """The next bytes of the piece that is readable, ``None`` when the next one is due."""
        count = min(len(buf), len(self._readable))
        buf[:count] = self._readable[:count]
        self._readable = self._readable[count:]
        return count or None

    def write_to_fd(self, data: memoryview) -> int:
        """Swallow request bytes."""
        return len(data)

    def close_fd(self) -> None:
        """Nothing to close."""


class Recording:
    """One exchange on a real connection."""

    def __init__(self, session: Session, clean: Request, connection: Any) -> None:
        self.session = session
        self.slot = session.traffic[Kind.HTTP].record(clean)
        self.slot.unfinished = self._so_far
        self._method = clean.method
        self._connection = connection
        self._stream: Any = None
        self._heads: list[bytes] = []
        self._data: list[bytes] = []
        self._ended = False
        self._stopped = False
        self._told = connection.final_callback
        connection.final_callback = self._tell
        for name in _CALLBACKS:
            if (callback := getattr(connection.request, name)) is not None:
                setattr(connection.request, name, self._calling(callback))

    def watch(self, stream: Any) -> Any:
        """Keep what the parser takes from a stream."""
        self._stream = stream
        for name in _READS:
            setattr(stream, name, self._taking(getattr(stream, name)))
        stream.read_from_fd = self._noticing_the_end(stream.read_from_fd)
        stream.close = self._closing(stream.close)
        return stream

    def cancelled(self) -> None:
        """The loop ended: without an answer there is nothing to keep."""
        self._stopped = True
        if self._stream is not None:
            self._stream.close()  # tornado leaves that to the collector
        if not self._answered():
            self.slot.drop()

    def _taking(self, read: Any) -> Any:
        @wraps(read)
        def taking(*args: Any, **options: Any) -> Any:
            future = read(*args, **options)
            taken = self._heads if read.__name__ == "read_until_regex" else self._data
            if future.done():  # the parser may go on before a callback runs
                _take(future, taken)
            else:
                future.add_done_callback(lambda done: _take(done, taken))
            return future

        return taking

    def _noticing_the_end(self, read_from_fd: Any) -> Any:
        @wraps(read_from_fd)
        def noticing(buf: Any) -> int | None:
            count: int | None = read_from_fd(buf)
            self._ended = self._ended or count == 0
            return count

        return noticing

    def _calling(self, callback: Any) -> Any:
        """A callback of the user's; one that raises stops its request."""

        @wraps(callback)
        def calling(*args: Any) -> Any:
            try:
                result = callback(*args)
            except Exception:
                self._stopped = True
                raise
            return self._awaiting(result) if isawaitable(result) else result

        return calling

    async def _awaiting(self, result: Any) -> None:
        try:
            await result
        except Exception:
            self._stopped = True
            raise

    def _closing(self, close: Any) -> Any:
        @wraps(close)
        def closing(*args: Any, **options: Any) -> None:
            close(*args, **options)
            # The next hop is no concurrent request. What comes out of the queue now is one: the client
            # is told later.
            if self._connection._should_follow_redirect():
                self.slot.settle()

        return closing

    def _tell(self, response: Any) -> None:
        """Where all ends: what the client is told. A redirect is told of when the last hop is."""
        if self._answered():
            self.slot.finish(self._outcome(response.error))
        else:
            self.slot.finish(failure_of(response.error))
        self._told(response)

    def _answered(self) -> bool:
        if not self._heads:
            return False
        status = self._head()[0]
        return status >= 200 and status == self._connection.code  # else the parser did not take it

    def _head(self) -> tuple[int, str, str, Headers]:
        start, headers = head_lines(self._heads[-1])
        version, _, status = start.partition(" ")
        code, _, reason = status.partition(" ")
        return int(code) if code.isdigit() else 0, reason, version, headers

    def _so_far(self) -> Response | None:
        return self._outcome(None) if self._answered() else None

    def _outcome(self, told: BaseException | None) -> Response:
        """The response as far as the parser took it."""
        status, reason, version, headers = self._head()
        data = b"".join(self._data)
        parts: list[Piece] = [data]
        complete = self._ended
        length = header(headers, "content-length")
        if is_chunked(headers):
            parts, complete = dechunk(data)
        elif length.isdigit():
            complete = len(data) >= int(length)
        recorded = Response(
            status=status,
            reason=reason,
            http_version=version,
            headers=headers,
            body=Body.from_wire(b"".join(parts), header(headers, "content-encoding")),
            splits=tuple(piece_ends(parts)),
        )
        if complete or not has_body(self._method, recorded):
            return kept(self.session, recorded)
        error = self._broken_off(told)
        return kept(self.session, replace(recorded, cut=error is None, error=error))

    def _broken_off(self, told: BaseException | None) -> Failure | None:
        """What ended a body before its time; ``None`` where that was the client itself."""
        if told is None or self._stopped:
            return None
        if self._ended and isinstance(told, HTTPStreamClosedError):
            return HUNG_UP
        return failure_of(told)


def _take(done: Any, taken: list[bytes]) -> None:
    if not done.cancelled() and done.exception() is None:
        taken.append(done.result())


def head_lines(head: bytes) -> tuple[str, Headers]:
    """The first line of a message and its headers, as they were on the wire."""
    start, *lines = head.decode("latin-1").strip("\r\n").replace("\r\n", "\n").split("\n")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in " \t" and headers:  # folded
            headers[-1] = headers[-1][0], f"{headers[-1][1]} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            headers.append((name, value.strip(" \t")))
    return start, tuple(headers)
