"""What waits for a review, and what becomes of it: all decisions take effect together, at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from ..digest import BlobKey
from ..errors import IntegrityError
from ..files import list_names
from ..manifest import Manifest
from ..project import Project
from ..recording.scan import scan
from ..store.pending import Pending
from . import approve, parts, results, staging
from .finding import Finder, Wanted
from .review import Decision
from .select import waiting_of
from .transfer import Progress, quiet


@dataclass(frozen=True)
class Applied:
    """What a review changed.

    Attributes
    ----------
    plan, approved:
        What was approved, and what that did.
    rejected:
        What was rejected.
    stale:
        What was recorded, approved or rejected by somebody else after it was shown here: left as it is.
    """

    plan: approve.Plan
    approved: approve.Approved
    rejected: tuple[Pending, ...]
    stale: tuple[Pending, ...]


def waiting(
    project: Project, patterns: Sequence[str] = (), *, tests: Collection[str] | None = None
) -> list[Pending]:
    """What waits for review: one kind, or the result, of one test at a time.

    Parameters
    ----------
    project, patterns:
        Whose, and which; without patterns all.
    tests:
        Only of these tests; ``None``: of all.

    Raises
    ------
    UsageError
        When a pattern means nothing.
    ManifestError, IntegrityError
        When the manifest or a record cannot be read.
    """
    manifest = project.read_manifest()
    records = [record for record in project.pending if tests is None or record.test_id in tests]
    return [
        part
        for record in waiting_of(records, chain(manifest.entries, project.results.ids()), patterns)
        for part in parts.split(record)
        if not parts.is_settled(project, part, manifest)  # somebody else approved it meanwhile
    ]


def finder(project: Project, records: Sequence[Pending], progress: Progress = quiet) -> Finder:
    """Finds what is approved of these tests; what is not on this machine has been fetched at once."""
    found = Finder(project)
    found.fetch(
        (
            Wanted(record.test_id, BlobKey(kind, change.base))
            for record in records
            for kind, change in record.changes.items()
            if change.base is not None
        ),
        progress,
    )
    return found


def apply(
    project: Project,
    decisions: Sequence[tuple[Pending, Decision]],
    *,
    seen_secrets: Collection[BlobKey | str] = (),
    progress: Progress = quiet,
) -> Applied:
    """Carry decisions out: one approval, pushed once, then one rejection.

    Parameters
    ----------
    project, decisions:
        Parts of records as they were shown, with what was decided about each.
    seen_secrets:
        What :func:`secrets` found, and a person accepted all the same.
    progress:
        Told about each blob that reached the remote.

    Raises
    ------
    SecretFound, IntegrityError, StorageError, RemoteError, UsageError
        As :func:`.approve.plan` and :func:`.approve.execute`. Nothing is then rejected, and what was not
        approved is pending as before.
    """
    manifest = project.read_manifest()
    found: dict[Decision | None, list[Pending]] = {None: [], Decision.ACCEPT: [], Decision.REJECT: []}
    for part, decision in decisions:
        if decision is not Decision.SKIP:
            found[decision if _is_fresh(project, part, manifest) else None].append(part)
    stale, accepted, rejected = found.values()
    plan = approve.plan_of(project, parts.join(accepted), allow_secrets=seen_secrets)
    done = approve.execute(project, plan, progress)
    approve.reject_these(project, parts.join(rejected))
    return Applied(plan, done, tuple(rejected), tuple(stale))


def _is_fresh(project: Project, part: Pending, manifest: Manifest) -> bool:
    """Whether what was shown is what is pending still, against what is approved still."""
    is_pending = parts.holds(project.pending.load(part.test_id), part)
    return is_pending and parts.is_based(project, part, manifest)


def secrets(project: Project, part: Pending) -> set[BlobKey | str]:
    """What of a part looks like it holds a credential: staged blobs; for a result, its test."""
    found: set[BlobKey | str] = {part.test_id} if results.secrets(part) else set()
    for key in staging.staged_keys(part):
        with suppress(IntegrityError):  # lost or changed: it can be shown and rejected, not approved
            if scan(staging.read(project, part.test_id, key)):
                found.add(key)
    return found


def marks(project: Project) -> Mapping[str, tuple[int, int]]:
    """A mark of each pending record's file, which any writing of the record changes."""
    found = {}
    for name in list_names(project.pending.root):
        with suppress(FileNotFoundError):  # approved or rejected at this moment
            status = (project.pending.root / name).stat()
            found[name] = (status.st_mtime_ns, status.st_ino)
    return found


def staged_since(project: Project, before: Mapping[str, tuple[int, int]]) -> set[str]:
    """The tests whose record was written since these marks were taken."""
    now = marks(project)
    return {
        record.test_id
        for record in project.pending
        if now.get(name := project.pending.path(record.test_id).name) != before.get(name)
    }
