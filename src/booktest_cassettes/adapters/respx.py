"""httpx and httpx2, sync and async, through a respx mocker of ours (kind ``httpx``).

respx's mocker patches the transports of both libraries once; instead of routing requests one route
after the other it asks the current session, which looks them up in constant time. Requests are
forwarded to the client's own transport while recording, so its TLS, proxies and HTTP/2 stay its own.
"""

from __future__ import annotations

import inspect
import sys
from functools import wraps
from typing import Any, ClassVar

from respx.mocks import Mocker

from ..digest import Kind
from ..errors import CassetteError
from ..recording.model import Failure, Interaction, Request
from ..session import Session
from . import transports
from .bypassing import refuse_upgrade
from .cancelling import CANCELLED, cancelled_again, gave_up
from .failures import exception_of, failure_of
from .serving import refusal, session_for
from .streams import Recording, library_of, served_response, stream_classes

_METHODS = {"HTTPTransport": "handle_request", "AsyncHTTPTransport": "handle_async_request"}
#: Libraries whose transports were a mock's when they were patched.
_beneath: set[str] = set()


class CassetteMocker(Mocker):
    """respx's patching machinery, pointed at the transports instead of at httpcore."""

    name = "booktest-cassettes"
    targets: ClassVar[list[str]] = []
    target_methods: ClassVar[list[str]] = list(_METHODS.values())

    @classmethod
    def mock(cls, spec: Any) -> Any:
        """The replacement for one transport method (respx calls this when it patches)."""
        return _async_handler(spec) if inspect.iscoroutinefunction(spec) else _sync_handler(spec)


def install(module: str) -> None:
    """Patch the transports of ``httpx`` or ``httpx2``, and check that it took.

    Raises
    ------
    CassetteError
        When a transport is not patched: respx passes over what it cannot find, we must not.
    """
    _patch(module)
    transports.install(module)


def repair() -> None:
    """Patch again what a mock of the user's own put back when it ended, see :func:`_put_beneath`."""
    for module in _beneath:
        _patch(module)


def _patch(module: str) -> None:
    library = sys.modules[module]
    names = [name for name in _METHODS if not _is_patched(module, library, name)]
    patched, CassetteMocker._patches = CassetteMocker._patches, []  # start() patches only when nothing is
    CassetteMocker.targets = [f"{module}.{name}" for name in names]
    CassetteMocker.start()
    CassetteMocker._patches += patched
    for name in names:
        method = _METHODS[name]
        if not hasattr(getattr(getattr(library, name), method), "cassette_original"):
            raise CassetteError(
                f"cannot intercept {module}.{name}.{method}: this version of {module} is unknown"
            )


def _is_patched(module: str, library: Any, name: str) -> bool:
    function = getattr(getattr(library, name), _METHODS[name], None)
    if hasattr(function, "cassette_original"):
        return True
    if function is None or function.__module__.startswith(f"{module}."):
        return False
    if found := _put_beneath(function, _METHODS[name]):
        _beneath.add(module)
    return found


def _put_beneath(mock: Any, method: str) -> bool:
    """Patch the function that a mock which was there before us (pytest-httpx's) passes requests on to.

    The mock keeps it in a closure. Patched over the mock we would be gone when it puts back what it found.
    """
    for cell in mock.__closure__ or ():
        inner = cell.cell_contents
        if getattr(inner, "__name__", "") == method:
            if not hasattr(inner, "cassette_original"):
                cell.cell_contents = CassetteMocker.mock(inner)
            return True
    return False


def _sync_handler(original: Any) -> Any:
    @wraps(original)
    def handle_request(transport: Any, request: Any) -> Any:
        session = session_for(str(request.url))
        if session is None:
            return original(transport, request)
        refuse_upgrade(session, str(request.url), request.headers)
        request.read()
        if _is_mocked(request):
            return original(transport, request)
        clean, item = _look_up(session, request)
        if item is not None:
            return _serve(session, clean, request, item)
        recording = Recording(session, clean, request)
        try:
            response = original(transport, request)
        except Exception as error:
            recording.failed(failure_of(error))
            raise
        except BaseException:
            recording.drop()
            raise
        return recording.wrap(response)

    handle_request.cassette_original = original  # type: ignore[attr-defined]
    return handle_request


def _async_handler(original: Any) -> Any:
    @wraps(original)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        session = session_for(str(request.url))
        if session is None:
            return await original(transport, request)
        refuse_upgrade(session, str(request.url), request.headers)
        await request.aread()
        if _is_mocked(request):
            return await original(transport, request)
        clean, item = _look_up(session, request)
        if item is not None:
            if item.outcome == CANCELLED:
                await cancelled_again(session, clean)
            return _serve(session, clean, request, item)
        recording = Recording(session, clean, request)
        try:
            response = await original(transport, request)
        except Exception as error:
            recording.failed(failure_of(error))
            raise
        except BaseException as error:
            gave_up(recording.slot, error)
            raise
        return recording.wrap(response)

    handle_async_request.cassette_original = original  # type: ignore[attr-defined]
    return handle_async_request


def _is_mocked(request: Any) -> bool:
    """Whether a respx router of the user's own, which works below us, is there to answer.

    It answers all requests but those it passes through: what it does not know, it refuses.
    """
    routers = [router for mocker in Mocker.registry.values() for router in mocker.routers]
    if not routers or library_of(type(request)) is not sys.modules.get("httpx"):
        return False
    routes = (route for router in routers for route in router.routes)
    found = next((route for route in routes if route.pattern.match(request)), None)
    return found is None or not found.is_pass_through


def _look_up(session: Session, request: Any) -> tuple[Request, Interaction | None]:
    """The clean request and its recorded interaction; a miss in strict replay raises."""
    traffic = session.traffic[Kind.HTTPX]
    clean = traffic.clean(_model_request(request))
    item = traffic.play(clean)
    if item is None and (refused := refusal(session, Kind.HTTPX, clean)):
        raise refused
    return clean, item


def _serve(session: Session, clean: Request, request: Any, item: Interaction) -> Any:
    library = library_of(type(request))
    if isinstance(item.outcome, Failure):
        raise exception_of(item.outcome)
    return served_response(library, stream_classes(library), session, clean, item.outcome)


def _model_request(request: Any) -> Request:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return Request(request.method, str(request.url), headers, request.content)
