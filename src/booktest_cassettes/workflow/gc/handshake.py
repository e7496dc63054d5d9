"""What a push does so that no garbage collection, wherever it runs, deletes what the push needs.

Nearly always nothing: who finds no tombstone of its blobs and no sweep that is about them, and only then
looks what is there, needs no more. Otherwise it writes a lease, takes the tombstones away, waits until the
sweeps that did not see the lease are done, and writes anew what had a tombstone (ADR-0019).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from time import sleep
from typing import Protocol, TypeVar

from ...digest import BlobKey
from ...errors import RemoteError
from ...store.remote.medium import Unlisted
from ...store.remote.remote import Remote
from . import leases, tombstones
from .leases import Lease, Watch

_R_co = TypeVar("_R_co", covariant=True)

#: Seconds that a push waits for sweeps. They take a moment for each thousand blobs, and a killed one is stale
#: before this is over: the push then goes on.
PATIENCE = leases.STALE["sweep"] + 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between two looks
_ATTEMPTS = 3
_MINUTES = leases.STALE["sweep"] / 60

Tell = Callable[[str], object]


class Work(Protocol[_R_co]):
    """What is done once it is safe: look what is there, write what is not."""

    def __call__(self, dead: frozenset[BlobKey], lease: Lease, /) -> _R_co:
        """``dead`` ones are to be written anew, there or not; the lease is to be renewed now and then."""
        ...


def keeping(
    files: Remote, keys: Collection[BlobKey], work: Work[_R_co], tell: Tell = lambda _: None
) -> _R_co:
    """Do ``work``, which needs these approved blobs to be on the remote from now on.

    Parameters
    ----------
    files, keys:
        Where, and which.
    work:
        May be called again, when this machine slept in between.
    tell:
        Told why it takes long.

    Raises
    ------
    RemoteError
        When the remote refuses, or a sweep does not end.
    """
    about = leases.names(key.path for key in keys)
    if not _is_in_the_way(files, keys, about):
        return work(frozenset(), Lease(files, "push", ()))  # which nobody needs to see
    return _leased(files, about, keys, work, tell)


def _is_in_the_way(files: Remote, keys: Collection[BlobKey], about: frozenset[str]) -> bool:
    """Whether a garbage collection is; asked in this order, see the room's docstring."""
    if not keys:
        return False
    if tombstones.among(files, keys):
        return True
    try:
        return any(sweep.concerns(about) for sweep in leases.said(files, "sweep"))
    except Unlisted:  # nobody collects there
        return False


def staging(files: Remote, paths: Iterable[str], work: Work[_R_co], tell: Tell = lambda _: None) -> _R_co:
    """The same for what is shared before its approval, which has no tombstones; see :func:`keeping`."""
    return _leased(files, leases.names(paths), (), work, tell)


def _leased(
    files: Remote, about: frozenset[str], keys: Collection[BlobKey], work: Work[_R_co], tell: Tell
) -> _R_co:
    for _ in range(_ATTEMPTS):
        lease = Lease(files, "push", about)
        try:
            lease.write()
            before = [sweep.path for sweep in lease.others("sweep") if sweep.concerns(about)]
            dead = tombstones.among(files, keys) if keys else frozenset[BlobKey]()
            tombstones.lift(files, dead)
            _wait(lease, before, tell)
            outcome = work(dead, lease)
            if lease.is_good:
                return outcome
        finally:
            lease.release()
    raise RemoteError(
        f"{files.place}: this machine stood still for so long that a garbage collection may have passed it",
        hint="run the command again",
    )


def _wait(lease: Lease, sweeps: list[str], tell: Tell) -> None:
    """Until these have ended, or are stale; one that began later sees the lease."""
    watch, pause = Watch(), _FIRST_PAUSE
    while sweeps:
        if watch() > PATIENCE:
            raise RemoteError(
                f"{lease.files.place}: a garbage collection there has not ended within {PATIENCE:g} seconds",
                hint="run this again; if it stays so, look at the remote's clock: by that one a killed one"
                f" counts for {_MINUTES:g} minutes",
            )
        tell(
            "waiting for a garbage collection on the remote to end"
            f" (at most {_MINUTES:g} minutes, if it was killed)"
        )
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        lease.renew()  # where this machine slept it may be gone
        there = {sweep.path for sweep in lease.others("sweep")}
        sweeps = [path for path in sweeps if path in there]
