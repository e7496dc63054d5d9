"""Marks beside blobs that nothing reached: such a blob goes when its tombstone is old enough, too.

A tombstone goes after its blob, never before, unless somebody needs the blob again. So who finds none, and
then finds the blob, has it for at least another grace (ADR-0019).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ...digest import BlobKey
from ...errors import RemoteError
from ...store.names import TOMBSTONES, shelf
from ...store.remote.medium import Medium
from ...store.remote.remote import Remote

_DEAD = b"booktest-cassettes tombstone 1\n"
_REVIVED = b"booktest-cassettes tombstone 1, revived\n"  # of another size: it is seen to be another one


def path(key: BlobKey) -> str:
    """Where the tombstone of a blob is, below our prefix."""
    return f"{TOMBSTONES}/{key.path}"


def among(files: Remote, keys: Collection[BlobKey]) -> frozenset[BlobKey]:
    """Those of these blobs that have a tombstone; raises RemoteError."""
    by_path = {path(key): key for key in keys}
    directories = sorted({f"{TOMBSTONES}/{shelf(key.kind)}" for key in by_path.values()})
    return frozenset(by_path[found] for found in files.existing(list(by_path), directories))


def put(files: Remote, keys: Iterable[BlobKey]) -> Iterator[BlobKey]:
    """Write tombstones; raises RemoteError, and what was written until then stays."""
    yield from _write(files, keys, _DEAD)


def lift(files: Remote, keys: Collection[BlobKey]) -> None:
    """Take tombstones away: these blobs are needed again.

    Who may write and not delete puts a new one in its place: its age begins anew.

    Raises
    ------
    RemoteError
        When the remote allows neither.
    """
    if not keys:
        return
    try:
        files.delete([path(key) for key in sorted(keys)])
    except RemoteError:
        for _ in _write(files, sorted(keys), _REVIVED):
            pass


def _write(files: Remote, keys: Iterable[BlobKey], content: bytes) -> Iterator[BlobKey]:
    async def write(medium: Medium, key: BlobKey) -> BlobKey:
        await medium.write(path(key), content)
        return key

    return files.each(keys, write)
