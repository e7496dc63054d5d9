"""What booktest finds requests and calls by, without the environment's secrets.

booktest hashes a request with all that is in it. A replay has the secret variables of ``snapshot_env``
redacted, and the test asks with that: so it is hashed with that when it is recorded, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..importing.booktest_names import without
from ..options import Options, resolve
from ..recording.declared import REDACTED, Declared
from . import projects

Original = Callable[..., Any]

#: Of each ``snapshot_env`` in force, with the secrets that it has from outside.
_secrets: list[tuple[Any, set[str]]] = []


def start(original: Original) -> Original:
    """``SnapshotEnv.start``: its variables are set from here on."""

    def start(env: Any) -> None:
        original(env)
        known = Options(env=tuple(env.names), record_mode="none")
        redact = resolve(projects.current().config, known).cleaner.redactor.env_value
        values = {name: os.environ.get(name, "") for name in env.names}
        secrets = {value for name, value in values.items() if value and redact(name, value) == REDACTED}
        _secrets.append((env, secrets - {REDACTED}))

    return start


def stop(original: Original) -> Original:
    """``SnapshotEnv.stop``: they are not any more."""

    def stop(env: Any) -> None:
        _secrets[:] = [known for known in _secrets if known[0] is not env]
        original(env)

    return stop


def from_request(original: Original) -> Original:
    """``RequestKey.from_properties``, of requests and of httpx."""

    def from_properties(url: Any, method: Any, headers: Any, body: Any, *args: Any, **named: Any) -> Any:
        if declared := _declared():
            headers = {name: without(value, declared) for name, value in dict(headers).items()}
            url, body = declared.text(str(url)), without(body, declared)
        return original(url, method, headers, body, *args, **named)

    return from_properties


def from_call(original: Original) -> Original:
    """``FunctionCall.from_properties``; the function itself gets what it was called with."""

    def from_properties(function: Any, args: Any, kwargs: Any) -> Any:
        if declared := _declared():
            args, kwargs = without(list(args), declared), without(dict(kwargs), declared)
        return original(function, args, kwargs)

    return from_properties


def compute_hash(original: Original) -> Original:
    """``SnapshotCall._compute_hash``; what is called gets the arguments as they are."""

    def _compute_hash(call: Any) -> Any:
        declared = _declared()
        if not declared:
            return original(call)
        given = call.args, call.kwargs
        call.args, call.kwargs = without(list(call.args), declared), without(call.kwargs, declared)
        try:
            return original(call)
        finally:
            call.args, call.kwargs = given

    return _compute_hash


def _declared() -> Declared | None:
    found = Declared(secret for _, secrets in _secrets for secret in secrets)
    return found or None
