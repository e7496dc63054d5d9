"""One test's recording or replay: what it may use, what it did, what becomes of it.

A session knows no HTTP client. Adapters ask it for recorded answers, hand it what they recorded and
tell it what they refused; at the end it stages what a passed test recorded.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from .callbook import CallBook
from .digest import BlobKey, Digest, Kind
from .errors import (
    CassetteError,
    SnapshotDrift,
    SnapshotMissing,
    SnapshotPending,
    UnhandledRequest,
    UnusedInteractions,
    UsageError,
)
from .modes import RecordMode
from .options import HTTP_KINDS, Settings
from .project import Project
from .recording import codec
from .recording.declared import REDACTED
from .recording.difference import describe, nearest
from .recording.model import Request
from .resultbook import ResultBook
from .results import Writer
from .traffic import LiveTraffic, Traffic, distinct, shared

if TYPE_CHECKING:
    from .recording.drift import Drift
    from .verification import Verification


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one kind of a test: a state of DESIGN section 2, and the digest."""

    kind: Kind
    state: str
    digest: Digest | None


class Session:
    """One test's cassette while it is in use.

    Parameters
    ----------
    test_id:
        Id the manifest knows the test by.
    settings:
        What the test asked for, resolved with the configuration.

    Raises
    ------
    IntegrityError, SnapshotMissing
        From the constructor: a damaged or absent blob is found before the test body runs.
    """

    def __init__(self, project: Project, test_id: str, settings: Settings) -> None:
        self.project = project
        self.test_id = test_id
        self.settings = settings
        self.base: Mapping[Kind, Digest] = project.manifest.entries.get(test_id, {})
        mode = settings.mode
        verifies = mode is RecordMode.VERIFY and bool(self.base)
        self.records = mode in _RECORDING or (mode is RecordMode.ONCE and not self.base)
        self.strict = not self.records and not verifies
        #: Whether what is approved is expected to be asked for.
        self.expects = self.strict or verifies
        if self.records:
            settings.check_id(test_id)
        #: Whether the test's own code came to its end.
        self.returned = False
        #: Whether drift was staged.
        self.staged = False
        #: What was refused, each once, and how often.
        self.problems: list[CassetteError] = []
        self._refusals: Counter[str] = Counter()
        self.functions: frozenset[str] = frozenset()
        #: What runs this test again: a pytest id, "" where the runner cannot say, None without a runner.
        self.origin: str | None = ""
        #: What becomes of what the test writes for people.
        self.result_book = ResultBook(project, test_id, settings, strict=self.strict)
        self._lock = threading.Lock()
        self._blobs = self._load()
        approved = dict(self._blobs) if verifies else {}
        live: dict[Kind, LiveTraffic] = {kind: self._live(kind) for kind in HTTP_KINDS} if verifies else {}
        found: dict[Kind, Traffic] = {**live} or {kind: self._traffic(kind) for kind in HTTP_KINDS}
        self.traffic: Mapping[Kind, Traffic] = shared(found) if self.settings.mode in _REPLAYING else found
        self.env = self._env()
        self.calls = self._calls()
        self.verification: Verification | None = None
        if verifies:
            from .verification import Verification  # what compares is not loaded on a replay

            self.verification = Verification(approved, live, self.calls)

    # -- while the test runs ---------------------------------------------------------------------

    @property
    def result(self) -> Writer:
        """What the test writes for people to review."""
        return self.result_book.writer

    def refuse(self, error: CassetteError) -> CassetteError:
        """Remember a problem, so that it fails the test even when the code under test hides it."""
        with self._lock:
            self._refusals[str(error)] += 1
            if self._refusals[str(error)] == 1:
                self.problems.append(error)
        return error

    def miss(self, kind: Kind, request: Request) -> CassetteError:
        """Remember and return the error for a clean request that the cassette does not answer."""
        return self.refuse(self._miss(kind, request))

    @property
    def command(self) -> str:
        """The one command that records what is missing."""
        return self._recording(RecordMode.REWRITE if self._leaves_something() else self._adding)

    @property
    def _adding(self) -> RecordMode:
        """What keeps all that is approved."""
        return RecordMode.NEW_EPISODES if self.base else RecordMode.ONCE

    def _leaves_something(self) -> bool:
        """Whether something approved was not asked for: most likely it is what is asked otherwise now.

        To add to it would keep it, unplayed. Where nothing is left, what is missing was added.
        """
        return any(traffic.unplayed for _, traffic in distinct(self.traffic)) or self.calls.has_unplayed

    def _recording(self, mode: RecordMode) -> str:
        if self.origin is None:
            return f"the same command with BOOKTEST_RECORD_MODE={mode}"
        return self.project.again(self.origin or self.test_id, mode)

    def _miss(self, kind: Kind, request: Request) -> CassetteError:
        line = f"{request.method} {request.url}"
        if not self.base or self._is_staged(kind, request):
            return self.not_recorded(f"its request {line} has no approved {kind.value} snapshot")
        hint = self._record_hint(self.command)
        traffic = self.traffic[kind]
        times = traffic.times_recorded(request)
        if times:
            again = "once" if times == 1 else f"{times} times"
            what = f"{line} was recorded {again} and is made once more"
            return UnhandledRequest(f"{self.test_id}: {what}", hint=hint)
        message = f"{self.test_id}: {line} is not in its {kind.value} cassette"
        closest = nearest(request, [item.request for item in traffic.loaded], traffic.matcher)
        if closest is None:
            return UnhandledRequest(f"{message}, which is empty", hint=hint)
        lines = [f"nearest recorded: {closest.method} {closest.url}"]
        lines += [f"  {line}" for line in describe(request, closest, traffic.matcher)]
        return UnhandledRequest("\n  ".join([message, *lines]), hint=hint)

    def _is_staged(self, kind: Kind, request: Request) -> bool:
        """Whether a recording that waits for review would answer a request."""
        record = self.project.pending.load(self.test_id)
        change = record.changes.get(kind) if record else None
        data = self.project.staging.get(BlobKey(kind, change.staged)) if change and change.staged else None
        if data is None:
            return False
        key = self.settings.matcher.key
        items = codec.load_interactions(data, name=self._name(kind))
        return any(key(item.request) == key(request) for item in items)

    def not_recorded(self, why: str) -> CassetteError:
        """The error for a test that has no approved snapshot, or one that waits for review."""
        if self.project.pending.path(self.test_id).is_file():
            return SnapshotPending(
                f"{self.test_id}: {why}; it is recorded and waits for review",
                hint=self._review,
            )
        return SnapshotMissing(
            f"{self.test_id}: {why}", hint=self._record_hint(self._recording(self._adding))
        )

    def _record_hint(self, command: str) -> str:
        where = "  (on your machine, not in CI)" if self.project.config.ci else ""
        return f"{command}{where}\n  then: {self._review}"

    @property
    def _review(self) -> str:
        return f"booktest-cassettes review {quote(self.test_id)}"

    # -- at the end ------------------------------------------------------------------------------

    def verdict(self) -> CassetteError | None:
        """The error this session must fail its test with, or ``None``."""
        problems = self._faults()
        if self.verification is not None and (drift := self.verification.drift()):
            problems.append(self._drifted(drift))
        again = {text: count for text, count in self._refusals.items() if count > 1}
        if len(problems) < 2 and not again:
            return problems[0] if problems else None
        worst = max(problems, key=lambda problem: problem.exit_code)
        text = "\n".join(
            f"{problem.message}\n  refused {again[str(problem)]} times"
            if str(problem) in again
            else problem.message
            for problem in problems
        )
        return type(worst)(text, hint=worst.hint or next((p.hint for p in problems if p.hint), ""))

    def _faults(self) -> list[CassetteError]:
        """What was refused, and what must not be left unplayed."""
        if not (self.expects and self.settings.unused == "error" and (unused := self.unused())):
            return list(self.problems)
        lines = [f"{kind.value}: {request.method} {request.url}" for kind, request in unused]
        text = "\n  ".join([f"{self.test_id}: {len(lines)} recorded and never played:", *lines])
        return [*self.problems, UnusedInteractions(text, hint=self._rewrite)]

    @property
    def _rewrite(self) -> str:
        return self.project.again(self.origin or self.test_id, RecordMode.REWRITE)

    def _drifted(self, drift: Drift) -> SnapshotDrift:
        where = " (on your machine, not in CI)" if self.project.config.ci else ""
        first = "" if self.settings.stages_drift else f"{self._rewrite}{where}, then "
        lines = drift.lines(self.result_book.clean)
        return SnapshotDrift(
            "\n  ".join([f"{self.test_id}: the live service no longer answers as approved", *lines]),
            hint=f"{first}{self._review}",
        )

    def unused(self) -> list[tuple[Kind, Request]]:
        """Approved interactions that were not played."""
        if self.verification is not None:
            self.verification.drift()  # it knows
        return [(kind, request) for kind, traffic in distinct(self.traffic) for request in traffic.unplayed]

    def results(self, passed: bool) -> list[Result]:
        """Stage what was recorded, if the test passed, and say what became of each kind.

        A test that has returned, and whose result alone is to be reviewed, stages what it recorded.

        Raises
        ------
        StorageError
            When staging cannot be written; nothing of the test is then pending.
        """
        book = self.result_book
        book.origin = self.origin
        if passed or self.returned:
            book.judge()
        passed = (passed or (self.returned and self.verdict() is None)) and book.is_stageable
        results = self._results(passed)
        book.finish(passed)
        return results

    def _results(self, passed: bool) -> list[Result]:
        if self.verification is not None:
            return self._verified(self.verification, passed)
        if not passed:
            return [Result(kind, "FAIL", digest) for kind, digest in self.base.items()] or self._failed()
        if self.strict:
            return [Result(kind, "INTACT", digest) for kind, digest in self.base.items()]
        return self._stage()

    def _verified(self, verification: Verification, passed: bool) -> list[Result]:
        verification.ended = True
        drift = verification.drift()
        fine = passed or (self.returned and not self._faults() and self.result_book.is_stageable)
        if drift and fine and self.settings.stages_drift:
            self.staged = bool(
                self.project.stage(self.test_id, verification.recording(), self.result_book.change())
            )
        rest = "INTACT" if fine else "FAIL"
        return [
            Result(kind, "DRIFT" if kind in drift.kinds else rest, self.base.get(kind))
            for kind in sorted({*self.base, *drift.kinds})
        ]

    def _failed(self) -> list[Result]:
        missing = any(isinstance(problem, (SnapshotMissing, SnapshotPending)) for problem in self.problems)
        return [Result(Kind.HTTP, "MISSING", None)] if missing else []

    def _stage(self) -> list[Result]:
        changes = self.project.stage(self.test_id, self._dump(), self.result_book.change())
        results = [
            Result(kind, "INTACT", digest) for kind, digest in self.base.items() if kind not in changes
        ]
        for kind, change in changes.items():
            state = "NEW" if not change.base else "UPDATED" if change.staged else "GONE"
            results.append(Result(kind, state, change.staged))
        return sorted(results, key=lambda result: result.kind)

    def _dump(self) -> dict[Kind, bytes]:
        mode = self.settings.mode
        blobs: dict[Kind, bytes] = {}
        for kind, traffic in distinct(self.traffic):
            items = traffic.hand_over(
                keep_loaded=mode in (RecordMode.NEW_EPISODES, RecordMode.ALL),
                replace_matching=mode is RecordMode.ALL,
            )
            if items:
                blobs[kind] = codec.dump_interactions(kind, items)
        if self.env:
            redact = self.settings.cleaner.redactor.env_value
            clean = {name: value and redact(name, value) for name, value in self.env.items()}
            blobs[Kind.ENV] = codec.dump_env(clean)
        if calls := self.calls.calls(keep_loaded=mode is RecordMode.NEW_EPISODES):
            blobs[Kind.FUNC] = codec.dump_func(calls)
        return blobs

    # -- at the start ----------------------------------------------------------------------------

    def _load(self) -> dict[Kind, bytes]:
        if self.settings.mode not in _REPLAYING:
            return {}
        return {kind: self.project.approved(self.test_id, kind, digest) for kind, digest in self.base.items()}

    def _name(self, kind: Kind) -> str:
        return f"{self.test_id} ({kind.value})"

    def _traffic(self, kind: Kind) -> Traffic:
        # Decoded at once and let go: a big body is not kept a second time.
        data = self._blobs.pop(kind, None)
        return Traffic(
            kind,
            codec.load_interactions(data, name=self._name(kind)) if data is not None else (),
            matcher=self.settings.matcher,
            cleaner=self.settings.cleaner,
            replays=self.settings.mode is not RecordMode.ALL,
            repeats=self.settings.repeats,
            drops_unused=self.settings.drops_unused,
        )

    def _live(self, kind: Kind) -> LiveTraffic:
        data = self._blobs.pop(kind, None)
        return LiveTraffic(
            kind,
            codec.load_interactions(data, name=self._name(kind)) if data is not None else (),
            matcher=self.settings.matcher,
            cleaner=self.settings.cleaner,
            replays=True,
            admit=partial(self._admit, kind),
        )

    def _admit(self, kind: Kind, request: Request) -> None:
        """What is not approved is sent only where something live may have led to it."""
        if self.verification is None or not self.verification.is_answered:
            raise self.miss(kind, request)

    def _calls(self) -> CallBook:
        data = self._blobs.get(Kind.FUNC)
        answers = data is not None and self.settings.mode not in (RecordMode.ALL, RecordMode.VERIFY)
        return CallBook(codec.load_func(data, name=self._name(Kind.FUNC)) if data and answers else ())

    def _env(self) -> dict[str, str | None]:
        """Variables to restore (replay) or as they are now (recording)."""
        import os

        data = self._blobs.get(Kind.ENV)
        known = codec.load_env(data, name=self._name(Kind.ENV)) if data is not None else {}
        lacking = [name for name in self.settings.env if name not in known]
        if not self.strict and self.expects:
            known = {name: self._live_value(name, value) for name, value in known.items()}
        if self.expects and lacking:
            raise self.not_recorded(f"environment variable {lacking[0]} is in no approved env snapshot")
        return {**known, **{name: os.environ.get(name) for name in lacking}}

    def _live_value(self, name: str, recorded: str | None) -> str | None:
        """What was recorded, but for a secret: a live service wants the real one."""
        import os

        if recorded is None or REDACTED not in recorded:
            return recorded
        if name not in os.environ:
            raise UsageError(
                f"{self.test_id}: its variable {name} was recorded redacted, and is not set:"
                " the live service wants the real value",
                hint=f"set {name}, then run this again",
            )
        return os.environ[name]


_RECORDING = (RecordMode.NEW_EPISODES, RecordMode.ALL, RecordMode.REWRITE)
_REPLAYING = (
    RecordMode.NONE,
    RecordMode.ONCE,
    RecordMode.NEW_EPISODES,
    RecordMode.ALL,
    RecordMode.VERIFY,
)
