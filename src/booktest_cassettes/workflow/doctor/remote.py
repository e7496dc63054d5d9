"""The remote: is it named, reachable, writable, and what time is it there?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import time

from ...errors import CassetteError, RemoteError
from ...store.remote.medium import Entry, Medium
from ...store.remote.remote import Remote
from . import credentials, dvc_locks
from .findings import REMOTE, Finding, Findings, of_error, ok, problem
from .packages import plugin_lacks
from .patient import Patient

#: Our directory of probes, below the prefix.
AREA = "probe"
_MOST_SKEW = 60.0  # seconds
_PATIENCE = 40.0  # seconds for each thing that is asked: somebody waits, and a push would wait minutes
_DAY = 86_400.0


def check(patient: Patient) -> Findings:
    """The remote that the configuration means, and a probe that is written there and deleted again."""
    if patient.config is None or patient.project is None:
        return
    if isinstance(patient.trouble, RemoteError):
        yield of_error("storage", patient.trouble)
        return
    storage = patient.project.storage
    if storage.lack is not None:
        yield _lack(storage.lack, storage.notice)
        return
    if storage.place is None:
        yield ok("storage", "", "recordings are kept in Git: no remote is needed")
        return
    yield ok("storage", "", f"{storage.mode}: {storage.place}")
    yield from dvc_locks.check(storage.place, patient)
    if plugin_lacks(storage.place) is not None:  # said where packages are
        return
    yield from credentials.check(storage.place, patient.environ)
    if patient.offline:
        yield ok("reachable", "", "not asked (--offline)")
        return
    yield from _probed(patient, Remote(storage.place, patient.config.remote_prefix, limit=_PATIENCE))


def _lack(lack: RemoteError, notice: str) -> Finding:
    """There is no remote: Git has taken its place, with a notice, or a full cache has to be enough."""
    if notice:
        return Finding("storage", "note", "", notice, lack.hint)
    return of_error("storage", lack)


@dataclass(frozen=True, slots=True)
class _Written:
    """A probe that was written and read back.

    Attributes
    ----------
    before, after:
        This machine's time when the writing began, and when it had ended.
    """

    path: str
    before: float
    after: float
    is_whole: bool


def _probed(patient: Patient, remote: Remote) -> Findings:
    where = str(remote.place)
    try:
        found = list(remote.list([AREA]))
    except RemoteError as error:
        yield of_error("reachable", error)
        return
    yield ok("reachable", "", f"it answers: {where}")
    try:
        written = _write(remote)
    except RemoteError as error:
        yield _not_writable(error, patient)
        return
    try:
        yield from _read_back(remote, written, where)
    finally:
        refusal = _delete(remote, [written.path, *_left(found, written.after)])
    if refusal is None:
        yield ok("writable", "", "writable: a probe was written, read back and deleted")
    else:
        what = f"a probe was written, and could not be deleted: {refusal.message}"
        fix = f"allow it to delete, and delete {remote.prefix}/{written.path} there"
        yield Finding("deletable", "warning", where, what, fix)


def _write(remote: Remote) -> _Written:
    data = os.urandom(16).hex().encode()
    path = f"{AREA}/{os.urandom(8).hex()}"

    async def write(medium: Medium) -> bytes | None:
        await medium.write(path, data)
        return await medium.read(path)

    before = time()
    back = remote.one(write)
    return _Written(path, before, time(), back == data)


def _read_back(remote: Remote, written: _Written, where: str) -> Findings:
    if not written.is_whole:
        what = "it took a probe without an error, and does not give it back"
        yield problem(
            "writable", where, what, "look at its disk, quota and proxies; trust it with nothing", REMOTE
        )
        return
    found = [entry for entry in remote.list([AREA]) if entry.path == written.path]
    if not found:
        what = "a probe that was just written is not in its listing"
        yield Finding("listing", "warning", where, what, "look whether something between caches its answers")
        return
    yield _clock(found[0].modified - (written.before + written.after) / 2, where)


def _clock(skew: float, where: str) -> Finding:
    """Its clock against ours; many keep whole seconds, and a probe takes a moment: two are nothing."""
    if abs(skew) > _MOST_SKEW:
        what = f"its clock is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
        fix = "set the clock that is wrong (timedatectl set-ntp true): ages and signatures depend on both"
        return Finding("clock", "warning", where, what, fix)
    return ok("clock", "", f"its clock and ours differ by {abs(skew):.0f} s")


def _not_writable(error: RemoteError, patient: Patient) -> Finding:
    is_ci = patient.config is not None and patient.config.ci
    what = f"not writable from here: {error.message}"
    fix = f"to approve and push: {error.hint}; to replay, reading is enough"
    return Finding("writable", "note" if is_ci else "warning", "", what, fix)


def _left(found: list[Entry], now: float) -> list[str]:
    """Probes of doctors that were killed long ago."""
    return [entry.path for entry in found if now - entry.modified > _DAY]


def _delete(remote: Remote, paths: list[str]) -> CassetteError | None:
    try:
        remote.delete(paths)
    except CassetteError as error:
        return error
    return None
