"""Blobs in a directory: the cache's ``keep`` and ``staging``, and a network share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..digest import BlobKey, Digest, Kind
from ..files import atomic_write, read_bytes, remove, storage_errors
from .base import check_put, pack, unpack_verified

_HEX = re.compile(r"[0-9a-f]{64}\Z")


class LocalStore:
    """A BlobStore at ``<root>/<kind>/sha256/<ab>/<sha256>``.

    Parameters
    ----------
    root:
        Directory; made when the first blob is put.
    compress:
        Store new blobs as reproducible gzip; both forms are read.
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
        path = self.path(key)
        with storage_errors("read", path):
            return path.is_file()

    def put(self, key: BlobKey, data: bytes) -> None:
        """See BlobStore."""
        path = self.path(key)
        check_put(key, data, str(path))
        stored = pack(data) if self.compress else data
        if read_bytes(path) != stored:  # an intact copy is left alone; a torn or corrupt one replaced
            atomic_write(path, stored)

    def delete(self, key: BlobKey) -> None:
        """See BlobStore."""
        remove(self.path(key))

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore. Foreign files are passed over."""
        for kind in Kind:
            shelf = self.root / kind.value / "sha256"
            with storage_errors("list", shelf):
                found = sorted(shelf.glob("??/*")) if shelf.is_dir() else []
            for path in found:
                if _HEX.match(path.name) and path.name[:2] == path.parent.name:
                    yield BlobKey(kind, Digest(f"sha256:{path.name}"))
