"""Several stores asked in order: keep, Git payload, remote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ..digest import BlobKey
from .base import BlobStore


class ChainStore:
    """A BlobStore that reads from the first store that has the blob and writes to the first of all.

    A corrupt copy is an error, not a reason to ask the next store: somebody must look at it.
    """

    def __init__(self, stores: Sequence[BlobStore]) -> None:
        self.stores = tuple(stores)

    def get(self, key: BlobKey) -> bytes | None:
        """See BlobStore."""
        for store in self.stores:
            data = store.get(key)
            if data is not None:
                return data
        return None

    def has(self, key: BlobKey) -> bool:
        """See BlobStore."""
        return any(store.has(key) for store in self.stores)

    def put(self, key: BlobKey, data: bytes) -> None:
        """See BlobStore."""
        self.stores[0].put(key, data)

    def delete(self, key: BlobKey) -> None:
        """See BlobStore. Only the first store forgets: the others are not ours to empty."""
        self.stores[0].delete(key)

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore. Each key once."""
        yield from dict.fromkeys(chain.from_iterable(store.keys() for store in self.stores))
