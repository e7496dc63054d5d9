"""Recordings that wait for review, shared: staged blobs and their records on the remote's ``staging/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..digest import BlobKey
from ..errors import BlobMissing, IntegrityError, RemoteError
from ..manifest import Manifest
from ..project import Project
from ..store.pending import Pending
from ..store.remote.medium import Medium
from ..store.remote.remote import Remote
from ..store.remote.store import RemoteStore
from . import staging
from .select import select
from .transfer import Moved, Progress, quiet

_RECORDS = "staging/pending"


def push(
    project: Project, patterns: Sequence[str] = (), *, jobs: int | None = None, progress: Progress = quiet
) -> Moved:
    """Put what waits for review on the remote: blobs first, then the records that name them.

    Raises
    ------
    UsageError
        When a pattern means nothing.
    RemoteError, StorageError, BlobMissing, BlobCorrupt
        When the remote or staging fails; no record then names a blob that is not there.
    """
    records = select(project.pending, patterns)
    store = _store(project, jobs)
    tests = {key: record.test_id for record in records for key in staging.staged_keys(record)}
    there = {found.key for found in store.fetch(sorted(store.present(tests))) if found.data is not None}
    moved = Moved(there=len(there))
    waiting = sorted(set(tests) - there)
    blobs = ((key, partial(_stored, project, tests[key], key)) for key in waiting)
    for delivered in store.deliver(blobs):
        moved.add(delivered.size)
        progress(moved.blobs, len(waiting), moved.size)
    for _ in store.remote.each(_named(project, records), _write):
        pass
    moved.notes.append(f"shared for review: {len(records):,} test{'s' * (len(records) != 1)}")
    return moved


def pull(
    project: Project, patterns: Sequence[str] = (), *, jobs: int | None = None, progress: Progress = quiet
) -> Moved:
    """Fetch what others shared for review into staging, blobs first.

    What is pending here stays as it is; what was approved meanwhile, or recorded against another
    approved snapshot than ours, is left there.

    Raises
    ------
    UsageError
        When a pattern means nothing.
    RemoteError, StorageError, IntegrityError
        When the remote, the disk or a record fails.
    """
    store = _store(project, jobs)
    moved = Moved()
    shared = select(_shared(project, store.remote), patterns)
    chosen = [record for record in shared if _fits(project, record, moved)]
    tests = {key: record.test_id for record in chosen for key in staging.staged_keys(record)}
    lacking = project.staging.lacking(tests)
    moved.there = len(tests) - len(lacking)
    project.prepare_cache()
    lost: set[BlobKey] = set()
    with project.pending.exclusive():
        for done, fetched in enumerate(store.fetch(sorted(lacking)), 1):
            if fetched.data is None:
                lost.add(fetched.key)
                test_id = tests[fetched.key]
                moved.lost.append((test_id, fetched.key, fetched.corrupt or _gone(test_id, fetched.key)))
                continue
            project.staging.put(fetched.key, fetched.data)
            moved.add(fetched.size)
            progress(done, len(lacking), moved.size)
        for record in chosen:
            is_whole = lost.isdisjoint(staging.staged_keys(record))
            if is_whole and project.pending.load(record.test_id) is None:  # nor recorded here meanwhile
                project.pending.save(record)
    return moved


def _store(project: Project, jobs: int | None) -> RemoteStore:
    return RemoteStore(project.remote(jobs).remote, "staging/", compress=project.config.compress)


def _stored(project: Project, test_id: str, key: BlobKey) -> bytes:
    return project.staging.stored(key) or staging.read(project, test_id, key)  # which says that it is gone


def _named(project: Project, records: Sequence[Pending]) -> Iterator[tuple[str, bytes]]:
    for record in records:
        path = project.pending.path(record.test_id)
        yield f"{_RECORDS}/{path.name}", path.read_bytes()


async def _write(medium: Medium, item: tuple[str, bytes]) -> None:
    path, data = item
    await medium.write(path, data)
    if await medium.read(path) != data:
        raise RemoteError(
            f"it took {path} without an error, but does not give it back",
            hint="push --staged again; if that stays so, the remote cannot be trusted with anything",
        )


def _shared(project: Project, remote: Remote) -> list[Pending]:
    async def read(medium: Medium, path: str) -> tuple[str, bytes | None]:
        return path, await medium.read(path)

    paths = [entry.path for entry in remote.list([_RECORDS]) if entry.path.endswith(".json")]
    found = [
        _parsed(project, remote, path, data) for path, data in remote.each(paths, read) if data is not None
    ]
    return sorted(found, key=lambda record: record.test_id)


def _parsed(project: Project, remote: Remote, path: str, data: bytes) -> Pending:
    try:
        return project.pending.parse(data, path.rpartition("/")[2])
    except IntegrityError as error:
        why = error.message.rpartition("damaged pending record: ")[2]
        raise IntegrityError(
            f"{remote.place}: damaged shared record {remote.prefix}/{path}: {why}",
            hint="delete it there, then have its test recorded and shared again",
        ) from None


def _fits(project: Project, record: Pending, moved: Moved) -> bool:
    """Whether a shared record is news here; says why where it is not."""
    here = project.pending.load(record.test_id)
    if here is not None:
        if here != record:
            moved.notes.append(f"{record.test_id}: is pending here, too, and differs: left as it is")
        return False
    manifest: Manifest = project.manifest
    approved = manifest.get(record.test_id)
    if all(approved.get(kind) == change.staged for kind, change in record.changes.items()):
        return False  # approved already
    if any(approved.get(kind) not in (change.base, change.staged) for kind, change in record.changes.items()):
        moved.notes.append(f"{record.test_id}: was recorded against another approved snapshot: left there")
        return False
    return True


def _gone(test_id: str, key: BlobKey) -> BlobMissing:
    return BlobMissing(
        f"{test_id}: its shared {key.kind.value} snapshot {key.digest.short} is gone from the remote",
        hint="have who recorded it run booktest-cassettes push --staged again",
    )
