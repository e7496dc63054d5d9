"""urllib3's pools keep connections longer than a cassette lives: never hand out the wrong sort."""

from __future__ import annotations

from functools import wraps
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool

from .connections import Interceptor, wants_interceptor


def install(_module: str) -> None:
    """Patch the way a pool hands out an idle connection."""
    get_connection = HTTPConnectionPool._get_conn

    @wraps(get_connection)
    def get_matching_connection(pool: Any, timeout: float | None = None) -> Any:
        while True:
            connection: Any = get_connection(pool, timeout)
            if isinstance(connection, Interceptor) == wants_interceptor():
                return connection
            connection.close()
            pool._put_conn(None)  # its slot stays, or a blocking pool would run out of them

    HTTPConnectionPool._get_conn = get_matching_connection  # type: ignore[method-assign, assignment]
