"""The clients of the matrix, each in the ways people use it."""

from __future__ import annotations

from contextlib import closing
from typing import Any, TypeVar

import botocore.awsrequest
import botocore.httpsession
import httplib2
from clients import CLIENTS, Ask, Exchange, attributes, told
from streaming import BY_LINE, BY_PIECE


def by_botocore(base: str, ask: Ask) -> dict[str, Any]:
    """botocore's own session, below its services: what every AWS call goes through."""
    body, headers = ask.encoded()
    proxies = {"http": ask.proxy, "https": ask.proxy} if ask.proxy else None
    session = botocore.httpsession.URLLib3Session(verify=ask.ca or True, proxies=proxies, timeout=ask.timeout)
    request = botocore.awsrequest.AWSRequest(ask.method, base + ask.path, headers, body)
    with closing(session):
        response = session.send(request.prepare())
        return {
            "status": response.status_code,
            "headers": list(response.headers.items()),
            "raw": told(lambda: list(response.raw.headers.iteritems())),
            **attributes(response.raw, "reason", "version"),
            "body": response.content,
            "url": response.url,
        }


def by_httplib2(base: str, ask: Ask) -> dict[str, Any]:
    """httplib2, which reads everything at once."""
    body, headers = ask.encoded()
    with closing(httplib2.Http(timeout=ask.timeout, ca_certs=ask.ca, proxy_info=None)) as http:
        response, content = http.request(base + ask.path, ask.method, body, headers)
        previous = response.previous
        return {
            "status": response.status,
            "reason": response.reason,
            "version": response.version,
            "headers": sorted(response.items()),
            "body": content,
            "previous": previous and (previous.status, sorted(previous.items())),
        }


#: A column's ways of one exchange.
EXCHANGES: dict[str, dict[str, Exchange]] = {
    "http.client": {"request": CLIENTS["http.client"], "putrequest": CLIENTS["putrequest"]},
    "urllib": {"urlopen": CLIENTS["urlopen"]},
    "urllib3": {"request": CLIENTS["urllib3"], "streaming": CLIENTS["urllib3-streaming"]},
    "requests": {"request": CLIENTS["requests"], "session": CLIENTS["requests-session"]},
    "aiohttp": {"session": CLIENTS["aiohttp"]},
    "botocore": {"send": by_botocore},
    "httplib2": {"request": by_httplib2},
    "tornado": {"fetch": CLIENTS["tornado"]},
    "httpx": {"client": CLIENTS["httpx"]},
    "httpx asyncio": {"client": CLIENTS["httpx-asyncio"]},
    "httpx trio": {"client": CLIENTS["httpx-trio"]},
    "httpx2": {"client": CLIENTS["httpx2"]},
    "httpx2 asyncio": {"client": CLIENTS["httpx2-asyncio"]},
    "httpx2 trio": {"client": CLIENTS["httpx2-trio"]},
}
COLUMNS = tuple(EXCHANGES)
_Of = TypeVar("_Of")


def of_column(column: str, table: dict[str, _Of]) -> dict[str, _Of]:
    """A column's entries of a table that names them ``<column> <how>``."""
    start = {"urllib": "urlopen"}.get(column, column) + " "
    found = {name.removeprefix(start): one for name, one in table.items() if name.startswith(start)}
    others = [f"{other} ".removeprefix(start) for other in COLUMNS if other.startswith(start)]
    return {how: one for how, one in found.items() if not how.startswith(tuple(others))}


#: A column's ways of reading a stream: as it arrives, and by line.
PIECES = {column: of_column(column, BY_PIECE) for column in COLUMNS}
LINES = {column: of_column(column, BY_LINE) for column in COLUMNS}


def exchanging(column: str, base: str, ask: Ask) -> dict[str, Any]:
    """What each of a column's ways of an exchange shows."""
    return {name: exchange(base, ask) for name, exchange in EXCHANGES[column].items()}
