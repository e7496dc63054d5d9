"""The only rooms that know HTTP clients, the environment and other people's functions.

:func:`install` arranges that each client is intercepted once per process, from the moment it is
imported; nothing of vcrpy, respx or a client is loaded for a test that does not use it.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable

from .importing import when_imported

_CLIENTS = {
    "urllib3.connectionpool": "pools",
    "aiohttp.client": "aiohttp",
    "tornado.httpclient": "tornado_fetch",
    "tornado.simple_httpclient": "tornado",
    "httpx": "respx",
    "httpx2": "respx",
}
#: What no cassette can hold, see bypassing.py.
_REFUSED = (
    "curl_cffi.curl",
    "niquests.async_session",
    "niquests.sessions",
    "pycurl",
    "websocket._core",
    "websockets.asyncio.client",
    "websockets.legacy.client",
    "websockets.sync.client",
    "websockets.trio.client",
)
_lock = threading.Lock()
_done: list[bool] = []


def install() -> None:
    """Intercept the HTTP clients, those already imported and those to come. Idempotent."""
    with _lock:
        if _done:
            _repair()
            return
        from . import connections

        connections.install()
        for module, room in _CLIENTS.items():
            when_imported(module, _installer(room))
        for module in _REFUSED:
            when_imported(module, _installer("bypassing"))
        _done.append(True)


def _repair() -> None:
    room = sys.modules.get(f"{__name__}.respx")
    if room is not None and hasattr(room, "repair"):  # it is not when another thread is loading it
        room.repair()


def _installer(room: str) -> Callable[[str], None]:
    def install_room(module: str) -> None:
        if room == "respx":  # it imports httpx, whose own hook would meet a room that is only half loaded
            importlib.import_module("httpx")
        importlib.import_module(f".{room}", __name__).install(module)

    return install_room
