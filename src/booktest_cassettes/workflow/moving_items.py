"""Where each approved snapshot of a project is now, and its bytes, wherever they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..digest import BlobKey, Digest
from ..errors import BlobCorrupt, IntegrityError
from ..files import exists, read_bytes
from ..project import Project
from ..storage import Mode
from ..store.base import is_intact
from ..store.pointer_files import Pointer
from .homes import pointer_of
from .transfer import Progress


@dataclass(frozen=True, slots=True)
class Item:
    """One approved snapshot, and what the work tree has of it.

    Attributes
    ----------
    test_id, key, payload:
        Whose it is, its digest, and where its payload is, or would be.
    size:
        Bytes of the payload; ``None``: there is none.
    has_pointer:
        DVC's pointer file is beside it.
    """

    test_id: str
    key: BlobKey
    payload: Path
    size: int | None
    has_pointer: bool

    @property
    def pointer(self) -> Path:
        """Where its pointer file is, or would be."""
        return pointer_of(self.payload)

    @property
    def home(self) -> Mode:
        """Where it lives."""
        if self.has_pointer:
            return "dvc-pointers"
        return "dvc" if self.size is None else "git"


def items(project: Project, tests: Iterable[str]) -> list[Item]:
    """The snapshots of these approved tests."""
    return [
        _item(project, test_id, BlobKey(kind, digest))
        for test_id in tests
        for kind, digest in project.manifest.get(test_id).items()
    ]


def _item(project: Project, test_id: str, key: BlobKey) -> Item:
    payload = project.payloads(test_id).path(test_id, key.kind)
    size = payload.stat().st_size if exists(payload) else None
    return Item(test_id, key, payload, size, exists(pointer_of(payload)))


def points(item: Item) -> bool:
    """Whether its pointer file is there, and of this recording."""
    return _digest_of(read_bytes(item.pointer)) == item.key.digest


def _digest_of(stored: bytes | None) -> Digest | None:
    try:
        return Pointer.load(stored, "").digest if stored is not None else None
    except IntegrityError:
        return None


def is_whole(item: Item) -> bool:
    """Whether its payload is there, and intact."""
    return is_intact(item.key, read_bytes(item.payload))


def bytes_of(project: Project, item: Item) -> bytes | None:
    """Its bytes, of whichever copy on this machine is intact."""
    try:
        data = project.keep.get(item.key)
    except BlobCorrupt:
        data = None
    if data is None and (stored := read_bytes(item.payload)) is not None and is_intact(item.key, stored):
        data = stored
    return data


@dataclass(frozen=True)
class Gathered:
    """What :func:`gather` could not do: the snapshots that are nowhere, each with the reason."""

    lost: Sequence[tuple[Item, IntegrityError]] = ()


def gather(project: Project, wanted: Sequence[Item], progress: Progress) -> Gathered:
    """Have the bytes of all these on this machine, in keep where they are in no payload.

    Raises
    ------
    RemoteError, StorageError
        When the remote or the disk refuses; what came until then stays.
    """
    lacking = _lacking(project, wanted)
    if not lacking:
        return Gathered()
    for key in lacking:
        if project.keep.has(key):  # corrupt, or it would not be lacking
            project.set_aside(key)
    total, size = len(lacking), 0
    for done, (key, data) in enumerate(_from_pointers(project, lacking), 1):
        project.keep.put(key, data)
        size += len(data)
        progress(done, total, size)
    rest = [key for key in lacking if not project.keep.has(key)]
    wrong: dict[BlobKey, IntegrityError] = {}
    for done, fetched in enumerate(project.fetch(rest) if rest and project.place else (), total - len(rest)):
        size += fetched.size
        if fetched.corrupt is not None:
            wrong[fetched.key] = fetched.corrupt
        progress(done + 1, total, size)
    # Of every test that needs it: each has a payload of its own to look for.
    return Gathered(
        [
            (item, wrong.get(item.key) or _why(project, item))
            for item in wanted
            if item.key in lacking and not project.keep.has(item.key) and bytes_of(project, item) is None
        ]
    )


def _why(project: Project, item: Item) -> IntegrityError:
    """As a replay would say it: missing, or corrupt."""
    try:
        project.approved(item.test_id, item.key.kind, item.key.digest)
    except IntegrityError as error:
        return error
    return project.missing(item.test_id, item.key)


def _lacking(project: Project, wanted: Sequence[Item]) -> dict[BlobKey, Item]:
    """What is nowhere on this machine; what only another test's payload holds is copied to keep."""
    project.prepare_cache()
    without = {item.key: item for item in wanted if bytes_of(project, item) is None}
    for item in wanted if without else ():
        if item.key in without and (data := bytes_of(project, item)) is not None:
            project.keep.put(item.key, data)
            del without[item.key]
    return without


def _from_pointers(project: Project, lacking: Mapping[BlobKey, Item]) -> Iterator[tuple[BlobKey, bytes]]:
    behind = {key: item for key, item in lacking.items() if item.has_pointer}
    if not behind or project.place is None:
        return
    from ..store.pointer_past import payloads_of

    stored = {key: read_bytes(item.pointer) or b"" for key, item in behind.items()}
    yield from payloads_of(project.place, stored)
