"""When two requests are the same request.

The default is vcrpy's strict sense without its accidents: method, URI (host in lower case, default
port dropped, query as a multiset, fragment ignored) and body (JSON as JSON, a form as a form, a
multipart body without its random boundary). Each request gets one hashable key, so a look-up costs
the same in a cassette of ten and of ten thousand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isinf
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import UsageError
from .bodies import is_json, media_type
from .model import Request, header

NAMES = ("method", "uri", "url", "scheme", "host", "port", "path", "query", "headers", "body", "raw_body")
DEFAULT = ("method", "uri", "body")
LEGACY = "booktest's hash"
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_CACHED_BODY = 16_384  # bytes; larger bodies are not kept alive by the cache

#: A user's matcher, as vcrpy has them: false or AssertionError means "different".
CustomMatcher = Callable[[Request, Request], object]


@dataclass(frozen=True, slots=True)
class Uri:
    """A URL taken apart the way matching sees it."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """For messages: scheme, host and port in one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port is not None else "")


@lru_cache(maxsize=4096)
def parse_uri(url: str) -> Uri:
    """Take a URL apart; equal requests give equal results.

    What is no URL is not refused: its parts are then as different as they are written.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # "http://[::1"
        return Uri("", url, None, "", ())
    scheme = parts.scheme.lower()
    path, query = _path(parts.path), tuple(sorted(_pairs(parts.query)))
    try:
        port = parts.port
    except ValueError:  # "http://host:port/"
        return Uri(scheme, parts.netloc.rpartition("@")[2], None, path, query)
    return Uri(scheme, _host(parts.hostname or ""), None if port == _PORTS.get(scheme) else port, path, query)


def _host(host: str) -> str:
    host = host.rstrip(".")
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:  # clients say it in Punycode; what has none stays as it is written
        return host


def _pairs(text: str) -> list[tuple[str, str]]:
    if "%" not in text and "+" not in text:  # as parse_qsl does, without its detours
        fields = [part.partition("=") for part in text.split("&") if part]
        return [(name, value) for name, _, value in fields]
    return parse_qsl(text, keep_blank_values=True, errors="surrogateescape")


def _path(path: str) -> str:
    # "%41" and "A" name the same path; "%2F" and "/" do not (RFC 3986, 6.2.2.2 and 2.2).
    if "%" not in path:
        return path or "/"
    parts = re.split("(%2F|%25)", _LONE_PERCENT.sub("%25", path), flags=re.IGNORECASE)
    return "".join(
        part.upper() if number % 2 else unquote(part, errors="surrogateescape")
        for number, part in enumerate(parts)
    )


_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class Matcher:
    """Decides which recorded interaction answers a request.

    Parameters
    ----------
    match_on:
        vcrpy's matcher names, and callables ``(made, recorded) -> bool`` (or raising
        AssertionError), which narrow down what the names found.
    ignore_json_paths:
        Parts of JSON bodies that do not count, dotted, ``*`` for any key or index:
        ``metadata.request_id``, ``items.*.created_at``; also as `difference` writes them,
        ``$.items[0].id``.

    Raises
    ------
    UsageError
        For an unknown name.
    """

    def __init__(
        self, match_on: Iterable[str | CustomMatcher] = DEFAULT, ignore_json_paths: Sequence[str] = ()
    ) -> None:
        given = tuple(match_on)
        self.names = tuple(name for name in given if isinstance(name, str))
        self.custom = tuple(matcher for matcher in given if not isinstance(matcher, str))
        for name in self.names:
            if name not in NAMES:
                raise UsageError(
                    f"unknown matcher {name!r} in match_on", hint=f"one of {', '.join(NAMES)}, or a function"
                )
        self._ignored = tuple(map(_steps, ignore_json_paths))
        self._parts = [(name, self._part(name)) for name in self.names]

    def key(self, request: Request) -> Hashable:
        """What two requests that match by name have in common.

        A request that only booktest's hash is known of has nothing in common with one that is made:
        that one is looked up by its own hash.
        """
        if request.legacy_hash:
            return (LEGACY, request.legacy_hash)
        return tuple(part(request) for _, part in self._parts)

    def agrees(self, made: Request, recorded: Request) -> bool:
        """Whether the user's own matchers accept the pair."""
        return all(_accepts(matcher, made, recorded) for matcher in self.custom)

    def differing(self, made: Request, recorded: Request) -> list[str]:
        """Names of the matchers that tell the two apart."""
        if recorded.legacy_hash:
            names = {"headers", "body", "raw_body"}  # of which nothing was kept
            known = [(name, part) for name, part in self._parts if name not in names]
            return [*(name for name, part in known if part(made) != part(recorded)), LEGACY]
        found = [name for name, part in self._parts if part(made) != part(recorded)]
        return found + [
            getattr(matcher, "__name__", "custom matcher")
            for matcher in self.custom
            if not _accepts(matcher, made, recorded)
        ]

    def json_body(self, request: Request) -> Any:
        """The JSON of a body without what does not count; raises ValueError where there is none."""
        if not _may_be_json(header(request.headers, "content-type"), request.body):
            raise ValueError("not JSON")
        return _parsed(request.body, self._ignored)

    def _part(self, name: str) -> Callable[[Request], Hashable]:
        if name == "body":
            return self._body
        return _PARTS[name]

    def _body(self, request: Request) -> Hashable:
        if not request.body:
            return None
        content_type = header(request.headers, "content-type")
        if len(request.body) > _CACHED_BODY:
            return _body_key(content_type, request.body, self._ignored)
        return _cached_body_key(content_type, request.body, self._ignored)


def _accepts(matcher: CustomMatcher, made: Request, recorded: Request) -> bool:
    # vcrpy's contract: None and true values accept, false and AssertionError refuse.
    try:
        verdict = matcher(made, recorded)
    except AssertionError:
        return False
    return verdict is None or bool(verdict)


def _headers(request: Request) -> Hashable:
    return tuple(sorted((name.lower(), value) for name, value in request.headers))


_PARTS: dict[str, Callable[[Request], Hashable]] = {
    "method": lambda request: request.method.upper(),
    "uri": lambda request: parse_uri(request.url),
    "url": lambda request: parse_uri(request.url),
    "scheme": lambda request: parse_uri(request.url).scheme,
    "host": lambda request: parse_uri(request.url).host,
    "port": lambda request: parse_uri(request.url).port,
    "path": lambda request: parse_uri(request.url).path,
    "query": lambda request: parse_uri(request.url).query,
    "headers": _headers,
    "raw_body": lambda request: request.body,
}


def _body_key(content_type: str, body: bytes, ignored: tuple[tuple[str, ...], ...]) -> Hashable:
    kind = media_type(content_type)
    if _may_be_json(content_type, body):
        return _json_key(body, ignored)
    if kind == "application/x-www-form-urlencoded":
        return ("form", tuple(sorted(_pairs(body.decode("utf-8", "surrogateescape")))))
    if kind.startswith("multipart/"):
        return ("multipart", without_boundary(content_type, body))
    return body


_cached_body_key = lru_cache(maxsize=1024)(_body_key)


def _may_be_json(content_type: str, body: bytes) -> bool:
    # Clients that post JSON without saying so are common; nothing else begins like this.
    return is_json(content_type) or body[:1] in (b"{", b"[")


def _json_key(body: bytes, ignored: tuple[tuple[str, ...], ...]) -> Hashable:
    try:
        return ("json", _sorted_json(_parsed(body, ignored)))
    except (ValueError, RecursionError):  # not JSON after all: compare the bytes
        return body


def _parsed(body: bytes, ignored: tuple[tuple[str, ...], ...]) -> Any:
    data = _decoder.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    for path in ignored:
        _drop(data, path)
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice: readers differ in what that means")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError("a number that is too large to compare")
    return number


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_float)
_sorted_json = json.JSONEncoder(sort_keys=True).encode


def _steps(path: str) -> tuple[str, ...]:
    dotted = re.sub(r"\[(\d+|\*)\]", r".\1", path)
    return tuple(dotted.removeprefix("$").removeprefix(".").split("."))


def _drop(data: Any, path: tuple[str, ...]) -> None:
    """Remove what ``path`` names from parsed JSON, in place."""
    step, rest = path[0], path[1:]
    if isinstance(data, dict):
        keys: list[Any] = list(data) if step == "*" else [step] if step in data else []
    elif isinstance(data, list):
        keys = list(range(len(data))) if step == "*" else [int(step)] if _is_index(step, data) else []
    else:
        return
    for key in reversed(keys):
        if rest:
            _drop(data[key], rest)
        elif isinstance(data, list) and step != "*":
            data[key] = None  # the items after it keep their places
        else:
            del data[key]


def _is_index(step: str, data: list[Any]) -> bool:
    return step.isascii() and step.isdigit() and int(step) < len(data)


BOUNDARY = "boundary"
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*("?)([^";]*[^";\s])', re.IGNORECASE)


def boundary_of(content_type: str) -> str:
    """The boundary a multipart content type declares, or ``""``."""
    found = _BOUNDARY.search(content_type) if media_type(content_type).startswith("multipart/") else None
    return found[2] if found else ""


def with_fixed_boundary(content_type: str) -> str:
    """A multipart content type with :data:`BOUNDARY` in the place of its random one."""
    return _BOUNDARY.sub(lambda match: f"{match[0].removesuffix(match[2])}{BOUNDARY}", content_type, count=1)


def without_boundary(content_type: str, body: bytes) -> bytes:
    """A multipart body with its random boundary replaced by a fixed one."""
    boundary = boundary_of(content_type).encode("latin-1", "replace")
    if not boundary or boundary == BOUNDARY.encode():
        return body
    line = re.compile(rb"(?m)^--" + re.escape(boundary) + rb"(?=(?:--)?[ \t]*(?:\r?\n|\Z))")
    return line.sub(b"--" + BOUNDARY.encode(), body)
