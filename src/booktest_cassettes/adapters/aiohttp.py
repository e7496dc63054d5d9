"""aiohttp's client (kind ``http``): intercepted where it asks its connector for a connection.

At that seam a request is whole and everything above it is aiohttp's own: redirects, cookies, retries,
decoding, ``raise_for_status``, streams. A replay gets a connection whose bytes come from the cassette
and go through aiohttp's parser; a recording keeps the bytes of the real one. vcrpy's aiohttp stub
builds a response object of its own instead, which knows no stream, version, raw header or exception
(ADR-0002).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import wraps
from typing import Any

from aiohttp.client_exceptions import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientResponseError,
    ConnectionTimeoutError,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import BaseConnector, Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.payload import BytesPayload

from ..digest import Kind
from ..recording.model import Failure, Interaction, Request
from ..session import Session
from . import seams
from .aiohttp_bodies import CannedConnection, CannedHandler, Recording
from .bypassing import refuse_upgrade
from .cancelling import CANCELLED, cancelled_again, gave_up
from .failures import exception_of, failure_of
from .serving import refusal, session_for

_TIMED_OUT = Failure("builtins.TimeoutError", "")


def install(_module: str) -> None:
    """Patch the connector, and the two places where a recording sees what came of it."""
    seams.replace(BaseConnector, "connect", _connect)
    seams.replace(ClientResponse, "start", _start)
    # On the class, not on an instance: uvloop binds these methods when it makes a connection.
    seams.replace(ResponseHandler, "data_received", _data_received)
    seams.replace(ResponseHandler, "connection_lost", _connection_lost)


def _connect(original: Any) -> Any:
    @wraps(original)
    async def connect(connector: Any, req: ClientRequest, *args: Any, **options: Any) -> Connection:
        session = session_for(str(req.url))
        if session is None:
            return await original(connector, req, *args, **options)  # type: ignore[no-any-return]
        refuse_upgrade(session, str(req.url), req.headers)
        traffic = session.traffic[Kind.HTTP]
        clean = traffic.clean(await _model_request(req))
        item = traffic.play(clean)
        if item is not None:
            if item.outcome == CANCELLED:
                await cancelled_again(session, clean)
            return _replayed(session, connector, req, clean, item)
        if refused := refusal(session, Kind.HTTP, clean):
            raise refused
        recording = Recording(session, clean)
        try:
            connection: Connection = await original(connector, req, *args, **options)
        except Exception as error:
            recording.failed(_connect_failure(error, req))
            raise
        except BaseException as error:
            # aiohttp's total timeout cancels its task, and makes a TimeoutError of that further up.
            if getattr(req._timer, "_cancelled", False):
                recording.failed(_TIMED_OUT)
            else:
                gave_up(recording.slot, error)
            raise
        recording.watch(connection)
        return connection

    return connect


def _replayed(
    session: Session, connector: Any, req: ClientRequest, clean: Request, item: Interaction
) -> Connection:
    outcome = item.outcome
    handler = CannedHandler(req)
    if isinstance(outcome, Failure):
        error = exception_of(outcome, lambda kind, message: _build(kind, message, req))
        if isinstance(error, (ClientConnectorError, ConnectionTimeoutError)):
            raise error
        handler.set_exception(error)
    else:
        handler.will_answer(session, clean, outcome)
    return CannedConnection(connector, req.connection_key, handler, handler._loop)


async def _model_request(req: ClientRequest) -> Request:
    headers = tuple((str(name), str(value)) for name, value in req.headers.items())
    return Request(req.method, str(req.url), headers, await _content(req))


async def _content(req: ClientRequest) -> bytes:
    """The body's bytes; it can still be sent afterwards, even if it can be read only once."""
    body: Any = req.body
    if not body:
        return b""
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if hasattr(body, "as_bytes"):  # aiohttp 3.12 and later; it keeps what it reads
        return bytes(await body.as_bytes())
    content = _Collector()
    await body.write(content)
    req.body = BytesPayload(bytes(content.data))
    return bytes(content.data)


class _Collector:
    """Takes what a payload writes to a connection."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, chunk: bytes) -> None:
        self.data += chunk


def _connect_failure(error: Exception, req: ClientRequest) -> Failure:
    if isinstance(error, ClientConnectorError):
        # Its own text repeats the request; what went wrong is the error inside.
        inner = getattr(error, "certificate_error", None) or error.os_error
        return replace(failure_of(inner), type=failure_of(error).type)
    if isinstance(error, asyncio.TimeoutError):  # what aiohttp itself makes of it, one level up
        return failure_of(ConnectionTimeoutError(f"Connection timeout to host {req.url}"))
    return failure_of(error)


def _answer_failure(error: Exception) -> Failure:
    cause = error.__cause__
    if isinstance(error, ClientResponseError) and isinstance(cause, HttpProcessingError):
        kind = HttpProcessingError
        return Failure(f"{kind.__module__}.{kind.__qualname__}", cause.message)
    return failure_of(error)


def _build(kind: type[Exception], message: str, req: ClientRequest) -> Exception:
    if issubclass(kind, ClientConnectorError):
        inner: Any = exception_of(Failure("builtins.OSError", message))
        if inner.errno is None:
            secure = (
                "SSLCertVerificationError"
                if issubclass(kind, ClientConnectorCertificateError)
                else "SSLError"
            )
            inner = exception_of(Failure(f"ssl.{secure}", message))
        return kind(req.connection_key, inner)
    if issubclass(kind, HttpProcessingError):
        return kind(code=400, message=message)  # the code of everything its parser refuses
    return exception_of(Failure(f"{kind.__module__}.{kind.__qualname__}", message))


def _start(original: Any) -> Any:
    @wraps(original)
    async def start(response: ClientResponse, connection: Connection) -> Any:
        recording = Recording.of(connection.protocol)
        if recording is None:
            return await original(response, connection)
        try:
            started = await original(response, connection)
        except Exception as error:
            recording.failed(_answer_failure(error))
            raise
        except BaseException as error:
            gave_up(recording.slot, error)
            raise
        recording.begin(response)
        return started

    return start


def _data_received(original: Any) -> Any:
    @wraps(original)
    def data_received(handler: ResponseHandler, data: bytes) -> None:
        recording = Recording.of(handler)
        if recording is not None:
            recording.data += data
        original(handler, data)

    return data_received


def _connection_lost(original: Any) -> Any:
    @wraps(original)
    def connection_lost(handler: ResponseHandler, exc: BaseException | None) -> None:
        recording = Recording.of(handler)
        original(handler, exc)
        if recording is not None:
            recording.lost(exc)

    return connection_lost
