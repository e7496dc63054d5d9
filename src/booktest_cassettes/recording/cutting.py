"""Long bodies are taken out of a blob before the JSON parser sees it: it would hold them three times.

What is cut out is one JSON value in exactly the spelling of :mod:`canonical`, and another valid one
takes its place, so that the parser accepts and refuses what it would have. A line end stands in no JSON
string, and the quote before a key stands behind white space, where no string can hold one unescaped.
"""

from __future__ import annotations

import binascii
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping

LONG = 65_536  # bytes of content; below, a body is written and read in one go
_STEP = 1 << 20
#: Twelve bytes before a place to cut a string have no backslash: it is inside of no escape, nor of two.
_PLAIN = re.compile(rb"[A-Za-z0-9 ,:.]{13}")
_Cut = tuple[int, int, bytes]


def cut(data: bytes) -> tuple[bytes, Mapping[str, bytes]]:
    """The blob with a mark for each long body, and the bodies' contents by mark.

    Anything that is not written as :mod:`canonical` writes it stays where it is.
    """
    if len(data) <= LONG:
        return data, {}
    name = f"#{os.urandom(16).hex()}"  # no blob can hold a mark that it was not given here
    found: dict[str, bytes] = {}
    parts: list[bytes] = []
    done = 0
    cuts = [*_strings(data, b"base64", _decoded), *_strings(data, b"text", _read), *_lists(data)]
    for start, end, content in sorted(cuts):
        mark = f"{name}.{len(found)}"
        found[mark] = content
        parts += data[done:start], f'"{mark}"'.encode()
        done = end
    return (b"".join([*parts, data[done:]]), found) if found else (data, found)


def _strings(
    data: bytes, key: bytes, content_of: Callable[[bytes, int, int], bytes | None]
) -> Iterator[_Cut]:
    """Long values of ``key`` that are one string, which ends its line."""
    label = b' "%b": "' % key
    position = 0
    while (found := data.find(label, position)) >= 0:
        start = position = found + len(label)
        line_end = data.find(b"\n", start)
        if line_end - start <= LONG:
            continue
        end = line_end - (1 if data[line_end - 1] == ord(",") else 0)
        if data[end - 1] == ord('"') and (content := content_of(data, start, end - 1)) is not None:
            yield start - 1, end, content
            position = end


def _decoded(data: bytes, start: int, end: int) -> bytes | None:
    try:
        return binascii.a2b_base64(memoryview(data)[start:end], strict_mode=True)
    except binascii.Error:
        return None


def _read(data: bytes, start: int, end: int) -> bytes | None:
    """The UTF-8 of a JSON string without its quotes."""

    def stops() -> Iterator[int]:
        position = start
        while end - position > _STEP and (plain := _PLAIN.search(data, position + _STEP, end)):
            position = plain.end() - 1
            yield position
        yield end

    return _joined(data, start, stops(), b'"%b"', lambda text: text if type(text) is str else None)


def _lists(data: bytes) -> Iterator[_Cut]:
    """Long values of ``lines``: a list of strings, each on a line of its own."""
    label = b'"lines": [\n'
    position = 0
    while (found := data.find(label, position)) >= 0:
        start = position = found + len(label)
        indent = data[data.rfind(b"\n", 0, found) + 1 : found]
        end = data.find(b"\n%b]" % indent, start - 1)
        if end - start <= LONG or indent.strip(b" "):
            continue
        content = _joined(data, start, _line_ends(data, start, end), b"[%b]", _all_texts)
        if content is not None:
            position = end + len(indent) + 2
            yield start - 2, position, content


def _line_ends(data: bytes, start: int, end: int) -> Iterator[int]:
    position = start
    while end - position > _STEP:
        position = data.find(b",\n", position + _STEP, end)
        if position < 0:
            break
        yield position
    yield end


def _all_texts(texts: list[str]) -> str | None:
    return "".join(texts) if texts and all(type(text) is str for text in texts) else None


def _joined(
    data: bytes, start: int, stops: Iterator[int], form: bytes, text_of: Callable[..., str | None]
) -> bytes | None:
    """The texts of pieces of JSON as one; ``None`` where a piece is anything else."""
    out = io.BytesIO()
    for stop in stops:
        try:
            text = text_of(json.loads((form % data[start:stop]).decode("utf-8")))
            if text is None:
                return None
            out.write(text.encode("utf-8"))
        except (ValueError, RecursionError):
            return None
        start = stop + (1 if form == b"[%b]" else 0)  # the comma
    return out.getvalue()
