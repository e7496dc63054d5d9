"""The only rooms that know HTTP clients, the environment and other people's functions.

:func:`install` arranges that each client is intercepted once per process, from the moment it is
imported; nothing of vcrpy, respx or a client is loaded for a test that does not use it.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable

from .importing import when_imported

_CLIENTS = {
    "urllib3.connectionpool": "pools",
    "aiohttp.client": "aiohttp",
    "tornado.simple_httpclient": "vcr_clients",
    "tornado.curl_httpclient": "vcr_clients",
    "httpx": "respx",
    "httpx2": "respx",
}
_lock = threading.Lock()
_done: list[bool] = []


def install() -> None:
    """Intercept the HTTP clients, those already imported and those to come. Idempotent."""
    with _lock:
        if _done:
            return
        from . import connections

        connections.install()
        for module, room in _CLIENTS.items():
            when_imported(module, _installer(room))
        _done.append(True)


def _installer(room: str) -> Callable[[str], None]:
    def install_room(module: str) -> None:
        importlib.import_module(f".{room}", __name__).install(module)

    return install_room
