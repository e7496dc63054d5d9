"""The terminal summary: what happened, whom it concerns, what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .tally import Tally

if TYPE_CHECKING:
    import pytest

_WORDS = {
    "INTACT": "intact",
    "NEW": "new",
    "UPDATED": "updated",
    "MISSING": "missing",
    "LOST": "corrupt or lost",
    "FAIL": "failed",
}
_NAMED = 20


def write(reporter: pytest.TerminalReporter, tally: Tally, *, mode: str, storage: str) -> None:
    """Print the section, if any test used a cassette."""
    if not tally:
        return
    reporter.section("cassettes", sep="=", bold=True)
    counts = tally.counts()
    parts = [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    tests = len(tally.states)
    of = f" of {tests} test{'s' * (tests != 1)}" if tests else ""
    reporter.write_line(f"snapshots: {', '.join(parts) or 'none'}{of} (mode {mode}, storage {storage})")
    for line in _details(tally):
        reporter.write_line(line)
    for notice in sorted(tally.notices):
        reporter.write_line(notice)
    following = next_command(tally)
    if following:
        reporter.write_line(f"next: {following}", bold=True)


def _details(tally: Tally) -> Iterator[str]:
    pending = {
        test_id: ", ".join(f"{kind} {state.lower()}" for kind, state in kinds.items())
        for test_id, kinds in tally.pending().items()
    }
    yield from _named("pending review", pending)
    yield from _named("recorded earlier, pending review", dict.fromkeys(sorted(tally.waiting), ""))
    yield from _named("missing", dict.fromkeys(sorted(tally.missing), ""))
    refused = {test_id: f"{count} attempts" for test_id, count in sorted(tally.refused.items()) if count > 1}
    yield from _named("network refused", {**dict.fromkeys(sorted(tally.refused), ""), **refused})
    unused = {
        test_id: f"{count} interaction{'s' * (count != 1)}" for test_id, count in sorted(tally.unused.items())
    }
    yield from _named("recorded and not played", unused)


def _named(title: str, tests: dict[str, str]) -> Iterator[str]:
    if not tests:
        return
    yield f"{title}: {len(tests)}"
    for test_id, what in list(tests.items())[:_NAMED]:
        yield f"  {test_id}" + (f"  ({what})" if what else "")
    if len(tests) > _NAMED:
        yield f"  ... and {len(tests) - _NAMED} more"


def next_command(tally: Tally) -> str:
    """What to type next, ``""`` when all is well."""
    if tally.missing:
        only = f" -- {_quoted(next(iter(tally.missing)))}" if len(tally.missing) == 1 else ""
        return f"booktest-cassettes run{only}  (records what is missing; on your machine, not in CI)"
    if tally.pending() or tally.waiting:
        return "booktest-cassettes status, then booktest-cassettes approve --all (or reject)"
    if tally.unused:
        only = f" -- {_quoted(next(iter(tally.unused)))}" if len(tally.unused) == 1 else ""
        return f"booktest-cassettes run -S{only}  (records anew, without what is not played)"
    return ""


def _quoted(text: str) -> str:
    from shlex import quote

    return quote(text)
