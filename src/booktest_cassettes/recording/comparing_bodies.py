"""How two bodies differ, told as their content type reads: by path, field, part, event or line."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from ..digest import Digest
from . import comparing_noise as noise
from .bodies import LINE_TYPES, Body, media_type, pieces
from .compared import Difference
from .comparing_fields import fields
from .comparing_lines import lines
from .comparing_pairs import Words, changed_blocks, most_alike, words
from .comparing_values import values
from .matching import Matcher, boundary_of, without_boundary
from .model import Headers, Request, header

_MANY = 2_000  # differences of one body that are told one by one
_ALIKE = 0.3  # of the words of two events, lines or parts, to be called one that changed
_PART_NAME = re.compile(rb'[;\s]name="?([^";\r\n]*)', re.IGNORECASE)
_PART_TYPE = re.compile(rb"(?im)^content-type:[ \t]*([^\r\n]*)")
_REWRITTEN = "the same JSON, written differently"
_reader = Matcher(())


def bodies(
    where: str, old: bytes, new: bytes, old_headers: Headers, new_headers: Headers
) -> Iterator[Difference]:
    """Every place where two bodies differ; at least one where their bytes do.

    Parameters
    ----------
    where:
        ``request body`` or ``response body``.
    old, new:
        Content, decoded.
    old_headers, new_headers:
        Of the messages, for the content types.
    """
    if old != new:
        types = header(old_headers, "content-type"), header(new_headers, "content-type")
        yield from _content(where, old, new, *types)


def _content(where: str, old: bytes, new: bytes, old_type: str, new_type: str) -> Iterator[Difference]:
    """What the first reading that fits finds; those that do not fit raise ValueError."""
    for read in _READINGS:
        try:
            found = list(islice(read(where, old, new, old_type, new_type), _MANY + 1))
        except (ValueError, RecursionError, LookupError):
            continue
        if found:
            yield from found[:_MANY]
            if len(found) > _MANY:
                yield Difference(f"{where} (and more than these {_MANY:,})", _size(old), _size(new))
            return
    yield Difference(where, _size(old), _size(new))


def _empty(where: str, old: bytes, new: bytes, old_type: str, new_type: str) -> Iterator[Difference]:
    if old and new:
        raise ValueError("both are there")
    yield Difference(where, _whole(old, old_type), _whole(new, new_type))


def _whole(data: bytes, content_type: str) -> str | None:
    if not data:
        return None
    try:
        text = _text(data, content_type)
    except (ValueError, LookupError):
        return _size(data)
    try:
        return json.dumps(_json(data, content_type), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def _as_json(where: str, old: bytes, new: bytes, old_type: str, new_type: str) -> Iterator[Difference]:
    mine, theirs = _json(old, old_type), _json(new, new_type)
    found = False
    for difference in values(where, mine, theirs):
        found = True
        yield difference
    if not found:
        # A mark of the byte order in front, or UTF-16, is more than spelling: not every reader takes it.
        is_same = json.detect_encoding(old) == json.detect_encoding(new) and _numbers(old) == _numbers(new)
        yield Difference(where, _size(old), _size(new), _REWRITTEN if is_same else "")


def _numbers(data: bytes) -> Counter[Decimal]:
    """Every digit of fractions: a float has some sixteen, readers of decimals have all."""
    return Counter(
        map(Decimal, re.findall(r"\d+\.\d+(?:[eE][+-]?\d{1,3}(?!\d))?", data.decode("ascii", "replace")))
    )


def _json(data: bytes, content_type: str) -> Any:
    return _reader.json_body(Request("", "", (("content-type", content_type),), data))


def _as_form(where: str, old: bytes, new: bytes, old_type: str, new_type: str) -> Iterator[Difference]:
    for content_type in (old_type, new_type):
        if media_type(content_type) != "application/x-www-form-urlencoded":
            raise ValueError("no form")
    mine, theirs = (
        parse_qsl(data.decode(), keep_blank_values=True, errors="surrogateescape") for data in (old, new)
    )
    yield from fields(f"{where} field", mine, theirs, noise.of_value)


def _as_parts(where: str, old: bytes, new: bytes, old_type: str, new_type: str) -> Iterator[Difference]:
    if not (boundary_of(old_type) and boundary_of(new_type)):
        raise ValueError("no parts")
    mine, theirs = without_boundary(old_type, old), without_boundary(new_type, new)
    if mine == theirs:
        yield Difference(where, boundary_of(old_type), boundary_of(new_type), "only its boundary")
        return
    olds, news = mine.split(b"--boundary"), theirs.split(b"--boundary")
    for block in changed_blocks(olds, news):
        yield from _blocks(where, (olds, news), block, _part_name, _part)


def _part_name(part: bytes, number: int) -> str:
    found = _PART_NAME.search(part.partition(b"\r\n\r\n")[0])
    return f"part {found[1].decode(errors='replace')}" if found else f"part {number}"


def _part(where: str, old: bytes, new: bytes) -> Iterator[Difference]:
    (old_head, _, old_body), (new_head, _, new_body) = (part.partition(b"\r\n\r\n") for part in (old, new))
    if old_head != new_head:
        yield from lines(
            f"{where} header", *(head.decode("latin-1").strip() for head in (old_head, new_head))
        )
    if old_body != new_body:
        types = (_PART_TYPE.search(head) for head in (old_head, new_head))
        yield from _content(
            where, old_body, new_body, *(found[1].decode("latin-1") if found else "" for found in types)
        )


def _blocks(
    where: str,
    both: tuple[Sequence[bytes], Sequence[bytes]],
    block: tuple[range, range],
    name: Callable[[bytes, int], str],
    inside: Callable[[str, bytes, bytes], Iterator[Difference]],
) -> Iterator[Difference]:
    """Differences of a stretch of pieces (events, lines, parts): those alike inside, the others whole."""
    (olds, news), (old_at, new_at) = both, block
    partners = dict(zip(new_at, old_at, strict=False))
    if len(old_at) != len(new_at):
        words_of = (lambda at: _words(olds[at])), (lambda at: _words(news[at]))
        partners = dict(most_alike(old_at, new_at, words_of, _ALIKE))
    for at in new_at:
        place = f"{where} {name(news[at], at + 1)}"
        if at in partners:
            yield from inside(place, olds[partners[at]], news[at])
        else:
            yield Difference(place, None, _whole(news[at].strip(), ""))
    for at in sorted(set(old_at) - set(partners.values())):
        yield Difference(f"{where} {name(olds[at], at + 1)}", _whole(olds[at].strip(), ""), None)


def _words(piece: bytes) -> Words:
    return words(piece.decode("utf-8", "replace"))


def _as_pieces(
    kinds: Sequence[str],
    word: str,
    where: str,
    old: bytes,
    new: bytes,
    old_type: str,
    new_type: str,
) -> Iterator[Difference]:
    if media_type(old_type) not in kinds or media_type(new_type) not in kinds:
        raise ValueError("another type")
    olds, news = pieces(Body(old), old_type), pieces(Body(new), new_type)
    for block in changed_blocks(olds, news):
        yield from _blocks(
            where,
            (olds, news),
            block,
            lambda _, number: f"{word} {number}",
            _event if word == "event" else _line,
        )


def _line(where: str, old: bytes, new: bytes) -> Iterator[Difference]:
    yield from _content(where, old, new, "", "")


def _event(where: str, old: bytes, new: bytes) -> Iterator[Difference]:
    mine, theirs = _event_fields(old), _event_fields(new)
    for name in dict.fromkeys([*theirs, *mine]):
        before, after = mine.get(name), theirs.get(name)
        place = f"{where} {name}"
        if before and after and before != after:
            yield from _content(place, before.encode(), after.encode(), "", "")
        elif before != after:  # an empty "id:" is another event than none: it makes clients forget the last
            yield Difference(place, before, after)
    if mine == theirs:
        yield Difference(where, old.decode(), new.decode())


def _event_fields(event: bytes) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for line in re.split("\r\n|\n|\r", event.decode()):
        name, _, value = line.partition(":")
        if line:
            found.setdefault(name or "comment", []).append(value.removeprefix(" "))
    return {name: "\n".join(data) for name, data in found.items()}


def _as_text(where: str, old: bytes, new: bytes, old_type: str, new_type: str) -> Iterator[Difference]:
    yield from lines(where, _text(old, old_type), _text(new, new_type))


def _text(data: bytes, content_type: str) -> str:
    """Text of a body; raises ValueError for binary data, LookupError for an unknown charset."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        charset = re.search(r"charset\s*=\s*\"?([\w.:-]+)", content_type, re.IGNORECASE)
        if charset is None:
            raise
        text = data.decode(charset[1])
    if "\0" in text:
        raise ValueError("text has no null")
    return text


def _size(data: bytes) -> str | None:
    return f"{len(data):,} bytes, sha256 {Digest.of(data).short}" if data else None


_READINGS = (
    _empty,
    partial(_as_pieces, ("text/event-stream",), "event"),
    partial(_as_pieces, LINE_TYPES, "line"),
    _as_json,
    _as_form,
    _as_parts,
    _as_text,
)
