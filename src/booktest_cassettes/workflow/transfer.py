"""Blobs between this machine and the remote: what to move, moving it, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..digest import BlobKey
from ..errors import BlobMissing, IntegrityError
from ..project import Project

if TYPE_CHECKING:
    from .gc.leases import Lease


class Progress(Protocol):
    """Told after each blob how far a transfer is."""

    def __call__(self, done: int, total: int, size: int, /) -> None:
        """``done`` of ``total`` blobs, ``size`` bytes so far."""
        ...


def quiet(done: int, total: int, size: int) -> None:
    """A Progress that nobody looks at."""


@dataclass
class Moved:
    """What a transfer did.

    Attributes
    ----------
    blobs, size:
        How many were moved, and their bytes as they are stored.
    there:
        How many were where they should go already.
    lost:
        Those that could not be had, with the error: test id, key, error.
    damaged:
        What else was not as it should be; the rest was done.
    notes:
        What else a person should know.
    """

    blobs: int = 0
    size: int = 0
    there: int = 0
    lost: list[tuple[str, BlobKey, IntegrityError]] = field(default_factory=list)
    damaged: list[IntegrityError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or that of what was lost or damaged."""
        errors = [*(error for _, _, error in self.lost), *self.damaged]
        return max((error.exit_code for error in errors), default=0)

    def add(self, size: int) -> None:
        """Count one more."""
        self.blobs += 1
        self.size += size

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "moved": self.blobs,
            "bytes": self.size,
            "there": self.there,
            "notes": self.notes,
            "damaged": [error.message for error in self.damaged],
            "lost": [
                {"test": test_id, "kind": key.kind.value, "digest": key.digest, "why": error.message}
                for test_id, key, error in self.lost
            ],
        }


def deliver(
    project: Project,
    keys: Collection[BlobKey],
    *,
    progress: Progress = quiet,
    jobs: int | None = None,
    reread: bool = False,
    others: Collection[BlobKey] = (),
) -> Moved:
    """Have blobs of keep on the remote; each that is written is read back.

    Every approved blob that gets there comes this way: no garbage collection takes away what is written, or
    found, from now on (ADR-0019).

    Parameters
    ----------
    project, keys:
        Whose, and which.
    progress, jobs:
        Told about each blob written; transfers at once, ``None``: what suits the remote.
    reread:
        Read those that are there already, too, and write again what is corrupt.
    others:
        Not in keep, and needed there as well: one that is about to be collected is written anew.

    Raises
    ------
    RemoteError
        When the remote refuses or lies; what it took until then stays there.
    BlobMissing, BlobCorrupt, StorageError
        When keep has not got one of them.
    """
    from .gc import handshake  # loads an event loop, which a pull of nothing does without

    store = project.remote(jobs)

    def work(dead: frozenset[BlobKey], lease: Lease) -> Moved:
        there = store.present(keys) - dead
        if reread:
            there = {fetched.key for fetched in store.fetch(sorted(there)) if fetched.data is not None}
        moved = Moved(there=len(there))
        elsewhere = sorted(dead.intersection(others).difference(keys))
        again = {
            fetched.key: fetched.stored for fetched in store.fetch(elsewhere) if fetched.data is not None
        }
        waiting = sorted((set(keys) - there) | set(again))
        for delivered in store.deliver((key, partial(_kept, project, key, again)) for key in waiting):
            lease.renew()
            moved.add(delivered.size)
            progress(moved.blobs, len(waiting), moved.size)
        return moved

    return handshake.keeping(store.remote, {*keys, *others}, work, say(progress))


def say(progress: Progress) -> Callable[[str], object]:
    """What a Progress is told in words, where it can be."""
    told: Callable[[str], object] = getattr(progress, "say", lambda _: None)
    return told


def fetch(
    project: Project,
    wanted: Iterable[tuple[str, BlobKey]],
    *,
    progress: Progress = quiet,
    jobs: int | None = None,
) -> Moved:
    """Have approved blobs in keep; corrupt ones never get there.

    Parameters
    ----------
    project:
        Whose.
    wanted:
        Test ids, each with a key of theirs.
    progress, jobs:
        Told about each blob; transfers at once, ``None``: what suits the remote.

    Raises
    ------
    RemoteError, StorageError
        When the remote or the disk refuses; what came until then stays.
    """
    wanted = list(wanted)
    lacking = {key: test_id for test_id, key in project.absent(wanted)}
    moved = Moved(there=len({key for _, key in wanted}) - len(lacking))
    if not lacking:
        return moved
    for done, fetched in enumerate(project.fetch(sorted(lacking), jobs), 1):
        test_id = lacking[fetched.key]
        if fetched.data is not None:
            moved.add(fetched.size)
        else:
            moved.lost.append(
                (test_id, fetched.key, fetched.corrupt or project.missing(test_id, fetched.key))
            )
        progress(done, len(lacking), moved.size)
    return moved


def _kept(project: Project, key: BlobKey, fetched: Mapping[BlobKey, bytes]) -> bytes:
    stored = fetched.get(key) or project.keep.stored(key)
    if stored is None:
        raise BlobMissing(
            f"{project.relative(project.keep.path(key))}: an approved blob is gone from the cache",
            hint="booktest-cassettes verify --remote names the tests that need it",
        )
    return stored
