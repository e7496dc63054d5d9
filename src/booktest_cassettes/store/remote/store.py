"""Blobs by digest on a remote: ``<prefix>/<kind>/sha256/<ab>/<sha256>``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...digest import BlobKey
from ...errors import BlobCorrupt, RemoteError
from ..base import check_put, unpack_verified
from ..names import keys_of, shelf
from ..packing import pack_where_worth
from .medium import Medium
from .remote import Remote


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the remote has under a key.

    Attributes
    ----------
    data:
        Verified canonical bytes; ``None`` when it is absent or corrupt.
    stored:
        The same as they came over the wire, compressed perhaps.
    corrupt:
        The error, where other bytes are there.
    """

    key: BlobKey
    data: bytes | None
    stored: bytes = b""
    corrupt: BlobCorrupt | None = None

    @property
    def size(self) -> int:
        """Bytes that came over the wire."""
        return len(self.stored)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A blob that was written, read back and found to be the right one; ``size`` in stored bytes."""

    key: BlobKey
    size: int


class RemoteStore:
    """A BlobStore on a remote, with batches. Every method raises RemoteError as Remote does.

    Parameters
    ----------
    remote:
        Where.
    area:
        ``""`` for approved blobs, ``"staging/"`` for staged ones.
    compress:
        Store new blobs compressed; both forms are read.
    """

    def __init__(self, remote: Remote, area: str = "", *, compress: bool = True) -> None:
        self.remote = remote
        self.area = area
        self.compress = compress

    def path(self, key: BlobKey) -> str:
        """Where a blob is below our prefix, or would be."""
        return self.area + key.path

    def fetch(
        self, keys: Iterable[BlobKey], take: Callable[[Fetched], None] = lambda _: None
    ) -> Iterator[Fetched]:
        """What is there under each key, in the order in which it arrives.

        Parameters
        ----------
        keys:
            Read lazily.
        take:
            Called with each on the thread that read it: where a quick write to disk costs least, since
            no two threads wait for the interpreter's lock at every step of it.
        """
        return self.remote.each(keys, self._read, weight=_memory, take=take)

    def deliver(self, blobs: Iterable[tuple[BlobKey, Callable[[], bytes]]]) -> Iterator[Delivered]:
        """Write blobs and read each back: a remote may say that it wrote what it did not.

        Parameters
        ----------
        blobs:
            Keys, with what gives the bytes to store (verified, plain or compressed) once it is their turn.

        Raises
        ------
        RemoteError
            When one does not read back as it was written, too.
        """
        # Read here, not in the operation: what this machine's disk says is not the remote's trouble.
        return self.remote.each(((key, read()) for key, read in blobs), self._write)

    def present(self, keys: Iterable[BlobKey]) -> set[BlobKey]:
        """Those keys under which something is stored; its bytes are not verified."""
        by_path = {self.path(key): key for key in keys}
        directories = {f"{self.area}{shelf(key.kind)}" for key in by_path.values()}
        return {by_path[path] for path in self.remote.existing(list(by_path), sorted(directories))}

    def get(self, key: BlobKey) -> bytes | None:
        """See BlobStore."""
        fetched = next(self.fetch([key]))
        if fetched.corrupt is not None:
            raise fetched.corrupt
        return fetched.data

    def has(self, key: BlobKey) -> bool:
        """See BlobStore."""
        return bool(self.present([key]))

    def put(self, key: BlobKey, data: bytes) -> None:
        """See BlobStore."""
        check_put(key, data, str(self.remote.place))
        stored = pack_where_worth(data) if self.compress else data
        for _ in self.deliver([(key, lambda: stored)]):
            pass

    def delete(self, key: BlobKey) -> None:
        """See BlobStore."""
        self.remote.delete([self.path(key)])

    def keys(self) -> Iterator[BlobKey]:
        """See BlobStore. Foreign files are passed over."""
        return keys_of(entry.path.removeprefix(self.area) for entry in self.remote.list(self._shelves()))

    def _shelves(self) -> list[str]:
        from ...digest import Kind

        return [f"{self.area}{shelf(kind)}" for kind in Kind]

    async def _read(self, medium: Medium, key: BlobKey) -> Fetched:
        stored = await medium.read(self.path(key))
        if stored is None:
            return Fetched(key, None)
        try:
            return Fetched(key, unpack_verified(key, stored, self._where(key)), stored)
        except BlobCorrupt as error:
            hint = "booktest-cassettes push --deep, on a machine that has it, writes it anew"
            return Fetched(key, None, stored, BlobCorrupt(error.message, hint=hint))

    async def _write(self, medium: Medium, blob: tuple[BlobKey, bytes]) -> Delivered:
        key, stored = blob
        await medium.write(self.path(key), stored)
        back = await medium.read(self.path(key))
        if back != stored:
            what = "is not there" if back is None else "reads back as something else"
            raise RemoteError(
                f"it took {key.kind.value} snapshot {key.digest.short} without an error, but it {what}",
                hint="push again; if that stays so, the remote cannot be trusted with anything",
            )
        return Delivered(key, len(stored))

    def _where(self, key: BlobKey) -> str:
        return f"{self.remote.place} {self.remote.prefix}/{self.path(key)}"


def _memory(fetched: Fetched) -> int:
    return fetched.size + len(fetched.data or b"")
