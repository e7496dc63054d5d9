"""Garbage collection in the mode ``dvc-pointers``: DVC has the payloads, so that DVC deletes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import RemoteError, UsageError
from ...project import Project
from .. import git
from . import clone as clones
from .refs import Root, all_refs

_SHOWN = 5
EXPLAINED = (
    "snapshots are DVC's here (dvc-pointers), so DVC collects them: what no .dvc file of this work tree, of"
    " the tips of local branches and of tags points to. It keeps nothing for stashes, pull requests or a"
    " grace, and nothing of other projects on the same remote: see docs/gc.md"
)


@dataclass(frozen=True, slots=True)
class Collected:
    """What DVC was asked, and what it said."""

    command: str
    said: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        return [EXPLAINED, f"$ {self.command}", *(f"  {line}" for line in self.said)]


def collect(project: Project, *, cloud: bool, dry: bool) -> Collected:
    """Run ``dvc gc``, of its cache and of the remote.

    Parameters
    ----------
    project:
        Whose.
    cloud:
        The remote, too.
    dry:
        Only have it say what it would delete.

    Raises
    ------
    UsageError
        When there are, or may be, branches of others that DVC would not look at.
    RemoteError
        When it fails.
    """
    words = ["gc", "-w", *(["-c", "-r", project.storage.require().name] if cloud else [])]
    words += ["--all-branches", "--all-tags", "--dry" if dry else "-f"]
    if cloud and not dry:
        clones.check(clones.read(project.config.root), project.config.manifest, is_narrowed=False)
        _check_branches(project)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=project.config.root,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = tuple(line for line in (done.stdout + done.stderr).splitlines() if line.strip())
    command = " ".join(["dvc", *words])
    if done.returncode:
        raise RemoteError(f"{command} failed: {'; '.join(said[-3:])}", hint=f"{command}, to see all it says")
    return Collected(command, said)


def _check_branches(project: Project) -> None:
    """Refuse while somebody's branch is known here as a remote-tracking one only: DVC looks at none."""
    refs = list(all_refs(project.config.root))
    head = git.ask(project.config.root, "rev-parse", "--verify", "--quiet", "HEAD")
    tips = {ref.sha for ref in refs if ref.reason.startswith(("refs/heads/", "refs/tags/"))} | {head}
    unseen = [ref for ref in refs if ref.reason.startswith("refs/remotes/") and ref.sha not in tips]
    if unseen:
        raise UsageError(
            f"dvc gc looks at local branches, and {_named(unseen)} would lose what only they need; nothing"
            " was deleted",
            hint="git branch NAME origin/NAME for each, or a clone that has all: git clone, then git fetch"
            " origin '+refs/heads/*:refs/heads/*' --update-head-ok",
        )


def _named(refs: Sequence[Root]) -> str:
    shown = ", ".join(ref.reason.removeprefix("refs/remotes/") for ref in refs[:_SHOWN])
    return shown + (f" and {len(refs) - _SHOWN:,} more" if len(refs) > _SHOWN else "")
