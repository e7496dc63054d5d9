"""When two requests are the same request.

The default is vcrpy's strict sense without its accidents: method, URI (host in lower case, default
port dropped, query as a multiset, fragment ignored) and body (JSON as JSON, a form as a form, a
multipart body without its random boundary). Each request gets one hashable key, so a look-up costs
the same in a cassette of ten and of ten thousand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import UsageError
from .bodies import is_json, media_type
from .model import Request, header

NAMES = ("method", "uri", "url", "scheme", "host", "port", "path", "query", "headers", "body", "raw_body")
DEFAULT = ("method", "uri", "body")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_CACHED_BODY = 65_536  # bytes; larger bodies are not kept alive by the cache

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
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")


@lru_cache(maxsize=4096)
def parse_uri(url: str) -> Uri:
    """Take a URL apart; equal requests give equal results."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    try:
        port = parts.port
    except ValueError:  # "http://host:port/": keep it, as different as it is written
        return Uri(scheme, parts.netloc, None, parts.path, ())
    if port == _PORTS.get(scheme):
        port = None
    query = tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return Uri(scheme, (parts.hostname or "").rstrip("."), port, _path(parts.path), query)


def _path(path: str) -> str:
    # "%41" and "A" name the same path; "%2F" and "/" do not (RFC 3986, 6.2.2.2 and 2.2).
    if "%" not in path:
        return path or "/"
    return "%2F".join(
        unquote(part, errors="surrogateescape") for part in path.replace("%2f", "%2F").split("%2F")
    )


class Matcher:
    """Decides which recorded interaction answers a request.

    Parameters
    ----------
    match_on:
        vcrpy's matcher names, and callables ``(made, recorded) -> bool`` (or raising
        AssertionError), which narrow down what the names found.
    ignore_json_paths:
        Parts of JSON bodies that do not count, dotted, ``*`` for any key or index:
        ``metadata.request_id``, ``items.*.created_at``.

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
        self._ignored = tuple(tuple(path.removeprefix("$.").split(".")) for path in ignore_json_paths)
        self._parts = [(name, self._part(name)) for name in self.names]

    def key(self, request: Request) -> Hashable:
        """What two requests that match by name have in common."""
        return tuple(part(request) for _, part in self._parts)

    def agrees(self, made: Request, recorded: Request) -> bool:
        """Whether the user's own matchers accept the pair."""
        return all(_accepts(matcher, made, recorded) for matcher in self.custom)

    def differing(self, made: Request, recorded: Request) -> list[str]:
        """Names of the matchers that tell the two apart."""
        found = [name for name, part in self._parts if part(made) != part(recorded)]
        return found + [
            getattr(matcher, "__name__", "custom matcher")
            for matcher in self.custom
            if not _accepts(matcher, made, recorded)
        ]

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
    if is_json(content_type):
        return _json_key(body, ignored)
    if kind == "application/x-www-form-urlencoded":
        return ("form", tuple(sorted(parse_qsl(body.decode("latin-1"), keep_blank_values=True))))
    if kind.startswith("multipart/"):
        return ("multipart", without_boundary(content_type, body))
    return body


_cached_body_key = lru_cache(maxsize=1024)(_body_key)


def _json_key(body: bytes, ignored: tuple[tuple[str, ...], ...]) -> Hashable:
    try:
        data = json.loads(body)
        for path in ignored:
            _drop(data, path)
        return ("json", json.dumps(data, sort_keys=True))
    except (ValueError, RecursionError):  # not JSON after all: compare the bytes
        return body


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
        else:
            del data[key]


def _is_index(step: str, data: list[Any]) -> bool:
    return step.isdigit() and int(step) < len(data)


BOUNDARY = "boundary"


def boundary_of(content_type: str) -> str:
    """The boundary a multipart content type declares, or ``""``."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "boundary":
            return value.strip().strip('"')
    return ""


def without_boundary(content_type: str, body: bytes) -> bytes:
    """A multipart body with its random boundary replaced by a fixed one."""
    boundary = boundary_of(content_type)
    if not boundary:
        return body
    return body.replace(b"--" + boundary.encode("latin-1"), b"--" + BOUNDARY.encode())
