"""One test's recording or replay: what it may use, what it did, what becomes of it.

A session knows no HTTP client. Adapters ask it for recorded answers, hand it what they recorded and
tell it what they refused; at the end it stages what a passed test recorded.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from .callbook import CallBook
from .digest import BlobKey, Digest, Kind
from .errors import CassetteError, SnapshotMissing, SnapshotPending, UnhandledRequest, UnusedInteractions
from .modes import RecordMode
from .options import HTTP_KINDS, Settings
from .project import Project
from .recording import codec
from .recording.difference import describe, nearest
from .recording.model import Request
from .traffic import Traffic


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
        self.records = mode in _RECORDING or (mode is RecordMode.ONCE and not self.base)
        self.strict = not self.records
        #: What was refused, each once, and how often.
        self.problems: list[CassetteError] = []
        self._refusals: Counter[str] = Counter()
        self.functions: frozenset[str] = frozenset()
        #: What runs this test again: a pytest id, "" where the runner cannot say, None without a runner.
        self.origin: str | None = ""
        self._lock = threading.Lock()
        self._blobs = self._load()
        self.traffic = {kind: self._traffic(kind) for kind in HTTP_KINDS}
        self.env = self._env()
        self.calls = self._calls()

    # -- while the test runs ---------------------------------------------------------------------

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
        if self.origin is None:
            mode = "new_episodes" if self.base else "once"
            return f"the same command with BOOKTEST_RECORD_MODE={mode}"
        flag = "-s " if self.base else ""
        return f"booktest-cassettes run {flag}-- {quote(self.origin or self.test_id)}"

    def _miss(self, kind: Kind, request: Request) -> CassetteError:
        line = f"{request.method} {request.url}"
        if not self.base or self._is_staged(kind, request):
            return self.not_recorded(f"its request {line} has no approved {kind.value} snapshot")
        traffic = self.traffic[kind]
        times = traffic.times_recorded(request)
        if times:
            again = "once" if times == 1 else f"{times} times"
            what = f"{line} was recorded {again} and is made once more"
            return UnhandledRequest(f"{self.test_id}: {what}", hint=self._record_hint())
        message = f"{self.test_id}: {line} is not in its {kind.value} cassette"
        closest = nearest(request, [item.request for item in traffic.loaded], traffic.matcher)
        if closest is None:
            return UnhandledRequest(f"{message}, which is empty", hint=self._record_hint())
        lines = [f"nearest recorded: {closest.method} {closest.url}"]
        lines += [f"  {line}" for line in describe(request, closest, traffic.matcher)]
        return UnhandledRequest("\n  ".join([message, *lines]), hint=self._record_hint())

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
                hint=f"booktest-cassettes approve {quote(self.test_id)}",
            )
        return SnapshotMissing(f"{self.test_id}: {why}", hint=self._record_hint())

    def _record_hint(self) -> str:
        where = " (on your machine, not in CI)" if self.project.config.ci else ""
        return f"{self.command}{where}, then booktest-cassettes approve {quote(self.test_id)}"

    # -- at the end ------------------------------------------------------------------------------

    def verdict(self) -> CassetteError | None:
        """The error this session must fail its test with, or ``None``."""
        problems = list(self.problems)
        if self.strict and self.settings.unused == "error" and (unused := self.unused()):
            lines = [f"{kind.value}: {request.method} {request.url}" for kind, request in unused]
            problems.append(
                UnusedInteractions(
                    "\n  ".join([f"{self.test_id}: {len(lines)} recorded and never played:", *lines]),
                    hint=f"booktest-cassettes run -S -- {quote(self.origin or self.test_id)}",
                )
            )
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

    def unused(self) -> list[tuple[Kind, Request]]:
        """Approved interactions that were not played."""
        return [(kind, request) for kind, traffic in self.traffic.items() for request in traffic.unplayed]

    def results(self, passed: bool) -> list[Result]:
        """Stage what was recorded, if the test passed, and say what became of each kind.

        Raises
        ------
        StorageError
            When staging cannot be written; nothing of the test is then pending.
        """
        if not passed:
            return [Result(kind, "FAIL", digest) for kind, digest in self.base.items()] or self._failed()
        if self.strict:
            return [Result(kind, "INTACT", digest) for kind, digest in self.base.items()]
        return self._stage()

    def _failed(self) -> list[Result]:
        missing = any(isinstance(problem, (SnapshotMissing, SnapshotPending)) for problem in self.problems)
        return [Result(Kind.HTTP, "MISSING", None)] if missing else []

    def _stage(self) -> list[Result]:
        changes = self.project.stage(self.test_id, self._dump())
        results = [
            Result(kind, "INTACT", digest) for kind, digest in self.base.items() if kind not in changes
        ]
        for kind, change in changes.items():
            results.append(Result(kind, "UPDATED" if change.base else "NEW", change.staged))
        return sorted(results, key=lambda result: result.kind)

    def _dump(self) -> dict[Kind, bytes]:
        mode = self.settings.mode
        blobs: dict[Kind, bytes] = {}
        for kind, traffic in self.traffic.items():
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
        )

    def _calls(self) -> CallBook:
        data = self._blobs.get(Kind.FUNC)
        answers = data is not None and self.settings.mode is not RecordMode.ALL
        return CallBook(codec.load_func(data, name=self._name(Kind.FUNC)) if data and answers else ())

    def _env(self) -> dict[str, str | None]:
        """Variables to restore (replay) or as they are now (recording)."""
        import os

        data = self._blobs.get(Kind.ENV)
        known = codec.load_env(data, name=self._name(Kind.ENV)) if data is not None else {}
        lacking = [name for name in self.settings.env if name not in known]
        if self.strict and lacking:
            raise self.not_recorded(f"environment variable {lacking[0]} is in no approved env snapshot")
        return {**known, **{name: os.environ.get(name) for name in lacking}}


_RECORDING = (RecordMode.NEW_EPISODES, RecordMode.ALL, RecordMode.REWRITE)
_REPLAYING = (RecordMode.NONE, RecordMode.ONCE, RecordMode.NEW_EPISODES, RecordMode.ALL)
