"""Payload files beside the manifest: changed in an order that survives a kill at any point (ADR-0005).

A payload is named by its test, not by its digest, so a new one takes the place of the approved one.
The approved bytes are therefore held in the cache until the manifest has changed: at every moment the
digest that the manifest names can be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..digest import BlobKey
from ..errors import BlobCorrupt
from ..files import read_bytes
from ..manifest import Manifest
from ..project import Project
from ..store.base import is_intact
from ..store.git import GitStore
from ..store.pending import Pending


def paths(store: GitStore, records: Sequence[Pending]) -> list[Path]:
    """Every payload that approving these records may change."""
    return [store.path(pending.test_id, kind) for pending in records for kind in pending.changes]


def hold(project: Project, store: GitStore, records: Sequence[Pending], manifest: Manifest) -> None:
    """Copy approved bytes to the cache, where their payload is about to be replaced."""
    for pending in records:
        for kind, change in pending.changes.items():
            approved = manifest.get(pending.test_id).get(kind)
            if approved is None or approved == change.staged:
                continue
            key = BlobKey(kind, approved)
            try:
                data = store.get_for(pending.test_id, key)
            except BlobCorrupt:  # re-recording is how a corrupt payload is healed: nothing to hold
                continue
            if data is not None:
                project.keep.put(key, data)


def release(project: Project, store: GitStore, records: Sequence[Pending]) -> None:
    """Drop what :func:`hold` copied, now or before a kill: a payload changed on disk must be noticed.

    A copy stays where a test that has the same digest has no intact payload: it may be the last one.
    """
    replaced = {
        BlobKey(kind, change.base)
        for pending in records
        for kind, change in pending.changes.items()
        if change.base is not None and change.base != change.staged
    }
    # A blob that was approved for a remote, and never pushed: no other copy of it need exist.
    only = set() if project.storage.mode == "dvc-pointers" else project.unpushed.read()
    for key in sorted(replaced - only):
        if project.keep.has(key) and store.is_whole(key):
            project.keep.delete(key)


def write(store: GitStore, pending: Pending, blobs: Mapping[BlobKey, bytes]) -> None:
    """Write a test's new payloads."""
    for kind, change in pending.changes.items():
        if change.staged is not None:
            key = BlobKey(kind, change.staged)
            store.put_for(pending.test_id, key, blobs[key])


def remove_gone(store: GitStore, records: Sequence[Pending]) -> None:
    """Delete payloads of kinds that a test no longer has."""
    for pending in records:
        for kind, change in pending.changes.items():
            if change.staged is None:
                store.remove(pending.test_id, kind)


def settle(project: Project, store: GitStore, records: Sequence[Pending], manifest: Manifest) -> None:
    """Undo what a killed approval of these records did to payloads; without one, nothing changes."""
    for pending in records:
        for kind, change in pending.changes.items():
            approved = manifest.get(pending.test_id).get(kind)
            if change.staged is None or approved == change.staged:
                continue
            if not is_intact(BlobKey(kind, change.staged), read_bytes(store.path(pending.test_id, kind))):
                continue
            if approved is None:
                store.remove(pending.test_id, kind)
            elif (data := project.keep.get(key := BlobKey(kind, approved))) is not None:
                store.put_for(pending.test_id, key, data)
