"""http.client and everything built on it: urllib, urllib3, requests, botocore, httplib2 (kind ``http``).

One patch, made once: constructing a connection while a cassette is active gives vcrpy's stand-in for
it (see ``vcr.py``), whatever the subclass and however the class was imported. Without an active
cassette the real class comes out, untouched (ADR-0002).
"""

from __future__ import annotations

import http.client
import threading
from functools import wraps
from typing import Any

from ..active import current

_real = threading.local()


class Interceptor:
    """Marks connections that ask the current session before they touch the network."""


class real_connections:  # noqa: N801 - reads as a context
    """Within it, this thread makes and uses real connections."""

    __slots__ = ()

    def __enter__(self) -> None:
        _real.depth = getattr(_real, "depth", 0) + 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        _real.depth -= 1


def wants_interceptor() -> bool:
    """Whether a connection made here and now belongs to a cassette."""
    return current() is not None and not getattr(_real, "depth", 0)


def install() -> None:
    """Patch http.client, once."""
    http.client.HTTPConnection.__new__ = staticmethod(_new)  # type: ignore[method-assign]
    http.client.HTTPConnection.putrequest = _watched(  # type: ignore[method-assign]
        http.client.HTTPConnection.putrequest
    )


def _new(cls: type, *_args: Any, **_options: Any) -> Any:
    if not wants_interceptor():
        return object.__new__(cls)
    from .vcr import stand_in_class

    return object.__new__(stand_in_class(cls))


def _watched(putrequest: Any) -> Any:
    """Where every request of a connection begins; one made before the cassette becomes a stand-in here."""

    @wraps(putrequest)
    def watched(connection: Any, *args: Any, **options: Any) -> Any:
        if not wants_interceptor():
            return putrequest(connection, *args, **options)
        from .vcr import become_stand_in

        become_stand_in(connection)
        return connection.putrequest(*args, **options)

    return watched
