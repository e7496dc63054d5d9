"""Result files in an approval, a rejection and a pull request (ADR-0014)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from ..errors import SecretFound, UsageError
from ..files import sweep_temporary
from ..manifest import Manifest
from ..project import Project
from ..recording.scan import Finding, scan
from ..store.git import RESULT, id_of_parts
from ..store.pending import Pending
from ..store.results import decoded
from . import git


def fits(project: Project, record: Pending) -> bool:
    """Whether the approved result is still the one that a record was made against, or the record's own."""
    result = record.result
    return result is None or project.results.read(record.test_id) in (result.base, result.staged)


def check_base(project: Project, record: Pending) -> None:
    """Refuse a result that was approved anew since this one was written; raises UsageError."""
    if not fits(project, record):
        raise UsageError(
            f"{record.test_id}: its result was approved anew since this one was written",
            hint=f"booktest-cassettes run -- {quote(record.test_id)}, to compare with the newer one",
        )


def secrets(record: Pending) -> list[Finding]:
    """What looks like a credential in a result that waits for review."""
    staged = record.result.staged if record.result else None
    return scan(staged.encode()) if staged else []


def check_secrets(record: Pending) -> None:
    """Refuse a result that looks like it holds a credential; raises SecretFound."""
    if found := secrets(record):
        lines = [f"line {finding.line}: looks like a {finding.label}" for finding in found[:10]]
        raise SecretFound(
            "\n  ".join([f"{record.test_id}: its result is not approved:", *lines]),
            hint="leave it out of the result, or name it in [redact] in booktest.toml, and run the test"
            f" again; if it is none: booktest-cassettes approve --allow-secrets {quote(record.test_id)}",
        )


def paths(project: Project, records: Iterable[Pending]) -> list[Path]:
    """The result files that approving these records may change."""
    return [project.results.path(record.test_id) for record in records if record.result]


def prepare(project: Project, records: Iterable[Pending]) -> list[Path]:
    """Have Git keep the line ends of result files; says what else changed."""
    if not any(record.result and record.result.staged for record in records):
        return []
    store = project.git_store()
    sweep_temporary(store.attributes)
    return [store.attributes] if store.prepare() else []


def write(project: Project, records: Iterable[Pending]) -> None:
    """Put the new results in place, delete those that are gone."""
    for record in records:
        if record.result:
            project.results.write(record.test_id, record.result.staged)


def undo(project: Project, records: Iterable[Pending], manifest: Manifest) -> None:
    """Put back the results of these records, where a killed approval got no further than them.

    Where the manifest has changed, by that approval or by another one, or there is nothing in it to change,
    the result is an approved one.
    """
    for part in records:
        record = project.pending.load(part.test_id) or part
        result = record.result
        if result is None or not record.changes:
            continue
        approved = manifest.get(record.test_id)
        is_as_before = all(approved.get(kind) == change.base for kind, change in record.changes.items())
        if is_as_before and project.results.read(record.test_id) == result.staged:
            project.results.write(record.test_id, result.base)


# -- between revisions -------------------------------------------------------------------------------


def at(project: Project, revision: str, test_id: str) -> str | None:
    """A test's result in a Git revision, ``None`` where it has none there."""
    path = project.relative(project.results.path(test_id))
    said = git.ask(project.config.root, "cat-file", "blob", f"{revision}:./{path}")
    return None if said is None else decoded(f"{said}\n".encode("utf-8", "surrogateescape"))


def changed(project: Project, old: str, new: str | None) -> list[str]:
    """The tests whose result is not the same in two Git revisions (``None``: the work tree), in order.

    A path that no id can be read back from is that of a test of the manifest, or stands for itself.

    Raises
    ------
    UsageError
        With Git's own words, when it does not know a revision.
    """
    root, place = project.config.root, project.relative(project.config.snapshots_dir)
    where = ("-z", "--", f":(literal){place}")
    compared = [old] if new is None else [old, new]
    said = git.run(root, "diff", "--name-only", "--no-renames", "--relative", *compared, *where)
    if new is None:
        said += git.run(root, "ls-files", "--others", *where)
    names = {name for name in said.split("\0") if name.rpartition("/")[2] == RESULT}
    known = {project.relative(project.results.path(test_id)): test_id for test_id in _known(project)}
    return sorted(known.get(name) or _id(name.removeprefix(f"{place}/")) for name in names)


def _known(project: Project) -> Iterable[str]:
    return {*project.manifest.entries, *(record.test_id for record in project.pending if record.result)}


def _id(path: str) -> str:
    parts = path.split("/")[:-1]
    return id_of_parts(parts) or "/".join(parts)
