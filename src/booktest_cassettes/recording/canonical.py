"""Canonical JSON: one value, one text, on every OS and Python.

UTF-8, keys sorted by code point, LF, two spaces; a list or object of scalars that fits in a line
stands on one line, so a Git diff of a payload shows a header or a line of text as one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import IntegrityError

_WIDTH = 100
_leaf = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True).encode


def dumps(data: Any) -> bytes:
    """Encode JSON-able data.

    Raises
    ------
    ValueError, TypeError
        For NaN, infinities, keys that are no text and anything else that is not JSON: the caller
        encodes those first.
    """
    parts: list[str] = []
    _write(data, "\n", parts.append)
    parts.append("\n")
    # UTF-8 cannot hold a lone surrogate; JSON's own escape can, and that is how Python spells it.
    return "".join(parts).encode("utf-8", "backslashreplace")


def _write(value: Any, line: str, put: Callable[[str], None]) -> None:
    if not isinstance(value, (dict, list, tuple)):
        put(_leaf(value))
        return
    short = _short(value)
    if short:
        put(short)
        return
    inner = line + "  "
    if isinstance(value, dict):
        opening, closing = "{}"
        items = [(_key(key), value[key]) for key in sorted(value)]
    else:
        opening, closing = "[]"
        items = [("", item) for item in value]
    put(opening)
    comma = ""
    for label, item in items:
        put(f"{comma}{inner}{label}")
        _write(item, inner, put)
        comma = ","
    put(f"{line}{closing}")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of a JSON object is text, not {type(key).__name__}")
    return f"{_leaf(key)}: "


def _short(value: dict[str, Any] | list[Any] | tuple[Any, ...]) -> str:
    """The text of what fits in a line, or ``""``."""
    items = value.values() if isinstance(value, dict) else value
    if len(items) > _WIDTH // 3:
        return ""
    for item in items:
        if isinstance(item, str):
            if len(item) > _WIDTH:
                return ""
        elif item and isinstance(item, (dict, list, tuple)):
            return ""
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        return ""
    text = _leaf(value)
    return text if len(text) <= _WIDTH else ""


def loads(data: bytes, *, name: str) -> Any:
    """Decode canonical or any other JSON, refusing duplicate keys.

    Parameters
    ----------
    data:
        UTF-8 text.
    name:
        What is read, for messages.

    Raises
    ------
    IntegrityError
        For invalid UTF-8, invalid JSON, duplicate keys and nesting beyond Python's limit.
    """
    try:
        return _decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{name}: not a snapshot: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode
