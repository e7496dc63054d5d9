"""What is approved, what waits for review, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..digest import BlobKey
from ..errors import IntegrityError, SnapshotPending
from ..project import Project
from ..store.pending import Pending
from ..store.remote.place import Place
from . import parts, sync


@dataclass(frozen=True)
class Status:
    """A project at a glance.

    Attributes
    ----------
    tests, snapshots:
        How many the manifest names.
    pending:
        Recordings that wait for review.
    lost:
        Approved snapshots that cannot be had as they were approved: test id, key and the error.
    remote:
        The DVC remote, for people; ``""`` without one.
    unfetched:
        Approved snapshots that are not on this machine: on the remote, as far as anybody looked.
    unpushed:
        Approved blobs that are on no remote yet.
    reclaimable:
        Bytes of the cache that ``gc --local`` would free; ``None`` where that takes long to tell, or cannot
        be told.
    """

    root: str
    storage: str
    notice: str
    tests: int
    snapshots: int
    pending: tuple[Pending, ...]
    lost: tuple[tuple[str, BlobKey, IntegrityError], ...]
    remote: str = ""
    unfetched: int = 0
    unpushed: tuple[BlobKey, ...] = ()
    reclaimable: int | None = None

    @property
    def exit_code(self) -> int:
        """What ``status --ci`` ends with: a lost blob is graver than an unapproved one."""
        if self.lost:
            return IntegrityError.exit_code
        return SnapshotPending.exit_code if self.pending else 0

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "root": self.root,
            "storage": self.storage,
            "notice": self.notice,
            "remote": self.remote,
            "tests": self.tests,
            "snapshots": self.snapshots,
            "pending": {pending.test_id: _changes_as_json(pending) for pending in self.pending},
            "unfetched": self.unfetched,
            "unpushed": [{"kind": key.kind.value, "digest": key.digest} for key in self.unpushed],
            "reclaimable": self.reclaimable,
            "lost": [
                {"test": test_id, "kind": key.kind.value, "digest": key.digest, "why": error.message}
                for test_id, key, error in self.lost
            ],
        }


def _changes_as_json(pending: Pending) -> dict[str, dict[str, str | None]]:
    changes: dict[str, dict[str, str | None]] = {
        kind.value: {"approved": change.base, "staged": change.staged}
        for kind, change in sorted(pending.changes.items())
    }
    if pending.result is not None:
        changes["result"] = {"approved": pending.result.base, "staged": pending.result.staged}
    return changes


def read(project: Project, *, verify: bool = False) -> Status:
    """Look; changes nothing.

    Parameters
    ----------
    project:
        Which one.
    verify:
        Read every approved snapshot of this machine and check its digest, and look for the others on
        the remote, instead of only looking what is here.

    Raises
    ------
    ManifestError, IntegrityError, StorageError
        When the manifest or a pending record cannot be read.
    RemoteError
        When the remote has to be asked and cannot be.
    """
    wanted = sync.wanted(project)
    absent = project.absent(wanted)
    nowhere = _nowhere(project, absent, verify=verify)
    unfetched = set(absent) - nowhere
    lost: list[tuple[str, BlobKey, IntegrityError]] = []
    for test_id, key in wanted:
        if (test_id, key) in nowhere:
            lost.append((test_id, key, project.missing(test_id, key)))
        elif verify and (test_id, key) not in unfetched and (error := _corrupt(project, test_id, key)):
            lost.append((test_id, key, error))
    return Status(
        root=str(project.config.root),
        storage=project.storage.mode,
        notice=project.storage.notice or _lack(project),
        tests=len(project.manifest.entries),
        snapshots=len(wanted),
        pending=tuple(  # what somebody else approved meanwhile needs no review
            record for record in project.pending if not parts.is_settled(project, record, project.manifest)
        ),
        lost=tuple(lost),
        remote=str(place_of(project) or ""),
        unfetched=len(unfetched),
        unpushed=tuple(sorted(project.unpushed.read())),
        reclaimable=_reclaimable(project),
    )


def _reclaimable(project: Project) -> int | None:
    from .gc import collection  # which looks at places as this room does

    return collection.reclaimable(project)


def _lack(project: Project) -> str:
    lack = project.storage.lack
    return f"{lack.message}; next: {lack.hint}" if lack else ""


def place_of(project: Project) -> Place | None:
    """The remote, if it can be told: to look at a full cache nobody needs the package."""
    return project.place if project.storage.mode == "git" else project.storage.place


def _nowhere(
    project: Project, absent: Sequence[tuple[str, BlobKey]], *, verify: bool
) -> set[tuple[str, BlobKey]]:
    """Those that cannot be had; without a look at the remote, all may be there."""
    if not absent or (not verify and project.storage.mode != "git"):
        return set()
    if project.place is None:
        return set(absent)
    if not verify:
        return set()
    there = sync.on_remote(project, absent)
    return {(test_id, key) for test_id, key in absent if key not in there}


def _corrupt(project: Project, test_id: str, key: BlobKey) -> IntegrityError | None:
    try:
        project.approved(test_id, key.kind, key.digest)
    except IntegrityError as error:
        return error
    return None
