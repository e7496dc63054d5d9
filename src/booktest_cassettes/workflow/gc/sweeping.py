"""Doing what a plan says, so that whatever else happens meanwhile, nothing that is needed goes (ADR-0019).

Everything but the deletion of blobs can be taken back by the next run. Blobs go in slices: what a slice is
about to delete is said first (on a remote; in the cache nobody approves meanwhile), then it is looked again
who else is at work, which tombstones are there still, and what Git reaches by now; then the blobs go, then
their tombstones, then what was said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ...digest import BlobKey
from ...errors import CassetteError, RemoteError
from ...store.names import TOMBSTONES
from ..transfer import Progress, quiet
from . import leases, tombstones
from .leases import Lease
from .marking import Marked
from .objects import Item, What
from .places import Place
from .planning import Action, Plan, Sum

#: Blobs that are looked at again and deleted together; who waits for a sweep waits for so many.
SLICE = 5_000
_BATCH = 1_000  # S3's limit for one request
_BATCHES = 4  # at once
_LOOK = 1.0  # seconds between two looks at the clocks while a batch goes

Remark = Callable[[], Marked]


@dataclass
class Swept:
    """What was done at one place.

    Attributes
    ----------
    deleted, staged, left_over:
        Approved blobs, staged ones with their shared records, what killed processes left.
    tombstoned, untombstoned:
        Blobs that got a tombstone, and that lost one.
    spared:
        What the plan would have deleted, and why it was not.
    due:
        Seconds since the epoch, by the place's clock: the first moment at which what was tombstoned may go.
    error:
        What stopped it; the rest of this was done.
    """

    deleted: Sum = field(default_factory=Sum)
    staged: Sum = field(default_factory=Sum)
    left_over: Sum = field(default_factory=Sum)
    tombstoned: int = 0
    untombstoned: int = 0
    spared: list[tuple[Item, str]] = field(default_factory=list)
    due: float | None = None
    error: CassetteError | None = None

    @property
    def exit_code(self) -> int:
        """0, or that of what stopped it."""
        return self.error.exit_code if self.error is not None else 0

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            **{
                name: {"objects": found.number, "bytes": found.size}
                for name in ("deleted", "staged", "left_over")
                for found in (getattr(self, name),)
            },
            "tombstoned": self.tombstoned,
            "untombstoned": self.untombstoned,
            "spared": [{"path": item.path, "why": why} for item, why in self.spared],
            "due": None if self.due is None else datetime.fromtimestamp(self.due, UTC).isoformat(),
            "error": None if self.error is None else self.error.message,
        }


def execute(place: Place, plan: Plan, remark: Remark, progress: Progress = quiet) -> Swept:
    """Carry a plan out.

    Parameters
    ----------
    place, plan:
        Where, and what was planned there.
    remark:
        Reads Git and the cache again: what is reachable by now. What it raises ends the sweep.
    progress:
        Told about what is deleted.

    Returns
    -------
    Swept
        Also where it was stopped: a remote or a disk that refuses, Git that cannot be read. What was done
        stays done, and the next run does the rest.
    """
    sweep = _Sweep(place, plan, remark, progress)
    try:
        sweep.run()
    except CassetteError as error:
        sweep.swept.error = error
    return sweep.swept


class _Sweep:
    def __init__(self, place: Place, plan: Plan, remark: Remark, progress: Progress) -> None:
        self.place, self.plan, self.remark, self.progress = place, plan, remark, progress
        self.files = place.files
        self.swept = Swept()
        doomed = plan.of(Action.DELETE, What.KEEP) + plan.of(Action.SWEEP_STAGED)
        self.doomed = [step.item for step in doomed]
        self.tombstones: dict[BlobKey | None, Item] = {
            step.item.key: step.item for step in plan.of(Action.DELETE, What.TOMBSTONE) if step.item.key
        }
        self.size = 0  # bytes that are deleted

    def run(self) -> None:
        """All of it, what does no harm first."""
        for path in self._gone([step.item for step in self.plan.of(Action.UNTOMBSTONE)]):
            self.swept.untombstoned += bool(path)
        self._tombstone()
        for item in self._gone([step.item for step in self.plan.of(Action.SWEEP_LEFT_OVER)]):
            self.swept.left_over = _more(self.swept.left_over, item)
        for start in range(0, len(self.doomed), SLICE):
            self._slice(self.doomed[start : start + SLICE])

    def _tombstone(self) -> None:
        """First run: it is said of a blob that nothing reaches it."""
        steps = self.plan.of(Action.TOMBSTONE)
        keys = [step.item.key for step in steps if step.item.key is not None]
        self.swept.due = max((step.due for step in steps if step.due is not None), default=None)
        for _ in tombstones.put(self.files, keys) if keys else ():
            self.swept.tombstoned += 1

    def _slice(self, items: Sequence[Item]) -> None:
        """A later run: it goes, and its tombstone after it."""
        with self._said(items) as lease:
            fit = self._fit(items, lease)
            gone = []
            for item in self._gone(fit, lease):
                gone.append(item)
                self._count(item)
            for _ in self._gone([self.tombstones[item.key] for item in gone if item.key in self.tombstones]):
                pass

    @contextmanager
    def _said(self, items: Sequence[Item]) -> Iterator[Lease | None]:
        """Nobody else can miss what is about to be done."""
        if self.place.name == "local":
            with self.place.exclusive():
                yield None
            return
        lease = Lease(self.files, "sweep", leases.names(item.path for item in items))
        try:
            lease.write()
            yield lease
        finally:
            lease.release()

    def _fit(self, items: Sequence[Item], lease: Lease | None) -> list[Item]:
        """Those that may go still."""
        pushes = lease.others("push") if lease else []
        leased = frozenset[str]().union(*(push.about or () for push in pushes))
        has_unread = any(push.about is None for push in pushes)
        there = self._there(items)
        marked = self.remark()
        fit: list[Item] = []
        back: list[BlobKey] = []
        for item in items:
            key, why = item.key, self._objection(item, marked, there)
            if not why and lease is not None and (has_unread or leases.names([item.path]) & leased):
                why = "somebody is pushing it"
            if why:
                self.swept.spared.append((item, why))
                is_back = key in marked.reasons and key in self.tombstones
                back += [key] if key is not None and item.what is What.KEEP and is_back else []
            else:
                fit.append(item)
        tombstones.lift(self.files, back)  # if nothing reaches it again, both phases begin anew
        self.swept.untombstoned += len(back)
        return fit

    def _there(self, items: Sequence[Item]) -> Mapping[str, tuple[int, float]]:
        """What now stands where it has to be as it was: tombstones, and what goes without one."""
        whats = {item.what for item in items}
        directories = [TOMBSTONES] if What.KEEP in whats else []
        directories += ["staging"] if whats - {What.KEEP} else []
        return {entry.path: (entry.size, entry.modified) for entry in self.files.list(directories)}

    def _objection(self, item: Item, marked: Marked, there: Mapping[str, tuple[int, float]]) -> str:
        """Why an item must not go; ``""``: nothing speaks for it."""
        witness: Item | None = item
        lack = "it was written anew"
        if item.key is not None and item.what is What.KEEP:
            if item.key in marked.reasons:
                return f"reachable by now: {marked.reasons[item.key]}"
            witness, lack = self.tombstones.get(item.key), "its tombstone was taken away"
        elif item.key in marked.staged:
            return "a pending record names it by now"
        if witness is None or there.get(witness.path) != (witness.size, witness.modified):
            return lack
        return ""

    def _gone(self, items: Sequence[Item], lease: Lease | None = None) -> Iterator[Item]:
        """Delete, and give what is deleted, as far as it is known to be."""
        batches = (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))

        async def delete(medium: Any, batch: Sequence[Item]) -> Sequence[Item]:
            work = medium.delete([item.path for item in batch])
            await (work if lease is None else _while_good(lease, work))
            return batch

        for batch in self.files.each(batches, delete, jobs=_BATCHES) if items else ():
            yield from batch

    def _count(self, item: Item) -> None:
        if item.what is What.KEEP:
            self.swept.deleted = _more(self.swept.deleted, item)
        else:
            self.swept.staged = _more(self.swept.staged, item)
        self.size += item.size
        done = self.swept.deleted.number + self.swept.staged.number
        self.progress(done, len(self.doomed), self.size)


async def _while_good(lease: Lease, work: Coroutine[Any, Any, None]) -> None:
    """Do it, and stop in the middle when others may soon take us for dead, by either clock."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            if not lease.is_good:
                raise RemoteError(
                    "this machine stood still, or deleting took too long: others may take it for dead",
                    hint="run booktest-cassettes gc again",
                )
            await asyncio.wait([task], timeout=_LOOK)
        task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])


def _more(sum_: Sum, item: Item) -> Sum:
    return Sum(sum_.number + 1, sum_.size + item.size)


def reasons(spared: Collection[tuple[Item, str]]) -> dict[str, int]:
    """How many were spared, by reason; reachable ones together."""
    counted: dict[str, int] = {}
    for _, why in spared:
        reason = why.partition(":")[0]
        counted[reason] = counted.get(reason, 0) + 1
    return counted
