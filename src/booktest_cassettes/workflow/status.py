"""What is approved, what waits for review, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..digest import BlobKey
from ..errors import BlobMissing, SnapshotPending
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
    missing:
        Approved snapshots whose bytes are nowhere: test id and key.
    """

    root: str
    storage: str
    notice: str
    tests: int
    snapshots: int
    pending: tuple[Pending, ...]
    missing: tuple[tuple[str, BlobKey], ...]

    @property
    def exit_code(self) -> int:
        """What ``status --ci`` ends with: a lost blob is graver than an unapproved one."""
        if self.missing:
            return BlobMissing.exit_code
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
            "missing": [
                {"test": test_id, "kind": key.kind.value, "digest": key.digest}
                for test_id, key in self.missing
            ],
        }


def read(project: Project) -> Status:
    """Look; changes nothing.

    Raises
    ------
    ManifestError, IntegrityError, StorageError
        When the manifest or a pending record cannot be read.
    """
    entries = project.manifest.entries
    missing = [
        (test_id, key)
        for test_id, kinds in entries.items()
        for kind, digest in kinds.items()
        if not project.test_store(test_id).has(key := BlobKey(kind, digest))
    ]
    return Status(
        root=str(project.config.root),
        storage=project.storage,
        notice=project.notice,
        tests=len(entries),
        snapshots=sum(map(len, entries.values())),
        pending=tuple(project.pending),
        missing=tuple(missing),
    )
