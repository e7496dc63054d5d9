"""Approved blobs that are on no remote yet: a list in the cache, one line per blob."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..digest import BlobKey, Digest, Kind
from ..errors import IntegrityError
from ..files import atomic_write, locked, read_bytes


class Unpushed:
    """The list in one file. Where there is none, nothing waits."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> set[BlobKey]:
        """The blobs on it; raises IntegrityError when the file is damaged."""
        lines = (read_bytes(self.path) or b"").decode("ascii", "replace").splitlines()
        try:
            return {_parse(line) for line in lines}
        except (ValueError, IntegrityError) as error:
            raise IntegrityError(
                f"{self.path}: damaged list of unpushed blobs: {error}",
                hint=f"delete {self.path}, then booktest-cassettes push",
            ) from None

    def add(self, keys: Iterable[BlobKey]) -> None:
        """Put blobs on the list; raises StorageError."""
        with locked(self.path):
            self._write(self.read() | set(keys))

    def discard(self, keys: Iterable[BlobKey]) -> None:
        """Take blobs off the list, where they are on it; raises StorageError."""
        if read_bytes(self.path) is None:
            return
        with locked(self.path):
            self._write(self.read() - set(keys))

    def _write(self, keys: set[BlobKey]) -> None:
        atomic_write(self.path, "".join(f"{key.kind.value} {key.digest}\n" for key in sorted(keys)).encode())


def _parse(line: str) -> BlobKey:
    kind, _, digest = line.partition(" ")
    return BlobKey(Kind(kind), Digest.parse(digest))
