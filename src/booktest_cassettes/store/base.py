"""The promise every store keeps, and the checks they share."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import Protocol

from ..digest import BlobKey, Digest
from ..errors import BlobCorrupt

_GZIP_MAGIC = b"\x1f\x8b"


class BlobStore(Protocol):
    """Where blobs live. One contract suite runs against every implementation.

    Methods raise StorageError or RemoteError when the medium fails: absent, corrupt and unreachable
    are never confused.
    """

    def get(self, key: BlobKey) -> bytes | None:
        """The verified canonical bytes, ``None`` when absent; raises BlobCorrupt."""
        ...

    def has(self, key: BlobKey) -> bool:
        """Whether something is stored under the key; its bytes are not verified."""
        ...

    def put(self, key: BlobKey, data: bytes) -> None:
        """Store canonical bytes; storing twice is storing once; raises BlobCorrupt for a wrong key."""
        ...

    def delete(self, key: BlobKey) -> None:
        """Forget the key; absent is fine."""
        ...

    def keys(self) -> Iterator[BlobKey]:
        """Everything stored, in no order."""
        ...


def pack(data: bytes) -> bytes:
    """Reproducible gzip: equal bytes in, equal bytes out, no timestamp."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def unpack_verified(key: BlobKey, stored: bytes, where: str) -> bytes:
    """Canonical bytes out of stored ones, plain or gzip, checked against the key.

    Raises
    ------
    BlobCorrupt
        When they do not have the digest they are stored under.
    """
    try:
        data = gzip.decompress(stored) if stored[:2] == _GZIP_MAGIC else stored
    except (OSError, EOFError, zlib.error) as error:
        raise corrupt(key, where, f"does not decompress ({error})") from None
    found = Digest.of(data)
    if found != key.digest:
        raise corrupt(key, where, f"its bytes have sha256 {found.short}..., not {key.digest.short}...")
    return data


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
