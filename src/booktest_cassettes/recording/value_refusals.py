"""How a value is refused: where it stands inside the whole, of which class it is, and why."""

from __future__ import annotations

import reprlib
from typing import TypeAlias, TypeVar

from ..errors import UsageError

_T = TypeVar("_T")
# Where a value stands: (the trail of its container, its key), rendered on errors only.
Trail: TypeAlias = "tuple[Trail | None, object]"


class StaleError(Exception):
    """The data is sound, but the classes of this process no longer agree with it."""


def where(at: Trail) -> str:
    """``result.items[3].owner``."""
    steps: list[str] = []
    trail: Trail | None = at
    while trail is not None:
        trail, key = trail
        steps.append(str(key) if trail is None else _step(key))
    return "".join(reversed(steps))


def _step(key: object) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{reprlib.repr(key)}]"


def class_name(kind: type) -> str:
    """``module.qualname``."""
    return f"{kind.__module__}.{kind.__qualname__}"


def reason(error: BaseException) -> str:
    """``ValueError: what it says``."""
    return f"{type(error).__name__}: {error}"


def unsupported(kind: type, at: Trail) -> UsageError:
    """The error for a type that nothing here can record."""
    return UsageError(
        f"{where(at)} cannot be recorded: no codec for type {class_name(kind)}",
        hint=f"booktest_cassettes.register_codec({kind.__name__}, {kind.__name__!r}, to_json, from_json)",
    )


def expect(kind: type[_T], payload: object) -> _T:
    """``payload``, when it is exactly a ``kind``: a bool is no int here and "abc" no list of letters.

    Raises
    ------
    TypeError
        When it is anything else.
    """
    if type(payload) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {type(payload).__name__}")
    return payload
