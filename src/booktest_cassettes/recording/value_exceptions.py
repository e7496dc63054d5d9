"""Exceptions as data, and back: their arguments and attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UsageError
from .value_notation import JSON, Encode, dump_dict, dump_text
from .value_refusals import Trail, expect, unsupported


def take_exception(value: BaseException, encode: Encode, at: Trail) -> dict[str, JSON]:
    """The parts of an exception.

    Raises
    ------
    UsageError
        When an argument cannot be recorded, or nobody could make the exception again.
    """
    arguments = _arguments(value)
    try:
        _bare_exception(type(value), arguments)
    except Exception as error:
        raise unsupported(type(value), at) from error
    kept, omitted = _attributes(value, encode, at)
    parts = {"args": encode(list(arguments), (at, "args")), "attributes": kept}
    return {**parts, "omitted": omitted} if omitted else parts


def build_exception(kind: type[BaseException], parts: dict[str, Any]) -> BaseException:
    """The inverse of `take_exception`."""
    arguments = expect(list, parts["args"])
    value = _call_exception(kind, arguments)
    if value is None:
        value = _bare_exception(kind, arguments)
    vars(value).update(expect(dict, parts["attributes"]))
    return value


def _arguments(value: BaseException) -> tuple[Any, ...]:
    """What the built-in part of an exception is made from."""
    arguments = value.args
    if isinstance(value, OSError) and len(arguments) == 2 and value.filename is not None:
        # OSError hides its third and fifth argument.
        arguments += (value.filename,) if value.filename2 is None else (value.filename, None, value.filename2)
    return arguments


def _attributes(value: BaseException, encode: Encode, at: Trail) -> tuple[JSON, list[JSON]]:
    """Attributes that can be recorded, and the names of those that cannot.

    Exceptions of HTTP clients carry live requests and connections; refusing those would refuse every
    error worth recording. The blob names what it leaves out, for the reviewer.
    """
    kept: list[tuple[JSON, JSON]] = []
    omitted: list[JSON] = []
    for name, item in sorted(vars(value).items()):
        key = dump_text(name)
        try:
            kept.append((key, encode(item, (at, name))))
        except UsageError:
            omitted.append(key)
    return dump_dict(kept), omitted


def _call_exception(kind: type[BaseException], arguments: list[Any]) -> BaseException | None:
    """``kind(*arguments)`` where that gives the same exception, as it does for most.

    Not where ``__init__`` takes something else than it hands to ``Exception``: it fails, or writes its
    message around a message.
    """
    try:
        value = kind(*arguments)
    except Exception:  # noqa: BLE001 - whatever the class raises, there is the other way
        return None
    rebuilt = _arguments(value)
    same = len(rebuilt) == len(arguments) and all(a is b for a, b in zip(rebuilt, arguments, strict=True))
    return value if type(value) is kind and same else None


def _bare_exception(kind: type[BaseException], arguments: Iterable[Any]) -> BaseException:
    """An exception made by its built-in base alone, past any ``__init__`` of the class."""
    base: Any = kind
    while base.__module__ != "builtins":
        base = base.__base__  # the base whose memory layout it has; the first of __mro__ need not be it
    value: BaseException = base.__new__(kind, *arguments)
    base.__init__(value, *arguments)
    return value
