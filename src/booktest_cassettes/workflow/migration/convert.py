"""From what was read to canonical blobs: cleaned as on recording, and what that replaced is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...digest import Kind
from ...importing import booktest_calls
from ...importing.booktest_names import without_needless
from ...importing.imported import Imported
from ...recording import codec, legacy
from ...recording.calls import Call
from ...recording.declared import REDACTED
from ...recording.model import Headers, Interaction, Request, Response, header
from ...recording.redaction import Redactor
from ...traffic import Cleaner

_NAMED = re.compile(r"([A-Za-z0-9_.%\[\]-]{1,64})[\"'\\]*\s*[:=>]\s*[\"'\\]*\Z")
_LONG_AGO = ("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
_REACH = 100  # characters in which a name stands


@dataclass(frozen=True, slots=True)
class Converted:
    """The blobs of one test, and what was redacted on the way, by place."""

    blobs: Mapping[Kind, bytes]
    interactions: int
    redactions: Mapping[str, int]


def convert(imported: Imported, cleaner: Cleaner) -> Converted:
    """Canonical blobs by kind; a kind without content has none."""
    count: Counter[str] = Counter()
    blobs: dict[Kind, bytes] = {}
    for kind, items in ((Kind.HTTP, imported.interactions), (Kind.HTTPX, imported.httpx)):
        if items:
            clean = [_interaction(item, cleaner, count) for item in items]
            blobs[kind] = codec.dump_interactions(kind, without_needless(clean, kind))
    if imported.env:
        blobs[Kind.ENV] = codec.dump_env(_env(imported.env, cleaner.redactor, count))
    if imported.calls:
        blobs[Kind.FUNC] = codec.dump_func([_call(call, cleaner.redactor, count) for call in imported.calls])
    number = len(imported.interactions) + len(imported.httpx) + len(imported.calls)
    return Converted(blobs, number, count)


def _interaction(item: Interaction, cleaner: Cleaner, count: Counter[str]) -> Interaction:
    normal = cleaner.normaliser.request(item.request)
    request = cleaner.redactor.request(normal)
    _count_request(normal, request, count)
    before = _normal(replace(item, request=request), cleaner)
    after = cleaner.redactor.interaction(before)
    if isinstance(before.outcome, Response) and isinstance(after.outcome, Response):
        _count_response(before.outcome, after.outcome, count)
    return after


def _normal(item: Interaction, cleaner: Cleaner) -> Interaction:
    """Normalised, the same whenever it is done: expiry is judged by the answer's own date.

    Where that was filtered out, what is set to expire in this century was meant to last.
    """
    outcome = item.outcome
    if not isinstance(outcome, Response) or header(outcome.headers, "date"):
        return cleaner.normaliser.interaction(item)
    dated = replace(outcome, headers=(*outcome.headers, _LONG_AGO))
    made = cleaner.normaliser.response(dated)
    return replace(item, outcome=replace(made, headers=made.headers[:-1]))


def _count_request(before: Request, after: Request, count: Counter[str]) -> None:
    if before.url != after.url:
        _count_text("request url", before.url, after.url, count)
    _count_headers("request", before.headers, after.headers, count)
    if before.body != after.body:
        _count_bytes("request body", before.body, after.body, count)


def _count_response(before: Response, after: Response, count: Counter[str]) -> None:
    _count_headers("response", before.headers, after.headers, count)
    if before.body.content != after.body.content:
        _count_bytes("response body", before.body.content, after.body.content, count)


def _count_headers(side: str, before: Headers, after: Headers, count: Counter[str]) -> None:
    for old, new in zip(before, after, strict=True):
        # Content-Length follows a redacted body: it is no secret itself.
        if old != new and old[0].lower() != "content-length":
            count[f"{side} header {new[0].lower()}"] += 1


def _count_bytes(place: str, before: bytes, after: bytes, count: Counter[str]) -> None:
    _count_text(place, before.decode("utf-8", "replace"), after.decode("utf-8", "replace"), count)


def _count_text(place: str, before: str, after: str, count: Counter[str]) -> None:
    """By the name before what was replaced, where there is one."""
    found = _marks(after)
    found.subtract(_marks(before))
    new = {name: times for name, times in found.items() if times > 0}
    for name, times in (new or {"": 1}).items():
        count[f"{place} {name}".rstrip()] += times


def _marks(text: str) -> Counter[str]:
    """How often a name stands before the mark of what was redacted; ``""`` for none."""
    found: Counter[str] = Counter()
    at = text.find(REDACTED)
    while at >= 0:
        named = _NAMED.search(text, max(0, at - _REACH), at)
        found[named[1] if named else ""] += 1
        at = text.find(REDACTED, at + len(REDACTED))
    return found


def _env(env: Mapping[str, str | None], redactor: Redactor, count: Counter[str]) -> dict[str, str | None]:
    clean = {name: value and redactor.env_value(name, value) for name, value in env.items()}
    count.update(f"variable {name}" for name, value in clean.items() if value != env[name])
    return clean


def _call(call: Call, redactor: Redactor, count: Counter[str]) -> Call:
    clean = booktest_calls.clean(call, redactor)
    if replace(clean, booktest_hash=call.booktest_hash) != call:
        count[f"call of {legacy.shown(clean.function)}"] += 1
    return clean
