"""What Git holds of the past: the manifest of a revision, and the payloads and pointers beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..digest import Kind
from ..errors import UsageError
from ..manifest import Manifest, loads
from ..project import Project
from . import git

_HINT = "git log --oneline lists commits, git branch --all branches; git fetch brings those of others"


def commit_of(project: Project, revision: str) -> str:
    """The full name of the commit that a branch, tag or anything Git takes means.

    Raises
    ------
    UsageError
        When there is no such commit, or no Git repository.
    """
    found = known_commit(project, revision)
    if found is None:
        root = project.config.root
        if git.ask(root, "rev-parse", "--git-dir") is None:
            raise UsageError(
                f"{root} is in no Git repository", hint="booktest-cassettes diff, without a revision"
            )
        raise UsageError(f"no commit {revision!r} here", hint=_HINT)
    return found


def known_commit(project: Project, revision: str) -> str | None:
    """The same; ``None`` where there is none."""
    if not revision or revision.startswith("-"):
        return None
    name = f"{revision}^{{commit}}"
    return git.ask(project.config.root, "rev-parse", "--verify", "--quiet", "--end-of-options", name) or None


def merge_base(project: Project, one: str, other: str) -> str:
    """The commit where two revisions parted; raises UsageError where there is none."""
    commits = commit_of(project, one), commit_of(project, other)
    found = git.ask(project.config.root, "merge-base", *commits)
    if not found:
        raise UsageError(
            f"{one} and {other} have no commit in common here",
            hint=f"git fetch --unshallow, or compare as they are: {one}..{other}",
        )
    return found


def manifest_at(project: Project, commit: str) -> Manifest:
    """The manifest of a commit; an empty one where it has none.

    Raises
    ------
    ManifestError
        When it cannot be read as it was committed.
    UsageError
        When Git refuses.
    """
    path = _named(project, project.config.manifest)
    data = next(iter(read(project, [f"{commit}:{path}"]).values()))
    if data is None:
        return Manifest(project.storage.header)
    return loads(data.decode("utf-8", "replace"), name=f"{commit[:12]}:{path.removeprefix('./')}")


def payload_name(project: Project, commit: str, test_id: str, kind: Kind) -> str:
    """What Git calls a test's payload in a commit."""
    return f"{commit}:{_named(project, project.payloads(test_id).path(test_id, kind))}"


def _named(project: Project, path: Path) -> str:
    """A path as Git takes it after a commit's name, relative to the root."""
    return "./" + Path(os.path.relpath(path, project.config.root)).as_posix()


def read(project: Project, names: Sequence[str]) -> dict[str, bytes | None]:
    """Files of commits (``<commit>:<path>``); ``None`` for what is not there. Raises UsageError."""
    return git.objects(project.config.root, names)
