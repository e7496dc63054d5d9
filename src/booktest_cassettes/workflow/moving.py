"""Moving approved snapshots between Git payloads, the DVC remote and DVC pointers; digests stay.

The order survives a kill at any point: the bytes at their new home, verified; the manifest, where its word
for the mode changes; the configured mode; then the old home is cleared. The same command completes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

from ..digest import BlobKey
from ..errors import IntegrityError, UsageError
from ..files import locked, sweep_temporary
from ..manifest import save
from ..project import Project
from ..storage import Mode
from ..wording import count
from . import mode_setting, moving_homes, moving_index, moving_items
from .approve import LOCK
from .meter import size as in_words
from .mode_setting import Setting
from .moving_homes import NewHome
from .moving_items import Item
from .select import select
from .transfer import Moved, Progress, quiet

#: What people call the three homes.
HOMES: dict[Mode, str] = {"git": "Git payloads", "dvc": "the DVC remote", "dvc-pointers": "DVC pointers"}


@dataclass(frozen=True)
class Plan:
    """What a move will do.

    Attributes
    ----------
    project, target:
        As it is configured, and as it is to be.
    patterns:
        What a person asked for.
    chosen, others:
        The snapshots that these patterns mean, and the rest.
    moving:
        Those of them that live elsewhere.
    setting:
        What becomes of the configuration; ``None``: it stays.
    """

    project: Project
    target: Project
    patterns: tuple[str, ...]
    chosen: tuple[Item, ...]
    others: tuple[Item, ...]
    moving: tuple[Item, ...]
    setting: Setting | None

    @property
    def to(self) -> Mode:
        """Where to."""
        return self.target.storage.mode

    @cached_property
    def home(self) -> NewHome:
        """Where to, and how."""
        return moving_homes.new_home(self.target, self.chosen)

    @property
    def size(self) -> int:
        """Bytes of what moves, as far as they are on this machine."""
        return sum(item.size or 0 for item in self.moving)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "to": self.to,
            "snapshots": len(self.moving),
            "tests": len({item.test_id for item in self.moving}),
            "from": dict(sorted(Counter(item.home for item in self.moving).items())),
            "bytes": self.size,
            "there": len(self.chosen) - len(self.moving),
            "settings": self.setting.lines() if self.setting else [],
            "moving": [
                {"test": item.test_id, "kind": item.key.kind.value, "digest": item.key.digest}
                for item in self.moving
            ],
        }

    def lines(self) -> list[str]:
        """For people."""
        there = len(self.chosen) - len(self.moving)
        told = [f"would move to {HOMES[self.to]}: {_counted(self.moving)}{_there(there)}"]
        for home, number in sorted(Counter(item.home for item in self.moving).items()):
            told.append(f"  from {HOMES[home]}: {number:,}")
        return [*told, *(self.setting.lines("would set") if self.setting else ())]


@dataclass(frozen=True)
class Outcome:
    """What a move did.

    Attributes
    ----------
    plan:
        What it was to do.
    delivered:
        What reached the new home; ``lost`` is what stopped it before anything changed.
    paths:
        What Git should take, relative to the root.
    pending:
        Recordings that wait for review, as they did before.
    notes:
        What else a person should know.
    """

    plan: Plan
    delivered: Moved
    paths: tuple[str, ...] = ()
    pending: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0, or that of what could not be had."""
        return self.delivered.exit_code

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        moved = 0 if self.delivered.lost else len(self.plan.moving)
        planned = {key: value for key, value in self.plan.as_json().items() if key != "bytes"}
        return {
            **planned,
            "snapshots": moved,
            "delivered": self.delivered.as_json(),
            "paths": list(self.paths),
            "pending": self.pending,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people; the last is the next command."""
        if self.delivered.lost:
            return [*map(_lost, self.delivered.lost), "nothing was moved: get these, or forget them, first"]
        there = len(self.plan.chosen) - len(self.plan.moving)
        told = [f"moved to {HOMES[self.plan.to]}: {_counted(self.plan.moving)}{_there(there)}"]
        told += [self._delivered()] if self.plan.to != "git" else []
        told += self.plan.setting.lines() if self.plan.setting else []
        told += self.notes
        if self.pending:
            told.append(f"pending review, as before: {self.pending:,}")
        if self.paths:
            names = " ".join(map(quote, self.paths))
            told.append(f"next: git add --all -- {names} && git commit")
        return told

    def _delivered(self) -> str:
        sent = f"{self.delivered.blobs:,} sent ({in_words(self.delivered.size)})"
        return f"  {self.plan.target.place}: {sent}, {self.delivered.there:,} there; each read back"


def plan(project: Project, to: str, patterns: Sequence[str] = ()) -> Plan:
    """What is where, and what has to move; changes nothing, and asks no remote.

    Parameters
    ----------
    project, to, patterns:
        Whose tests, to which mode, and which of them; without patterns all, and the configured mode with
        them.

    Raises
    ------
    UsageError
        When a pattern means nothing, or some tests would be where the others' mode does not look.
    RemoteError
        When the mode needs a remote, and there is none.
    """
    return _survey(project, to, tuple(patterns))


def _survey(project: Project, to: str, patterns: tuple[str, ...]) -> Plan:
    if to == "auto":
        raise UsageError("auto is no place to move to", hint="--to dvc, --to git or --to dvc-pointers")
    root = project.config.root
    target = Project.open(root, {"storage_mode": to})
    home = target.storage.mode
    tests = select(target.manifest.entries, patterns, id_of=str)
    is_whole = len(tests) == len(target.manifest.entries)
    if not is_whole:
        _check_readable(project.storage.mode, home)
    chosen = moving_items.items(target, tests)
    rest = set(target.manifest.entries) - set(tests)
    setting = mode_setting.setting(root, home) if is_whole else None
    others = moving_items.items(target, sorted(rest))
    made = Plan(project, target, patterns, tuple(chosen), tuple(others), (), setting)
    return replace(made, moving=tuple(item for item in chosen if not made.home.has(item)))


def _check_readable(mode: Mode, to: Mode) -> None:
    """Refuse what would leave tests where a clone in this mode does not find them."""
    if to != "git" and (to == "dvc-pointers") != (mode == "dvc-pointers"):
        raise UsageError(
            f"with storage.mode = {mode!r}, some tests cannot be in {HOMES[to]}: no clone would find them",
            hint=f"booktest-cassettes migrate --to {to}, for all of them and the setting;"
            " or --to git for these, which every mode reads",
        )


def execute(plan: Plan, progress: Progress = quiet) -> Outcome:
    """Carry a plan out.

    Raises
    ------
    RemoteError, StorageError
        When the remote or the disk refuses: the snapshots are where they were, or, where the old home was
        being cleared, at both. The same command completes it.
    UsageError
        When Git refuses to change its index.
    """
    plan.target.prepare_cache()
    with locked(plan.target.config.cache_dir / LOCK):
        plan = _survey(plan.project, plan.to, plan.patterns)  # what was approved meanwhile moves, too
        _sweep(plan)
        gathered = moving_items.gather(plan.target, plan.moving, progress)
        lost = [(item.test_id, item.key, error) for item, error in gathered.lost]
        delivered = plan.home.take(plan.moving, progress) if not lost else Moved(lost=lost)
        if delivered.lost:
            return Outcome(plan, delivered)
        changed = _say_so(plan)
        changed += plan.home.settle(plan.chosen, plan.others)
    return Outcome(plan, delivered, _paths(plan, changed), len(list(plan.project.pending)), _notes(plan))


def _sweep(plan: Plan) -> None:
    """Delete what a killed move left half written."""
    config = plan.target.config
    for path in (config.manifest, config.snapshots_dir / ".gitignore"):
        sweep_temporary(path)
    for item in plan.chosen:
        sweep_temporary(item.payload)
        sweep_temporary(item.pointer)


def _say_so(plan: Plan) -> list[Path]:
    """The manifest's word for the mode, then the configuration's; what was written."""
    if plan.setting is None:
        return []
    changed = []
    config, manifest = plan.target.config, plan.target.read_manifest()
    if manifest.entries and manifest.storage_mode != plan.target.storage.header:
        save(config.manifest, replace(manifest, storage_mode=plan.target.storage.header))
        changed.append(config.manifest)
    if plan.setting.path is not None:
        sweep_temporary(plan.setting.path)
        plan.setting.write()
        changed.append(plan.setting.path)
    return changed


def _paths(plan: Plan, changed: Sequence[Path]) -> tuple[str, ...]:
    """What a person has to add: the directory of all snapshots stands for what is in it."""
    target = plan.target
    if not moving_index.is_work_tree(target.config.root):
        return ()
    books = target.config.snapshots_dir
    files = {books if books in path.parents else path for path in changed}
    files |= {books} if plan.moving else set()
    return tuple(sorted(target.relative(path) for path in files if path.exists()))


def _notes(plan: Plan) -> tuple[str, ...]:
    if plan.to != "git":
        return ()
    limit = plan.target.config.git_snapshot_size_limit
    big = [item for item in plan.chosen if item.payload.stat().st_size > limit]
    if not big:
        return ()
    said = f"{len(big):,} of them have more than {limit:,} bytes (storage.git_snapshot_size_limit)"
    return (f"warning: {said}; the first is {big[0].test_id}",)


def _counted(items: Sequence[Item]) -> str:
    tests = len({item.test_id for item in items})
    return f"{count(len(items), 'snapshot')} of {count(tests, 'test')}"


def _there(number: int) -> str:
    return f"; {number:,} {'was' if number == 1 else 'were'} there" if number else ""


def _lost(found: tuple[str, BlobKey, IntegrityError]) -> str:
    test_id, key, error = found
    return f"lost: {test_id} {key.kind.value}\n  {error.message}\n  next: {error.hint}"
