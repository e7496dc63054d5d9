"""Requests and answers in booktest's ``http`` and ``httpx`` snapshots.

booktest 1.1.6 keeps an object from hash to exchange. What it loses on the way is put back where that
can be known: an empty body the hash proves, the reason, a Set-Cookie for each cookie, a coding that the
headers still speak of. A request whose body is gone is known by its hash alone (ADR-0016).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..recording import legacy
from ..recording.model import Headers, Interaction, Request, Response
from . import answers
from .booktest_names import Name
from .shapes import at, of

_BODILESS = ("GET", "HEAD", "OPTIONS")
HASHED = "known by booktest's hash alone, without a body: played where the same request is made"
OWN_HASH = "with a hash over headers, or made by the test's own function: matched by method and URL"
CUSTOM = "with a body that is no base64, made by the test's own encode_body: played by its hash, if at all"


@dataclass(frozen=True)
class Exchange:
    """One entry: which repeat of its request it is, what was exchanged, its name, what could not be kept."""

    order: int
    item: Interaction
    name: Name
    note: str = ""


def read(entries: Mapping[str, Any], name: str, *, is_httpx: bool) -> dict[Name, Exchange]:
    """Exchanges of one test and kind, by booktest's hash.

    Each says its hash; `booktest_names` leaves out those that need not be kept.

    Parameters
    ----------
    entries:
        By hash, as in the file.
    name:
        What errors call the file.
    is_httpx:
        Whose answers they are: httpx keeps bodies in base64, requests as text.

    Raises
    ------
    IntegrityError
        For an entry of another shape; the message says which.
    """
    found: dict[Name, Exchange] = {}
    for key, entry in entries.items():
        with at(name, f"entry {key[:40]!r}"):
            asked = of(dict, of(dict, entry, "an entry").get("request") or {}, "request")
            asked = {"hash": key, **asked}
            request, note = _request(asked)
            response = _response(of(dict, entry["response"], "response"), is_httpx=is_httpx)
            named = _name(asked)
            found[named] = Exchange(_order(asked), Interaction(request, response), named, note)
    return found


def in_order(found: Iterable[Exchange]) -> list[Interaction]:
    """Repeats after what they repeat; booktest keeps no other order."""
    return [exchange.item for exchange in sorted(found, key=lambda exchange: exchange.order)]


def _order(asked: Mapping[str, Any]) -> int:
    return of(int, asked.get("order", 0), "order")


def _request(asked: Mapping[str, Any]) -> tuple[Request, str]:
    name = _name(asked)
    if not ("url" in asked and "method" in asked):
        return Request("?", f"booktest:{_checked(name)}", legacy_hash=_checked(name)), HASHED
    method, url = of(str, asked["method"], "method"), of(str, asked["url"], "url")
    headers = answers.headers_of(asked.get("headers") or {})
    if asked.get("body") is not None:
        body = _base64(of(str, asked["body"], "body"))
        if body is not None:
            return Request(method, url, headers, answers.opened_safely(body, headers), "", name), ""
        return _by_hash(method, url, headers, name), CUSTOM
    known = {key: value for key, value in asked.items() if key not in ("hash", "body")}
    if name in (legacy.hash_of(known), legacy.hash_of({**known, "body": ""})):
        return Request(method, url, headers, booktest_hash=name), ""
    if method.upper() in _BODILESS:
        return Request(method, url, headers, booktest_hash=name), OWN_HASH
    return _by_hash(method, url, headers, name), HASHED if _is_sha1(name) else OWN_HASH


def _by_hash(method: str, url: str, headers: Headers, name: Name) -> Request:
    """A request without its body: a sha1 may be that of the one that is made, another hash cannot."""
    if _is_sha1(name):
        return Request(method, url, headers, legacy_hash=_checked(name))
    return Request(method, url, headers, booktest_hash=name)


def _name(asked: Mapping[str, Any]) -> Name:
    name: Name = asked["hash"]
    if type(name) is int or (isinstance(name, str) and name):
        return name
    raise ValueError("neither a body nor a hash to know the request by")


def _is_sha1(name: Name) -> bool:
    return isinstance(name, str) and legacy.is_hash(name)


def _checked(name: Name) -> str:
    if not (isinstance(name, str) and legacy.is_hash(name)):
        raise ValueError("neither a body nor a hash to know the request by")
    return name


def _base64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _response(said: Mapping[str, Any], *, is_httpx: bool) -> Response:
    status = of(int, said["statusCode"], "statusCode")
    headers = answers.headers_of(said.get("headers") or {})
    content = of(str, said.get("content") or "", "content")
    response = Response(status, answers.reason_of(status), headers=headers)
    if not is_httpx:
        # What booktest decoded as UTF-8 to write it, whatever ``encoding`` says clients read it as.
        return answers.from_content(response, content.encode("utf-8"))
    body = _base64(content)
    if body is None:
        raise ValueError("content must be base64")
    return answers.from_content(response, body)
