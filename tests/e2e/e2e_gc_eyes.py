"""What a clone needs, found out as a person would: with Git's own commands and PyYAML, place by place."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import yaml

MANIFEST = "booktest.manifest.yaml"
PROJECTS = ("", "svc")
CACHE = ".booktest_cache"
#: Manifests are in one or both of these.
PATHS = tuple(f"{project}/{MANIFEST}".lstrip("/") for project in PROJECTS)

_REFS = ("refs/heads/", "refs/remotes/", "refs/tags/")
_STATES = ("HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "ORIG_HEAD")
_FILES = ("FETCH_HEAD", "rebase-merge/orig-head", "rebase-merge/onto", "rebase-merge/autostash")
_LINE = re.compile(r'^ +(http|env): "sha256:(\w{64})"', re.MULTILINE)


def path_of(kind: str, digest: str) -> str:
    """DESIGN section 3, spelled out once more."""
    name = digest.removeprefix("sha256:")
    return f"{kind}/sha256/{name[:2]}/{name}"


def git(where: Path, *arguments: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["git", *arguments], cwd=where, input=given, capture_output=True)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


@lru_cache(maxsize=4096)
def named(text: bytes) -> frozenset[str]:
    """The blobs of a manifest; of one with merge markers, on any side."""
    if b"<<<<<<<" in text:
        return frozenset(path_of(*found) for found in _LINE.findall(text.decode()))
    entries = yaml.load(text, yaml.CSafeLoader).items()
    tests = (kinds for name, kinds in entries if name != "storage_mode")
    return frozenset(path_of(kind, digest) for kinds in tests for kind, digest in kinds.items())


class Needs:
    """The blobs that a clone needs, with everything that does.

    Parameters
    ----------
    clone:
        Its main work tree.
    project:
        Whose cache counts.
    has_requests:
        Whether refs of pull requests count.
    """

    def __init__(self, clone: Path, project: str = "", *, has_requests: bool = False) -> None:
        self.by: dict[str, set[str]] = defaultdict(set)
        self.staged: set[str] = set()
        refs = _REFS + (("refs/pull/",) if has_requests else ())
        names = git(clone, "for-each-ref", "--format=%(refname)").decode().splitlines()
        asked = [(name, "/".join(name.split("/")[:2])) for name in names if name.startswith(refs)]
        for sha in git(clone, "stash", "list", "--format=%H").decode().split():
            asked += [(sha + parent, "stash") for parent in ("", "^1", "^2", "^3")]
        trees = [line[9:] for line in git(clone, "worktree", "list", "--porcelain").decode().split("\n")
                 if line.startswith("worktree ")]  # fmt: skip
        for number, tree in enumerate(map(Path, trees)):
            self._tree(tree, project, asked if number == 0 else [], "linked " if number else "")

    def __contains__(self, blob: str) -> bool:
        return blob in self.by

    @property
    def all(self) -> set[str]:
        return set(self.by)

    def alone(self) -> Iterator[str]:
        """What needs a blob, of those that only one place needs."""
        yield from (next(iter(places)) for places in self.by.values() if len(places) == 1)

    def _note(self, place: str, blobs: Iterable[str]) -> None:
        for blob in blobs:
            self.by[blob].add(place)

    def _tree(self, tree: Path, project: str, asked: list[tuple[str, str]], name: str) -> None:
        if not tree.exists():
            return
        git_dir = Path(git(tree, "rev-parse", "--absolute-git-dir").decode().strip())
        asked = [*asked, *((state, name + state) for state in _STATES)]
        for file in _FILES:
            lines = (git_dir / file).read_text().splitlines() if (git_dir / file).exists() else ()
            asked += [(line[:40], name + file) for line in lines]
        objects = [(f"{commit}:{path}", place) for commit, place in asked for path in PATHS]
        for row in git(tree, "ls-files", "--stage", "--", *PATHS).decode().splitlines():
            stage = row.split()[2]
            objects.append((row.split()[1], name + ("index" if stage == "0" else f"stage {stage}")))
        for (_, place), text in zip(objects, _texts(tree, [one for one, _ in objects]), strict=True):
            if text is not None:
                self._note(place, named(text))
        for path in PATHS:
            if (tree / path).exists():
                self._note(f"{name}files", named((tree / path).read_bytes()))
        self._cache(tree / project / CACHE, name)

    def _cache(self, cache: Path, name: str) -> None:
        for file in (cache / "staging" / "pending").glob("*.json"):
            for kind, (base, staged) in json.loads(file.read_text())["changes"].items():
                self._note(f"{name}pending", [path_of(kind, digest) for digest in (base, staged) if digest])
                self.staged |= {path_of(kind, staged)} if staged else set()
        if (cache / "unpushed").exists():
            lines = (cache / "unpushed").read_text().splitlines()
            self._note(f"{name}unpushed", [path_of(*line.split()) for line in lines])


def _texts(tree: Path, objects: list[str]) -> Iterator[bytes | None]:
    """``git show`` of many; ``None`` for what is not there."""
    said = git(tree, "cat-file", "--batch", given="".join(f"{one}\n" for one in objects).encode())
    at = 0
    for _ in objects:
        end = said.index(b"\n", at)
        head = said[at:end].split(b" ")
        at = end + 1
        if head[-1] in {b"missing", b"ambiguous"}:
            yield None
            continue
        size = int(head[2])
        yield said[at : at + size]
        at += size + 1
