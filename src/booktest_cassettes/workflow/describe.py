"""A test's difference in words, for a screen of 80 columns, readable without colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from ..errors import CassetteError
from ..recording.comparison import Comparison, Difference, Item
from ..recording.difference import parting
from ..wording import count
from .diff import TestDiff
from .lines import Line, Style
from .show import inert

_COLUMNS = 80
_DIFFERENCES = 12  # of a test
_ITEMS = 24  # of a kind
_BLOCK = 8  # lines of a value
_NAMES = 3  # places of volatile values that are named
_CONTEXT = 20  # characters before the place where two long values part
_AFTER = 30  # columns of what stands behind a title that does not fit
_VALUE = 10  # columns before a value's own text
_LEGIBLE = 10_000  # characters that somebody may take to be alike
_SIGNS: dict[str, tuple[str, Style]] = {
    "added": ("+", "added"),
    "removed": ("-", "removed"),
    "changed": ("~", ""),
}


def headline(diff: TestDiff) -> str:
    """One line: ``http: 1 added, 2 changed; env: new``."""
    parts = [f"{comparison.kind.value}: {_short(comparison)}" for comparison in diff.comparisons]
    parts += [f"result: {_state(diff.result)}"] if diff.result else []
    secrets = len(diff.secrets) + len(diff.result_secrets)
    parts += [count(secrets, "possible secret")] if secrets else []
    parts += [count(len(diff.problems), "problem")] if diff.problems else []
    return inert("; ".join(parts))


def describe(diff: TestDiff, *, full: bool = False) -> Iterator[Line]:
    """What changed in one test, line by line.

    Parameters
    ----------
    diff:
        Which.
    full:
        Every difference, whole values, and what is volatile; otherwise lines have at most 80 columns, long
        values are clipped around the place where they part, and volatile ones are counted.
    """
    writer = _Writer(full=full)
    yield Line(writer.fit(diff.test_id, 0), "title")
    for comparison in diff.comparisons:
        yield from writer.comparison(comparison)
    if diff.result:
        yield Line(f"  result  {_state(diff.result)}")
        yield from writer.differences(diff.result)
    yield from writer.rest()
    for kind, finding in diff.secrets:
        text = f"looks like a secret: {finding.label} in the {kind.value} snapshot, line {finding.line}"
        yield Line(f"  ! {inert(text)}", "warning")
    for finding in diff.result_secrets:
        text = f"looks like a secret: {finding.label} in the result, line {finding.line}"
        yield Line(f"  ! {inert(text)}", "warning")
    for problem in diff.problems:
        yield from _problem(problem)


def _state(result: Sequence[Difference]) -> str:
    if all(difference.where == "text" and difference.old is None for difference in result):
        return "new"
    return "gone" if all(one.where == "text" and one.new is None for one in result) else "updated"


def _problem(problem: CassetteError) -> Iterator[Line]:
    for line in problem.message.splitlines():
        yield Line(f"  ! {inert(line)}", "warning")
    for number, line in enumerate(problem.hint.splitlines()):
        yield Line(f"    {'' if number else 'next: '}{inert(line)}", "dim")


def state(comparison: Comparison) -> str:
    """``new``, ``gone`` or ``updated``."""
    return "new" if comparison.old is None else "gone" if comparison.new is None else "updated"


def _short(comparison: Comparison) -> str:
    return "updated" if state(comparison) == "updated" and not comparison.items else _counts(comparison)


def _counts(comparison: Comparison) -> str:
    """``1 changed, 1 added``; what changed in volatile values only is not counted among the changed."""
    if comparison.old is None or comparison.new is None:
        return state(comparison)
    noisy = sum(item.is_noise for item in comparison.items)
    counts = {
        "changed": comparison.count("changed") - noisy,
        "added": comparison.count("added"),
        "removed": comparison.count("removed"),
        "moved": comparison.count("moved"),
        "volatile only": noisy,
    }
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number) or "same content"


class _Writer:
    """Lines of one test, until they are enough."""

    def __init__(self, *, full: bool) -> None:
        self.full = full
        self._shown = 0
        self._left_out = 0

    # -- a kind ----------------------------------------------------------------------------------

    def comparison(self, comparison: Comparison) -> Iterator[Line]:
        counts = _counts(comparison)
        kept = f", {comparison.same:,} unchanged" if comparison.same else ""
        if state(comparison) == "updated":
            yield Line(f"  {comparison.kind.value}  updated  {counts}{kept}")
        else:
            number = count(len(comparison.items), _NOUNS.get(comparison.kind.value, "interaction"))
            yield Line(f"  {comparison.kind.value}  {counts}  {number}")
        told = [
            item for item in comparison.items if item.what != "moved" and (self.full or not item.is_noise)
        ]
        limit = len(told) if self.full else _ITEMS
        for item in told[:limit]:
            yield from self.item(item)
        if len(told) > limit:
            yield Line(f"  ... and {len(told) - limit:,} more", "dim")
        yield from self._folded(comparison)

    def _folded(self, comparison: Comparison) -> Iterator[Line]:
        noisy = [
            item for item in comparison.items if item.is_noise or (item.what == "moved" and item.differences)
        ]
        if noisy and not self.full:
            volatile = [difference for item in noisy for difference in item.differences]
            yield from self._volatile(volatile, f"{len(noisy):,} more changed only in ", "  ")
        moved = [item for item in comparison.items if item.what == "moved"]
        if moved:
            yield Line(f"  {len(moved):,} in another order", "dim")
        for item in moved if self.full else ():
            yield Line(f"    {self.fit(item.title, 4)}", "dim")
            yield from self.differences(item.differences)

    def item(self, item: Item) -> Iterator[Line]:
        sign, style = _SIGNS[item.what]
        outcome = f"  -> {item.outcome}" if item.what == "added" and not item.outcome.startswith("=") else ""
        outcome = outcome or (f" {item.outcome}" if item.what == "added" else "")
        yield Line(f"  {sign} {self.fit(item.title, 4, outcome)}", style)
        yield from self.differences(item.differences)

    # -- differences -----------------------------------------------------------------------------

    def differences(self, differences: Sequence[Difference]) -> Iterator[Line]:
        for difference in differences:
            if difference.noise and not self.full:
                continue
            if self._shown >= _DIFFERENCES and not self.full:
                self._left_out += 1
                continue
            self._shown += 1
            yield from self._difference(difference)
        if not self.full:
            yield from self._volatile([one for one in differences if one.noise], "", "      ")

    def _volatile(self, noisy: Sequence[Difference], before: str, indent: str) -> Iterator[Line]:
        if noisy:
            places = list(dict.fromkeys(_place(difference.where) for difference in noisy))
            more = f" and {len(places) - _NAMES:,} more" if len(places) > _NAMES else ""
            what = "volatile values" if before else count(len(noisy), "volatile difference")
            text = f"({before}{what}: {', '.join(places[:_NAMES])}{more})"
            yield Line(indent + self.fit(text, len(indent)), "dim")

    def _difference(self, difference: Difference) -> Iterator[Line]:
        noise = f"  ({difference.noise})" if difference.noise else ""
        yield Line(f"      {self.fit(difference.where, 6, noise)}")
        old, new = difference.old, difference.new
        if old is not None and new is not None and looks_alike(old, new):
            old, new = ascii(old), ascii(new)
        start = 0 if old is None or new is None else parting(old, new) - _CONTEXT
        if old is not None:
            yield from self._value(old, "        - ", "removed", start)
        if new is not None:
            yield from self._value(new, "        + ", "added", start)

    def _value(self, value: str, before: str, style: Style, start: int) -> Iterator[Line]:
        lines = value.removesuffix("\n").split("\n")
        if len(lines) == 1:
            yield Line(before + self._clipped(lines[0], start), style)
            return
        limit = len(lines) if self.full else _BLOCK
        for line in lines[:limit]:
            yield Line(before + self._clipped(line, 0), style)
        if len(lines) > limit:
            yield Line(f"{before}... {len(lines) - limit:,} more lines (--full shows all)", "dim")

    def rest(self) -> Iterator[Line]:
        if self._left_out:
            yield Line(f"  ... and {count(self._left_out, 'more difference')} (--full shows all)", "dim")

    # -- width -----------------------------------------------------------------------------------

    def fit(self, text: str, indent: int, after: str = "") -> str:
        """Text as it is printed, shortened at its end where it does not fit."""
        text, after = inert(text), inert(after)
        room = _COLUMNS - indent
        if self.full or width(text) + width(after) <= room:
            return text + after
        after = _ended(after, _AFTER)
        return _ended(text, room - width(after)) + after

    def _clipped(self, text: str, start: int) -> str:
        """A value's line as it is printed; what is far from its beginning is not even read."""
        if self.full:
            return inert(text)
        room = _COLUMNS - _VALUE
        if len(text) <= room and width(whole := inert(text)) <= room:
            return whole
        start = max(start, 0)
        head = "..." if start else ""
        total = f" ({len(text):,} characters)"
        rest = inert(text[start : start + room])
        shown = _taken(rest, room - len(head) - 3 - len(total))
        tail = "..." if len(shown) < len(rest) or start + room < len(text) else ""
        return f"{head}{shown}{tail}{total}"


_NOUNS = {"env": "variable", "func": "call"}


def looks_alike(old: str, new: str) -> bool:
    """Whether nobody sees a difference: a space or line end at the end, an accent that is a character."""
    if old.rstrip() == new.rstrip():
        return True
    return max(len(old), len(new)) <= _LEGIBLE and _looks(old) == _looks(new)


def _looks(text: str) -> str:
    return unicodedata.normalize("NFKC", inert(text))


def _place(where: str) -> str:
    return where.removeprefix("response ").removeprefix("request ").removeprefix("body ")


def _ended(text: str, columns: int) -> str:
    """As much of a text as fits, and dots where that is not all of it."""
    return text if width(text) <= columns else _taken(text, columns - 3) + "..."


def _cell(char: str) -> int:
    if char.isascii():
        return 1
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _taken(text: str, columns: int) -> str:
    """As much of a text's beginning as fits."""
    if text.isascii():
        return text[: max(columns, 0)]
    taken = 0
    for number, char in enumerate(text):
        taken += _cell(char)
        if taken > columns:
            return text[:number]
    return text
