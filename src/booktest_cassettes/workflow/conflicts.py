"""A manifest with merge conflicts: read, and resolved side by side (ADR-0013)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Literal, TypeAlias

from ..digest import BlobKey, Digest, Kind
from ..errors import BlobMissing, ManifestError, UsageError
from ..files import atomic_write, locked, read_bytes
from ..manifest import Manifest, StorageMode
from ..project import Project
from . import git, result_sides, sides
from .approve import LOCK
from .merge import Conflict, Merged, Row, decode, has_markers, merge, read_ancestor, read_side, read_text

__all__ = ["Conflict", "Conflicted", "Side", "blob", "next_command", "read", "resolve"]

Side: TypeAlias = Literal["ours", "theirs"]

#: ``conflicts`` to choose from, and in ``manifest`` all that needs no choice. Without any conflict the
#: text merge of Git was in the way, not the sides: ``resolve(project, {})`` writes what they give.
Conflicted: TypeAlias = Merged


def read(project: Project) -> Conflicted | None:
    """The conflicts of a project's manifest; ``None`` when it has none, or there is no manifest.

    While Git has the file as unmerged, its own versions are what is merged, unless the text is what
    :func:`resolve`, or the merge driver, made of them.

    Raises
    ------
    ManifestError
        When the markers make no sense, or a side is no manifest, and Git cannot help.
    """
    path = project.config.manifest
    data = read_bytes(path)
    if data is None or not has_markers(text := decode(data, str(path))):
        return None
    merged = _of_index(project, path)
    try:
        there = read_text(text, name=str(path))
    except ManifestError:
        if merged is None:
            raise
        return merged
    return there if merged is None else (_rest(there, merged) or merged)


def resolve(
    project: Project, choices: Mapping[Row, Side], *, storage_mode: StorageMode | None = None
) -> Conflicted | None:
    """Write the manifest with one side's snapshots, and their payloads; what is not chosen stays a conflict.

    A test's result that is in conflict, too, is then of the same side.

    Nothing is added to Git's index: see :func:`next_command`.

    Parameters
    ----------
    project:
        Whose manifest.
    choices:
        A side for each test and kind to settle.
    storage_mode:
        For a conflict about the storage mode; by default it is what the configuration says.

    Returns
    -------
    Conflicted | None
        What is left.

    Raises
    ------
    UsageError
        When a choice is about no conflict: somebody else settled it meanwhile. Nothing has changed.
    BlobMissing
        When the chosen payload is nowhere. The manifest has not changed.
    ManifestError
        As :func:`read`.
    RemoteError, StorageError
        When the remote or the disk refuses.
    """
    project.prepare_cache()
    with locked(project.config.cache_dir / LOCK):
        before = read(project)
        _check(choices, before)
        if before is None:
            return None
        after = _after(before, choices, storage_mode or _mode(project))
        _place(project, choices, after.manifest)
        result_sides.place(project, choices)
        atomic_write(project.config.manifest, after.text().encode())
    return None if after.is_clean else after


def blob(project: Project, conflict: Conflict, side: Literal["base", "ours", "theirs"]) -> bytes | None:
    """The verified bytes of one side of a conflict; ``None`` where it has none, or they are nowhere.

    Raises
    ------
    RemoteError
        When they can only be on the remote, and it cannot be asked.
    """
    digest = conflict.side(side)
    if digest is None:
        return None
    return sides.find(project, conflict.test_id, BlobKey(conflict.kind, digest))


def next_command(project: Project) -> str:
    """What to type when all conflicts are resolved: ``git add ... && git commit``, or ``--continue``."""
    root = project.config.root
    places = [project.relative(project.config.manifest)]
    if project.config.snapshots_dir.is_dir() and project.storage.mode != "dvc":
        places.append(project.relative(project.config.snapshots_dir))
    else:
        places += result_sides.names(project, result_sides.unmerged(project))
    rest = {
        "rebase-merge": "git rebase --continue",
        "rebase-apply/applying": "git am --continue",  # not so in a rebase, which uses the directory, too
        "rebase-apply": "git rebase --continue",
        "CHERRY_PICK_HEAD": "git cherry-pick --continue",
        "REVERT_HEAD": "git revert --continue",
        "MERGE_HEAD": "git commit",
    }
    found = (command for name, command in rest.items() if _is_there(root, name))
    add = f"git add {' '.join(map(quote, places))}"
    return " && ".join([add, *list(found)[:1]])


def _is_there(root: Path, name: str) -> bool:
    path = git.ask(root, "rev-parse", "--git-path", name)
    return path is not None and (root / path).exists()


def _of_index(project: Project, path: Path) -> Merged | None:
    """The merge of Git's own versions, where the file is unmerged and both sides have it."""
    root = project.config.root
    name = Path(os.path.relpath(path, root)).as_posix()
    stages = [git.read(root, "cat-file", "blob", f":{stage}:./{name}") for stage in (1, 2, 3)]
    if stages[1] is None or stages[2] is None:
        return None
    base, unsure = read_ancestor(stages[0] or b"", name=f":1:{name}")
    ours, theirs = (
        read_side(data or b"", name=f":{stage}:{name}") for stage, data in ((2, stages[1]), (3, stages[2]))
    )
    return merge(base, ours, theirs, unsure=unsure)


def _rest(there: Merged, merged: Merged) -> Merged | None:
    """What is left of a merge, where the text is that merge with some of its conflicts settled."""
    all_ = {conflict.row: conflict for conflict in merged.conflicts}
    known = all(
        one.row in all_ and (one.ours, one.theirs) == (all_[one.row].ours, all_[one.row].theirs)
        for one in there.conflicts
    )
    settled = there.manifest.with_changes(_changes((row, None) for row in all_))
    if not known or settled.entries != merged.manifest.entries or there.modes not in (None, merged.modes):
        return None
    return replace(there, conflicts=tuple(all_[one.row] for one in there.conflicts))


def _check(choices: Mapping[Row, Side], before: Merged | None) -> None:
    open_ = {conflict.row for conflict in before.conflicts} if before else set()
    for test_id, kind in choices:
        if (test_id, kind) not in open_:
            raise UsageError(
                f"{test_id}: its {kind.value} snapshot is in no merge conflict (any more)",
                hint="booktest-cassettes review shows those that are left",
            )


def _after(before: Merged, choices: Mapping[Row, Side], mode: StorageMode) -> Merged:
    chosen = _changes((one.row, one.side(choices[one.row])) for one in before.conflicts if one.row in choices)
    left = tuple(one for one in before.conflicts if one.row not in choices)
    manifest = before.manifest.with_changes(chosen)
    if before.modes is not None:
        manifest = replace(manifest, storage_mode=mode)
    return Merged(manifest, left, None, before.labels)


def _mode(project: Project) -> StorageMode:
    # A machine without DVC falls back to Git: that says nothing about the project.
    return "dvc" if project.storage.notice else project.storage.header


def _changes(rows: Iterable[tuple[Row, Digest | None]]) -> dict[str, dict[Kind, Digest | None]]:
    changes: dict[str, dict[Kind, Digest | None]] = {}
    for (test_id, kind), digest in rows:
        changes.setdefault(test_id, {})[kind] = digest
    return changes


def _place(project: Project, choices: Mapping[Row, Side], after: Manifest) -> None:
    """Have the payloads be what the manifest will name: the chosen ones, and those that Git mixed up."""
    for row in choices:
        sides.place(project, *row, after.get(row[0]).get(row[1]))
    touched = _touched(project)
    if not touched:
        return
    for test_id, kinds in after.entries.items():
        for kind, digest in kinds.items():
            if (test_id, kind) not in choices and project.payloads(test_id).path(test_id, kind) in touched:
                with suppress(BlobMissing):  # `verify` says so: it is not what was asked for here
                    sides.place(project, test_id, kind, digest)


def _touched(project: Project) -> set[Path]:
    """Payloads that the merge has changed, or their pointers.

    Git takes a similar file for a renamed one, and merges into it.
    """
    where = project.config.snapshots_dir
    end = {"git": ".json", "dvc-pointers": ".json.dvc"}.get(project.storage.mode)
    if end is None or not where.is_dir():
        return set()
    touched: set[Path] = set()
    for revision in ("HEAD", "HEAD^1") if git.ask(where, "rev-parse", "HEAD^2") else ("HEAD",):
        listed = git.ask(
            where, "diff", "--name-only", "--relative", "--no-renames", "-z", revision, "--", "."
        )
        names = (name for name in (listed or "").split("\0") if name.endswith(end))
        touched.update(where / name.removesuffix(".dvc") for name in names)
    return touched
