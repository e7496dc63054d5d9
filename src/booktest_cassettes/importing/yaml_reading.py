"""Recordings as YAML or JSON text, read into plain values: safely, and with bounds.

Values are built from libyaml's events, so nothing is resolved, merged or constructed that is not asked
for here. What is refused says where: duplicate keys, unknown tags (``!!python/object`` among them), and
documents whose meaning is far bigger than their text (aliases of aliases).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import IntegrityError

if TYPE_CHECKING:
    import yaml

#: Bytes of one recording: eight times the largest of ten thousand public ones.
LIMIT = 32 * 1024 * 1024
_NODES = 2_000_000
_DEEPEST = 200
_EXPANDED = 4 * LIMIT  # characters and nodes that aliases may stand for
_SEPARATORS = 8_000_000
_HINT = "restore the file, or record its test again with booktest-cassettes run"

_CORE = "tag:yaml.org,2002:"
_PYTHON = f"{_CORE}python/"
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})\Z")
_FLOAT = re.compile(r"[-+]?[0-9]{1,40}\.[0-9]{0,40}(?:[eE][-+]?[0-9]{1,3})?\Z")
#: Python's own words for what is plain text, a list or a mapping; nothing of them is ever made.
_TEXTS = frozenset({f"{_PYTHON}str", f"{_PYTHON}unicode"})
_LISTS = (f"{_PYTHON}tuple", f"{_PYTHON}object/apply:builtins.frozenset")
_OLD = (f"{_PYTHON}object/apply:__builtin__.frozenset", f"{_PYTHON}object:vcr.request.Request")
_WRAPPED_TEXT = re.compile(rf"{_PYTHON}object(?:/new|/apply)?:multidict\.(?:_\w+\.)?istr\Z")
_BYTES_IO = f"{_PYTHON}object/new:_io.BytesIO"
_ITERATOR = f"{_PYTHON}object/apply:builtins.iter"


def read_text(data: bytes, name: str) -> Any:
    """A recording in either notation, told apart by its name and its first character.

    Raises
    ------
    IntegrityError
        ``<name>...: <why>`` for everything that is not beyond doubt, or too big to be a recording.
    """
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if not start:
        raise IntegrityError(f"{name}: is empty", hint=_HINT)
    if name.endswith(".json") or (start in b"{[" and not name.endswith((".yaml", ".yml"))):
        return read_json(data, name)
    if start in b"{[":  # JSON in a .yaml is read as JSON: its pairs of surrogates are none of YAML's
        with suppress(IntegrityError):
            return read_json(data, name)
    return read_yaml(data, name)


def check_size(size: int, name: str) -> None:
    """Refuse what is too big to be read; raises IntegrityError."""
    if size > LIMIT:
        raise IntegrityError(
            f"{name}: has {size:,} bytes; recordings of up to {LIMIT:,} are read",
            hint="record its test again with booktest-cassettes run, or split the recording",
        )


# -- JSON --------------------------------------------------------------------------------------------


def read_json(data: bytes, name: str) -> Any:
    """Plain values from JSON; raises IntegrityError."""
    check_size(len(data), name)
    if data.count(b",") > _SEPARATORS or data.count(b"{") + data.count(b"[") > _NODES:
        raise IntegrityError(f"{name}: has more parts than any recording", hint=_HINT)
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique, parse_int=_integer)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise IntegrityError(f"{name}:{line}: not UTF-8 text", hint=_HINT) from None
    except json.JSONDecodeError as error:
        raise IntegrityError(f"{name}:{error.lineno}: not valid JSON: {error.msg}", hint=_HINT) from None
    except RecursionError:
        raise IntegrityError(f"{name}: nested too deeply", hint=_HINT) from None
    except ValueError as error:
        raise IntegrityError(f"{name}: {error}", hint=_HINT) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {_shown(twice)} is there twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > 400:
        raise ValueError("a number has more than 400 digits")
    return int(text)


# -- YAML --------------------------------------------------------------------------------------------


def read_yaml(data: bytes, name: str) -> Any:
    """Plain values from the one YAML document in ``data``; raises IntegrityError.

    Tags of Python that stand for text (multidict's ``istr``, ``str``), for bytes or for a list are read as
    such; every other is refused.
    """
    import yaml

    check_size(len(data), name)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise IntegrityError(f"{name}:{line}: not text: binary data", hint=_HINT)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # wheels without libyaml exist
    try:
        return _Builder(name).build(loader(data))
    except yaml.YAMLError as error:
        raise _syntax_error(error, name) from None
    except (ValueError, OverflowError) as error:  # pure PyYAML: "%YAML 1.<5,000 digits>"
        raise IntegrityError(f"{name}: not valid YAML: {error}", hint=_HINT) from None


def _syntax_error(error: yaml.YAMLError, name: str) -> IntegrityError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"{name}:{mark.line + 1}" if mark else name
    reason = ": ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return IntegrityError(f"{where}: not valid YAML: {reason or _reader_error(error)}", hint=_HINT)


def _reader_error(error: yaml.YAMLError) -> str:
    return str(getattr(error, "reason", "") or "not text")


class _Open:
    """A list or mapping whose end has not come yet."""

    __slots__ = ("anchor", "is_map", "items", "key", "tag", "weight")

    def __init__(self, *, is_map: bool, tag: str | None, anchor: str | None) -> None:
        self.is_map = is_map
        self.tag = tag
        self.anchor = anchor
        self.items: Any = {} if is_map else []
        self.key: Any = _Builder
        self.weight = 1


class _Builder:
    """Turns events into values."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = self._expanded = 0
        self._line = 0
        self._root: Any = _Builder

    def build(self, loader: Any) -> Any:
        """The value of the one document."""
        handle: dict[str, Callable[[Any], None]] = {
            "ScalarEvent": self._scalar,
            "MappingStartEvent": self._open_map,
            "SequenceStartEvent": self._open_list,
            "MappingEndEvent": self._close,
            "SequenceEndEvent": self._close,
            "AliasEvent": self._alias,
            "DocumentStartEvent": self._document,
        }
        try:
            while loader.check_event():
                event = loader.get_event()
                if (act := handle.get(type(event).__name__)) is not None:
                    mark = event.start_mark
                    self._line = mark.line if mark else 0
                    act(event)
        finally:
            loader.dispose()
        if self._root is _Builder:
            raise self._error("is empty")
        return self._root

    def _error(self, why: str) -> IntegrityError:
        return IntegrityError(f"{self._name}:{self._line + 1}: {why}", hint=_HINT)

    def _document(self, _event: Any) -> None:
        if self._root is not _Builder:
            raise self._error("a second document begins")

    def _scalar(self, event: Any) -> None:
        text, tag = event.value, event.tag
        if tag is None or tag == "!":
            value = _plain(text) if event.implicit[0] and not event.style else text
        else:
            value = self._tagged(text, tag)
        self._add(value, 1 + len(text), event.anchor)

    def _tagged(self, text: str, tag: str) -> Any:
        if tag == f"{_CORE}binary" or tag == f"{_PYTHON}bytes":
            try:
                return base64.b64decode("".join(text.split()), validate=True)
            except (binascii.Error, ValueError):
                raise self._error("!!binary that is no base64") from None
        if tag == f"{_CORE}str" or tag in _TEXTS or _WRAPPED_TEXT.match(tag):
            return text
        if tag in (f"{_CORE}int", f"{_CORE}float", f"{_CORE}bool", f"{_CORE}null"):
            return _plain(text)
        raise self._refused(tag)

    def _refused(self, tag: str) -> IntegrityError:
        return self._error(f"the tag !{_shown(tag.removeprefix(_CORE))[1:-1]} is not read: it could run code")

    def _open_map(self, event: Any) -> None:
        self._open(event, is_map=True)

    def _open_list(self, event: Any) -> None:
        self._open(event, is_map=False)

    def _open(self, event: Any, *, is_map: bool) -> None:
        if len(self._stack) >= _DEEPEST:
            raise self._error(f"nested more than {_DEEPEST} deep")
        tag = event.tag
        plain = f"{_CORE}map" if is_map else f"{_CORE}seq"
        known = tag in (None, "!", plain, _BYTES_IO, _ITERATOR, *_LISTS, *_OLD) or _WRAPPED_TEXT.match(tag)
        if not known:
            raise self._refused(tag)
        self._stack.append(_Open(is_map=is_map, tag=tag, anchor=event.anchor))

    def _close(self, _event: Any) -> None:
        done = self._stack.pop()
        self._add(self._meant(done), done.weight, done.anchor)

    def _meant(self, done: _Open) -> Any:
        """What a tagged list or mapping stands for."""
        tag, items = done.tag, done.items
        if tag is None or not tag.startswith(_PYTHON):
            return items
        given = items.get("args", items.get("state")) if done.is_map else items
        if _WRAPPED_TEXT.match(tag):
            while isinstance(given, (list, dict)):
                given = next(iter(given), None) if isinstance(given, list) else None
            if not isinstance(given, str):
                raise self._error("a header name that is no text")
            return given
        if tag == _BYTES_IO:
            content = given[0] if isinstance(given, list) and given else b""
            return content if isinstance(content, (bytes, str)) else b""
        if tag == _ITERATOR:
            return given[0] if isinstance(given, list) and given else []
        if tag == _OLD[0] or tag in _LISTS:
            return (given or []) if done.is_map else items
        return items

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise self._error(f"the alias *{_shown(event.anchor)[1:-1]} stands for nothing, or for itself")
        value, weight = self._anchors[event.anchor]
        self._expanded += weight
        if self._expanded > _EXPANDED:
            raise self._error("aliases stand for far more than the text holds (an alias bomb)")
        self._add(value, weight, None)

    def _add(self, value: Any, weight: int, anchor: str | None) -> None:
        self._nodes += 1
        if self._nodes > _NODES:
            raise self._error("more parts than any recording has")
        if anchor is not None:
            self._anchors[anchor] = (value, weight)
        if not self._stack:
            self._root = value
            return
        top = self._stack[-1]
        top.weight += weight
        if not top.is_map:
            top.items.append(value)
        elif top.key is _Builder:
            self._begin_pair(top, value)
        else:
            top.items[top.key] = value
            top.key = _Builder

    def _begin_pair(self, top: _Open, key: Any) -> None:
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        if isinstance(key, (list, dict)):
            raise self._error("a key that is a list or a mapping")
        if key == "<<":
            raise self._error("a merge key (<<) is not read")
        if key in top.items:
            raise self._error(f"the key {_shown(str(key))} is there twice in one mapping")
        top.key = key


def _plain(text: str) -> Any:
    """YAML's sense of a scalar without quotes, as far as recordings need it."""
    if text in _NULL:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0] in "+-.0123456789":
        if _INTEGER.match(text):
            return int(text)
        if _FLOAT.match(text):
            return float(text)
    return text


def _shown(text: str) -> str:
    """Some of a text that came from anywhere, safe to print."""
    short = text if len(text) <= 60 else f"{text[:60]}..."
    return "'" + "".join(char if char.isprintable() else "?" for char in short) + "'"
