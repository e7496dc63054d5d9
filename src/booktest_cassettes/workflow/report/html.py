"""The report as one page: opens from disk, asks nobody for anything, and runs nothing that was recorded.

What was recorded stands in a JSON block that no parser takes for markup; the page makes text nodes of it.
A content security policy names the one script and the one style by their digests and allows nothing else.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

from ...digest import Digest
from .data import FINE, STATES, Report, plain

_SCRIPTS = ("page_values.js", "page_test.js", "page.js")
_BODIES = 2_200_000  # characters of all bodies together, as they stand in the page
_LEVELS = (16_384, 8_192, 4_096, 2_048, 1_024, 512, 256)
_MARKUP = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_HOLE = re.compile(r"\{\{(\w+)\}\}")


def render(report: Report) -> str:
    """The page's text."""
    script = "".join(("'use strict';\n(() => {\n", *map(_resource, _SCRIPTS), "})();\n"))
    style = _resource("page.css")
    policy = (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}';"
        " base-uri 'none'; form-action 'none'"
    )
    filling = {
        "title": escape(f"{report.project}: recordings"),
        "policy": escape(policy, quote=True),
        "style": style,
        "script": script,
        "data": _data(report),
    }
    # In one pass: what fills a hole is never looked at for holes.
    return _HOLE.sub(lambda hole: filling[hole[1]], _resource("page.html"))


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """A source of a content security policy: this text and no other."""
    return "sha256-" + b64encode(bytes.fromhex(Digest.of(text.encode()).hex)).decode("ascii")


def _data(report: Report) -> str:
    document = plain(report)
    document["states"] = STATES
    document["fine"] = sorted(FINE)
    _clip(document["contents"].values())
    _share(document)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).translate(_MARKUP)


def _clip(contents: Any) -> None:
    """Shorten bodies, the longest ones first, until all of them fit."""
    bodies = list(_bodies(contents))
    costs = [len(json.dumps(body["text"], ensure_ascii=False).translate(_MARKUP)) for body in bodies]
    rates = [cost / max(len(body["text"]), 1) for cost, body in zip(costs, bodies, strict=True)]
    for level in _LEVELS:
        sizes = (min(len(body["text"]), level) * rate for rate, body in zip(rates, bodies, strict=True))
        if sum(sizes) <= _BODIES:
            break
    for body in bodies:
        if len(body["text"]) > level:
            body["text"], body["clipped"] = body["text"][:level], True


def _bodies(contents: Any) -> Iterator[dict[str, Any]]:
    for content in contents:
        for exchange in content.get("exchanges", ()):
            for side in ("request", "response"):
                if "body" in exchange[side]:
                    yield exchange[side]["body"]


def _share(document: dict[str, Any]) -> None:
    """Write each header, and each body, once: most of a recording's headers are in all of its answers."""
    pairs: dict[tuple[str, str], int] = {}
    bodies: dict[str, int] = {}
    for content in document["contents"].values():
        for exchange in content.get("exchanges", ()):
            for side in (exchange["request"], exchange["response"]):
                if "headers" in side:
                    side["headers"] = [pairs.setdefault(tuple(pair), len(pairs)) for pair in side["headers"]]
                if "body" in side:
                    spelled = json.dumps(side["body"], ensure_ascii=False, sort_keys=True)
                    side["body"] = bodies.setdefault(spelled, len(bodies))
    document["headers"] = list(pairs)
    document["bodies"] = [json.loads(body) for body in bodies]
