"""Answers as a client would have received them, out of what other tools kept of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from http.client import responses
from typing import Any

from ..recording.bodies import Body, Coding
from ..recording.model import Headers, Response, header
from .inflating import fits
from .shapes import of

# "a=1; expires=Mon, 20-Oct-25 ..., b=2": a comma before the next name, not the one inside a date.
_NEXT_COOKIE = re.compile(r",\s*(?=[^\s;,=]+=)")
_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "zlib"}


def reason_of(status: int) -> str:
    """The usual reason of a status, for formats that keep none."""
    return responses.get(status, "")


def headers_of(fields: Mapping[str, Any]) -> Headers:
    """Headers out of an object, its values texts or lists of them; a merged Set-Cookie is taken apart.

    Raises
    ------
    TypeError
        For values of another kind.
    """
    return tuple(_pairs(of(dict, fields, "headers").items()))


def _pairs(fields: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, str]]:
    for name, value in fields:
        if isinstance(value, list):
            yield from ((name, latin(of(str, one, f"header {name}"))) for one in value)
        else:
            text = latin(of(str, value, f"header {name}"))
            values = _NEXT_COOKIE.split(text) if name.lower() == "set-cookie" else [text]
            yield from ((name, one) for one in values)


def latin(text: str) -> str:
    """A header's value in the spelling of the model: one character for each byte on the wire."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8").decode("latin-1")
    return text


def opened_safely(body: bytes, headers: Headers) -> bytes:
    """A body as it is, unless it would fill the memory once it is decompressed.

    Raises
    ------
    ValueError
        When it would.
    """
    if not fits(body, header(headers, "content-encoding")):
        raise ValueError("a compressed body that would fill the memory")
    return body


def from_wire(response: Response, wire: bytes) -> Response:
    """With a body as it was received; raises ValueError for one that would fill the memory."""
    opened_safely(wire, response.headers)
    return _measured(
        replace(response, body=Body.from_wire(wire, header(response.headers, "content-encoding")))
    )


def from_content(response: Response, content: bytes) -> Response:
    """With a body that was kept decoded.

    A coding we can close again is closed, so that the client sees its header and decodes as it did;
    of another one the header goes, because nothing is coded any more. Raises ValueError for what would
    fill the memory.
    """
    opened_safely(content, ())
    coding = header(response.headers, "content-encoding").strip().lower()
    if not content or not coding:
        return _measured(replace(response, body=Body(content)))
    if coding in _CODINGS:
        return _measured(replace(response, body=Body(content, Coding(_CODINGS[coding]))))
    kept = _without(response.headers, "content-encoding")
    return _measured(replace(response, headers=kept, body=Body(content)))


def _measured(response: Response) -> Response:
    """With a Content-Length that fits: none beside a transfer coding, which clients refuse or believe."""
    headers = response.headers
    if response.cut or response.error:  # it says what would have come
        return response
    if header(headers, "transfer-encoding"):
        return replace(response, headers=_without(headers, "content-length"))
    if not response.body.content or not header(headers, "content-length"):
        return response  # an answer to HEAD says how long the body would have been
    length = str(len(response.body.wire))
    fitting = tuple((name, length if name.lower() == "content-length" else value) for name, value in headers)
    return replace(response, headers=fitting)


def _without(headers: Headers, name: str) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() != name)
