"""Redacted requests and calls under a second name: the one that a replay finds them by.

booktest finds a request by a hash of it. One that was recorded with a secret has the secret in its hash; on
a replay the variable is redacted, and so is the request that the test makes with it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..importing.booktest_names import call_hash, snapshot_hash
from ..recording import legacy
from ..recording.declared import REDACTED


def with_second(kind: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    """booktest's JSON, and in it what was redacted a second time.

    Parameters
    ----------
    kind, content:
        One of booktest's types, and its approved snapshots.

    Returns
    -------
    tuple
        The JSON, and the names that are approved by the second ones.
    """
    if kind == "env":
        return content, {}
    document = json.loads(content)
    known = {str(said["hash"]) for said in _said(document)}
    items = document.values() if isinstance(document, dict) else document
    found: dict[str, Any] = {}
    approved: dict[str, str] = {}
    for item in json.loads(json.dumps(list(items))):  # copies
        said = _of(item)
        name = _name(kind, said) if _is_redacted(said) else None
        if name is not None and name not in known and name not in found:
            approved[name] = said["hash"]
            said["hash"] = name
            found[name] = item
    if not found:
        return content, {}
    more = {**document, **found} if isinstance(document, dict) else [*document, *found.values()]
    return json.dumps(more, indent=2).encode(), approved


def with_approved(content: bytes, approved: Mapping[str, str]) -> bytes:
    """What was recorded, by the names that are approved."""
    if not approved:
        return content
    document = json.loads(content)
    for said in _said(document):
        said["hash"] = approved.get(said["hash"], said["hash"])
    if isinstance(document, dict):
        document = {_of(item)["hash"]: item for item in document.values()}
    return json.dumps(document, indent=4).encode()


def _said(document: Any) -> Iterator[dict[str, Any]]:
    for item in document.values() if isinstance(document, dict) else document:
        yield _of(item)


def _of(item: dict[str, Any]) -> dict[str, Any]:
    """What an entry says of its request or call, with the hash: a value of ``t.snapshot()`` is its own."""
    said: dict[str, Any] = item.get("request") or item.get("call") or item
    return said


def _is_redacted(said: Mapping[str, Any]) -> bool:
    asked = [said.get(key) for key in ("url", "name", "args", "kwargs")]
    return REDACTED in json.dumps(asked) or REDACTED.encode() in base64.b64decode(said.get("body", ""))


def _name(kind: str, said: Mapping[str, Any]) -> str:
    if kind == "func":
        return call_hash(dict(said))
    if kind == "snapshot":
        return snapshot_hash(said["name"], said["args"], said["kwargs"])
    known = {key: said[key] for key in ("url", "method", "body", "order") if key in said}
    if kind == "httpx":
        known.setdefault("body", "")
    return legacy.hash_of(known)
