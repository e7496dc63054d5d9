"""How two requests, or two JSON values, differ, field by field, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from .bodies import is_json, media_type
from .matching import Matcher, parse_uri, without_boundary
from .model import Request

_SHOWN = 12
_LENGTH = 80
_ABSENT = object()


def nearest(made: Request, recorded: Sequence[Request], matcher: Matcher) -> Request | None:
    """The recorded request that a person would call the closest to ``made``."""
    candidates = recorded[:500]
    return max(candidates, key=lambda other: _closeness(made, other, matcher), default=None)


def _closeness(made: Request, other: Request, matcher: Matcher) -> tuple[int, int, int, int]:
    mine, theirs = parse_uri(made.url), parse_uri(other.url)
    same_place = (mine.host == theirs.host) + 2 * (mine.path == theirs.path)
    steps = sum(a == b for a, b in zip(mine.path.split("/"), theirs.path.split("/"), strict=False))
    same_parts = -len(matcher.differing(made, other))
    return (same_place, made.method == other.method, steps, same_parts)


def describe(made: Request, recorded: Request, matcher: Matcher) -> list[str]:
    """Lines that name each differing field with the value now and the recorded one."""
    lines: list[str] = []
    for name in matcher.differing(made, recorded):
        describe_part = _DESCRIBE.get(name)
        lines += describe_part(made, recorded) if describe_part else [f"{name} tells them apart"]
    rest = len(lines) - _SHOWN
    return lines if rest <= 0 else [*lines[:_SHOWN], f"... and {rest} more"]


def json_differences(new: Any, old: Any, path: str = "$") -> Iterator[tuple[str, Any, Any]]:
    """Every place where two JSON values differ: path, new value, old value (``ABSENT`` where none)."""
    if isinstance(new, dict) and isinstance(old, dict):
        for key in sorted(new.keys() | old.keys()):
            yield from json_differences(new.get(key, _ABSENT), old.get(key, _ABSENT), f"{path}.{key}")
    elif isinstance(new, list) and isinstance(old, list):
        for index in range(max(len(new), len(old))):
            yield from json_differences(_at(new, index), _at(old, index), f"{path}[{index}]")
    elif type(new) is not type(old) or new != old:
        yield path, new, old


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _line(field: str, new: object, old: object) -> str:
    return f"{field}: {shown(new)} now, {shown(old)} recorded"


def shown(value: object) -> str:
    """A value for a message: quoted, on one line, not too long."""
    if value is _ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}... ({len(text)} characters)"


def _method(made: Request, recorded: Request) -> list[str]:
    return [_line("method", made.method, recorded.method)]


def _uri(made: Request, recorded: Request) -> list[str]:
    mine, theirs = parse_uri(made.url), parse_uri(recorded.url)
    lines = []
    if mine.text != theirs.text:
        lines.append(_line("host", mine.text, theirs.text))
    if mine.path != theirs.path:
        lines.append(_line("path", mine.path, theirs.path))
    return lines + _pairs("query", mine.query, theirs.query)


def _pairs(label: str, new: Iterable[tuple[str, str]], old: Iterable[tuple[str, str]]) -> list[str]:
    mine, theirs = _grouped(new), _grouped(old)
    return [
        _line(f"{label} {name}", mine.get(name, _ABSENT), theirs.get(name, _ABSENT))
        for name in sorted(mine.keys() | theirs.keys())
        if mine.get(name) != theirs.get(name)
    ]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _headers(made: Request, recorded: Request) -> list[str]:
    lower = [[(name.lower(), value) for name, value in request.headers] for request in (made, recorded)]
    return _pairs("header", lower[0], lower[1])


def _body(made: Request, recorded: Request) -> list[str]:
    content_type = made.header("content-type")
    if content_type != recorded.header("content-type") and not (made.body and recorded.body):
        return [_line("body", _text(made.body), _text(recorded.body))]
    if is_json(content_type) or made.body[:1] in (b"{", b"["):
        try:
            found = json_differences(json.loads(made.body), json.loads(recorded.body))
            return [_line(f"body {path}", new, old) for path, new, old in found]
        except (ValueError, RecursionError):
            pass
    if media_type(content_type) == "application/x-www-form-urlencoded":
        pairs = [
            parse_qsl(request.body.decode("latin-1"), keep_blank_values=True) for request in (made, recorded)
        ]
        return _pairs("form", pairs[0], pairs[1])
    return _text_lines(content_type, made.body, recorded.body)


def _text_lines(content_type: str, new: bytes, old: bytes) -> list[str]:
    mine = Counter(without_boundary(content_type, new).splitlines())
    theirs = Counter(old.splitlines())
    added, gone = mine - theirs, theirs - mine
    if len(mine) < 2 or b"\0" in new + old:
        return [_line("body", _text(new), _text(old))]
    return [f"body + {shown(_text(line))}" for line in added] + [
        f"body - {shown(_text(line))}" for line in gone
    ]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


_DESCRIBE = {
    "method": _method,
    "uri": _uri,
    "url": _uri,
    "scheme": _uri,
    "host": _uri,
    "port": _uri,
    "path": _uri,
    "query": _uri,
    "headers": _headers,
    "body": _body,
    "raw_body": _body,
}
