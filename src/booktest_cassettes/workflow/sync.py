"""Push and pull: approved blobs, as the storage mode asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..digest import BlobKey
from ..project import Project
from . import transfer
from .select import select
from .transfer import Moved, Progress, quiet


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
    in_keep = set(project.keep.keys())
    unpushed = project.unpushed.read()
    tests = {
        key: test_id
        for test_id, key in wanted(project)
        if key in unpushed or not in_git(project, test_id, key)
    }
    ours = (set(tests) | unpushed) & in_keep
    moved = transfer.deliver(project, ours, jobs=jobs, progress=progress, reread=deep)
    elsewhere = (set(tests) | unpushed) - in_keep
    there = project.remote(jobs).present(elsewhere) if elsewhere else set()
    moved.there += len(there)
    needed = [key for key in sorted(elsewhere - there) if key in tests]
    moved.lost += [(tests[key], key, project.missing(tests[key], key)) for key in needed]
    unneeded = elsewhere - there - set(tests)
    moved.notes += [_given_up(key) for key in sorted(unneeded)]
    project.unpushed.discard(ours | there | unneeded)
    return moved


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
