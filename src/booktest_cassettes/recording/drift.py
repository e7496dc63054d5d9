"""What of a comparison counts as drift, in words.

An answer that changed and a request that nobody approved count. Volatile values and order do not; nor does a
recorded request that was not made, which says something about the test and is reported as unplayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..digest import Kind
from ..wording import printable
from .comparison import Comparison, Difference, Item, compare
from .difference import parting

_SHOWN = 30  # lines
_LENGTH = 80  # characters of a value
_TITLE = 200  # characters of a title, or of a field's name
_CONTEXT = 20  # characters before the place where two long values part
Clean: TypeAlias = Callable[[str], str]
_COMPARED = (Kind.HTTP, Kind.HTTPX, Kind.FUNC)  # variables are given back to the test, not asked for


@dataclass(frozen=True, slots=True)
class Drift:
    """Snapshots that are not byte for byte as approved; true when something of that counts."""

    comparisons: tuple[Comparison, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.kinds)

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that drifted."""
        return frozenset(found.kind for found in self.comparisons if any(map(counts, found.items)))

    def not_made(self, kind: Kind) -> frozenset[int]:
        """Numbers of the recorded items that the test did not ask for."""
        items = (item for found in self.comparisons if found.kind is kind for item in found.items)
        return frozenset(item.old for item in items if item.what == "removed" and item.old is not None)

    def lines(self, clean: Clean = str) -> list[str]:
        """What drifted, by field: the value now and the recorded one, without secrets.

        What was live is clean; what is approved may be older than the declaration of a secret in it.
        """
        kinds = self.kinds
        lines = [line for found in self.comparisons if found.kind in kinds for line in _lines(found, clean)]
        rest = len(lines) - _SHOWN
        return lines if rest <= 0 else [*lines[:_SHOWN], f"... and {rest} more lines"]


def find(approved: Mapping[Kind, bytes], live: Mapping[Kind, bytes]) -> Drift:
    """Compare what was live with what is approved, both canonical bytes by kind."""
    changed = [kind for kind in _COMPARED if live.get(kind) != approved.get(kind)]
    return Drift(tuple(compare(kind, approved.get(kind), live.get(kind)) for kind in changed))


def counts(item: Item) -> bool:
    """Whether a change is drift."""
    return item.what == "added" or (item.what == "changed" and not item.is_noise)


def _lines(comparison: Comparison, clean: Clean) -> Iterator[str]:
    for item in comparison.items:
        if not counts(item):
            continue
        title = f"{comparison.kind.value}: {_clipped(printable(item.title), 0, _TITLE)}"
        if item.what == "added":
            yield f"{title} is not recorded"
            continue
        yield title
        yield from _differences((one for one in item.differences if not one.noise), clean)
    if missed := comparison.count("removed"):
        yield f"{comparison.kind.value}: {missed} recorded and not made"


def _differences(differences: Iterable[Difference], clean: Clean) -> Iterator[str]:
    for difference in differences:
        old, new = (None if one is None else clean(one) for one in (difference.old, difference.new))
        now, recorded = _shown(new, old), _shown(old, new)
        if now == recorded and old is not None and new is not None:  # a line end at the end, say
            now, recorded = _shown(ascii(new), ascii(old)), _shown(ascii(old), ascii(new))
        where = _clipped(printable(difference.where), 0, _TITLE)
        yield f"  {where}: {now} now, {recorded} recorded"


def _shown(value: str | None, other: str | None) -> str:
    if value is None:
        return "nothing"
    # Two long values are shown from a little before the place where they part.
    start = 0
    if other is not None and min(len(value), len(other)) > _LENGTH:
        start = parting(value, other) - _CONTEXT
    return printable(_clipped(value, start)) or '""'


def _clipped(text: str, start: int, length: int = _LENGTH) -> str:
    if len(text) <= length:
        return text
    start = max(start, 0)
    head, tail = "..." if start else "", "..." if start + length < len(text) else ""
    return f"{head}{text[start : start + length]}{tail} ({len(text)} characters)"
