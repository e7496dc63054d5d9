"""Bodies of aiohttp: recorded from the wire as far as the client read them, replayed as it asks for more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn

from aiohttp.client_exceptions import ClientPayloadError, ServerTimeoutError
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.streams import EmptyStreamReader, StreamReader

from ..digest import Kind
from ..recording.bodies import Body
from ..recording.model import Failure, Request, Response, header
from ..session import Session
from .cancelling import CANCELLED, cancelled_again, is_cancellation
from .failures import exception_of, failure_of
from .serving import Piece, kept, read_too_far
from .wire import HUNG_UP, arriving_pieces, dechunk, is_chunked, piece_ends

_ATTRIBUTE = "cassette_recording"
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class CannedTransport(asyncio.Transport):
    """The network side of a connection that has none."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def write(self, data: Any) -> None:
        """Swallow request bytes."""

    def writelines(self, list_of_data: Any) -> None:
        """Swallow request bytes."""

    def is_closing(self) -> bool:
        """Whether close() was called."""
        return self._closing

    def close(self) -> None:
        """Nothing to close."""
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        """Pieces come when they are asked for anyway."""

    resume_reading = pause_reading


class CannedConnection(Connection):
    """A connection that leaves nothing open when it is dropped."""

    def __del__(self, _warnings: object = None) -> None:
        """No warning: an answer that was dropped unread live gave its connection back when it had come in."""


class CannedHandler(ResponseHandler):
    """A connection that answers one request from a cassette."""

    def __init__(self, req: ClientRequest) -> None:
        super().__init__(asyncio.get_running_loop())
        self.connection_made(CannedTransport())
        self.force_close()  # never goes into the connector's pool
        self._req = req
        self._pieces: list[Piece] = []
        self._at_end: Callable[[], None] = lambda: None
        self._waiting: Callable[[], Awaitable[NoReturn]] | None = None

    def will_answer(self, session: Session, request: Request, recorded: Response) -> None:
        """Answer with this response, once the request is sent."""
        self._pieces = arriving_pieces(request.method, recorded)[::-1]
        too_far, error = read_too_far(session, request), recorded.error
        if error == CANCELLED:
            self._waiting = partial(cancelled_again, session, request)

        def at_end() -> None:
            if recorded.cut:
                raise too_far()
            if error is None or error == HUNG_UP:
                self.connection_lost(None)
            elif isinstance(found := exception_of(error), OSError) and not isinstance(found, TimeoutError):
                self.connection_lost(found)
            else:
                raise found

        self._at_end = at_end

    async def read(self) -> Any:
        """The head of the answer (and its body, if that is small)."""
        waiting = self._req._continue
        if waiting is not None and not waiting.done():
            self.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif self._pieces:
            await self._req.close()  # waits until the request's body is sent
            self.more()
        message, payload = await super().read()
        if type(payload) is StreamReader:
            payload.__class__ = PulledReader
        return message, payload

    async def more_or_wait(self) -> None:
        """Receive the next piece, or wait where the client stopped waiting for one."""
        if self._waiting is not None and not self._pieces:
            await self._waiting()
        self.more()

    def more(self) -> None:
        """Receive the next piece."""
        if self._pieces:
            self.data_received(bytes(self._pieces.pop()))
        else:
            self._at_end()


class PulledReader(StreamReader):
    """A body that receives its next piece when its reader waits for one.

    aiohttp's parser makes StreamReaders itself, so a reader becomes one of this class by assignment.
    """

    __slots__ = ()
    _protocol: Any

    async def _wait(self, func_name: str) -> None:  # noqa: ARG002 - aiohttp's signature
        await asyncio.sleep(0)  # others may run here, as they may while a live reader waits
        await self._protocol.more_or_wait()
        if self._exception is not None:
            raise self._exception


class RecordedReader(StreamReader):
    """A live body that tells its recording which exception its reader saw."""

    __slots__ = ()

    async def _wait(self, func_name: str) -> None:
        recording = Recording.of(self._protocol)
        try:
            await super()._wait(func_name)
        except Exception as error:
            if recording is not None and recording.error is None:
                recording.error = failure_of(error)
            raise
        except BaseException as error:
            if recording is not None and is_cancellation(error):
                recording.error = CANCELLED
            raise


class Recording:
    """One exchange on a real connection."""

    def __init__(self, session: Session, clean: Request) -> None:
        self.session = session
        self.slot = session.traffic[Kind.HTTP].record(clean)
        self.data = bytearray()
        self.error: Failure | None = None
        self._response: Any = None

    @staticmethod
    def of(handler: Any) -> Recording | None:
        """The recording that a connection belongs to."""
        found: Recording | None = getattr(handler, _ATTRIBUTE, None)
        return found

    def watch(self, connection: Connection) -> None:
        """See what arrives on a connection until the client gives it back."""
        handler = connection.protocol
        setattr(handler, _ATTRIBUTE, self)

        def settle() -> None:
            setattr(handler, _ATTRIBUTE, None)
            self.slot.settle()

        connection.add_callback(settle)

    def failed(self, failure: Failure) -> None:
        """The client got an exception instead of an answer."""
        self.slot.finish(failure)

    def begin(self, response: Any) -> None:
        """The head is there. How much of the body the client reads shows when the session ends."""
        self._response = response
        if type(response.content) is StreamReader:
            response.content.__class__ = RecordedReader
        self.slot.unfinished = self.outcome

    def lost(self, error: BaseException | None) -> None:
        """The server left; that is the end of a body, or comes too early for one."""
        if self._response is not None and not self._response.content.is_eof():
            self.error = self.error or (failure_of(error) if error else HUNG_UP)

    def outcome(self) -> Response:
        """The response as far as it was read."""
        response, content = self._response, self._response.content
        raw = response.raw_headers
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
        error = self.error
        if error is None and isinstance(content.exception(), ServerTimeoutError):
            error = failure_of(content.exception())
        cut = error is None and not _was_read(content)
        data, self.data = self.data, bytearray()  # asked for once; a big body is not held twice
        parts: list[Piece] = [bytes(memoryview(data)[_head_end(data) :])]
        del data
        if is_chunked(headers):
            parts, _ = dechunk(bytes(parts[0]))
        if cut:
            parts = _first(parts, content._cursor, encoded=bool(header(headers, "content-encoding")))
        version = response.version
        return kept(
            self.session,
            Response(
                status=response.status,
                reason=(response.reason or "").encode("utf-8", "surrogateescape").decode("latin-1"),
                http_version=f"HTTP/{version.major}.{version.minor}",
                headers=headers,
                body=Body.from_wire(b"".join(parts), header(headers, "content-encoding")),
                splits=tuple(piece_ends(parts)),
                cut=cut,
                error=error,
            ),
        )


def _was_read(content: Any) -> bool:
    """Whether the client has seen all there is of a body, or all that its decoder could make of it."""
    if isinstance(content, EmptyStreamReader) or isinstance(content.exception(), ClientPayloadError):
        return True
    return bool(content.is_eof() and content._cursor >= content.total_bytes)


def _head_end(data: bytearray) -> int:
    """Where the body of the final answer begins."""
    start = 0
    while (end := _HEAD_END.search(data, start)) is not None:
        status = data.find(b" ", start) + 1
        interim = data[status : status + 1] == b"1"
        start = end.end()
        if not interim:
            return start
    return len(data)


def _first(parts: list[Piece], count: int, *, encoded: bool) -> list[Piece]:
    """As much of a body as gave the client ``count`` bytes: what else TCP brought along is an accident."""
    if encoded:  # how many bytes went into the decoder for them cannot be known
        return parts if count else []
    found: list[Piece] = []
    for part in parts:
        if count > 0:
            found.append(part[:count])
        count -= len(part)
    return found
