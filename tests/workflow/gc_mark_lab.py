"""A real repository whose manifests name digests by a word each."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from booktest_cassettes import manifest_text
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.project import Project
from booktest_cassettes.workflow.gc.marking import Marked, Wanted, mark

NAME = "booktest.manifest.yaml"


def key(word: str) -> BlobKey:
    """The blob that a word stands for."""
    return BlobKey(Kind.HTTP, Digest.of(word.encode()))


def text(*words: str) -> str:
    """A manifest that names these words' blobs, a test each."""
    return manifest_text.write("dvc", {f"t.py::test_{word}": {Kind.HTTP: key(word).digest} for word in words})


class Lab:
    """A repository with a project at its root, or below it."""

    def __init__(self, top: Path, *, below: str = "", settings: str = '[storage]\nmode = "git"\n') -> None:
        self.top, self.root = top, top / below
        self.root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        (self.root / "booktest.toml").write_text(settings)

    def git(self, *arguments: str, at: Path | None = None, given: str | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=at or self.top, capture_output=True, text=True, input=given
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, *words: str, path: str = "", at: Path | None = None) -> Path:
        """The manifest of the work tree."""
        file = (at or self.top) / path if path else (at or self.root) / NAME
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(*words))
        return file

    def commit(self, *words: str, path: str = "", at: Path | None = None) -> str:
        """Such a manifest, and everything else there, committed."""
        if words:
            self.write(*words, path=path, at=at)
        self.git("add", "--all", at=at)
        self.git("commit", "--quiet", "--allow-empty", "--message", "work", at=at)
        return self.git("rev-parse", "HEAD", at=at)

    def on(self, branch: str, *words: str) -> str:
        """Such a commit at the tip of a branch of its own; back on the branch from before."""
        self.git("checkout", "--quiet", "-b", branch)
        sha = self.commit(*words)
        self.git("checkout", "--quiet", "-")
        return sha

    def project(self) -> Project:
        return Project.open(self.root)

    def mark(self, **wanted: Any) -> Marked:
        return mark(self.project(), Wanted(**wanted))

    def reached(self, *words: str, **wanted: Any) -> dict[str, str]:
        """Which of these words' blobs are reachable, and what reaches each."""
        reasons = self.mark(**wanted).reasons
        return {word: reasons[key(word)] for word in words if key(word) in reasons}
