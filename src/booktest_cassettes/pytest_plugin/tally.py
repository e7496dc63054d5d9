"""What a test session did with its cassettes, in a form that workers can send home."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import (
    CassetteError,
    IntegrityError,
    NetworkRefused,
    SnapshotMissing,
    SnapshotPending,
    UnhandledCall,
    UnhandledRequest,
)

#: What waits for review.
_CHANGES = ("NEW", "UPDATED", "GONE")


@dataclass
class Tally:
    """Counts and names; adding two gives the same as having counted together.

    Attributes
    ----------
    states:
        Test id to kind to state (DESIGN section 2).
    missing, waiting:
        Ids of tests without an approved snapshot; the second ones are recorded and await review.
    lost:
        Ids of tests whose approved snapshot is corrupt or nowhere.
    staged:
        Ids of tests whose drift was staged for review.
    refused:
        Network attempts refused, by test.
    unrecorded:
        Tests that asked for something their recording does not hold, with what to type next.
    unused:
        Interactions recorded and not played, by test.
    told, unplayed:
        For a report: what went wrong (kind of error, message, hint), and numbers of interactions that
        were not played, by test and kind.
    codes:
        Exit codes that errors of cassettes ask for.
    notices:
        What the user should be told once.
    results:
        Test id to what became of its result.
    """

    states: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    staged: set[str] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)
    unrecorded: dict[str, str] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
    told: dict[str, list[list[str]]] = field(default_factory=dict)
    unplayed: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    codes: set[int] = field(default_factory=set)
    notices: set[str] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.states or self.missing or self.waiting or self.codes or self.refused or self.results)

    def result(self, test_id: str, state: str) -> None:
        """Count what became of a test's result; ``""``: it has none."""
        if state:
            self.results[test_id] = state
        if state == "WAITING":
            self.waiting.add(test_id)

    def problems(self, test_id: str, problems: Iterable[CassetteError]) -> None:
        """Count what went wrong in a test."""
        for problem in problems:
            self.codes.add(problem.exit_code)
            if isinstance(problem, SnapshotMissing):
                self.missing.add(test_id)
            elif isinstance(problem, SnapshotPending):
                self.waiting.add(test_id)
            elif isinstance(problem, IntegrityError):
                self.lost.add(test_id)
            elif isinstance(problem, NetworkRefused):
                self.refused[test_id] = self.refused.get(test_id, 0) + 1
            elif isinstance(problem, (UnhandledRequest, UnhandledCall)):
                self.unrecorded[test_id] = problem.hint.partition("\n")[0]

    def counts(self) -> Counter[str]:
        """How many snapshots are in each state."""
        found = Counter(state for kinds in self.states.values() for state in kinds.values())
        found["MISSING"] = len(self.missing)
        found["LOST"] = len(self.lost)
        return +found

    def pending(self) -> dict[str, dict[str, str]]:
        """Tests that this session recorded, with their kinds that are new, updated or gone, and results."""
        found = {
            test_id: {kind: state for kind, state in kinds.items() if state in _CHANGES}
            for test_id, kinds in self.states.items()
        }
        for test_id, state in self.results.items():
            if state in _CHANGES:
                found[test_id] = {**found.get(test_id, {}), "result": state}
        return {test_id: kinds for test_id, kinds in sorted(found.items()) if kinds}

    def drifted(self) -> dict[str, list[str]]:
        """Tests that the live service answered otherwise than approved, with the kinds."""
        found = {
            test_id: [kind for kind, state in kinds.items() if state == "DRIFT"]
            for test_id, kinds in self.states.items()
        }
        return {test_id: kinds for test_id, kinds in sorted(found.items()) if kinds}

    def add(self, sent: dict[str, Any]) -> None:
        """Add what a worker sent."""
        self.states.update(sent["states"])
        for name in ("refused", "unrecorded", "unused", "told", "unplayed", "results"):
            getattr(self, name).update(sent[name])
        for name in ("missing", "waiting", "staged", "lost", "codes", "notices"):
            getattr(self, name).update(sent[name])

    def to_send(self) -> dict[str, Any]:
        """This tally in plain data."""
        named = ("states", "refused", "unrecorded", "unused", "told", "unplayed", "results")
        plain: dict[str, Any] = {name: getattr(self, name) for name in named}
        for name in ("missing", "waiting", "staged", "lost", "codes", "notices"):
            plain[name] = sorted(getattr(self, name))
        return plain

    def exit_code(self, status: int) -> int:
        """The session's exit code: the gravest that cassettes ask for, else pytest's own."""
        gravest = max(self.codes, default=0)
        return gravest if gravest > 1 and status in (0, 1) else status
