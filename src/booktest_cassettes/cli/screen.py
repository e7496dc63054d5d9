"""Lines on a terminal of any width and height."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from ..workflow.lines import Line

_INDENT = 4
_LEAST = 20  # columns; a terminal that says it has fewer is not believed


def width() -> int:
    """Columns that a line may take."""
    return max(shutil.get_terminal_size((80, 24)).columns, _LEAST)


def height() -> int:
    """Rows of the terminal."""
    return max(shutil.get_terminal_size((80, 24)).lines, 1)


def has_colour() -> bool:
    """Whether the terminal takes colour, and its user wants it (see https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns(text: str) -> int:
    """Columns that a terminal takes for a text."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fold(lines: Iterable[Line], room: int) -> Iterator[Line]:
    """The same lines, none of them wider than this; what does not fit goes on below, indented."""
    for line in lines:
        text = line.text.expandtabs(8)
        own = len(text) - len(text.lstrip(" "))
        for row in _rows(text, room, " " * min(own + _INDENT, room // 2)):
            yield Line(row, line.style)


def _rows(text: str, room: int, indent: str) -> Iterator[str]:
    """In one go: a body may be one line of megabytes."""
    before, begin, taken = "", 0, 0
    for number, char in enumerate(text):
        taken += _columns(char)
        if taken > room:
            yield before + text[begin:number]
            before, begin, taken = indent, number, len(indent) + _columns(char)
    yield before + text[begin:]


def fit(lines: Sequence[Line], rows: int) -> tuple[Sequence[Line], int]:
    """The first lines, and how many are left out for lack of room."""
    if len(lines) <= rows:
        return lines, 0
    return lines[: max(rows, 1)], len(lines) - max(rows, 1)


def rule(title: str) -> Line:
    """A line across the screen with a title in it."""
    return Line(f"--- {title} ".ljust(min(width(), 80), "-"), "title")
