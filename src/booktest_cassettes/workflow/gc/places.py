"""The places that blobs are collected at: the remote's prefix, and the cache of this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Literal

from ...digest import BlobKey, Digest, Kind
from ...errors import CassetteError, IntegrityError, RemoteError, StorageError
from ...files import locked
from ...project import Project
from ...store.remote import place as dvc
from ...store.remote.medium import Entry, Medium
from ...store.remote.remote import Remote
from ...store.remote.share import ShareMedium
from .. import staging
from ..approve import LOCK
from .leases import is_role
from .objects import Inventory, Item, What

_BLOB = re.compile(
    r"(?P<area>staging/|tombstones/)?(?P<kind>env|func|http|httpx)/sha256/(?P<ab>[0-9a-f]{2})/"
    r"(?:(?P<hex>(?P=ab)[0-9a-f]{62})|\.(?:(?P=ab)[0-9a-f]{48}\.)?[0-9a-f]{16}\.tmp)"
)
_RECORD = re.compile(r"staging/pending/[^/]+\.json", re.DOTALL)
_PROBE = re.compile(r"probe/[0-9a-f]{16}")
_TEMPORARY = re.compile(r"(?:leases|probe|staging/pending)/\.(?:[^/]{1,50}\.)?[0-9a-f]{16}\.tmp", re.DOTALL)
# Of the cache: what its other rooms look after.
_OTHERS = re.compile(
    r"\.gitignore|unpushed|(?:.*/)?[^/]+\.lock|quarantine/.*|staging/(?:pending|shared)/[^/]+\.json",
    re.DOTALL,
)
_ANY_TEMPORARY = re.compile(r"(?!quarantine/)(?:.*/)?\.[^/]*\.[0-9a-f]{16}\.tmp", re.DOTALL)
_AREAS = {None: What.KEEP, "staging/": What.STAGED, "tombstones/": What.TOMBSTONE}


@dataclass(frozen=True, slots=True)
class Place:
    """One of them.

    Attributes
    ----------
    project:
        Whose.
    name:
        Which.
    files:
        What is there, by path below what of it is ours.
    """

    project: Project
    name: Literal["local", "remote"]
    files: Remote

    def __str__(self) -> str:
        return str(self.files.place) if self.name == "remote" else f"cache ({self.files.place.url})"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Of the cache: nobody approves or stages meanwhile; raises StorageError. A remote has leases."""
        if self.name == "remote":
            yield
            return
        with locked(self.project.config.cache_dir / LOCK), self.project.pending.exclusive():
            yield


def remote(project: Project, jobs: int | None = None) -> Place:
    """A project's remote; raises RemoteError where there is none."""
    return Place(project, "remote", project.remote(jobs).remote)


def local(project: Project) -> Place:
    """A project's cache."""
    return Place(project, "local", _Cache(project.config.cache_dir))


def clock(place: Place) -> datetime:
    """The time at a place, by the date of a probe that is written there and deleted again.

    Raises
    ------
    RemoteError, StorageError
        When it cannot be written, or is not listed.
    """
    if place.name == "local" and not place.project.config.cache_dir.is_dir():
        return datetime.now(UTC)  # nothing is there, and nothing is made to ask for the time
    # In the cache a name that is swept when we are killed.
    directory = "probe" if place.name == "remote" else ""
    name = f"probe/{os.urandom(8).hex()}" if directory else f".clock.{os.urandom(8).hex()}.tmp"
    try:
        return datetime.fromtimestamp(_written(place, directory, name), UTC)
    finally:
        with suppress(CassetteError):  # what deletes in earnest says it
            place.files.delete([name])


def _written(place: Place, directory: str, name: str) -> float:
    place.files.one(lambda medium: medium.write(name, b"what time is it?\n"))
    if place.name == "local":
        try:
            return (place.project.config.cache_dir / name).stat().st_mtime
        except OSError:
            return time()
    for entry in place.files.list([directory]):
        if entry.path == name:
            return entry.modified
    raise RemoteError(
        f"{place}: a probe that was just written is not in its listing",
        hint="look whether something between caches its answers; booktest-cassettes doctor looks, too",
    )


def inventory(place: Place) -> Inventory:
    """Everything that is there, in one listing.

    Raises
    ------
    RemoteError, StorageError
        When it cannot be listed to its end.
    """
    is_remote = place.name == "remote"
    # Item by item: a hundred thousand are not held twice.
    items = [
        item
        for entry in place.files.list([""], unfinished=True)
        if (item := _item(entry, is_remote=is_remote)) is not None
    ]
    shared = _shared(place, items) if is_remote else {}
    return Inventory(place.name, str(place), items, shared)


def _item(entry: Entry, *, is_remote: bool) -> Item | None:
    path = entry.path
    if not is_remote and _OTHERS.fullmatch(path):
        return None
    what, key = classify(path)
    if not is_remote and what is What.FOREIGN and _ANY_TEMPORARY.fullmatch(path):
        what = What.TEMPORARY
    return Item(path, what, entry.size, entry.modified, key)


def classify(path: str) -> tuple[What, BlobKey | None]:
    """What an object of a remote is, by its path below the prefix: ours to the letter, or foreign."""
    if found := _BLOB.fullmatch(path):
        if found["hex"] is None:
            return What.TEMPORARY, None
        return _AREAS[found["area"]], BlobKey(Kind(found["kind"]), Digest(f"sha256:{found['hex']}"))
    if _RECORD.fullmatch(path):
        return What.RECORD, None
    if is_role(path, "push"):
        return What.LEASE, None
    if is_role(path, "sweep"):
        return What.INTENT, None
    if _PROBE.fullmatch(path):
        return What.PROBE, None
    return (What.TEMPORARY if _TEMPORARY.fullmatch(path) else What.FOREIGN), None


def _shared(place: Place, items: list[Item]) -> dict[BlobKey, float]:
    """What shared records name; one that cannot be read names nothing."""
    records = [item for item in items if item.what is What.RECORD]
    shared: dict[BlobKey, float] = {}

    async def read(medium: Medium, item: Item) -> tuple[Item, bytes | None]:
        return item, await medium.read(item.path)

    for item, data in place.files.each(records, read) if records else ():
        try:
            record = place.project.pending.parse(data or b"", item.path.rpartition("/")[2])
        except IntegrityError:
            continue
        for key in staging.staged_keys(record):
            shared[key] = max(item.modified, shared.get(key, 0.0))
    return shared


class _Cache(Remote):
    """The cache directory as if it were a remote; what fails there is a StorageError."""

    def __init__(self, directory: Path) -> None:
        super().__init__(dvc.Place(directory, "cache", str(directory)), directory.name)
        self._directory = directory

    @property
    def medium(self) -> Medium:
        """See Remote."""
        process = os.getpid()
        if process not in self.media:
            self.media[process] = ShareMedium(self._directory.parent, self._directory.name)
        return self.media[process]

    def _explained(self, error: Exception, medium: Medium) -> Exception:
        trouble = None if isinstance(error, CassetteError) else medium.explain(error)
        if trouble is None:
            return error
        return StorageError(f"{self._directory}: {trouble.what}", hint=trouble.hint)
