"""Function calls, values of ``t.snapshot()`` and variables in booktest's snapshots, read and written.

A call has the function's qualified name without its module, and arguments as they were passed: it is
kept as that, and found by that (ADR-0016). A value of ``t.snapshot()`` is kept as a call of no function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import CassetteError
from ..recording import legacy
from ..recording.calls import Call, Returned
from ..recording.redaction import Redactor
from ..recording.values import decode, encode
from .booktest_names import call_hash, call_named, name_of, said_of, snapshot_hash
from .shapes import at, of

#: What tells calls of one test apart: the recorded name, and booktest's hash.
Key = tuple[str, str]


def read_calls(items: Sequence[Any], name: str) -> dict[Key, Call]:
    """Calls of one test by what tells them apart; of equal ones the last, as booktest takes it.

    Each says its hash; `booktest_names` leaves out those that need not be kept.

    Raises
    ------
    IntegrityError
        For an entry of another shape.
    """
    found: dict[Key, Call] = {}
    for place, item in enumerate(items):
        with at(name, f"call {place}"):
            said = of(dict, of(dict, item, "an entry")["call"], "call")
            function = legacy.function_name(of(str, said["func"], "func"))
            if not said["func"]:
                raise ValueError("func is empty")
            hashed = _hash(said) or call_hash(said)
            call = Call(function, legacy.passed(*_passed(said)), _returned(item["result"]), hashed)
            found[function, hashed] = call
    return found


def read_snapshots(items: Sequence[Any], name: str) -> dict[Key, Call]:
    """Values of ``t.snapshot()`` of one test by what tells them apart.

    Raises
    ------
    IntegrityError
        For an entry of another shape.
    """
    found: dict[Key, Call] = {}
    for place, item in enumerate(items):
        with at(name, f"snapshot {place}"):
            title = of(dict, item, "an entry")["name"]
            args, kwargs = _passed(item)
            hashed = _hash(item) or snapshot_hash(title, args, kwargs)
            is_text = isinstance(title, str) and title != ""
            arguments = {"args": args, "kwargs": kwargs, **({} if is_text else {"name": title})}
            call = Call(
                f"{legacy.SNAPSHOT}:{title if is_text else legacy.NO_NAME}",
                encode(arguments, root="arguments"),
                _returned(item.get("result")),
                hashed,
            )
            found[call.function, hashed] = call
    return found


def _hash(said: Mapping[str, Any]) -> str:
    return "" if said.get("hash") is None else of(str, said["hash"], "hash")


def _passed(said: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return of(list, said.get("args", []), "args"), of(dict, said.get("kwargs", {}), "kwargs")


def _returned(result: Any) -> Returned:
    return Returned(encode(result, root="result"))


def write(call: Call) -> tuple[Key, dict[str, Any]] | None:
    """A recorded call as booktest reads it; ``None`` for one that booktest did not record."""
    if not (legacy.is_call(call.function) or legacy.is_snapshot(call.function)):
        return None
    if not isinstance(call.outcome, Returned):
        return None
    try:
        hashed = name_of(call)
        said = {**said_of(call), "hash": hashed}
        result = decode(call.outcome.value, root="result")
        json.dumps([said, result])
    except (CassetteError, KeyError, TypeError, ValueError):
        return None  # nothing that was ever JSON
    is_snapshot = legacy.is_snapshot(call.function)
    return (call.function, hashed), {**said, "result": result} if is_snapshot else {
        "call": said,
        "result": result,
    }


def clean(call: Call, redactor: Redactor) -> Call:
    """A call as it may be written down, its hash kept where it cannot be computed then."""
    named = legacy.is_snapshot(call.function)
    found = replace(
        call,
        function=redactor.text(call.function) if named else call.function,
        arguments=redactor.encoded(call.arguments),
        outcome=replace(call.outcome, value=redactor.encoded(call.outcome.value)),
    )
    return call_named(found, call.booktest_hash) if call.booktest_hash else found


def read_env(values: Mapping[str, Any], name: str) -> dict[str, str | None]:
    """Variables of one test; raises IntegrityError."""
    with at(name):
        return {key: None if value is None else of(str, value, key[:40]) for key, value in values.items()}


def same(old: Call, new: Call) -> bool:
    """Whether two calls of one hash are one to booktest, which sorts the keys of what it stores."""
    return _plain(old) == _plain(new)


def _plain(call: Call) -> str:
    return json.dumps([decode(call.arguments), decode(call.outcome.value)], sort_keys=True)
