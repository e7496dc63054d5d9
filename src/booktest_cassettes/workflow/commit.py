"""``commit_on_approve``: a Git commit of exactly what an approval changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import git


def commit(root: Path, paths: Sequence[str], message: str) -> bool:
    """Commit these paths and nothing else, whatever else is staged.

    Parameters
    ----------
    root:
        A directory in the work tree.
    paths:
        Relative to ``root``, or absolute; taken literally (``[a]`` is no pattern). Those that are neither
        there nor known to Git are passed over.
    message:
        Of the commit.

    Returns
    -------
    bool
        False when Git has all of it already.

    Raises
    ------
    UsageError
        With Git's own words, when it refuses.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel").rstrip("\n"))
    prefix = _git(root, "rev-parse", "--show-prefix").rstrip("\n")
    names = list(dict.fromkeys(_from_top(root, prefix, path) for path in paths))
    there = [name for name in names if os.path.lexists(top / name)]
    gone = [name for name in names if name not in set(there)]
    _git(top, "rm", "--cached", "--quiet", "--ignore-unmatch", "--force", names=gone)
    _git(top, "add", "--force", names=there)
    # What is neither here nor in the last commit is no path that Git would take.
    staged = set(_git(top, "diff", "--cached", "--name-only", "--no-renames", "-z").split("\0"))
    changed = [name for name in names if name in staged]
    _git(top, "commit", "--quiet", f"--message={message}", "--only", names=changed)
    return bool(changed)


def _from_top(root: Path, prefix: str, path: str) -> str:
    """A path as Git names it: relative to the top of the work tree, with forward slashes."""
    relative = os.path.relpath(root / path, root)
    return Path(os.path.normpath(Path(prefix, relative))).as_posix()


def _git(directory: Path, *arguments: str, names: Sequence[str] | None = None) -> str:
    """Run Git; ``names`` go through a pipe, however many, taken literally. Without any nothing is done."""
    if names is not None and not names:
        return ""
    from_pipe = ["--pathspec-from-file=-", "--pathspec-file-nul"] if names else []
    # Not --literal-pathspecs: Git would pass that on to the user's hooks.
    given = "".join(f":(literal){name}\0" for name in names or ())
    return git.run(directory, *arguments, *from_pipe, given=given, hint=_HINT)


_HINT = "the approval itself is done; commit the manifest and payloads yourself"
