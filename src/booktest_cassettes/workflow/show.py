"""One test's snapshots, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..digest import BlobKey, Digest, Kind
from ..errors import UsageError
from ..project import Project
from ..recording import codec
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
    if record is not None:
        return {
            kind: staging.read(project, test_id, BlobKey(kind, change.staged))
            for kind, change in record.changes.items()
            if change.staged
        }
    approved = project.manifest.get(test_id)
    if not approved:
        raise UsageError(f"no snapshot of {test_id}", hint=_did_you_mean(project, test_id))
    return {kind: project.approved(test_id, kind, digest) for kind, digest in approved.items()}


def resolve_id(project: Project, text: str) -> str:
    """The test a person means, where that is one; raises UsageError otherwise."""
    known = sorted({*project.manifest.entries, *(pending.test_id for pending in project.pending)})
    if text in known:
        return text
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
    return f"did you mean {near[0]}?" if near else "booktest-cassettes status lists what there is"


def as_json(blobs: dict[Kind, bytes]) -> dict[str, Any]:
    """Snapshots as data, by kind."""
    return {kind.value: codec.load_document(data, name=kind.value) for kind, data in blobs.items()}


def render(test_id: str, blobs: dict[Kind, bytes]) -> Iterator[str]:
    """Snapshots as lines of text, in which nothing can drive the terminal that shows them."""
    yield inert(test_id)
    for kind, data in sorted(blobs.items()):
        yield ""
        yield f"{kind.value}  {Digest.of(data)}  {len(data):,} bytes"
        yield from map(inert, _RENDER[kind](data))


def inert(text: str) -> str:
    """Text with its control, bidirectional and other invisible characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else repr(char)[1:-1] for char in text)


def _interactions(data: bytes) -> Iterator[str]:
    for number, item in enumerate(codec.load_interactions(data, name="snapshot"), 1):
        yield f"  {number}. {item.request.method} {item.request.url}"
        yield from _message(item.request.headers, item.request.body, ())
        yield from _outcome(item)


def _outcome(item: Interaction) -> Iterator[str]:
    outcome = item.outcome
    if isinstance(outcome, Failure):
        yield f"     raised {outcome.type}: {outcome.message}"
        return
    yield f"     {outcome.http_version} {outcome.status} {outcome.reason}".rstrip()
    yield from _message(outcome.headers, outcome.body.content, _delivery(outcome))
    if outcome.cut:
        yield "       (the client read no further)"
    if outcome.error:
        yield f"       (broken off: {outcome.error.type}: {outcome.error.message})"


def _delivery(response: Response) -> list[bytes]:
    parts = pieces(response.body, header(response.headers, "content-type"), response.splits)
    return parts if len(parts) > 1 else []


def _message(headers: Headers, body: bytes, parts: list[bytes] | tuple[()]) -> Iterator[str]:
    for name, value in headers:
        yield f"       {name}: {value}"
    if parts:
        yield f"       ({len(parts)} pieces)"
    lines = list(_body(body, header(headers, "content-type")))
    for line in lines[:_BODY_LINES]:
        yield f"       | {line}"
    if len(lines) > _BODY_LINES:
        yield f"       | ... {len(lines) - _BODY_LINES} more lines (--json shows all)"


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


def _env(data: bytes) -> Iterator[str]:
    for name, value in codec.load_env(data, name="snapshot").items():
        yield f"  {name}={value}" if value is not None else f"  {name} is not set"


def _func(data: bytes) -> Iterator[str]:
    for number, call in enumerate(codec.load_document(data, name="snapshot")["calls"], 1):
        outcome = "returned" if "returned" in call else "raised"
        arguments = json.dumps(call["arguments"], ensure_ascii=False)
        yield f"  {number}. {call['function']} {arguments}"
        yield f"     {outcome} {json.dumps(call[outcome], ensure_ascii=False)}"


_RENDER = {Kind.HTTP: _interactions, Kind.HTTPX: _interactions, Kind.ENV: _env, Kind.FUNC: _func}
