"""``commit_on_approve``: a Git commit of exactly what an approval changed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError


def commit(root: Path, paths: Sequence[str], message: str) -> None:
    """Commit these paths and nothing else, whatever else is staged.

    Parameters
    ----------
    root:
        A directory in the work tree.
    paths:
        Relative to ``root``; those that exist or are known to Git.
    message:
        Of the commit.

    Raises
    ------
    UsageError
        With Git's own words, when it refuses.
    """
    known = [
        path for path in dict.fromkeys(paths) if (root / path).exists() or _git(root, "ls-files", "--", path)
    ]
    _git(root, "add", "--force", "--all", "--", *known)
    _git(root, "commit", "--quiet", "--message", message, "--only", "--", *known)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()
        raise UsageError(
            f"git {arguments[0]} failed in {root}: {reason}",
            hint="the approval itself is done; commit the manifest and payloads yourself",
        )
    return done.stdout
