"""Every BlobStore behind one handle, so that one suite can hold all of them to the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.store.base import BlobStore
from booktest_cassettes.store.chain import ChainStore
from booktest_cassettes.store.git import GitStore
from booktest_cassettes.store.local import LocalStore
from booktest_cassettes.store.memory import MemoryStore


def key_of(data: bytes, kind: Kind = Kind.HTTP) -> BlobKey:
    return BlobKey(kind, Digest.of(data))


@dataclass
class Shelf:
    """A store, and what lies below it."""

    store: BlobStore
    root: Path
    where: Callable[[BlobKey], Path] | None  # None: in memory

    def raw(self, key: BlobKey) -> bytes:
        """The stored bytes, as they are."""
        return self._memory().blobs[key] if self.where is None else self.where(key).read_bytes()

    def tamper(self, key: BlobKey, stored: bytes) -> None:
        """Change the stored bytes behind the store's back."""
        if self.where is None:
            self._memory().blobs[key] = stored
        else:
            self.where(key).write_bytes(stored)

    def everything(self) -> dict[str, bytes]:
        """All that is stored, by name."""
        if self.where is None:
            return {key.path: data for key, data in self._memory().blobs.items()}
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file()
        }

    def _memory(self) -> MemoryStore:
        assert isinstance(self.store, MemoryStore)
        return self.store


class Known(set[BlobKey]):
    """Stands for a manifest: a Git store cannot tell digests from its files' names."""


def _git(root: Path, owners: Callable[[BlobKey], list[str]]) -> Shelf:
    known = Known()

    class Registering(GitStore):
        def put(self, key: BlobKey, data: bytes) -> None:
            known.add(key)
            super().put(key, data)

    store = Registering(root, owners, lambda: sorted(known))
    return Shelf(store, root, lambda key: store.path(owners(key)[0], key.kind))


def _memory(root: Path) -> Shelf:
    return Shelf(MemoryStore(), root, None)


def _local(root: Path) -> Shelf:
    store = LocalStore(root)
    return Shelf(store, root, store.path)


def _plain(root: Path) -> Shelf:
    store = LocalStore(root, compress=False)
    return Shelf(store, root, store.path)


def _git_store(root: Path) -> Shelf:
    return _git(root, lambda key: [f"tests/test_it.py::test_{key.digest.hex}[a b]"])


def _git_shared(root: Path) -> Shelf:
    return _git(root, lambda key: [f"tests/test_{n}.py::test_{key.digest.hex}" for n in (1, 2)])


def _chain(root: Path) -> Shelf:
    first = LocalStore(root)
    return Shelf(ChainStore([first, MemoryStore()]), root, first.path)


SHELVES: dict[str, Callable[[Path], Shelf]] = {
    "memory": _memory,
    "local-compressed": _local,
    "local-plain": _plain,
    "git": _git_store,
    "git-shared": _git_shared,
    "chain": _chain,
}
