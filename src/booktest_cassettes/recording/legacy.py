"""What booktest kept less of than is asked here, and how it is found all the same (ADR-0016).

booktest names a request by the sha1 of what it is: URL, method, the body (base64) where there is one,
and its number where it is a repeat. It can leave the body out of its file; the name is then all that
is left to find the request by. Of a function it keeps the name without the module, and arguments as
they were passed, in JSON. A value of ``t.snapshot()`` has a name, and arguments like those; it is kept
beside the calls of functions, under a name that no function can have.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from ..digest import sha1_hex
from .model import Request
from .values import JSON, encode

#: Stands for the module of a function that is known by its qualified name alone.
NO_MODULE = "?"
#: Stands where the module of a function would, before the name of a ``t.snapshot()``.
SNAPSHOT = "t.snapshot()"
#: Stands for a name that is empty, or no text: that is then beside the arguments.
NO_NAME = "?"
_HASH = re.compile(r"[0-9a-f]{40}\Z")


def is_hash(text: str) -> bool:
    """Whether a text has the form of such a name."""
    return _HASH.match(text) is not None


def hash_of(known: Mapping[str, Any]) -> str:
    """The name of what is known of a request, as booktest computes it.

    Parameters
    ----------
    known:
        ``url`` and ``method``; ``headers``, ``body`` and ``order`` where they are part of it.
    """
    return sha1_hex(json.dumps(known, sort_keys=True).encode())


def names(request: Request) -> list[Iterator[str]]:
    """The names a made request may have: for each way to say its body, the first one and its repeats.

    The request is as the client sends it: what was normalised or redacted has another hash.
    """
    known = {"url": request.url, "method": request.method}
    body = {"body": base64.b64encode(request.body).decode("ascii")}
    # An empty body is no body to requests, and an empty one to httpx.
    ways = [known | body] if request.body else [known, known | body]
    return [_in_order(way) for way in ways]


def _in_order(known: dict[str, Any]) -> Iterator[str]:
    yield hash_of(known)
    for number in count(1):
        yield hash_of({**known, "order": number})


def function_name(qualname: str) -> str:
    """How a recorded call names a function whose module nobody knows."""
    return f"{NO_MODULE}:{qualname}"


def is_call(function: str) -> bool:
    """Whether a recorded call is one of a function that booktest recorded."""
    return function.startswith(f"{NO_MODULE}:")


def is_snapshot(function: str) -> bool:
    """Whether a recorded call is a value of ``t.snapshot()``: only booktest plays it."""
    return function.startswith(f"{SNAPSHOT}:")


def shown(function: str) -> str:
    """The name of a recorded call for people."""
    return f"t.snapshot({function.partition(':')[2]!r})" if is_snapshot(function) else function


def passed(args: Sequence[Any], kwargs: Mapping[str, Any]) -> JSON:
    """Arguments as booktest keeps them: as passed, a tuple as a list.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not JSON: booktest could not keep them.
    """
    plain = json.loads(json.dumps({"args": list(args), "kwargs": dict(kwargs)}))
    return encode(plain, root="arguments")
