"""The bytes behind a merge conflict: each side's, wherever they are, and the chosen one's in place.

In the middle of a merge the manifest names nothing, so nothing here asks it. Git has what each side
committed: in the index's stages, and at the commits that are being merged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..digest import BlobKey, Digest, Kind
from ..errors import BlobCorrupt, BlobMissing, IntegrityError
from ..files import atomic_write, read_bytes, remove
from ..project import Project
from ..store.base import is_intact, unpack_verified
from ..store.remote.medium import Medium
from . import git
from .homes import pointer_of

# Index stages, then what each command that merges calls the commits it is at.
_STAGES = (":2:", ":3:", ":1:")
_COMMITS = ("MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")
_REVISIONS = (
    "HEAD:",
    *(f"{commit}:" for commit in _COMMITS),
    *(f"{commit}^:" for commit in _COMMITS[1:]),
    "HEAD^2:",  # markers that were committed
    "HEAD^1:",
    "stash@{0}:",
)


def versions(project: Project, path: Path) -> Iterator[bytes]:
    """What Git has of a file, of each side of a merge; nothing outside of a repository."""
    root = project.config.root
    name = Path(os.path.relpath(path, root)).as_posix()
    for place in (*_STAGES, *_REVISIONS):
        if (data := git.read(root, "cat-file", "blob", f"{place}./{name}")) is not None:
            yield data
    # The index lacks the base of a file that Git took for a renamed one.
    base = git.ask(root, "merge-base", "HEAD", "MERGE_HEAD")
    if base and (data := git.read(root, "cat-file", "blob", f"{base}:./{name}")) is not None:
        yield data


def find(project: Project, test_id: str, key: BlobKey) -> bytes | None:
    """The verified bytes of one side: from the cache, the work tree, Git, or the remote.

    Raises
    ------
    RemoteError
        When they can only be on the remote, and it cannot be asked.
    """
    if (data := _here(project, test_id, key)) is not None:
        return data
    if project.place is None:
        return None
    if project.storage.mode == "dvc-pointers":
        return _pointed(project, test_id, key)
    return next((fetched.data for fetched in project.fetch([key])), None)


def place(project: Project, test_id: str, kind: Kind, digest: Digest | None) -> list[Path]:
    """Have a test's payload, or its pointer, be that of a digest; ``None``: have none.

    Returns the files that were looked after.

    Raises
    ------
    BlobMissing
        When the bytes are nowhere; nothing has changed.
    """
    store = project.payloads(test_id)
    path = store.path(test_id, kind)
    if digest is None:
        remove(pointer_of(path))
        store.remove(test_id, kind)
        return [path, pointer_of(path)]
    key = BlobKey(kind, digest)
    if project.storage.mode == "dvc-pointers" and (pointer := _pointer(project, path, digest)) is not None:
        if read_bytes(pointer_of(path)) != pointer:
            atomic_write(pointer_of(path), pointer)
        if not is_intact(
            key, read_bytes(path)
        ):  # DVC's cache has what is there; `pull` brings the chosen one
            store.remove(test_id, kind)
        return [pointer_of(path)]
    look = _in_git if project.storage.mode == "dvc" else _here
    data = look(project, test_id, key)
    if data is None and project.place is not None:  # this side keeps it on the remote
        remove(pointer_of(path))
        store.remove(test_id, kind)
        return [path, pointer_of(path)]
    if data is None:
        raise BlobMissing(
            f"{test_id}: the {kind.value} snapshot {digest.short} that was chosen is nowhere: not in Git's"
            f" versions of {project.relative(path)}, nor in the cache",
            hint="git fetch, then choose again; or choose the other side, or record it again",
        )
    store.put_for(test_id, key, data)
    return [path]


def _here(project: Project, test_id: str, key: BlobKey) -> bytes | None:
    with suppress(BlobCorrupt):  # another copy may be whole
        if (kept := project.keep.get(key)) is not None:
            return kept
    return _in_git(project, test_id, key)


def _in_git(project: Project, test_id: str, key: BlobKey) -> bytes | None:
    path = project.payloads(test_id).path(test_id, key.kind)
    if (stored := read_bytes(path)) is not None and is_intact(key, stored):
        return unpack_verified(key, stored, str(path))
    found = (data for data in versions(project, path) if is_intact(key, data))
    return next((unpack_verified(key, data, str(path)) for data in found), None)


def _pointer(project: Project, payload: Path, digest: Digest) -> bytes | None:
    """The pointer file of a digest, as one of the sides has it."""
    from ..store.pointer_files import Pointer

    path = pointer_of(payload)
    for data in (read_bytes(path) or b"", *versions(project, path)):
        try:
            if Pointer.load(data, str(path)).digest == digest:
                return data
        except IntegrityError:  # with markers of a conflict, say
            continue
    return None


def _pointed(project: Project, test_id: str, key: BlobKey) -> bytes | None:
    from ..store.dvc_repository import open_repository
    from ..store.pointer_files import Pointer
    from ..store.remote.remote import Remote

    path = project.payloads(test_id).path(test_id, key.kind)
    if (data := _pointer(project, path, key.digest)) is None:
        return None
    place, pointer = project.storage.require(), Pointer.load(data, str(path))
    with open_repository(place) as dvc:
        found = dvc.cached(pointer.md5)
    if not is_intact(key, found):
        remote = Remote(place, "files/md5")
        found = remote.one(partial(_read, pointer.address))
    return found if is_intact(key, found) else None


async def _read(address: str, medium: Medium) -> bytes | None:
    return await medium.read(address)
