"""tornado, through vcrpy's own stubs and a vcrpy cassette that is only a front.

vcrpy closes its stubs over one cassette object, so that object asks the current session each time:
one patch per process, and two tasks with two cassettes do not mix.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any

from vcr.cassette import Cassette

from ..active import current
from ..digest import Kind
from ..recording.bodies import Body
from ..recording.model import Headers, Interaction, Response
from ..traffic import Slot
from .failures import exception_of
from .serving import session_for
from .vcr import model_request


class SessionCassette(Cassette):  # type: ignore[misc] # vcrpy ships no types
    """What vcrpy's stubs take for a cassette."""

    def __init__(self) -> None:
        super().__init__(path="booktest-cassettes")
        self._answers: dict[int, Interaction] = {}
        self._slots: dict[int, Slot] = {}

    @property
    def write_protected(self) -> bool:
        """Never: a miss in strict replay has raised before vcrpy asks."""
        return False

    def filter_request(self, request: Any) -> Any:
        """The request when it is to be recorded, else ``None``."""
        return request if id(request) in self._slots else None

    def can_play_response_for(self, request: Any) -> bool:
        """Find (and hold) the answer; a miss in strict replay raises."""
        session = session_for(request.uri)
        if session is None:
            return False
        traffic = session.traffic[Kind.HTTP]
        clean = traffic.clean(model_request(request))
        item = traffic.play(clean)
        if item is not None:
            self._answers[id(request)] = item
            return True
        if session.strict:
            raise session.miss(Kind.HTTP, clean)
        self._slots[id(request)] = traffic.record(clean)
        return False

    def play_response(self, request: Any) -> dict[str, Any]:
        """The answer held for this request, in vcrpy's form."""
        outcome = self._answers.pop(id(request)).outcome
        if not isinstance(outcome, Response):
            raise exception_of(outcome)
        return vcr_response(outcome)

    def append(self, request: Any, response: dict[str, Any]) -> None:
        """Record an answer."""
        self._slots.pop(id(request)).finish(model_response(response))


def vcr_response(response: Response) -> dict[str, Any]:
    """Our response in vcrpy's form."""
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": headers,
        "body": {"string": response.body.wire},
    }


def model_response(response: dict[str, Any]) -> Response:
    """vcrpy's response in our form. Its body is decoded already, and stays so."""
    content = response["body"].get("string") or b""
    if isinstance(content, str):
        content = content.encode("utf-8")
    return Response(
        status=response["status"]["code"],
        reason=response["status"]["message"] or "",
        headers=_headers(response["headers"]),
        body=Body(content),
    )


def _headers(given: Any) -> Headers:
    pairs = given.items() if hasattr(given, "items") else given
    return tuple(
        (str(name), str(value))
        for name, values in pairs
        for value in (values if isinstance(values, list) else [values])
    )


_front = SessionCassette()


def install(module: str) -> None:
    """Patch the client that ``module`` holds."""
    if module == "tornado.simple_httpclient":
        _patch_tornado(sys.modules[module].SimpleAsyncHTTPClient)
    else:
        _patch_tornado(sys.modules[module].CurlAsyncHTTPClient)


def _patch_tornado(client_class: Any) -> None:
    from vcr.stubs.tornado_stubs import vcr_fetch_impl

    real = client_class.fetch_impl
    recorded = vcr_fetch_impl(_front, real)

    @wraps(real)
    def fetch_impl(self: Any, request: Any, callback: Any) -> Any:
        handler = real if current() is None else recorded
        return handler(self, request, callback)

    client_class.fetch_impl = fetch_impl
