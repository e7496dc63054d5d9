"""The local cache: blobs, staging, and what killed processes left there. Asks no remote."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote

from ...digest import BlobKey
from ...errors import BlobCorrupt, CassetteError, IntegrityError, StorageError
from ...files import list_names, read_bytes
from ...manifest import Manifest
from ...project import Project
from ...store.local import LocalStore
from ...store.pending import Pending
from ...wording import count
from .. import parts, staging
from ..meter import size
from . import sweeping
from .findings import INTEGRITY, Finding, Findings, of_error, ok, problem
from .locks import is_held
from .patient import Patient

_LITTLE_SPACE = 200_000_000  # bytes
_FIX = "booktest-cassettes doctor --fix"


def check(patient: Patient) -> Findings:
    """Everything below the cache directory."""
    project = patient.project
    if project is None:
        return
    root = project.config.cache_dir
    where = patient.relative(root)
    if not os.path.lexists(root):
        yield ok("cache", "", f"{where} is not there yet: the first run makes it")
        yield from _space(root, where)
        return
    if not is_directory(root):
        what = "is a file, where the cache directory should be"
        fix = f"move it away, or name another one: paths.cache_dir in {patient.root / 'booktest.toml'}"
        yield problem("cache", where, what, fix, INTEGRITY)
        return
    yield from _rights(root, patient)
    if not is_usable(root):  # all else would be said once more for every file
        return
    yield from _space(root, where)
    yield from _blobs(project, patient)
    yield from _quarantine(root / "quarantine", patient)


def check_staging(patient: Patient) -> Findings:
    """What waits for review, and staged blobs that nothing needs."""
    project = patient.project
    if project is None or not is_usable(project.config.cache_dir):
        return
    records, damaged = _records(project)
    for error in damaged:
        yield of_error("pending-damaged", error)
    yield from _staged(project, records, is_complete=not damaged)
    manifest = _approved(project)
    waiting = [record for record in records if not parts.is_settled(project, record, manifest)]
    if waiting:
        what = f"{count(len(waiting), 'test')} waiting for review"
        yield Finding("pending", "note", "", what, "booktest-cassettes review, or approve --all")
    else:
        yield ok("pending", "", "nothing waits for review")
    yield from _unpushed(project)


def check_leftovers(patient: Patient) -> Findings:
    """What killed processes left, and locks that are held."""
    project = patient.project
    if project is None:
        return
    cache = project.config.cache_dir
    if os.path.lexists(cache) and not is_usable(cache):
        return
    old = list(sweeping.temporary(project))
    if old:
        what = f"{count(len(old), 'temporary file')} of killed processes, older than a day"
        mend = partial(sweeping.delete_temporary, project)
        yield Finding("temporary", "note", patient.relative(old[0].parent), what, _FIX, mend=mend)
    else:
        yield ok("temporary", "", "no temporary files of killed processes")
    if not is_directory(cache):
        return
    stale = list(sweeping.stale_copies(project))
    if stale:
        what = f"{count(len(stale), 'copy')} of shared recordings that are settled or damaged"
        mend = partial(sweeping.delete_stale_copies, project)
        yield Finding("shared", "note", patient.relative(stale[0].parent), what, _FIX, mend=mend)
    empty = sum(1 for _ in sweeping.empty_directories(project))
    if empty:  # they cost nothing, and every approval leaves some
        what = f"{count(empty, 'empty directory')}, older than a day"
        yield Finding("empty", "ok", "", what, mend=partial(sweeping.delete_empty, project))
    for lock in sorted(cache.glob("**/*.lock")):
        if is_held(lock):
            fix = f"wait for it to end; on Linux fuser {quote(patient.relative(lock))} names it"
            what = "a process of ours is at work, and holds it"
            yield Finding("lock", "note", patient.relative(lock), what, fix)


# --- the directory ------------------------------------------------------------------------------------


def is_directory(path: Path) -> bool:
    """Whether there is a directory, as far as this user may know; ``Path.is_dir`` would raise."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_usable(directory: Path) -> bool:
    """Whether it is a directory that this user may read and write."""
    return is_directory(directory) and os.access(directory, os.R_OK | os.W_OK | os.X_OK)


def _rights(root: Path, patient: Patient) -> Findings:
    inner = (root, root / "staging", root / "staging" / "pending", root / "quarantine")
    for directory in inner:
        if is_directory(directory) and not is_usable(directory):
            where = patient.relative(directory)
            what, fix = "this user may not read and write it", f"chmod u+rwx {quote(where)}"
            yield problem("rights", where, what, fix, INTEGRITY)


def _space(root: Path, where: str) -> Findings:
    there = next(directory for directory in (root, *root.parents) if os.path.lexists(directory))
    free = shutil.disk_usage(there).free
    if free < _LITTLE_SPACE:
        yield Finding("space", "warning", where, f"{size(free)} are left on its disk", "make space")
    else:
        yield ok("space", "", f"{size(free)} free")


# --- blobs --------------------------------------------------------------------------------------------


@dataclass
class _Tally:
    blobs: int = 0
    size: int = 0


def _blobs(project: Project, patient: Patient) -> Findings:
    tally = _Tally()
    for key in sorted(project.keep.keys()):
        try:
            _look(project.keep, key, tally, deep=patient.deep)
        except BlobCorrupt as error:
            mend = partial(_set_aside, project, patient, key)
            where = patient.relative(project.keep.path(key))
            what = f"corrupt: {error.message.rpartition(' snapshot: ')[2]}"
            fix = f"{_FIX} --deep" if patient.deep else _FIX
            yield Finding("blob", "problem", where, what, fix, INTEGRITY, mend)
        except StorageError as error:
            yield of_error("blob", error)
    how = "every byte verified" if patient.deep else "--deep verifies their bytes"
    yield ok("blobs", "", f"{count(tally.blobs, 'approved blob')}, {size(tally.size)}; {how}")


def _look(store: LocalStore, key: BlobKey, tally: _Tally, *, deep: bool) -> None:
    path = store.path(key)
    tally.blobs += 1
    try:
        tally.size += (found := path.stat().st_size)
    except FileNotFoundError:  # gone meanwhile, or a link that leads nowhere
        return
    if deep or not found:  # no blob is empty: a power failure leaves such files
        store.get(key)


def _set_aside(project: Project, patient: Patient, key: BlobKey) -> str:
    aside = project.set_aside(key)
    if aside is None:
        return ""
    return f"set the corrupt {key} aside as {patient.relative(aside)}; booktest-cassettes pull fetches it"


def _quarantine(directory: Path, patient: Patient) -> Findings:
    names = list_names(directory)
    if names:
        total = sum((directory / name).lstat().st_size for name in names)
        what = f"{count(len(names), 'corrupt blob')}, {size(total)}, set aside: nothing reads them"
        where = patient.relative(directory)
        yield Finding("quarantine", "note", where, what, f"look at them, then rm -r {quote(where)}")


# --- staging ------------------------------------------------------------------------------------------


def _records(project: Project) -> tuple[list[Pending], list[CassetteError]]:
    records: list[Pending] = []
    damaged: list[CassetteError] = []
    root = project.pending.root
    for name in list_names(root):
        if not name.endswith(".json"):
            continue
        try:
            data = read_bytes(root / name)
            if data is not None:
                records.append(project.pending.parse(data, name))
        except (IntegrityError, StorageError) as error:
            damaged.append(error)
    return records, damaged


def _staged(project: Project, records: list[Pending], *, is_complete: bool) -> Findings:
    there = set(project.staging.keys())
    named = {key: record.test_id for record in records for key in staging.staged_keys(record)}
    for key in sorted(set(named) - there):
        try:
            staging.read(project, named[key], key)
        except CassetteError as error:
            yield of_error("staged-lost", error)
    orphans = there - set(named)
    if orphans and is_complete:  # a damaged record may be the one that names them
        what = f"{count(len(orphans), 'staged blob')} that no pending record names"
        mend = partial(sweeping.drop_orphans, project)
        yield Finding("staged-orphan", "note", "", what, _FIX, mend=mend)


def _approved(project: Project) -> Manifest:
    try:
        return project.read_manifest()
    except CassetteError:  # said where the manifest is
        return Manifest()


def _unpushed(project: Project) -> Findings:
    try:
        waiting = project.unpushed.read()
    except CassetteError as error:
        yield of_error("unpushed", error)
        return
    if waiting:
        what = f"{count(len(waiting), 'approved blob')} not on the remote yet"
        yield Finding("unpushed", "note", "", what, "booktest-cassettes push, before git push")
    else:
        yield ok("unpushed", "", "nothing waits to be pushed")
