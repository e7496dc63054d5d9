"""The manifest: does it parse, as we write it, and are the tests and blobs that it names still there?"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from shlex import quote

from ...config_keys import MANIFEST
from ...digest import BlobKey
from ...errors import BlobCorrupt, CassetteError, StorageError
from ...files import read_bytes
from ...manifest import Manifest, load
from ...project import Project
from ...wording import count
from .. import conflicts, sync
from .findings import INTEGRITY, Finding, Findings, of_error, ok, problem
from .patient import Patient

_MOST = 10  # files of deleted tests that are named


def check(patient: Patient) -> Findings:
    """The file itself, then what it names."""
    project = patient.project
    if not patient.is_readable:
        return
    if project is None:
        yield from _by_default(patient.root / MANIFEST)
        return
    path = project.config.manifest
    where = patient.relative(path)
    if not os.path.lexists(path):
        yield ok("manifest", "", f"{where} is not there yet: the first approval makes it")
        return
    merged = conflicts.read(project)
    if merged is not None:
        number = len(merged.conflicts)
        what = f"a merge left {count(number, 'conflict')} in it" if number else "merge markers"
        yield problem("manifest-conflict", where, what, "booktest-cassettes review", INTEGRITY)
        return
    try:
        manifest = load(path)
    except CassetteError as error:
        yield of_error("manifest", error)
        return
    snapshots = sum(len(kinds) for kinds in manifest.entries.values())
    yield ok("manifest", "", f"{where}: {snapshots:,} snapshots of {len(manifest.entries):,} tests")
    yield from _form(path, where, manifest)
    yield from _deleted_tests(patient.root, manifest)
    yield from _nowhere(project, patient)
    if patient.deep:
        yield from _corrupt(project, patient, manifest)


def _by_default(path: Path) -> Findings:
    """Where the configuration cannot be read: a merge breaks both files at once."""
    try:
        load(path)
    except CassetteError as error:
        yield of_error("manifest", error)


def _form(path: Path, where: str, manifest: Manifest) -> Findings:
    if read_bytes(path) != manifest.dump().encode("utf-8"):
        what = "is not as we write it (edited by hand?): the next approval rewrites more lines than its own"
        fix = "approve and commit once; booktest-cassettes status shows that it says the same"
        yield Finding("manifest-form", "note", where, what, fix)


def _deleted_tests(root: Path, manifest: Manifest) -> Findings:
    """Only of ids that begin with a Python file: others are names that somebody chose."""
    files = Counter(test_id.partition("::")[0] for test_id in manifest.entries)
    gone = [file for file in files if file.endswith(".py") and not _is_there(root / file)]
    for file in sorted(gone)[:_MOST]:
        what = f"is gone, and the manifest has {count(files[file], 'test')} of it"
        yield Finding("test-gone", "note", file, what, _forget(file))
    if len(gone) > _MOST:
        what = f"so are {len(gone) - _MOST:,} more files of tests"
        yield Finding("test-gone", "note", "", what, "booktest-cassettes forget FILE...")


def _forget(file: str) -> str:
    return f"booktest-cassettes forget {'-- ' if file.startswith('-') else ''}{quote(file)}"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, a null byte: no test file
        return False


def _nowhere(project: Project, patient: Patient) -> Findings:
    """Approved snapshots that are not on this machine, and where no remote may have them."""
    try:
        absent = project.absent(sync.wanted(project))
    except StorageError:  # said where the cache is
        return
    if not absent:
        yield ok("blobs", "", "every approved snapshot is on this machine")
    elif project.place is not None or patient.trouble is not None:
        yield ok("blobs", "", f"{len(absent):,} approved snapshots not on this machine; pull fetches them")
    else:
        error = project.missing(*absent[0])
        more = f" ({len(absent) - 1:,} more are missing, too)" if len(absent) > 1 else ""
        yield problem("blob-lost", "", f"{error.message}{more}", error.hint, INTEGRITY)


def _corrupt(project: Project, patient: Patient, manifest: Manifest) -> Findings:
    """Payloads beside the tests that are other bytes than was approved; the cache looks after its own."""
    if project.storage.mode != "git" or patient.trouble is not None:
        return
    verified = 0
    for test_id, kinds in manifest.entries.items():
        store = project.payloads(test_id)
        for kind, digest in kinds.items():
            try:
                verified += store.get(BlobKey(kind, digest)) is not None
            except BlobCorrupt as error:
                where = patient.relative(store.path(test_id, kind))
                what = "is not what was approved"
                fix = f"git checkout -- {quote(where)}, or booktest-cassettes run -S -- {quote(test_id)}"
                yield problem("payload-corrupt", where, f"{what}: {_why(error)}", fix, INTEGRITY)
    yield ok("payloads", "", f"{verified:,} payloads verified")


def _why(error: BlobCorrupt) -> str:
    return error.message.rpartition(" snapshot: ")[2]
