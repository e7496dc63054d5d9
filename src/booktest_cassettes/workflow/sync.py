"""Push and pull: approved blobs, as the storage mode asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..digest import BlobKey
from ..errors import IntegrityError
from ..project import Project
from . import transfer
from .select import select
from .transfer import Moved, Progress, quiet

_MOVES = " (booktest-cassettes migrate --to dvc moves them there)"


def wanted(project: Project, patterns: Sequence[str] = ()) -> list[tuple[str, BlobKey]]:
    """The approved snapshots of the tests that patterns mean: test ids, each with a key.

    Raises
    ------
    UsageError
        When a pattern means nothing.
    """
    entries = project.manifest.entries
    chosen = select(entries, patterns, id_of=str)
    return [
        (test_id, BlobKey(kind, digest)) for test_id in chosen for kind, digest in entries[test_id].items()
    ]


def push(
    project: Project, *, jobs: int | None = None, progress: Progress = quiet, deep: bool = False
) -> Moved:
    """Have every approved blob on the remote that this machine keeps for it.

    Snapshots whose payload is in Git travel with Git.

    Parameters
    ----------
    project, jobs, progress:
        See :func:`.transfer.deliver`.
    deep:
        Read what the remote has already, too, and mend what is corrupt; else it is taken for whole.

    Raises
    ------
    RemoteError
        When the remote refuses or lies; what it took until then stays, and is not sent again.
    BlobCorrupt, StorageError
        When keep cannot be read.
    """
    project.storage.require()
    if project.storage.mode == "dvc-pointers":
        return _push_pointers(project, jobs, progress)
    unpushed = project.unpushed.read()
    entries = wanted(project)
    tests = {key: test for test, key in entries if key in unpushed or not in_git(project, test, key)}
    ours = (set(tests) | unpushed) & set(project.keep.keys())
    elsewhere = (set(tests) | unpushed) - ours
    moved = transfer.deliver(project, ours, jobs=jobs, progress=progress, reread=deep, others=elsewhere)
    there = project.remote(jobs).present(elsewhere) if elsewhere else set()
    rotten = list(_rotten(project, tests, there, jobs)) if deep else []
    moved.there += len(there) - len(rotten)
    gone = sorted(elsewhere - there)
    moved.lost += rotten
    moved.lost += [(tests[key], key, project.missing(tests[key], key)) for key in gone if key in tests]
    moved.notes += [_given_up(key) for key in gone if key not in tests]
    project.unpushed.discard(ours | there | (elsewhere - set(tests)))
    if in_payloads := sum(key not in tests for _, key in entries):
        moved.notes.append(f"in Git, not on the remote: {in_payloads:,}{_MOVES}")
    return moved


def _rotten(
    project: Project, tests: Mapping[BlobKey, str], keys: Collection[BlobKey], jobs: int | None
) -> Iterator[tuple[str, BlobKey, IntegrityError]]:
    """Those that are corrupt on the remote and not on this machine, which could mend them."""
    for fetched in project.remote(jobs).fetch(sorted(keys)):
        if fetched.corrupt is not None:
            yield tests.get(fetched.key, "?"), fetched.key, fetched.corrupt


def _given_up(key: BlobKey) -> str:
    return (
        f"{key.kind.value} {key.digest}: was never pushed, and is gone from the cache;"
        " no test here needs it any more: it is off the list"
    )


def _push_pointers(project: Project, jobs: int | None, progress: Progress) -> Moved:
    from . import pointers

    moved = pointers.push(project, wanted(project), jobs=jobs, progress=progress)
    unpushed = project.unpushed.read()
    left = unpushed & set(project.keep.keys())  # approved when the mode was another one
    if left:
        other = transfer.deliver(project, left, jobs=jobs)
        moved.blobs, moved.size = moved.blobs + other.blobs, moved.size + other.size
        moved.there += other.there
    project.unpushed.discard(unpushed)
    return moved


def on_remote(project: Project, these: Collection[tuple[str, BlobKey]]) -> set[BlobKey]:
    """Those of these approved snapshots (test ids, each with a key) that the remote has; not verified."""
    if project.storage.mode == "dvc-pointers":
        from . import pointers

        return pointers.on_remote(project, these)
    return project.remote().present({key for _, key in these})


def in_git(project: Project, test_id: str, key: BlobKey) -> bool:
    """Whether this approved snapshot travels with Git: it needs no remote."""
    if project.storage.mode == "dvc-pointers":
        from . import pointers

        if pointers.has_pointer(project, test_id, key):
            return False
    return project.payloads(test_id).has(key)


def pull(
    project: Project,
    patterns: Sequence[str] = (),
    *,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Moved:
    """Have approved blobs on this machine; see :func:`.transfer.fetch`."""
    return pull_these(project, wanted(project, patterns), jobs=jobs, progress=progress)


def pull_these(
    project: Project,
    these: Iterable[tuple[str, BlobKey]],
    *,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Moved:
    """Have these approved blobs on this machine: test ids, each with a key of theirs."""
    if project.storage.mode == "dvc-pointers":
        from . import pointers

        return pointers.pull(project, these, jobs=jobs, progress=progress)
    return transfer.fetch(project, these, jobs=jobs, progress=progress)
