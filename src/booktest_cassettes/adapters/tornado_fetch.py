"""Which of tornado's clients may fetch while a cassette is active: those that are the simple one.

Any other implementation (libcurl is tornado's own other one) sends its requests by means that neither
our streams nor the network guard see, so it is refused before it sends one.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any

from ..errors import UnhandledRequest
from ..session import Session
from . import seams
from .serving import session_for


def install(module: str) -> None:
    """Patch the method that every implementation inherits."""
    seams.replace(sys.modules[module].AsyncHTTPClient, "fetch", _fetch)


def _fetch(original: Any) -> Any:
    @wraps(original)
    def fetch(client: Any, request: Any, *args: Any, **options: Any) -> Any:
        if not _is_simple(client):
            url = request if isinstance(request, str) else request.url
            session = session_for(url)
            if session is not None:
                raise session.refuse(_refusal(session, client, url))
        return original(client, request, *args, **options)

    return fetch


def _is_simple(client: Any) -> bool:
    module: Any = sys.modules.get("tornado.simple_httpclient")
    return module is not None and isinstance(client, module.SimpleAsyncHTTPClient)


def _refusal(session: Session, client: Any, url: str) -> UnhandledRequest:
    kind = type(client)
    return UnhandledRequest(
        f"{session.test_id}: {url} is fetched by {kind.__module__}.{kind.__qualname__},"
        " which a cassette can neither record nor keep from the network",
        hint="use tornado's simple client in tests: AsyncHTTPClient.configure(None),"
        " or derive yours from SimpleAsyncHTTPClient",
    )
