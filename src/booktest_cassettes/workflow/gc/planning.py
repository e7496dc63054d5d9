"""What is to be done with each object of a place. Pure: equal marks, objects and times give equal plans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ...digest import BlobKey
from . import leases
from .marking import Marked
from .objects import Inventory, Item, What


class Action(StrEnum):
    """What is done with one object."""

    KEEP = "keep"
    KEEP_YOUNG = "keep-young"
    WAIT = "wait"  # unreachable, and its tombstone is younger than the grace
    TOMBSTONE = "tombstone"
    UNTOMBSTONE = "untombstone"  # of a tombstone: its blob is reachable, or was written after it
    DELETE = "delete"  # of a blob, and of the tombstone that goes after it
    SWEEP_STAGED = "sweep-staged"
    SWEEP_LEFT_OVER = "sweep-left-over"  # what killed processes left, a tombstone without a blob
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Options:
    """How long what is kept: blobs that nothing reaches (then the same again as tombstoned), staged ones."""

    grace: timedelta = timedelta(days=14)
    staging: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Step:
    """One object, what is done with it, and why.

    Attributes
    ----------
    due:
        Seconds since the epoch, by the place's clock: the first moment at which more may be done;
        ``None`` where no time will change it.
    """

    item: Item
    action: Action
    reason: str
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """How many objects, and their bytes."""

    number: int = 0
    size: int = 0


def total(steps: Iterable[Step]) -> Sum:
    """Of the objects of some steps."""
    sizes = [step.item.size for step in steps]
    return Sum(len(sizes), sum(sizes))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done at one place; every object of its inventory has one step."""

    inventory: Inventory
    options: Options
    now: datetime
    steps: Sequence[Step]

    def of(self, action: Action, what: What | None = None) -> list[Step]:
        """The steps of one action, of all objects or of one sort."""
        return [step for step in self.steps if step.action is action and what in (None, step.item.what)]

    @property
    def is_large(self) -> bool:
        """Whether it deletes more than half of what is kept."""
        kept = sum(step.item.what is What.KEEP for step in self.steps)
        return 2 * len(self.of(Action.DELETE, What.KEEP)) > kept


def plan(marked: Marked, inventory: Inventory, now: datetime, options: Options) -> Plan:
    """Decide.

    Parameters
    ----------
    marked:
        What is reachable.
    inventory:
        What there is.
    now:
        By the place's clock.
    options:
        How long what is kept.
    """
    judge = _Judge(marked, inventory, now.timestamp(), options)
    return Plan(inventory, options, now, [judge.step(item) for item in inventory.items])


#: Seconds after which what a killed process left is swept. Nobody believes an intent or a lease any more by
#: then; of the rest it is only known that nothing takes that long.
_STALE = {
    What.INTENT: leases.STALE["sweep"],
    What.LEASE: leases.STALE["push"],
    What.TEMPORARY: 86_400.0,
    What.PROBE: 86_400.0,
}
_LEFT_BY = {
    What.INTENT: "of a garbage collection that was killed",
    What.LEASE: "of a push that was killed",
    What.TEMPORARY: "of a write that was killed",
    What.PROBE: "of a look at the clock that was killed",
}


class _Judge:
    """Decides about the objects of one place."""

    def __init__(self, marked: Marked, inventory: Inventory, now: float, options: Options) -> None:
        self._marked = marked
        self._shared = inventory.shared
        self._now = now
        self._grace = options.grace.total_seconds()
        self._staging = options.staging.total_seconds()
        self._kept: dict[BlobKey, float] = {}
        self._tombstones: dict[BlobKey, float] = {}
        for item in inventory.items:
            if item.key is not None and item.what is What.KEEP:
                self._kept[item.key] = item.modified
            elif item.key is not None and item.what is What.TOMBSTONE:
                self._tombstones[item.key] = item.modified

    def step(self, item: Item) -> Step:
        """What is done with one of them."""
        if item.what is What.KEEP and item.key is not None:
            return self._keep(item, item.key)
        if item.what is What.TOMBSTONE and item.key is not None:
            return self._tombstone(item, item.key)
        if item.what in {What.STAGED, What.RECORD}:
            return self._staged(item)
        if item.what in _STALE:
            return self._left(item)
        return Step(item, Action.LEAVE, "not ours")

    def _keep(self, item: Item, key: BlobKey) -> Step:
        if (reason := self._marked.reasons.get(key)) is not None:
            return Step(item, Action.KEEP, reason)
        if not self._is_past(item.modified, self._grace):
            return Step(
                item, Action.KEEP_YOUNG, "nothing names it, but it is young", item.modified + self._grace
            )
        buried = self._tombstones.get(key)
        if buried is None or buried < item.modified:  # written anew since
            return Step(item, Action.TOMBSTONE, "nothing names it", self._now + self._grace)
        if not self._is_past(buried, self._grace):
            return Step(item, Action.WAIT, "nothing names it; tombstoned", buried + self._grace)
        return Step(item, Action.DELETE, "nothing names it since its tombstone was written")

    def _tombstone(self, item: Item, key: BlobKey) -> Step:
        written = self._kept.get(key)
        if written is None:
            return Step(item, Action.SWEEP_LEFT_OVER, "a tombstone without a blob")
        if (reason := self._marked.reasons.get(key)) is not None:
            return Step(item, Action.UNTOMBSTONE, reason)
        if item.modified < written:
            if self._is_past(written, self._grace):
                return Step(item, Action.LEAVE, "written anew")
            return Step(item, Action.UNTOMBSTONE, "its blob was written after it")
        if not self._is_past(item.modified, self._grace):
            return Step(item, Action.WAIT, "its blob waits", item.modified + self._grace)
        return Step(item, Action.DELETE, "goes after its blob")

    def _staged(self, item: Item) -> Step:
        if item.key is not None and item.key in self._marked.staged:
            return Step(item, Action.KEEP, "pending")
        named = (
            item.modified
            if item.key is None
            else max(item.modified, self._shared.get(item.key, item.modified))
        )
        if not self._is_past(named, self._staging):
            is_shared = named > item.modified
            reason = "shared for review" if is_shared or item.key is None else "staged, and young"
            return Step(item, Action.KEEP_YOUNG, reason, named + self._staging)
        return Step(item, Action.SWEEP_STAGED, "staged long ago, and nobody approved it")

    def _left(self, item: Item) -> Step:
        limit = _STALE[item.what]
        if not self._is_past(item.modified, limit):
            return Step(item, Action.LEAVE, "may be in use", item.modified + limit)
        return Step(item, Action.SWEEP_LEFT_OVER, _LEFT_BY[item.what])

    def _is_past(self, since: float, span: float) -> bool:
        return self._now - since >= span
