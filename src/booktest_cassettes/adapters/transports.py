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
from ipaddress import ip_address
from typing import Any

from ..errors import CassetteError, UnhandledRequest
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
    for client, patched in ((library.Client, _sync_send), (library.AsyncClient, _async_send)):
        original = getattr(client, _SEND, None)
        if original is None:
            raise CassetteError(f"cannot watch {module}.{client.__name__}.{_SEND}: this version is unknown")
        setattr(client, _SEND, patched(original))
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
    if session is None:
        return None
    transport = type(client._transport_for_url(request.url))
    return Sending(session, request, f"{transport.__module__}.{transport.__qualname__}")


def _checking(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of sockets that refuses to connect to where an unseen request goes."""

    @wraps(method)
    def checked(sock: socket.socket, address: Any, *rest: Any) -> Any:
        unseen = sending.get()
        if unseen is not None and not unseen.seen and _leads_to(unseen.request.url, address):
            sock.close()  # its maker expects an OSError, and closes it only then
            raise unseen.session.refuse(_refusal(unseen))
        return method(sock, address, *rest)

    return checked


def _leads_to(url: Any, address: Any) -> bool:
    """Whether ``(host, port)`` is where a URL leads. A name leads to another machine, or to this one."""
    if not isinstance(address, tuple) or address[1] != (url.port or _PORTS.get(url.scheme)):
        return False
    wanted, found = str(url.host), str(address[0]).partition("%")[0]
    if wanted == found:
        return True
    try:
        local = ip_address(found).is_loopback
    except ValueError:
        return False
    try:
        ip_address(wanted)
    except ValueError:
        return local == (wanted == "localhost" or wanted.endswith(".localhost"))
    return False


def _refusal(unseen: Sending) -> UnhandledRequest:
    request = unseen.request
    return UnhandledRequest(
        f"{unseen.session.test_id}: {request.method} {request.url} goes through {unseen.transport},"
        " which opens connections of its own: no cassette can record or replay it",
        hint=f'httpx.HTTPTransport inside of it, or allow_hosts=["{request.url.host}"] to let it pass',
    )
