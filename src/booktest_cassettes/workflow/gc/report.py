"""A garbage collection in words: for people, and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ...digest import BlobKey
from ...errors import UsageError
from ...wording import count, printable
from ..meter import size
from . import sweeping
from .collection import Collection
from .objects import What
from .places import Place
from .planning import Action, Plan, Step, Sum, total
from .sweeping import Swept

#: What is summed up together: a name for machines, and words for people. Each object is in one of them.
_GROUPS = {
    "reachable": "reachable",
    "young": "unreachable, young",
    "tombstoned": "tombstoned, waiting",
    "to_tombstone": "to tombstone",
    "to_delete": "to delete",
    "tombstones": "tombstones of these",
    "to_revive": "tombstones to take away",
    "staged": "staged, pending",
    "staged_young": "staged, young",
    "staged_old": "staged long ago, to delete",
    "left_over": "left over, to delete",
    "in_use": "of somebody at work, or killed lately",
    "foreign": "not ours, left alone",
}
_OF_ACTION = {
    Action.KEEP: "reachable",
    Action.KEEP_YOUNG: "young",
    Action.WAIT: "tombstoned",
    Action.TOMBSTONE: "to_tombstone",
    Action.UNTOMBSTONE: "to_revive",
    Action.DELETE: "to_delete",
    Action.SWEEP_STAGED: "staged_old",
    Action.SWEEP_LEFT_OVER: "left_over",
    Action.LEAVE: "in_use",
}
_OF_BOTH = {
    **{(action, What.TOMBSTONE): "tombstones" for action in (Action.WAIT, Action.DELETE, Action.LEAVE)},
    **{(Action.KEEP_YOUNG, what): "staged_young" for what in (What.STAGED, What.RECORD)},
    (Action.KEEP, What.STAGED): "staged",
    (Action.LEAVE, What.FOREIGN): "foreign",
}
_SHOWN_NOTES = 10


def sums(plan: Plan) -> dict[str, Sum]:
    """How many objects and bytes of each sort; together they are everything."""
    found: dict[str, list[Step]] = {name: [] for name in _GROUPS}
    for step in plan.steps:
        found[_OF_BOTH.get((step.action, step.item.what), _OF_ACTION[step.action])].append(step)
    return {name: total(steps) for name, steps in found.items()}


def lines(collection: Collection, *, executed: bool) -> Iterator[str]:
    """The plan, for people."""
    marked = collection.marked
    yield (
        f"reachable: {count(len(marked.reasons), 'digest')} of {count(marked.manifests, 'manifest')},"
        f" in {count(marked.commits, 'commit')} and the work tree"
    )
    notes = [*map(printable, collection.notes[:_SHOWN_NOTES])]
    if (more := len(collection.notes) - len(notes)) > 0:
        notes.append(f"... and {more:,} more such notes (--json has all)")
    yield from notes
    for _, plan in collection.plans:
        yield from _of_place(plan)
    if not executed:
        yield _next(collection)


def _of_place(plan: Plan) -> Iterator[str]:
    everything = total(plan.steps)
    where = printable(plan.inventory.where)
    yield f"{where}: {count(everything.number, 'object')}, {size(everything.size)}"
    for name, of in sums(plan).items():
        if of.number:
            rest = _when(plan.of(Action.WAIT, What.KEEP)) if name == "tombstoned" else ""
            yield f"  {of.number:>9,}  {size(of.size):>7}  {_GROUPS[name]}{rest}"


def _when(steps: list[Step]) -> str:
    first = min(step.due for step in steps if step.due is not None)
    return f": may go from {_moment(first):%Y-%m-%d %H:%M} UTC on"


def _next(collection: Collection) -> str:
    acts = (Action.TOMBSTONE, Action.UNTOMBSTONE, Action.DELETE, Action.SWEEP_STAGED, Action.SWEEP_LEFT_OVER)
    has_work = any(step.action in acts for _, plan in collection.plans for step in plan.steps)
    if not has_work:
        return "nothing to do"
    really = ""
    if any(plan.is_large for _, plan in collection.plans):
        really = " --yes-really  (it deletes more than half of what is kept)"
    elif collection.is_for_nothing:
        really = " --yes-really  (nothing at all is reachable)"
    return f"nothing was changed; next: booktest-cassettes gc --execute{really}"


def explained(collection: Collection, text: str) -> Iterator[str]:
    """What becomes of the blobs whose digest begins so, and why; raises UsageError where there is none."""
    wanted = text.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{4,64}", wanted):
        raise UsageError(
            f"{text[:80]!r} is no digest, nor what one begins with",
            hint="sha256:<64 hex digits>, as the manifest has it, or its first four digits or more",
        )
    found: dict[BlobKey, list[str]] = {
        key: [f"  reachable: {printable(reason)}"]
        for key, reason in collection.marked.reasons.items()
        if key.digest.hex.startswith(wanted)
    }
    for place, plan in collection.plans:
        for step in plan.steps:
            if (key := step.item.key) is not None and key.digest.hex.startswith(wanted):
                found.setdefault(key, ["  nothing reaches it"]).append(_explained(place, plan, step))
    if not found:
        raise UsageError(
            f"no digest that begins with {wanted} is reachable, or at a place that was looked at",
            hint="git log -S DIGEST -- booktest.manifest.yaml says when a manifest named it",
        )
    for key in sorted(found):
        yield f"{key.kind.value} {key.digest}"
        yield from found[key]


def _explained(place: Place, plan: Plan, step: Step) -> str:
    days = max(plan.now.timestamp() - step.item.modified, 0) // 86_400
    what = "" if step.item.what is What.KEEP else f" {step.item.what.value},"
    due = "" if step.due is None else f"; next {_moment(step.due):%Y-%m-%d %H:%M} UTC"
    action, reason = step.action.value, printable(step.reason)
    return f"  {place.name}:{what} {action}, {days:.0f} days old: {reason}{due}"


def swept_lines(place: Place, swept: Swept) -> Iterator[str]:
    """What was done at one place, for people."""
    done = [
        _told("deleted", swept.deleted, "blob"),
        _told("deleted", swept.staged, "staged object"),
        _told("deleted", swept.left_over, "left-over object"),
        _told("tombstoned", Sum(swept.tombstoned), "blob"),
        _told("took away", Sum(swept.untombstoned), "tombstone"),
    ]
    yield f"{printable(str(place))}: {', '.join(filter(None, done)) or 'nothing to do'}"
    if swept.tombstoned and swept.due is not None:
        is_all = not (swept.deleted.number or swept.staged.number or swept.left_over.number)
        what = "nothing is freed yet: they go" if is_all else "the tombstoned ones go"
        yield f"  {what} in a run after {_moment(swept.due + 60):%Y-%m-%d %H:%M} UTC"  # it took a moment
    for reason, number in sweeping.reasons(swept.spared).items():
        yield f"  spared {count(number, 'object')}: {printable(reason)}"


def _told(verb: str, sum_: Sum, noun: str) -> str:
    if not sum_.number:
        return ""
    return f"{verb} {count(sum_.number, noun)}{f' ({size(sum_.size)})' if sum_.size else ''}"


def as_json(collection: Collection, swept: list[tuple[Place, Swept]] | None) -> dict[str, Any]:
    """For machines: every object, with what is done with it and why."""
    marked = collection.marked
    done = {place.name: outcome for place, outcome in swept or ()}
    return {
        "executed": swept is not None,
        "marked": {
            "digests": len(marked.reasons),
            "manifests": marked.manifests,
            "tips": marked.tips,
            "commits": marked.commits,
        },
        "notes": list(collection.notes),
        "places": [
            {
                "place": place.name,
                "where": plan.inventory.where,
                "now": plan.now.isoformat(),
                "is_large": plan.is_large,
                "sums": {name: {"objects": of.number, "bytes": of.size} for name, of in sums(plan).items()},
                "objects": [_step(step) for step in plan.steps],
                "swept": done[place.name].as_json() if place.name in done else None,
            }
            for place, plan in collection.plans
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    key = step.item.key
    return {
        "path": step.item.path,
        "what": step.item.what.value,
        "kind": None if key is None else key.kind.value,
        "digest": None if key is None else key.digest,
        "bytes": step.item.size,
        "modified": _moment(step.item.modified).isoformat(),
        "action": step.action.value,
        "reason": step.reason,
        "due": None if step.due is None else _moment(step.due).isoformat(),
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)
