"""Declared secrets, wherever they occur and however they are written down.

A secret is looked for as it is, in base64 at every alignment, and behind the escapes of URLs, JSON and
XML, a few of them on top of each other. A text is read through its escapes to find the secret, and the
place is traced back, so that every byte outside it stays as it was. What is not read: other character
sets than UTF-8 and Latin-1, hexadecimal, and a secret in parts (as words of a model's streamed answer).
"""

from __future__ import annotations

import base64
import json
import re
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

REDACTED = "REDACTED"
_MARK = REDACTED.encode()
_BEGUN_ESCAPE = re.compile(rb"\\+u[0-9a-fA-F]{0,3}\Z")
_SHORTEST = 4  # characters; a shorter declared secret would tear ordinary text apart
_DEPTH = 3  # escapes on top of each other: JSON in JSON in a URL
_ROUNDS = 8


class Declared:
    """Replaces declared secrets.

    Parameters
    ----------
    secrets:
        The values. One of fewer than four characters, of white space, or that is part of the
        placeholder's own word, is left alone.
    patterns:
        Regular expressions; what they match is replaced, too.
    """

    def __init__(self, secrets: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
        given = {part for secret in secrets for part in (secret, secret.strip())}
        known = (part for part in given if len(part) >= _SHORTEST and part.strip() and part not in REDACTED)
        self._known = tuple(sorted(known, key=lambda part: (-len(part), part)))
        self._needles = _needles(self._known)
        #: Secrets that could stand in JSON as a number.
        self.digits = tuple(part for part in self._known if part.isascii() and part.isdigit())
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def __bool__(self) -> bool:
        return bool(self._needles or self._patterns)

    def content(self, content: bytes) -> bytes:
        """Bytes without the secrets."""
        content = self._replaced(content)
        if not self._patterns:
            return content
        text = content.decode("utf-8", "surrogateescape")
        return self._by_pattern(text).encode("utf-8", "surrogateescape")

    def text(self, text: str) -> str:
        """Text without the secrets."""
        if not self:
            return text
        before = _as_bytes(text)
        after = self._replaced(before)
        return self._by_pattern(text if after == before else after.decode("utf-8", "surrogateescape"))

    def header(self, value: str) -> str:
        """A header's value without the secrets."""
        return self._by_pattern(self.header_name(value)) if self else value

    def header_name(self, name: str) -> str:
        """A header's name without the secrets; patterns are about values.

        Both are bytes spelled in latin-1 (`model`), and the bytes may be UTF-8.
        """
        if not self._needles:
            return name
        try:
            return self._replaced(name.encode("latin-1")).decode("latin-1")
        except UnicodeEncodeError:
            return self._replaced(_as_bytes(name)).decode("utf-8", "surrogateescape")

    def host(self, text: str) -> str:
        """A host name without the secrets: clients write it in lower case."""
        for secret in self._known:
            if secret.lower() in text.lower():
                text = re.sub(re.escape(secret), REDACTED, text, flags=re.IGNORECASE)
        return text

    def _by_pattern(self, text: str) -> str:
        for pattern in self._patterns:
            # What is (part of) a placeholder stays: redacting twice is redacting once.
            text = pattern.sub(lambda match: match[0] if match[0] in REDACTED else REDACTED, text)
        return text

    def _replaced(self, content: bytes) -> bytes:
        for _ in range(_ROUNDS):
            path = self._find(content)
            if path is None:
                return content
            content = self._replace(content, path)
        return content if self._find(content) is None else _MARK  # rather nothing than a secret

    def _find(self, content: bytes) -> tuple[_Escape, ...] | None:
        """The escapes behind which a secret is to be seen, outermost first; ``None``: there is none."""
        for path, view in _views(content) if self._needles else ():
            if any(needle in view for needle in self._needles):
                return path
        return None

    def _replace(self, content: bytes, path: tuple[_Escape, ...]) -> bytes:
        view: bytes = content
        origins: Sequence[int] = range(len(content) + 1)
        for escape in path:
            view, origins = escape.traced(view, origins)
        parts: list[bytes] = []
        done = 0
        for match in re.finditer(b"|".join(map(re.escape, self._needles)), view):
            parts += content[done : _whole(content, origins[match.start()])], _MARK
            done = origins[match.end()]
        return b"".join([*parts, content[done:]])


def _whole(content: bytes, start: int) -> int:
    """Where to cut for what is found at ``start``: not inside of an escape whose digits were taken for it."""
    begun = _BEGUN_ESCAPE.search(content, max(0, start - 40), start)
    return begun.start() if begun else start


def _as_bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


# -- spellings ---------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _needles(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    """Every run of bytes that gives a secret away once the escapes are read, longest first."""
    found: set[bytes] = set()
    for secret in secrets:
        raw = set(_raw(secret))
        found |= raw | {spelling.replace(b" ", b"+") for spelling in raw}
        escaped = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
        quoted = (quoting(spelling, safe="").encode() for spelling in raw for quoting in (quote, quote_plus))
        for spelling in {*raw, *map(_as_bytes, escaped), *quoted}:
            found |= set(_in_base64(spelling))
    return tuple(sorted((needle for needle in found if needle not in _MARK), key=lambda n: (-len(n), n)))


def _raw(secret: str) -> Iterator[bytes]:
    yield _as_bytes(secret)
    with suppress(UnicodeEncodeError):
        yield secret.encode("latin-1")


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """In base64: alone, and inside longer data at each of the three alignments."""
    yield base64.b64encode(raw)
    yield base64.urlsafe_b64encode(raw)
    for shift in range(3):
        # The first and last group mix in neighbours' bits; what lies between is the secret's own.
        own = slice(-(-shift * 8 // 6), (shift + len(raw)) * 8 // 6)
        core = base64.b64encode(bytes(shift) + raw)[own]
        if len(core) >= _SHORTEST:
            yield core
            yield core.translate(_URLSAFE)


_URLSAFE = bytes.maketrans(b"+/", b"-_")


# -- escapes -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Escape:
    """One way of writing characters as others; ``marker`` stands in all that is written so."""

    marker: bytes
    pattern: re.Pattern[bytes]
    meaning: Callable[[re.Match[bytes]], bytes]

    def read(self, data: bytes) -> bytes:
        """What is meant."""
        return self.pattern.sub(self.meaning, data) if self.marker in data else data

    def traced(self, data: bytes, origins: Sequence[int]) -> tuple[bytes, Sequence[int]]:
        """What is meant, and for each byte of it (and the end) where the original has it."""
        parts: list[bytes] = []
        places = array("Q")
        done = 0
        for match in self.pattern.finditer(data):
            meant = self.meaning(match)
            parts += data[done : match.start()], meant
            places.extend(origins[done : match.start()])
            places.extend([origins[match.start()]] * len(meant))
            done = match.end()
        places.extend(origins[done:])
        return b"".join([*parts, data[done:]]), places


def _views(content: bytes) -> Iterator[tuple[tuple[_Escape, ...], bytes]]:
    """The content as it is, then as it reads through one escape, then through one on top of another..."""
    seen = {content}
    layer: list[tuple[tuple[_Escape, ...], bytes]] = [((), content)]
    for depth in range(_DEPTH + 1):
        yield from layer
        deeper = []
        for path, view in layer if depth < _DEPTH else ():
            for escape in _ESCAPES:
                read = escape.read(view)
                if read not in seen:
                    seen.add(read)
                    deeper.append(((*path, escape), read))
        layer = deeper


_ENTITIES = {b"amp": "&", b"lt": "<", b"gt": ">", b"quot": '"', b"apos": "'"}
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _percent(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


def _backslash(match: re.Match[bytes]) -> bytes:
    letter: bytes | None = match[6]
    if letter:
        return _LETTERS.get(letter, letter)
    high, low, *codes, _ = match.groups()
    if high:
        return bytes.fromhex((high + low).decode()).decode("utf-16-be").encode()
    return _character(int(next(filter(None, codes)), 16)) or match[0]


def _backslash_in_bytes(match: re.Match[bytes]) -> bytes:
    byte: bytes | None = match[3]  # in Python's b"\xe9" it is a byte, in "\xe9" a character
    return bytes.fromhex(byte.decode()) if byte else _backslash(match)


def _entity(match: re.Match[bytes]) -> bytes:
    name, decimal, hexadecimal = match.groups()
    if name:
        return _ENTITIES[name].encode()
    return _character(int(decimal) if decimal else int(hexadecimal, 16)) or match[0]


def _character(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code <= sys.maxunicode else b""


_BACKSLASH = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\"'\\/bfnrt]))"
)
_ESCAPES = (
    _Escape(b"\\", _BACKSLASH, _backslash),
    _Escape(b"\\x", _BACKSLASH, _backslash_in_bytes),
    _Escape(b"%", re.compile(rb"%([0-9a-fA-F]{2})"), _percent),
    _Escape(b"&", re.compile(rb"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6}));"), _entity),
    # Not an escape, but how base64 is folded into lines.
    _Escape(b"\n", re.compile(rb"(?<=[A-Za-z0-9+/_-])\r?\n(?=[A-Za-z0-9+/_-])"), lambda _match: b""),
)
