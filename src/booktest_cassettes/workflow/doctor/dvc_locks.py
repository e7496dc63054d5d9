"""What DVC commands that were killed, or are at work, hold."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shlex import quote

from ...store.remote.place import Place
from .findings import Finding, Findings
from .locks import is_held
from .patient import Patient


def check(place: Place, patient: Patient) -> Findings:
    """Its lock, and the list of who reads and writes what."""
    temporary = place.dvc_dir / "tmp"
    lock = temporary / "lock"
    if is_held(lock):
        what = f"another DVC command holds it{_by(lock)}"
        yield Finding("dvc-lock", "note", patient.relative(lock), what, "wait for it to end, or end it")
    yield from _users(temporary / "rwlock", patient)


def _by(lock: Path) -> str:
    try:
        number = lock.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
    return f" (process {number})" if number.isdecimal() else ""


def _users(path: Path, patient: Patient) -> Findings:
    """DVC refuses to work where it cannot read this, and on what a process that ended still holds."""
    where, fix = (
        patient.relative(path),
        f"rm {quote(patient.relative(path))}, while no DVC command is at work",
    )
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    try:
        users = json.loads(text or "{}")
        numbers = {int(user["pid"]) for user in _listed(users)}
    except (ValueError, TypeError, KeyError, AttributeError):
        yield Finding("dvc-lock", "warning", where, "DVC cannot read its list of locks", fix)
        return
    gone = sorted(number for number in numbers if not _is_alive(number))
    if gone:
        named = ", ".join(map(str, gone))
        yield Finding("dvc-lock", "warning", where, f"a DVC command that is gone holds it ({named})", fix)


def _listed(users: dict[str, dict[str, object]]) -> list[dict[str, str]]:
    """``{path: {"read": [user...], "write": user}}``, as DVC writes it."""
    found: list[dict[str, str]] = []
    for held in users.values():
        for use in held.values():
            found += use if isinstance(use, list) else [use] if isinstance(use, dict) and use else []
    return found


def _is_alive(number: int) -> bool:
    if os.name == "nt":  # where signal 0 would end it
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
