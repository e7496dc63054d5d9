"""The terminal summary: what happened, whom it concerns, what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ..again import OURS
from ..wording import count
from .tally import Tally

if TYPE_CHECKING:
    import pytest

_WORDS = {
    "INTACT": "intact",
    "NEW": "new",
    "UPDATED": "updated",
    "GONE": "gone",
    "DRIFT": "drifted",
    "MISSING": "missing",
    "LOST": "corrupt or lost",
    "FAIL": "failed",
}
_RESULTS = {
    "INTACT": "intact",
    "NEW": "new",
    "UPDATED": "updated",
    "GONE": "gone",
    "WAITING": "waiting",
    "UNWRITTEN": "no longer written",
    "FAIL": "failed",
}
_NAMED = 20


def write(reporter: pytest.TerminalReporter, tally: Tally, *, mode: str, storage: str, run: str) -> None:
    """Print the section, if any test used a cassette."""
    if not tally:
        return
    reporter.section("cassettes", sep="=", bold=True)
    counts = tally.counts()
    parts = [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    tests = len(tally.states)
    of = f" of {count(tests, 'test')}" if tests else ""
    reporter.write_line(f"snapshots: {', '.join(parts) or 'none'}{of} (mode {mode}, storage {storage})")
    if tally.results:
        states = Counter(tally.results.values())
        found = [f"{states[state]} {word}" for state, word in _RESULTS.items() if states[state]]
        reporter.write_line(f"results: {', '.join(found)}")
    for line in _details(tally):
        reporter.write_line(line)
    for notice in sorted(tally.notices):
        reporter.write_line(notice)
    following = next_command(tally, run)
    if following:
        reporter.write_line(f"next: {following}", bold=True)


def _details(tally: Tally) -> Iterator[str]:
    pending = {
        test_id: ", ".join(f"{kind} {state.lower()}" for kind, state in kinds.items())
        for test_id, kinds in tally.pending().items()
    }
    yield from _named("pending review", pending)
    drifted = {
        test_id: ", ".join(kinds) + ("; staged" if test_id in tally.staged else "")
        for test_id, kinds in tally.drifted().items()
    }
    yield from _named("drifted from what is approved", drifted)
    yield from _named("recorded earlier, pending review", dict.fromkeys(sorted(tally.waiting), ""))
    yield from _named("missing", dict.fromkeys(sorted(tally.missing), ""))
    yield from _named("corrupt or lost", dict.fromkeys(sorted(tally.lost), ""))
    yield from _named("asked for what is not recorded", dict.fromkeys(sorted(tally.unrecorded), ""))
    refused = {test_id: f"{count} attempts" for test_id, count in sorted(tally.refused.items()) if count > 1}
    yield from _named("network refused", {**dict.fromkeys(sorted(tally.refused), ""), **refused})
    unused = {test_id: f"{count(number, 'interaction')}" for test_id, number in sorted(tally.unused.items())}
    yield from _named("recorded and not played", unused)
    yield from _named("approved results that are no longer written", dict.fromkeys(_unwritten(tally), ""))


def _unwritten(tally: Tally) -> list[str]:
    return sorted(test_id for test_id, state in tally.results.items() if state == "UNWRITTEN")


def _named(title: str, tests: dict[str, str]) -> Iterator[str]:
    if not tests:
        return
    yield f"{title}: {len(tests)}"
    for test_id, what in list(tests.items())[:_NAMED]:
        yield f"  {test_id}" + (f"  ({what})" if what else "")
    if len(tests) > _NAMED:
        yield f"  ... and {len(tests) - _NAMED} more"


def next_command(tally: Tally, run: str = OURS) -> str:
    """What to type next, ``""`` when all is well; ``run`` is what runs pytest."""
    if tally.lost:
        return "booktest-cassettes status --ci  (says of each how to have it back)"
    if tally.missing:
        only = _only(tally.missing)
        return f"{run}{only}  (records what is missing; on your machine, not in CI)"
    if tally.unrecorded and not tally.drifted():
        (first, *others) = tally.unrecorded.values()
        return first if not others else f"{run} -S -- TEST...  (records these anew)"
    if tally.pending() or tally.waiting or tally.staged:
        return "booktest-cassettes review  (or status, then approve --all, reject --all)"
    if drifted := tally.drifted():
        # To record anew what did not drift would give a reviewer more to look at.
        how = f"-S{only}" if (only := _only(drifted)) else "--record verify --stage"
        return f"{run} {how}, then booktest-cassettes review  (on your machine, not in CI)"
    if unused := [*tally.unused, *(test_id for test_id in _unwritten(tally) if test_id not in tally.unused)]:
        return f"{run} -S{_only(unused)}  (records anew, without what is not played)"
    return ""


def _only(test_ids: Collection[str]) -> str:
    """What makes pytest run this one alone; the id of a ``use_cassette`` is a path that it cannot run."""
    (first, *others) = test_ids
    return f" -- {_quoted(first)}" if not others and "::" in first else ""


def _quoted(text: str) -> str:
    from shlex import quote

    return quote(text)
