"""The bytes of any snapshot that a manifest named, now or in the past, wherever they still are.

Keep, staging, the payload in the work tree, the payload in its commit, DVC's cache and remote by the pointer
in its commit, our own remote: the first that has bytes of the digest. Nothing but keep is written to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..digest import BlobKey
from ..errors import BlobCorrupt, BlobMissing, CassetteError
from ..files import read_bytes
from ..options import redactor
from ..project import Project
from ..store.base import BlobStore, is_intact, unpack_verified
from . import history
from .cleaning import Clean
from .transfer import Progress, quiet

_CHUNK = 64  # files that Git is asked for at once: all of them are in memory then


@dataclass(frozen=True, slots=True)
class Wanted:
    """A snapshot of a test, named by the manifest of a commit; ``None``: of the work tree."""

    test_id: str
    key: BlobKey
    commit: str | None = None


class Finder:
    """Finds snapshots of one project.

    Parameters
    ----------
    project:
        Whose.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._refused: dict[BlobKey, CassetteError] = {}

    @cached_property
    def clean(self) -> Clean | None:
        """What takes declared secrets out of a text; ``None`` where none is declared."""
        found = redactor(self.project.config)
        return found.text if found.declares else None

    def fetch(self, wanted: Iterable[Wanted], progress: Progress = quiet) -> None:
        """Bring what is not on this machine into keep, all at once.

        What cannot be had is no error here: :meth:`get` says so, for each.
        """
        wanted = list(wanted)
        lacking = self.project.keep.lacking({one.key for one in wanted})
        absent = [
            one
            for chunk in _chunks([one for one in wanted if one.key in lacking])
            for one, data in self._here(chunk)
            if not isinstance(data, bytes)
        ]
        if not absent:
            return
        try:
            if self.project.place is None:
                return
            if self.project.storage.mode == "dvc-pointers":
                absent = self._by_pointers(absent, progress)
            self._by_digest({one.key for one in absent}, progress)
        except CassetteError as error:  # of the remote, or of a disk that takes nothing
            for one in absent:
                self._refused.setdefault(one.key, error)

    def get(self, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, bytes | CassetteError]]:
        """The verified bytes of each, in order, or why there are none; the remote is not asked any more."""
        for chunk in _chunks(wanted):
            for one, data in self._here(chunk):
                yield one, data if data is not None else self._refused.get(one.key) or self._missing(one)

    def _missing(self, one: Wanted) -> BlobMissing:
        found = self.project.missing(one.test_id, one.key)
        where = f" of {one.commit[:12]}" if one.commit else ""
        return BlobMissing(
            f"the {one.key.kind.value} snapshot{where} {one.key.digest.short} is nowhere to be found",
            hint=found.hint if one.commit is None else _WHERE,
        )

    # -- on this machine -------------------------------------------------------------------------

    def _here(self, chunk: Sequence[Wanted]) -> Iterator[tuple[Wanted, bytes | CassetteError | None]]:
        found = {one: self._on_disk(one) for one in chunk}
        rest = [one for one, data in found.items() if not isinstance(data, bytes) and one.commit]
        for one, data in self._in_git(rest):
            found[one] = found[one] if data is None else data
        yield from ((one, found[one]) for one in chunk)

    def _on_disk(self, one: Wanted) -> bytes | CassetteError | None:
        stores: tuple[BlobStore, ...] = (self.project.keep, self.project.staging)
        damaged: CassetteError | None = None
        for store in stores:
            try:
                if (data := store.get(one.key)) is not None:
                    return data
            except BlobCorrupt as error:
                damaged = error
        stored = read_bytes(self.project.payloads(one.test_id).path(one.test_id, one.key.kind))
        if stored is not None and is_intact(one.key, stored):
            return unpack_verified(one.key, stored, "")
        return damaged

    def _in_git(self, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, bytes | None]]:
        names = {one: self._name(one) for one in wanted}
        files = history.read(self.project, list(dict.fromkeys(names.values())))
        for one, name in names.items():
            stored = files[name]
            yield (
                one,
                unpack_verified(one.key, stored, name) if is_intact(one.key, stored) and stored else None,
            )

    def _name(self, one: Wanted) -> str:
        return history.payload_name(self.project, one.commit or "HEAD", one.test_id, one.key.kind)

    # -- elsewhere -------------------------------------------------------------------------------

    def _by_digest(self, keys: set[BlobKey], progress: Progress) -> None:
        done = size = 0
        for fetched in self.project.fetch(sorted(keys)):
            done, size = done + 1, size + fetched.size
            progress(done, len(keys), size)
            if fetched.corrupt is not None:
                self._refused[fetched.key] = fetched.corrupt

    def _by_pointers(self, wanted: Sequence[Wanted], progress: Progress) -> list[Wanted]:
        """Bring what pointers lead to into keep; those that have none, or one of another snapshot."""
        from ..store.pointer_past import payloads_of  # DVC: only for who keeps payloads there

        found = payloads_of(self.project.place or self.project.storage.require(), self._pointers(wanted))
        rest = {one.key: one for one in wanted}
        total = len(rest)
        size = 0
        for key, data in found:
            self.project.prepare_cache()
            self.project.keep.put(key, data)
            rest.pop(key, None)
            size += len(data)
            progress(total - len(rest), total, size)
        return list(rest.values())

    def _pointers(self, wanted: Sequence[Wanted]) -> dict[BlobKey, bytes]:
        names = {one: self._name(one) + ".dvc" for one in wanted if one.commit}
        files = history.read(self.project, list(dict.fromkeys(names.values())))
        found = {one.key: data for one, name in names.items() if (data := files[name]) is not None}
        for one in wanted:
            if one.commit is None:
                path = self.project.payloads(one.test_id).path(one.test_id, one.key.kind)
                data = read_bytes(path.with_name(path.name + ".dvc"))
                if data is not None:
                    found[one.key] = data
        return found


_WHERE = "booktest-cassettes push, where it was approved; or git fetch what has it"


def _chunks(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    return (wanted[start : start + _CHUNK] for start in range(0, len(wanted), _CHUNK))
