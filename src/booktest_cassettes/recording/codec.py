"""Blobs: canonical bytes of one test's snapshot of one kind, and back.

``load(dump(x)) == x`` for every cassette; the digest of the bytes is the snapshot's identity.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from ..digest import Kind
from ..errors import IntegrityError
from . import canonical
from .bodies import Body, Coding
from .calls import Call, dump_calls, load_calls
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
    document = load_document(data, name=name)
    with _Shape(name):
        return [_interaction_in(item) for item in document["interactions"]]


def dump_env(values: Mapping[str, str | None]) -> bytes:
    """The blob of an ``env`` snapshot: a name to its value, ``None`` where it was not set."""
    return _dump(Kind.ENV, {"env": dict(values)})


def load_env(data: bytes, *, name: str) -> dict[str, str | None]:
    """Read what :func:`dump_env` wrote; raises IntegrityError."""
    document = load_document(data, name=name)
    with _Shape(name):
        return {str(key): value if value is None else str(value) for key, value in document["env"].items()}


def dump_func(calls: Sequence[Call]) -> bytes:
    """The blob of a ``func`` snapshot."""
    return _dump(Kind.FUNC, dump_calls(calls))


def load_func(data: bytes, *, name: str) -> list[Call]:
    """Read what :func:`dump_func` wrote; raises IntegrityError."""
    document = load_document(data, name=name)
    with _Shape(name):
        return load_calls({"calls": document["calls"]})


def load_document(data: bytes, *, name: str) -> dict[str, Any]:
    """The plain JSON of any blob, its version checked; raises IntegrityError."""
    document = canonical.loads(data, name=name)
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise IntegrityError(
            f"{name}: written by a newer version (format {version}, this one reads up to {VERSION})",
            hint="pip install --upgrade booktest-cassettes",
        )
    if not isinstance(document, dict) or version != VERSION:
        raise IntegrityError(f"{name}: not a snapshot: no version {VERSION} in it")
    return document


def _dump(kind: Kind, content: dict[str, Any]) -> bytes:
    return canonical.dumps({"version": VERSION, "kind": kind.value, **content})


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


def _interaction_in(data: dict[str, Any]) -> Interaction:
    request = _request_in(data["request"])
    if "failure" in data:
        return Interaction(request, _failure_in(data["failure"]))
    return Interaction(request, _response_in(data["response"]))


def _request_out(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": [list(pair) for pair in request.headers],
        **_optional("body", _body_out(Body(request.body))),
    }


def _request_in(data: dict[str, Any]) -> Request:
    return Request(
        _text(data["method"]), _text(data["url"]), _headers_in(data), _body_in(data.get("body")).content
    )


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


def _response_in(data: dict[str, Any]) -> Response:
    error = data.get("error")
    return Response(
        status=int(data["status"]),
        reason=_text(data["reason"]),
        http_version=_text(data["http_version"]),
        headers=_headers_in(data),
        body=_body_in(data.get("body")),
        splits=tuple(int(offset) for offset in data.get("splits", ())),
        cut=bool(data.get("cut", False)),
        error=_failure_in(error) if error else None,
    )


def _failure_out(failure: Failure) -> dict[str, Any]:
    return {"type": failure.type, "message": failure.message}


def _failure_in(data: dict[str, Any]) -> Failure:
    return Failure(_text(data["type"]), _text(data["message"]))


def _headers_in(data: dict[str, Any]) -> Headers:
    return tuple((_text(name), _text(value)) for name, value in data["headers"])


def _body_out(body: Body) -> dict[str, Any] | None:
    if not body.content and body.coding is None:
        return None
    coding = body.coding
    how = {"coding": {coding.name: coding.level, "memory": coding.memory}} if coding else {}
    return {**_content_out(body.content), **how}


def _content_out(content: bytes) -> dict[str, Any]:
    """Text as text, by line where there are several; anything that is not UTF-8 as base64."""
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


def _body_in(data: dict[str, Any] | None) -> Body:
    if data is None:
        return Body()
    coding = data.get("coding")
    return Body(_content_in(data), _coding_in(coding) if coding else None)


def _content_in(data: dict[str, Any]) -> bytes:
    if "text" in data:
        return _text(data["text"]).encode("utf-8")
    if "lines" in data:
        return "".join(data["lines"]).encode("utf-8")
    return base64.b64decode(data["base64"], validate=True)


def _coding_in(data: dict[str, Any]) -> Coding:
    ((name, level),) = ((key, value) for key, value in data.items() if key != "memory")
    if name not in ("gzip", "zlib", "deflate"):
        raise ValueError(f"unknown coding {name!r}")
    return Coding(name, int(level), int(data["memory"]))


def _optional(key: str, value: object) -> dict[str, Any]:
    return {key: value} if value else {}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value
