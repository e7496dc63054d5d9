"""Blobs in a directory: the cache's ``keep`` and ``staging``, and a network share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ..digest import BlobKey, Kind
from ..files import atomic_write, exists, list_names, read_bytes, remove
from .base import check_put, is_intact, unpack_verified
from .names import TOMBSTONES, is_shard, keys_of, shelf
from .packing import pack_where_worth

_LIST_FROM = 256


class LocalStore:
    """A BlobStore at ``<root>/<kind>/sha256/<ab>/<sha256>``.

    Parameters
    ----------
    root:
        Directory; made when the first blob is put.
    compress:
        Store new blobs compressed; both forms are read.
    """

    def __init__(self, root: Path, *, compress: bool = True) -> None:
        self.root = root
        self.compress = compress

    def path(self, key: BlobKey) -> Path:
        """Where a blob is, or would be."""
        return self.root / key.path

    def get(self, key: BlobKey) -> bytes | None:
        """See BlobStore."""
        path = self.path(key)
        stored = read_bytes(path)
        return None if stored is None else unpack_verified(key, stored, str(path))

    def has(self, key: BlobKey) -> bool:
        """See BlobStore."""
        return exists(self.path(key))

    def put(self, key: BlobKey, data: bytes) -> None:
        """See BlobStore."""
        path = self.path(key)
        check_put(key, data, str(path))
        if self._revive(key) or not is_intact(key, read_bytes(path)):
            atomic_write(path, pack_where_worth(data) if self.compress else data)

    def install(self, key: BlobKey, stored: bytes) -> None:
        """Take verified bytes as another store has them, plain or compressed, in place of what is here.

        They are not flushed to disk: what a power failure cuts short is found corrupt, and fetched again.
        """
        self._revive(key)
        atomic_write(self.path(key), stored, durable=False)

    def stored(self, key: BlobKey) -> bytes | None:
        """The bytes as they are stored, verified, ``None`` when absent; raises BlobCorrupt."""
        path = self.path(key)
        stored = read_bytes(path)
        if stored is not None:
            unpack_verified(key, stored, str(path))
        return stored

    def delete(self, key: BlobKey) -> None:
        """See BlobStore."""
        remove(self.path(key))

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore. Foreign files are passed over."""
        for kind in Kind:
            yield from keys_of(self._names(shelf(kind)))

    def lacking(self, keys: Collection[BlobKey]) -> set[BlobKey]:
        """Those keys under which nothing is stored; many are found by listing."""
        if len(keys) < _LIST_FROM:
            return {key for key in keys if not self.has(key)}
        wanted = {key.path: key for key in keys}
        shelves = {shelf(key.kind) for key in keys}
        for there in shelves:
            for path in self._names(there):
                wanted.pop(path, None)
        return set(wanted.values())

    def _revive(self, key: BlobKey) -> bool:
        """Take its tombstone away, if it has one: what is written now is wanted again."""
        tombstone = self.root / TOMBSTONES / key.path
        is_dead = exists(tombstone)
        if is_dead:
            remove(tombstone)
        return is_dead

    def _names(self, directory: str) -> Iterator[str]:
        for shard in list_names(self.root / directory):
            for name in list_names(self.root / directory / shard) if is_shard(shard) else ():
                yield f"{directory}/{shard}/{name}"
