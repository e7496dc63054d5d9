"""What changed in a test, as far as it fits on a page."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ...errors import CassetteError
from ...project import Project
from ...recording.comparison import Comparison, Difference, Item
from ...store.pending import Pending
from ..describe import describe, headline
from ..diff import TestDiff, of_record
from ..show import inert
from .contents import lines_of
from .data import Change, Diff, Place

_ITEMS, _PLACES, _LINES = 100, 60, 300
_LONG_VALUE, _LONG_LINE = 2_000, 400  # characters


def pending_diff(project: Project, record: Pending) -> Diff:
    """What waits for review against what is approved."""
    try:
        return diff_of(of_record(project, record), "approved")
    except CassetteError as error:  # the rest of the report can still be read
        return Diff("approved", "cannot be compared", warnings=(lines_of(str(error)),))


def diff_of(found: TestDiff, against: str) -> Diff:
    """A comparison that was made, ``against`` saying with what."""
    warnings = [
        f"{kind.value}, line {finding.line}: looks like a {finding.label}" for kind, finding in found.secrets
    ]
    warnings += [f"result, line {one.line}: looks like a secret: {one.label}" for one in found.result_secrets]
    warnings += [lines_of(str(error)) for error in found.problems]
    return Diff(
        against,
        inert(headline(found)),
        tuple(_cut(line.text, _LONG_LINE) for line in islice(describe(found), _LINES)),
        {comparison.kind.value: _changes(comparison) for comparison in found.comparisons},
        _places(found.result[:_PLACES]),
        tuple(warnings),
    )


def _changes(comparison: Comparison) -> tuple[Change, ...]:
    changes = [_change(item) for item in comparison.items[:_ITEMS]]
    rest = len(comparison.items) - len(changes)
    if rest:
        changes.append(Change("changed", f"... and {rest:,} more", None, None))
    return tuple(changes)


def _change(item: Item) -> Change:
    # What counts first: noise must not push it off the page.
    places = sorted(item.differences, key=lambda difference: bool(difference.noise))
    shown = _places(places[:_PLACES])
    title = _cut(item.title, _LONG_LINE)
    return Change(item.what, title, item.old, item.new, shown, len(places) - len(shown))


def _places(differences: Iterable[Difference]) -> tuple[Place, ...]:
    return tuple(
        Place(_cut(found.where, _LONG_LINE), _value(found.old), _value(found.new), inert(found.noise))
        for found in differences
    )


def _value(text: str | None) -> str | None:
    return None if text is None else _cut(text, _LONG_VALUE)


def _cut(text: str, longest: int) -> str:
    shown = lines_of(text[:longest])
    return shown if len(text) <= longest else f"{shown}... ({len(text):,} characters)"
