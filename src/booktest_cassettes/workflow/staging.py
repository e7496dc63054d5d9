"""Staged recordings: read for a review, dropped once they are approved or rejected."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from ..digest import BlobKey
from ..errors import BlobMissing
from ..project import Project
from ..store.pending import Pending
from . import parts


def read(project: Project, test_id: str, key: BlobKey) -> bytes:
    """The verified bytes of a staged blob.

    Raises
    ------
    BlobMissing, BlobCorrupt, StorageError
        When staging lost or changed it, or cannot be read.
    """
    data = project.staging.get(key)
    if data is None:
        raise BlobMissing(
            f"{test_id}: its staged {key.kind.value} snapshot is gone from {project.staging.path(key)}",
            hint=f"booktest-cassettes run -- {quote(test_id)}, to record it again",
        )
    return data


def drop(project: Project, records: Sequence[Pending]) -> None:
    """Forget these records, or parts of records, and all staged bytes that no record needs.

    What was recorded anew meanwhile stays: nobody has looked at it yet.
    """
    with project.pending.exclusive():
        for pending in records:
            _forget(project, pending)
        needed = {key for pending in project.pending for key in staged_keys(pending)}
        for key in set(project.staging.keys()) - needed:  # superseded recordings go with them
            project.staging.delete(key)


def _forget(project: Project, part: Pending) -> None:
    record = project.pending.load(part.test_id)
    if record is None:
        return
    left = parts.without(record, part)
    if left is None:
        project.pending.remove(part.test_id)
    elif left != record:
        project.pending.save(left)


def staged_keys(pending: Pending) -> set[BlobKey]:
    """The staged blobs a record names."""
    return {BlobKey(kind, change.staged) for kind, change in pending.changes.items() if change.staged}
