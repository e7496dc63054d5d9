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
from itertools import permutations
from typing import Any, TypeAlias

from ..digest import Kind, sha1_hex
from ..recording import legacy
from ..recording.calls import Call
from ..recording.declared import Declared
from ..recording.model import Interaction, Request
from ..recording.values import decode

#: A sha1, unless the test made its own.
Name: TypeAlias = str | int
#: Keywords of which every order is tried: booktest's file holds them sorted, its hash as they were passed.
_KEYWORDS = 5


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


def _computed(request: Request, place: int, kind: Kind, headers: Any = None) -> str:
    known: dict[str, Any] = {"url": request.url, "method": request.method}
    if headers is not None:
        known["headers"] = headers
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


# -- without secrets ---------------------------------------------------------------------------------


def without(value: Any, declared: Declared) -> Any:
    """What is asked for (JSON, or bytes) without the secrets; anything else as it is."""
    if isinstance(value, str):
        return declared.text(value)
    if isinstance(value, bytes):
        return declared.content(value)
    if isinstance(value, (list, tuple)):
        return [without(item, declared) for item in value]
    if isinstance(value, dict):
        return {without(key, declared): without(item, declared) for key, item in value.items()}
    return value


def asked_without(requests: Sequence[Request], kind: Kind, declared: Declared) -> list[Request]:
    """Requests by the names that they have where a replay asks for them without the secrets.

    The requests themselves are as they were, and so is a name that cannot be computed.
    """
    clean = [
        replace(old, url=declared.text(old.url), body=declared.content(old.body), booktest_hash="")
        for old in requests
    ]
    found = []
    for old, new, was, now in zip(requests, clean, places(requests), places(clean), strict=True):
        said = dict(old.headers)
        names = {
            _computed(old, was, kind): _computed(new, now, kind),
            _computed(old, was, kind, said): _computed(new, now, kind, without(said, declared)),
        }
        found.append(replace(old, booktest_hash=names.get(str(old.booktest_hash), old.booktest_hash)))
    return found


def called_without(call: Call, declared: Declared) -> Call:
    """A call by the name that it has where a replay makes it without the secrets, if that can be known."""
    said = said_of(call)
    orders = [said["kwargs"]]
    if "func" in said and len(said["kwargs"]) <= _KEYWORDS:
        orders = [dict(order) for order in permutations(said["kwargs"].items())]
    for kwargs in orders:
        if _hash_of({**said, "kwargs": kwargs}) == call.booktest_hash:
            clean = {"args": without(said["args"], declared), "kwargs": without(kwargs, declared)}
            return replace(call, booktest_hash=_hash_of({**said, **clean}))
    return call


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
    return _hash_of(said_of(call))


def _hash_of(said: dict[str, Any]) -> str:
    return snapshot_hash(**said) if "name" in said else call_hash(said)


def call_named(call: Call, name: str) -> Call:
    """The call with its name kept where it cannot be computed, and only there."""
    return replace(call, booktest_hash="" if name == _computed_of(call) else name)
