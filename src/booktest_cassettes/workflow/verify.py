"""Are approved blobs what they are called? Here, and on the remote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..digest import BlobKey
from ..errors import BlobCorrupt, BlobMissing, CassetteError
from ..project import Project
from . import sync
from .transfer import Progress, quiet


@dataclass(frozen=True, slots=True)
class Trouble:
    """A snapshot that is not as it was approved; ``what`` is ``corrupt`` or ``lost``."""

    what: str
    test_id: str
    key: BlobKey
    error: CassetteError


@dataclass
class Verified:
    """What was found.

    Attributes
    ----------
    intact, absent:
        Snapshots of this machine that are right, and those that are not on it.
    remote:
        Blobs found on the remote: intact after a deep look, present otherwise.
    """

    intact: int = 0
    absent: int = 0
    remote: int = 0
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or that of the worst trouble."""
        return max((trouble.error.exit_code for trouble in self.troubles), default=0)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "intact": self.intact,
            "absent": self.absent,
            "remote": self.remote,
            "troubles": [
                {
                    "what": trouble.what,
                    "test": trouble.test_id,
                    "kind": trouble.key.kind.value,
                    "digest": trouble.key.digest,
                    "why": trouble.error.message,
                }
                for trouble in self.troubles
            ],
        }


def verify(
    project: Project,
    patterns: Sequence[str] = (),
    *,
    remote: bool = False,
    deep: bool = False,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Verified:
    """Check approved snapshots; a corrupt copy in keep is set aside, where nothing replays it.

    Parameters
    ----------
    project, patterns:
        Whose, and which tests'; none: all.
    remote, deep:
        Look that those which do not live in Git are on the remote; read them there.
    jobs:
        Transfers at once.
    progress:
        Told about each blob that was read.

    Raises
    ------
    UsageError
        When a pattern means nothing.
    RemoteError, StorageError
        When the remote or the disk refuses.
    """
    entries = sync.wanted(project, patterns)
    found = Verified()
    for done, (test_id, key) in enumerate(entries, 1):
        _verify_here(project, test_id, key, found)
        if not deep:
            progress(done, len(entries), 0)
    if remote:
        away = [(test_id, key) for test_id, key in entries if not sync.in_git(project, test_id, key)]
        look = _verify_pointers if project.storage.mode == "dvc-pointers" else _verify_there
        look(project, away, found, jobs, progress, deep=deep)
    return found


def _verify_here(project: Project, test_id: str, key: BlobKey, found: Verified) -> None:
    try:
        data = project.keep.get(key)
    except BlobCorrupt as error:
        aside = project.set_aside(key)
        where = f"it was set aside as {project.relative(aside)}; " if aside else ""
        hint = f"{where}booktest-cassettes pull fetches it anew"
        found.troubles.append(Trouble("corrupt", test_id, key, BlobCorrupt(error.message, hint=hint)))
        return
    try:
        data = data if data is not None else project.payloads(test_id).get(key)
    except BlobCorrupt as error:
        found.troubles.append(Trouble("corrupt", test_id, key, error))
        return
    if data is not None:
        found.intact += 1
    elif project.place is None:
        found.troubles.append(Trouble("lost", test_id, key, project.missing(test_id, key)))
    else:
        found.absent += 1


def _verify_there(
    project: Project,
    entries: Sequence[tuple[str, BlobKey]],
    found: Verified,
    jobs: int | None,
    progress: Progress,
    *,
    deep: bool,
) -> None:
    tests = {key: test_id for test_id, key in entries}
    store = project.remote(jobs)
    present = store.present(tests)
    _lost(project, ((key, tests[key]) for key in sorted(set(tests) - present)), found)
    if not deep:
        found.remote = len(present)
        return
    size = 0
    for done, fetched in enumerate(store.fetch(sorted(present)), 1):
        size += fetched.size
        progress(done, len(present), size)
        if fetched.data is not None:
            found.remote += 1
        elif fetched.corrupt is not None:
            found.troubles.append(Trouble("corrupt", tests[fetched.key], fetched.key, fetched.corrupt))
        else:
            _lost(project, [(fetched.key, tests[fetched.key])], found)


def _verify_pointers(
    project: Project,
    entries: Sequence[tuple[str, BlobKey]],
    found: Verified,
    jobs: int | None,
    progress: Progress,
    *,
    deep: bool,
) -> None:
    from . import pointers

    if not deep:
        there = sync.on_remote(project, entries)
        found.remote = len(there)
        _lost(project, ((key, test_id) for test_id, key in entries if key not in there), found)
        return
    wrong = pointers.check(project, entries, jobs=jobs, progress=progress)
    found.remote = len({key for _, key in entries} - {key for _, key in wrong})
    for (test_id, key), error in wrong.items():
        what = "lost" if isinstance(error, BlobMissing) else "corrupt"
        found.troubles.append(Trouble(what, test_id, key, error))


def _lost(project: Project, keys: Iterable[tuple[BlobKey, str]], found: Verified) -> None:
    for key, test_id in keys:
        found.troubles.append(Trouble("lost", test_id, key, _not_there(project, test_id, key)))


def _not_there(project: Project, test_id: str, key: BlobKey) -> BlobMissing:
    if project.absent([(test_id, key)]):
        return project.missing(test_id, key)
    return BlobMissing(
        f"{test_id}: its approved {key.kind.value} snapshot {key.digest.short} is here, but not on"
        f" {project.place}",
        hint="booktest-cassettes push",
    )
