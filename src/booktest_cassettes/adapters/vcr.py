"""vcrpy's connection stubs, asking the current session instead of a cassette object of their own.

vcrpy knows how to stand in for a connection: it knows its absolute URI and passes attributes
through. What it does not do, we add: a request is sent or answered when the client says it, so that
errors come where they came live; the answer is parsed by the client's own code from recorded bytes
(vcrpy's response stub decodes nothing, forgets the version and cannot be cut short); recorded streams
reach the client while they arrive; and no global is reset on the way (``force_reset`` lets other
threads' requests through; see FACTS in ADR-0002).
"""

from __future__ import annotations

import http.client
import io
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from vcr.request import Request as VcrRequest
from vcr.stubs import VCRConnection, VCRFakeSocket, VCRHTTPConnection, VCRHTTPSConnection

from ..digest import Kind
from ..recording.model import Failure, Headers, Request, Response
from ..session import Session
from ..traffic import Slot
from .connections import Interceptor, real_connections
from .failures import exception_of, failure_of
from .serving import kept, read_too_far, refusal, session_for
from .wire import HUNG_UP, CannedSocket, TeeBody, answer_pieces, teed

_OWN = frozenset({"_get", "_said", "_sock", "real_connection"})
#: The other name of TimeoutError: one from before the request was sent, which urllib wraps in URLError.
_CONNECT_TIMEOUT = "socket.timeout"
#: Classes that can only come from connecting. Where a request is said, urllib wraps them.
_CONNECT_ERRORS = frozenset(
    {
        _CONNECT_TIMEOUT,
        "builtins.OSError",
        "builtins.ConnectionRefusedError",
        "socket.gaierror",
        "ssl.SSLError",
        "ssl.SSLCertVerificationError",
    }
)


@cache
def stand_in_class(cls: Any) -> type:
    """The stand-in for a connection class; a vcrpy stub of the user's own is left as it is."""
    if issubclass(cls, VCRConnection):
        return cls  # type: ignore[no-any-return]
    # By port: urllib3's HTTPS connection is no http.client.HTTPSConnection.
    stub = VCRHTTPSConnection if cls.default_port == http.client.HTTPS_PORT else VCRHTTPConnection
    return type(f"Cassette{cls.__name__}", (StandIn, stub, cls), {"_baseclass": cls})


def become_stand_in(connection: Any) -> None:
    """Turn a connection that was made outside of cassettes into the stand-in for what it was."""
    kind: Any = type(connection)
    real = object.__new__(kind)
    real.__dict__.update(connection.__dict__)
    connection.__dict__.clear()
    connection.__class__ = stand_in_class(kind)
    connection.stand_in_for(real)


class StandIn(Interceptor, VCRConnection):  # type: ignore[misc] # vcrpy ships no types
    """A connection whose requests belong to the current session."""

    _baseclass: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        with real_connections():
            self.stand_in_for(self._baseclass(*args, **options))

    def stand_in_for(self, real: Any) -> None:
        """Begin; ``real`` is used for what goes to the network, and to parse answers."""
        self.real_connection = real
        self._sock = None
        self._said: _PieceByPiece | None = None
        self._get: Callable[[], Any] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        """What a client sets is for the real connection, too; what we set is not."""
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # -- what the client says --------------------------------------------------------------------

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        """Send or look up a whole request.

        Raises
        ------
        UnhandledRequest, SnapshotMissing
            In strict replay, for a request that is not in the cassette.
        """
        self._check_idle()
        headers = headers or {}
        content, body = self._read(body)
        pairs = tuple((_text(name), _text(value)) for name, value in headers.items())
        made = Request(method, self._uri(url), pairs, content)
        self._ask(made, lambda real: real.request(method, url, body, headers, **options))

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
        """Begin a request that is said piece by piece."""
        self._check_idle()
        self._sock = VCRFakeSocket()
        self._said = _PieceByPiece(method, self._uri(url))
        self._said.calls.append(lambda real: real.putrequest(method, url, *args, **options))

    def putheader(self, header: Any, *values: Any) -> None:
        """One header."""
        self._pieces.headers += [(_text(header), _text(value)) for value in values]
        self._pieces.calls.append(lambda real: real.putheader(header, *values))

    def endheaders(self, message_body: Any = None, **options: Any) -> None:
        """The last header, and maybe the body."""
        said = self._pieces
        content, body = self._read(message_body)
        said.body += content
        said.calls.append(lambda real: real.endheaders(body, **options))

    def send(self, data: Any) -> None:
        """A piece of the body."""
        said = self._pieces
        content, body = self._read(data)
        said.body += content
        said.calls.append(lambda real: real.send(body))

    def close(self) -> None:
        """Forget what was said, and close."""
        self._said = self._get = None
        super().close()

    @property
    def _pieces(self) -> _PieceByPiece:
        if self._said is None:
            raise http.client.CannotSendHeader
        return self._said

    def _check_idle(self) -> None:
        # http.client's own check, made before the cassette is asked.
        if self._said is not None or self._get is not None:
            raise http.client.CannotSendRequest("Request-started" if self._said else "Request-sent")

    def _read(self, body: Any) -> tuple[bytes, Any]:
        """A body's bytes, and the body in a form that can still be sent."""
        if isinstance(body, str):
            return self._encode(body), body
        if body is None or isinstance(body, (bytes, bytearray, memoryview)):
            return bytes(body or b""), body
        if hasattr(body, "read"):
            data = body.read()
            if isinstance(data, str):
                return self._encode(data), io.StringIO(data)
            return data, io.BytesIO(data)
        parts = [self._encode(part) if isinstance(part, str) else bytes(part) for part in body]
        return b"".join(parts), iter(parts)

    def _encode(self, text: str) -> bytes:
        # http.client sends text as latin-1 (and refuses what is not); urllib3 as UTF-8.
        plain = self._baseclass.request is http.client.HTTPConnection.request
        return text.encode("latin-1", "replace") if plain else text.encode("utf-8")

    def connect(self, *_args: Any, **_options: Any) -> None:
        """Nothing yet: a real connection is opened when a request is really sent."""

    @property
    def is_connected(self) -> bool:
        """urllib3 asks before it reuses an idle connection; one that never was open cannot be lost."""
        return self.real_connection.sock is None or bool(self.real_connection.is_connected)

    def _real_host(self) -> str:
        host = str(super()._real_host())
        return f"[{host}]" if ":" in host and not host.startswith("[") else host

    # -- what it gets ----------------------------------------------------------------------------

    def getresponse(self, *_args: Any, **_options: Any) -> Any:
        """The recorded answer, or the real one while it is recorded; raises as request() does."""
        said, self._said = self._said, None
        if said is not None:
            self._ask(said.request(), said.say)
        get, self._get = self._get or self._get_from_real, None
        return get()

    def _ask(self, request: Request, say: Callable[[Any], None]) -> None:
        """Say a request, to the cassette or to the real connection, and know where the answer is."""
        self._sock = VCRFakeSocket()
        session = session_for(request.url)
        if session is None:
            with real_connections():
                say(self.real_connection)
            self._get = self._get_from_real
            return
        traffic = session.traffic[Kind.HTTP]
        clean = traffic.clean(request)
        item = traffic.play(clean)
        if item is not None:
            self._replay(session, clean, item.outcome, say)
        elif refused := refusal(session, Kind.HTTP, clean):
            raise refused
        else:
            self._record(session, traffic.record(clean), say)

    def _get_from_real(self) -> Any:
        with real_connections():
            return self.real_connection.getresponse()

    def _replay(
        self, session: Session, request: Request, outcome: Response | Failure, say: Callable[[Any], None]
    ) -> None:
        if isinstance(outcome, Failure):
            error = exception_of(outcome, self._build)
            self._get = partial(_raise, error)
            if outcome.type in _CONNECT_ERRORS:
                raise error
            return
        at_end: Callable[[], Exception] | None = None
        if outcome.cut:
            at_end = read_too_far(session, request)
        elif outcome.error not in (None, HUNG_UP):
            at_end = partial(exception_of, outcome.error)
        connection = self.real_connection
        real, canned = connection.sock, CannedSocket(answer_pieces(request.method, outcome), at_end)

        def get() -> Any:
            connection.sock = canned
            try:
                return self._get_from_real()
            finally:
                connection.sock = real  # the answer keeps what it needs

        connection.sock = canned
        try:
            with real_connections():
                say(connection)
        finally:
            connection.sock = real
        self._get = get

    def _record(self, session: Session, slot: Slot, say: Callable[[Any], None]) -> None:
        try:
            with real_connections():
                say(self.real_connection)
        except Exception as error:
            # urllib3 still looks for an answer after a broken pipe: that would be the outcome.
            failure = self._failure(error)
            if type(error) is TimeoutError:
                failure = replace(failure, type=_CONNECT_TIMEOUT)
            slot.unfinished = lambda: failure
            slot.settle()
            self._get = partial(self._get_recorded, session, slot)
            raise
        except BaseException:
            slot.drop()
            raise
        self._get = partial(self._get_recorded, session, slot)

    def _get_recorded(self, session: Session, slot: Slot) -> Any:
        connection = self.real_connection
        own = connection.__dict__.get("response_class")  # botocore sets one for some requests
        make = connection.response_class

        def taken(tee: TeeBody) -> None:
            slot.finish(kept(session, tee.outcome()))

        def make_response(*args: Any, **options: Any) -> Any:
            response = make(*args, **options)
            teed(response, taken)
            alive = weakref.ref(response)  # one that is gone has closed its body
            slot.unfinished = lambda: _so_far(session, alive())
            return response

        connection.response_class = make_response
        try:
            return self._get_from_real()
        except Exception as error:
            slot.finish(self._failure(error))
            raise
        except BaseException:
            slot.drop()
            raise
        finally:
            del connection.response_class
            if own is not None:
                connection.response_class = own

    def _failure(self, error: Exception) -> Failure:
        if not type(error).__module__.startswith("urllib3."):
            return failure_of(error)
        from .pools import own_text

        return replace(failure_of(error), message=own_text(error))

    def _build(self, kind: type[Exception], message: str) -> Exception:
        if not kind.__module__.startswith("urllib3."):
            return exception_of(Failure(f"{kind.__module__}.{kind.__qualname__}", message))
        from .pools import rebuilt

        return rebuilt(kind, message, self.real_connection)


class _PieceByPiece:
    """A request said through putrequest, putheader, endheaders and send."""

    def __init__(self, method: str, url: str) -> None:
        self.calls: list[Callable[[Any], None]] = []
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self._method = method
        self._url = url

    def request(self) -> Request:
        """The whole of it."""
        return Request(self._method, self._url, tuple(self.headers), self.body)

    def say(self, real: Any) -> None:
        """Say it all again."""
        for call in self.calls:
            call(real)


def model_request(request: VcrRequest) -> Request:
    """vcrpy's request as ours."""
    headers: Headers = tuple((_text(name), _text(value)) for name, value in request.headers.items())
    return Request(request.method, request.uri, headers, bytes(request.body_bytes or b""))


def _so_far(session: Session, response: Any) -> Response | None:
    """What the client has read of a response that it has neither finished nor closed."""
    body = getattr(response, "fp", None)
    return kept(session, body.outcome()) if isinstance(body, TeeBody) else None


def _raise(error: Exception) -> Any:
    raise error


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
