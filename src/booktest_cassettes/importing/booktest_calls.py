"""Function calls and variables in booktest's snapshots.

A call has the function's qualified name without its module, and arguments as they were passed: it is
kept as that, and found by that (ADR-0016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..recording import legacy
from ..recording.calls import Call, Returned, call_key
from ..recording.values import encode
from .shapes import at, of


def read_calls(items: Sequence[Any], name: str) -> dict[str, Call]:
    """Calls of one test by what tells them apart; of equal ones the last, as booktest takes it.

    Raises
    ------
    IntegrityError
        For an entry of another shape.
    """
    found: dict[str, Call] = {}
    for place, item in enumerate(items):
        with at(name, f"call {place}"):
            said = of(dict, of(dict, item, "an entry")["call"], "call")
            function = legacy.function_name(of(str, said["func"], "func"))
            args, kwargs = (
                of(list, said.get("args", []), "args"),
                of(dict, said.get("kwargs", {}), "kwargs"),
            )
            arguments = legacy.passed(args, kwargs)
            call = Call(function, arguments, Returned(encode(item["result"], root="result")))
            found[call_key(function, arguments)] = call
    return found


def read_env(values: Mapping[str, Any], name: str) -> dict[str, str | None]:
    """Variables of one test; raises IntegrityError."""
    with at(name):
        return {key: None if value is None else of(str, value, key[:40]) for key, value in values.items()}
