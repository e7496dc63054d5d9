"""A directory as remote: a network share, or a local path."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISFIFO, S_ISREG
from threading import Event

from ...errors import RemoteError, StorageError
from ...files import atomic_write, read_bytes, remove
from .medium import Entry, Trouble
from .threads import in_thread

_JOBS = 16
_PROBLEMS = {
    errno.ENOSPC: Trouble("no space is left", "make space, then run the command again"),
    errno.EDQUOT: Trouble("the quota is used up", "make space, then run the command again"),
    errno.EROFS: Trouble("it is mounted read-only", "mount it writable, or push from another machine"),
    errno.EACCES: Trouble("permission denied", "check that you may read it, and write it to push"),
    errno.EPERM: Trouble("permission denied", "check that you may read it, and write it to push"),
    errno.EIO: Trouble("input/output error", "check the mount and the disk"),
    errno.ESTALE: Trouble("the mount is stale", "mount it again"),
    errno.ENOTCONN: Trouble("the mount is gone", "mount it again"),
    errno.ENOTDIR: Trouble("a file is where a directory should be", "look at it, and move it away"),
    errno.EISDIR: Trouble("a directory is where a file should be", "look at it, and move it away"),
}


class ShareMedium:
    """A Medium over a directory.

    Parameters
    ----------
    root:
        The remote's own directory. It has to be there: an unmounted share is a directory that is not,
        and to make it would be to write to the wrong disk.
    prefix:
        Our directory below it; made when something is written.
    """

    def __init__(self, root: Path, prefix: str, jobs: int | None = None) -> None:
        self.jobs = jobs or _JOBS
        self._mount = root
        self._root = root / prefix

    async def read(self, path: str) -> bytes | None:
        """See Medium."""
        return await in_thread(self._read, path)

    async def write(self, path: str, data: bytes) -> None:
        """See Medium."""
        await in_thread(self._write, path, data)

    async def exists(self, path: str) -> bool:
        """See Medium."""
        return await in_thread(self._exists, path)

    async def list(self, directory: str, *, unfinished: bool = False) -> AsyncIterator[Entry]:
        """See Medium."""
        for entry in await in_thread(self._list, directory, unfinished):
            yield entry

    async def delete(self, paths: Sequence[str]) -> None:
        """See Medium."""
        shares = (paths[start :: self.jobs] for start in range(self.jobs))
        over = Event()
        work = asyncio.gather(*(in_thread(self._delete, share, over) for share in shares if share))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            over.set()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise

    def explain(self, error: BaseException) -> Trouble | None:
        """See Medium."""
        cause = error.__cause__ if isinstance(error, StorageError) else error
        if not isinstance(cause, OSError) or cause.errno is None:
            return None
        said = Trouble(os.strerror(cause.errno), "check the mount and the disk")
        return _PROBLEMS.get(cause.errno, said)

    def _check_mounted(self) -> None:
        if not self._mount.is_dir():
            raise RemoteError(
                f"there is no directory {self._mount}",
                hint=f"mount the share; if it is a new one: mkdir -p {str(self._mount)!r}",
            )

    def _read(self, path: str) -> bytes | None:
        file = self._root / path
        try:
            is_pipe = S_ISFIFO(file.stat().st_mode)  # to open one would be to wait for its writer
        except FileNotFoundError:
            is_pipe = False
        data = None if is_pipe else read_bytes(file)
        if data is None:
            self._check_mounted()
        return data

    def _write(self, path: str, data: bytes) -> None:
        self._check_mounted()
        atomic_write(self._root / path, data)

    def _exists(self, path: str) -> bool:
        self._check_mounted()
        try:
            found = (self._root / path).stat()
        except FileNotFoundError:
            return False
        return S_ISREG(found.st_mode) and found.st_size > 0

    def _list(self, directory: str, unfinished: bool) -> Sequence[Entry]:
        self._check_mounted()
        return list(self._walk(str(self._root / directory), directory, unfinished=unfinished))

    def _delete(self, paths: Sequence[str], over: Event) -> None:
        self._check_mounted()
        for path in paths:
            if over.is_set():  # a thread cannot be stopped
                return
            remove(self._root / path)

    def _walk(self, directory: str, path: str, *, unfinished: bool) -> Iterator[Entry]:
        try:
            names = list(os.scandir(directory))
        except FileNotFoundError:
            return
        for name in names:
            inside = f"{path}/{name.name}" if path else name.name
            if name.is_dir(follow_symlinks=False):
                yield from self._walk(name.path, inside, unfinished=unfinished)
            elif unfinished or not name.name.endswith(".tmp"):
                with suppress(OSError):  # deleted meanwhile, or a link that leads nowhere
                    found = name.stat()
                    if S_ISREG(found.st_mode):
                        yield Entry(inside, found.st_size, found.st_mtime)
