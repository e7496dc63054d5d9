"""Calls of snapshotted functions as data: what was called, with which arguments, and what came of it.

Arguments are bound to the function's parameters, so ``f(1, b=2)`` and ``f(a=1, b=2)`` are one call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from ..errors import IntegrityError, UsageError
from .values import JSON, TYPE_KEY, encode, key_text

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Returned:
    """The call came back with this encoded value."""

    value: JSON


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised this encoded exception."""

    value: JSON


Outcome: TypeAlias = Returned | Raised


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call.

    Parameters
    ----------
    function:
        ``module:qualname`` of the function.
    arguments:
        What `bind_arguments` made of the arguments.
    outcome:
        What the function returned or raised.
    booktest_hash:
        What booktest itself finds the call by, where that cannot be told from the arguments that are kept.
    """

    function: str
    arguments: JSON
    outcome: Outcome
    booktest_hash: str = ""


def bind_arguments(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, skip_self: bool
) -> JSON:
    """Encoded arguments by parameter name, defaults applied.

    A function without a signature (some built-ins), or arguments that do not fit it, give
    ``{"args": [...], "kwargs": {...}}``; the function itself then says what is wrong with them.

    Parameters
    ----------
    func:
        The function as it is called: with ``self`` among its parameters unless it is a bound method.
    args, kwargs:
        What it is called with.
    skip_self:
        Leave the first parameter (``self``, ``cls``) out.

    Raises
    ------
    UsageError
        When an argument cannot be encoded; its path begins with ``arguments``.
    """
    signature = _signature(func)
    try:
        bound = signature.bind(*args, **kwargs) if signature else None
    except TypeError:
        bound = None
    if bound is None:
        return encode(_unbound(args, kwargs, skip_self=skip_self), root="arguments")
    bound.apply_defaults()
    arguments = _without_self(bound) if skip_self and bound.arguments else bound.arguments
    return encode(_recordable(bound.signature, arguments), root="arguments")


def call_key(function: str, arguments: JSON) -> str:
    """Text that is equal for equal calls: the key to look a recorded call up by.

    The order of a dict's keys is no part of it, as it is no part of ``==``.
    """
    return key_text([function, _unordered(arguments)])


def dump_calls(calls: Iterable[Call]) -> dict[str, JSON]:
    """The ``calls`` part of a function snapshot."""
    return {"calls": [_dump_call(call) for call in calls]}


def load_calls(data: object) -> list[Call]:
    """The calls that `dump_calls` wrote. Values inside stay encoded, so no class is imported yet.

    Raises
    ------
    IntegrityError
        When ``data`` has another shape; the message says where.
    """
    snapshot = _checked(dict, data, "the function snapshot")
    if snapshot.keys() != {"calls"}:
        raise IntegrityError(f"the function snapshot must hold 'calls' alone, not {_names(snapshot)}")
    calls = _checked(list, snapshot["calls"], "calls")
    return [_load_call(call, f"calls[{index}]") for index, call in enumerate(calls)]


# --- arguments --------------------------------------------------------------------------------------

# Weak, so that functions made inside a test go with the test.
_signatures: WeakKeyDictionary[Callable[..., Any], inspect.Signature | None] = WeakKeyDictionary()


def _signature(func: Callable[..., Any]) -> inspect.Signature | None:
    # TypeError: a callable that cannot be hashed, or not referred to weakly.
    with suppress(KeyError, TypeError):
        return _signatures[func]
    signature = _inspect(func)
    with suppress(TypeError):
        _signatures[func] = signature
    return signature


def _inspect(func: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(func)
    except (TypeError, ValueError):
        return None


def _unbound(args: Sequence[Any], kwargs: Mapping[str, Any], *, skip_self: bool) -> dict[str, Any]:
    return {"args": list(args[1:] if skip_self else args), "kwargs": dict(sorted(kwargs.items()))}


def _without_self(bound: inspect.BoundArguments) -> dict[str, Any]:
    first, *others = bound.arguments.items()
    name, value = first
    if bound.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
        others.insert(0, (name, value[1:]))  # def method(*args)
    return dict(others)


def _recordable(signature: inspect.Signature, arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = signature.parameters
    return {
        name: _plain(parameters[name], value)
        for name, value in sorted(arguments.items())
        if not _is_sentinel(parameters[name], value)
    }


def _plain(parameter: inspect.Parameter, value: Any) -> Any:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return list(value)
    if parameter.kind is parameter.VAR_KEYWORD:
        return dict(sorted(value.items()))  # the order of keywords is call style
    return value


def _is_sentinel(parameter: inspect.Parameter, value: object) -> bool:
    """Whether it stands for "not given": a default like ``object()`` that no codec knows."""
    if value is not parameter.default:
        return False
    try:
        encode(value)
    except UsageError:
        return True
    return False


def _unordered(data: JSON) -> JSON:
    """The same data with every dict as if its keys had been sorted (see `values`)."""
    if isinstance(data, list):
        return [_unordered(item) for item in data]
    if not isinstance(data, dict):
        return data
    found: dict[str, JSON] = {key: _unordered(item) for key, item in data.items()}
    items = found.get("value")
    if found.get(TYPE_KEY) != "dict" or not isinstance(items, list):
        return found
    if all(isinstance(item, dict) and TYPE_KEY not in item for item in items):
        return dict(pair for item in items if isinstance(item, dict) for pair in item.items())
    return {TYPE_KEY: "dict", "value": sorted(items, key=key_text)}


# --- data -------------------------------------------------------------------------------------------


def _dump_call(call: Call) -> JSON:
    outcome = "returned" if isinstance(call.outcome, Returned) else "raised"
    dumped = {"function": call.function, "arguments": call.arguments, outcome: call.outcome.value}
    return {**dumped, "booktest_hash": call.booktest_hash} if call.booktest_hash else dumped


def _load_call(data: object, at: str) -> Call:
    call = _checked(dict, data, at)
    outcomes = call.keys() - {"function", "arguments", "booktest_hash"}
    if not {"function", "arguments"} <= call.keys() or outcomes not in ({"returned"}, {"raised"}):
        raise IntegrityError(
            f"{at} must hold 'function', 'arguments' and one of 'returned' or 'raised', not {_names(call)}"
        )
    function = _checked(str, call["function"], f"{at}.function")
    module, colon, qualname = function.partition(":")
    if not (module and colon and qualname):
        raise IntegrityError(f"{at}.function must be 'module:qualname', not {function[:80]!r}")
    arguments: JSON = _checked(dict, call["arguments"], f"{at}.arguments")
    outcome = Returned(call["returned"]) if "returned" in call else Raised(call["raised"])
    named = _checked(str, call.get("booktest_hash", ""), f"{at}.booktest_hash")
    if "booktest_hash" in call and not named:
        raise IntegrityError(f"{at}.booktest_hash must not be empty")
    return Call(function, arguments, outcome, named)


def _checked(kind: type[_T], data: object, at: str) -> _T:
    if not isinstance(data, kind):
        raise IntegrityError(f"{at} must be a {kind.__name__}, not a {type(data).__name__}")
    return data


def _names(data: dict[Any, Any]) -> str:
    return ", ".join(sorted(map(repr, data)))[:200] or "nothing"
