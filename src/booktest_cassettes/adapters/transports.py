"""Transports of other people's making that open connections of their own: refused, not passed over.

What a transport does between a client's request and its answer is its own affair: it may retry, cache,
make an answer up, or ask another client, whose adapter sees the request then. But when it connects
to where the request goes, and no adapter has seen the request, its traffic would be in no recording
and a replay would be live (ADR-0008).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from ..errors import UnhandledRequest
from ..guard import address_of, is_local
from . import seams
from .serving import Sending, sending, session_for

_SEND = "_send_single_request"
_PORTS = {"http": 80, "https": 443}
_watched: list[bool] = []


def install(module: str) -> None:
    """Watch what the clients of ``httpx`` or ``httpx2`` send, and where sockets connect meanwhile.

    Raises
    ------
    CassetteError
        When this version of the library sends in another way.
    """
    library = sys.modules[module]
    seams.replace(library.Client, _SEND, _sync_send)
    seams.replace(library.AsyncClient, _SEND, _async_send)
    if not _watched:
        _watched.append(True)
        for name in ("connect", "connect_ex"):
            setattr(socket.socket, name, _checking(getattr(socket.socket, name)))


def _sync_send(original: Any) -> Any:
    @wraps(original)
    def send(client: Any, request: Any) -> Any:
        token = sending.set(_sending(client, request))
        try:
            return original(client, request)
        finally:
            sending.reset(token)

    return send


def _async_send(original: Any) -> Any:
    @wraps(original)
    async def send(client: Any, request: Any) -> Any:
        token = sending.set(_sending(client, request))
        try:
            return await original(client, request)
        finally:
            with suppress(ValueError):  # a cancelled request may be finished off in another context
                sending.reset(token)

    return send


def _sending(client: Any, request: Any) -> Sending | None:
    session = session_for(str(request.url))
    return None if session is None else Sending(session, request, client)


def _checking(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of sockets that refuses to connect to where an unseen request goes."""

    @wraps(method)
    def checked(sock: socket.socket, address: Any, *rest: Any) -> Any:
        under_way = sending.get()
        if under_way is not None and isinstance(address, tuple) and _is_unseen(under_way, address):
            sock.close()  # its maker expects an OSError, and closes it only then
            raise under_way.session.refuse(_refusal(under_way))
        return method(sock, address, *rest)

    return checked


def _is_unseen(under_way: Sending, address: tuple[Any, ...]) -> bool:
    """Whether this leads to where the request goes, and no adapter was asked about anything there."""
    url = str(under_way.request.url)
    return _leads_to(url, address) and not any(_leads_to(asked, address) for asked in under_way.asked)


def _leads_to(url: str, address: tuple[Any, ...]) -> bool:
    """Whether ``(host, port)`` is where a URL leads. A name leads to another machine, or to this one."""
    parts = urlsplit(url)
    if address[1] != (parts.port or _PORTS.get(parts.scheme)):
        return False
    wanted, found = (parts.hostname or "").rstrip("."), str(address[0]).rstrip(".").lower()
    if wanted == found:
        return True
    one, other = address_of(wanted), address_of(found)
    if one is not None and other is not None:
        return one == other
    return is_local(wanted) == is_local(found)


def _refusal(unseen: Sending) -> UnhandledRequest:
    request = unseen.request
    transport = type(unseen.client._transport_for_url(request.url))
    name = f"{transport.__module__}.{transport.__qualname__}"
    return UnhandledRequest(
        f"{unseen.session.test_id}: {request.method} {request.url} goes through {name},"
        " which opens connections of its own: no cassette can record or replay it",
        hint=f'httpx.HTTPTransport inside of it, or allow_hosts=["{request.url.host}"] to let it pass',
    )
