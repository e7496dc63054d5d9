"""Blobs as plain files that Git tracks: ``<snapshots_dir>/<test>/_snapshots/<kind>.json``.

A payload is named by its test, so the store asks which tests own a digest. Payloads are never
compressed: ``sha256sum`` of the file is the digest, and Git shows a readable diff.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..digest import BlobKey, Kind, short_hash
from ..files import atomic_write, read_bytes, remove, safe_name, storage_errors
from .base import check_put, unpack_verified

_PLAIN_ID = re.compile(r"(?:[^/:\[\]]+/)*[^/:\[\]]+\.py(?:::\w+)+(?:\[.*\])?", re.DOTALL)

#: The tests whose snapshot of this kind has this digest.
Owners = Callable[[BlobKey], Iterable[str]]


class GitStore:
    """A BlobStore over payload files.

    Parameters
    ----------
    root:
        The snapshots directory.
    owners:
        Tells which test ids a key belongs to; each gets its own payload file.
    known:
        Every key the store may hold, for :meth:`keys`.
    """

    def __init__(self, root: Path, owners: Owners, known: Callable[[], Iterable[BlobKey]] = tuple) -> None:
        self.root = root
        self._owners = owners
        self._known = known

    def path(self, test_id: str, kind: Kind) -> Path:
        """Where a test's payload of a kind is, or would be."""
        return self.root.joinpath(*payload_parts(test_id), "_snapshots", f"{kind.value}.json")

    def get(self, key: BlobKey) -> bytes | None:
        """See BlobStore."""
        for path in self._paths(key):
            stored = read_bytes(path)
            if stored is not None:
                return unpack_verified(key, stored, str(path))
        return None

    def has(self, key: BlobKey) -> bool:
        """See BlobStore. True when every owner has its payload."""
        paths = self._paths(key)
        with storage_errors("read", self.root):
            return bool(paths) and all(path.is_file() for path in paths)

    def put(self, key: BlobKey, data: bytes) -> None:
        """See BlobStore."""
        for path in self._paths(key):
            check_put(key, data, str(path))
            if read_bytes(path) != data:
                atomic_write(path, data)

    def delete(self, key: BlobKey) -> None:
        """See BlobStore. Only a payload with these very bytes goes; empty directories go with it."""
        for path in self._paths(key):
            stored = read_bytes(path)
            if stored is not None:
                unpack_verified(key, stored, str(path))
                remove(path)
                self._prune(path.parent)

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore."""
        for key in self._known():
            if any(path.is_file() for path in self._paths(key)):
                yield key

    def _paths(self, key: BlobKey) -> list[Path]:
        return [self.path(test_id, key.kind) for test_id in self._owners(key)]

    def _prune(self, directory: Path) -> None:
        while directory != self.root and directory.is_dir() and not any(directory.iterdir()):
            with storage_errors("delete", directory):
                directory.rmdir()
            directory = directory.parent


def payload_parts(test_id: str) -> list[str]:
    """A test id as path components: different ids never give the same path.

    ``tests/test_api.py::Users::test_list[a/b]`` becomes ``tests / test_api.py / Users /
    test_list[a_b]-<hash>``. An id of any other shape gets a hash of the whole at its end.
    """
    head, bracket, parameters = test_id.partition("[")
    *directories, last = head.split("/")
    names = [*directories, *last.split("::")]
    names[-1] += bracket + parameters
    parts = [safe_name(name) for name in names]
    if not _PLAIN_ID.fullmatch(test_id) or any(name.endswith(".py") for name in directories):
        parts[-1] = f"{parts[-1]}-{short_hash(test_id)}"
    return parts
