"""urllib3's pools keep connections longer than a cassette lives, and its errors name their connection."""

from __future__ import annotations

import ssl
import sys
from functools import wraps
from socket import gaierror
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import NameResolutionError
from urllib3.util.ssl_ import resolve_cert_reqs

from ..recording.model import Failure
from .connections import Interceptor, wants_interceptor
from .failures import exception_of


def install(_module: str) -> None:
    """Patch the way a pool hands out an idle connection: never one of the wrong sort."""
    get_connection = HTTPConnectionPool._get_conn

    @wraps(get_connection)
    def get_matching_connection(pool: Any, timeout: float | None = None) -> Any:
        while True:
            connection: Any = get_connection(pool, timeout)
            if isinstance(connection, Interceptor) == wants_interceptor() or _is_vcrpys(connection):
                _tell_verification(connection)
                return connection
            connection.close()
            pool._put_conn(None)  # its slot stays, or a blocking pool would run out of them

    HTTPConnectionPool._get_conn = get_matching_connection  # type: ignore[method-assign, assignment]


def _tell_verification(connection: Any) -> None:
    """Let urllib3 warn of what it would warn of live: vcrpy's stub says that all is verified."""
    real = getattr(connection, "real_connection", None)
    cert_reqs = getattr(real, "cert_reqs", None)
    if wants_interceptor() and cert_reqs is not None:
        required = resolve_cert_reqs(cert_reqs) == ssl.CERT_REQUIRED
        connection.is_verified = required or bool(getattr(real, "assert_fingerprint", None))


def _is_vcrpys(connection: Any) -> bool:
    """Whether a cassette of vcrpy's own, inside of ours or without one, made this stand-in."""
    stubs = sys.modules.get("vcr.stubs")
    return (
        stubs is not None
        and isinstance(connection, stubs.VCRConnection)
        and not isinstance(connection, Interceptor)
    )


def own_text(error: Exception) -> str:
    """An error's text without the connection or pool that str() puts in front of it.

    Pickling is how urllib3 itself takes its errors apart: the class, and what it was made of.
    """
    made_of = error.__reduce__()[1]
    return str(made_of[-1]) if isinstance(made_of, tuple) and made_of else str(error)


def rebuilt(kind: type[Exception], message: str, connection: Any) -> Exception:
    """An error of ``kind`` from what :func:`own_text` gave."""
    if issubclass(kind, NameResolutionError):
        return kind(connection.host, connection, _exactly(gaierror, message))
    try:
        return kind(connection, message)  # most of its errors name the connection first
    except TypeError:
        return _exactly(kind, message)  # type: ignore[no-any-return]


def _exactly(kind: type[Any], message: str) -> Any:
    return exception_of(Failure(f"{kind.__module__}.{kind.__qualname__}", message))
