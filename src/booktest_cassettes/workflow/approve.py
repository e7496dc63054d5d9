"""Approve and reject: from staging to the manifest, in an order that survives a kill at any point.

In Git mode a payload is named by its test, not by its digest, so a new payload takes the place of
the approved one. The approved bytes are therefore kept in the cache until the manifest has changed:
at every moment the digest that the manifest names can be found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..digest import BlobKey, Digest, Kind
from ..errors import BlobCorrupt, BlobMissing, SecretFound, UsageError
from ..files import locked, remove
from ..manifest import Manifest, load, save
from ..project import Project
from ..recording.scan import scan
from ..store.git import GitStore
from ..store.pending import Change, Pending
from .select import select

#: Told about each test as it is done, with how many there are.
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Plan:
    """What an approval will do.

    Attributes
    ----------
    pending:
        The records to approve.
    blobs:
        The staged bytes by key, verified.
    """

    pending: tuple[Pending, ...]
    blobs: Mapping[BlobKey, bytes]

    @property
    def changes(self) -> dict[str, dict[Kind, Digest | None]]:
        """The manifest lines, ``None`` where one goes."""
        return {
            pending.test_id: {kind: change.staged for kind, change in pending.changes.items()}
            for pending in self.pending
        }


def plan(project: Project, patterns: Sequence[str] = (), *, allow_secrets: bool = False) -> Plan:
    """Read and check everything an approval needs; changes nothing.

    Raises
    ------
    UsageError
        When a pattern means nothing, or a test was approved anew since it was recorded.
    SecretFound
        When a blob still looks like it holds a credential.
    BlobMissing, BlobCorrupt
        When staging lost or changed a blob.
    """
    chosen = tuple(select(project.pending, patterns))
    manifest = load(project.config.manifest)
    blobs: dict[BlobKey, bytes] = {}
    for pending in chosen:
        for kind, change in pending.changes.items():
            _check_base(pending.test_id, kind, change, manifest)
            if change.staged is not None:
                key = BlobKey(kind, change.staged)
                blobs[key] = _staged(project, pending.test_id, key)
                if not allow_secrets:
                    _check_secrets(pending.test_id, key, blobs[key])
    return Plan(chosen, blobs)


def execute(project: Project, plan: Plan, progress: Progress = lambda _test, _total: None) -> list[str]:
    """Carry a plan out; returns the paths that changed in the work tree, relative to the root.

    Raises
    ------
    StorageError
        When the disk refuses; the manifest is then unchanged and the records are still pending.
    """
    project.prepare_cache()
    with locked(project.config.cache_dir / "approve"):
        before = load(project.config.manifest)
        for pending in plan.pending:
            for kind, change in pending.changes.items():
                _check_base(pending.test_id, kind, change, before)
        after = before.with_changes(plan.changes)
        held = _hold(project, plan, before)
        store = project.git_store(after)
        for key, data in plan.blobs.items():
            store.put(key, data)
        save(project.config.manifest, after)
        _remove_payloads(store, plan)
        for key in held:
            project.keep.delete(key)
        for pending in plan.pending:
            project.pending.remove(pending.test_id)
            progress(pending.test_id, len(plan.pending))
        _sweep_staging(project, plan.blobs)
    payloads = [store.path(pending.test_id, kind) for pending in plan.pending for kind in pending.changes]
    return [project.relative(path) for path in [project.config.manifest, *payloads]]


def reject(project: Project, patterns: Sequence[str] = ()) -> list[Pending]:
    """Forget recordings that wait for review, and their staged bytes."""
    chosen = select(project.pending, patterns)
    for pending in chosen:
        project.pending.remove(pending.test_id)
    staged = [
        BlobKey(kind, change.staged)
        for pending in chosen
        for kind, change in pending.changes.items()
        if change.staged is not None
    ]
    _sweep_staging(project, staged)
    return chosen


def _check_base(test_id: str, kind: Kind, change: Change, manifest: Manifest) -> None:
    approved = manifest.get(test_id).get(kind)
    if approved not in (change.base, change.staged):
        raise UsageError(
            f"{test_id}: its {kind.value} snapshot was approved anew since this one was recorded",
            hint=f"booktest-cassettes run -S -- {test_id}, to record against the newer one",
        )


def _staged(project: Project, test_id: str, key: BlobKey) -> bytes:
    data = project.staging.get(key)
    if data is None:
        raise BlobMissing(
            f"{test_id}: its staged {key.kind.value} snapshot is gone from {project.staging.path(key)}",
            hint=f"booktest-cassettes run -- {test_id}, to record it again",
        )
    return data


def _check_secrets(test_id: str, key: BlobKey, data: bytes) -> None:
    found = scan(data)
    if found:
        lines = [f"line {finding.line}: looks like a {finding.label}" for finding in found[:10]]
        raise SecretFound(
            "\n  ".join([f"{test_id}: its {key.kind.value} snapshot is not approved:", *lines]),
            hint="add the field to [redact] in booktest.toml and record again, or approve --allow-secrets"
            f" if it is none (booktest-cassettes show {test_id})",
        )


def _hold(project: Project, plan: Plan, before: Manifest) -> list[BlobKey]:
    """Keep approved bytes whose payload is about to be replaced; returns what was put there."""
    held: list[BlobKey] = []
    for pending in plan.pending:
        for kind, change in pending.changes.items():
            approved = before.get(pending.test_id).get(kind)
            if approved is None or approved == change.staged:
                continue
            key = BlobKey(kind, approved)
            data = None if project.keep.has(key) else _readable(project, pending.test_id, key)
            if data is not None:
                project.keep.put(key, data)
                held.append(key)
    return held


def _readable(project: Project, test_id: str, key: BlobKey) -> bytes | None:
    try:
        return project.test_store(test_id).get(key)
    except BlobCorrupt:  # re-recording is how a corrupt payload is healed: there is nothing to hold
        return None


def _remove_payloads(store: GitStore, plan: Plan) -> None:
    """Delete payloads of kinds that a test no longer has."""
    for pending in plan.pending:
        for kind, change in pending.changes.items():
            if change.staged is None:
                remove(store.path(pending.test_id, kind))


def _sweep_staging(project: Project, keys: Sequence[BlobKey] | Mapping[BlobKey, bytes]) -> None:
    """Drop staged bytes that no pending record needs any more."""
    needed = {
        BlobKey(kind, change.staged)
        for pending in project.pending
        for kind, change in pending.changes.items()
        if change.staged is not None
    }
    for key in keys:
        if key not in needed:
            project.staging.delete(key)
