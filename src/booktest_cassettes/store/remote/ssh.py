"""An SSH server as remote: SFTP over one connection and a few channels, with many requests under way.

DVC's own file system for SSH serves one caller at a time and walks the directories for each file. So only
its settings are taken from it (address, keys, algorithms), and the library below it, asyncssh, does the
rest. Like DVC, it takes the server's host key as it comes: what is read is verified by its digest.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from errno import ENOTDIR
from posixpath import dirname
from typing import Any, TypeVar, cast

import asyncssh
from asyncssh.misc import ChannelOpenError

from .medium import Entry, Trouble
from .ssh_words import explain

_T = TypeVar("_T")
_R = TypeVar("_R")
# The class below has a method that takes the name of the type.
_Outcomes = list[_R]
_Files = list[asyncssh.SFTPName]

_JOBS = 128  # at 20 ms a fetch of small blobs gains half over 64
_CHANNELS = 8  # OpenSSH allows ten by default
_SHARE = 8  # operations on one channel before the next is opened
_PIECE = 32_768  # bytes; every server takes and gives that much at once
_CONNECT = 15.0  # seconds to connect and log in
_PERSON = 60.0  # the same where somebody may have to type a password
_KEEPALIVE = 10.0  # seconds between questions whether the server is still there
_UNANSWERED = 3  # of them, and the connection is lost

#: Of what DVC passes on: what is sshfs's own, not asyncssh's.
_NOT_FOR_ASYNCSSH = ("skip_instance_cache", "timeout", "max_sessions", "pool_type", "sftp_client_kwargs")
_GONE = (asyncssh.ConnectionLost, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
_ABSENT = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class SshMedium:
    """A Medium over SFTP. It connects when it is first used, and again after a connection was lost.

    Parameters
    ----------
    filesystem:
        DVC's file system for the remote, not opened; it may ask for a password here, on a terminal.
    base:
        Our directory on the server, absolute or below the user's home. Made when something is written, as
        DVC makes its own: it is no mount.
    jobs:
        Operations at once.
    loop:
        Where its methods will run.
    """

    def __init__(self, filesystem: Any, base: str, jobs: int | None, loop: asyncio.AbstractEventLoop) -> None:
        self.jobs = jobs or _JOBS
        self._base = base
        self._settings, self._limit = _login(filesystem)
        self._channels = filesystem.config.get("max_sessions") or _CHANNELS
        self._link: asyncio.Task[_Link] | None = None
        self._making: dict[str, asyncio.Task[None]] = {}
        del loop  # a connection is made on the loop that asks: after a fork it is another one

    async def read(self, path: str) -> bytes | None:
        """See Medium."""
        async with self._sftp() as (sftp, link):
            try:
                file: Any = await sftp.open(self._path(path), "rb", block_size=_PIECE)
            except _ABSENT:
                return None
            try:
                data = await file.read(_PIECE, 0)
                if len(data) == _PIECE:  # a shorter piece of a plain file is its last one
                    data += await file.read(-1, _PIECE)
            finally:
                link.later(file.close())
        return cast("bytes", data)

    async def write(self, path: str, data: bytes) -> None:
        """See Medium."""
        target = self._path(path)
        async with self._sftp() as (sftp, link):
            try:
                await self._write_or_make(sftp, link, target, data)
            except asyncssh.SFTPFailure as error:
                if await self._is_full(sftp, len(data)):
                    raise asyncssh.SFTPNoSpaceOnFilesystem(error.reason) from error
                raise

    async def exists(self, path: str) -> bool:
        """See Medium."""
        async with self._sftp() as (sftp, _):
            try:
                found = await sftp.stat(self._path(path))
            except _ABSENT:
                return False
        return stat.S_ISREG(found.permissions or 0) and bool(found.size)

    async def list(self, directory: str, *, unfinished: bool = False) -> AsyncIterator[Entry]:
        """See Medium."""
        level = [directory]
        while level:
            deeper = []
            for where, names in zip(level, await self._many(self._names, level), strict=True):
                for name in names:
                    path = f"{where}/{name.filename!s}" if where else str(name.filename)
                    if _is_directory(name):
                        deeper.append(path)
                    elif unfinished or not path.endswith(".tmp"):
                        yield Entry(path, name.attrs.size or 0, float(name.attrs.mtime or 0))
            level = deeper

    async def delete(self, paths: Sequence[str]) -> None:
        """See Medium."""
        await self._many(self._remove, paths)

    def explain(self, error: BaseException) -> Trouble | None:
        """See Medium."""
        return explain(error)

    def _path(self, path: str) -> str:
        return f"{self._base}/{path}"

    @asynccontextmanager
    async def _sftp(self) -> AsyncIterator[tuple[asyncssh.SFTPClient, _Link]]:
        """A channel to work on, connected if need be."""
        here = asyncio.get_running_loop()
        if self._link is None or self._link.get_loop() is not here or _is_over(self._link):
            self._making = {}
            self._link = here.create_task(_connect(self._settings, self._limit, self._channels))
        link = await asyncio.shield(self._link)
        async with link.channel() as sftp:
            yield sftp, link

    async def _many(self, work: Callable[[_T], Awaitable[_R]], items: Iterable[_T]) -> _Outcomes[_R]:
        gate = asyncio.Semaphore(self.jobs)

        async def one(item: _T) -> _R:
            async with gate:
                return await work(item)

        return await asyncio.gather(*map(one, items))

    async def _names(self, directory: str) -> _Files:
        """The directories and plain files in a directory, with what is known about them."""
        async with self._sftp() as (sftp, _):
            try:
                names = await sftp.readdir(self._path(directory))
            except _ABSENT:
                return []
            return [name for name in names if _is_directory(name) or _is_file(name)]

    async def _remove(self, path: str) -> None:
        async with self._sftp() as (sftp, _):
            with suppress(*_ABSENT):
                await sftp.remove(self._path(path))

    async def _write_or_make(self, sftp: asyncssh.SFTPClient, link: _Link, target: str, data: bytes) -> None:
        """Directories are nearly always there: nobody asks before one turns out not to be."""
        try:
            await _write(sftp, link, target, data)
        except _ABSENT:
            await self._make(sftp, dirname(target))
            await _write(sftp, link, target, data)

    async def _make(self, sftp: asyncssh.SFTPClient, directory: str) -> None:
        """Make a directory and those above it; who comes meanwhile waits for the same."""
        if directory not in self._making:
            self._making[directory] = asyncio.create_task(self._make_now(sftp, directory))
        await asyncio.shield(self._making[directory])

    async def _make_now(self, sftp: asyncssh.SFTPClient, directory: str) -> None:
        try:
            try:
                await sftp.mkdir(directory)
            except _ABSENT:
                if dirname(directory) in ("", directory):
                    raise
                await self._make(sftp, dirname(directory))
                await sftp.mkdir(directory)
        except asyncssh.SFTPError:
            if await sftp.isdir(directory):  # somebody else made it
                return
            if await sftp.exists(directory):
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), directory) from None
            raise
        finally:
            self._making.pop(directory, None)

    async def _is_full(self, sftp: asyncssh.SFTPClient, size: int) -> bool:
        """Whether a failure without a reason, as OpenSSH reports it, is for want of space."""
        try:
            disk = await sftp.statvfs(self._base)
        except asyncssh.SFTPError:
            return False
        return disk.bavail * disk.frsize <= size or (disk.files > 0 and disk.favail == 0)


class _Link:
    """A connection, and the channels on it: each is a process on the server, which works one by one."""

    def __init__(self, connection: asyncssh.SSHClientConnection, first: asyncssh.SFTPClient, most: int):
        self.is_over = False
        self._connection = connection
        self._channels = [first]
        self._most = most
        self._opening = 0
        self._busy = 0
        self._turn = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """A channel, shared with others; more are opened while there is much to do."""
        self._busy += 1
        self._turn += 1
        opened = len(self._channels) + self._opening
        if self._busy > _SHARE * opened and opened < self._most:
            self._opening += 1
            self.later(self._open())
        try:
            yield self._channels[self._turn % len(self._channels)]
        except _GONE:
            self.is_over = True
            self._connection.abort()
            raise
        finally:
            self._busy -= 1

    async def _open(self) -> None:
        try:
            self._channels.append(await self._connection.start_sftp_client())
        except (ChannelOpenError, EOFError, asyncssh.SFTPConnectionLost):
            self._most = len(self._channels)  # what the server allows
        finally:
            self._opening -= 1

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done that nobody waits for; whether it succeeds is of no interest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    @property
    def is_closed(self) -> bool:
        """Whether another one is needed."""
        return self.is_over or self._connection.is_closed()


async def _connect(settings: dict[str, Any], limit: float, channels: int) -> _Link:
    try:
        connection = await asyncssh.connect(**settings)
    except TimeoutError:
        raise TimeoutError(f"no connection within {limit:g} seconds") from None
    try:
        async with asyncio.timeout(limit):
            return _Link(connection, await connection.start_sftp_client(), channels)
    except TimeoutError:
        connection.abort()
        raise TimeoutError(f"it does not start SFTP within {limit:g} seconds") from None
    except (EOFError, asyncssh.SFTPConnectionLost) as error:  # what should serve files ended at once
        connection.abort()
        raise ChannelOpenError(asyncssh.OPEN_REQUEST_SESSION_FAILED, str(error)) from error
    except BaseException:
        connection.abort()
        raise


def _is_over(task: asyncio.Task[_Link]) -> bool:
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or task.result().is_closed


def _login(filesystem: Any) -> tuple[dict[str, Any], float]:
    """What asyncssh connects with, and within how many seconds."""
    config, terminal = filesystem.config, _has_terminal()
    if not terminal:
        config.update(ask_password=False, ask_passphrase=False)
    settings = dict(filesystem.fs_args)
    for name in _NOT_FOR_ASYNCSSH:
        settings.pop(name, None)
    asks = terminal and not settings.get("client_keys") and not settings.get("password")
    if not asks:
        settings["client_factory"] = asyncssh.SSHClient  # DVC's own would prompt
    patience = config.get("timeout")
    limit = float(patience or (_PERSON if asks else _CONNECT))
    settings.setdefault("known_hosts", None)  # as sshfs, below DVC, has it
    settings.update(
        connect_timeout=limit,
        login_timeout=limit,
        keepalive_interval=patience / (_UNANSWERED + 1) if patience else _KEEPALIVE,
        keepalive_count_max=_UNANSWERED,
        agent_forwarding=False,  # SFTP has no use for it, and the host key was not verified
    )
    return settings, limit


def _has_terminal() -> bool:
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


async def _write(sftp: asyncssh.SFTPClient, link: _Link, target: str, data: bytes) -> None:
    """The bytes go to a temporary file in the same directory, which then takes the name in one step."""
    directory, _, name = target.rpartition("/")
    temporary = f"{directory}/.{name[:50]}.{os.urandom(8).hex()}.tmp"
    file = await sftp.open(temporary, "xb", block_size=None if len(data) <= _PIECE else -1)
    try:
        await _fill(file, data)
        await _take_name(sftp, temporary, target)
    except BaseException:
        link.later(sftp.remove(temporary))
        raise


async def _fill(file: asyncssh.SFTPClientFile, data: bytes) -> None:
    if len(data) > _PIECE:
        async with file:
            await file.write(data)
            await _flush(file)
        return
    # One round trip for all three: a server works on one file's requests in their order.
    outcomes = await asyncio.gather(file.write(data), _flush(file), file.close(), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _flush(file: asyncssh.SFTPClientFile) -> None:
    with suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()


async def _take_name(sftp: asyncssh.SFTPClient, temporary: str, target: str) -> None:
    try:
        await sftp.posix_rename(temporary, target)
    except asyncssh.SFTPOpUnsupported:  # the plain one may refuse a name that is taken
        try:
            await sftp.rename(temporary, target)
        except asyncssh.SFTPError:
            with suppress(*_ABSENT):
                await sftp.remove(target)
            await sftp.rename(temporary, target)


def _is_directory(name: asyncssh.SFTPName) -> bool:
    return stat.S_ISDIR(name.attrs.permissions or 0) and name.filename not in (".", "..")


def _is_file(name: asyncssh.SFTPName) -> bool:
    return stat.S_ISREG(name.attrs.permissions or 0)
