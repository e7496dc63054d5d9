"""HTTP snapshots as cassettes of vcrpy's: version 1 of its format, as YAML or JSON, without loading it.

vcrpy replays a body to requests, urllib3 and aiohttp as the cassette has it, and to httpx through httpx's
decoder. Which client made the exchanges of kind ``http`` is not known, so their compressed bodies are decoded
and say so, as its ``decode_compressed_response`` does: every client takes that. Those of httpx stay as the
wire had them, as vcrpy records them. What its format has no word for is left out, and said: exceptions in
place of an answer, answers that broke off.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..digest import Kind
from ..recording import codec
from ..recording.bodies import Body
from ..recording.model import Failure, Headers, Interaction, Response, header
from .har import KINDS
from .show import inert

_VERSION = 1
_INDENT = 4  # vcrpy's own, for JSON


@dataclass
class Cassette:
    """What a file of vcrpy's will hold.

    Attributes
    ----------
    interactions:
        As its serializers take them.
    left_out:
        What could not be said, and why; one line each.
    """

    interactions: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def cassette(blobs: Mapping[Kind, bytes], *, as_json: bool = False, compressed: bool = False) -> Cassette:
    """The exchanges of a test's snapshots, those of both clients one after the other.

    Parameters
    ----------
    blobs:
        By kind; others than ``http`` and ``httpx`` are passed over.
    as_json:
        For a format without bytes: every compressed body is decoded.
    compressed:
        Decode none: each body is what the wire had.

    Raises
    ------
    IntegrityError
        When one is no snapshot.
    """
    made = Cassette()
    for kind in KINDS:
        items = codec.load_interactions(blobs[kind], name=kind.value) if kind in blobs else ()
        for number, item in enumerate(items, 1):
            name = inert(f"{kind.value} {number}. {item.request.method} {item.request.url}")
            if as_json or (kind is Kind.HTTP and not compressed):
                item = _decoded(item)  # noqa: PLW2901 - as it is written
            taken = _interaction(item, as_json=as_json)
            if isinstance(taken, str):
                made.left_out.append(f"{name}: {taken}")
            else:
                made.interactions.append(taken)
                made.left_out += [f"{name}: {what}" for what in _unsaid(item)]
    return made


def dump(interactions: Sequence[Mapping[str, Any]], *, as_json: bool = False) -> bytes:
    """The file: ASCII, so that it is read alike whatever a system takes for its encoding."""
    if as_json:
        document = {"version": _VERSION, "interactions": list(interactions)}
        return (json.dumps(document, indent=_INDENT) + "\n").encode("ascii")
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    document = {"interactions": list(interactions), "version": _VERSION}
    return str(yaml.dump(document, Dumper=dumper, sort_keys=False)).encode("ascii")


def _interaction(item: Interaction, *, as_json: bool) -> dict[str, Any] | str:
    """One exchange, or why there is none."""
    if isinstance(item.outcome, Failure):
        return f"raised {item.outcome.type}, and a cassette of vcrpy's holds answers only"
    request, response = item.request, item.outcome
    asked = _text(request.body) if request.body else None
    answered = _text(response.body.wire)
    if as_json and (isinstance(asked, bytes) or isinstance(answered, bytes)):
        return "a body of it is not text, which JSON cannot hold (YAML can)"
    return {
        "request": {
            "body": asked,
            "headers": _headers(request.headers),
            "method": request.method,
            "uri": request.url,
        },
        "response": {
            "body": {"string": answered},
            "headers": _headers(response.headers),
            "status": {"code": response.status, "message": response.reason},
        },
    }


def _unsaid(item: Interaction) -> Iterable[str]:
    """What the cassette has less than the recording, of an exchange that it has."""
    request, response = item.request, item.outcome
    if _has_repeats(request.headers):
        yield "of a request header that was sent several times, vcrpy reads the first"
    if request.legacy_hash:
        yield "the body of its request was never recorded"
    if isinstance(response, Response) and response.error is not None:
        yield f"its answer broke off with {response.error.type}; a replay by vcrpy just ends there"
    elif isinstance(response, Response) and response.cut:
        yield "the client stopped reading its answer; a replay by vcrpy just ends there"
    if isinstance(response, Response) and response.body.content and response.body.coding is None:
        coding = header(response.headers, "content-encoding").strip().lower()
        if coding not in ("", "identity"):
            yield f"its body stays {inert(coding[:40])}: vcrpy hands it to requests and aiohttp undecoded"


def _has_repeats(headers: Headers) -> bool:
    return len({name.lower() for name, _ in headers}) < len(headers)


def _headers(headers: Headers) -> dict[str, list[str]]:
    """All values under the first spelling of each name, in order."""
    found: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
    return found


def _decoded(item: Interaction) -> Interaction:
    """With its answer as content, and headers that are true for it."""
    if isinstance(item.outcome, Failure) or item.outcome.body.coding is None:
        return item
    plain = item.outcome.with_body(Body(item.outcome.body.content))
    headers = tuple(pair for pair in plain.headers if pair[0].lower() != "content-encoding")
    return replace(item, outcome=replace(plain, headers=headers))


def _text(body: bytes) -> str | bytes:
    """Text where it is, as vcrpy writes it."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body
