"""One remote: batches of reads and writes by path, and words for what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from shlex import quote
from typing import TypeVar

from ...errors import CassetteError, RemoteError
from . import engine
from .medium import Entry, Medium
from .place import Place

_T = TypeVar("_T")
_R = TypeVar("_R")

#: More paths than this are looked up by listing the directories they are in.
_LIST_FROM = 256


class Remote:
    """A DVC remote, opened by the first operation.

    Every method raises RemoteError when the remote is unreachable, refuses us, or cannot be opened:
    nothing is retried here, media do that; what a batch did until then stays done.

    Parameters
    ----------
    place:
        Which remote.
    prefix:
        Our directory on it.
    jobs:
        Operations at once; ``None``: as the remote's configuration says, else what suits it.
    limit:
        Seconds that one operation may take; ``None``: what any transfer may.
    """

    def __init__(
        self, place: Place, prefix: str, jobs: int | None = None, *, limit: float | None = None
    ) -> None:
        self.place = place
        self.prefix = prefix
        self._jobs, self._limit = jobs, limit
        self.media: dict[int, Medium] = {}  # by process: a forked one has its parent's without the threads

    @property
    def medium(self) -> Medium:
        """What carries the bytes, opened once."""
        process = os.getpid()
        if process not in self.media:
            from .opening import open_medium

            self.media[process] = open_medium(self.place, self.prefix, self._jobs)
        return self.media[process]

    def each(
        self,
        items: Iterable[_T],
        work: Callable[[Medium, _T], Awaitable[_R]],
        weight: Callable[[_R], int] = lambda _: 0,
        take: Callable[[_R], None] = lambda _: None,
        jobs: int | None = None,
    ) -> Iterator[_R]:
        """The outcomes of an operation for many items, as they come in.

        Parameters
        ----------
        items, weight:
            See :func:`.engine.each`.
        work:
            The operation; what it raises is put in words.
        take:
            Called with each outcome on the loop's thread; what it raises is not the remote's.
        jobs:
            At most so many at once; ``None``: what the medium is good for.
        """
        medium = self.medium

        async def explained(item: _T) -> _R:
            try:
                outcome = await engine.limited(work(medium, item), self._limit)
            except Exception as error:
                raise self._explained(error, medium) from error
            take(outcome)
            return outcome

        most = medium.jobs if jobs is None else min(jobs, medium.jobs)
        return engine.each(items, explained, jobs=most, weight=weight)

    def one(self, work: Callable[[Medium], Awaitable[_R]]) -> _R:
        """The outcome of one operation."""
        return next(self.each([None], lambda medium, _: work(medium)))

    def existing(self, paths: Sequence[str], directories: Iterable[str]) -> set[str]:
        """Those paths that are there; many are found by listing ``directories``, which hold them all."""
        if len(paths) > _LIST_FROM:
            wanted = set(paths)
            found = (entry.path for entry in self.list(directories) if entry.size)
            return wanted.intersection(found)

        async def look(medium: Medium, path: str) -> tuple[str, bool]:
            return path, await medium.exists(path)

        return {path for path, there in self.each(paths, look) if there}

    def list(self, directories: Iterable[str], *, unfinished: bool = False) -> Iterator[Entry]:
        """Every file below some directories; see Medium."""
        options = {"unfinished": True} if unfinished else {}

        async def gather(medium: Medium, directory: str) -> list[Entry]:
            return [entry async for entry in medium.list(directory, **options)]

        for entries in self.each(directories, gather):
            yield from entries

    def delete(self, paths: Sequence[str]) -> None:
        """Delete files; absent ones are fine."""
        self.one(lambda medium: medium.delete(paths))

    def _explained(self, error: Exception, medium: Medium) -> Exception:
        """The same in words that name the remote and what to do; ours alone stay as they are."""
        if isinstance(error, RemoteError):
            return type(error)(f"{self.place}: {error.message}", hint=error.hint)
        if isinstance(error, TimeoutError) and not error.args:
            limit = engine.OPERATION_LIMIT if self._limit is None else self._limit
            what = f"{self.place}: no answer within {limit:g} seconds"
            return RemoteError(what, hint="check the connection")
        trouble = medium.explain(error)
        if trouble is not None:
            hint = trouble.hint.replace("NAME", quote(self.place.name))
            return RemoteError(f"{self.place}: {trouble.what}", hint=hint)
        if isinstance(error, CassetteError):
            return error
        return RemoteError(
            f"{self.place}: {type(error).__name__}: {error}",
            hint="check it with DVC's own: dvc status -c -r " + repr(self.place.name),
        )
