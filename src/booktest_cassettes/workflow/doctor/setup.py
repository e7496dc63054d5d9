"""What ``init`` and ``install-hooks`` put into a clone: merge driver, attributes, ignore lines, hooks."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

from ...project import Project
from .. import git, hooks, setup
from .findings import Finding, Findings, Level, ok
from .patient import Patient


def check(patient: Patient) -> Findings:
    """Whether it is there; while the remote is in doubt, nobody can say what is needed."""
    project = patient.project
    if (
        project is None
        or patient.trouble is not None
        or git.ask(patient.root, "rev-parse", "--show-toplevel") is None
    ):
        return
    level: Level = "warning" if os.path.lexists(project.config.manifest) else "note"
    for found in setup.findings(project):
        if found.ok:
            yield ok("setup", found.name, found.detail)
        elif not found.is_possible:
            fix = "git check-attr merge FILE tells what is in force; take the other rule away"
            yield Finding("setup", level, found.name, found.detail, fix)
        else:
            what = f"is not set up: {found.detail}"
            mend = partial(_install, project, found.name)
            yield Finding("setup", level, found.name, what, "booktest-cassettes init --yes", mend=mend)
    yield from _hook(project)


def _install(project: Project, name: str) -> str:
    """One step, planned anew: two of them may be about one file."""
    plan = setup.repairs(project)
    steps = [step for step in plan.steps if step.name == name and not step.is_done][:1]
    done = setup.execute(replace(plan, steps=tuple(steps)))
    return f"{name}: {done[0].detail}" if done else ""


def _hook(project: Project) -> Findings:
    """Only of use where blobs travel without Git, and a person's own choice: a note, and no mend."""
    if project.storage.mode == "git":
        return
    if hooks.is_installed(project):
        yield ok("hook", "", "a pre-push hook checks what is pushed")
    else:
        what = "is not installed: a push may name recordings that are not on the remote"
        yield Finding("hook", "note", "pre-push hook", what, "booktest-cassettes install-hooks")
