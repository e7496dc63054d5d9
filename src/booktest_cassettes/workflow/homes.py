"""Where approved snapshots live, behind one handle: what an approval does there, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ..digest import BlobKey
from ..files import exists, remove, sweep_temporary
from ..manifest import Manifest
from ..project import Project
from ..store.pending import Pending
from . import payloads, staging, transfer
from .transfer import Moved, Progress


class Home(Protocol):
    """One storage mode's part in an approval. Methods are called in this order, under its lock."""

    def paths(self, records: Sequence[Pending]) -> list[Path]:
        """What it may change in the work tree."""
        ...

    def prepare(self, records: Sequence[Pending], before: Manifest, /) -> list[Path]:
        """Make room, and say what else changed; what ``before`` names can be found all the time."""
        ...

    def write(self, records: Sequence[Pending], blobs: Mapping[BlobKey, bytes]) -> None:
        """Put the new blobs on this machine."""
        ...

    def deliver(self, records: Sequence[Pending], progress: Progress, /) -> Moved:
        """Have all that was written on the remote, verified; raises RemoteError."""
        ...

    def finish(self, records: Sequence[Pending]) -> None:
        """The manifest has changed: clean up."""
        ...

    def undo(self, records: Sequence[Pending], manifest: Manifest) -> None:
        """Instead of all this: take back what a killed approval of rejected records did."""
        ...


def home(project: Project, after: Manifest) -> Home:
    """The home of a project's new snapshots, when the manifest will be ``after``."""
    if project.storage.mode == "git":
        return GitHome(project, after)
    if project.storage.mode == "dvc":
        return RemoteHome(project, after)
    from .pointers import PointersHome

    return PointersHome(project, after)


class GitHome:
    """Payload files beside the manifest (ADR-0005)."""

    def __init__(self, project: Project, after: Manifest) -> None:
        self.project = project
        self.store = project.git_store(after)

    def paths(self, records: Sequence[Pending]) -> list[Path]:
        """See Home."""
        return payloads.paths(self.store, records)

    def prepare(self, records: Sequence[Pending], before: Manifest) -> list[Path]:
        """See Home."""
        payloads.hold(self.project, self.store, records, before)
        sweep_temporary(self.store.attributes)
        is_new = any(change.staged for pending in records for change in pending.changes.values())
        return [self.store.attributes] if is_new and self.store.prepare() else []

    def write(self, records: Sequence[Pending], blobs: Mapping[BlobKey, bytes]) -> None:
        """See Home."""
        for pending in records:
            payloads.write(self.store, pending, blobs)

    def deliver(self, _records: Sequence[Pending], _progress: Progress) -> Moved:
        """See Home. Git has no remote of ours: what is committed is pushed with it."""
        return Moved()

    def finish(self, records: Sequence[Pending]) -> None:
        """See Home."""
        for path in payloads.paths(self.store, records):
            remove(pointer_of(path))
        payloads.remove_gone(self.store, records)
        payloads.release(self.project, self.store, records)

    def undo(self, records: Sequence[Pending], manifest: Manifest) -> None:
        """See Home."""
        payloads.settle(self.project, self.store, records, manifest)
        payloads.release(self.project, self.store, records)


class RemoteHome(GitHome):
    """Keep, and behind it the remote. A test that had a payload or a pointer in Git moves out of it."""

    def paths(self, records: Sequence[Pending]) -> list[Path]:
        """See Home."""
        there = payloads.paths(self.store, records)
        return [path for payload in there for path in (payload, pointer_of(payload)) if exists(path)]

    def prepare(self, _records: Sequence[Pending], _before: Manifest) -> list[Path]:
        """See Home."""
        return []

    def write(self, records: Sequence[Pending], blobs: Mapping[BlobKey, bytes]) -> None:
        """See Home."""
        for key in _staged(records):
            self.project.keep.put(key, blobs[key])

    def deliver(self, records: Sequence[Pending], progress: Progress) -> Moved:
        """See Home."""
        return transfer.deliver(self.project, _staged(records), progress=progress, reread=True)

    def finish(self, records: Sequence[Pending]) -> None:
        """See Home."""
        for pending in records:
            for kind in pending.changes:
                remove(pointer_of(self.store.path(pending.test_id, kind)))
                self.store.remove(pending.test_id, kind)


def pointer_of(payload: Path) -> Path:
    """What the mode ``dvc-pointers`` left there: DVC would bring the old payload back by it."""
    return payload.with_name(f"{payload.name}.dvc")


def _staged(records: Sequence[Pending]) -> list[BlobKey]:
    return sorted({key for pending in records for key in staging.staged_keys(pending)})
