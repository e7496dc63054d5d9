"""A recorded exchange as booktest reads it, and when two are one to booktest.

booktest decodes what it reads as UTF-8, for requests and for httpx: an answer that is no UTF-8 text would
break all of a test's replay, so it is left out. So is what booktest has no form for: an exception, an
answer that broke off.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..digest import Kind
from ..recording.model import Headers, Interaction, Request, Response, header
from ..recording.sealed import look_inside
from .booktest_names import Name


def entry(item: Interaction, name: Name, place: int, kind: Kind) -> dict[str, Any] | None:
    """The entry of booktest's file, or ``None`` where it could not read it.

    Parameters
    ----------
    item:
        The exchange.
    name:
        What booktest finds it by.
    place:
        How many equal requests went before it.
    kind:
        ``http`` is for requests.
    """
    answer = item.outcome
    if not isinstance(answer, Response) or answer.error is not None:
        return None
    content = _content(answer)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    said: dict[str, Any] = {"headers": _headers(answer, content, kind), "statusCode": answer.status}
    if kind is Kind.HTTP:
        said |= {"encoding": _encoding(header(answer.headers, "content-type")), "content": text}
    else:
        said["content"] = base64.b64encode(content).decode("ascii")
    return {"request": _request(item.request, name, place), "response": said}


def _request(request: Request, name: Name, place: int) -> dict[str, Any]:
    said: dict[str, Any] = {"url": request.url, "method": request.method}
    if request.headers:
        said["headers"] = _joined(request.headers)
    if request.body:
        said["body"] = base64.b64encode(request.body).decode("ascii")
    if place:
        said["order"] = place
    return {**said, "hash": name}


def _content(answer: Response) -> bytes:
    """What a client makes of a body, whatever it travelled in."""
    body = answer.body
    coding = header(answer.headers, "content-encoding") if body.coding is None else ""
    opened = look_inside(body.content, coding) if coding else None
    return body.content if opened is None else opened.content


def _joined(headers: Headers) -> dict[str, str]:
    """Headers as an object, repeats in one, as the clients themselves join them."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in headers:
        first, before = found.get(name.lower(), (name, None))
        found[name.lower()] = first, value if before is None else f"{before}, {value}"
    return dict(found.values())


def _headers(answer: Response, content: bytes, kind: Kind) -> dict[str, str]:
    found = _joined(answer.headers)
    if kind is Kind.HTTP:
        return found
    # httpx would decode again what is decoded, and refuses to be given a header that is no ASCII.
    length = str(len(content))
    return {
        name: length if name.lower() == "content-length" and content else value
        for name, value in found.items()
        if name.lower() != "content-encoding" and name.isascii() and value.isascii()
    }


def _encoding(content_type: str) -> str | None:
    """What requests reads a text as."""
    kind, *parameters = content_type.split(";")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip(" '\"").lower() == "charset" and value:
            return value.strip(" '\"")
    if "text" in kind:
        return "ISO-8859-1"
    return "utf-8" if "application/json" in kind else None


# -- two that are one --------------------------------------------------------------------------------


def same(old: Interaction, new: Interaction, kind: Kind) -> bool:
    """Whether what booktest recorded now is what is approved, as far as booktest can tell.

    Both are clean, and have one hash. What booktest loses on the way is no difference: the reason, the
    coding a body travelled in, details of the request that the test does not keep.
    """
    if not isinstance(old.outcome, Response) or not isinstance(new.outcome, Response):
        return False
    return _is_part(new.request, old.request) and _essence(old.outcome, kind) == _essence(new.outcome, kind)


def _is_part(new: Request, old: Request) -> bool:
    """Whether all that is said of a request is approved already."""
    if new.body and new.body != old.body:
        return False
    return _lower(_joined(new.headers)).items() <= _lower(_joined(old.headers)).items()


def _essence(answer: Response, kind: Kind) -> tuple[int, dict[str, str], bytes, bool]:
    content = _content(answer)
    headers = _lower(_headers(answer, content, kind))
    headers.pop("content-encoding", None)
    if content:  # it follows the coding; without a body, it says how long that would have been
        headers.pop("content-length", None)
    return answer.status, headers, content, answer.error is None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
