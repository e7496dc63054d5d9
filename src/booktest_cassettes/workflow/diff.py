"""What changed: what waits for review against what is approved, or one Git revision against another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from ..digest import BlobKey, Digest, Kind
from ..errors import CassetteError, IntegrityError, UsageError
from ..manifest import Manifest
from ..project import Project
from ..recording.comparison import Comparison, Difference, compare
from ..recording.scan import Finding, scan
from ..results import differences
from ..store.pending import Change, Pending
from . import cleaning, history, parts, results, staging
from .finding import Finder, Wanted
from .select import select, waiting_of
from .transfer import Progress, quiet

_TESTS = 32  # whose snapshots are in memory at once


@dataclass(frozen=True, slots=True)
class TestDiff:
    """What changed in one test.

    Attributes
    ----------
    comparisons:
        By kind, in order.
    result:
        What changed in its result file, line by line; empty without one.
    secrets, result_secrets:
        What looks like a credential in the new snapshots, and in the new result.
    problems:
        Why a snapshot could not be read: it is then in no comparison.
    """

    __test__: ClassVar[bool] = False  # pytest takes every class of this name for one with tests in it

    test_id: str
    comparisons: tuple[Comparison, ...] = ()
    result: tuple[Difference, ...] = ()
    secrets: tuple[tuple[Kind, Finding], ...] = ()
    problems: tuple[CassetteError, ...] = ()
    result_secrets: tuple[Finding, ...] = ()


def pending(project: Project, patterns: Sequence[str] = (), progress: Progress = quiet) -> Iterator[TestDiff]:
    """What waits for review against what is approved, test by test.

    Approved snapshots that are not on this machine are fetched first, all at once.

    Parameters
    ----------
    project:
        Whose.
    patterns:
        Tests, files, directories, globs; none: all that wait.
    progress:
        Is told how far that is.

    Raises
    ------
    UsageError
        When a pattern means no test that waits or is approved.
    IntegrityError
        When a pending record is damaged.
    """
    approved = project.read_manifest().entries  # one in conflict is refused, whether anything waits or not
    records = waiting_of(waiting(project), chain(approved, project.results.ids()), patterns)
    finder = Finder(project)
    finder.fetch((one for record in records for one in _approved(project, record)), progress)
    for record in records:
        yield _of_record(project, finder, record)


def waiting(project: Project) -> list[Pending]:
    """Records that a person has to look at: what somebody else approved meanwhile needs no review."""
    return [record for record in project.pending if not parts.is_settled(project, record, project.manifest)]


def of_record(project: Project, record: Pending, finder: Finder | None = None) -> TestDiff:
    """One test's pending recording against what is approved; what cannot be read is a problem in it.

    ``finder`` may be one that has fetched what is approved of many tests.
    """
    if finder is None:
        finder = Finder(project)
        finder.fetch(_approved(project, record))
    return _of_record(project, finder, record)


def _approved(project: Project, record: Pending) -> Iterator[Wanted]:
    approved = project.manifest.get(record.test_id)
    for kind, change in record.changes.items():
        if kind in approved and approved[kind] != change.staged:
            yield Wanted(record.test_id, BlobKey(kind, approved[kind]))


def _of_record(project: Project, finder: Finder, record: Pending) -> TestDiff:
    approved = project.manifest.get(record.test_id)
    changes = {kind: Change(approved.get(kind), change.staged) for kind, change in record.changes.items()}
    blobs = {one.key: data for one, data in finder.get(list(_approved(project, record)))}
    for kind, change in changes.items():
        if change.staged is not None:
            key = BlobKey(kind, change.staged)
            try:
                blobs[key] = staging.read(project, record.test_id, key)
            except CassetteError as error:
                blobs[key] = error
    result = None if record.result is None else (record.result.base, record.result.staged)
    return _diff(record.test_id, changes, blobs, result, finder.clean)


def between(
    project: Project,
    old: str,
    new: str | None,
    patterns: Sequence[str] = (),
    progress: Progress = quiet,
) -> list[TestDiff]:
    """What changed from the manifest of one Git revision to that of another, by test id.

    Parameters
    ----------
    project:
        Whose.
    old, new:
        Anything Git takes for a commit; ``new`` may be ``None``: the manifest of the work tree.
    patterns:
        Tests, files, directories, globs; none: all.
    progress:
        Is told how far the fetching of blobs is.

    Raises
    ------
    UsageError
        For an unknown revision, no Git repository, and a pattern that means nothing in either manifest.
    ManifestError
        When one of the manifests cannot be read.
    """
    return list(each_between(project, old, new, patterns, progress))


def each_between(
    project: Project,
    old: str,
    new: str | None,
    patterns: Sequence[str] = (),
    progress: Progress = quiet,
) -> Iterator[TestDiff]:
    """The same, one after the other."""
    commits = (history.commit_of(project, old), None if new is None else history.commit_of(project, new))
    before = history.manifest_at(project, commits[0])
    after = project.manifest if commits[1] is None else history.manifest_at(project, commits[1])
    renewed = set(_changed_results(project, commits))
    changes = _changes(before, after, renewed, patterns)
    finder = Finder(project)
    finder.fetch(
        (one for test_id in changes for one in _wanted(test_id, changes[test_id], commits)), progress
    )
    tests = list(changes)
    for start in range(0, len(tests), _TESTS):
        chunk = tests[start : start + _TESTS]
        wanted = [one for test_id in chunk for one in _wanted(test_id, changes[test_id], commits)]
        found: dict[str, dict[BlobKey, bytes | CassetteError]] = {test_id: {} for test_id in chunk}
        for one, data in finder.get(wanted):
            found[one.test_id][one.key] = data
        for test_id in chunk:
            result = _results(project, test_id, commits) if test_id in renewed else None
            yield _diff(test_id, changes[test_id], found.pop(test_id), result, finder.clean)


def _changed_results(project: Project, commits: tuple[str, str | None]) -> list[str]:
    try:
        return results.changed(project, *commits)
    except UsageError:  # the snapshots directory is not in this repository: it holds no results of the past
        return []


def _results(
    project: Project, test_id: str, commits: tuple[str, str | None]
) -> tuple[str | None, str | None]:
    old, new = commits
    after = project.results.read(test_id) if new is None else results.at(project, new, test_id)
    return results.at(project, old, test_id), after


def _changes(
    before: Manifest, after: Manifest, renewed: set[str], patterns: Sequence[str]
) -> dict[str, dict[Kind, Change]]:
    tests = select(sorted({*before.entries, *after.entries, *renewed}), patterns, id_of=str)
    found: dict[str, dict[Kind, Change]] = {}
    for test_id in tests:
        old, new = before.get(test_id), after.get(test_id)
        if old != new or test_id in renewed:
            found[test_id] = {
                kind: Change(old.get(kind), new.get(kind)) for kind in Kind if old.get(kind) != new.get(kind)
            }
    return found


def _wanted(
    test_id: str, changes: Mapping[Kind, Change], commits: tuple[str | None, str | None]
) -> Iterator[Wanted]:
    for kind, change in changes.items():
        for digest, commit in zip((change.base, change.staged), commits, strict=True):
            if digest is not None:
                yield Wanted(test_id, BlobKey(kind, digest), commit)


def _diff(
    test_id: str,
    changes: Mapping[Kind, Change],
    blobs: Mapping[BlobKey, bytes | CassetteError],
    result: tuple[str | None, str | None] | None,
    clean: cleaning.Clean | None,
) -> TestDiff:
    comparisons: list[Comparison] = []
    problems: list[CassetteError] = []
    secrets: list[tuple[Kind, Finding]] = []
    for kind, change in sorted(changes.items()):
        if change.base == change.staged:
            continue
        try:
            old, new = (_bytes(blobs, kind, digest) for digest in (change.base, change.staged))
            comparisons.append(compare(kind, old, new))
        except CassetteError as error:
            problems.append(_problem(kind, change, error))
            continue
        secrets += [(kind, finding) for finding in scan(new or b"")]
    told: tuple[Difference, ...] = ()
    in_result: tuple[Finding, ...] = ()
    if result is not None:
        told = differences(*result)
        in_result = tuple(scan((result[1] or "").encode("utf-8", "replace")))
    if clean is not None:
        comparisons = [cleaning.comparison(found, clean) for found in comparisons]
        told = cleaning.differences(told, clean)
    return TestDiff(test_id, tuple(comparisons), told, tuple(secrets), tuple(problems), in_result)


def _bytes(blobs: Mapping[BlobKey, bytes | CassetteError], kind: Kind, digest: Digest | None) -> bytes | None:
    if digest is None:
        return None
    found = blobs[BlobKey(kind, digest)]
    if isinstance(found, CassetteError):
        raise found
    return found


def _problem(kind: Kind, change: Change, error: CassetteError) -> CassetteError:
    digests = f"{change.base or 'none'} -> {change.staged or 'none'}"
    return type(error)(f"{kind.value} cannot be compared: {error.message}\n{digests}", hint=error.hint)


def exit_code(diffs: Iterable[TestDiff]) -> int:
    """4 where a snapshot was lost or changed, 5 where the remote could not be asked, else 0."""
    codes = {problem.exit_code for diff in diffs for problem in diff.problems}
    return IntegrityError.exit_code if IntegrityError.exit_code in codes else max(codes, default=0)
