"""One pytest session, as cassettes see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import CassetteError, UsageError
from . import vcr_options

if TYPE_CHECKING:
    from ..project import Project
    from ..session import Result, Session
    from ..use import Run, Use
    from .report import Reporter
    from .tally import Tally

#: The cassette that the plugin opened for a test, while it is in use.
RUN: pytest.StashKey[Run] = pytest.StashKey()


class PytestRunner:
    """What this session's cassettes ask, and what they told it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.item: pytest.Item | None = None
        self.reported: set[str] = set()
        self.replayed = self.fetched = False
        self.recorded: dict[str, dict[str, str | None]] = {}
        self.session: pytest.Session | None = None
        self.workers: list[Any] = []
        self.shared: set[Any] = set()
        self.reporter: Reporter | None = None

    @cached_property
    def tally(self) -> Tally:
        """What this process counted, and what workers sent."""
        from .tally import Tally

        return Tally()

    @cached_property
    def _project(self) -> Project:
        from ..project import Project

        project = Project.open(self.config.rootpath, {"record_mode": vcr_options.mode(self.config)})
        if project.storage.notice:
            self.tally.notices.add(project.storage.notice)
        return project

    def project(self) -> Project:
        """See Runner."""
        return self._project

    def item_id(self, item: pytest.Item) -> str:
        """The manifest's id of a collected test."""
        return self.project().test_id(self.config.rootpath, item.nodeid)

    def cassette_id(self, item: pytest.Item) -> str:
        """The id of a test's own cassette."""
        use = decoration(item)
        return use.test_id if use is not None and use.test_id else self.item_id(item)

    def tell(self, item: pytest.Item, error: CassetteError) -> None:
        """Count an error from before a test had a session (which reports its own)."""
        try:
            test_id = self.cassette_id(item)
        except CassetteError:  # the project cannot even be opened
            test_id = item.nodeid
        if test_id in self.reported:
            return
        self.tally.problems(test_id, [error])
        if self.reporter:
            self.reporter.tell(test_id, error)

    def test_id(self, function: Callable[..., Any] | None) -> str | None:
        """See Runner."""
        item = self.item
        if item is None or (function is not None and not _is_body(item, function)):
            return None
        return self.item_id(item)

    def covers(self, function: Callable[..., Any]) -> bool:
        """See Runner."""
        return self.item is not None and RUN in self.item.stash and _is_body(self.item, function)

    def origin(self) -> str:
        """See Runner."""
        return self.item.nodeid if self.item else ""

    def shares(self, fixture: object) -> bool:
        """Whether a fixture is asked for by a test with a cassette: the running one, or any collected."""
        return fixture in self.shared or (self.item is not None and RUN in self.item.stash)

    def report(self, session: Session, results: Sequence[Result]) -> None:
        """See Runner."""
        tally = self.tally
        states = {result.kind.value: result.state for result in results if result.state != "MISSING"}
        if states:
            tally.states[session.test_id] = states
        book = session.result_book
        tally.problems(session.test_id, [*session.problems, *([book.problem] if book.problem else [])])
        tally.result(session.test_id, book.state)
        self.reported.add(session.test_id)
        self.replayed |= session.strict
        if (session.records or book.change()) and session.verdict() is None and book.is_stageable:
            self._check_recorded_once(session.test_id, results, book.written)
        if session.staged:
            tally.staged.add(session.test_id)
        if self.reporter:
            self.reporter.see(session)
        unused = session.unused() if session.expects and session.settings.unused != "ignore" else []
        if unused and not any(result.state == "FAIL" for result in results):
            tally.unused[session.test_id] = len(unused)

    def _check_recorded_once(self, test_id: str, results: Sequence[Result], written: str | None) -> None:
        """Two uses of one id would record over each other, and only one could be replayed."""
        digests: dict[str, str | None] = {result.kind.value: result.digest for result in results}
        if written is not None:
            digests["result"] = written
        if digests and self.recorded.setdefault(test_id, dict(digests)) != digests:
            raise UsageError(
                f"{test_id}: was recorded twice in this run, with different traffic or results",
                hint='give each use an id of its own: with cassette(f"path.py::name[{parameter}]"):',
            )


def _is_body(item: pytest.Item, function: Callable[..., Any]) -> bool:
    name = getattr(item, "originalname", None) or item.name
    return bool(function.__name__ == name)


def decoration(item: pytest.Item) -> Use | None:
    """The ``cassette(...)`` that a test function is decorated with."""
    found: Use | None = getattr(getattr(item, "obj", None), "_cassette", None)
    return found
