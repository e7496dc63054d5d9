"""``--cassettes-report``: what a session did with its cassettes, in a file, whatever its outcome.

Workers send home what they saw; the session that started them writes the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import CassetteError, UsageError

if TYPE_CHECKING:
    from ..session import Session
    from .running import PytestRunner


class Reporter:
    """Sees what a summary does not tell, and writes the reports."""

    def __init__(self, this: PytestRunner, files: dict[Path, str]) -> None:
        self.this = this
        self.files = files
        self.lines: list[str] = []
        self.notes: list[str] = []

    def see(self, session: Session) -> None:
        """A cassette ended: what was refused in it, and what it did not play."""
        if verdict := session.verdict():
            self.tell(session.test_id, verdict)
        if session.expects:
            from ..traffic import distinct

            self.this.tally.unplayed[session.test_id] = {
                kind.value: _numbers([item.request for item in traffic.loaded], traffic.unplayed)
                for kind, traffic in distinct(session.traffic)
                if traffic.loaded
            }

    def tell(self, test_id: str, error: CassetteError) -> None:
        """Remember what went wrong in a test."""
        told = [_sendable(text) for text in (type(error).__name__, error.message, error.hint)]
        known = self.this.tally.told.setdefault(test_id, [])
        if told not in known:
            known.append(told)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """The run ends early: by Ctrl-C, or by pytest.exit, as where the remote cannot be had."""
        self.notes.append(f"the run was stopped: {str(excinfo.value).strip() or 'interrupted'}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker that crashed sends nothing home, of the tests before the crash either."""
        if not hasattr(node, "workeroutput"):
            name = node.gateway.id
            self.notes.append(f"worker {name} crashed: what its tests did is not in this report")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files, after the last test and the last worker."""
        if hasattr(session.config, "workerinput"):
            return
        try:
            self._write()
        except CassetteError as error:
            self.lines.append(f"cassettes: no report: {error}")
            if session.exitstatus in (0, 1):  # CI counts on the file
                session.exitstatus = error.exit_code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where they are."""
        for line in self.lines:
            terminalreporter.write_line(line)

    def _write(self) -> None:
        from ..options import record_mode
        from ..workflow.report import write
        from ..workflow.report.collect import Run, collect, problem_of
        from .summary import next_command

        project = self.this.project()
        tally = self.this.tally
        run = Run(
            mode=record_mode(project.config).value,
            states=tally.states,
            results=tally.results,
            problems={test_id: [problem_of(*one) for one in told] for test_id, told in tally.told.items()},
            missing=tally.missing,
            waiting=tally.waiting,
            lost=tally.lost,
            refused=tally.refused,
            unplayed=tally.unplayed,
            notices=[*tally.notices, *self.notes],
            next=next_command(tally, project.again.command),
        )
        report = collect(project, run=run, fetch=False)
        for path, form in self.files.items():
            write(report, path, form)
            self.lines.append(f"cassettes: report in {path}")


def begin(config: pytest.Config, this: PytestRunner) -> None:
    """Have this session report; ends it with a usage error for a file of another kind."""
    from ..workflow.report import format_of

    directory = config.invocation_params.dir
    try:
        files = {directory / path: format_of(path) for path in config.getoption("--cassettes-report")}
    except UsageError as error:
        raise pytest.UsageError(f"--cassettes-report={error}") from None
    this.reporter = Reporter(this, files)
    config.pluginmanager.register(this.reporter, "booktest_cassettes_report")


def _numbers(loaded: Sequence[object], unplayed: Sequence[object]) -> list[int]:
    """The places in ``loaded`` of those that are in ``unplayed``, which is in the same order."""
    rest = iter(unplayed)
    wanted = next(rest, None)
    found = []
    for number, request in enumerate(loaded):
        if request is wanted:
            found.append(number)
            wanted = next(rest, None)
    return found


def _sendable(text: str) -> str:
    # What xdist sends home is UTF-8; a URL may hold what is not.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
