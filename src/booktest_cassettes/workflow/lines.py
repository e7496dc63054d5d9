"""Lines for people: text, and what it means, so that each screen can show it its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["", "title", "added", "removed", "dim", "warning"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text, already inert (no control characters), that reads well without its style."""

    text: str
    style: Style = ""
