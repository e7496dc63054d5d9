"""One project: its configuration, manifest and stores, opened once per process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from .again import WITH_PYTEST, WITH_PYTEST_TOO, Again
from .config import Config, find_root, load_config
from .digest import BlobKey, Digest, Kind
from .errors import BlobCorrupt, BlobMissing, RemoteError, StorageError
from .files import atomic_write, move, read_bytes
from .manifest import Manifest, load
from .storage import decide
from .store.base import BlobStore, is_intact
from .store.chain import ChainStore
from .store.git import GitStore
from .store.local import LocalStore
from .store.pending import Change, Pending, PendingRecords, ResultChange
from .store.remote.place import Place, find_place
from .store.results import ResultFiles
from .store.unpushed import Unpushed

if TYPE_CHECKING:
    from .store.remote.store import Fetched, RemoteStore


class Project:
    """What belongs to one root directory.

    Parameters
    ----------
    config:
        Loaded configuration; its ``root`` is the project's.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.storage = decide(config)
        cache = config.cache_dir
        self.keep = LocalStore(cache, compress=config.compress)
        self.staging = LocalStore(cache / "staging", compress=config.compress)
        self.pending = PendingRecords(cache / "staging" / "pending")
        self.results = ResultFiles(config.snapshots_dir)
        self._stamp: tuple[int, ...] | None = None

        self.unpushed = Unpushed(cache / "unpushed")
        self._remotes: dict[int | None, RemoteStore] = {}
        self._offline: RemoteError | None = None

    @property
    def again(self) -> Again:
        """What runs one of its tests again."""
        return WITH_PYTEST if self.config.runner == "pytest" else WITH_PYTEST_TOO

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
        return self.read_manifest()

    def read_manifest(self) -> Manifest:
        """The approved digests as they are on disk now; raises ManifestError."""
        return load(self.config.manifest, storage_mode=self.storage.header)

    def stage(
        self, test_id: str, blobs: Mapping[Kind, bytes], result: ResultChange | None = None
    ) -> dict[Kind, Change]:
        """Put what a test recorded into staging, to be reviewed.

        Parameters
        ----------
        test_id:
            Whose they are.
        blobs:
            Canonical bytes by kind; all there is of the test.
        result:
            What becomes of its result file, if anything.

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
            if not changes and result is None:
                self.pending.remove(test_id)
                return {}
            for kind, change in changes.items():
                if change.staged is not None:
                    self.staging.put(BlobKey(kind, change.staged), blobs[kind])
            self.pending.save(Pending(test_id, changes, result))
        return changes

    def stage_result(self, test_id: str, result: ResultChange | None) -> bool:
        """Have this, and only this, of a test that was replayed wait for review; ``None``: nothing.

        Returns
        -------
        bool
            False where another recording of the test waits for review: it stays as it is, since the
            result belongs to what is replayed now.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        record = self.pending.load(test_id)
        if record is None and result is None:  # a replay changes nothing, not even a lock file
            return True
        if record is not None and record.changes:
            return False
        self.prepare_cache()
        with self.pending.exclusive():
            record = self.pending.load(test_id)
            if record is not None and record.changes:  # another process was faster
                return False
            if result is None:
                self.pending.remove(test_id)
            else:
                self.pending.save(Pending(test_id, {}, result))
        return True

    def prepare_cache(self) -> None:
        """Make the cache directory, ignored by Git from its first moment on."""
        ignore = self.config.cache_dir / ".gitignore"
        if not ignore.is_file():
            atomic_write(ignore, b"# made by booktest-cassettes\n*\n")

    def set_aside(self, key: BlobKey) -> Path | None:
        """Move a corrupt blob out of keep, where nothing reads it and nothing deletes it.

        Returns where it is now; ``None`` when somebody else did it, or mended it, at the same time.
        """
        aside = (
            self.config.cache_dir / "quarantine" / f"{key.kind.value}-{key.digest.hex}-{os.urandom(4).hex()}"
        )
        self.prepare_cache()
        try:
            move(self.keep.path(key), aside)
        except StorageError:
            if self.keep.has(key):
                raise
            return None
        if not is_intact(key, read_bytes(aside)):
            return aside
        move(aside, self.keep.path(key))
        return None

    def git_store(self, manifest: Manifest | None = None) -> GitStore:
        """The payload files, named by the tests of ``manifest`` (default: the approved one)."""
        owners: dict[BlobKey, list[str]] = {}
        for test_id, kinds in (manifest or self.manifest).entries.items():
            for kind, digest in kinds.items():
                owners.setdefault(BlobKey(kind, digest), []).append(test_id)
        return GitStore(self.config.snapshots_dir, lambda key: owners.get(key, ()), lambda: owners)

    def test_store(self, test_id: str) -> BlobStore:
        """Where one test's approved blobs are on this machine: keep, then its payload."""
        return ChainStore((self.keep, self.payloads(test_id)))

    def approved(self, test_id: str, kind: Kind, digest: Digest) -> bytes:
        """The verified bytes of one approved blob, wherever it is: keep, payload, remote.

        Raises
        ------
        BlobMissing, BlobCorrupt, StorageError
            When it is nowhere, changed, or cannot be read.
        RemoteError
            When it is not on this machine, and the remote cannot be asked.
        """
        key = BlobKey(kind, digest)
        try:
            data = self.test_store(test_id).get(key)
        except BlobCorrupt as error:
            what = error.message.replace(f"{self.config.root}{os.sep}", "", 1)
            hint = self._restore_hint(test_id, key, is_there=True)
            raise BlobCorrupt(f"{test_id}: {what}", hint=hint) from None
        if data is None and self.place is not None and self.storage.mode != "dvc-pointers":
            data = self._fetched(test_id, key)
        if data is None:
            raise self.missing(test_id, key)
        return data

    # -- the remote ------------------------------------------------------------------------------

    @cached_property
    def place(self) -> Place | None:
        """The DVC remote, also of a project that keeps new snapshots in Git; raises RemoteError."""
        if self.storage.mode != "git":
            return self.storage.require()
        try:
            return find_place(self.config.root, self.config.remote)
        except RemoteError:  # most projects in Git have none
            return None

    def remote(self, jobs: int | None = None) -> RemoteStore:
        """Approved blobs on the remote, connected once; raises RemoteError where there is none."""
        from .store.remote.remote import Remote  # a replay from the cache never loads it
        from .store.remote.store import RemoteStore

        if jobs not in self._remotes:
            remote = Remote(self.place or self.storage.require(), self.config.remote_prefix, jobs)
            self._remotes[jobs] = RemoteStore(remote, compress=self.config.compress)
        return self._remotes[jobs]

    def fetch(self, keys: Iterable[BlobKey], jobs: int | None = None) -> Iterator[Fetched]:
        """Bring blobs from the remote into keep; only what is verified gets there.

        Parameters
        ----------
        keys:
            Which.
        jobs:
            Transfers at once; ``None``: what suits the remote.

        Raises
        ------
        RemoteError
            When the remote cannot be asked; what came until then stays. Asked again, it is said again
            without another try: a thousand tests need not wait for a thousand time limits.
        StorageError
            When the disk refuses.
        """
        if self._offline is not None:  # a new one each time: raised again, it would drag every test's frames
            raise RemoteError(self._offline.message, hint=self._offline.hint)
        self.prepare_cache()
        try:
            yield from self.remote(jobs).fetch(keys, self._install)
        except RemoteError as error:
            self._offline = error
            raise

    def _install(self, fetched: Fetched) -> None:
        if fetched.data is not None:
            self.keep.install(fetched.key, fetched.stored)

    def _fetched(self, test_id: str, key: BlobKey) -> bytes | None:
        fetched = next(self.fetch([key]))
        if fetched.corrupt is not None:
            hint = f"have who approved it run booktest-cassettes push --deep{self._or_record(test_id)}"
            raise BlobCorrupt(f"{test_id}: {fetched.corrupt.message}", hint=hint)
        return fetched.data

    def absent(self, wanted: Iterable[tuple[str, BlobKey]]) -> list[tuple[str, BlobKey]]:
        """Those approved snapshots (test ids, each with a key of theirs) that are not on this machine."""
        wanted = list(wanted)
        lacking = self.keep.lacking({key for _, key in wanted})
        return [(test, key) for test, key in wanted if key in lacking and not self._has_payload(test, key)]

    def _has_payload(self, test_id: str, key: BlobKey) -> bool:
        payloads = self.payloads(test_id)
        if self.storage.mode == "dvc-pointers":  # a newer pointer came with Git: the payload is the old one
            return payloads.is_whole(key)
        return payloads.has(key)

    def missing(self, test_id: str, key: BlobKey) -> BlobMissing:
        """The error for a manifest line whose blob is nowhere."""
        payload = self.relative(self.payloads(test_id).path(test_id, key.kind))
        places = [] if self.storage.mode == "dvc" else [payload]
        places += [self.relative(self.keep.root), *([str(self.place)] if self.place else [])]
        return BlobMissing(
            f"{test_id}: its approved {key.kind.value} snapshot {key.digest.short} is missing;"
            f" looked at {', '.join(places)}",
            hint=self._restore_hint(test_id, key, is_there=False),
        )

    def _restore_hint(self, test_id: str, key: BlobKey, *, is_there: bool) -> str:
        record = self._or_record(test_id)
        if self.keep.has(key):
            return f"booktest-cassettes verify, which sets the corrupt copy aside{record}"
        if self.storage.mode == "dvc-pointers":
            pull = f"booktest-cassettes pull -- {quote(test_id)}"
            return f"{pull}\n  or have who approved it run booktest-cassettes push{record}"
        if self.storage.mode == "dvc":
            return f"have who approved it run booktest-cassettes push{record}"
        payload = self.payloads(test_id).path(test_id, key.kind)
        lack = self.storage.lack
        if self.manifest.storage_mode == "dvc" and lack:
            return f"{lack.hint} ({lack.message}, and snapshots here are kept with it){record}"
        where = quote(self.relative(payload))
        lacking = "" if is_there else f"\n  not in Git: have who approved it run git add {where}, and commit"
        return f"git checkout -- {where}{lacking}{record}"

    def _or_record(self, test_id: str) -> str:
        # Forgotten first: where nothing changed, a new recording is the one that is lost, and stages nothing.
        name = quote(test_id)
        return f"\n  or record it again: booktest-cassettes forget {name} && {self.again(test_id)}"

    def payloads(self, test_id: str) -> GitStore:
        """One test's payload files in Git."""
        return GitStore(self.config.snapshots_dir, lambda _: (test_id,))

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
