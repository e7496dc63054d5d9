"""vcrpy's connection stubs, asking the current session instead of a cassette object of their own.

vcrpy knows how to stand in for a connection: it gathers what a client says on it, knows its absolute
URI and passes attributes through. What it does not do, we add: the answer is parsed by the client's
own code from recorded bytes (vcrpy's response stub decodes nothing, forgets the version and cannot
be cut short), recorded streams reach the client while they arrive, and no global is reset on the way
(``force_reset`` lets other threads' requests through; see FACTS in ADR-0002).
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from functools import cache
from typing import Any

from vcr.request import Request as VcrRequest
from vcr.stubs import VCRConnection, VCRHTTPConnection, VCRHTTPSConnection

from ..digest import Kind
from ..recording.model import Failure, Request, Response
from ..session import Session
from .connections import Interceptor, real_connections
from .failures import exception_of, failure_of
from .serving import kept, read_too_far, session_for
from .wire import CannedSocket, TeeBody, TeeResponse, answer_bytes

_PLAIN_BODIES = (bytes, str, bytearray, memoryview, type(None))


@cache
def stand_in_class(cls: type) -> type:
    """The stand-in for a connection class; a vcrpy stub of the user's own is left as it is."""
    if issubclass(cls, VCRConnection):
        return cls
    stub = VCRHTTPSConnection if issubclass(cls, http.client.HTTPSConnection) else VCRHTTPConnection
    return type(f"Cassette{cls.__name__}", (StandIn, stub, cls), {"_baseclass": cls})


class StandIn(Interceptor, VCRConnection):  # type: ignore[misc] # vcrpy ships no types
    """A connection whose requests belong to the current session."""

    _baseclass: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        with real_connections():
            self.real_connection = self._baseclass(*args, **options)
        self._sock = None

    # -- what the client says --------------------------------------------------------------------

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        """Gather a whole request; it is sent or answered in getresponse()."""
        super().request(method, url, body, headers)
        self._said = (url, body, headers, options)

    def putrequest(self, method: str, url: str, *_args: Any, **_options: Any) -> None:
        """Begin a request that is said piece by piece."""
        super().putrequest(method, url)
        self._said = (url, ..., None, {})

    def connect(self, *_args: Any, **_options: Any) -> None:
        """Nothing yet: a real connection is opened when a request is really sent."""

    @property
    def is_connected(self) -> bool:
        """urllib3 asks before it reuses an idle connection."""
        return self.real_connection.sock is not None and bool(self.real_connection.is_connected)

    def _real_host(self) -> str:
        host = str(super()._real_host())
        return f"[{host}]" if ":" in host and not host.startswith("[") else host

    # -- what it gets ----------------------------------------------------------------------------

    def getresponse(self, *_args: Any, **_options: Any) -> Any:
        """The recorded answer, or the real one while it is recorded.

        Raises
        ------
        UnhandledRequest, SnapshotMissing
            In strict replay, for a request that is not in the cassette.
        """
        request = model_request(self._vcr_request)
        session = session_for(request.url)
        if session is None:
            return self._exchange()
        traffic = session.traffic[Kind.HTTP]
        clean = traffic.clean(request)
        item = traffic.play(clean)
        if item is not None:
            return self._replay(session, clean, item.outcome)
        if session.strict:
            raise session.miss(Kind.HTTP, clean)
        return self._record(session, clean)

    def _replay(self, session: Session, request: Request, outcome: Response | Failure) -> Any:
        if isinstance(outcome, Failure):
            raise exception_of(outcome, self._urllib3_exception)
        at_end: Callable[[], Exception] | None = None
        if outcome.cut:
            at_end = read_too_far(session, request)
        elif outcome.error is not None:
            error = outcome.error
            at_end = lambda: exception_of(error)  # noqa: E731
        connection = self.real_connection
        connection.sock = CannedSocket(answer_bytes(request.method, outcome), at_end)
        try:
            return self._exchange()
        finally:
            connection.sock = None  # the answer keeps what it needs; the next request starts anew

    def _record(self, session: Session, request: Request) -> Any:
        traffic = session.traffic[Kind.HTTP]
        slot = traffic.record(request)

        def taken(tee: TeeBody) -> None:
            slot.finish(kept(session, tee.outcome()))

        def make_response(*args: Any, **options: Any) -> TeeResponse:
            response = TeeResponse(*args, **options)
            response.taken = taken
            slot.unfinished = lambda: kept(session, response.tee.outcome()) if response.tee else None
            return response

        self.real_connection.response_class = make_response
        try:
            return self._exchange()
        except Exception as error:
            slot.finish(failure_of(error))
            raise
        except BaseException:
            traffic.drop(slot)
            raise
        finally:
            del self.real_connection.response_class

    def _exchange(self) -> Any:
        """Say the request on the real connection, to its socket whatever that is, and get the answer."""
        url, body, headers, options = self._said
        if not isinstance(body, _PLAIN_BODIES):
            body = self._vcr_request.body_bytes
        if headers is None:
            headers = dict(self._vcr_request.headers)
        with real_connections():
            self.real_connection.request(self._vcr_request.method, url, body, headers, **options)
            return self.real_connection.getresponse()

    def _urllib3_exception(self, kind: type[Exception], message: str) -> Exception:
        if not kind.__module__.startswith("urllib3."):
            return exception_of(Failure(f"{kind.__module__}.{kind.__qualname__}", message))
        text = message.rpartition(": ")[2] if kind.__name__ == "NewConnectionError" else message
        try:
            return kind(self.real_connection, text)  # most of its errors name the connection first
        except TypeError:
            return exception_of(Failure(f"{kind.__module__}.{kind.__qualname__}", message))


def model_request(request: VcrRequest) -> Request:
    """vcrpy's request as ours."""
    body = request.body_bytes or b""
    return Request(
        method=request.method,
        url=request.uri,
        headers=tuple((_text(name), _text(value)) for name, value in request.headers.items()),
        body=bytes(body),
    )


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
