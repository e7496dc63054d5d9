"""HTTP snapshots as HAR 1.2, which browsers' developer tools and other readers of traffic load.

A recording holds no times, so every entry has the same moment and took no time. What HAR has no word for
is in fields that begin with ``_``, as it asks for (http://www.softwareishard.com/blog/har-12-spec/).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .. import __version__
from ..digest import Kind
from ..recording import codec
from ..recording.bodies import media_type
from ..recording.model import Failure, Headers, Interaction, Request, Response, header

_WHEN = "1970-01-01T00:00:00.000Z"
_OCTETS = "application/octet-stream"
KINDS = (Kind.HTTP, Kind.HTTPX)


def document(test_id: str, blobs: Mapping[Kind, bytes]) -> dict[str, Any]:
    """Snapshots as one log, for ``json.dumps``; each kind is a page.

    Parameters
    ----------
    test_id:
        Whose.
    blobs:
        By kind; others than ``http`` and ``httpx`` have nothing that HAR could hold.

    Raises
    ------
    IntegrityError
        When one is no snapshot.
    """
    kinds = [kind for kind in KINDS if kind in blobs]
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "booktest-cassettes", "version": __version__},
            "pages": [_page(test_id, kind) for kind in kinds],
            "entries": [entry for kind in kinds for entry in _entries(kind, blobs[kind])],
        }
    }


def _page(test_id: str, kind: Kind) -> dict[str, Any]:
    timings = {"onContentLoad": -1, "onLoad": -1}
    return {
        "startedDateTime": _WHEN,
        "id": kind.value,
        "title": f"{test_id} ({kind.value})",
        "pageTimings": timings,
    }


def _entries(kind: Kind, data: bytes) -> Iterable[dict[str, Any]]:
    for item in codec.load_interactions(data, name=kind.value):
        yield _entry(kind, item)


def _entry(kind: Kind, item: Interaction) -> dict[str, Any]:
    version = item.outcome.http_version if isinstance(item.outcome, Response) else "HTTP/1.1"
    return {
        "pageref": kind.value,
        "startedDateTime": _WHEN,
        "time": 0,
        "request": _request(item.request, version),
        "response": _response(item.outcome) if isinstance(item.outcome, Response) else _failed(item.outcome),
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
    }


def _request(request: Request, version: str) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "httpVersion": version,
        "cookies": [
            {"name": name.strip(), "value": value}
            for field in _values(request.headers, "cookie")
            for name, _, value in (pair.partition("=") for pair in field.split(";"))
        ],
        "headers": _headers(request.headers),
        "queryString": [{"name": name, "value": value} for name, value in _query(request.url)],
        **({"postData": _posted(request)} if request.body else {}),
        "headersSize": -1,
        "bodySize": len(request.body),
    }


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:  # no URL
        return []


def _posted(request: Request) -> dict[str, Any]:
    content_type = request.header("content-type")
    text, encoding = _text(request.body)
    posted: dict[str, Any] = {"mimeType": content_type or _OCTETS, "params": [], "text": text}
    if media_type(content_type) == "application/x-www-form-urlencoded" and not encoding:
        fields = parse_qsl(text, keep_blank_values=True)
        posted["params"] = [{"name": name, "value": value} for name, value in fields]
    # HAR has an encoding for responses only; readers of this one find it under the name they use.
    return {**posted, **({"_encoding": encoding} if encoding else {})}


def _response(response: Response) -> dict[str, Any]:
    text, encoding = _text(response.body.content)
    size, sent = len(response.body.content), len(response.body.wire)
    content = {
        "size": size,
        "mimeType": header(response.headers, "content-type") or _OCTETS,
        "text": text,
        **({"compression": size - sent} if response.body.coding else {}),
        **({"encoding": encoding} if encoding else {}),
    }
    return {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": response.http_version,
        "cookies": [_cookie(value) for value in _values(response.headers, "set-cookie")],
        "headers": _headers(response.headers),
        "content": content,
        "redirectURL": header(response.headers, "location"),
        "headersSize": -1,
        "bodySize": sent,
        **({"_error": f"{response.error.type}: {response.error.message}"} if response.error else {}),
        **({"_cut": True} if response.cut else {}),
    }


def _failed(failure: Failure) -> dict[str, Any]:
    """What browsers write for a request without an answer."""
    return {
        "status": 0,
        "statusText": "",
        "httpVersion": "",
        "cookies": [],
        "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
        "_error": f"{failure.type}: {failure.message}",
    }


def _headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _values(headers: Headers, name: str) -> list[str]:
    return [value for key, value in headers if key.lower() == name]


def _cookie(field: str) -> dict[str, Any]:
    pair, *attributes = field.split(";")
    name, _, value = pair.partition("=")
    found: dict[str, Any] = {"name": name.strip(), "value": value}
    for attribute in attributes:
        key, _, given = attribute.strip().partition("=")
        if key.lower() in ("path", "domain"):
            found[key.lower()] = given
        elif key.lower() in ("httponly", "secure"):
            found["httpOnly" if key.lower() == "httponly" else "secure"] = True
    return found


def _text(content: bytes) -> tuple[str, str]:
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        return base64.b64encode(content).decode("ascii"), "base64"
