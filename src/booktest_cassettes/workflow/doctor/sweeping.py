"""What ``--fix`` deletes: files that nothing reads, and that nobody is writing any more.

A day old is old enough: no write of ours takes that long. Blobs and recordings are never among them,
but for staged ones that no pending record names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from time import time

from ...digest import Kind
from ...errors import CassetteError, IntegrityError
from ...files import read_bytes, remove
from ...project import Project
from ...store.git import RESULT
from ...store.names import shelf
from ...store.pending import PendingRecords
from .. import parts, staging

#: Seconds; see above.
OLD = 86_400.0
PAYLOADS = "_snapshots"  # the directory of a test's payloads
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{16}\.tmp", re.DOTALL)  # as files.atomic_write names them


def temporary(project: Project) -> Iterator[Path]:
    """What killed writes left in the cache, among the payloads and beside the manifest."""
    config = project.config
    for path in _walk(config.cache_dir):
        if _is_left(path):
            yield path
    for path in _walk(config.snapshots_dir):  # which may be a directory of much else
        is_ours = path.parent.name == PAYLOADS or path.name.startswith(f".{RESULT}.")
        if is_ours and _is_left(path):
            yield path
    yield from _beside(config.snapshots_dir / ".gitattributes")
    yield from _beside(config.manifest)


def _beside(target: Path) -> Iterator[Path]:
    """Those of one file: what else is in its directory is not ours."""
    try:
        names = sorted(os.listdir(target.parent))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return
    for name in names:
        if name.startswith(f".{target.name}.") and _is_left(target.with_name(name)):
            yield target.with_name(name)


def delete_temporary(project: Project) -> str:
    """Delete them."""
    return _deleted(list(temporary(project)), "temporary files of killed processes")


def stale_copies(project: Project) -> Iterator[Path]:
    """Copies of shared records that are approved by now, or so damaged that ``pull --staged`` fails."""
    records = PendingRecords(project.config.cache_dir / "staging" / "shared")
    try:
        manifest = project.read_manifest()
    except CassetteError:  # then nobody can say what is approved
        return
    for path in sorted(records.root.glob("*.json")):
        try:
            record = records.parse(read_bytes(path) or b"", path.name)
        except IntegrityError:
            yield path
            continue
        if parts.is_settled(project, record, manifest):
            yield path


def delete_stale_copies(project: Project) -> str:
    """Delete them."""
    return _deleted(list(stale_copies(project)), "copies of shared recordings, settled or damaged")


def drop_orphans(project: Project) -> str:
    """Delete staged blobs that no record names; under staging's lock nobody is about to name one."""
    before = len(set(project.staging.keys()))
    staging.drop(project, [])
    dropped = before - len(set(project.staging.keys()))
    return f"deleted {dropped:,} staged blobs that no pending record names" if dropped > 0 else ""


def empty_directories(project: Project) -> Iterator[Path]:
    """Empty ones of blobs, in keep and staging; a younger one may be about to get its first blob."""
    for store in (project.keep, project.staging):
        for kind in Kind:
            for directory in _directories(store.root / shelf(kind)):
                if not os.listdir(directory) and _is_old(directory):  # noqa: PTH208
                    yield directory


def delete_empty(project: Project) -> str:
    """Delete them."""
    deleted = 0
    for directory in list(empty_directories(project)):
        try:
            directory.rmdir()
            deleted += 1
        except OSError:  # something came in: all the better
            continue
    return f"deleted {deleted:,} empty directories" if deleted else ""


def _deleted(paths: list[Path], what: str) -> str:
    for path in paths:
        remove(path)
    return f"deleted {len(paths):,} {what}" if paths else ""


def _walk(directory: Path) -> Iterator[Path]:
    """Files at any depth; what cannot be listed is said elsewhere."""
    for parent, _, names in os.walk(directory):
        for name in sorted(names):
            yield Path(parent, name)


def _directories(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _is_left(path: Path) -> bool:
    return _TEMPORARY.fullmatch(path.name) is not None and _is_old(path)


def _is_old(path: Path) -> bool:
    try:
        return time() - path.lstat().st_mtime > OLD
    except OSError:
        return False
