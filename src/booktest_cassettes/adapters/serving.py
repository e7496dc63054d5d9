"""What every HTTP adapter does alike: whose request it is, and how an outcome is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from ..active import current
from ..digest import Kind
from ..errors import CassetteError, UnhandledRequest
from ..guard import is_local
from ..recording.bodies import pieces
from ..recording.matching import parse_uri
from ..recording.model import Headers, Request, Response, header
from ..session import Session
from ..traffic import LeftOut

#: A part of a body, or a view of one that is not copied.
Piece = bytes | memoryview
_BIG = 1_048_576  # bytes
_PART = 65_536
_BODILESS = frozenset({204, 304})


@dataclass(slots=True)
class Sending:
    """A request that an httpx client has handed to its transport."""

    session: Session
    request: Any
    client: Any
    #: URLs that adapters were asked about meanwhile: of this request, or of some that the transport made.
    asked: list[str] = field(default_factory=list)


sending: ContextVar[Sending | None] = ContextVar("booktest_cassettes_sending", default=None)


def session_for(url: str) -> Session | None:
    """The session that a request to this URL belongs to, or ``None``: it is none of our business."""
    under_way = sending.get()
    if under_way is not None:
        under_way.asked.append(url)
    session = current()
    if session is None or session.settings.leaves_alone(url):
        return None
    return session


def refusal(session: Session, kind: Kind, request: Request) -> CassetteError | None:
    """What a request that nothing recorded answers is refused with; ``None``: it may be sent."""
    if not session.strict:
        return None
    if not isinstance(request, LeftOut):
        return session.miss(kind, request)
    host = parse_uri(request.url).host
    if is_local(host):
        return None
    return session.refuse(
        UnhandledRequest(
            f"{session.test_id}: {request.method} {request.url} is left out of the recording by"
            " before_record_request, and replay is strict: nothing leaves this machine",
            hint=f'ignore_hosts=["{host}"] to let it pass, or let before_record_request return it',
        )
    )


def kept(session: Session, response: Response) -> Response:
    """A recorded response as the session's settings keep it."""
    return response if session.settings.exact_chunks else replace(response, splits=())


def wire_pieces(response: Response) -> Sequence[Piece]:
    """The body as it is delivered, see :func:`recording.bodies.pieces`; a big one in parts.

    No client gets megabytes in one read, and one that reads them in pieces need not hold them.
    """
    found = pieces(response.body, header(response.headers, "content-type"), response.splits)
    if len(found) != 1 or len(found[0]) < _BIG:
        return found
    view = memoryview(found[0])
    return [view[start : start + _PART] for start in range(0, len(view), _PART)]


def has_body(method: str, response: Response) -> bool:
    """Whether HTTP lets this answer have a body (RFC 9110, 6.4.1)."""
    return method.upper() != "HEAD" and response.status not in _BODILESS and response.status >= 200


def served_headers(method: str, response: Response, length: int) -> Headers:
    """The recorded headers, with a Content-Length that is true for the bytes served.

    It only differs from the recorded one where a body was compressed again by another zlib than the
    server's, or changed by redaction.
    """
    if response.cut or response.error or not has_body(method, response):
        return response.headers
    return tuple(
        (name, str(length)) if name.lower() == "content-length" else (name, value)
        for name, value in response.headers
    )


def read_too_far(session: Session, request: Request) -> Callable[[], CassetteError]:
    """What reading past the end of a cut recording raises."""

    def error() -> CassetteError:
        return session.refuse(
            UnhandledRequest(
                f"{session.test_id}: {request.method} {request.url}: the answer is read further than it was"
                " when it was recorded",
                hint=session.command,
            )
        )

    return error
