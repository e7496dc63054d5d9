"""One test's snapshots, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..digest import BlobKey, Digest, Kind
from ..errors import UsageError
from ..project import Project
from ..recording import codec, legacy
from ..recording.bodies import is_json, pieces
from ..recording.model import Failure, Headers, Interaction, Response, header
from . import staging
from .select import matches

_BODY_LINES = 40


def snapshots(project: Project, test_id: str, *, pending: bool) -> dict[Kind, bytes]:
    """The verified bytes of a test's snapshots: the staged ones, or the approved.

    Parameters
    ----------
    project, test_id:
        Which test, by its full id.
    pending:
        Show what waits for review, where something does.

    Raises
    ------
    UsageError
        When there is no such test.
    BlobMissing, BlobCorrupt, StorageError
        When a blob is gone, changed or cannot be read.
    """
    record = project.pending.load(test_id) if pending else None
    if record is not None and record.changes:
        return {
            kind: staging.read(project, test_id, BlobKey(kind, change.staged))
            for kind, change in record.changes.items()
            if change.staged
        }
    approved = project.manifest.get(test_id)
    if not approved and record is None and not project.results.exists(test_id):
        raise UsageError(f"no snapshot of {test_id}", hint=_did_you_mean(project, test_id))
    return {kind: project.approved(test_id, kind, digest) for kind, digest in approved.items()}


def result(project: Project, test_id: str, *, pending: bool) -> str | None:
    """A test's result: the one that waits for review, or the approved; ``None`` for none."""
    record = project.pending.load(test_id) if pending else None
    if record is not None:
        return record.result.staged if record.result is not None else None
    return project.results.read(test_id)


def resolve_id(project: Project, text: str) -> str:
    """The test a person means, where that is one; raises UsageError otherwise."""
    waiting = (pending.test_id for pending in project.pending)
    named = {*project.manifest.entries, *waiting}
    if text in named or project.results.exists(text):
        return text
    known = sorted({*named, *project.results.ids()})
    found = [test_id for test_id in known if matches(text, test_id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{text} means {len(found)} tests", hint="one of:\n    " + "\n    ".join(found[:20]))
    raise UsageError(f"no snapshot of {text}", hint=_did_you_mean(project, text))


def _did_you_mean(project: Project, test_id: str) -> str:
    from difflib import get_close_matches

    known = [*project.manifest.entries, *(pending.test_id for pending in project.pending)]
    near = get_close_matches(test_id, known, 1, 0.5)
    return (
        f"did you mean {near[0]}?"
        if near
        else "the manifest lists the tests that are approved, booktest-cassettes status those that wait"
    )


def as_json(blobs: dict[Kind, bytes], result: str | None = None) -> dict[str, Any]:
    """Snapshots as data, by kind, and the result."""
    found = {kind.value: codec.load_document(data, name=kind.value) for kind, data in blobs.items()}
    return found if result is None else {**found, "result": result}


def render(
    test_id: str, blobs: dict[Kind, bytes], result: str | None = None, *, full: bool = False
) -> Iterator[str]:
    """Snapshots and result as lines of text, in which nothing can drive the terminal that shows them.

    Of each body the first lines, unless ``full``.
    """
    limit = None if full else _BODY_LINES
    yield inert(test_id)
    for kind, data in sorted(blobs.items()):
        yield ""
        yield f"{kind.value}  {Digest.of(data)}  {len(data):,} bytes"
        yield from map(inert, _RENDER[kind](data, limit))
    if result is not None:
        yield from ["", "result", *(f"  {inert(line)}".rstrip() for line in result.rstrip("\n").split("\n"))]


def inert(text: str) -> str:
    """Text with its control, bidirectional and other invisible characters written as escapes."""
    if text.isprintable():
        return text
    escapes = {ord(char): repr(char)[1:-1] for char in set(text) if not (char.isprintable() or char == "\t")}
    return text.translate(escapes)


def _interactions(data: bytes, limit: int | None) -> Iterator[str]:
    for number, item in enumerate(codec.load_interactions(data, name="snapshot"), 1):
        yield f"  {number}. {item.request.method} {item.request.url}"
        yield from _message(item.request.headers, item.request.body, (), limit)
        if item.request.legacy_hash:
            yield f"       (its body was not kept: matched by booktest's hash {item.request.legacy_hash})"
        if item.request.booktest_hash != "":
            yield f"       (booktest finds it by {item.request.booktest_hash})"
        yield from _outcome(item, limit)


def _outcome(item: Interaction, limit: int | None) -> Iterator[str]:
    outcome = item.outcome
    if isinstance(outcome, Failure):
        yield f"     raised {outcome.type}: {outcome.message}"
        return
    yield f"     {outcome.http_version} {outcome.status} {outcome.reason}".rstrip()
    yield from _message(outcome.headers, outcome.body.content, _delivery(outcome), limit)
    if outcome.cut:
        yield "       (the client read no further)"
    if outcome.error:
        yield f"       (broken off: {outcome.error.type}: {outcome.error.message})"


def _delivery(response: Response) -> list[bytes]:
    parts = pieces(response.body, header(response.headers, "content-type"), response.splits)
    return parts if len(parts) > 1 else []


def _message(
    headers: Headers, body: bytes, parts: list[bytes] | tuple[()], limit: int | None
) -> Iterator[str]:
    for name, value in headers:
        yield f"       {name}: {value}"
    if parts:
        yield f"       ({len(parts)} pieces)"
    lines = list(_body(body, header(headers, "content-type")))
    for line in lines[:limit]:
        yield f"       | {line}"
    if limit is not None and len(lines) > limit:
        yield f"       | ... {len(lines) - limit} more lines (--json shows all)"


def _body(body: bytes, content_type: str) -> Iterator[str]:
    if not body:
        return
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        yield f"{len(body):,} bytes of binary data, sha256 {Digest.of(body).short}..."
        return
    if is_json(content_type):
        with suppress(ValueError):  # it only says it is JSON: shown as it is
            text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    yield from text.rstrip("\n").split("\n")


def _env(data: bytes, _limit: int | None) -> Iterator[str]:
    for name, value in codec.load_env(data, name="snapshot").items():
        yield f"  {name}={value}" if value is not None else f"  {name} is not set"


def _func(data: bytes, _limit: int | None) -> Iterator[str]:
    for number, call in enumerate(codec.load_document(data, name="snapshot")["calls"], 1):
        outcome = "returned" if "returned" in call else "raised"
        arguments = json.dumps(call["arguments"], ensure_ascii=False)
        yield f"  {number}. {legacy.shown(call['function'])} {arguments}"
        yield f"     {outcome} {json.dumps(call[outcome], ensure_ascii=False)}"


_RENDER = {Kind.HTTP: _interactions, Kind.HTTPX: _interactions, Kind.ENV: _env, Kind.FUNC: _func}
