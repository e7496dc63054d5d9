"""One test's result: the approved one, the one it writes, and what becomes of it (ADR-0014)."""

from __future__ import annotations

from functools import cached_property
from shlex import quote

from .errors import CassetteError, ResultDiffers, SnapshotMissing, SnapshotPending, UsageError
from .modes import RecordMode
from .options import Settings
from .project import Project
from .results import NoWriter, Writer, describe
from .store.pending import ResultChange


class ResultBook:
    """A test's result while its cassette is in use.

    Parameters
    ----------
    project, test_id, settings:
        As of the session.
    strict:
        Whether the session replays only: no other recording of the test is staged.
    """

    def __init__(self, project: Project, test_id: str, settings: Settings, *, strict: bool) -> None:
        self.project = project
        self.test_id = test_id
        self.settings = settings
        self.strict = strict
        self.writer = Writer(self.clean)
        #: What runs this test again, as of the session.
        self.origin: str | None = ""
        #: What became of it: NEW, UPDATED, GONE, INTACT, FAIL, UNWRITTEN, WAITING; "" for nothing at all.
        self.state = ""
        #: Why the test failed, where that is the result's doing.
        self.problem: CassetteError | None = None

    def judge(self) -> CassetteError | None:
        """The error that the result of a test which has returned must fail it with, or ``None``.

        From here on the test writes nothing more.
        """
        self.writer.close()
        self.problem = self.writer.failure(self.test_id) or self._compared()
        return self.problem

    def refuse(self, why: UsageError) -> None:
        """Have no result: the runner's tests write results of their own, in the same places."""
        self.writer = NoWriter(why)
        self.approved = None

    @property
    def is_stageable(self) -> bool:
        """Whether a recording that goes with this result may wait for review, together with it."""
        return self.problem is None or (
            self._mode is RecordMode.ONCE and isinstance(self.problem, ResultDiffers)
        )

    def change(self) -> ResultChange | None:
        """What is to wait for review."""
        written, approved = self.written, self.approved
        # Drift that is staged takes along what the test made of the live answers.
        drifts = self._mode is RecordMode.VERIFY and self.settings.stages_drift
        stages = drifts or self._mode in _STAGING
        if written == approved or not stages or (written is None and self._keeps):
            return None
        return ResultChange(approved, written)

    def finish(self, passed: bool) -> None:
        """Stage it, where nothing else of the test is staged, and say what became of it.

        Parameters
        ----------
        passed:
            Whether the test returned, and its cassette refused nothing.

        Raises
        ------
        StorageError
            When staging cannot be written.
        """
        if not (passed and self.is_stageable):
            self.state = "FAIL" if self.writer.text() or self.problem else ""
            return
        if self._mode is RecordMode.VERIFY or (self.written is None and self.approved is None):
            return
        change = self.change()
        is_settled = self._settle(change)
        if change is not None:
            self.state = change.state.upper() if is_settled else "WAITING"
        elif self.written == self.approved:
            self.state = "INTACT"
        elif self.settings.unused != "ignore":
            self.state = "UNWRITTEN"

    @cached_property
    def written(self) -> str | None:
        """What the test wrote, once it has ended; ``None`` when that is nothing."""
        return self.writer.text()

    @cached_property
    def approved(self) -> str | None:
        """The approved result, ``None`` without one."""
        return self.project.results.read(self.test_id)

    @property
    def _mode(self) -> RecordMode:
        return self.settings.mode

    @property
    def _keeps(self) -> bool:
        """Whether a result that is no longer written stays: only a recording takes something away."""
        return self._mode not in _REPLACING

    def _settle(self, change: ResultChange | None) -> bool:
        if not self.strict or self._mode not in _STAGING:
            return True  # the session stages it with what it recorded, or nobody stages anything
        return self.project.stage_result(self.test_id, change)

    def clean(self, text: str) -> str:
        """Text without secrets, for people."""
        clean = self.settings.cleaner.redactor.body(text.encode("utf-8", "backslashreplace"), "text/markdown")
        return clean.decode("utf-8", "replace")

    # -- what to say -----------------------------------------------------------------------------

    def _compared(self) -> CassetteError | None:
        if self._mode not in _COMPARING:
            return None
        if self.written is None:
            return self._unwritten() if self.settings.unused == "error" else None
        if self.written == self.approved:
            return None
        if self.approved is None:
            return None if self._mode is RecordMode.ONCE else self._missing()
        return self._differs()

    def _differs(self) -> CassetteError:
        lines = describe(self.approved, self.written)
        message = "\n  ".join([f"{self.test_id}: its result is not the approved one:", *lines])
        review = f"booktest-cassettes review {quote(self.test_id)}"
        if self._mode is not RecordMode.ONCE:
            return ResultDiffers(message, hint=f"mend what changed, or {self._command}, then {review}")
        if self._is_blocked:
            message += "\n  (not staged: another recording of this test waits for review)"
        return ResultDiffers(message, hint=f"mend what changed, or {review}")

    def _missing(self) -> CassetteError:
        path = self.project.relative(self.project.results.path(self.test_id))
        approve = f"booktest-cassettes approve {quote(self.test_id)}"
        record = self.project.pending.load(self.test_id)
        if record is not None and record.result is not None and record.result.staged == self.written:
            return SnapshotPending(f"{self.test_id}: its result waits for review", hint=approve)
        what = f"{self.test_id}: it writes a result, and there is no approved one ({path})"
        return SnapshotMissing(what, hint=f"{self._command}, then {approve}")

    def _unwritten(self) -> CassetteError | None:
        if self.approved is None:
            return None
        path = self.project.relative(self.project.results.path(self.test_id))
        return ResultDiffers(
            f"{self.test_id}: it writes no result any more, and there is an approved one ({path})",
            hint=f"{self.project.again(self.origin or self.test_id, RecordMode.REWRITE)}, then approve",
        )

    @property
    def _is_blocked(self) -> bool:
        record = self.project.pending.load(self.test_id) if self.strict else None
        return record is not None and bool(record.changes)

    @property
    def _command(self) -> str:
        where = " (on your machine, not in CI)" if self.project.config.ci else ""
        if self.origin is None:
            return f"the same command with BOOKTEST_RECORD_MODE=once{where}"
        return f"{self.project.again(self.origin or self.test_id)}{where}"


_REPLACING = (RecordMode.NEW_EPISODES, RecordMode.ALL, RecordMode.REWRITE)
_STAGING = (RecordMode.ONCE, *_REPLACING)
_COMPARING = (RecordMode.NONE, RecordMode.ONCE)
