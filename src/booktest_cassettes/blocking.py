"""``block_network``: no connection of a test, to this machine neither, but to the hosts it allows.

Not the guard of strict replay (`guard`), which lets this machine pass and fails a test that hides a
refusal: this raises what pytest-recording raises, and no more.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from .errors import CassetteError, UsageError
from .guard import address_of

_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKUPS = ("socket.gethostbyname", "socket.gethostbyaddr", "socket.getaddrinfo")


class NetworkBlocked(CassetteError, RuntimeError):
    """A connection in a test that is marked ``block_network``."""


class _Block:
    """What one test may reach."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._allowed = re.compile("|".join(f"(?:{host})" for host in hosts)) if hosts else None
        #: What allowed names resolved to.
        self.addresses: set[str] = set()

    def allows(self, host: str) -> bool:
        """Whether a name or address may be connected to; as pytest-recording, by its beginning."""
        return host in self.addresses or (self._allowed is not None and self._allowed.match(host) is not None)


_blocks: list[_Block] = []
_installed: list[bool] = []
_lock = threading.Lock()


@contextmanager
def blocked(allowed_hosts: Sequence[str] = ()) -> Iterator[None]:
    """Refuse connections from any thread.

    Parameters
    ----------
    allowed_hosts:
        Regular expressions, matched with the beginning of a host's name or address.

    Raises
    ------
    UsageError
        When one is no regular expression.
    """
    try:
        block = _Block(allowed_hosts)
    except re.error as error:
        raise UsageError(
            f"allowed_hosts={list(allowed_hosts)}: {error}", hint="regular expressions"
        ) from error
    _install()
    _blocks.append(block)
    try:
        yield
    finally:
        _blocks.remove(block)


def check_mark(args: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise UsageError for what the ``block_network`` mark does not take."""
    if args or set(options) - {"allowed_hosts"}:
        given = ", ".join([*map(repr, args), *(f"{name}=..." for name in options)])
        raise UsageError(
            f"block_network({given}): it takes allowed_hosts only",
            hint='@pytest.mark.block_network(allowed_hosts=["api.*"])',
        )


def _install() -> None:
    with _lock:
        if _installed:
            return
        _installed.append(True)
        sys.addaudithook(_hook)
        socket.getaddrinfo = _remembering(socket.getaddrinfo)
        for name in ("connect", "connect_ex"):
            setattr(socket.socket, name, _checking(getattr(socket.socket, name)))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _blocks:
        return
    if event in _EVENTS:
        _check(arguments[-1])
    elif event in _LOOKUPS and not address_of(arguments[0]):
        _check((arguments[0], 0))


def _check(address: Any) -> None:
    """Refuse ``(host, port...)``; other addresses are files and pipes."""
    block = _blocks[-1] if _blocks else None
    if block is None or not isinstance(address, tuple) or len(address) < 2:
        return
    host = address[0].decode("ascii", "replace") if isinstance(address[0], bytes) else address[0]
    if isinstance(host, str) and host and not block.allows(host):
        raise NetworkBlocked(f"Network is disabled for host {host!r}")


def _checking(method: Any) -> Any:
    """Refuses a name before it is looked up."""

    @wraps(method)
    def checked(sock: socket.socket, address: Any) -> Any:
        if _blocks:
            _check(address)
        return method(sock, address)

    return checked


def _remembering(look_up: Any) -> Any:
    @wraps(look_up)
    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        found = look_up(host, *rest, **options)
        if _blocks and isinstance(host, str) and _blocks[-1].allows(host):
            _blocks[-1].addresses.update(entry[4][0] for entry in found)
        return found

    return getaddrinfo
