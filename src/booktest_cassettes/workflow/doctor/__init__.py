"""``doctor``: what is wrong with a project, and what to do about it.

Each room checks one group and knows nothing of the others. Nothing here raises: what is broken is
what was looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import CassetteError, ManifestError
from . import cache, configuration, manifest, packages, plugins, remote, repository, setup
from .findings import Diagnosis, Finding, Findings, Group, of_error
from .patient import Patient

__all__ = ["GROUPS", "diagnose", "mend"]

Check = Callable[[Patient], Findings]

#: What is looked at, in the order in which one thing builds on another.
GROUPS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    ("Python and packages", (packages.check,)),
    ("pytest plugins", (plugins.check,)),
    ("Configuration", (configuration.check,)),
    ("Manifest", (manifest.check,)),
    ("Git", (repository.check, setup.check)),
    ("Cache", (cache.check, cache.check_staging, cache.check_leftovers)),
    ("Remote", (remote.check,)),
)


def diagnose(patient: Patient, fixed: tuple[str, ...] = ()) -> Diagnosis:
    """Look at everything; changes nothing but a probe on the remote, which is deleted again.

    Parameters
    ----------
    patient:
        See :func:`.patient.admit`; ``offline`` asks no remote.
    fixed:
        What was mended before.
    """
    groups = (
        Group(name, tuple(finding for check in checks for finding in _examined(check, patient)))
        for name, checks in GROUPS
    )
    return Diagnosis(str(patient.root), tuple(groups), fixed)


def mend(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Do what is safe to do, and say it; see docs/doctor.md for what that is."""
    done: list[str] = []
    for finding in diagnosis.findings:
        if finding.mend is None:
            continue
        try:
            said = finding.mend()
        except (CassetteError, OSError) as error:
            said = f"could not fix {finding.check}: {str(error).partition(chr(10))[0]}"
        if said and said not in done:
            done.append(said)
    return tuple(done)


def _examined(check: Check, patient: Patient) -> list[Finding]:
    """What a check found until it ended, or failed."""
    room = check.__module__.rpartition(".")[2]
    found: list[Finding] = []
    try:
        for finding in check(patient):
            found.append(finding)  # noqa: PERF402 - one by one: those before an exception count
    except CassetteError as error:
        if not (isinstance(error, ManifestError) and room != "manifest"):  # its own check says it, once
            found.append(of_error(room, error))
    except Exception as error:  # noqa: BLE001
        # The one place for it: who calls the doctor has something broken, nobody knows what, and wants to
        # hear the rest. Not its text: that of another library may hold a password.
        what = f"this check itself failed ({type(error).__name__}{_place(error)})"
        fix = "mend what is said above or below first; if it stays, report it with this line"
        found.append(Finding("internal", "problem", room, what, fix, CassetteError.exit_code))
    return found


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return ""
    return f" at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
