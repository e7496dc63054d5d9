"""Which digests are reachable, and why: from Git's refs, work trees and stashes, and from this cache."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ...config_keys import MANIFEST
from ...digest import BlobKey, Digest, Kind, sha1_hex
from ...errors import IntegrityError
from ...files import read_bytes
from ...manifest import loads
from ...project import Project
from ...store.pending import PendingRecords
from ...store.unpushed import Unpushed
from .. import git, staging
from ..merge import decode
from ..transfer import Progress, quiet
from . import clone as clones
from . import history, manifests, refs
from .clone import HINT, Clone, WorkTree


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be marked, besides work trees, stashes and this cache, which always are.

    Attributes
    ----------
    branches, tags, pr_refs:
        Globs of refs, in full or without ``refs/heads/`` and its like; no ``branches``, or no ``tags``:
        all of them.
    since:
        Also the manifests of all commits since then that these refs reach.
    """

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pr_refs: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """What is reachable.

    Attributes
    ----------
    reasons:
        The blobs, each with one thing that reaches it: a ref, ``work tree``, ``index``, ``stash@{0}``,
        ``pending``, ``unpushed``...
    staged:
        The staged blobs that pending records of this machine name.
    tips, commits, manifests:
        How many were looked at: commits that something holds on to, these with the window's, and manifests,
        where one that several commits, or a commit and the work tree, share is one.
    notes:
        What was passed over, for people.
    read:
        The manifests that were read, by the names of their Git objects.
    """

    reasons: Mapping[BlobKey, str]
    staged: frozenset[BlobKey]
    tips: int
    commits: int
    manifests: int
    notes: tuple[str, ...] = ()
    read: frozenset[str] = frozenset()


def mark(
    project: Project, wanted: Wanted, progress: Progress = quiet, *, before: Marked | None = None
) -> Marked:
    """Read Git and the cache; changes nothing.

    Parameters
    ----------
    project:
        Whose.
    wanted:
        Which refs.
    progress:
        Told how many manifests were read.
    before:
        What was marked before: all of it stays so, and only manifests that are new are read.

    Raises
    ------
    UsageError
        When Git cannot tell: no repository, a shallow or partial clone, a glob that means no ref, any error.
    ManifestError
        When a manifest cannot be read.
    IntegrityError, StorageError
        When a pending record, or the list of what is unpushed, cannot be read.
    """
    clone = clones.read(project.config.root)
    clones.check(clone, project.config.manifest, is_narrowed=bool(wanted.branches))
    names = tuple(dict.fromkeys((project.config.manifest.name, MANIFEST)))
    roots, notes = refs.roots(clone, refs.Globs(wanted.branches, wanted.tags, wanted.pr_refs))
    number = len(roots)
    if wanted.since is not None:
        roots += history.within(clone, roots, wanted.since)
    found, passed = manifests.in_trees(clone, roots, names)
    before = before or Marked({}, frozenset(), 0, 0, 0)
    hand = _Hand(project, names, dict(before.reasons), set(before.staged))
    files = [file for tree in clone.trees for file in hand.files(tree, found)]
    unread = {sha: where for sha, where in found.items() if sha not in before.read}
    for reason, keys in manifests.read(clone, unread, progress):
        hand.mark(reason, keys)
    for reason, keys, _ in files:
        hand.mark(reason, keys)
    for cache, name in _caches(project, clone):
        hand.mark_cache(cache, name)
    return Marked(
        reasons=hand.reasons,
        staged=frozenset(hand.staged),
        tips=number,
        commits=len({root.sha for root in roots}),
        manifests=len(found.keys() | {name for _, _, name in files}),
        notes=(*notes, *passed),
        read=before.read | found.keys(),
    )


def _caches(project: Project, clone: Clone) -> Iterator[tuple[Path, str]]:
    """This project's cache in every work tree, and what to call it."""
    cache = project.config.cache_dir
    yield cache, ""
    if clone.top is None or not cache.is_relative_to(clone.top):
        return
    for tree in clone.trees[1:]:
        if tree.top is not None:
            yield tree.top / cache.relative_to(clone.top), f" in {tree.name}"


@dataclass(frozen=True, slots=True)
class _Hand:
    """Marks; the first reason stays."""

    project: Project
    names: tuple[str, ...]
    reasons: dict[BlobKey, str] = field(default_factory=dict)
    staged: set[BlobKey] = field(default_factory=set)

    def mark(self, reason: str, keys: Iterable[BlobKey]) -> None:
        for key in keys:
            self.reasons.setdefault(key, reason)

    def mark_cache(self, cache: Path, name: str) -> None:
        """What pending records there name, before and after, and what is to be pushed from there."""
        for record in PendingRecords(cache / "staging" / "pending"):
            staged = staging.staged_keys(record)
            self.staged.update(staged)
            bases = {BlobKey(kind, change.base) for kind, change in record.changes.items() if change.base}
            self.mark(f"pending{name}", staged | bases)
        self.mark(f"unpushed{name}", Unpushed(cache / "unpushed").read())

    def files(self, tree: WorkTree, found: manifests.Found) -> Iterator[tuple[str, set[BlobKey], str]]:
        """What the manifests among a work tree's files name, and what Git calls them.

        Those of its index are put to ``found``.
        """
        suffix = f" of {tree.name}" if tree.name else ""
        unmerged: set[str] = set()
        paths: dict[str, None] = {}
        for sha, stage, path in manifests.in_index(self._listed(tree, "--stage"), self.names):
            if sha:
                found.setdefault(sha, (f"index{suffix}", path))
            paths[path] = None
            if stage:
                unmerged.add(path)
        if tree.top is None:
            return
        others = self._listed(tree, "--others", "--exclude-standard").split(b"\0")[:-1]
        paths.update((os.fsdecode(name), None) for name in others)
        if not tree.name:  # wherever it is, and whether Git ignores it or not
            manifest = self.project.config.manifest
            paths[os.path.relpath(manifest.parent.resolve() / manifest.name, tree.top)] = None
        for path in paths:
            file = tree.top / path
            data = read_bytes(file) if file.is_file() else None  # not in a sparse checkout
            if data is not None:
                keys = _named(file, data, is_unmerged=path in unmerged)
                yield f"work tree{suffix}", keys, _name(data, found)

    def _listed(self, tree: WorkTree, *what: str) -> bytes:
        patterns = manifests.patterns(self.names)
        return git.strict(tree.place, "ls-files", "-z", "--full-name", *what, "--", *patterns, hint=HINT)


# A line of a manifest with merge markers in it; the versions that Git merges are read in full.
_LINE = re.compile(r"^\s*[\"']?(env|func|http|httpx)[\"']?\s*:\s*[\"']?(sha256:[0-9a-f]{64})\b", re.MULTILINE)


def _name(data: bytes, others: Collection[str]) -> str:
    """What Git calls a file in the hash that it uses for others; whatever line ends it has on this disk."""
    text = data.replace(b"\r\n", b"\n")
    content = b"blob %d\0" % len(text) + text
    return Digest.of(content).hex if len(next(iter(others), "")) == 64 else sha1_hex(content)


def _named(path: Path, data: bytes, *, is_unmerged: bool) -> set[BlobKey]:
    """What a manifest names."""
    try:
        text = decode(data, str(path))
        return loads(text, name=str(path)).keys()
    except IntegrityError as error:
        if not is_unmerged:
            raise manifests.unreadable(error) from None
    lines = _LINE.findall(data.decode("utf-8", "replace"))
    return {BlobKey(Kind(kind), Digest(digest)) for kind, digest in lines}
