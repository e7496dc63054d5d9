"""Who is at work on a remote: a push says what it is about to need, a sweep what it is about to delete.

Both write first, and look for the other's word after that. So whatever the order, one of them sees the
other (ADR-0019). They are in one directory: who has just made a file there sees what others made before,
on a share whose listings are remembered, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Literal

from ...errors import RemoteError
from ...store.remote.medium import Entry, Medium
from ...store.remote.remote import Remote

Role = Literal["push", "sweep"]

DIRECTORY = "leases"
#: Seconds after which nobody believes one any more, by who wrote it. A push writes its own again and again; a
#: sweep has one for each slice, stops at half of this, and whoever waits for a killed one waits no longer.
STALE: Mapping[Role, float] = {"push": 3600.0, "sweep": 600.0}
#: Seconds after which a push writes its own again.
RENEW = STALE["push"] / 6

_BLOB = re.compile(r"((?:staging/)?(?:env|func|http|httpx)/)sha256/[0-9a-f]{2}/([0-9a-f]{20})[0-9a-f]{44}")
_FIRST = "booktest-cassettes {} 1"
_RELEASED = b"booktest-cassettes released 1\n"


def names(paths: Iterable[str]) -> frozenset[str]:
    """What stands in a lease for these paths: shorter, and as good as unique; equal ones only delay."""
    return frozenset(_BLOB.sub(r"\1\2", path) for path in paths)


class Watch:
    """Seconds since it was made, or set back, by the clock that says more.

    One clock stands still while a machine sleeps, the other one may be set.
    """

    def __init__(self) -> None:
        self._monotonic, self._wall = monotonic(), time()

    def __call__(self) -> float:
        """How many."""
        return max(monotonic() - self._monotonic, time() - self._wall)


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody wrote.

    Attributes
    ----------
    modified:
        Seconds since the epoch, by the remote's clock.
    about:
        See :func:`names`; ``None`` for one that says nothing we can read: it is taken to be about all.
    """

    path: str
    modified: float
    about: frozenset[str] | None

    def concerns(self, wanted: Collection[str]) -> bool:
        """Whether it is about one of these."""
        return self.about is None or not self.about.isdisjoint(wanted)


class Lease:
    """Our own word.

    Parameters
    ----------
    files, role:
        Where, and who says it.
    about:
        See :func:`names`.
    """

    def __init__(self, files: Remote, role: Role, about: Collection[str]) -> None:
        self.path = f"{DIRECTORY}/{role}-{os.urandom(8).hex()}"
        self.files = files
        self._stale = STALE[role]
        self._content = "\n".join([_FIRST.format(role), *sorted(about), ""]).encode()
        self._is_good = True
        self._is_written = False
        self._modified = 0.0

    def write(self) -> None:
        """Say it, or say it again; raises RemoteError."""
        self.age = Watch()  # from before it was written: it is never older than that
        self.files.one(lambda medium: medium.write(self.path, self._content))
        self._is_written = True

    def renew(self) -> None:
        """Say it again when that is some time ago, if it was said at all; raises RemoteError."""
        if self._is_written and self.age() > RENEW:
            self._is_good = self.is_good
            self.write()

    def now(self) -> float:
        """Seconds since the epoch, by the remote's clock, once :meth:`others` has looked at it."""
        return self._modified + self.age()

    @property
    def is_good(self) -> bool:
        """Whether nobody can have taken it for a stale one, yet or ever."""
        return self._is_good and self.age() < self._stale / 2

    def others(self, role: Role) -> list[Notice]:
        """What others say now, but for what is stale; raises RemoteError."""
        there = _listed(self.files)
        mine = next((entry for entry in there if entry.path == self.path), None)
        if mine is None or mine.size != len(self._content):
            raise RemoteError(
                f"{self.files.place}: it took {self.files.prefix}/{self.path} without an error,"
                " and does not list it",
                hint="look whether something between caches its answers; doctor looks, too",
            )
        self._modified = mine.modified
        fresh = [entry for entry in there if self.now() - entry.modified < STALE[role]]
        return _read(self.files, fresh, role)

    def release(self) -> None:
        """Take it back. Where that fails it goes stale, and delays others until then."""
        try:
            self.files.delete([self.path])
        except RemoteError:
            self._overwrite()

    def _overwrite(self) -> None:
        """For those who may write and not delete."""
        try:
            self.files.one(lambda medium: medium.write(self.path, _RELEASED))
        except RemoteError:
            return


def said(files: Remote, role: Role) -> list[Notice]:
    """What is said, stale or not; raises RemoteError."""
    return _read(files, _listed(files), role)


def is_role(path: str, role: Role) -> bool:
    """Whether a path is that of a lease of this role."""
    return re.fullmatch(rf"{DIRECTORY}/{role}-[0-9a-f]{{16}}", path) is not None


def _listed(files: Remote) -> list[Entry]:
    return list(files.list([DIRECTORY]))


def _read(files: Remote, entries: Collection[Entry], role: Role) -> list[Notice]:
    async def read(medium: Medium, entry: Entry) -> tuple[Entry, bytes | None]:
        return entry, await medium.read(entry.path)

    theirs = [entry for entry in entries if is_role(entry.path, role)]
    if not theirs:
        return []
    return [
        Notice(entry.path, entry.modified, _parsed(data, role))
        for entry, data in files.each(theirs, read)
        if data is not None and data != _RELEASED
    ]


def _parsed(data: bytes, role: Role) -> frozenset[str] | None:
    first, *about = data.decode("utf-8", "replace").split("\n")
    is_whole = first == _FIRST.format(role) and about[-1:] == [""]
    return frozenset(about[:-1]) if is_whole else None
