"""Approve and reject: from staging to the manifest, in an order that survives a kill at any point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from shlex import quote

from ..digest import BlobKey, Digest, Kind
from ..errors import BlobMissing, SecretFound, UsageError
from ..files import locked, sweep_temporary
from ..manifest import Manifest, save
from ..project import Project
from ..recording.scan import scan
from ..store.pending import Change, Pending
from . import homes, parts, results, staging
from .homes import Home
from .select import select
from .transfer import Moved, Progress, quiet

#: What holds the lock of everything that changes the manifest, in the cache directory.
LOCK = "approve"


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


@dataclass(frozen=True)
class Approved:
    """What an approval did.

    Attributes
    ----------
    paths:
        Those in the work tree that it may have changed, relative to the root.
    delivered:
        What reached the remote; ``None`` where nothing was to.
    """

    paths: list[str] = field(default_factory=list)
    delivered: Moved | None = None


def plan(
    project: Project,
    patterns: Sequence[str] = (),
    *,
    kinds: Collection[str] = (),
    allow_secrets: bool = False,
) -> Plan:
    """Read and check everything an approval needs; changes nothing.

    Parameters
    ----------
    project, patterns, kinds:
        Whose tests, which of them, and which of their kinds (or ``result``); without any, all.
    allow_secrets:
        Take what looks like a credential.

    Raises
    ------
    UsageError
        When a pattern means nothing, no test has such a kind, or a test was approved anew since it was
        recorded.
    SecretFound
        When a blob still looks like it holds a credential.
    BlobMissing, BlobCorrupt
        When staging lost or changed a blob.
    """
    return plan_of(project, choose(project, patterns, kinds), allow_secrets=allow_secrets)


def choose(project: Project, patterns: Sequence[str], kinds: Collection[str] = ()) -> list[Pending]:
    """The pending records, or parts of records, that a person means; raises UsageError."""
    records = select(project.pending, patterns)
    if not kinds:
        return records
    chosen = [part for record in records if parts.names(part := parts.only(record, kinds))]
    if not chosen:
        named = " or ".join(sorted(kinds))
        raise UsageError(
            f"no {named} snapshot waits for review there", hint="booktest-cassettes status lists what does"
        )
    return chosen


def plan_of(
    project: Project, records: Iterable[Pending], *, allow_secrets: bool | Collection[BlobKey | str] = False
) -> Plan:
    """As :func:`plan`, for these records or parts of records, as somebody has seen them.

    ``allow_secrets`` may name the blobs, and the tests for their results, in which a person looked at
    what seems a credential.

    Raises
    ------
    UsageError
        When a test was approved anew since it was recorded.
    SecretFound, BlobMissing, BlobCorrupt
        As :func:`plan`.
    """
    manifest = project.read_manifest()
    chosen: list[Pending] = []
    blobs: dict[BlobKey, bytes] = {}
    for pending in records:
        _check_bases(project, pending, manifest)
        try:
            found = {key: staging.read(project, pending.test_id, key) for key in staging.staged_keys(pending)}
        except BlobMissing:
            if parts.holds(project.pending.load(pending.test_id), pending):
                raise
            continue  # another process approved or rejected it while we looked
        if allow_secrets is not True:
            seen = allow_secrets or ()
            _check_secrets(pending.test_id, {key: data for key, data in found.items() if key not in seen})
            if pending.test_id not in seen:
                results.check_secrets(pending)
        chosen.append(pending)
        blobs.update(found)
    return Plan(tuple(chosen), blobs)


def execute(
    project: Project,
    plan: Plan,
    progress: Progress = quiet,
    *,
    push: bool = True,
) -> Approved:
    """Carry a plan out.

    Parameters
    ----------
    project, plan:
        What to approve, and where.
    progress:
        Told about each blob that reached the remote.
    push:
        Have the blobs on the remote, verified, before the manifest names them; otherwise they are
        put on the list of unpushed ones. Without a remote it makes no difference.

    Raises
    ------
    UsageError
        When a test was recorded, approved or rejected anew since the plan was made. Nothing has changed.
    RemoteError
        When the remote refuses or lies. The manifest is unchanged; approving again completes it.
    StorageError
        When the disk refuses. The manifest is then the old one or the new one, what it names can be
        read, and approving again completes it.
    """
    if not plan.pending:
        return Approved()
    project.prepare_cache()
    with locked(project.config.cache_dir / LOCK):
        before = project.read_manifest()
        for pending in plan.pending:
            _check_record(project, pending, before)
        after = _after(project, plan, before)
        home = homes.home(project, after)
        changed = [project.config.manifest] if any(plan.changes.values()) else []
        changed += [*home.paths(plan.pending), *results.paths(project, plan.pending)]
        for path in changed:
            sweep_temporary(path)
        changed += [*home.prepare(plan.pending, before), *results.prepare(project, plan.pending)]
        home.write(plan.pending, plan.blobs)
        delivered = _deliver(project, home, plan, progress, push=push)
        results.write(project, plan.pending)
        if after != before:
            save(project.config.manifest, after)
        home.finish(plan.pending)
        staging.drop(project, plan.pending)
    return Approved([project.relative(path) for path in dict.fromkeys(changed)], delivered)


def _after(project: Project, plan: Plan, before: Manifest) -> Manifest:
    if not any(plan.changes.values()):  # a result alone is no line, and says nothing about storage
        return before
    # One machine's fallback, or one command's option, says nothing about the project.
    asked = project.config.sources["storage_mode"].startswith("command line")
    is_new = not before.entries
    stays = not is_new and (asked or bool(project.storage.notice))
    mode = before.storage_mode if stays else project.storage.header
    return replace(before.with_changes(plan.changes), storage_mode=mode)


def _deliver(project: Project, home: Home, plan: Plan, progress: Progress, *, push: bool) -> Moved | None:
    if project.storage.mode == "git" or not any(plan.changes.values()):
        return None
    if push:
        delivered = home.deliver(plan.pending, progress)
        project.unpushed.discard(plan.blobs)
        return delivered
    project.unpushed.add(plan.blobs)
    return None


def too_big_for_git(project: Project, plan: Plan) -> list[str]:
    """A warning for each payload that Git got and that is over ``git_snapshot_size_limit``."""
    if project.storage.mode != "git":
        return []
    limit = project.config.git_snapshot_size_limit
    return [
        f"warning: {pending.test_id}: its {kind.value} snapshot has {len(plan.blobs[key]):,} bytes,"
        f" and Git is for up to {limit:,} (storage.git_snapshot_size_limit); a DVC remote takes any size"
        for pending in plan.pending
        for kind, change in pending.changes.items()
        if change.staged and len(plan.blobs[key := BlobKey(kind, change.staged)]) > limit
    ]


def reject(project: Project, patterns: Sequence[str] = (), *, kinds: Collection[str] = ()) -> list[Pending]:
    """Forget recordings that wait for review, and their staged bytes; what is approved stays.

    Raises
    ------
    UsageError
        When a pattern means nothing, or no test has such a kind.
    ManifestError, IntegrityError, StorageError
        When the manifest or a record cannot be read, or the disk refuses.
    """
    chosen = choose(project, patterns, kinds)
    reject_these(project, chosen)
    return chosen


def reject_these(project: Project, records: Sequence[Pending]) -> None:
    """As :func:`reject`, for these records or parts; what was recorded anew since they were read stays."""
    if not records:
        return
    project.prepare_cache()
    with locked(project.config.cache_dir / LOCK):
        manifest = project.read_manifest()
        homes.home(project, manifest).undo(records, manifest)
        results.undo(project, records, manifest)
        staging.drop(project, records)


def _check_record(project: Project, pending: Pending, manifest: Manifest) -> None:
    """Refuse to approve what nobody has seen, or what somebody rejected meanwhile."""
    _check_bases(project, pending, manifest)
    now = project.pending.load(pending.test_id)
    if parts.holds(now, pending):
        return
    left = parts.names(now) if now else []
    for part in parts.split(pending):
        name = parts.names(part)[0]
        if parts.holds(now, part) or (name not in left and parts.is_settled(project, part, manifest)):
            continue  # the latter: another process approved the very same
        what = "rejected" if now is None else "recorded anew" if name in left else "rejected or recorded anew"
        raise UsageError(
            f"{pending.test_id}: was {what} while this approval was prepared",
            hint="booktest-cassettes status, then approve again",
        )


def _check_bases(project: Project, pending: Pending, manifest: Manifest) -> None:
    results.check_base(project, pending)
    for kind, change in pending.changes.items():
        _check_base(pending.test_id, kind, change, manifest)


def _check_base(test_id: str, kind: Kind, change: Change, manifest: Manifest) -> None:
    approved = manifest.get(test_id).get(kind)
    if approved not in (change.base, change.staged):
        raise UsageError(
            f"{test_id}: its {kind.value} snapshot was approved anew since this one was recorded",
            hint=f"booktest-cassettes run -S -- {quote(test_id)}, to record against the newer one",
        )


def _check_secrets(test_id: str, blobs: Mapping[BlobKey, bytes]) -> None:
    for key, data in sorted(blobs.items()):
        if found := scan(data):
            lines = [f"line {finding.line}: looks like a {finding.label}" for finding in found[:10]]
            raise SecretFound(
                "\n  ".join([f"{test_id}: its {key.kind.value} snapshot is not approved:", *lines]),
                hint="add the field to [redact] in booktest.toml and record again; if it is none"
                f" (booktest-cassettes show {quote(test_id)}):"
                f" booktest-cassettes approve --allow-secrets {quote(test_id)}",
            )
