"""Every manifest in the trees of a clone: found, and read once each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...digest import BlobKey
from ...errors import IntegrityError, ManifestError, UsageError
from .. import git
from ..transfer import Progress, quiet
from .clone import HINT, Clone
from .refs import Root, missing
from .series import Series

#: Manifests by the name of their Git object: what holds on to it, and where it is there.
Found: TypeAlias = dict[str, tuple[str, str]]

_REGULAR = ("100644", "100755", "100664")
_LINK = "120000"
# What `git add --intent-to-add` puts in the index, by either hash: no content yet.
_EMPTY = (
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
)


@dataclass(frozen=True, slots=True)
class _Name:
    """Manifests go by one or two names, anywhere."""

    names: tuple[str, ...]

    @property
    def patterns(self) -> list[str]:
        """As Git takes them."""
        return [":(top,glob,icase)**/" + re.sub(r"([*?\[\]\\])", r"\\\1", name) for name in self.names]

    @property
    def folded(self) -> list[bytes]:
        """In lower case as Git does it: on many a disk another spelling is the same file."""
        return [os.fsencode(name).lower() for name in self.names]

    def fits(self, path: str) -> bool:
        """Whether a path ends with one of them."""
        return os.fsencode(path.rpartition("/")[2]).lower() in self.folded


def in_trees(clone: Clone, roots: Sequence[Root], names: tuple[str, ...]) -> tuple[Found, list[str]]:
    """The manifests in commits, and notes about what was passed over.

    Git walks all of them at once and names each directory that they share once; in each of these it is
    looked whether a manifest is there. (Git itself finds no wildcards below the top: only ``git log``
    does.) Where one is a symbolic link, all commits are listed one by one: where it leads depends on them.

    Raises
    ------
    UsageError
        When Git cannot read one.
    """
    name = _Name(names)
    reasons = {root.tree: root.reason for root in reversed(roots)}
    trees = list(dict.fromkeys(root.tree for root in roots))
    found: Found = {}
    paths: dict[str, None] = {}
    for directory, mode, base, sha in _entries(clone, _directories(clone, trees), name):
        if mode == _LINK:
            return _one_by_one(clone, trees, name, reasons)
        if mode in _REGULAR:
            path = f"{directory}/{base}" if directory else base
            found.setdefault(sha, ("a commit", path))
            paths[path] = None
    first: dict[str, None] = {}
    for (tree, path), answer in _looked_up(clone, [(tree, path) for path in paths for tree in trees]):
        if answer.sha in found and answer.sha not in first:
            first[answer.sha] = None
            found[answer.sha] = (reasons[tree], path)
    return {sha: found[sha] for sha in [*first, *found]}, []


def _directories(clone: Clone, trees: Sequence[str]) -> dict[str, str]:
    """Every directory in some trees, once, and one of its paths (up to a line break)."""
    if not trees:
        return {}
    given = "".join(f"{tree}\n" for tree in trees).encode()
    said = git.strict(
        *(clone.root, "rev-list", "--objects", "--filter=blob:none", "--stdin"), given=given, hint=HINT
    )
    lines = (line.partition(" ") for line in os.fsdecode(said).split("\n"))
    return {sha: path for sha, _, path in lines if sha}


def _entries(
    clone: Clone, directories: Mapping[str, str], name: _Name
) -> Iterator[tuple[str, str, str, str]]:
    """Path of the directory, mode, name and object of what is called like a manifest there."""
    wanted = [b" " + one + b"\0" for one in name.folded]
    for (sha, path), answer in zip(
        directories.items(), git.batch(clone.root, directories, "--batch", hint=HINT), strict=True
    ):
        if answer.sort != "tree":
            raise missing(path or sha)
        folded = answer.data.lower()
        if any(one in folded for one in wanted):
            for mode, base, of in _parsed(answer.data, len(sha) // 2):
                if name.fits(base):
                    yield path, mode, base, of


def _parsed(tree: bytes, width: int) -> Iterator[tuple[str, str, str]]:
    """Mode, name and object of each line of a directory as Git stores it."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, base = tree[at:end].partition(b" ")
        at = end + 1 + width
        yield mode.decode("ascii"), os.fsdecode(base), tree[end + 1 : at].hex()


def _looked_up(
    clone: Clone, wanted: Sequence[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], git.Object]]:
    """What trees have under paths, in the order asked; symbolic links are followed within the tree."""
    asked = (f"{tree}:{path}" for tree, path in wanted)
    options = ("--batch-check", "--follow-symlinks")
    yield from zip(wanted, git.batch(clone.root, asked, *options, hint=HINT), strict=True)


def _one_by_one(
    clone: Clone, trees: Sequence[str], name: _Name, reasons: Mapping[str, str]
) -> tuple[Found, list[str]]:
    found: Found = {}
    links: list[tuple[str, str]] = []
    for tree in trees:
        said = git.strict(clone.root, "ls-tree", "-r", "-z", "--full-tree", tree, hint=HINT)
        for mode, sha, path in _rows(said):
            if mode in _REGULAR and name.fits(path):
                found.setdefault(sha, (reasons[tree], path))
            elif mode == _LINK and name.fits(path):
                links.append((tree, path))
    notes: list[str] = []
    for (tree, path), answer in _looked_up(clone, _on_one_line(links, reasons)):
        where = f"{reasons[tree]}:{path}"
        if answer.sort == "blob":
            found.setdefault(answer.sha, (reasons[tree], path))
        elif answer.sort == "symlink":
            raise UsageError(
                f"{where} is a symbolic link to something outside of Git; what it named then, nobody can"
                " tell; nothing was deleted",
                hint="leave that ref out (--branches, --tags), or commit the manifest itself there",
            )
        else:
            notes.append(f"{where} is a symbolic link to nothing: passed over")
    return found, notes


def _rows(listed: bytes) -> Iterator[tuple[str, str, str]]:
    """Mode, object and path of each line of ``ls-tree -z``."""
    for row in listed.split(b"\0")[:-1]:
        about, _, where = row.partition(b"\t")
        mode, _sort, sha = about.decode("ascii").split()
        yield mode, sha, os.fsdecode(where)


def _on_one_line(links: list[tuple[str, str]], reasons: Mapping[str, str]) -> list[tuple[str, str]]:
    for tree, path in links:
        if "\n" in path:
            raise UsageError(
                f"{reasons[tree]}:{path!r} is a symbolic link, and has a line break in its path: Git cannot"
                " be asked where it leads; nothing was deleted",
                hint="commit the manifest itself there, or leave that ref out (--branches, --tags)",
            )
    return links


def read(clone: Clone, found: Found, progress: Progress = quiet) -> Iterator[tuple[str, set[BlobKey]]]:
    """What holds on to each manifest, and what it names that none before it in this pass did.

    Raises
    ------
    ManifestError
        When one cannot be read: what it names is not known then.
    UsageError
        When Git fails.
    """
    ordered = sorted(found, key=lambda sha: found[sha][1])  # of one path after another: they differ little
    series, size = Series(), 0
    for number, (sha, answer) in enumerate(
        zip(ordered, git.batch(clone.root, ordered, "--batch", hint=HINT), strict=True), 1
    ):
        reason, path = found[sha]
        if answer.sort != "blob":
            raise missing(f"{reason}:{path}")
        yield reason, _names(series, answer.data, f"{reason}:{path}")
        size += len(answer.data)
        progress(number, len(ordered), size)


def _names(series: Series, data: bytes, name: str) -> set[BlobKey]:
    try:
        return series.read(data, name)
    except IntegrityError as error:
        raise unreadable(error) from None


def unreadable(error: IntegrityError) -> ManifestError:
    """The same error, with what it means here."""
    return ManifestError(
        f"{error.message}; what it names is not known: nothing was deleted",
        hint="mend it in a new commit; what history keeps of it, leave out: --branches, --tags, --since",
    )


def in_index(listed: bytes, names: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    """Of ``ls-files --stage -z``: object (``""``: see the file), stage (in conflict above 0), path."""
    name = _Name(names)
    for row in listed.split(b"\0")[:-1]:
        about, _, where = row.partition(b"\t")
        mode, sha, stage = about.decode("ascii").split()
        path = os.fsdecode(where)
        if name.fits(path) and mode in (*_REGULAR, _LINK):
            yield "" if mode == _LINK or sha in _EMPTY else sha, int(stage), path


def patterns(names: tuple[str, ...]) -> list[str]:
    """Manifests of these names, as Git takes them after ``--``."""
    return _Name(names).patterns
