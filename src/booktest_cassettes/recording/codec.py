"""Blobs: canonical bytes of one test's snapshot of one kind, and back.

``load(dump(x)) == x`` for every cassette; the digest of the bytes is the snapshot's identity.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from ..digest import Kind
from ..errors import IntegrityError
from . import canonical, cutting
from .bodies import Body, Coding
from .calls import Call, dump_calls, load_calls
from .legacy import is_hash
from .model import Failure, Headers, Interaction, Request, Response

VERSION = 1


def dump_interactions(kind: Kind, interactions: Sequence[Interaction]) -> bytes:
    """The blob of an ``http`` or ``httpx`` snapshot."""
    return _dump(kind, {"interactions": [_interaction_out(item) for item in interactions]})


def load_interactions(data: bytes, *, name: str) -> list[Interaction]:
    """Read what :func:`dump_interactions` wrote.

    Raises
    ------
    IntegrityError
        When the bytes are not such a blob, or come from a newer version.
    """
    data, bodies = cutting.cut(data)
    items = _content(data, "interactions", (Kind.HTTP, Kind.HTTPX), name)
    with _Shape(name):
        return [_interaction_in(item, bodies) for item in _list(items)]


def dump_env(values: Mapping[str, str | None]) -> bytes:
    """The blob of an ``env`` snapshot: a name to its value, ``None`` where it was not set."""
    return _dump(Kind.ENV, {"env": dict(values)})


def load_env(data: bytes, *, name: str) -> dict[str, str | None]:
    """Read what :func:`dump_env` wrote; raises IntegrityError."""
    values = _content(data, "env", (Kind.ENV,), name)
    with _Shape(name):
        return {key: None if value is None else _text(value) for key, value in values.items()}


def dump_func(calls: Sequence[Call]) -> bytes:
    """The blob of a ``func`` snapshot."""
    return _dump(Kind.FUNC, dump_calls(calls))


def load_func(data: bytes, *, name: str) -> list[Call]:
    """Read what :func:`dump_func` wrote; raises IntegrityError."""
    calls = _content(data, "calls", (Kind.FUNC,), name)
    with _Shape(name):
        return load_calls({"calls": calls})


def load_document(data: bytes, *, name: str) -> dict[str, Any]:
    """The plain JSON of any blob, its version checked; raises IntegrityError."""
    document = canonical.loads(data, name=name)
    version = document.get("version") if isinstance(document, dict) else None
    if type(version) is int and version > VERSION:
        raise IntegrityError(
            f"{name}: written by a newer version (format {version}, this one reads up to {VERSION})",
            hint="pip install --upgrade booktest-cassettes",
        )
    if not isinstance(document, dict) or type(version) is not int or version != VERSION:
        raise IntegrityError(f"{name}: not a snapshot: no version {VERSION} in it")
    return document


def _dump(kind: Kind, content: dict[str, Any]) -> bytes:
    return canonical.dumps({"version": VERSION, "kind": kind.value, **content})


def _content(data: bytes, key: str, kinds: tuple[Kind, ...], name: str) -> Any:
    """What a blob of one of these kinds holds under ``key``, the one thing in it."""
    document = load_document(data, name=name)
    with _Shape(name):
        _check(document, {"version", "kind", key})
        if document["kind"] not in kinds:
            raise ValueError(f"a blob of kind {Kind(document['kind'])}")
        return document[key]


class _Shape:
    """Turns the ways a wrong shape shows in Python into one error that names the blob."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError, binascii.Error)):
            raise IntegrityError(f"{self.name}: not a snapshot: {type(error).__name__}: {error}") from None


def _interaction_out(item: Interaction) -> dict[str, Any]:
    if isinstance(item.outcome, Failure):
        outcome: dict[str, Any] = {"failure": _failure_out(item.outcome)}
    else:
        outcome = {"response": _response_out(item.outcome)}
    return {"request": _request_out(item.request), **outcome}


def _interaction_in(data: Any, bodies: Mapping[str, bytes]) -> Interaction:
    if "failure" in data:
        _check(data, {"request", "failure"})
        return Interaction(_request_in(data["request"], bodies), _failure_in(data["failure"]))
    _check(data, {"request", "response"})
    return Interaction(_request_in(data["request"], bodies), _response_in(data["response"], bodies))


def _request_out(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": [list(pair) for pair in request.headers],
        **_optional("body", _body_out(Body(request.body))),
        **_optional("legacy_hash", request.legacy_hash),
        **({} if request.booktest_hash == "" else {"booktest_hash": request.booktest_hash}),
    }


def _request_in(data: Any, bodies: Mapping[str, bytes]) -> Request:
    _check(data, _REQUEST, _REQUEST_MORE)
    body = _body_in(data["body"], bodies) if "body" in data else Body()
    if body.coding is not None:
        raise ValueError("a request body with a coding")
    known_by = _sha1(data["legacy_hash"]) if "legacy_hash" in data else ""
    method, url, headers = _text(data["method"]), _text(data["url"]), _headers_in(data["headers"])
    named = _name(data["booktest_hash"]) if "booktest_hash" in data else ""
    return Request(method, url, headers, body.content, known_by, named)


_REQUEST = frozenset({"method", "url", "headers"})
_REQUEST_MORE = frozenset({"body", "legacy_hash", "booktest_hash"})


def _response_out(response: Response) -> dict[str, Any]:
    return {
        "status": response.status,
        "reason": response.reason,
        "http_version": response.http_version,
        "headers": [list(pair) for pair in response.headers],
        **_optional("body", _body_out(response.body)),
        **_optional("splits", list(response.splits)),
        **_optional("cut", response.cut),
        **_optional("error", response.error and _failure_out(response.error)),
    }


def _response_in(data: Any, bodies: Mapping[str, bytes]) -> Response:
    _check(data, _RESPONSE, _RESPONSE_MORE)
    return Response(
        _integer(data["status"]),
        _text(data["reason"]),
        _text(data["http_version"]),
        _headers_in(data["headers"]),
        _body_in(data["body"], bodies) if "body" in data else Body(),
        tuple([_integer(offset) for offset in _list(data["splits"])]) if "splits" in data else (),
        _true(data["cut"]) if "cut" in data else False,
        _failure_in(data["error"]) if "error" in data else None,
    )


_RESPONSE = frozenset({"status", "reason", "http_version", "headers"})
_RESPONSE_MORE = frozenset({"body", "splits", "cut", "error"})


def _failure_out(failure: Failure) -> dict[str, Any]:
    return {"type": failure.type, "message": failure.message}


def _failure_in(data: Any) -> Failure:
    _check(data, {"type", "message"})
    return Failure(_text(data["type"]), _text(data["message"]))


def _headers_in(data: Any) -> Headers:
    # Most of a blob is headers: checked in the loop, not by a call for each text.
    found: list[tuple[str, str]] = []
    for pair in _list(data):
        name, value = pair
        if type(pair) is not list or type(name) is not str or type(value) is not str:
            raise TypeError("a header is a pair of texts")
        found.append((name, value))
    return tuple(found)


def _body_out(body: Body) -> dict[str, Any] | None:
    if not body.content and body.coding is None:
        return None
    coding = body.coding
    how = {"coding": {coding.name: coding.level, "memory": coding.memory}} if coding else {}
    return {**_content_out(body.content), **how}


def _content_out(content: bytes) -> dict[str, Any]:
    """Text as text, by line where there are several; anything that is not UTF-8 as base64."""
    if len(content) > cutting.LONG:
        form = "base64"
        if canonical.is_text(content):
            form = "lines" if 0 <= content.find(b"\n") < len(content) - 1 else "text"
        return {form: canonical.Long(content, form)}
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}
    # Only LF ends a line here: str.splitlines would also cut at U+2028 and friends inside a text.
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    if not lines[-1]:
        lines.pop()
    return {"text": text} if len(lines) < 2 else {"lines": lines}


def _body_in(data: Any, bodies: Mapping[str, bytes]) -> Body:
    coding = _coding_in(data["coding"]) if "coding" in data else None
    if len(data) != (1 if coding is None else 2):
        raise ValueError(f"a body says itself once, not as {_names(data.keys())}")
    for form in ("base64", "text", "lines") if bodies else ():
        mark = data.get(form)
        if type(mark) is str and mark in bodies:
            return Body(bodies[mark], coding)
    if "text" in data:
        return Body(_text(data["text"]).encode("utf-8"), coding)
    if "lines" in data:
        return Body("".join(_list(data["lines"])).encode("utf-8"), coding)
    return Body(binascii.a2b_base64(_text(data["base64"]), strict_mode=True), coding)


def _coding_in(data: Any) -> Coding:
    ((name, level),) = ((key, value) for key, value in data.items() if key != "memory")
    coding = Coding(name, _integer(level), _integer(data["memory"]))
    if name not in ("gzip", "zlib", "deflate") or not (0 <= coding.level <= 9 and 1 <= coding.memory <= 9):
        raise ValueError("unknown coding")
    return coding


def _optional(key: str, value: object) -> dict[str, Any]:
    return {key: value} if value else {}


# -- shapes: nothing is read that was not written ----------------------------------------------------


def _check(data: Any, needed: AbstractSet[str], more: AbstractSet[str] = frozenset()) -> None:
    keys = data.keys()
    if not (needed <= keys and (keys <= needed or keys <= needed | more)):
        raise ValueError(f"expected {_names(needed)}, found {_names(keys)}")


def _names(names: AbstractSet[str]) -> str:
    return ", ".join(sorted(names))[:200] or "nothing"


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _sha1(value: Any) -> str:
    if not is_hash(text := _text(value)):
        raise ValueError("a legacy_hash is 40 lower-case hex digits")
    return text


def _name(value: Any) -> str | int:
    if value == "" or type(value) not in (str, int):
        raise TypeError(f"a booktest_hash is a text or a whole number, not {type(value).__name__}")
    named: str | int = value
    return named


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected a whole number, found {type(value).__name__}")
    return value


def _true(value: Any) -> bool:
    if value is not True:
        raise TypeError(f"expected true, found {type(value).__name__}")
    return True


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value
