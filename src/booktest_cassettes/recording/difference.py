"""How two requests, or two JSON values, differ, field by field, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from heapq import nlargest
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from ..wording import printable
from .bodies import media_type
from .matching import LEGACY, Matcher, parse_uri, without_boundary
from .model import Request

_SHOWN = 12  # lines
_LENGTH = 80  # characters of a value
_LABEL = 120  # characters of a field's name
_CONTEXT = 20  # characters before the place where two long values part
_CLOSE = 200  # requests that are compared in depth
_COUNTED = 1_000  # differences, beyond which there are just more
_COMPARED = 500  # characters of two bodies from where they part, to see how alike they read
_ABSENT = object()


def nearest(made: Request, recorded: Sequence[Request], matcher: Matcher) -> Request | None:
    """The recorded request that a person would call the closest to ``made``.

    Same path first, then same method, then the fewest differences in what the matcher looks at, then
    the body that reads most alike.
    """
    close = nlargest(_CLOSE, recorded, key=lambda other: (_place(made, other), made.body == other.body))
    return max(close, key=lambda other: (_place(made, other), _likeness(made, other, matcher)), default=None)


def _place(made: Request, other: Request) -> tuple[int, int, int]:
    mine, theirs = parse_uri(made.url), parse_uri(other.url)
    same_place = (mine.host == theirs.host) + 2 * (mine.path == theirs.path)
    steps = sum(a == b for a, b in zip(mine.path.split("/"), theirs.path.split("/"), strict=False))
    return (same_place, made.method == other.method, steps)


def _likeness(made: Request, other: Request, matcher: Matcher) -> tuple[int, int, float]:
    names = matcher.differing(made, other)
    lines = sum(1 for _ in islice(_lines(names, made, other, matcher), _COUNTED))
    return (-len(names), -lines, _likeness_of_texts(_reading(made, matcher), _reading(other, matcher)))


def _likeness_of_texts(mine: str, theirs: str) -> float:
    start = parting(mine, theirs)
    end = start + _COMPARED
    rest = SequenceMatcher(None, mine[start:end], theirs[start:end], autojunk=False).quick_ratio()
    return (start + rest * _COMPARED) / (start + _COMPARED)


def _reading(request: Request, matcher: Matcher) -> str:
    """A body as the matcher reads it."""
    try:
        return json.dumps(matcher.json_body(request), sort_keys=True)
    except (ValueError, RecursionError):
        return _text(request.body)


def parting(mine: str, theirs: str) -> int:
    """How many characters two texts begin with alike."""
    low, high = 0, min(len(mine), len(theirs))
    while low < high:
        middle = (low + high + 1) // 2
        if mine[low:middle] == theirs[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def describe(made: Request, recorded: Request, matcher: Matcher) -> list[str]:
    """Lines that name each differing field with the value now and the recorded one."""
    names = matcher.differing(made, recorded)
    lines = list(dict.fromkeys(islice(_lines(names, made, recorded, matcher), _COUNTED)))
    rest = len(lines) - _SHOWN
    if rest <= 0:
        return lines
    return [*lines[:_SHOWN], f"... and {rest} more" if len(lines) < _COUNTED else "... and many more"]


def _lines(names: Iterable[str], made: Request, recorded: Request, matcher: Matcher) -> Iterator[str]:
    for name in names:
        told = False
        for line in _DESCRIBE.get(name, _nothing)(made, recorded, matcher):
            told = True
            yield line
        if not told:
            yield f"{printable(name)[:_LABEL]} tells them apart"


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
    mine, theirs = _shown(new), _shown(old)
    # Two long values are shown from a little before the place where they part.
    start = 0
    if min(len(mine), len(theirs)) > _LENGTH:
        start = parting(mine, theirs) - _CONTEXT
    label = _clipped(printable(field), 0, _LABEL)
    return f"{label}: {_clipped(mine, start)} now, {_clipped(theirs, start)} recorded"


def shown(value: object) -> str:
    """A value for a message: quoted, on one line, not too long."""
    return _clipped(_shown(value), 0)


def _shown(value: object) -> str:
    return "nothing" if value is _ABSENT else printable(json.dumps(value, ensure_ascii=False, default=repr))


def _clipped(text: str, start: int, length: int = _LENGTH) -> str:
    if len(text) <= length:
        return text
    start = max(start, 0)
    end = start + length
    head, tail = "..." if start else "", "..." if end < len(text) else ""
    return f"{head}{text[start:end]}{tail} ({len(text)} characters)"


_Describe = Callable[[Request, Request, Matcher], Iterable[str]]


def _nothing(_made: Request, _recorded: Request, _matcher: Matcher) -> Iterable[str]:
    return ()


def _method(made: Request, recorded: Request, _matcher: Matcher) -> Iterable[str]:
    return [_line("method", made.method, recorded.method)]


def _uri(made: Request, recorded: Request, matcher: Matcher) -> Iterable[str]:
    for part in (_host, _path, _query):
        yield from part(made, recorded, matcher)


def _host(made: Request, recorded: Request, _matcher: Matcher) -> Iterable[str]:
    mine, theirs = parse_uri(made.url), parse_uri(recorded.url)
    return [_line("host", mine.text, theirs.text)] if mine.text != theirs.text else []


def _path(made: Request, recorded: Request, _matcher: Matcher) -> Iterable[str]:
    mine, theirs = parse_uri(made.url), parse_uri(recorded.url)
    return [_line("path", mine.path, theirs.path)] if mine.path != theirs.path else []


def _query(made: Request, recorded: Request, _matcher: Matcher) -> Iterable[str]:
    return _pairs("query", parse_uri(made.url).query, parse_uri(recorded.url).query)


def _pairs(label: str, new: Iterable[tuple[str, str]], old: Iterable[tuple[str, str]]) -> Iterator[str]:
    mine, theirs = _grouped(new), _grouped(old)
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            yield _line(f"{label} {name}", mine.get(name, _ABSENT), theirs.get(name, _ABSENT))


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else sorted(values) for name, values in found.items()}


def _headers(made: Request, recorded: Request, _matcher: Matcher) -> Iterable[str]:
    lower = [[(name.lower(), value) for name, value in request.headers] for request in (made, recorded)]
    return _pairs("header", lower[0], lower[1])


def _body(made: Request, recorded: Request, matcher: Matcher) -> Iterable[str]:
    try:
        found = list(json_differences(matcher.json_body(made), matcher.json_body(recorded)))
        return (_line(f"body {path}", new, old) for path, new, old in found)
    except (ValueError, RecursionError):
        pass
    content_type = made.header("content-type")
    if media_type(content_type) == "application/x-www-form-urlencoded":
        pairs = [
            parse_qsl(_text(request.body), keep_blank_values=True, errors="surrogateescape")
            for request in (made, recorded)
        ]
        return _pairs("form", pairs[0], pairs[1])
    return _text_lines(content_type, made, recorded)


def _text_lines(content_type: str, made: Request, recorded: Request) -> Iterator[str]:
    new = without_boundary(content_type, made.body)
    old = without_boundary(recorded.header("content-type"), recorded.body)
    mine, theirs = Counter(new.splitlines()), Counter(old.splitlines())
    if len(mine) < 2 or b"\0" in new + old:
        if new != old:
            yield _line("body", _text(new), _text(old))
        return
    for line in mine - theirs:
        yield f"body + {shown(_text(line))}"
    for line in theirs - mine:
        yield f"body - {shown(_text(line))}"


def _raw_body(made: Request, recorded: Request, _matcher: Matcher) -> Iterable[str]:
    return [_line("body", _text(made.body), _text(recorded.body))]


def _legacy(_made: Request, recorded: Request, _matcher: Matcher) -> Iterable[str]:
    return [f"body: booktest kept its hash alone, {recorded.legacy_hash}, which this request does not have"]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


_DESCRIBE: dict[str, _Describe] = {
    "method": _method,
    "uri": _uri,
    "url": _uri,
    "scheme": _host,
    "host": _host,
    "port": _host,
    "path": _path,
    "query": _query,
    "headers": _headers,
    "body": _body,
    "raw_body": _raw_body,
    LEGACY: _legacy,
}
