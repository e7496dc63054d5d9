"""Git's ``pre-push`` hook: one for all projects of a repository, and beside hooks that are there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote, split

from ..errors import UsageError
from ..files import atomic_write, exists, move, read_bytes
from ..project import Project
from . import git
from .setup import programs

_MARK = "# made by booktest-cassettes install-hooks"
_PROJECT = re.compile(r"^check (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of the hook.

    Attributes
    ----------
    path:
        The hook.
    is_new:
        It was written, or changed, now.
    before:
        What the hook that was there is called now.
    """

    path: Path
    is_new: bool
    before: Path | None = None


def install(project: Project, *, force: bool = False) -> Installed:
    """Write the hook where Git looks for it (``core.hooksPath``), for this project as well.

    Parameters
    ----------
    project:
        Which one; others of the repository that are in the hook stay in it.
    force:
        Keep somebody else's hook as ``pre-push.before``, and call it first.

    Raises
    ------
    UsageError
        Outside of a repository, and where there is somebody else's hook.
    StorageError
        When the disk refuses.
    """
    root = project.config.root
    path = _hook(root)
    before = path.with_name("pre-push.before")
    stored = (read_bytes(path) or b"").decode("utf-8", "replace")
    is_ours = _MARK in stored
    own = git.run(root, "rev-parse", "--show-prefix").removesuffix("\n").rstrip("/") or "."
    kept = None
    if stored and not is_ours:
        kept = _set_aside(path, before, force=force)
    others = (split(found)[0] for found in _PROJECT.findall(stored)) if is_ours else ()
    text = _text({own, *others}, programs())
    is_new = text != stored or not path.stat().st_mode & 0o100
    if is_new:
        atomic_write(path, text.encode())
        path.chmod(0o755)
    return Installed(path, is_new, kept)


def is_installed(project: Project) -> bool:
    """Whether pushes are checked for this project; for ``doctor``. Other tools' hooks are not looked into."""
    root = project.config.root
    path = git.ask(root, "rev-parse", "--git-path", "hooks/pre-push")
    stored = read_bytes(root / path) if path else None
    return stored is not None and b"booktest-cassettes" in stored


def _hook(root: Path) -> Path:
    path = git.run(
        root, "rev-parse", "--git-path", "hooks/pre-push", hint="git init, then install the hook again"
    )
    return Path(os.path.normpath(root / path.removesuffix("\n")))


def _set_aside(path: Path, before: Path, *, force: bool) -> Path:
    if not force:
        raise UsageError(
            f"{path} is there already, and not ours: nothing was changed",
            hint='add the line `booktest-cassettes pre-push "$@" || exit $?` to it, before anything that'
            " reads its standard input; or install-hooks --force, which keeps it and calls it first",
        )
    if exists(before):
        raise UsageError(
            f"{path} is not ours, and {before.name} is there, too: one of them would be lost",
            hint=f"see what is in {before} and delete it, then install-hooks --force",
        )
    move(path, before)
    return before


def _text(projects: Iterable[str], found: Iterable[str]) -> str:
    checks = "\n".join(f"check {quote(project)}" for project in sorted(projects))
    return f"""\
#!/bin/sh
{_MARK}: every recording that a push names must be on the remote.
# git push --no-verify goes round it.
refs=$(cat)
before="$(dirname "$0")/pre-push.before"
if [ -x "$before" ]; then
  printf '%s\\n' "$refs" | "$before" "$@" || exit $?
fi
remote=$1 url=$2
[ -z "$GIT_WORK_TREE" ] || GIT_WORK_TREE=$PWD # where Git is now; it may be relative to where it was called
if ! top=$(git rev-parse --show-toplevel); then
  echo 'recordings are checked in a work tree only; nothing was pushed' >&2
  echo '  next: push from a work tree, or git push --no-verify' >&2
  exit 2
fi
GIT_DIR=$(git rev-parse --absolute-git-dir) GIT_WORK_TREE=$top
export GIT_DIR GIT_WORK_TREE # a repository that is elsewhere is not found from the project
check() {{
  [ -d "$top/$1" ] || return 0
  for program in {" ".join(found)}; do
    if command -v "$program" >/dev/null 2>&1; then
      (
        cd "$top/$1" && unset GIT_PREFIX
        printf '%s\\n' "$refs" | "$program" pre-push "$remote" "$url"
      ) || exit $?
      return 0
    fi
  done
  echo 'booktest-cassettes is not to be found: recordings are not checked; nothing was pushed' >&2
  echo '  next: activate its environment and push again, or git push --no-verify' >&2
  exit 2
}}
{checks}
"""
