"""What pointers point to: objects of DVC's on the remote, each for one or more payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..digest import BlobKey, Digest
from ..files import atomic_write
from .pointer_files import Pointer
from .remote.medium import Medium
from .remote.remote import Remote

#: Told of objects done, objects in all, and bytes so far; by whichever thread it happens in.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes under one address, and the payloads that are made of them."""

    pointer: Pointer
    key: BlobKey
    payloads: list[Path]

    @property
    def address(self) -> str:
        """Its path below DVC's tree."""
        return self.pointer.address


class Steps:
    """Progress of a batch in which every object is moved by DVC, and then handled by us."""

    def __init__(self, total: int, report: Progress | None) -> None:
        self.size = 0
        self._total, self._report = total, report
        self._moved = self._finished = 0

    def move(self, to: int) -> None:
        """DVC has moved so many."""
        self._moved = min(max(self._moved, to), self._total)
        self._tell()

    def finish(self, size: int) -> None:
        """One more is done, of so many bytes."""
        self._finished += 1
        self.size += size
        self._tell()

    def counter(self) -> Callable[[int], None]:
        """What takes the number of objects that DVC has moved."""
        start = self._moved
        return lambda count: self.move(start + count)

    def _tell(self) -> None:
        if self._report:
            self._report((max(self._moved, self._finished) + self._finished) // 2, self._total, self.size)


class Installing:
    """Writes payloads, and remembers which."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.written: list[Path] = []

    def install(self, one: Stored, data: bytes | None) -> bool:
        """Write the payloads of an object, if these are its bytes."""
        if data is None or not matches(one.key, data):
            return False
        for payload in one.payloads:
            atomic_write(payload, data)  # never a link into the cache: payloads may be edited
            self.written.append(payload)
        self.steps.finish(len(data))
        return True


def matches(key: BlobKey, data: bytes | None) -> bool:
    """Whether bytes are there and are the key's."""
    return data is not None and Digest.of(data) == key.digest


def present_of(remote: Remote, objects: Iterable[Stored]) -> set[str]:
    """The addresses of those that the remote has; bytes are not looked at."""
    addresses = [one.address for one in objects]
    return remote.existing(addresses, sorted({address[:2] for address in addresses}))


async def look(medium: Medium, one: Stored) -> tuple[Stored, bytes | None]:
    """An object, and the bytes that the remote has of it."""
    return one, await medium.read(one.address)
