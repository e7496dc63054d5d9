"""The mode ``dvc-pointers``: payloads beside the manifest as in Git, but DVC keeps them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..digest import BlobKey
from ..errors import CassetteError, IntegrityError
from ..files import exists, sweep_temporary
from ..manifest import Manifest
from ..project import Project
from ..store.pending import Pending
from ..store.pointers import Pointers, Pushed
from . import payloads
from .homes import GitHome
from .transfer import Moved, Progress, quiet


class PointersHome(GitHome):
    """Payload files that Git ignores; the ``.dvc`` files beside them are what is committed."""

    def __init__(self, project: Project, after: Manifest) -> None:
        super().__init__(project, after)
        self.pointers = _pointers(project)
        self.before = project.manifest

    def paths(self, records: Sequence[Pending]) -> list[Path]:
        """See Home."""
        return [self.pointers.pointer(path) for path in payloads.paths(self.store, records)]

    def prepare(self, records: Sequence[Pending], before: Manifest) -> list[Path]:
        """See Home."""
        for path in payloads.paths(self.store, records):
            sweep_temporary(path)
        self.before = before
        payloads.hold(self.project, self.store, records, before)
        ignored = self.pointers.ignore()
        return [ignored] if ignored else []

    def write(self, records: Sequence[Pending], blobs: Mapping[BlobKey, bytes]) -> None:
        """See Home."""
        super().write(records, blobs)
        self.pointers.add(self._staged(records))

    def deliver(self, records: Sequence[Pending], progress: Progress) -> Moved:
        """See Home. Git would take pointers whose manifest did not change: they go back when it fails."""
        try:
            return _moved(self.pointers.push(self._staged(records), progress=progress))
        except CassetteError:
            self.undo(records, self.before)
            raise

    def finish(self, records: Sequence[Pending]) -> None:
        """See Home."""
        for path, key in self._changed(records).items():
            if key is None:
                self.pointers.remove(path)
        payloads.remove_gone(self.store, records)
        payloads.release(self.project, self.store, records)

    def undo(self, records: Sequence[Pending], manifest: Manifest) -> None:
        """See Home."""
        super().undo(records, manifest)
        back: dict[Path, BlobKey] = {}
        for path in self._changed(records):
            if not exists(path):
                self.pointers.remove(path)
        for pending in records:
            for kind, digest in manifest.get(pending.test_id).items():
                if self.store.get_for(pending.test_id, BlobKey(kind, digest)) is not None:
                    back[self.store.path(pending.test_id, kind)] = BlobKey(kind, digest)
        self.pointers.add(back)

    def _changed(self, records: Sequence[Pending]) -> dict[Path, BlobKey | None]:
        return {
            self.store.path(pending.test_id, kind): BlobKey(kind, change.staged) if change.staged else None
            for pending in records
            for kind, change in pending.changes.items()
        }

    def _staged(self, records: Sequence[Pending]) -> dict[Path, BlobKey]:
        return {path: key for path, key in self._changed(records).items() if key is not None}


def push(
    project: Project,
    these: Iterable[tuple[str, BlobKey]],
    *,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Moved:
    """Have the payloads of these approved snapshots on the remote, by DVC, read back by us."""
    pointers = _pointers(project)
    ours = {path: key for path, key in _paths(project, these).items() if exists(pointers.pointer(path))}
    return _moved(pointers.push(ours, jobs, progress))


def _moved(pushed: Pushed) -> Moved:
    size = pushed.size if pushed.sent else 0  # all were read back, those that were there as well
    return Moved(pushed.sent, size, there=pushed.verified - pushed.sent)


def pull(
    project: Project,
    these: Iterable[tuple[str, BlobKey]],
    *,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Moved:
    """Put the payloads of these approved snapshots in place, by DVC, compared with their digests by us."""
    tests = {project.payloads(test_id).path(test_id, key.kind): (test_id, key) for test_id, key in these}
    absent = set(project.absent(tests.values()))
    wanted = {path: key for path, (test_id, key) in tests.items() if (test_id, key) in absent}
    moved = Moved(there=len(tests) - len(wanted))
    if not wanted:
        return moved
    pulled = _pointers(project).pull(wanted, jobs, progress)
    moved.blobs, moved.size = len(pulled.written), pulled.size
    for path in pulled.missing:
        test_id, key = tests[path]
        moved.lost.append((test_id, key, project.missing(test_id, key)))
    for path, error in pulled.corrupt.items():
        test_id, key = tests[path]
        moved.lost.append((test_id, key, error))
    return moved


def on_remote(project: Project, these: Collection[tuple[str, BlobKey]]) -> set[BlobKey]:
    """Those of these approved snapshots of which the remote has the payload; not verified."""
    pointers = _pointers(project)
    paths = _paths(project, these)
    ours = {path: key for path, key in paths.items() if exists(pointers.pointer(path))}
    unpushed = set(pointers.unpushed(ours))
    return {key for path, key in ours.items() if path not in unpushed}


def check(
    project: Project,
    these: Collection[tuple[str, BlobKey]],
    *,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> dict[tuple[str, BlobKey], IntegrityError]:
    """Those of these approved snapshots of which the remote has no payload, or another one, and why."""
    tests = {project.payloads(test_id).path(test_id, key.kind): (test_id, key) for test_id, key in these}
    wrong = _pointers(project).check({path: key for path, (_, key) in tests.items()}, jobs, progress)
    return {tests[path]: error for path, error in wrong.items()}


def has_pointer(project: Project, test_id: str, key: BlobKey) -> bool:
    """Whether DVC keeps this approved snapshot, and Git its pointer."""
    return exists(_pointers(project).pointer(project.payloads(test_id).path(test_id, key.kind)))


def _paths(project: Project, these: Iterable[tuple[str, BlobKey]]) -> dict[Path, BlobKey]:
    return {project.payloads(test_id).path(test_id, key.kind): key for test_id, key in these}


def _pointers(project: Project) -> Pointers:
    return Pointers(project.storage.require(), project.config.snapshots_dir)
