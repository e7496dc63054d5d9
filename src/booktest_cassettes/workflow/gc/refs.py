"""Where reaching begins: branches, tags, pull requests, and what each work tree and stash holds on to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ...errors import UsageError
from ...wording import count
from .. import git
from .clone import HINT, Clone, Fetched, WorkTree

_HEADS, _REMOTES, _TAGS = "refs/heads/", "refs/remotes/", "refs/tags/"
_PREFETCHED = "refs/prefetch/"  # what `git maintenance` fetches beforehand: newer than refs/remotes
_REPLACEMENTS = "refs/replace/"  # what Git shows in place of others, unless it is told not to
# Read elsewhere, or nothing with a manifest in it.
_OTHERS = (
    "refs/stash",
    "refs/bisect/",
    "refs/rewritten/",
    "refs/worktree/",
    "refs/notes/",
    "refs/pipelines/",
)
# What a merge, a rebase or a pick that is not finished may go back to. Git may have dropped ORIG_HEAD and
# FETCH_HEAD's objects: nothing needs them.
_HELD = (
    *("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "BISECT_HEAD", "BISECT_START"),
    "MERGE_AUTOSTASH",
    *("rebase-merge/orig-head", "rebase-merge/onto", "rebase-merge/autostash", "sequencer/head"),
    *("rebase-apply/orig-head", "rebase-apply/onto", "rebase-apply/autostash"),
)
_LEFT = ("ORIG_HEAD", "FETCH_HEAD")
_SHA = re.compile(r"(?:[0-9a-f]{64}|[0-9a-f]{40})\b")
_NOTHING = re.compile("0+")


@dataclass(frozen=True, slots=True)
class Root:
    """A commit or tree that something holds on to.

    Attributes
    ----------
    sha:
        Its name.
    reason:
        What holds on to it, for people.
    tree:
        That of the commit.
    """

    sha: str
    reason: str
    tree: str = ""


@dataclass(frozen=True, slots=True)
class Globs:
    """Which refs count: see :class:`.marking.Wanted`."""

    branches: Sequence[str]
    tags: Sequence[str]
    pr_refs: Sequence[str]


def roots(clone: Clone, globs: Globs) -> tuple[list[Root], list[str]]:
    """Everything that reaching begins with, and notes about refs that were passed over.

    Raises
    ------
    UsageError
        When a glob matches no ref, or Git cannot read one.
    """
    refs = list(all_refs(clone.root))
    wide = [spec for spec in clone.fetched if spec.is_wide]
    held, passed = chosen(refs, globs, tuple(spec.branches for spec in wide))
    passed += [] if globs.branches else _hardly_fetched(refs, wide)
    stashes = [*_stashes(clone)]
    unfinished = [root for tree in clone.trees for root in _held(tree)]
    stashes += [root for root in unfinished if root.reason.partition(" ")[0].lower().endswith("autostash")]
    left = [root for tree in clone.trees for root in _named(tree, _LEFT)]
    found, notes = _peeled(clone, [*held, *stashes, *_parents(clone, stashes), *unfinished])
    there, _ = _peeled(clone, left, is_strict=False)
    return [*found, *there], [*notes, *passed]


def chosen(refs: Sequence[Root], globs: Globs, targets: tuple[str, ...] = ()) -> tuple[list[Root], list[str]]:
    """Those of all refs that globs mean, and notes on the sorts of refs that none does.

    Parameters
    ----------
    refs, globs:
        All of them, and which count.
    targets:
        What refs begin with that branches of remotes are fetched to, besides the usual one.

    Raises
    ------
    UsageError
        For a glob that means none.
    """
    branches = [ref for ref in refs if ref.reason.startswith((_HEADS, _REMOTES, _PREFETCHED, *targets))]
    tags = [ref for ref in refs if ref.reason.startswith(_TAGS)]
    asked = list(_matching(refs, globs.pr_refs, "pr-refs"))
    wanted = [
        *(_matching(branches, globs.branches, "branches") if globs.branches else branches),
        *(_matching(tags, globs.tags, "tags") if globs.tags else tags),
        *asked,
        *(ref for ref in refs if ref.reason.startswith(_REPLACEMENTS)),
    ]
    known = {*branches, *tags, *wanted}
    sorts = Counter(
        "/".join(ref.reason.split("/", 2)[:2])
        for ref in refs
        if ref not in known and not ref.reason.startswith(_OTHERS)
    )
    notes = [
        f"{count(number, 'ref')} below {sort}/: not counted; --pr-refs '{sort}/*' counts them"
        for sort, number in sorts.items()
    ]
    return list(dict.fromkeys(wanted)), notes


def _hardly_fetched(refs: Sequence[Root], wide: Iterable[Fetched]) -> Iterator[str]:
    """Notes on remotes of which no more than a branch is known: CI may have fetched just its own."""
    for spec in wide:
        names = [ref.reason for ref in refs if ref.reason.startswith(spec.branches)]
        known = [name for name in names if not name.endswith("/HEAD")]
        if len(known) < 2:
            what = f"only {known[0]}" if known else "no branch"
            yield f"of {spec.remote!r} {what} is known here; if there are more: git fetch {spec.remote}"


def _matching(refs: Sequence[Root], globs: Iterable[str], option: str) -> Iterator[Root]:
    for glob in globs:
        found = [ref for ref in refs if any(fnmatchcase(name, glob) for name in _names(ref.reason))]
        if not found:
            raise UsageError(
                f"--{option} {glob!r} means no ref here; nothing was deleted",
                hint="git for-each-ref lists them; git fetch origin '+refs/pull/*/head:refs/pull/*/head'"
                if option == "pr-refs"
                else "git for-each-ref lists them; git fetch --all --tags brings those of others",
            )
        yield from found


def _names(ref: str) -> Iterator[str]:
    """What a person may call a ref: in full, or without what all of its sort begin with."""
    yield ref
    for prefix in (_HEADS, _REMOTES, _TAGS):
        if ref.startswith(prefix):
            yield ref.removeprefix(prefix)
    if ref.startswith(_REMOTES):  # as the branch is called there
        yield ref.removeprefix(_REMOTES).partition("/")[2]


def all_refs(root: Path) -> Iterator[Root]:
    """Every ref of a clone, as it is called in full."""
    said = git.strict(root, "for-each-ref", "--format=%(objectname) %(refname)", hint=HINT)
    for line in said.decode("utf-8", "surrogateescape").splitlines():
        sha, _, name = line.partition(" ")
        yield Root(sha, name)


def _stashes(clone: Clone) -> Iterator[Root]:
    """Every entry of the stash."""
    ref = "refs/stash"
    if git.ask(clone.root, "rev-parse", "--verify", "--quiet", ref) is None:
        return
    said = git.strict(
        *(clone.root, "log", "--walk-reflogs", "--no-show-signature", "--format=%H", ref, "--"), hint=HINT
    )
    # Of a fetched stash there is no reflog.
    commits = said.decode().splitlines() or [git.ask(clone.root, "rev-parse", ref) or ""]
    for number, sha in enumerate(commits):
        yield Root(sha, f"stash@{{{number}}}")


def _parents(clone: Clone, stashes: Sequence[Root]) -> Iterator[Root]:
    """What stashes were made on, their indexes and their untracked files."""
    if not stashes:
        return
    given = "".join(f"{stash.sha}\n" for stash in stashes).encode()
    command = ("log", "--no-walk=unsorted", "--no-show-signature", "--format=%H %P", "--stdin")
    said = git.strict(clone.root, *command, given=given, hint=HINT).decode()
    reasons = {stash.sha: stash.reason for stash in reversed(stashes)}
    for line in said.splitlines():
        stash, *parents = line.split()
        yield from (Root(parent, reasons[stash]) for parent in parents)


def _held(tree: WorkTree) -> Iterator[Root]:
    yield from _named(tree, _HELD)
    sha = git.ask(tree.place, "rev-parse", "--verify", "--quiet", "HEAD")
    if sha is not None:
        yield Root(sha, _reason(tree, "HEAD"))
    elif git.ask(tree.place, "symbolic-ref", "--quiet", "HEAD") is None:  # not even a branch without commits
        raise UsageError(f"HEAD of {tree.place} cannot be read; nothing was deleted", hint=HINT)
    mine = ("refs/bisect", "refs/rewritten", "refs/worktree")
    said = git.strict(tree.place, "for-each-ref", "--format=%(objectname) %(refname)", *mine, hint=HINT)
    for line in said.decode("utf-8", "surrogateescape").splitlines():
        sha, _, name = line.partition(" ")
        yield Root(sha, _reason(tree, name))


def _named(tree: WorkTree, names: Iterable[str]) -> Iterator[Root]:
    """What Git's files of these names begin their lines with; or Git's answer, where refs are no files."""
    for name in names:
        path = tree.git_dir / name
        if path.is_file():
            said = path.read_text("utf-8", "surrogateescape")
        elif (tree.git_dir / "reftable").is_dir() and name.isupper():
            said = git.ask(tree.place, "rev-parse", "--verify", "--quiet", name) or ""
        else:
            continue
        for line in said.splitlines():
            if (found := _SHA.match(line)) and not _NOTHING.fullmatch(found[0]):
                yield Root(found[0], _reason(tree, name))


def _reason(tree: WorkTree, name: str) -> str:
    return f"{name} of {tree.name}" if tree.name else name


def _peeled(clone: Clone, held: Sequence[Root], *, is_strict: bool = True) -> tuple[list[Root], list[str]]:
    """The commits and trees behind tags, once each, with their trees."""
    names = list(dict.fromkeys(root.sha for root in held))
    bare = git.batch(clone.root, (f"{name}^{{}}" for name in names), "--batch-check", hint=HINT)
    there = dict(zip(names, bare, strict=True))
    trees = [there[name].sha for name in names if there[name].sort in {"commit", "tree"}]
    asked = git.batch(clone.root, (f"{sha}^{{tree}}" for sha in trees), "--batch-check", hint=HINT)
    tree_of = {sha: found.sha for sha, found in zip(trees, asked, strict=True)}
    found: dict[str, Root] = {}
    notes: list[str] = []
    for root in held:
        target = there[root.sha]
        if tree := tree_of.get(target.sha):
            found.setdefault(target.sha, Root(target.sha, root.reason, tree))
        elif target.sort == "blob":
            notes.append(f"{root.reason} is no commit, but a single file: passed over")
        elif is_strict:
            raise missing(root.reason)
    return list(found.values()), notes


def missing(reason: str) -> UsageError:
    """The error for what is not in this clone."""
    return UsageError(
        f"{reason}: its objects are not in this clone, which is a partial or damaged one: it cannot tell what"
        " is still needed; nothing was deleted",
        hint="run this in a full clone (git clone without --filter), or git fsck",
    )
