"""The promise every store keeps, and the checks they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..digest import BlobKey, Digest
from ..errors import BlobCorrupt
from .packing import MAGIC, unpack


class BlobStore(Protocol):
    """Where blobs live. One contract suite runs against every implementation.

    Methods raise StorageError or RemoteError when the medium fails: absent, corrupt and unreachable
    are never confused. Reading changes nothing, also where what is read is corrupt.
    """

    def get(self, key: BlobKey) -> bytes | None:
        """The verified canonical bytes, ``None`` when absent; raises BlobCorrupt."""
        ...

    def has(self, key: BlobKey) -> bool:
        """Whether something is stored under the key; its bytes are not verified."""
        ...

    def put(self, key: BlobKey, data: bytes) -> None:
        """Store canonical bytes; storing twice is storing once, and mends a corrupt copy.

        Raises BlobCorrupt when ``data`` has another digest than the key.
        """
        ...

    def delete(self, key: BlobKey) -> None:
        """Forget the key; absent is fine. May raise BlobCorrupt, and forgets nothing then."""
        ...

    def keys(self) -> Iterator[BlobKey]:
        """Everything stored, in no order."""
        ...


def unpack_verified(key: BlobKey, stored: bytes, where: str) -> bytes:
    """Canonical bytes out of stored ones, plain or compressed, checked against the key.

    Raises
    ------
    BlobCorrupt
        When they do not have the digest they are stored under.
    """
    data, found = stored, Digest.of(stored)
    if found != key.digest and stored[:2] == MAGIC:
        try:
            data = unpack(stored)
        except ValueError as error:
            raise corrupt(key, where, str(error)) from None
        found = Digest.of(data)
    if found != key.digest:
        raise corrupt(key, where, f"its bytes have sha256 {found.short}..., not {key.digest.short}...")
    return data


def is_intact(key: BlobKey, stored: bytes | None) -> bool:
    """Whether stored bytes are there and are the key's."""
    if stored is None:
        return False
    try:
        unpack_verified(key, stored, "")
    except BlobCorrupt:
        return False
    return True


def corrupt(key: BlobKey, where: str, why: str) -> BlobCorrupt:
    """The one spelling of "this blob was changed behind our back"."""
    return BlobCorrupt(
        f"{where}: corrupt {key.kind.value} snapshot: {why}",
        hint=f"restore it (git checkout, or fetch {key.digest} again), or record the test anew",
    )


def check_put(key: BlobKey, data: bytes, where: str) -> None:
    """Refuse bytes that are not what the key says, before they are stored."""
    if Digest.of(data) != key.digest:
        raise corrupt(key, where, "refused to store bytes of another digest")
