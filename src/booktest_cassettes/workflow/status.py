"""What is approved, what waits for review, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..digest import BlobKey
from ..errors import IntegrityError, SnapshotPending
from ..project import Project
from ..store.pending import Pending


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
    """

    root: str
    storage: str
    notice: str
    tests: int
    snapshots: int
    pending: tuple[Pending, ...]
    lost: tuple[tuple[str, BlobKey, IntegrityError], ...]

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
            "tests": self.tests,
            "snapshots": self.snapshots,
            "pending": {
                pending.test_id: {
                    kind.value: {"approved": change.base, "staged": change.staged}
                    for kind, change in sorted(pending.changes.items())
                }
                for pending in self.pending
            },
            "lost": [
                {"test": test_id, "kind": key.kind.value, "digest": key.digest, "why": error.message}
                for test_id, key, error in self.lost
            ],
        }


def read(project: Project, *, verify: bool = False) -> Status:
    """Look; changes nothing.

    Parameters
    ----------
    project:
        Which one.
    verify:
        Read every approved snapshot and check its digest, instead of only looking that it is there.

    Raises
    ------
    ManifestError, IntegrityError, StorageError
        When the manifest or a pending record cannot be read.
    """
    entries = project.manifest.entries
    check = _corrupt if verify else _absent
    lost = [
        (test_id, BlobKey(kind, digest), error)
        for test_id, kinds in entries.items()
        for kind, digest in kinds.items()
        if (error := check(project, test_id, BlobKey(kind, digest)))
    ]
    return Status(
        root=str(project.config.root),
        storage=project.storage,
        notice=project.notice,
        tests=len(entries),
        snapshots=sum(map(len, entries.values())),
        pending=tuple(project.pending),
        lost=tuple(lost),
    )


def _absent(project: Project, test_id: str, key: BlobKey) -> IntegrityError | None:
    return None if project.test_store(test_id).has(key) else project.missing(test_id, key)


def _corrupt(project: Project, test_id: str, key: BlobKey) -> IntegrityError | None:
    try:
        project.approved(test_id, key.kind, key.digest)
    except IntegrityError as error:
        return error
    return None
