"""A blob as a reader sees it: exchanges, bodies as far as they fit on a page, redactions counted."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ...digest import Digest, Kind
from ...recording import codec, legacy
from ...recording.bodies import LINE_TYPES, is_json, media_type, pieces
from ...recording.bodies import Body as RecordedBody
from ...recording.declared import REDACTED
from ...recording.model import Failure, Headers, Interaction, Response, header
from ...recording.redaction import Redactor
from ..show import inert
from .data import Body, Call, Content, Exchange, Message, Redaction

LONGEST = 16_384  # characters of a body that a report holds at most
_LONG_VALUE = 4_096  # characters of a URL, header or variable
_HEX_HEAD = 256  # bytes
_MARK = REDACTED.encode()
_JSON_FIELD = re.compile(rf'"([^"\\]{{1,80}})"\s*:\s*"[^"\n]{{0,200}}{REDACTED}')
_FORM_FIELD = re.compile(rf"(?:^|[&?;])([^=&?#;\s]{{1,80}})={REDACTED}")


def content_of(kind: Kind, data: bytes, redactor: Redactor | None = None) -> Content:
    """What a blob holds, without what ``redactor`` takes out: what was declared secret since.

    Raises
    ------
    IntegrityError
        When it is no snapshot of this kind.
    """
    if kind is Kind.ENV:
        values = codec.load_env(data, name="snapshot")
        secret = Counter(f"variable {inert(name)}" for name, value in values.items() if value == REDACTED)
        variables = tuple(
            (_short(name), None if value is None else _short(redactor.text(value) if redactor else value))
            for name, value in values.items()
        )
        return Content(len(data), env=variables, redactions=_counted(secret))
    if kind is Kind.FUNC:
        recorded = codec.load_document(data, name="snapshot")["calls"]
        clean: Any = redactor.encoded(recorded) if redactor else recorded
        calls = tuple(map(_call, clean))
        found = Counter({"function value": data.count(_MARK)} if _MARK in data else {})
        return Content(len(data), calls=calls, redactions=_counted(found))
    items = codec.load_interactions(data, name="snapshot")
    if redactor:
        items = [
            redactor.interaction(replace(item, request=redactor.request(item.request))) for item in items
        ]
    found = Counter(place for item in items for place in _redacted(item)) if _MARK in data else Counter()
    return Content(len(data), tuple(_exchange(item) for item in items), redactions=_counted(found))


def lines_of(text: str) -> str:
    """Text with its line ends as they are, and everything else that cannot be seen written out."""
    return text if text.isprintable() else "\n".join(map(inert, text.split("\n")))


def _short(text: str, longest: int = _LONG_VALUE) -> str:
    text = inert(text[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]}..."


def _exchange(item: Interaction) -> Exchange:
    request, outcome = item.request, item.outcome
    asked = Message("", _headers(request.headers), _body(RecordedBody(request.body), request.headers))
    kind, size, status = "", 0, None
    if isinstance(outcome, Response):
        kind, size = media_type(header(outcome.headers, "content-type")), len(outcome.body.content)
        status = outcome.status
    return Exchange(
        _short(request.method, 40),
        _short(request.url),
        _short(_host(request.url), 253),
        status,
        _short(kind, 80),
        size,
        asked,
        _answer(outcome),
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:  # recorded, so some client took it for a URL
        return ""


def _answer(outcome: Response | Failure) -> Message:
    if isinstance(outcome, Failure):
        return Message(_short(f"raised {outcome.type}: {outcome.message}"))
    notes = []
    parts = len(pieces(outcome.body, header(outcome.headers, "content-type"), outcome.splits))
    if parts > 1:
        notes.append(f"delivered in {parts:,} pieces")
    if outcome.cut:
        notes.append("the client read no further")
    if outcome.error:
        notes.append(_short(f"broken off: {outcome.error.type}: {outcome.error.message}"))
    line = f"{outcome.http_version} {outcome.status} {outcome.reason}".rstrip()
    return Message(
        _short(line), _headers(outcome.headers), _body(outcome.body, outcome.headers), tuple(notes)
    )


def _headers(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple((_short(name), _short(value)) for name, value in headers)


def _body(body: RecordedBody, headers: Headers) -> Body | None:
    content = body.content
    if not content:
        return None
    coding = body.coding.name if body.coding else ""
    head = content[: 4 * LONGEST]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) == len(content))
    except UnicodeDecodeError:
        spelled = content[:_HEX_HEAD].hex(" ")
        clipped = len(content) > _HEX_HEAD
        return Body("binary", len(content), spelled, clipped, Digest.of(content), coding)
    shown = lines_of(text[:LONGEST])
    clipped = len(text) > LONGEST or len(head) < len(content)
    return Body(_form(text, header(headers, "content-type")), len(content), shown, clipped, "", coding)


def _form(text: str, content_type: str) -> str:
    kind = media_type(content_type)
    if kind == "text/event-stream":
        return "events"
    if kind in LINE_TYPES:
        return "lines"
    if kind == "application/x-www-form-urlencoded":
        return "form"
    return "json" if is_json(content_type) or text.lstrip()[:1] in ("{", "[") else "text"


def _call(call: dict[str, object]) -> Call:
    outcome = "returned" if "returned" in call else "raised"
    arguments, value = (
        _short(json.dumps(part, ensure_ascii=False), LONGEST) for part in (call["arguments"], call[outcome])
    )
    return Call(_short(legacy.shown(str(call["function"]))), arguments, outcome, value)


# -- redactions --------------------------------------------------------------------------------------


def _counted(found: Counter[str]) -> tuple[Redaction, ...]:
    return tuple(Redaction(place, count) for place, count in sorted(found.items()))


def _redacted(item: Interaction) -> Iterator[str]:
    """Where the marker stands in an exchange, once for each time."""
    request, outcome = item.request, item.outcome
    if REDACTED in request.url:
        yield from _named(request.url, "query", "url")
    yield from _in_headers("request", request.headers)
    yield from _in_body("request", request.body)
    if isinstance(outcome, Response):
        yield from _in_headers("response", outcome.headers)
        yield from _in_body("response", outcome.body.content)


def _in_headers(side: str, headers: Headers) -> Iterator[str]:
    return (f"{side} header {_short(name, 80).lower()}" for name, value in headers if REDACTED in value)


def _in_body(side: str, content: bytes) -> Iterator[str]:
    if _MARK in content:
        yield from _named(content.decode("utf-8", "replace"), f"{side} field", f"{side} body")


def _named(text: str, named: str, unnamed: str) -> Sequence[str]:
    names = [*_JSON_FIELD.findall(text), *_FORM_FIELD.findall(text)]
    rest = max(text.count(REDACTED) - len(names), 0)
    return [f"{named} {_short(name, 80)}" for name in names] + [unnamed] * rest
