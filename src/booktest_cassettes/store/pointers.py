"""Payloads that DVC keeps: ``<kind>.json`` ignored by Git, ``<kind>.json.dvc`` committed in its place.

DVC moves them, all in one call; it believes its cache and its remote, so what arrives, there or here,
is read and compared with the sha256 that the manifest has. No replay loads this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..digest import BlobKey, Digest
from ..errors import BlobMissing, ConfigError, IntegrityError, RemoteError
from ..files import atomic_write, read_bytes, remove
from .base import check_put, corrupt
from .dvc_repository import DvcRepository, open_repository
from .pointer_files import Pointer, md5_of
from .pointer_objects import Installing, Progress, Steps, Stored, look, matches, present_of
from .remote.medium import Medium
from .remote.place import Place
from .remote.remote import Remote

_OBJECTS = "files/md5"  # DVC's own tree on a remote
_WRITERS = 8
_IGNORED = "**/_snapshots/*.json"
_IGNORE = (
    f"# made by booktest-cassettes: DVC keeps the payloads, Git the .dvc files beside them\n{_IGNORED}\n"
)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did.

    Attributes
    ----------
    sent:
        Objects that the remote did not have, or had with other bytes.
    verified:
        Objects that were read back, and are right: all of them. Equal payloads are one object.
    size:
        Bytes that were read back.
    """

    sent: int = 0
    verified: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did. Payloads that are in none of its lists were in place before.

    Attributes
    ----------
    written:
        Payloads that are in place now.
    missing:
        Those that the remote does not have, or that have no pointer.
    corrupt:
        Those of which the remote has other bytes, or the pointer is of another recording, each with
        the error that says so; nothing was written.
    size:
        Bytes that were written.
    """

    written: Sequence[Path] = ()
    missing: Sequence[Path] = ()
    corrupt: Mapping[Path, IntegrityError] = field(default_factory=dict)
    size: int = 0


class Pointers:
    """The payloads of a snapshots directory, over one DVC repository.

    Parameters
    ----------
    place:
        The remote they are on.
    snapshots_dir:
        Where they are; within the DVC repository.

    Raises
    ------
    ConfigError
        When it is not.
    """

    def __init__(self, place: Place, snapshots_dir: Path) -> None:
        self.place = place
        self.snapshots_dir = snapshots_dir
        self._root = place.dvc_dir.parent.absolute()
        if not snapshots_dir.resolve().is_relative_to(self._root.resolve()):
            raise ConfigError(
                f"snapshots_dir {snapshots_dir} is not within the DVC repository {self._root}",
                hint="set paths.snapshots_dir to a directory in it, or storage.mode to dvc",
            )

    def pointer(self, payload: Path) -> Path:
        """The file that Git keeps in place of a payload."""
        return payload.with_name(payload.name + ".dvc")

    def ignore(self) -> Path | None:
        """Have Git ignore payloads, by the ``.gitignore`` of the snapshots directory; others' lines stay.

        Returns that file when it was changed.
        """
        path = self.snapshots_dir / ".gitignore"
        stored = read_bytes(path) or b""
        if _IGNORED.encode() in (line.strip() for line in stored.splitlines()):
            return None
        joint = b"\n" if stored and not stored.endswith(b"\n") else b""
        atomic_write(path, stored + joint + _IGNORE.encode())
        return path

    @staticmethod
    def ignore_no_longer(snapshots_dir: Path) -> Path | None:
        """Take back what :meth:`ignore` wrote; others' lines stay. That file, when it was changed."""
        path = snapshots_dir / ".gitignore"
        stored = read_bytes(path) or b""
        ours = _IGNORE.encode().splitlines()
        left = b"".join(line for line in stored.splitlines(keepends=True) if line.strip() not in ours)
        if left == stored:
            return None
        if left:
            atomic_write(path, left)
        else:
            remove(path)
        return path

    def add(self, payloads: Mapping[Path, BlobKey]) -> list[Path]:
        """Copy payloads that are on disk into DVC's cache, then write their pointers.

        Returns the pointer files that changed.

        Raises
        ------
        BlobMissing, BlobCorrupt
            When one is not there, or is not its key's; nothing was written then.
        ConfigError
            When Git or DVC was told to ignore one of the pointers, or DVC one of the payloads.
        StorageError
            When the disk refuses, or another process does not let go of DVC.
        """
        if not payloads:
            return []
        with open_repository(self.place) as dvc:
            elsewhere = None if dvc.has_default else self.place.name
            pointers = {path: _describe(path, key, elsewhere) for path, key in payloads.items()}
            changed = [path for path, pointer in pointers.items() if self._written(path) != pointer]
            dvc.check_tracked(self.pointer(path) for path in changed)
            dvc.check_visible(file for path in changed for file in (path, self.pointer(path)))
            dvc.fill({pointer.md5: path for path, pointer in pointers.items()})
            with ThreadPoolExecutor(_WRITERS) as pool:  # disks flush many files in the time of a few
                list(pool.map(lambda path: atomic_write(self.pointer(path), pointers[path].dump()), changed))
        return [self.pointer(path) for path in changed]

    def remove(self, payload: Path) -> None:
        """Delete a payload's pointer; cache and remote are for ``dvc gc`` to clear."""
        remove(self.pointer(payload))

    def unpushed(self, payloads: Mapping[Path, BlobKey], jobs: int | None = None) -> list[Path]:
        """Those payloads that the remote does not have, by name: bytes are not looked at.

        Raises
        ------
        IntegrityError, RemoteError
            As :meth:`push`.
        """
        objects = self._objects(payloads)
        present = present_of(self._remote(jobs), objects) if objects else set()
        return [path for one in objects if one.address not in present for path in one.payloads]

    def check(
        self, payloads: Mapping[Path, BlobKey], jobs: int | None = None, progress: Progress | None = None
    ) -> dict[Path, IntegrityError]:
        """Read what the remote has of payloads; those that are not there, or not right, with the reason.

        Raises
        ------
        RemoteError
            When the remote is unreachable, or refuses us.
        """
        missing, wrong = self._unusable(payloads)
        usable = {path: key for path, key in payloads.items() if path not in wrong and path not in missing}
        wrong.update({path: self._gone(path) for path in missing})
        objects = self._objects(usable)
        steps = Steps(len(objects), progress)
        for one, data in self._remote(jobs).each(objects, look, weight=lambda found: len(found[1] or b"")):
            if data is None:
                wrong.update({path: self._gone(path) for path in one.payloads})
            elif not matches(one.key, data):
                wrong.update(dict.fromkeys(one.payloads, self._corrupt(one)))
            steps.finish(len(data or b""))
        return wrong

    def _gone(self, payload: Path) -> BlobMissing:
        return BlobMissing(
            f"{payload}: {self.place} does not have it", hint="booktest-cassettes push, where it was approved"
        )

    def _corrupt(self, one: Stored) -> IntegrityError:
        error = corrupt(one.key, f"{self.place} {_OBJECTS}/{one.address}", "it holds other bytes")
        error.hint = "booktest-cassettes push, on a machine that has it, writes it anew"
        return error

    def push(
        self, payloads: Mapping[Path, BlobKey], jobs: int | None = None, progress: Progress | None = None
    ) -> Pushed:
        """Bring payloads to the remote by one call to DVC, then read every one back.

        Other bytes under a payload's address are replaced: DVC would leave them there for good.

        Parameters
        ----------
        payloads:
            With the keys that the manifest has for them.
        jobs:
            Transfers at once; ``None``: as the remote's configuration says, else what suits it.
        progress:
            Is told how far it is.

        Raises
        ------
        RemoteError
            When one is not there, with the right bytes, in the end.
        BlobMissing
            When one has no pointer, or is neither on the remote nor on this machine.
        IntegrityError
            When a pointer is of another recording, or cannot be read.
        """
        objects = self._objects(payloads)
        if not objects:
            return Pushed()
        remote, steps = self._remote(jobs), Steps(len(objects), progress)
        present = present_of(remote, objects)
        absent = [one for one in objects if one.address not in present]
        with open_repository(self.place) as dvc:
            if absent:
                dvc.upload([one.pointer.md5 for one in absent], jobs, steps.counter())
        steps.move(len(objects))
        sent = {one.address for one in absent}
        for one, was_wrong, size in remote.each(objects, _settling(dvc)):
            sent.update([one.address] if was_wrong else [])
            steps.finish(size)
        return Pushed(len(sent), len(objects), steps.size)

    def pull(
        self, payloads: Mapping[Path, BlobKey], jobs: int | None = None, progress: Progress | None = None
    ) -> Pulled:
        """Put payloads in place: from DVC's cache, else from the remote by one call to DVC.

        A payload gets the bytes of its key, or stays as it is.

        Raises
        ------
        RemoteError
            When the remote is unreachable, or refuses us.
        StorageError
            When the disk refuses, or another process does not let go of DVC.
        """
        missing, wrong = self._unusable(payloads)
        usable = [path for path in payloads if path not in wrong and path not in missing]
        lacking = {path: payloads[path] for path in usable if not matches(payloads[path], read_bytes(path))}
        if not lacking:
            return Pulled((), list(missing), wrong)
        objects = self._objects(lacking)
        installing = Installing(Steps(len(objects), progress))
        remote = self._remote(jobs)
        rest = self._fetch(objects, installing, remote, jobs)
        for one, data in remote.each(rest, look, weight=lambda found: len(found[1] or b"")):
            if data is None:
                missing.update(dict.fromkeys(one.payloads))
            elif not installing.install(one, data):
                wrong.update(dict.fromkeys(one.payloads, self._corrupt(one)))
        return Pulled(installing.written, list(missing), wrong, installing.steps.size)

    def _fetch(
        self, objects: Sequence[Stored], installing: Installing, remote: Remote, jobs: int | None
    ) -> Sequence[Stored]:
        """Install what the cache has, then what it has after DVC filled it; the rest is returned."""
        with open_repository(self.place) as dvc:
            rest = [one for one in objects if not installing.install(one, dvc.cached(one.pointer.md5))]
            installing.steps.move(len(objects) - len(rest))
            if rest:
                present_of(remote, rest[:1])  # when it cannot be reached, our words come first
                dvc.download([one.pointer.md5 for one in rest], jobs, installing.steps.counter())
            return [one for one in rest if not installing.install(one, dvc.cached(one.pointer.md5))]

    def _unusable(
        self, payloads: Mapping[Path, BlobKey]
    ) -> tuple[dict[Path, None], dict[Path, IntegrityError]]:
        missing: dict[Path, None] = {}
        wrong: dict[Path, IntegrityError] = {}
        for path, key in payloads.items():
            try:
                self._pointer_of(path, key)
            except BlobMissing:
                missing[path] = None
            except IntegrityError as error:
                wrong[path] = error
        return missing, wrong

    def _objects(self, payloads: Mapping[Path, BlobKey]) -> list[Stored]:
        objects: dict[tuple[str, Digest], Stored] = {}
        for path, key in payloads.items():
            pointer = self._pointer_of(path, key)
            one = objects.setdefault((pointer.md5, key.digest), Stored(pointer, key, []))
            one.payloads.append(path)
        return list(objects.values())

    def _pointer_of(self, payload: Path, key: BlobKey) -> Pointer:
        path = self.pointer(payload)
        stored = read_bytes(path)
        if stored is None:
            raise BlobMissing(f"{path} is not there", hint="git checkout it, or approve the recording again")
        pointer = Pointer.load(stored, str(path))
        if pointer.digest not in (None, key.digest):
            raise IntegrityError(
                f"{path} points to {pointer.digest}, the manifest says {key.digest}",
                hint="git checkout both from one commit, or approve the recording again",
            )
        return pointer

    def _written(self, payload: Path) -> Pointer | None:
        stored = read_bytes(self.pointer(payload))
        try:
            return None if stored is None else Pointer.load(stored, "")
        except IntegrityError:
            return None  # merge markers, say: it is written anew

    def _remote(self, jobs: int | None) -> Remote:
        return Remote(self.place, _OBJECTS, jobs)


def _describe(payload: Path, key: BlobKey, remote: str | None) -> Pointer:
    data = read_bytes(payload)
    if data is None:
        raise BlobMissing(f"{payload} is not there", hint="approve the recording again")
    check_put(key, data, str(payload))
    return Pointer(md5_of(data), len(data), payload.name, key.digest, remote)


def _settling(dvc: DvcRepository) -> Callable[[Medium, Stored], Awaitable[tuple[Stored, bool, int]]]:
    """Reads an object back, and writes it where it is not right; whether that was so, and its size."""

    async def settle(medium: Medium, one: Stored) -> tuple[Stored, bool, int]:
        stored = await medium.read(one.address)
        if stored is not None and matches(one.key, stored):
            return one, False, len(stored)
        data = _own(dvc, one)
        await medium.write(one.address, data)
        if not matches(one.key, await medium.read(one.address)):
            raise RemoteError(
                f"it took {_OBJECTS}/{one.address} without an error, but does not give it back",
                hint="push again; if that stays so, the remote cannot be trusted with anything",
            )
        return one, True, len(data)

    return settle


def _own(dvc: DvcRepository, one: Stored) -> bytes:
    for path in (*one.payloads, dvc.cache_path(one.pointer.md5)):
        data = read_bytes(path)
        if data is not None and matches(one.key, data) and md5_of(data) == one.pointer.md5:
            return data
    raise BlobMissing(
        f"{one.payloads[0]} is neither on the remote nor, with its digest, on this machine",
        hint="push from the machine that approved it, or record the test anew",
    )
