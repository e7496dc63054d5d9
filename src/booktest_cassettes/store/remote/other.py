"""Every other file system of DVC: Google Cloud, Azure, WebDAV, HDFS, HTTP...

They have fsspec's methods in common, and little else; each is told from the others only where a
promise of Medium depends on it.
"""

from __future__ import annotations

import asyncio
import io
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from posixpath import dirname
from time import time
from typing import Any

from ...errors import CassetteError, RemoteError
from .medium import Entry, Trouble, Unlisted
from .threads import in_thread

_JOBS = 16
# A file that is being written has its name already (WebDAV's PUT is not said to be atomic, RFC 4918,
# section 9.7; HDFS's create() shows an open file, see its "file system specification"). An object of a
# cloud's store appears when its last byte is in: those are written under their own names.
_PIECEMEAL = {"webdav", "webdavs", "hdfs", "webhdfs"}
_BUCKETS = {"gs", "gcs", "azure", "oss"}  # where the first part of a path is no directory
_HTTP = {"http", "https"}
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
_SECRETS = ((re.compile(r"(?<=://)[^/@\s]*@"), ""), (re.compile(r"\?[^\s'\"]+"), "?..."))
_LONGEST = 200  # characters of another's words

_CHECK = "dvc status -c shows whether DVC itself can use it"
_NETWORK = "check the network (VPN?) and its url in .dvc/config"
_SIGN_IN = "check the credentials that DVC has for it: dvc remote modify --local NAME ..."
_STATUSES = {
    401: Trouble("it does not accept the credentials", _SIGN_IN),
    403: Trouble("access denied", "ask for the permission to read it, and to write it to push"),
    404: Trouble("its address is not there", "check its url in .dvc/config"),
    405: Trouble("it takes no uploads", "push to another remote; reading from this one works"),
    429: Trouble("it asks to slow down", "run the command later, or with fewer --jobs"),
    501: Trouble("it takes no uploads", "push to another remote; reading from this one works"),
    507: Trouble("no space is left on it", "make space, then run the command again"),
}
# By the names of classes and their bases: each library has its own.
_CLASSES = {
    "PermissionError": _STATUSES[403],
    "NotImplementedError": Trouble("it cannot do that", "use another remote for it"),
    "SSLError": Trouble(
        "its TLS certificate is not accepted", "dvc remote modify NAME ssl_verify PATH_OF_CA"
    ),
    "ClientSSLError": Trouble(
        "its TLS certificate is not accepted", "dvc remote modify NAME ssl_verify PATH_OF_CA"
    ),
    "ClientConnectorError": Trouble("nothing answers at its address", _NETWORK),
    "ConnectError": Trouble("nothing answers at its address", _NETWORK),
    "ServiceRequestError": Trouble("nothing answers at its address", _NETWORK),
    "ClientConnectionError": Trouble("it closed the connection", _NETWORK),
    "ConnectionError": Trouble("it closed the connection", _NETWORK),
    "ClientPayloadError": Trouble("it closed the connection", _NETWORK),
    "TimeoutError": Trouble("it does not answer in time", _NETWORK),
    "DefaultCredentialsError": Trouble("there are no credentials for it", _SIGN_IN),
    "RefreshError": Trouble("the credentials have expired", _SIGN_IN),
    "ClientAuthenticationError": _STATUSES[401],
    "AuthError": _STATUSES[401],
}


class OtherMedium:
    """A Medium over a file system of fsspec.

    Parameters
    ----------
    filesystem:
        DVC's wrapper; opened by the first operation.
    base:
        Our directory on it, as its own methods take it.
    jobs:
        Operations at once; ``None`` for what suits most.
    """

    def __init__(self, filesystem: Any, base: str, jobs: int | None) -> None:
        self.jobs = jobs or _JOBS
        self._filesystem = filesystem
        self._base = base
        self._protocol = filesystem.protocol
        self._opening = asyncio.Lock()
        self._fs: Any = None
        self._made: set[str] = set()  # directories

    async def read(self, path: str) -> bytes | None:
        """See Medium."""
        try:
            data: bytes = await self._call("cat_file", self._full(path))
        except FileNotFoundError as error:
            if not await self._is_absent(error):
                raise
            return None
        return data

    async def write(self, path: str, data: bytes) -> None:
        """See Medium."""
        full = self._full(path)
        if self._protocol in _HTTP:  # the only one whose remote says by which method
            await self._call("put_file", io.BytesIO(data), full)
        elif self._protocol in _PIECEMEAL:
            await self._write_aside(full, data)
        else:
            await self._call("pipe_file", full, data)

    async def exists(self, path: str) -> bool:
        """See Medium."""
        fs = self._fs or await self._opened()
        fs.invalidate_cache()  # of listings, in which others' work is not seen
        try:
            found = await self._call("info", self._full(path))
        except FileNotFoundError as error:
            if not await self._is_absent(error):
                raise
            return False
        return bool(found.get("size") != 0 and found.get("type") != "directory")

    async def list(self, directory: str, *, unfinished: bool = False) -> AsyncIterator[Entry]:
        """See Medium."""
        if not getattr(self._filesystem, "CAN_TRAVERSE", True):
            raise Unlisted("it cannot be listed", hint="use another kind of remote for that")
        fs = self._fs or await self._opened()
        fs.invalidate_cache()
        try:
            found = await self._call("find", self._full(directory).rstrip("/"), detail=True)
        except FileNotFoundError as error:
            if not await self._is_absent(error):
                raise
            return
        below = self._base.strip("/") + "/"
        for name, info in found.items():
            path = name.strip("/").removeprefix(below)
            if unfinished or not path.endswith(".tmp"):
                yield Entry(path, info.get("size") or 0, _modified(info))

    async def delete(self, paths: Sequence[str]) -> None:
        """See Medium."""
        limit = asyncio.Semaphore(self.jobs)

        async def remove(path: str) -> None:
            async with limit:
                try:
                    await self._call("rm_file", self._full(path))
                except FileNotFoundError as error:
                    if not await self._is_absent(error):
                        raise

        async with asyncio.TaskGroup() as group:
            for path in paths:
                group.create_task(remove(path))

    def explain(self, error: BaseException) -> Trouble | None:
        """See Medium."""
        if isinstance(error, BaseExceptionGroup):
            return self.explain(error.exceptions[0])
        if isinstance(error, CassetteError):
            return None
        if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
            return self.explain(error.__cause__)
        if trouble := _STATUSES.get(_status(error)):
            return trouble
        for cls in type(error).__mro__:
            if trouble := _CLASSES.get(cls.__name__):
                return trouble
        return Trouble(f"{type(error).__name__}: {_harmless(str(error))}", _CHECK)

    async def _write_aside(self, full: str, data: bytes) -> None:
        await self._make(dirname(full))
        aside = f"{dirname(full)}/.{secrets.token_hex(8)}.tmp"
        try:
            await self._call("pipe_file", aside, data)
            if await self._call("exists", full):  # not every MOVE replaces
                await self._call("rm_file", full)
            await self._call("mv", aside, full)
        except BaseException:
            await asyncio.shield(self._forget(aside))
            raise

    async def _make(self, directory: str) -> None:
        if directory not in self._made:
            await self._call("makedirs", directory, exist_ok=True)
            self._made.add(directory)

    async def _forget(self, aside: str) -> None:
        try:
            await self._call("rm_file", aside)
        except Exception:  # noqa: BLE001 - what stopped the writing is what counts
            return

    async def _is_absent(self, error: FileNotFoundError) -> bool:
        """Whether a file is; raises when the bucket that should hold it is not there."""
        if not _says_absent(error.__cause__):
            return False
        if self._protocol in _BUCKETS:
            bucket = self._base.strip("/").partition("/")[0]
            if not await self._call("exists", bucket):
                raise RemoteError(
                    f"there is no bucket {bucket!r}",
                    hint="make it, or correct the remote's url in .dvc/config",
                )
        return True

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """A method of the file system, on its own event loop or in a thread."""
        fs = self._fs or await self._opened()
        work = getattr(fs, f"_{method}", None) if getattr(fs, "async_impl", False) else None
        if work is None:
            return await in_thread(partial(getattr(fs, method), *arguments, **options))
        task = asyncio.run_coroutine_threadsafe(work(*arguments, **options), fs.loop)
        return await asyncio.wrap_future(task)

    async def _opened(self) -> Any:
        async with self._opening:
            if self._fs is None:
                self._fs = await in_thread(lambda: self._filesystem.fs)
            return self._fs

    def _full(self, path: str) -> str:
        return f"{self._base}/{path}"


def _says_absent(cause: BaseException | None) -> bool:
    """Whether what is behind a FileNotFoundError means that; HTTP's is raised for a closed port too."""
    if cause is None or isinstance(cause, FileNotFoundError | LookupError):
        return True
    return _status(cause) in (404, 410) or "NotFound" in type(cause).__name__


def _modified(info: dict[str, Any]) -> float:
    """Seconds since the epoch; now where the file system does not say: nothing is old by mistake."""
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return time()


def _status(error: BaseException) -> int:
    """The HTTP status that an exception stands for, 0 when none."""
    for name in ("status", "status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return 0


def _harmless(text: str) -> str:
    """Another's words, without user information and queries, which hold tokens."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text[:_LONGEST]
