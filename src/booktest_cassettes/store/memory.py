"""Blobs in a dictionary, for tests and for trying things out."""

from __future__ import annotations

from collections.abc import Iterator

from ..digest import BlobKey
from .base import check_put, unpack_verified


class MemoryStore:
    """A BlobStore that lives as long as the process."""

    def __init__(self) -> None:
        self.blobs: dict[BlobKey, bytes] = {}

    def get(self, key: BlobKey) -> bytes | None:
        """See BlobStore."""
        stored = self.blobs.get(key)
        return None if stored is None else unpack_verified(key, stored, f"memory:{key.path}")

    def has(self, key: BlobKey) -> bool:
        """See BlobStore."""
        return key in self.blobs

    def put(self, key: BlobKey, data: bytes) -> None:
        """See BlobStore."""
        check_put(key, data, f"memory:{key.path}")
        self.blobs[key] = data

    def delete(self, key: BlobKey) -> None:
        """See BlobStore."""
        self.blobs.pop(key, None)

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore."""
        yield from list(self.blobs)
