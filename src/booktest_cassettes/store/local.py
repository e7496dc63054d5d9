"""Blobs in a directory: the cache's ``keep`` and ``staging``, and a network share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..digest import BlobKey, Digest, Kind
from ..files import atomic_write, exists, list_names, read_bytes, remove
from .base import check_put, is_intact, unpack_verified
from .packing import pack_where_worth

_SHARD = re.compile("[0-9a-f]{2}")
_NAME = re.compile("[0-9a-f]{64}")


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
        if not is_intact(key, read_bytes(path)):
            atomic_write(path, pack_where_worth(data) if self.compress else data)

    def delete(self, key: BlobKey) -> None:
        """See BlobStore."""
        remove(self.path(key))

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore. Foreign files are passed over."""
        for kind in Kind:
            shelf = self.root / kind.value / "sha256"
            for shard in list_names(shelf):
                for name in list_names(shelf / shard) if _SHARD.fullmatch(shard) else ():
                    if _NAME.fullmatch(name) and name.startswith(shard):
                        yield BlobKey(kind, Digest(f"sha256:{name}"))
