"""Carry a migration out: read, clean, scan, and approve in batches, each of them whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from shlex import quote

from ...digest import BlobKey, Digest, Kind
from ...errors import BlobCorrupt, BlobMissing, CassetteError, IntegrityError, SecretFound
from ...files import read_bytes, remove, remove_empty
from ...importing.yaml_reading import check_size
from ...manifest import Manifest, check_test_id
from ...options import HTTP_KINDS, Options, resolve
from ...project import Project
from ...recording.scan import scan
from ...store.pending import Change, Pending
from .. import approve
from ..transfer import Progress, quiet
from . import booktest_results, convert
from .plan import Item, Orphan, Plan
from .report import Report, Row
from .variables import without_secrets

#: Bytes of blobs that are approved together: more would be held in memory for no gain.
_BATCH = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class How:
    """The choices of a person.

    Attributes
    ----------
    dry_run:
        Read and check all of it, write nothing.
    allow_secrets:
        Take what looks like a credential.
    force:
        Replace what is approved with another digest.
    delete_originals:
        Delete the files that were taken, and those whose recording was there.
    """

    dry_run: bool = False
    allow_secrets: bool = False
    force: bool = False
    delete_originals: bool = False


@dataclass
class _Batch:
    """What is approved next."""

    records: list[Pending] = field(default_factory=list)
    blobs: dict[BlobKey, bytes] = field(default_factory=dict)
    size: int = 0


def execute(project: Project, plan: Plan, how: How = How(), progress: Progress = quiet) -> Report:
    """Make approved snapshots of what the plan names.

    A recording that cannot be taken is a row that says why; the others go on.

    Raises
    ------
    RemoteError, StorageError
        When the remote or the disk refuses. What was approved until then stays, and the same command
        completes it.
    """
    run = _Run(project, how, progress)
    rows = [*(run.take(item) for item in plan.items), *(_orphan(project, one) for one in plan.orphans)]
    run.flush()
    deleted = _delete(run, plan, rows) if how.delete_originals and not how.dry_run else []
    notes = [*plan.notes, *run.tidy(rows, deleted)]
    rows.sort(key=lambda row: (row.paths, row.test_id))
    changed = tuple(dict.fromkeys(run.changed))
    return Report(tuple(rows), tuple(notes), how.dry_run, tuple(deleted), changed)


class _Run:
    """One migration under way."""

    def __init__(self, project: Project, how: How, progress: Progress) -> None:
        self.project = project
        self.how = how
        self.progress = progress
        self.manifest: Manifest = project.read_manifest()
        self.cleaner = resolve(project.config, Options()).cleaner
        self.changed: list[str] = []
        self.read: dict[str, set[Digest]] = {}
        self._batch = _Batch()
        self._takers: dict[str, tuple[str, ...]] = {}

    def tidy(self, rows: Iterable[Row], deleted: Collection[str]) -> list[str]:
        """What booktest kept beside its snapshots; returns notes."""
        rows = [row for row in rows if row.format == "booktest"]
        taken = [path for row in rows if row.status in ("taken", "there") for path in row.paths]
        left = {path for row in rows for path in row.paths}.difference(deleted)
        notes, changed = booktest_results.tidy(
            self.project, taken, left, dry_run=self.how.dry_run, ignores=not {*deleted}.isdisjoint(taken)
        )
        self.changed += changed
        return notes

    def take(self, item: Item) -> Row:
        """Read one recording and put it into the batch, unless something speaks against it."""
        paths = tuple(map(self.project.relative, item.files))
        row = Row("taken", paths, item.test_id, item.format.name)
        try:
            check_test_id(item.test_id)
            imported, problems = item.format.read(self._files(item))
            made = convert.convert(*without_secrets(imported, self.project.config, self.cleaner))
        except CassetteError as error:  # or an id that no manifest could hold
            return _refused(row, error)
        kinds = {kind: Digest.of(data) for kind, data in made.blobs.items()}
        row = replace(
            row,
            kinds={kind.value: str(digest) for kind, digest in kinds.items()},
            interactions=made.interactions,
            size=sum(map(len, made.blobs.values())),
            notes=(*imported.notes, *(f"left out: {_reason(problem)}" for problem in problems)),
            exit_code=max((problem.exit_code for problem in problems), default=0),
            redactions=made.redactions,
            stays=bool(problems),
        )
        return self._decided(row, kinds, made.blobs)

    def _files(self, item: Item) -> Iterator[tuple[str, bytes]]:
        for file in item.files:
            name = self.project.relative(file)
            check_size(file.stat().st_size if file.is_file() else 0, name)
            data = read_bytes(file)
            if data is None:
                raise IntegrityError(f"{name}: is gone", hint="restore it, or migrate without it")
            self.read.setdefault(name, set()).add(Digest.of(data))
            yield name, data

    def _decided(self, row: Row, kinds: Mapping[Kind, Digest], blobs: Mapping[Kind, bytes]) -> Row:
        if not kinds:
            return replace(row, status="skipped", why="holds no interactions")
        if (other := self._takers.setdefault(row.test_id, row.paths)) != row.paths:
            return replace(
                row,
                status="skipped",
                why=f"{' and '.join(other)} is the test's recording already",
                hint="migrate one of them, by its path",
            )
        approved = self.manifest.get(row.test_id)
        changes = _changes(kinds, approved)
        if not changes:
            return replace(row, status="there")
        if (others := [kind.value for kind, change in changes.items() if change.base]) and not self.how.force:
            return replace(
                row,
                status="skipped",
                why=f"its {' and '.join(others)} snapshot is approved already, with another digest",
                hint="migrate --force replaces it",
            )
        record = Pending(row.test_id, changes)
        waiting = self.project.pending.load(row.test_id)
        if waiting is not None and waiting != record:
            return replace(
                row,
                status="skipped",
                why="another recording of the test waits for review",
                hint=f"booktest-cassettes review {quote(row.test_id)}",
            )
        if not self.how.delete_originals and (lost := _payloads(self.project, row) & {*row.paths}):
            return replace(
                row,
                status="skipped",
                why=f"its snapshot goes where {' and '.join(sorted(lost))} is, which would be lost",
                hint="migrate --delete-originals, or name another snapshots_dir in booktest.toml",
            )
        if not self.how.allow_secrets and (refusal := _secrets(row, blobs)):
            return refusal
        self._add(record, {BlobKey(kind, digest): blobs[kind] for kind, digest in kinds.items()})
        return row

    def _add(self, record: Pending, blobs: Mapping[BlobKey, bytes]) -> None:
        if self.how.dry_run:
            return
        self._batch.records.append(record)
        self._batch.blobs.update(blobs)
        self._batch.size += sum(map(len, blobs.values()))
        if self._batch.size > _BATCH:
            self.flush()

    def flush(self) -> None:
        """Approve what was gathered."""
        batch, self._batch = self._batch, _Batch()
        if not batch.records:
            return
        _stage(self.project, batch)
        plan = approve.plan_of(self.project, batch.records, allow_secrets=True)
        self.changed += approve.execute(self.project, plan, self.progress).paths


def _stage(project: Project, batch: _Batch) -> None:
    """What a test's session does with what it recorded."""
    project.prepare_cache()
    with project.pending.exclusive():
        for record in batch.records:
            for kind, change in record.changes.items():
                if change.staged is not None:
                    key = BlobKey(kind, change.staged)
                    project.staging.put(key, batch.blobs[key])
            project.pending.save(record)


def _changes(kinds: Mapping[Kind, Digest], approved: Mapping[Kind, Digest]) -> dict[Kind, Change]:
    """What an import changes of a test: its own kinds; one HTTP recording takes the place of the other."""
    replaced = HTTP_KINDS if any(kind in kinds for kind in HTTP_KINDS) else ()
    touched = [kind for kind in Kind if kind in kinds or kind in replaced]
    return {
        kind: Change(approved.get(kind), kinds.get(kind))
        for kind in touched
        if approved.get(kind) != kinds.get(kind)
    }


def _secrets(row: Row, blobs: Mapping[Kind, bytes]) -> Row | None:
    found = [(kind, finding) for kind, data in sorted(blobs.items()) for finding in scan(data)]
    if not found:
        return None
    lines = [
        f"{kind.value}, line {finding.line} of the blob: a {finding.label}" for kind, finding in found[:10]
    ]
    return replace(
        row,
        status="refused",
        why="still looks like it holds a credential: " + "; ".join(lines),
        hint="name the field in [redact] in booktest.toml, or migrate --allow-secrets if it is none",
        exit_code=SecretFound.exit_code,
    )


def _refused(row: Row, error: CassetteError) -> Row:
    return replace(row, status="refused", why=_reason(error), hint=error.hint, exit_code=error.exit_code)


def _reason(error: CassetteError) -> str:
    """What an error says, unless the piece of the file that it quotes is a credential."""
    if scan(error.message.encode("utf-8", "replace")):
        return "cannot be read; what is wrong with it looks like a credential, and is not shown"
    return error.message


def _orphan(project: Project, orphan: Orphan) -> Row:
    """A file without a test; one that cannot even be read is refused for that."""
    row = Row("orphan", (project.relative(orphan.file),), format=orphan.format.name)
    try:
        name = project.relative(orphan.file)
        check_size(orphan.file.stat().st_size, name)
        imported, _ = orphan.format.read([(name, read_bytes(orphan.file) or b"")])
    except (IntegrityError, OSError) as error:
        return _refused(row, error if isinstance(error, CassetteError) else IntegrityError(str(error)))
    number = len(imported.interactions) + len(imported.httpx) + len(imported.calls)
    return replace(row, interactions=number, why=orphan.why, hint=orphan.hint)


# -- originals ---------------------------------------------------------------------------------------


def _delete(run: _Run, plan: Plan, rows: list[Row]) -> list[str]:
    """Delete the files whose recording can be had from now on, for every test that uses them."""
    project = run.project
    manifest = project.read_manifest()
    safe = [row.status in ("taken", "there") and _is_there(project, row, manifest) for row in rows]
    kept = {
        path
        for row, is_safe in zip(rows, safe, strict=True)
        if row.stays or not is_safe
        for path in row.paths
    }
    files = {project.relative(file): file for item in plan.items for file in item.files}
    kept = kept.union(*(_payloads(project, row) for row in rows))  # that is where a snapshot is now
    # A link elsewhere may be all that a recording we did not take consists of; a file may have been edited.
    real = {os.path.realpath(project.config.root / path) for path in kept}
    going = [path for path, file in files.items() if path not in kept and os.path.realpath(file) not in real]
    going = [path for path in going if run.read.get(path) == {Digest.of(read_bytes(files[path]) or b"")}]
    for path in going:
        remove(files[path])
        remove_empty(files[path].parent, top=project.config.root)
    return going


def _payloads(project: Project, row: Row) -> set[str]:
    """Where Git has the snapshots of a row, or will have: booktest has used the same names."""
    if project.storage.mode == "dvc":
        return set()
    payloads = project.payloads(row.test_id)
    return {project.relative(payloads.path(row.test_id, Kind(kind))) for kind in row.kinds}


def _is_there(project: Project, row: Row, manifest: Manifest) -> bool:
    approved = manifest.get(row.test_id)
    try:
        return all(
            approved.get(Kind(kind)) == digest
            and project.approved(row.test_id, Kind(kind), Digest.parse(digest))
            for kind, digest in row.kinds.items()
        )
    except (BlobMissing, BlobCorrupt):
        return False
