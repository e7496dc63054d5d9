"""What no cassette can hold, refused where it is told a URL.

Websockets are no exchange of requests and answers; clients such as curl_cffi open no socket that Python
knows of, so that neither a recording nor the guard sees them. Both are refused in every mode, on this
machine too: passed over in silence they would be live in a replay. ``allow_hosts`` lets them
through, but for pycurl, whose handles do not say where they go.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from ..active import current
from ..errors import CassetteError, UnhandledRequest
from ..session import Session
from .serving import session_for

#: CURLOPT_URL, the same number in every libcurl.
_CURLOPT_URL = 10002
_UrlOf = Callable[..., Any]


def _first(url: Any, *_rest: Any) -> Any:
    return url


def _second(_owner: Any, url: Any, *_rest: Any) -> Any:
    return url


def _own(owner: Any) -> Any:
    return owner.uri


def _of_request(_owner: Any, request: Any, *_rest: Any) -> Any:
    return request.url


def _of_option(_owner: Any, option: int, value: Any) -> Any:
    return value if option == _CURLOPT_URL else None


#: Where a client learns its URL: a function or method of a module, and how to find the URL in its arguments.
_WEBSOCKETS: dict[str, tuple[str, _UrlOf]] = {
    "websocket._core": ("WebSocket.connect", _second),
    "websockets.asyncio.client": ("connect.__await__", _own),
    "websockets.legacy.client": ("parse_uri", _first),
    "websockets.sync.client": ("parse_uri", _first),
    "websockets.trio.client": ("parse_uri", _first),
}
_FOREIGN: dict[str, tuple[str, _UrlOf]] = {
    "curl_cffi.curl": ("Curl.setopt", _of_option),
    "niquests.async_session": ("AsyncSession.send", _of_request),
    "niquests.sessions": ("Session.send", _of_request),
}


def install(module: str) -> None:
    """Make a module of the tables above, or pycurl, refuse what belongs to a cassette.

    Raises
    ------
    CassetteError
        When it has no such function: this version of it is unknown.
    """
    if module == "pycurl":
        sys.modules[module].Curl = _refusing_handles(sys.modules[module].Curl)  # type: ignore[attr-defined]
        return
    path, url_of = {**_WEBSOCKETS, **_FOREIGN}[module]
    refusal = _websocket if module in _WEBSOCKETS else _foreign(module.partition(".")[0])
    parent, _, name = path.rpartition(".")
    owner: Any = sys.modules[module]
    try:
        owner = attrgetter(parent)(owner) if parent else owner
        setattr(owner, name, _refusing(getattr(owner, name), url_of, refusal))
    except AttributeError as error:
        raise CassetteError(f"cannot watch {module}.{path}: this version of it is unknown") from error


def refuse_upgrade(session: Session, url: str, headers: Mapping[str, str]) -> None:
    """Refuse a request that asks for a websocket."""
    if headers.get("Upgrade", "").lower() == "websocket":
        raise session.refuse(_websocket(session, url))


def _refusing(
    original: Callable[..., Any], url_of: _UrlOf, refusal: Callable[[Session, str], CassetteError]
) -> Callable[..., Any]:
    @wraps(original)
    def refusing(*args: Any, **options: Any) -> Any:
        url = _text(url_of(*args)) if current() is not None else ""
        session = session_for(url) if url else None
        if session is not None:
            raise session.refuse(refusal(session, url))
        return original(*args, **options)

    return refusing


def _refusing_handles(original: Any) -> Callable[[], Any]:
    """pycurl's class cannot be changed, and a handle does not tell its URL: none is made in a cassette."""

    @wraps(original, updated=())
    def make_handle() -> Any:
        session = current()
        if session is not None:
            raise session.refuse(
                UnhandledRequest(
                    f"{session.test_id}: pycurl was used, which bypasses Python's sockets:"
                    " no cassette can record or replay it",
                    hint="another client, or pycurl outside of the cassette",
                )
            )
        return original()

    return make_handle


def _websocket(session: Session, url: str) -> CassetteError:
    return UnhandledRequest(
        f"{session.test_id}: {url} is a websocket, which a cassette cannot hold",
        hint=f'allow_hosts=["{urlsplit(url).hostname}"] to let it pass, to a fake server for example',
    )


def _foreign(client: str) -> Callable[[Session, str], CassetteError]:
    def refusal(session: Session, url: str) -> CassetteError:
        return UnhandledRequest(
            f"{session.test_id}: {url} is asked through {client}, which no adapter knows:"
            " no cassette can record or replay it",
            hint=f'another client, or allow_hosts=["{urlsplit(url).hostname}"] to let it pass',
        )

    return refusal


def _text(url: Any) -> str:
    return url.decode("latin-1") if isinstance(url, bytes) else str(url or "")
