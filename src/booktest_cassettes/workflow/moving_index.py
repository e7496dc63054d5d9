"""What Git's index holds of payloads: those that DVC keeps leave it, those that are ignored get in."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from . import git

_HINT = "look at git status, then run the same command again"


def is_work_tree(root: Path) -> bool:
    """Whether Git has anything to do with a directory."""
    return git.ask(root, "rev-parse", "--is-inside-work-tree") == "true"


def tracked(root: Path, paths: Collection[Path]) -> list[Path]:
    """Those of these files that Git's index holds."""
    if not paths or not is_work_tree(root):
        return []
    top = os.path.commonpath([path.parent for path in paths])
    # From the directory that holds them all, or the nearest one that is still there.
    above = next(place for place in (Path(top), *Path(top).parents) if place.is_dir())
    listed = (git.ask(above, "ls-files", "-z") or "").split("\0")
    known = {os.path.normpath(above / name) for name in listed if name}
    return [path for path in paths if os.path.normpath(path) in known]


def ignored(root: Path, paths: Collection[Path]) -> list[Path]:
    """Those of these files that Git passes over: ignored by a pattern, and not in its index."""
    if not paths or not is_work_tree(root):
        return []
    names = {_name(root, path): path for path in paths}
    given = "".join(f"{name}\0" for name in names).encode("utf-8", "surrogateescape")
    said = git.read(root, "check-ignore", "-z", "--stdin", given=given)  # leaves out what is tracked
    found = (said or b"").decode("utf-8", "surrogateescape").split("\0")
    return [names[name] for name in found if name in names]


def forget(root: Path, paths: Collection[Path]) -> None:
    """Take files out of the index; in the work tree they stay."""
    _run(root, paths, "rm", "--cached", "--quiet", "--ignore-unmatch", "--force")


def add(root: Path, paths: Collection[Path]) -> None:
    """Put files into the index, whatever patterns ignore them."""
    _run(root, paths, "add", "--force")


def _run(root: Path, paths: Collection[Path], *arguments: str) -> None:
    if paths:
        given = "".join(f":(literal){_name(root, path)}\0" for path in paths)
        from_pipe = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git.run(root, *arguments, *from_pipe, given=given, hint=_HINT)


def _name(root: Path, path: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
