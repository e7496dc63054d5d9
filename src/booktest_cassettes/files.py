"""Files that are whole or absent: atomic write, lock, safe names. The only user of ``os.replace``."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .digest import short_hash
from .errors import StorageError

_TEMP_PREFIX = ".tmp-"
_NAME_LIMIT = 120  # bytes; leaves room for suffixes below the 255 of common file systems
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@contextmanager
def storage_errors(action: str, path: Path) -> Iterator[None]:
    """Turn what the operating system says about ``path`` into a :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = error.filename if isinstance(error.filename, str) else path
        raise StorageError(
            f"cannot {action} {path}: {reason} ({where})",
            hint=f"check that {path.parent} is a directory you may write to, with space left",
        ) from error


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader, or a crash, sees the old bytes or the new ones.

    The bytes go to a temporary file in the same directory, are flushed to disk, and take the name
    in one step; the directory entry is flushed last.

    Raises
    ------
    StorageError
        When the file system refuses; ``path`` is then unchanged and no temporary file stays.
    """
    with storage_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMP_PREFIX, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o666 & ~_umask())
            os.replace(name, path)  # noqa: PTH105 - one spelling of the atomic step, easy to find
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        _sync_directory(path.parent)


def _umask() -> int:
    # The mask can only be read by setting it; mkstemp's 0600 would shut teammates out of a share.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open a directory
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes | None:
    """The bytes of ``path``, or ``None`` when there is no such file.

    Raises
    ------
    StorageError
        When something is there but cannot be read.
    """
    with storage_errors("read", path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def remove(path: Path) -> None:
    """Delete ``path`` if it is there."""
    with storage_errors("delete", path):
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold an exclusive lock beside ``path`` (``<path>.lock``) across processes.

    Parameters
    ----------
    path:
        What the lock is about; it need not exist.
    timeout:
        Seconds to wait for another process.

    Raises
    ------
    StorageError
        When the lock is not free in time.
    """
    from filelock import FileLock, Timeout  # only writers lock: a replay never loads it

    lock = path.with_name(path.name + ".lock")
    with storage_errors("lock", path):
        lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=timeout):
            yield
    except Timeout:
        raise StorageError(
            f"another process holds {lock} for more than {timeout:.0f} s",
            hint="wait for it to end and run the command again",
        ) from None


def safe_name(text: str) -> str:
    """A file name that is legal everywhere and different for different ``text``.

    Plain names are kept; anything altered (separators, reserved names, over-long) gets a hash of the
    original, so two ids never share a file.
    """
    name = re.sub(r"[^A-Za-z0-9._\-\[\]=,+@ ]", "_", text).strip(" ")
    name = name.rstrip(". ")
    if _is_plain(name, text):
        return name
    stem = name.lstrip(".")[:_NAME_LIMIT] or "_"
    return f"{stem.rstrip('. ')}-{short_hash(text)}"


def _is_plain(name: str, text: str) -> bool:
    return (
        name == text
        and bool(name)
        and not name.startswith(".")
        and len(name) <= _NAME_LIMIT
        and not _RESERVED.match(name)
    )
