"""How old approved recordings are: when the line of each in the manifest was last changed, by Git's history.

Nothing volatile enters a blob, so a recording itself does not know. ``git blame`` does, in one pass: a
second and a half for 20,000 snapshots and 500 commits, no slower than reading ``git log -p``, and it
follows merges and renames of the file by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..digest import Digest, Kind
from ..errors import UsageError
from ..project import Project
from . import git

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}
_HEADER = re.compile(r"([0-9a-f]{40,64}) \d+ \d+(?: \d+)?$")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LATEST = 253_402_300_799  # the last second of the year 9999, and of Python's dates
_UNCOMMITTED = re.compile(r"0+$")
#: Without a person's list of commits to look past (``blame.ignoreRevsFile``).
_PLAIN = ("--porcelain", "--no-textconv", "--ignore-revs-file=")


@dataclass(frozen=True, slots=True)
class Age:
    """One approved snapshot, and when its digest came into the manifest.

    Attributes
    ----------
    since:
        The date of the commit that brought the digest; ``None`` for one that is not committed.
    age:
        From then to now; 0 for what is not committed.
    commit:
        Its id; ``""`` without one.
    at_least:
        A shallow clone knows no more than that it is at least this old.
    """

    test_id: str
    kind: Kind
    digest: Digest
    since: datetime | None
    age: timedelta
    commit: str
    at_least: bool = False

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "test": self.test_id,
            "kind": self.kind.value,
            "digest": self.digest,
            "date": self.since.isoformat() if self.since else None,
            "days": self.age.days,
            "at_least": self.at_least,
            "commit": self.commit,
        }


def span(text: str) -> timedelta:
    """``12h``, ``90d``, ``6w`` or ``1y`` (365 days); raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,5})([hdwy])", text.strip(), re.ASCII)
    if found is None:
        raise UsageError(f"{text[:40]!r} is no span of time", hint="for example 12h, 90d, 6w or 1y")
    return int(found[1]) * _UNITS[found[2]]


def older_than(project: Project, limit: timedelta, now: datetime | None = None) -> list[Age]:
    """The snapshots whose line in the manifest is older than ``limit``, the oldest first.

    Parameters
    ----------
    project, limit:
        Whose, and how old.
    now:
        The moment ages are counted to.

    Raises
    ------
    UsageError
        Where Git has no history of the manifest, and where it was cut off too early to tell.
    """
    ages = read(project, now or datetime.now(UTC))
    if unknown := [age for age in ages if age.at_least and age.age <= limit]:
        first = unknown[0]
        raise UsageError(
            f"this clone is shallow, and {len(unknown)} snapshots came before its history begins, so that"
            f" their age is not known: {first.test_id} ({first.kind.value}) among them",
            hint="git fetch --unshallow (GitHub's actions/checkout: fetch-depth: 0; GitLab: GIT_DEPTH: 0)",
        )
    old = [age for age in ages if age.age > limit]
    return sorted(old, key=lambda age: (-age.age, age.test_id, age.kind))


def read(project: Project, now: datetime) -> list[Age]:
    """The age of every approved snapshot, in the manifest's order; raises UsageError outside of Git."""
    manifest = project.config.manifest
    if git.ask(project.config.root, "rev-parse", "--git-dir") is None:
        raise UsageError(
            f"{project.config.root} is in no Git repository, whose history tells how old a recording is",
            hint="run this in the clone that holds the manifest",
        )
    lines = _lines(manifest)
    shallow = _shallow(project.config.root)
    return [
        _age(test_id, kind, digest, _next(lines, test_id, digest), shallow, now)
        for test_id, kinds in project.manifest.entries.items()
        for kind, digest in kinds.items()
    ]


@dataclass(frozen=True, slots=True)
class _Line:
    """A digest as it stands in the manifest, and the commit that brought it; ``""``: none yet."""

    digest: str
    commit: str
    time: int


def _next(lines: Iterator[_Line], test_id: str, digest: Digest) -> _Line:
    """The line of a digest; the manifest is read in its own order, so that it is the next with it."""
    for line in lines:
        if line.digest == digest:
            return line
    raise UsageError(
        f"the line of {test_id} cannot be told from the manifest's text",
        hint="booktest-cassettes approve writes it anew, one line for each snapshot",
    )


def _age(
    test_id: str, kind: Kind, digest: Digest, line: _Line, shallow: frozenset[str], now: datetime
) -> Age:
    if not line.commit:
        return Age(test_id, kind, digest, None, timedelta(), "")
    since = datetime.fromtimestamp(min(line.time, _LATEST), UTC)  # Git takes any number for a date
    age = max(now - since, timedelta())  # whoever committed may have had another clock
    return Age(test_id, kind, digest, since, age, line.commit, line.commit in shallow)


def _lines(manifest: Path) -> Iterator[_Line]:
    """Every digest in the text, in order, with the commit that brought its line."""
    if not manifest.is_file():
        return
    if git.ask(manifest.parent, "cat-file", "-e", f"HEAD:./{manifest.name}") is None:
        for digest in _DIGEST.findall(manifest.read_text(encoding="utf-8")):
            yield _Line(digest, "", 0)
        return
    hint = "git status, to see what is wrong with the repository"
    blame = git.run(manifest.parent, "blame", *_PLAIN, "--", manifest.name, hint=hint)
    times: dict[str, int] = {}
    commit = ""
    for line in blame.split("\n"):
        if line.startswith("\t"):
            for digest in _DIGEST.findall(line):
                is_new = _UNCOMMITTED.match(commit)
                yield _Line(digest, "" if is_new else commit, times[commit])
        elif line.startswith("committer-time "):
            times[commit] = int(line.removeprefix("committer-time "))
        elif found := _HEADER.match(line):
            commit = found[1]


def _shallow(directory: Path) -> frozenset[str]:
    """The commits at which this clone's history was cut off."""
    path = git.ask(directory, "rev-parse", "--git-path", "shallow")
    file = directory / path if path else None
    return frozenset(file.read_text().split()) if file is not None and file.is_file() else frozenset()
