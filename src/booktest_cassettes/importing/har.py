"""HAR 1.2, as browsers' developer tools and this project's export write it.

Skipped, with a note: what is no HTTP exchange (WebSockets, ``data:`` and the like), requests that got no
answer, and answers whose body the file says there was but does not hold.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..recording.bodies import media_type
from ..recording.model import Failure, Headers, Interaction, Request, Response
from ..wording import count
from . import answers
from .imported import Imported
from .shapes import at, of
from .yaml_reading import read_json

_OURS = "booktest-cassettes"
_EXCEPTION = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+): (.*)\Z", re.DOTALL)
_VERSIONS = {
    "http/1.0": "HTTP/1.0",
    "h2": "HTTP/2",
    "http/2": "HTTP/2",
    "http/2.0": "HTTP/2",
    "h3": "HTTP/3",
    "http/3": "HTTP/3",
    "http/3.0": "HTTP/3",
}


class _Skip(Exception):
    """Says what an entry is, for the note."""


def read(data: bytes, name: str) -> Imported:
    """Read one log: one recording, its entries in the order they stand in.

    Raises
    ------
    IntegrityError
        When it is no HAR; the message says where.
    """
    document = read_json(data, name)
    with at(name):
        log = of(dict, of(dict, document, "a HAR")["log"], "log")
        entries = of(list, log["entries"], "entries")
        creator = log.get("creator")
        ours = isinstance(creator, dict) and creator.get("name") == _OURS
    skipped: Counter[str] = Counter()
    taken: dict[str, list[Interaction]] = {"http": [], "httpx": []}
    for place, entry in enumerate(entries):
        with at(name, f"entries[{place}]"):
            try:
                item = _interaction(of(dict, entry, "an entry"))
            except _Skip as skip:
                skipped[str(skip)] += 1
                continue
            # Our own export has a page for each kind.
            taken["httpx" if ours and entry.get("pageref") == "httpx" else "http"].append(item)
    notes = [f"{count(number, 'entry')} not taken: {why}" for why, number in skipped.items()]
    return Imported(tuple(taken["http"]), tuple(taken["httpx"]), notes=tuple(notes))


def _interaction(entry: dict[str, Any]) -> Interaction:
    asked, said = of(dict, entry["request"], "request"), of(dict, entry["response"], "response")
    url = of(str, asked["url"], "url").partition("#")[0]
    if (scheme := _scheme(url)) not in ("http", "https"):
        raise _Skip(f"a {_shown(scheme)} URL is no HTTP exchange")
    status = of(int, said["status"], "status")
    if entry.get("_resourceType") == "websocket" or "_webSocketMessages" in entry or status == 101:
        raise _Skip("a WebSocket")
    headers = _headers(asked)
    body = answers.opened_safely(_posted(asked.get("postData")), headers)
    request = Request(of(str, asked["method"], "method"), url, headers, body)
    return Interaction(request, _response(request, said, status) if status > 0 else _failure(said))


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:  # its text quotes the URL, with any password in it
        raise ValueError("its url cannot be read") from None


def _shown(scheme: str) -> str:
    return f"{scheme[:20]}:" if scheme.replace("-", "").isalnum() else "relative"


def _failure(said: dict[str, Any]) -> Failure:
    """The exception in our own exports; browsers have words of their own, which no client raises."""
    failure = _error(said)
    if failure is None:
        raise _Skip("aborted or blocked: there was no answer")
    return failure


def _response(request: Request, said: dict[str, Any], status: int) -> Response:
    version = _version(said.get("httpVersion"))
    reason = answers.latin(of(str, said.get("statusText") or "", "statusText"))
    cut = said.get("_cut") is True
    response = Response(status, reason, version, _headers(said), cut=cut, error=_error(said))
    content = of(dict, said.get("content") or {}, "content")
    if "text" not in content and _had_body(request, status, content):
        raise _Skip("the body of the answer is not in the file")
    return answers.from_content(response, _content(content))


def _error(said: dict[str, Any]) -> Failure | None:
    """What broke an answer off, in our own exports."""
    found = _EXCEPTION.match(of(str, said.get("_error") or "", "_error"))
    return Failure(found[1], found[2]) if found else None


def _had_body(request: Request, status: int, content: dict[str, Any]) -> bool:
    size = content.get("size")
    if request.method.upper() == "HEAD" or status in (204, 304) or 300 <= status < 400:
        return False
    return isinstance(size, (int, float)) and size > 0


def _content(content: dict[str, Any]) -> bytes:
    text = of(str, content.get("text") or "", "text")
    return _bytes(text, of(str, content.get("encoding") or "", "encoding"))


def _posted(posted: Any) -> bytes:
    if posted is None:
        return b""
    data = of(dict, posted, "postData")
    text = of(str, data.get("text") or "", "text")
    if not text and media_type(str(data.get("mimeType"))) == "application/x-www-form-urlencoded":
        fields = of(list, data.get("params") or [], "params")
        text = urlencode([(of(dict, one, "params")["name"], one.get("value", "")) for one in fields])
    return _bytes(text, of(str, data.get("encoding") or data.get("_encoding") or "", "encoding"))


def _bytes(text: str, encoding: str) -> bytes:
    if encoding.lower() != "base64":
        return text.encode("utf-8", "surrogatepass")
    try:
        return b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"base64: {error}") from None


def _headers(message: dict[str, Any]) -> Headers:
    return tuple(_pairs(of(list, message.get("headers") or [], "headers")))


def _pairs(items: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for item in items:
        name, value = of(str, of(dict, item, "a header")["name"], "name"), of(str, item["value"], "value")
        if name.startswith(":"):  # HTTP/2's own fields, which are the request line
            continue
        # Browsers join repeated headers by line ends, which no value can hold.
        yield from ((name, answers.latin(one)) for one in value.split("\n"))


def _version(said: Any) -> str:
    return _VERSIONS.get(said.lower(), "HTTP/1.1") if isinstance(said, str) else "HTTP/1.1"
