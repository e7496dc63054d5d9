"""The clone that is asked what is reachable, and whether it can know."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from shlex import quote

from ...errors import UsageError
from .. import git

_FULL = "GitHub's actions/checkout: fetch-depth: 0; GitLab: GIT_DEPTH: 0; Jenkins: no shallow clone"
#: For whatever Git itself says no to.
HINT = "git fsck says what is wrong with the repository; nothing was deleted"
# Who sets one has Git look elsewhere, in every work tree: a hook does, and `git` for its aliases.
_ELSEWHERE = ("GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_SHALLOW_FILE")


@dataclass(frozen=True, slots=True)
class WorkTree:
    """One work tree: the main one, or one that ``git worktree add`` made.

    Attributes
    ----------
    name:
        For people: ``""`` for the one that this runs in.
    git_dir:
        What Git holds of it: ``HEAD``, the index, what a merge or rebase needs.
    top:
        Its files; ``None`` of a bare repository, and where they are gone or on a disk that is not there.
    """

    name: str
    git_dir: Path
    top: Path | None

    @property
    def place(self) -> Path:
        """Where to run Git for it."""
        return self.git_dir if self.top is None else self.top


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one remote's branches are fetched to, by one line of its configuration.

    Attributes
    ----------
    source, target:
        ``refs/heads/*`` there, ``refs/remotes/origin/*`` here, say; a source with ``^`` is left out.
    """

    remote: str
    source: str
    target: str

    @property
    def is_wide(self) -> bool:
        """Whether that is all branches."""
        return self.source in {"refs/heads/*", "refs/*"}

    @property
    def is_narrow(self) -> bool:
        """Whether it is some of them, or leaves some out; what is no branch is neither."""
        source = self.source.removeprefix("^")
        return not self.is_wide and (source.startswith("refs/heads/") or not source.startswith("refs/"))

    @property
    def branches(self) -> str:
        """What the names of all branches begin with here."""
        return self.target.partition("*")[0] + ("heads/" if self.source == "refs/*" else "")


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository with all its work trees, the one that this runs in first.

    Attributes
    ----------
    fetched:
        How its remotes are fetched.
    """

    root: Path
    common: Path
    trees: tuple[WorkTree, ...]
    fetched: tuple[Fetched, ...] = ()

    @property
    def top(self) -> Path | None:
        """The top of the work tree that this runs in."""
        return self.trees[0].top


def read(root: Path) -> Clone:
    """The clone that a directory is in; raises UsageError where Git finds none, or another one."""
    if given := [name for name in _ELSEWHERE if name in os.environ]:
        raise UsageError(
            f"{' and '.join(given)} in the environment would have Git read another repository, or another"
            " index, than each work tree's own; nothing was deleted",
            hint=f"env {' '.join(f'-u {name}' for name in given)} booktest-cassettes gc",
        )
    common = _common(root)
    here = _path(root, "--git-dir")
    is_bare = _said(root, "rev-parse", "--is-inside-work-tree") != "true"
    current = WorkTree("", here, None if is_bare else _path(root, "--show-toplevel"))
    others = [tree for tree in _all_trees(common) if tree.git_dir != here]
    return Clone(root, common, (current, *others), tuple(_fetched(root)))


def _common(root: Path) -> Path:
    try:
        return _path(root, "--git-common-dir")
    except UsageError as error:
        if "not a git repository" in error.message:
            raise UsageError(
                f"{root} is in no Git repository, which alone can tell what is still needed; nothing was"
                " deleted",
                hint="run this in the clone that holds the manifest",
            ) from None
        raise UsageError(error.message, hint="what Git says there; nothing was deleted") from None


def _fetched(root: Path) -> Iterator[Fetched]:
    said = git.read(root, "config", "--null", "--get-regexp", r"^remote\..*\.fetch$") or b""
    for line in os.fsdecode(said).split("\0")[:-1]:
        name, _, spec = line.partition("\n")
        source, _, target = spec.lstrip("+").partition(":")
        yield Fetched(name.removeprefix("remote.").removesuffix(".fetch"), source, target)


def check(clone: Clone, manifest: Path, *, is_narrowed: bool) -> None:
    """Refuse a clone that lacks history or branches, or that does not hold the manifest.

    Parameters
    ----------
    clone, manifest:
        Which.
    is_narrowed:
        Whether a person chose the branches: then nobody expects all of them.

    Raises
    ------
    UsageError
        With what to do about it.
    """
    if _said(clone.root, "rev-parse", "--is-shallow-repository") == "true":
        raise UsageError(
            f"{clone.root} is a shallow clone: it cannot tell what is still needed; nothing was deleted",
            hint=f"git fetch --unshallow --tags ({_FULL})",
        )
    home = manifest.parent.resolve()
    said = git.ask(home, "rev-parse", "--git-common-dir") if home.is_dir() else str(clone.common)
    if said is None or (home / said).resolve() != clone.common:
        raise UsageError(
            f"{manifest} is not in the repository of {clone.root}, whose branches cannot tell what others"
            " need of it; nothing was deleted",
            hint="run this, with a configuration of its own, in the repository that holds the manifest",
        )
    if not is_narrowed:
        _check_fetched(clone.fetched)


def _check_fetched(fetched: Sequence[Fetched]) -> None:
    """Each remote is to be fetched with all its branches, or beside such a one with none."""
    by_remote = attrgetter("remote")
    is_alone = not any(spec.is_wide for spec in fetched)
    for remote, group in groupby(sorted(fetched, key=by_remote), by_remote):
        specs = list(group)
        narrow = [spec for spec in specs if spec.is_narrow or is_alone]
        left_out = [spec for spec in narrow if spec.source.startswith("^")]
        if left_out or (narrow and not any(spec.is_wide for spec in specs)):
            shown = (left_out or narrow)[0].source
            raise UsageError(
                f"this clone fetches only some branches of {remote!r} ({shown}): others may need what it does"
                " not know of; nothing was deleted",
                hint=f"git remote set-branches {quote(remote)} '*' && git fetch {quote(remote)}; or what is"
                " known here is all: --branches '*'",
            )


def _all_trees(common: Path) -> Iterator[WorkTree]:
    """The main work tree and the linked ones, as they are recorded; those whose files are gone, too."""
    if _said(common, "config", "--type=bool", "--default=false", "core.bare") != "true":
        yield WorkTree(f"work tree {common.parent}", common, _top(common.parent / ".git", common))
    linked = common / "worktrees"
    for name in sorted(os.listdir(linked)) if linked.is_dir() else ():  # noqa: PTH208
        admin = linked / name
        if (admin / "gitdir").is_file():
            file = Path(os.fsdecode((admin / "gitdir").read_bytes().rstrip(b"\n")))
            yield WorkTree(f"work tree {file.parent}", admin, _top(admin / file, admin))


def _top(file: Path, git_dir: Path) -> Path | None:
    """The directory of a ``.git``, while Git there agrees whose it is."""
    said = git.ask(file.parent, "rev-parse", "--absolute-git-dir") if file.exists() else None
    return file.parent if said is not None and Path(said).resolve() == git_dir.resolve() else None


def _path(root: Path, question: str) -> Path:
    return (root / _said(root, "rev-parse", question)).resolve()


def _said(directory: Path, *arguments: str) -> str:
    return os.fsdecode(git.strict(directory, *arguments, hint=HINT)).removesuffix("\n")
