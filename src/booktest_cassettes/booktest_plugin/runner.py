"""One booktest process, as cassettes see it: booktest runs one test at a time in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .. import runner
from ..config import load_config
from ..digest import Digest, Kind
from ..errors import UsageError
from ..modes import RecordMode
from ..session import Result, Session
from ..traffic import distinct
from . import projects


class BooktestRunner:
    """What the cassettes of booktest's tests ask, and what they told it.

    It is asked while a test runs, from :meth:`enter` to :meth:`leave`: before and after, whoever ran
    before is (a pytest session whose test calls booktest, or nobody).
    """

    no_result = UsageError(
        "cassette.result is not for booktest's tests, which write results of their own",
        hint='write it with booktest: t.h1("..."), t.tln("...")',
    )

    def __init__(self) -> None:
        self.case: Any = None
        self._projects: dict[RecordMode, projects.BooktestProject] = {}
        self._recorded: dict[str, dict[Kind, Digest | None]] = {}
        self._updated: dict[str, Digest | None] = {}  # kinds said to be, and what is approved of them

    # -- booktest's side -------------------------------------------------------------------------

    def enter(self, t: Any) -> None:
        """``t``, a TestCaseRun, runs from here on."""
        if self.case is None:
            runner.register(self)
        if self.case is not t:
            self.case = t
            self._recorded.clear()
            self._updated.clear()

    def leave(self, t: Any) -> None:
        """It does not any more; nothing happens where it did not."""
        if t is not None and self.case is t:
            if has_failed(t):
                self._take_back(t)
            self.case = None
            runner.unregister(self)

    # -- cassettes' side -------------------------------------------------------------------------

    def project(self) -> projects.BooktestProject:
        """The project, recording as booktest was asked to; opened again when its manifest changed."""
        mode = mode_of(self.case.config if self.case else {})
        project = self._projects.get(mode)
        if project is None or project.is_stale():
            project = self._projects[mode] = _open(mode)
        return project

    def test_id(self, function: Callable[..., Any] | None) -> str | None:
        """See Runner; a helper that has a cassette too is not the test."""
        if self.case is None or (function is not None and not self._is_body(function)):
            return None
        return projects.id_of(self.case.test_path)

    def covers(self, function: Callable[..., Any]) -> bool:  # noqa: ARG002
        """See Runner: a decorator opens its own."""
        return False

    def origin(self) -> str:
        """See Runner."""
        return str(self.case.test_path) if self.case else ""

    def report(self, session: Session, results: Sequence[Result]) -> None:
        """See Runner; booktest hears of each kind, unless it knows worse about it."""
        recorded = {result.kind: result.digest for result in results}
        if session.records and session.verdict() is None:
            self._check_recorded_once(session.test_id, recorded)
        for result in results:
            state = _state(session, result)
            digest = str(result.digest) if result.digest else ""
            if state == "updated":
                self._updated[result.kind.value] = session.base.get(result.kind)
            self._tell(result.kind.value, digest, state, {"count": _count(session, result.kind)})

    def _is_body(self, function: Callable[..., Any]) -> bool:
        case = self.case.run.tests.get_case(self.case.test_path)
        return any(each is function for each in layers(case)) or not has_cassette(case)

    def _check_recorded_once(self, test_id: str, recorded: dict[Kind, Digest | None]) -> None:
        if recorded and self._recorded.setdefault(test_id, recorded) != recorded:
            raise UsageError(
                f"{test_id}: was recorded twice in this test, with different traffic",
                hint='give each use an id of its own: with cassette(f"path.py::name[{parameter}]"):',
            )

    def _take_back(self, t: Any) -> None:
        """Nothing of a failed test is staged, whatever its cassettes said when they ended."""
        for kind, base in self._updated.items():
            usage = t.snapshot_usage.get(kind, {})
            if usage.get("state") != "updated":
                continue
            if base is None:
                del t.snapshot_usage[kind]
            else:
                usage.update(state="intact", hash=str(base))

    def _tell(self, kind: str, digest: str, state: str, details: Mapping[str, object]) -> None:
        from booktest.reporting.reports import SnapshotState

        known = self.case.snapshot_usage.get(kind) if self.case else None
        if self.case is None or (known and _WORSE.index(known["state"]) >= _WORSE.index(state)):
            return
        self.case.report_snapshot_usage(kind, digest, SnapshotState(state), dict(details))


_WORSE = ("intact", "updated", "fail")
_STATES = {"INTACT": "intact", "NEW": "updated", "UPDATED": "updated", "GONE": "updated"}


def mode_of(config: Mapping[str, Any]) -> RecordMode:
    """How ``-S`` and ``-s`` record; booktest records nothing without them."""
    if config.get("refresh_snapshots", False):
        return RecordMode.REWRITE
    return RecordMode.NEW_EPISODES if config.get("complete_snapshots", False) else RecordMode.NONE


def has_failed(t: Any) -> bool:
    """Whether a test has failed without raising, in a line that is not finished perhaps."""
    pending = any(marker[-1] == "fail" for marker in t.line_markers)
    return bool(t.errors or t.line_error is not None or pending)


def layers(case: Any) -> Iterator[Any]:
    """A test's callable, and what it wraps."""
    while case is not None:
        yield case
        case = getattr(case, "__func__", None) or getattr(case, "__wrapped__", None)


def has_cassette(case: Any) -> bool:
    """Whether a decorator of ours is among what makes up a test."""
    return any(hasattr(each, "_cassette") for each in layers(case))


def _open(mode: RecordMode) -> projects.BooktestProject:
    import os

    root = projects.current().config.root  # not where the test has gone
    config = load_config(root, overrides={"record_mode": str(mode)}, environ=os.environ)
    return projects.BooktestProject(config)


def _state(session: Session, result: Result) -> str:
    """A test that failed by itself says nothing against its snapshots."""
    if session.verdict() is None and result.digest is not None:
        return _STATES.get(result.state, "intact")
    return _STATES.get(result.state, "fail")


def _count(session: Session, kind: Kind) -> int:
    if kind is Kind.ENV:
        return len(session.env)
    if kind is Kind.FUNC:
        return len(session.calls.calls(keep_loaded=True))
    traffic = next((each for of, each in distinct(session.traffic) if of is kind), None)
    return len(traffic.loaded) + len(traffic.recorded()) if traffic else 0
