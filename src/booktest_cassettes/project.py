"""One project: its configuration, manifest and stores, opened once per process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from shlex import quote

from .config import Config, find_root, load_config
from .digest import BlobKey, Digest, Kind
from .errors import BlobCorrupt, BlobMissing, RemoteError
from .files import atomic_write
from .manifest import Manifest, load
from .store.base import BlobStore
from .store.chain import ChainStore
from .store.git import GitStore
from .store.local import LocalStore
from .store.pending import Change, Pending, PendingRecords


class Project:
    """What belongs to one root directory.

    Parameters
    ----------
    config:
        Loaded configuration; its ``root`` is the project's.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.storage, self.notice = _storage_mode(config)
        cache = config.cache_dir
        self.keep = LocalStore(cache, compress=config.compress)
        self.staging = LocalStore(cache / "staging", compress=config.compress)
        self.pending = PendingRecords(cache / "staging" / "pending")
        self._stamp: tuple[int, ...] | None = None

    @classmethod
    def open(cls, start: Path, overrides: Mapping[str, object] | None = None) -> Project:
        """The project that ``start`` (a directory) lies in; raises ConfigError."""
        root = find_root(start)
        return cls(load_config(root, overrides=overrides or {}, environ=os.environ))

    def is_stale(self) -> bool:
        """Whether the manifest on disk is another one than was read."""
        return "manifest" in self.__dict__ and self._stamp != _stamp(self.config.manifest)

    @cached_property
    def manifest(self) -> Manifest:
        """The approved digests, read once; raises ManifestError."""
        self._stamp = _stamp(self.config.manifest)
        return load(self.config.manifest)

    def stage(self, test_id: str, blobs: Mapping[Kind, bytes]) -> dict[Kind, Change]:
        """Put what a test recorded into staging, to be reviewed.

        Parameters
        ----------
        test_id:
            Whose they are.
        blobs:
            Canonical bytes by kind; all there is of the test.

        Returns
        -------
        dict
            The kinds that differ from what is approved; ``staged`` is ``None`` for one that is gone.

        Raises
        ------
        StorageError
            When the disk refuses; an earlier record of the test then still stands.
        """
        base = self.manifest.get(test_id)
        staged = {kind: Digest.of(data) for kind, data in blobs.items()}
        changes = {
            kind: Change(base.get(kind), staged.get(kind))
            for kind in Kind
            if base.get(kind) != staged.get(kind)
        }
        self.prepare_cache()
        with self.pending.exclusive():
            if not changes:
                self.pending.remove(test_id)
                return {}
            for kind, change in changes.items():
                if change.staged is not None:
                    self.staging.put(BlobKey(kind, change.staged), blobs[kind])
            self.pending.save(Pending(test_id, changes))
        return changes

    def prepare_cache(self) -> None:
        """Make the cache directory, ignored by Git from its first moment on."""
        ignore = self.config.cache_dir / ".gitignore"
        if not ignore.is_file():
            atomic_write(ignore, b"# made by booktest-cassettes\n*\n")

    def git_store(self, manifest: Manifest | None = None) -> GitStore:
        """The payload files, named by the tests of ``manifest`` (default: the approved one)."""
        owners: dict[BlobKey, list[str]] = {}
        for test_id, kinds in (manifest or self.manifest).entries.items():
            for kind, digest in kinds.items():
                owners.setdefault(BlobKey(kind, digest), []).append(test_id)
        return GitStore(self.config.snapshots_dir, lambda key: owners.get(key, ()), lambda: owners)

    def test_store(self, test_id: str) -> BlobStore:
        """The look-up chain for one test's approved blobs: keep, then its Git payload."""
        payloads = GitStore(self.config.snapshots_dir, lambda _: (test_id,))
        return ChainStore((self.keep, payloads))

    def approved(self, test_id: str, kind: Kind, digest: Digest) -> bytes:
        """The verified bytes of one approved blob.

        Raises
        ------
        BlobMissing, BlobCorrupt, StorageError
            When it is nowhere, changed, or cannot be read.
        """
        key = BlobKey(kind, digest)
        try:
            data = self.test_store(test_id).get(key)
        except BlobCorrupt as error:
            raise BlobCorrupt(f"{test_id}: {error.message}", hint=self._restore_hint(test_id, key)) from None
        if data is None:
            raise self.missing(test_id, key)
        return data

    def missing(self, test_id: str, key: BlobKey) -> BlobMissing:
        """The error for a manifest line whose blob is nowhere."""
        payload = self.relative(self._payload(test_id, key))
        return BlobMissing(
            f"{test_id}: its approved {key.kind.value} snapshot {key.digest.short} is missing: {payload}"
            f" (and not in {self.relative(self.keep.root)})",
            hint=self._restore_hint(test_id, key),
        )

    def _restore_hint(self, test_id: str, key: BlobKey) -> str:
        record = f"record it again: booktest-cassettes run -S -- {quote(test_id)}"
        if self.keep.has(key):
            return f"delete {quote(self.relative(self.keep.path(key)))}, or {record}"
        return f"git checkout -- {quote(self.relative(self._payload(test_id, key)))}, or {record}"

    def _payload(self, test_id: str, key: BlobKey) -> Path:
        return GitStore(self.config.snapshots_dir, lambda _: (test_id,)).path(test_id, key.kind)

    def relative(self, path: Path) -> str:
        """A path as a person would type it from the root."""
        try:
            return path.relative_to(self.config.root).as_posix()
        except ValueError:
            return str(path)

    def test_id(self, base: Path, test_id: str) -> str:
        """A test id relative to ``base`` (pytest's root directory), made relative to the root."""
        file, mark, rest = test_id.partition("::")
        path = Path(os.path.relpath(base / file, self.config.root)).as_posix()
        return f"{path}{mark}{rest}"


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:  # absent, or load() will say what is wrong with it
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _storage_mode(config: Config) -> tuple[str, str]:
    """The mode in force, and what to tell the user about a fallback (``""``: nothing)."""
    if config.storage_mode == "git":
        return "git", ""
    lacking = " and ".join(_lacking(config.root))
    required = config.require_dvc_in_ci and config.ci
    if config.storage_mode != "auto" or required or config.fallback_mode != "git":
        raise RemoteError(
            f"storage mode {config.storage_mode!r} needs DVC, but {lacking}",
            hint='set storage.mode = "git" to keep recordings in Git',
        )
    return "git", f'storage: Git, since {lacking} (storage.mode = "git" silences this)'


def _lacking(root: Path) -> list[str]:
    from importlib.util import find_spec

    found = []
    if not (root / ".dvc").is_dir():
        found.append("there is no DVC repository")
    if find_spec("dvc") is None:
        found.append("no dvc package")
    return found or ["this version has no DVC store yet"]
