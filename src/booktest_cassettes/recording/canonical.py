"""Canonical JSON: one value, one text, on every OS and Python.

UTF-8, keys sorted by code point, LF, two spaces; a list or object of scalars that fits in a line
stands on one line, so a Git diff of a payload shows a header or a line of text as one line.
"""

from __future__ import annotations

import binascii
import codecs
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import IntegrityError

_WIDTH = 100
_STEP = 3 << 18  # bytes; base64 has no padding before the end
_leaf = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Long:
    """Content that is written piece by piece, as the same JSON that its text would be.

    Attributes
    ----------
    content:
        More bytes than fit in a line.
    form:
        ``base64``, ``text`` (one JSON string, of UTF-8) or ``lines`` (a list of them).
    """

    content: bytes
    form: str

    def write(self, line: str, put: Callable[[str], object]) -> None:
        """Write it, ``line`` being the line end and indentation where it stands."""
        if self.form == "lines":
            self._lines(line, put)
            return
        put('"')
        if self.form == "base64":
            for piece in _steps(self.content):
                put(binascii.b2a_base64(piece, newline=False).decode("ascii"))
        else:
            for text in _texts(self.content):
                put(_leaf(text)[1:-1])
        put('"')

    def _lines(self, line: str, put: Callable[[str], object]) -> None:
        put("[")
        comma, inside = "", False
        for text in _texts(self.content):
            *whole, rest = text.split("\n")
            for part in whole:
                put(_leaf(part + "\n")[1:] if inside else f"{comma}{line}  {_leaf(part + chr(10))}")
                comma, inside = ",", False
            if rest:
                put(_leaf(rest)[1:-1] if inside else f"{comma}{line}  {_leaf(rest)[:-1]}")
                inside = True
        put(f'"{line}]' if inside else f"{line}]")


def _steps(content: bytes) -> Iterator[memoryview]:
    view = memoryview(content)
    return (view[start : start + _STEP] for start in range(0, len(view), _STEP))


def _texts(content: bytes) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for piece in _steps(content):
        yield decode(piece)
    decode(b"", final=True)


def is_text(content: bytes) -> bool:
    """Whether content is UTF-8, found out without holding all of its text."""
    try:
        return all(text is not None for text in _texts(content))
    except UnicodeDecodeError:
        return False


def dumps(data: Any) -> bytes:
    """Encode JSON-able data.

    Raises
    ------
    ValueError, TypeError
        For NaN, infinities, keys that are no text and anything else that is not JSON: the caller
        encodes those first.
    """
    # UTF-8 cannot hold a lone surrogate; JSON's own escape can, and that is how Python spells it.
    out = io.BytesIO()
    text = io.TextIOWrapper(out, "utf-8", "backslashreplace", newline="")
    _write(data, "\n", text.write)
    text.write("\n")
    text.flush()
    return out.getvalue()


def _write(value: Any, line: str, put: Callable[[str], object]) -> None:
    if isinstance(value, Long):
        value.write(line, put)
        return
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
        elif item and isinstance(item, (dict, list, tuple, Long)):
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
