"""The network guard: in strict replay no Python-level socket leaves this machine.

An audit hook sees every connect, datagram and look-up of the interpreter, whatever library makes it
and from whatever thread. Loopback and Unix sockets pass (databases, live-server fixtures); so do the
hosts a cassette allows, by name and by the addresses their names resolved to. Sockets check once more
before the interpreter does, because it resolves a name before it raises the event for a connect.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from functools import wraps
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from .active import current
from .errors import NetworkRefused

if TYPE_CHECKING:
    from .session import Session

#: Audit events, and what is refused when they leave the machine.
_EVENTS = {
    "socket.connect": "a connection to",
    "socket.sendto": "a datagram to",
    "socket.sendmsg": "a datagram to",
    "socket.getaddrinfo": "a look-up of",
    "socket.gethostbyname": "a look-up of",
    "socket.gethostbyaddr": "a look-up of",
    "socket.getnameinfo": "a look-up of",
}
#: Those whose first argument is the host, and the second, if there is one, the port.
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
# The machine's own name is looked up by servers that bind to every address (http.server does).
_LOCAL_NAMES = frozenset(
    {"", "localhost", "localhost.localdomain", "ip6-localhost", socket.gethostname().lower()}
)

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
        for name, position in {"connect": 0, "connect_ex": 0, "sendto": -1, "sendmsg": 3}.items():
            if hasattr(socket.socket, name):  # sendmsg is not everywhere
                setattr(socket.socket, name, _checking(getattr(socket.socket, name), position))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    session = current()
    if session is None or not session.strict:
        return
    if event in _LOOKUPS:
        # Looking an address up is the first step of connecting to it: nothing is left open yet.
        event = "socket.connect" if event == "socket.getaddrinfo" and address_of(arguments[0]) else event
        _check(session, event, (*arguments, None))
    else:
        _check(session, event, arguments[-1])


def _checking(method: Callable[..., Any], position: int) -> Callable[..., Any]:
    """A method of sockets that refuses an address before its name is looked up."""

    @wraps(method)
    def checked(sock: socket.socket, *args: Any) -> Any:
        session = current()
        if session is not None and session.strict and len(args) > position:
            event = f"socket.{method.__name__.removesuffix('_ex')}"
            try:
                _check(session, event, args[position])
            except NetworkRefused:
                if event == "socket.connect":
                    sock.close()  # its maker expects an OSError, and closes it only then
                raise
        return method(sock, *args)

    return checked


def _check(session: Session, event: str, address: object) -> None:
    """Refuse ``(host, port)``; no other address leaves this machine (Unix sockets, connected datagrams)."""
    if not isinstance(address, tuple) or len(address) < 2:
        return
    host, port = address[0], address[1] if isinstance(address[1], int) else None
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or is_local(host) or _is_allowed(session, host, port):
        return
    raise session.refuse(refusal(session, event, host, port))


def refusal(session: Session, event: str, host: str, port: int | None) -> NetworkRefused:
    """The error for an address that strict replay does not let through."""
    where = f"{host}:{port}" if port else host
    return NetworkRefused(
        f"{session.test_id}: {_EVENTS[event]} {where} was refused:"
        " replay is strict, nothing leaves this machine",
        hint=f'{session.command} to record it, or allow_hosts=["{host}"] to let it pass',
    )


def is_local(host: str) -> bool:
    """Whether a name or an address leads to this machine."""
    if host.lower() in _LOCAL_NAMES or host.lower().endswith(".localhost"):
        return True
    address = address_of(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def address_of(host: object) -> IPv4Address | IPv6Address | None:
    """The address that ``host`` spells, or ``None`` for a name."""
    if not isinstance(host, str):
        return None
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


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
