"""What booktest finds requests and calls by, computed from what is kept of them.

A hash that cannot be computed is kept: where the test has a ``json_to_hash`` or ``ignore_headers`` of its
own, or where something was redacted or normalised since.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from ..digest import Kind, sha1_hex
from ..recording import legacy
from ..recording.calls import Call
from ..recording.model import Interaction, Request
from ..recording.values import decode

#: A sha1, unless the test made its own.
Name: TypeAlias = str | int


def places(requests: Sequence[Request]) -> Iterator[int]:
    """How many equal requests went before each."""
    seen: Counter[tuple[str, str, bytes]] = Counter()
    for request in requests:
        known = (request.method, request.url, request.body)
        yield 0 if request.legacy_hash else seen[known]
        seen[known] += not request.legacy_hash


def names_of(requests: Sequence[Request], kind: Kind) -> Iterator[Name]:
    """What booktest finds each of these requests by.

    Parameters
    ----------
    requests:
        All of a snapshot, in order: a repeat has another hash than the first.
    kind:
        Whose requests they are: an empty body is none to requests, and an empty one to httpx.
    """
    for request, place in zip(requests, places(requests), strict=True):
        kept = request.legacy_hash or request.booktest_hash
        yield _computed(request, place, kind) if kept == "" else kept


def _computed(request: Request, place: int, kind: Kind) -> str:
    known: dict[str, Any] = {"url": request.url, "method": request.method}
    if request.body or kind is Kind.HTTPX:
        known["body"] = base64.b64encode(request.body).decode("ascii")
    if place:
        known["order"] = place
    return legacy.hash_of(known)


def named(items: Sequence[tuple[Name, Interaction]], kind: Kind) -> list[Interaction]:
    """Interactions in which a name is kept where it cannot be computed, and only there."""
    plain = [replace(item.request, booktest_hash="") for _, item in items]
    return [
        item
        if item.request.booktest_hash == kept
        else replace(item, request=replace(request, booktest_hash=kept))
        for (name, item), request, computed in zip(items, plain, names_of(plain, kind), strict=True)
        for kept in ["" if name == computed else name]
    ]


def without_needless(items: Sequence[Interaction], kind: Kind) -> list[Interaction]:
    """Interactions without the names that can be computed."""
    names = names_of([item.request for item in items], kind)
    return named(list(zip(names, items, strict=True)), kind)


# -- calls -------------------------------------------------------------------------------------------


def call_hash(said: dict[str, Any]) -> str:
    """What booktest finds the call of a function by: ``func``, ``args`` and ``kwargs`` in this order."""
    return sha1_hex(json.dumps({key: value for key, value in said.items() if key != "hash"}).encode())


def snapshot_hash(name: Any, args: list[Any], kwargs: dict[str, Any]) -> str:
    """What booktest finds a value of ``t.snapshot()`` by."""
    said = {"name": name, "args": args, "kwargs": kwargs}
    return sha1_hex(json.dumps(said, sort_keys=True).encode())


def said_of(call: Call) -> dict[str, Any]:
    """What booktest would say of a call, without its hash.

    Raises
    ------
    CassetteError, KeyError, TypeError
        Where the arguments are none that booktest passes.
    """
    _, _, name = call.function.partition(":")
    arguments = decode(call.arguments, root="arguments")
    passed = {"args": arguments["args"], "kwargs": arguments["kwargs"]}
    if legacy.is_snapshot(call.function):
        return {"name": arguments.get("name", name), **passed}
    return {"func": name, **passed}


def name_of(call: Call) -> str:
    """What booktest finds a call by; raises what `said_of` does."""
    return call.booktest_hash or _computed_of(call)


def _computed_of(call: Call) -> str:
    said = said_of(call)
    return snapshot_hash(**said) if "name" in said else call_hash(said)


def call_named(call: Call, name: str) -> Call:
    """The call with its name kept where it cannot be computed, and only there."""
    return replace(call, booktest_hash="" if name == _computed_of(call) else name)
