"""The network guard: in strict replay no Python-level socket leaves this machine.

An audit hook sees every connect, datagram and look-up of the interpreter, whatever library makes it
and from whatever thread. Loopback and Unix sockets pass (databases, live-server fixtures); so do the
hosts a cassette allows, by name and by the addresses their names resolved to.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from .active import current
from .errors import NetworkRefused

if TYPE_CHECKING:
    from .session import Session

_SENDS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_EVENTS = _SENDS | _LOOKUPS
_LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost"})

_lock = threading.Lock()
_installed = False
#: Addresses that names allowed by some cassette resolved to.
_allowed_addresses: set[str] = set()


def install() -> None:
    """Start watching; once per process, since an audit hook cannot be taken back."""
    global _installed  # noqa: PLW0603 - the interpreter's hook list is global too
    with _lock:
        if _installed:
            return
        _installed = True
        sys.addaudithook(_hook)
        socket.getaddrinfo = _remembering(socket.getaddrinfo)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    session = current()
    if session is None or not session.strict:
        return
    host, port = _lookup(arguments) if event in _LOOKUPS else _destination(arguments)
    if host is None or _is_local(host) or _is_allowed(session, host, port):
        return
    if event in _LOOKUPS and _is_address(host):  # nothing is asked of anybody; the connect tells more
        return
    raise session.refuse(refusal(session, event, host, port))


def refusal(session: Session, event: str, host: str, port: int | None) -> NetworkRefused:
    """The error for an address that strict replay does not let through."""
    action = {
        "socket.connect": "a connection",
        "socket.sendto": "a datagram",
        "socket.sendmsg": "a datagram",
    }.get(event, "a name look-up")
    where = f"{host}:{port}" if port else host
    return NetworkRefused(
        f"{session.test_id}: {action} to {where} was refused: replay is strict, nothing leaves this machine",
        hint=f'{session.command} to record it, or allow_hosts=["{host}"] to let it pass',
    )


def _destination(arguments: tuple[Any, ...]) -> tuple[str | None, int | None]:
    """Host and port of ``(socket, address)``; no host for Unix sockets and connected datagrams."""
    address = arguments[1] if len(arguments) > 1 else None
    if not isinstance(address, tuple) or len(address) < 2 or not isinstance(address[0], str):
        return None, None
    return address[0], address[1] if isinstance(address[1], int) else None


def _lookup(arguments: tuple[Any, ...]) -> tuple[str | None, int | None]:
    host = arguments[0] if arguments else None
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    port = arguments[1] if len(arguments) > 1 else None
    return (host if isinstance(host, str) else None), (port if isinstance(port, int) else None)


def _is_local(host: str) -> bool:
    if host.lower() in _LOCAL_NAMES or host.lower().endswith(".localhost"):
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_allowed(session: Session, host: str, port: int | None) -> bool:
    return host in _allowed_addresses or session.settings.allows_host(host.lower(), port)


def _remembering(look_up: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(look_up)
    def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        found = look_up(host, port, *rest, **options)
        session = current()
        if session is not None and session.strict and isinstance(host, str):
            number = port if isinstance(port, int) else None
            if session.settings.allows_host(host.lower(), number):
                _allowed_addresses.update(entry[4][0] for entry in found)
        return found

    return getaddrinfo
