"""The DVC repository around a project: its cache, its transfers, its locks. Loads the ``dvc`` package.

DVC believes its cache and its remotes; whoever uses this looks at the bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigError, RemoteError, StorageError
from ..files import locked, read_bytes, storage_errors
from .pointer_files import md5_of
from .remote.place import Place

_PATIENCE = 900.0  # seconds that another process of ours may hold DVC
_LOGGERS = ("dvc", "dvc_data", "dvc_objects")


@contextmanager
def open_repository(place: Place) -> Iterator[DvcRepository]:
    """The repository of a remote, ours alone meanwhile: DVC gives up where two processes use it at once.

    Raises
    ------
    StorageError
        When another process does not let go of it, or the disk refuses.
    RemoteError
        For whatever else DVC has to say, there or in the body.
    """
    from dvc.repo import Repo, lock_repo

    with (
        locked(place.dvc_dir / "tmp" / "booktest-cassettes", timeout=_PATIENCE),
        _silence(),
        _explained(place),
        Repo(str(place.dvc_dir.parent.absolute())) as repo,
        lock_repo(repo),
    ):
        yield DvcRepository(repo, place)


class DvcRepository:
    """What :func:`open_repository` gives.

    Parameters
    ----------
    repo:
        DVC's ``Repo``.
    place:
        The remote that is used.
    """

    def __init__(self, repo: Any, place: Place) -> None:
        self._repo = repo
        self._place = place
        self._cache = repo.cache.local

    @property
    def has_default(self) -> bool:
        """Whether the remote is the one that DVC's own commands use unless told otherwise."""
        return bool(self._place.name == (self._repo.config["core"].get("remote") or "").lower())

    def check_visible(self, files: Iterable[Path]) -> None:
        """Refuse files that DVC passes over: it would not pull them, and ``dvc gc`` collect their objects.

        Raises
        ------
        ConfigError
            With the command that shows which pattern it is.
        """
        patterns = self._repo.dvcignore
        files = [file.absolute() for file in files]
        root = Path(self._repo.root_dir)
        above = _directories(files, root)
        if not any(_has_patterns(directory) for directory in (root, *above)):
            return  # as nearly always; DVC takes a millisecond for each file to find that out
        hidden = {directory for directory in above if patterns.is_ignored_dir(str(directory))}
        for file in files:
            if patterns.is_ignored_file(str(file)) or hidden.intersection(file.parents):
                raise ConfigError(
                    f".dvcignore makes DVC ignore {file}", hint=f"dvc check-ignore -d {str(file)!r}"
                )

    def check_tracked(self, files: Iterable[Path]) -> None:
        """Refuse files that Git ignores, as DVC does later on.

        Raises
        ------
        ConfigError
            With the command that shows which pattern it is.
        """
        from dvc.dvcfile import is_git_ignored

        for file in files:
            if is_git_ignored(self._repo, str(file.absolute())):
                raise ConfigError(f"Git ignores {file}", hint=f"git check-ignore -v {str(file)!r}")

    def fill(self, sources: Mapping[str, Path]) -> None:
        """Copy files into the cache by their md5, all at once.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        with storage_errors("write to DVC's cache", Path(self._cache.path)):
            for md5 in sources:
                self.cached(md5)
            files = [str(path.absolute()) for path in sources.values()]
            self._cache.add(files, self._repo.fs, list(sources))

    def cached(self, md5: str) -> bytes | None:
        """The bytes that the cache has under an md5. Others are deleted: DVC would go on believing them."""
        data = read_bytes(self.cache_path(md5))
        if data is None or md5_of(data) == md5:
            return data
        self._cache.delete(md5)
        return None

    def cache_path(self, md5: str) -> Path:
        """Where the cache has it, or would have it."""
        return Path(self._cache.oid_to_path(md5))

    def upload(self, md5s: Iterable[str], jobs: int | None, moved: Callable[[int], None]) -> None:
        """Objects from cache to remote, by one call; see :meth:`_transfer`."""
        there = self._repo.cloud.get_remote_odb(self._place.name, "push")
        self._transfer(self._cache, there, md5s, jobs, moved)

    def download(self, md5s: Iterable[str], jobs: int | None, moved: Callable[[int], None]) -> None:
        """Objects from remote to cache, by one call; see :meth:`_transfer`."""
        from dvc_data.hashfile.db import HashFileDB

        there = self._repo.cloud.get_remote_odb(self._place.name, "pull")
        # On a share, DVC's own class deletes what it finds corrupt: not what reading is to do.
        self._transfer(HashFileDB(there.fs, there.path, hash_name="md5"), self._cache, md5s, jobs, moved)

    def _transfer(
        self, source: Any, target: Any, md5s: Iterable[str], jobs: int | None, moved: Callable[[int], None]
    ) -> None:
        """Move what can be moved. How it went is not told: callers look at what has arrived.

        DVC's word for it is worth nothing, and its exceptions are those of forty libraries.
        """
        from dvc_data.hashfile.hash_info import HashInfo
        from fsspec.callbacks import Callback

        objects = {HashInfo("md5", md5) for md5 in md5s}
        callback = Callback(hooks={"moved": lambda _, value, **__: moved(value)})
        try:
            self._repo.cloud.transfer(
                source, target, objects, jobs=jobs, cache_odb=self._cache, callback=callback
            )
        except Exception:  # the remote is asked next, object by object, in our words
            logging.getLogger(__name__).debug("DVC's transfer failed", exc_info=True)


def _directories(files: Iterable[Path], root: Path) -> set[Path]:
    """Those that lie between files and the root."""
    found: set[Path] = set()
    for file in files:
        directory = file.parent
        while directory != root and directory not in found and directory != directory.parent:
            found.add(directory)
            directory = directory.parent
    return found


def _has_patterns(directory: Path) -> bool:
    lines = (read_bytes(directory / ".dvcignore") or b"").splitlines()
    return any(line.strip() and not line.startswith(b"#") for line in lines)


@contextmanager
def _silence() -> Iterator[None]:
    """No bars, no log lines of DVC's between ours: its bars hide where its loggers are this quiet."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """What DVC raises, in the words of our errors."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc_objects.errors import ObjectDBError
    from dvc_objects.fs.errors import AuthError, RemoteMissingDepsError

    try:
        yield
    except LockError:
        raise StorageError(
            f"another DVC command is at work in {place.dvc_dir.parent}",
            hint=f"wait for it to end; if there is none, see {place.dvc_dir / 'tmp' / 'lock'}",
        ) from None
    except (DvcException, ObjectDBError, AuthError, RemoteMissingDepsError) as error:
        raise RemoteError(f"{place}: {error}", hint=f"dvc remote modify {place.name!r} ...") from error
    except OSError as error:
        raise StorageError(
            f"DVC at {place.dvc_dir}: {error}", hint="check the disk and its rights"
        ) from error
