"""tornado's simple client (kind ``http``): intercepted where a connection asks for its stream.

Above that seam everything is tornado's own: its HTTP/1 parser, redirects, decompression, callbacks,
limits and timeouts. A replay gets a stream that reads from the cassette; a recording keeps what the
parser took from the real one. What the client was told in the end (its ``final_callback``) is what is
recorded where there was no answer.
"""

from __future__ import annotations

import copy
import string
from asyncio import CancelledError
from contextvars import copy_context
from functools import wraps
from typing import Any
from urllib.parse import quote, urlsplit

from tornado.concurrent import Future
from tornado.httpclient import _RequestProxy
from tornado.iostream import BaseIOStream
from tornado.simple_httpclient import SimpleAsyncHTTPClient, _HTTPConnection

from ..active import current
from ..digest import Kind
from ..recording.model import Failure, Request
from . import seams
from .bypassing import refuse_upgrade
from .failures import exception_of
from .serving import refusal, session_for
from .tornado_streams import CannedStream, Recording, head_lines

_CONTEXT = "cassette_context"


def install(_module: str) -> None:
    """Patch where requests enter the client, leave its queue, and run."""
    seams.replace(SimpleAsyncHTTPClient, "fetch_impl", _fetch_impl)
    seams.replace(SimpleAsyncHTTPClient, "_handle_request", _handle_request)
    seams.replace(_HTTPConnection, "run", _run)


def _fetch_impl(original: Any) -> Any:
    @wraps(original)
    def fetch_impl(client: Any, request: Any, callback: Any) -> None:
        if current() is not None:
            setattr(request, _CONTEXT, copy_context())
        original(client, request, callback)

    return fetch_impl


def _handle_request(original: Any) -> Any:
    """A request leaves the queue where another one ends: in that one's context, unless we see to it."""

    @wraps(original)
    def handle_request(client: Any, request: Any, *callbacks: Any) -> None:
        context = vars(request).pop(_CONTEXT, None)
        if context is None:
            original(client, request, *callbacks)
        else:
            context.run(original, client, request, *callbacks)

    return handle_request


def _run(original: Any) -> Any:
    @wraps(original)
    async def run(connection: Any) -> None:
        if current() is None:
            await original(connection)
            return
        connection.tcp_client = connector = _Connector(connection)
        try:
            await original(connection)
        except CancelledError:
            connector.cancelled()
            raise

    return run


class _Connector:
    """Stands in for the TCP client of one connection, and asks the cassette when it is asked to connect."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._real = connection.tcp_client
        self._recording: Recording | None = None

    async def connect(self, host: str, port: int, **options: Any) -> Any:
        """A stream that answers from the cassette, or the real one while it is recorded.

        Raises
        ------
        UnhandledRequest, SnapshotMissing
            In strict replay, for a request that is not in the cassette.
        """
        connection = self._connection
        url = _bare(connection.request.url)
        session = session_for(url)
        if session is None:
            return await self._real.connect(host, port, **options)
        refuse_upgrade(session, url, connection.request.headers)
        traffic = session.traffic[Kind.HTTP]
        clean = traffic.clean(await _model_request(connection))
        item = traffic.play(clean)
        if item is None and (refused := refusal(session, Kind.HTTP, clean)):
            raise refused
        if item is None:
            self._recording = Recording(session, clean, connection)
            return self._recording.watch(await self._real.connect(host, port, **options))
        if isinstance(item.outcome, Failure):
            raise exception_of(item.outcome)
        return CannedStream(connection, session, clean, item.outcome)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def cancelled(self) -> None:
        """The loop ended under a request."""
        if self._recording is not None:
            self._recording.cancelled()


def _bare(url: str) -> str:
    """A URL without user, password and fragment: none of them is sent as part of it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[-1], fragment="").geturl()


async def _model_request(connection: Any) -> Request:
    """The request as it will be said; raises what tornado raises where it would not say it."""
    request = connection.request
    start, headers = head_lines(await _Rehearsal(connection).head())
    parts = urlsplit(_bare(request.url))
    target = start.removeprefix(f"{request.method} ").removesuffix(" HTTP/1.1")
    target = quote(target, string.punctuation, "latin-1")  # tornado sends what it is given as UTF-8
    return Request(
        request.method, f"{parts.scheme}://{parts.netloc}{target}", headers, await _content(request)
    )


async def _content(request: Any) -> bytes:
    """The body's bytes. A producer is run now, and what it produced is sent later in the same pieces."""
    if request.body is not None or request.body_producer is None:
        return bytes(request.body or b"")
    pieces: list[bytes] = []

    def keep(piece: bytes) -> Future[None]:
        pieces.append(bytes(piece))
        written: Future[None] = Future()
        written.set_result(None)
        return written

    async def produce_again(write: Any) -> None:
        for piece in pieces:
            await write(piece)

    produced = request.body_producer(keep)
    if produced is not None:
        await produced
    request.body_producer = produce_again  # on the proxy of this fetch; a redirect runs the user's own again
    return b"".join(pieces)


class _Said(Exception):
    """The head of a request, as it would go to the network."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.head = head


class _Rehearsal(_HTTPConnection):
    """Says a request to nobody, to learn from tornado's own code what its head will be."""

    run = _HTTPConnection.run  # as it was before install()

    def __init__(self, connection: Any) -> None:
        self.__dict__.update(connection.__dict__)
        request = copy.copy(connection.request.request)
        request.headers = copy.deepcopy(connection.request.headers)  # its copy() refuses what fetch() takes
        request.connect_timeout = request.request_timeout = 0  # sets no timers
        self.request: Any = _RequestProxy(request, connection.request.defaults)
        self.tcp_client: Any = self
        self._outcome: Any = None

    async def head(self) -> bytes:
        """The head's bytes."""
        await self.run()
        if not isinstance(self._outcome, _Said):
            raise self._outcome
        return self._outcome.head

    async def connect(self, *_args: Any, **_options: Any) -> _Listener:
        """What a TCP client does."""
        return _Listener()

    def _get_ssl_options(self, scheme: str) -> None:
        """Nothing to load: nobody will shake hands."""

    def _handle_exception(self, _kind: Any, value: Any, _trace: Any) -> bool:
        self._outcome = value
        return True


class _Listener(BaseIOStream):
    """A stream that stops its connection at the first thing that is written."""

    def set_close_callback(self, callback: Any) -> None:
        """It is never closed."""

    def write(self, data: Any) -> Any:
        """Hear the head."""
        raise _Said(bytes(data))
