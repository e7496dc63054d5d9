"""Look at a project, and at what a run did with it, once; everything that writes a report starts here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote

from ...digest import BlobKey, Kind
from ...errors import CassetteError, RemoteError
from ...options import redactor
from ...project import Project
from ...store.pending import Change as Staged
from ...store.pending import Pending
from .. import git, staging, sync
from ..diff import TestDiff, between, waiting
from ..show import inert
from ..status import place_of
from .contents import content_of, lines_of
from .data import Blob, Content, Problem, Report, Snapshot, Test, rank
from .differences import diff_of, pending_diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a test session did with its cassettes, as the runner tells it.

    Attributes
    ----------
    mode:
        Its record mode.
    states:
        Test id to kind to state.
    results:
        Test id to what became of its result.
    problems:
        What went wrong, by test.
    missing, waiting, lost:
        Ids of tests without an approved snapshot, with one that awaits review, with one that cannot be had.
    refused:
        Network attempts refused, by test.
    unplayed:
        Numbers of interactions that were not played, by test and kind.
    notices:
        What the user should be told once.
    next:
        The command to run now.
    """

    mode: str = ""
    states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    missing: Collection[str] = ()
    waiting: Collection[str] = ()
    lost: Collection[str] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    unplayed: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    notices: Collection[str] = ()
    next: str = ""

    def tests(self) -> set[str]:
        """Everybody it says something about."""
        return {*self.states, *self.problems, *self.missing, *self.waiting, *self.lost, *self.refused}


def collect(project: Project, *, run: Run | None = None, base: str = "", fetch: bool = True) -> Report:
    """Everything a report tells.

    Parameters
    ----------
    project:
        Whose.
    run:
        What a test session did; ``None``: only the project's state.
    base:
        A Git revision that every test is compared with; ``""``: none.
    fetch:
        Bring approved blobs that are not on this machine from the remote; otherwise they are named only.

    Raises
    ------
    ManifestError, IntegrityError, StorageError
        When the manifest or a pending record cannot be read.
    UsageError
        When ``base`` is no revision.
    """
    return _Collector(project, run, base).collect(fetch=fetch)


class _Collector:
    """One collection: what was read so far."""

    def __init__(self, project: Project, run: Run | None, base: str) -> None:
        self.project = project
        self.run = run
        self.base = base
        self.contents: dict[str, Content] = {}
        found = redactor(project.config)
        self.redactor = found if found.declares else None
        told = (project.storage.notice, *sorted(run.notices if run else ()))
        self.notes = list(dict.fromkeys(filter(None, told)))
        self.lost: dict[tuple[str, BlobKey], CassetteError] = {}
        self.absent: set[tuple[str, BlobKey]] = set()
        self.where: dict[BlobKey, str] = {}
        self.owners: Counter[BlobKey] = Counter()

    def collect(self, *, fetch: bool) -> Report:
        """See :func:`collect`."""
        project = self.project
        pending = {record.test_id: record for record in waiting(project)}
        based = self._based()
        self._read_approved(fetch=fetch)
        ids = {*project.manifest.entries, *pending, *based, *(self.run.tests() if self.run else ())}
        tests = [self._test(test_id, pending.get(test_id), based.get(test_id)) for test_id in sorted(ids)]
        counts = Counter(state for test in tests for state in _states(test))
        return Report(
            project=inert(project.config.root.name),
            source="pytest" if self.run else "project",
            storage=project.storage.mode,
            remote=inert(_remote(project)),
            revision=git.ask(project.config.root, "rev-parse", "--short", "HEAD") or "",
            base=inert(self.base),
            mode=self.run.mode if self.run else "",
            counts=dict(sorted(counts.items(), key=lambda pair: rank(pair[0]))),
            tests=tuple(tests),
            contents=self.contents,
            blobs=self._blobs(),
            notes=tuple(lines_of(note) for note in self.notes),
            next=inert(self._next(tests)),
        )

    def _based(self) -> dict[str, TestDiff]:
        if not self.base:
            return {}
        return {diff.test_id: diff for diff in between(self.project, self.base, None)}

    # -- blobs -----------------------------------------------------------------------------------

    def _read_approved(self, *, fetch: bool) -> None:
        wanted = sync.wanted(self.project)
        absent = self.project.absent(wanted)
        if absent and fetch:
            absent = self._fetched(wanted, absent)
        self.absent = set(absent)
        for test_id, key in wanted:
            self.owners[key] += 1
            if (test_id, key) not in self.absent:
                self._read(test_id, key)
            elif not self._has_remote():
                self.lost[test_id, key] = self.project.missing(test_id, key)
            self.where.setdefault(key, self._where(test_id, key))

    def _fetched(
        self, wanted: list[tuple[str, BlobKey]], absent: list[tuple[str, BlobKey]]
    ) -> list[tuple[str, BlobKey]]:
        """Those that are still not here after a try."""
        try:
            if self.project.place is None:
                return absent
            moved = sync.pull_these(self.project, wanted)
        except CassetteError as error:  # a report of what is here is better than none
            self.notes.append(f"not everything is on this machine, and {error}")
            return self.project.absent(wanted)
        self.lost.update({(test_id, key): error for test_id, key, error in moved.lost})
        return self.project.absent(wanted)

    def _has_remote(self) -> bool:
        try:
            return self.project.place is not None
        except RemoteError:  # it is configured, and cannot be told: the blob may well be there
            return True

    def _read(self, test_id: str, key: BlobKey) -> None:
        try:
            data = self.project.approved(test_id, key.kind, key.digest)
            self._look_into(key, data)
        except CassetteError as error:
            self.lost[test_id, key] = error

    def _look_into(self, key: BlobKey, data: bytes) -> None:
        if key.digest not in self.contents:
            self.contents[key.digest] = content_of(key.kind, data, self.redactor)

    def _where(self, test_id: str, key: BlobKey) -> str:
        if (test_id, key) in self.lost:
            return "lost"
        if (test_id, key) in self.absent:
            return "remote"
        return "git" if self.project.storage.mode == "git" and self._in_payload(test_id, key) else "local"

    def _in_payload(self, test_id: str, key: BlobKey) -> bool:
        return self.project.payloads(test_id).path(test_id, key.kind).is_file()

    def _blobs(self) -> tuple[Blob, ...]:
        unpushed = self.project.unpushed.read()
        found = [
            Blob(key.kind.value, key.digest, self._size(key), count, self.where[key], key in unpushed)
            for key, count in self.owners.items()
        ]
        return tuple(sorted(found, key=lambda blob: (-(blob.size or 0), blob.digest)))

    def _size(self, key: BlobKey) -> int | None:
        content = self.contents.get(key.digest)
        return content.size if content else None

    # -- tests -----------------------------------------------------------------------------------

    def _test(self, test_id: str, record: Pending | None, based: TestDiff | None) -> Test:
        changes = record.changes if record else {}
        problems = [*(self.run.problems.get(test_id, ()) if self.run else ())]
        approved = self.project.manifest.get(test_id)
        snapshots = [
            self._snapshot(test_id, kind, changes.get(kind), problems)
            for kind in Kind
            if kind in changes or kind in approved
        ]
        diffs = [pending_diff(self.project, record)] if record else []
        if based is not None:
            diffs.append(diff_of(based, inert(self.base)))
        states = [snapshot.state for snapshot in snapshots]
        state = min([*states, *self._own_states(test_id, record)], key=rank, default="REMOVED")
        refused = self.run.refused.get(test_id, 0) if self.run else 0
        return Test(inert(test_id), state, tuple(snapshots), tuple(problems), tuple(diffs), refused)

    def _snapshot(self, test_id: str, kind: Kind, change: Staged | None, problems: list[Problem]) -> Snapshot:
        approved = self.project.manifest.get(test_id).get(kind)
        shown = approved
        if change and change.staged:
            shown = change.staged
            problems += self._staged(test_id, BlobKey(kind, change.staged))
        error = self.lost.get((test_id, BlobKey(kind, approved))) if approved else None
        if error and not any(problem.message == lines_of(error.message) for problem in problems):
            problems.append(_problem(error))
        run = self.run
        unplayed = run.unplayed.get(test_id, {}).get(kind.value) if run else None
        return Snapshot(
            kind.value,
            self._state(test_id, kind, change, lost=error is not None),
            shown or approved or "",
            approved or "",
            None if unplayed is None else tuple(unplayed),
        )

    def _staged(self, test_id: str, key: BlobKey) -> Iterator[Problem]:
        self.owners[key] += 1
        self.where.setdefault(key, "staging")
        try:
            self._look_into(key, staging.read(self.project, test_id, key))
        except CassetteError as error:
            self.where[key] = "lost"
            yield _problem(error)

    def _state(self, test_id: str, kind: Kind, change: Staged | None, *, lost: bool) -> str:
        run = self.run
        told = run.states.get(test_id, {}).get(kind.value) if run else None
        if told or lost:
            return told or "LOST"
        if change is not None:
            if run and test_id in run.waiting:
                return "WAITING"
            return "NEW" if not change.base else "UPDATED" if change.staged else "GONE"
        approved = self.project.manifest.get(test_id)[kind]
        if (test_id, BlobKey(kind, approved)) in self.absent:
            return "REMOTE"
        return "NOT RUN" if run else "APPROVED"

    def _own_states(self, test_id: str, record: Pending | None) -> Iterator[str]:
        """States of a test that its snapshots do not tell."""
        run = self.run
        if run:
            yield from run.states.get(test_id, {}).values()
            named = {"MISSING": run.missing, "WAITING": run.waiting, "LOST": run.lost}
            found = [state for state, tests in named.items() if test_id in tests]
            yield from found
            if test_id in run.problems and not found:
                yield "FAIL"
        if record and record.result and not (run and run.results.get(test_id) == "INTACT"):
            yield record.result.state.upper()

    def _next(self, tests: Sequence[Test]) -> str:
        if self.run:
            return self.run.next
        hint = next((error.hint for error in self.lost.values() if error.hint), "")
        if hint:
            return hint.partition("\n")[0]
        waiting = [test for test in tests if test.state in ("NEW", "UPDATED", "GONE")]
        if waiting:
            only = f" {quote(waiting[0].id)}" if len(waiting) == 1 else ""
            return f"booktest-cassettes review{only}"
        return "booktest-cassettes push" if self.project.unpushed.read() else ""


def problem_of(what: str, message: str, hint: str) -> Problem:
    """An error, for a reader."""
    return Problem(what, lines_of(message), lines_of(hint))


def _problem(error: CassetteError) -> Problem:
    return problem_of(type(error).__name__, error.message, error.hint)


def _states(test: Test) -> list[str]:
    """A test's states, as they are counted: one for each snapshot, and its own where none has it."""
    states = [snapshot.state for snapshot in test.snapshots]
    return states if test.state in states else [*states, test.state]


def _remote(project: Project) -> str:
    try:
        return str(place_of(project) or "")
    except RemoteError:
        return ""
