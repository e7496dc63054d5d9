"""Each storage mode as the place that snapshots move to: bytes first, the old home last."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from ..digest import BlobKey, Digest
from ..errors import CassetteError
from ..files import move, read_bytes, remove, sweep_temporary
from ..project import Project
from ..store.base import is_intact
from ..store.pointers import Pointers
from . import moving_index as index
from . import transfer
from .moving_items import Item, bytes_of, is_whole, points
from .transfer import Moved, Progress


class NewHome(Protocol):
    """Where snapshots move to. Methods are called in this order, under the lock of approvals."""

    def has(self, item: Item) -> bool:
        """Whether a snapshot lives there, and nowhere else that Git would see."""
        ...

    def take(self, items: Sequence[Item], progress: Progress, /) -> Moved:
        """Have the bytes of these there, verified; their old homes stay. ``lost`` is what is nowhere."""
        ...

    def settle(self, chosen: Sequence[Item], others: Sequence[Item], /) -> list[Path]:
        """Clear what is left of other homes, and say what Git should look at besides the snapshots."""
        ...


def new_home(target: Project, chosen: Sequence[Item]) -> NewHome:
    """The home that a project's mode means, for these snapshots."""
    mode = target.storage.mode
    if mode == "git":
        return _Git(target, chosen)
    return _Remote(target, chosen) if mode == "dvc" else _Pointers(target, chosen)


class _Remote:
    """Keep, and behind it the remote."""

    def __init__(self, target: Project, chosen: Sequence[Item]) -> None:
        self.project = target
        self.chosen = chosen
        target.storage.require()

    def has(self, item: Item) -> bool:
        """See NewHome."""
        return item.home == "dvc"

    def take(self, items: Sequence[Item], progress: Progress) -> Moved:
        """See NewHome. Those that live there already are looked for by name, and sent where they are not."""
        for item in items:
            if (data := bytes_of(self.project, item)) is not None:
                self.project.keep.put(item.key, data)
        keys = {item.key for item in items}
        settled = {item.key: item for item in self.chosen if item.key not in keys}
        absent = set(settled) - self.project.remote().present(settled) if settled else set()
        kept = {key for key in absent if self.project.keep.has(key)}
        others = set(settled) - absent
        moved = transfer.deliver(self.project, keys | kept, progress=progress, reread=True, others=others)
        for key in sorted(absent - kept):
            test_id = settled[key].test_id
            moved.lost.append((test_id, key, self.project.missing(test_id, key)))
        return moved

    def settle(self, chosen: Sequence[Item], others: Sequence[Item]) -> list[Path]:
        """See NewHome."""
        changed = _stop_ignoring(self.project, others)
        store = self.project.git_store()
        for item in chosen:
            _remove_pointer(item)
            _set_aside(self.project, item)
            store.remove(item.test_id, item.key.kind)
        self.project.unpushed.discard({item.key for item in chosen})
        return changed


class _Payloads:
    """Files beside the manifest: what Git's and the pointers' home share."""

    def __init__(self, target: Project, chosen: Sequence[Item]) -> None:
        self.project = target
        self.chosen = chosen

    def write(self, items: Sequence[Item]) -> int:
        """Put payloads in place, of those that have none, or another; the bytes of all."""
        size = 0
        for item in items:
            data = bytes_of(self.project, item)
            if data is None:  # gathered a moment ago
                raise self.project.missing(item.test_id, item.key)
            _set_aside(self.project, item)
            self.project.payloads(item.test_id).put_for(item.test_id, item.key, data)
            size += len(data)
        return size

    def release(self, chosen: Sequence[Item]) -> None:
        """Drop copies in keep: a payload that is changed on disk must be noticed.

        One stays where a test that has the same digest has no intact payload: it may be the last.
        """
        store = self.project.git_store()
        whole = {key for key in {item.key for item in chosen} if store.is_whole(key)}
        self.project.unpushed.discard(whole)
        for key in sorted(whole):
            self.project.keep.delete(key)


class _Git(_Payloads):
    """Payloads that Git tracks."""

    def has(self, item: Item) -> bool:
        """See NewHome."""
        return item.home == "git" and is_whole(item)

    def take(self, items: Sequence[Item], progress: Progress) -> Moved:
        """See NewHome."""
        store = self.project.git_store()
        sweep_temporary(store.attributes)
        store.prepare()
        size = self.write(items)
        progress(len(items), len(items), size)
        return Moved(len(items), size)

    def settle(self, chosen: Sequence[Item], others: Sequence[Item]) -> list[Path]:
        """See NewHome. Git has to see the payloads before their pointers go."""
        changed = _stop_ignoring(self.project, others)
        root = self.project.config.root
        index.add(root, index.ignored(root, [item.payload for item in chosen]))
        for item in chosen:
            _remove_pointer(item)
        self.release(chosen)
        return changed


class _Pointers(_Payloads):
    """Payloads that Git ignores; it has DVC's pointers to them."""

    def __init__(self, target: Project, chosen: Sequence[Item]) -> None:
        super().__init__(target, chosen)
        self.pointers = Pointers(target.storage.require(), target.config.snapshots_dir)

    def has(self, item: Item) -> bool:
        """See NewHome. The payload itself may not be here: DVC pulls it."""
        return item.has_pointer and points(item) and (item.size is None or is_whole(item))

    def take(self, items: Sequence[Item], progress: Progress) -> Moved:
        """See NewHome. Git would take pointers to what is on no remote: they go again when it fails."""
        self.write(items)
        try:
            self.pointers.add({item.payload: item.key for item in items})
            pushed = self.pointers.push({item.payload: item.key for item in self.chosen}, None, progress)
        except CassetteError:
            for item in items:
                if not item.has_pointer:
                    _remove_pointer(item)
            raise
        return Moved(pushed.sent, pushed.size if pushed.sent else 0, there=pushed.verified - pushed.sent)

    def settle(self, chosen: Sequence[Item], _others: Sequence[Item]) -> list[Path]:
        """See NewHome."""
        ignored = self.pointers.ignore()
        root = self.project.config.root
        index.forget(root, index.tracked(root, [item.payload for item in chosen]))
        self.release(chosen)
        return [ignored] if ignored else []


def _remove_pointer(item: Item) -> None:
    remove(item.pointer)


def _stop_ignoring(project: Project, others: Collection[Item]) -> list[Path]:
    """Let Git see payloads again, unless other tests have pointers still."""
    if any(item.has_pointer for item in others):
        return []
    changed = Pointers.ignore_no_longer(project.config.snapshots_dir)
    return [changed] if changed else []


def _set_aside(project: Project, item: Item) -> None:
    """Move a payload of other bytes out of the way; what waits for review has its own copy."""
    stored = read_bytes(item.payload)
    if stored is None or is_intact(item.key, stored):
        return
    digest = Digest.of(stored)
    if not project.staging.has(BlobKey(item.key.kind, digest)):
        name = f"{item.key.kind.value}-{digest.hex}-{os.urandom(4).hex()}"
        move(item.payload, project.config.cache_dir / "quarantine" / name)
