"""Files that are whole or absent: atomic write, lock, safe names. The only user of ``os.replace``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EINVAL, ENOSYS, ENOTSUP
from pathlib import Path
from typing import BinaryIO

from .digest import short_hash
from .errors import StorageError

# What file systems say that cannot flush a directory (network shares, FUSE) or will not let us open it.
_NO_DIRECTORY_SYNC = frozenset({EACCES, EINVAL, ENOSYS, ENOTSUP})

_UNSAFE = re.compile(r"[^A-Za-z0-9._\-\[\]=,+@ ]")
# Windows looks at what stands before the first dot only: `con.txt` is the console, too.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d) *(?:\.|\Z)", re.IGNORECASE)
_HASH_LENGTH = 16
_HASHED = re.compile(rf"-[0-9a-f]{{{_HASH_LENGTH}}}\Z")
_NAME_LIMIT = 120  # bytes; with a hash and a suffix still far below the 255 of common file systems


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


def atomic_write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` to ``path`` so that a reader, or a crash, sees the old bytes or the new ones.

    The bytes go to a temporary file in the same directory, are flushed to disk, and take the name
    in one step; the directory entry is flushed last. The new file has the mode that the umask asks for.
    A symbolic link is replaced, not followed.

    Parameters
    ----------
    path, data:
        Where, and what.
    durable:
        False for what can be had again: nothing is flushed. A killed process still leaves the old bytes
        or the new ones; a power failure may leave a file cut short.

    Raises
    ------
    StorageError
        When the file system refuses. No temporary file stays, and ``path`` is unchanged, unless it
        is the very last step that fails: then it holds the new bytes.
    """
    temporary = path.with_name(f"{_temporary_stem(path)}{os.urandom(8).hex()}.tmp")
    with storage_errors("write", path):
        try:
            with _opened(temporary) as stream:
                stream.write(data)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            os.replace(temporary, path)  # noqa: PTH105 - one spelling of the atomic step, easy to find
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            _sync_directory(path.parent)


def _opened(temporary: Path) -> BinaryIO:
    try:
        return temporary.open("xb")
    except FileNotFoundError:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        return temporary.open("xb")


def _temporary_stem(path: Path) -> str:
    return f".{path.name[:50]}."  # at most 200 bytes, whatever the target is called


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open a directory
        return
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise


def sweep_temporary(path: Path) -> None:
    """Delete what a killed :func:`atomic_write` to ``path`` left; nobody may be writing to it now."""
    left = re.compile(re.escape(_temporary_stem(path)) + r"[0-9a-f]{16}\.tmp")
    for name in list_names(path.parent):
        if left.fullmatch(name):
            remove(path.with_name(name))


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


def exists(path: Path) -> bool:
    """Whether something is at ``path``.

    Raises
    ------
    StorageError
        When that cannot be told; ``Path.exists`` would say no.
    """
    with storage_errors("read", path):
        try:
            path.stat()
        except FileNotFoundError:
            return False
        return True


def list_names(directory: Path) -> list[str]:
    """The names in a directory, sorted; none when it is absent.

    Raises
    ------
    StorageError
        When it cannot be listed, or is no directory; ``Path.glob`` would find nothing.
    """
    with storage_errors("list", directory):
        try:
            return sorted(os.listdir(directory))  # noqa: PTH208 - names are all that is wanted
        except FileNotFoundError:
            return []


def remove(path: Path) -> None:
    """Delete ``path`` if it is there."""
    with storage_errors("delete", path):
        path.unlink(missing_ok=True)


def move(path: Path, to: Path) -> None:
    """Give a file another name, in one step; raises StorageError."""
    with storage_errors("move", path):
        to.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, to)  # noqa: PTH105 - as above


def remove_empty(directory: Path, *, top: Path) -> None:
    """Delete ``directory`` and those above it while they are empty; never ``top`` or what is above it.

    That one cannot be deleted is no error: Git does not see empty directories.
    """
    while directory != top and top in directory.parents:
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


@contextmanager
def locked(path: Path, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold an exclusive lock beside ``path`` (``<path>.lock``) across processes and threads.

    Parameters
    ----------
    path:
        What the lock is about; it need not exist.
    timeout:
        Seconds to wait for another process.

    Raises
    ------
    StorageError
        When the lock is not free in time, or its file cannot be made.
    """
    from filelock import FileLock, Timeout  # only writers lock: a replay never loads it

    lock = FileLock(path.with_name(path.name + ".lock"))
    with storage_errors("lock", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=timeout, poll_interval=0.005)
        except Timeout:
            raise StorageError(
                f"another process holds {lock.lock_file} for more than {timeout:g} s",
                hint="wait for it to end and run the command again",
            ) from None
        except NotImplementedError as error:  # how filelock says that the file system has no locks
            raise StorageError(f"cannot lock {lock.lock_file}: {error}") from None
    try:
        yield
    finally:
        lock.release()


def legal_name(text: str) -> str:
    """A file name of at most 121 bytes that Linux, macOS and Windows accept; ``text`` itself if it is one.

    Different texts may get the same name: see :func:`safe_name`.
    """
    name = _UNSAFE.sub("_", text[:_NAME_LIMIT]).strip(". ") or "_"
    return f"_{name}" if _RESERVED.match(name) else name


def hashed_name(name: str, text: str) -> str:
    """``name`` (a legal one) with a hash of ``text``, that no plain :func:`safe_name` ends with."""
    return f"{name}-{short_hash(text, _HASH_LENGTH)}"


def is_hashed(name: str) -> bool:
    """Whether a name looks like one of :func:`hashed_name`."""
    return _HASHED.search(name) is not None


def safe_name(text: str) -> str:
    """A file name that is legal everywhere and different for different ``text``.

    Plain names are kept. Anything altered (separators, reserved names, over-long), anything that ends
    like a hash and anything with an upper-case letter gets a hash of the original: macOS and Windows
    do not tell ``GET`` from ``get``.
    """
    name = legal_name(text)
    if name == text and name == name.lower() and not is_hashed(name):
        return name
    return hashed_name(name, text)
