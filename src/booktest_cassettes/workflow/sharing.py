"""Recordings that wait for review, shared: staged blobs and their records on the remote's ``staging/``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from ..digest import BlobKey
from ..errors import BlobMissing, IntegrityError, RemoteError, UsageError
from ..manifest import check_test_id
from ..project import Project
from ..store.pending import Pending, PendingRecords
from ..store.remote.medium import Medium
from ..store.remote.remote import Remote
from ..store.remote.store import Fetched, RemoteStore
from ..wording import count
from . import parts, results, staging, transfer
from .gc import handshake
from .gc.leases import Lease
from .select import select
from .transfer import Moved, Progress, quiet

_RECORDS = "staging/pending"
_DAY = 86_400.0


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

    def work(_dead: frozenset[BlobKey], lease: Lease) -> tuple[Moved, int]:
        young = _young(store, tests, lease.now())
        there = {found.key for found in store.fetch(sorted(young)) if found.data is not None}
        moved = Moved(there=len(there))
        waiting = sorted(set(tests) - there)
        blobs = ((key, partial(_stored, project, tests[key], key)) for key in waiting)
        for delivered in store.deliver(blobs):
            lease.renew()
            moved.add(delivered.size)
            progress(moved.blobs, len(waiting), moved.size)
        mine = [record for record in records if not _is_anothers(project, store.remote, record, moved)]
        for record in store.remote.each(mine, partial(_write, project)):
            _remember(project, record)
        return moved, len(mine)

    paths = [*map(store.path, tests), *(_path(project, record) for record in records)]
    moved, number = handshake.staging(store.remote, paths, work, transfer.say(progress))
    moved.notes.append(f"shared for review: {count(number, 'test')}")
    return moved


def pull(
    project: Project, patterns: Sequence[str] = (), *, jobs: int | None = None, progress: Progress = quiet
) -> Moved:
    """Fetch what others shared for review into staging, blobs first.

    What is pending here stays as it is; what was approved meanwhile, or recorded against another
    approved snapshot than ours, is left there. So is what was shared or fetched here before: it was
    approved or rejected since.

    Raises
    ------
    UsageError
        When a pattern means nothing.
    RemoteError, StorageError, IntegrityError
        When the remote, the disk or a record fails.
    """
    store = _store(project, jobs)
    moved = Moved()
    shared = select(_shared(project, store.remote, moved), patterns)
    chosen = [record for record in shared if _fits(project, record, moved)]
    tests = {key: record.test_id for record in chosen for key in staging.staged_keys(record)}
    lacking = project.staging.lacking(tests)
    moved.there = len(tests) - len(lacking)
    project.prepare_cache()
    lost: set[BlobKey] = set()
    install = partial(_install, project)
    for done, fetched in enumerate(store.fetch(sorted(lacking), install), 1):
        if fetched.data is None:
            lost.add(fetched.key)
            test_id = tests[fetched.key]
            moved.lost.append((test_id, fetched.key, fetched.corrupt or _gone(test_id, fetched.key)))
            continue
        moved.add(fetched.size)
        progress(done, len(lacking), moved.size)
    with project.pending.exclusive():
        # An approval that ended meanwhile has swept what no record named yet.
        list(store.fetch(sorted(project.staging.lacking(tests) - lost), install))
        for record in chosen:
            is_whole = lost.isdisjoint(staging.staged_keys(record))
            if is_whole and project.pending.load(record.test_id) is None:  # nor recorded here meanwhile
                project.pending.save(record)
                _remember(project, record)
    return moved


def _install(project: Project, fetched: Fetched) -> None:
    if fetched.data is not None:
        project.staging.install(fetched.key, fetched.stored)


def _store(project: Project, jobs: int | None) -> RemoteStore:
    return RemoteStore(project.remote(jobs).remote, "staging/", compress=project.config.compress)


def _stored(project: Project, test_id: str, key: BlobKey) -> bytes:
    return project.staging.stored(key) or staging.read(project, test_id, key)  # which says that it is gone


def _young(store: RemoteStore, keys: Collection[BlobKey], now: float) -> set[BlobKey]:
    """Those that are there, and not for so long that a garbage collection takes them soon."""
    by_path = {store.path(key): key for key in keys}
    directories = sorted({path.rpartition("/")[0] for path in by_path})
    return {
        by_path[entry.path]
        for entry in store.remote.list(directories)
        if entry.path in by_path and entry.size and now - entry.modified < _DAY
    }


def _path(project: Project, record: Pending) -> str:
    return f"{_RECORDS}/{project.pending.path(record.test_id).name}"


def _seen(project: Project) -> PendingRecords:
    """Copies of the records that were shared or fetched on this machine."""
    return PendingRecords(project.config.cache_dir / "staging" / "shared")


def _remember(project: Project, record: Pending) -> None:
    _seen(project).save(record)


def _is_anothers(project: Project, remote: Remote, record: Pending, moved: Moved) -> bool:
    """Whether somebody else shared another recording of this test, that nobody here has looked at."""
    path = _path(project, record)
    data = remote.one(lambda medium: medium.read(path))
    if data is None:
        return False
    try:
        shared = _parsed(project, remote, path, data)
    except IntegrityError:  # nobody can read it: this one takes its place
        return False
    seen = _seen(project).load(record.test_id)
    if shared in (record, seen) or parts.is_settled(project, shared, project.manifest):
        return False
    moved.notes.append(f"{record.test_id}: somebody else has shared another recording: left as it is there")
    return True


async def _write(project: Project, medium: Medium, record: Pending) -> Pending:
    path, data = _path(project, record), project.pending.path(record.test_id).read_bytes()
    await medium.write(path, data)
    if await medium.read(path) != data:
        raise RemoteError(
            f"it took {path} without an error, but does not give it back",
            hint="push --staged again; if that stays so, the remote cannot be trusted with anything",
        )
    return record


def _shared(project: Project, remote: Remote, moved: Moved) -> list[Pending]:
    async def read(medium: Medium, path: str) -> tuple[str, bytes | None]:
        return path, await medium.read(path)

    paths = [entry.path for entry in remote.list([_RECORDS]) if entry.path.endswith(".json")]
    found: list[Pending] = []
    for path, data in remote.each(paths, read):
        try:
            if data is not None:
                found.append(_parsed(project, remote, path, data))
        except IntegrityError as error:
            moved.damaged.append(error)
    return sorted(found, key=lambda record: record.test_id)


def _parsed(project: Project, remote: Remote, path: str, data: bytes) -> Pending:
    try:
        record = project.pending.parse(data, path.rpartition("/")[2])
        check_test_id(record.test_id)
        return record
    except (IntegrityError, UsageError) as error:
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
    approved = project.manifest.get(record.test_id)
    if parts.is_settled(project, record, project.manifest) or _seen(project).load(record.test_id) == record:
        return False
    is_ours = all(
        approved.get(kind) in (change.base, change.staged) for kind, change in record.changes.items()
    )
    if not (is_ours and results.fits(project, record)):
        moved.notes.append(f"{record.test_id}: was recorded against another approved snapshot: left there")
        _remember(project, record)  # said once
        return False
    return True


def _gone(test_id: str, key: BlobKey) -> BlobMissing:
    return BlobMissing(
        f"{test_id}: its shared {key.kind.value} snapshot {key.digest.short} is gone from the remote",
        hint="have who recorded it run booktest-cassettes push --staged again",
    )
