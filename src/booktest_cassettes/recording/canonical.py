"""Canonical JSON: one value, one text, on every OS and Python.

UTF-8, keys sorted by code point, LF, two spaces; a list or object of scalars that fits in a line
stands on one line, so a Git diff of a payload shows a header or a line of text as one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..errors import IntegrityError

_WIDTH = 100
_leaf = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True).encode


def dumps(data: Any) -> bytes:
    """Encode JSON-able data.

    Raises
    ------
    ValueError, TypeError
        For NaN, infinities and anything that is not JSON: the caller encodes those first.
    """
    return ("".join(_write(data, "")) + "\n").encode("utf-8")


def _write(value: Any, indent: str) -> Iterator[str]:
    if not isinstance(value, (dict, list)) or _is_short(value):
        yield _leaf(value)
        return
    inner = indent + "  "
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield opening
    comma = ""
    for label, item in _items(value):
        yield f"{comma}\n{inner}{label}"
        yield from _write(item, inner)
        comma = ","
    yield f"\n{indent}{closing}"


def _items(value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield f"{_leaf(key)}: ", value[key]
    else:
        for item in value:
            yield "", item


def _is_short(value: dict[str, Any] | list[Any]) -> bool:
    items = value.values() if isinstance(value, dict) else value
    if len(items) > _WIDTH // 3 or any(isinstance(item, (dict, list)) and item for item in items):
        return False
    return len(_leaf(value)) <= _WIDTH


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
