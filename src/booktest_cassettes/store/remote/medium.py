"""The seam between blobs and what carries them: a few file operations on whatever DVC can reach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ...errors import RemoteError


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a remote.

    Attributes
    ----------
    path:
        Relative to the medium's root, with forward slashes.
    size:
        Bytes.
    modified:
        Seconds since the epoch, by the remote's clock.
    """

    path: str
    size: int
    modified: float


class Unlisted(RemoteError):
    """This kind of remote cannot say what is on it."""


class Trouble(NamedTuple):
    """Why a remote does not do what it should, and what to do about it. Never holds a credential."""

    what: str
    hint: str


class Medium(Protocol):
    """Files below our directory on one remote; nothing outside of it can be named.

    Paths are relative, with forward slashes, in ASCII. Methods run on the event loop of
    :mod:`.engine` and raise whatever the library below raises; :meth:`explain` puts that in words.

    Attributes
    ----------
    jobs:
        How many operations at once are worth it here.
    """

    jobs: int

    async def read(self, path: str) -> bytes | None:
        """The bytes of a file, ``None`` when it is absent (and only then)."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Write a file, whole or not at all, in place of what is there; makes directories."""
        ...

    async def exists(self, path: str) -> bool:
        """Whether there is a file that is not empty."""
        ...

    def list(self, directory: str, *, unfinished: bool = False) -> AsyncIterator[Entry]:
        """Every file below a directory (``""``: ours), at any depth, in no order; none when it is absent.

        ``unfinished`` ones, ``*.tmp``, only when asked for: somebody writes them, or was killed.
        """
        ...

    async def delete(self, paths: Sequence[str]) -> None:
        """Delete files; absent ones are fine."""
        ...

    def explain(self, error: BaseException) -> Trouble | None:
        """What one of its exceptions means to a person; ``None`` for one it does not know."""
        ...
