"""The manifest merges itself: random histories in real Git, with the driver as ``init`` installs it.

A merge is without conflict exactly when no test's snapshot of one kind was changed differently on both
sides, and what it gives is what a model of twelve lines gives.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booktest_cassettes.errors import ManifestError
from booktest_cassettes.manifest import load
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import conflicts

Rows = dict[tuple[str, str], str]

HEADER = (
    "# booktest.manifest.yaml: test and kind -> sha256 of the approved snapshot; "
    "written by booktest-cassettes\nstorage_mode: git\n"
)
# Neighbours in the file, so that a merge of lines would find them in conflict.
TESTS = ("t.py::a", "t.py::b", "t.py::b2", "t.py::b[1]", "t.py::c", "é: x")
KINDS = ("env", "http")
DIGESTS = tuple(f"sha256:{letter * 64}" for letter in "0abc")
ROWS = [(test, kind) for test in TESTS for kind in KINDS]

rows = st.dictionaries(st.sampled_from(ROWS), st.sampled_from(DIGESTS), max_size=8)
edits = st.dictionaries(
    st.sampled_from(ROWS), st.one_of(st.none(), st.sampled_from(DIGESTS)), min_size=1, max_size=4
)
branches = st.lists(edits, min_size=1, max_size=2)


@dataclass
class Merged:
    """What the model says."""

    rows: Rows
    conflicts: dict[tuple[str, str], tuple[str | None, str | None, str | None]]


def model(base: Rows, ours: Rows, theirs: Rows) -> Merged:
    merged = Merged({}, {})
    for row in ROWS:
        o, a, b = base.get(row), ours.get(row), theirs.get(row)
        if a == b or b == o:
            taken = a
        elif a == o:
            taken = b
        else:
            merged.conflicts[row] = (o, a, b)
            continue
        if taken is not None:
            merged.rows[row] = taken
    return merged


def edited(start: Rows, changes: Mapping[tuple[str, str], str | None]) -> Rows:
    after = {**start, **changes}
    return {row: digest for row, digest in after.items() if digest is not None}


def written(content: Rows) -> str:
    lines = [HEADER]
    for test in sorted({test for test, _ in content}):
        lines.append(f'"{test}":\n' if " " in test else f"{test}:\n")
        lines += [f'  {kind}: "{content[test, kind]}"\n' for kind in KINDS if (test, kind) in content]
    return "".join(lines)


def read(text: str) -> Rows:
    """The rows of a manifest, read with a pattern; every one of them once."""
    assert text.startswith(HEADER)
    found: Rows = {}
    test = ""
    for line in text.removeprefix(HEADER).splitlines():
        if match := re.fullmatch(r'  (\w+): "(sha256:[0-9a-f]{64})"', line):
            assert (test, match[1]) not in found
            found[test, match[1]] = match[2]
        else:
            assert line.endswith(":"), line
            test = line[:-1].strip('"')
    return found


class Repository:
    """One repository for all examples: each brings its own history, in one call."""

    def __init__(self, root: Path) -> None:
        self.root = root
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {
            "PATH": programs,
            "HOME": str(root),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
            **{f"GIT_{role}_NAME": "Ada" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": "ada@example.test" for role in ("AUTHOR", "COMMITTER")},
        }
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "gc.auto", "0")
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
        done = self.run(sys.executable, "-m", "booktest_cassettes", "init", "--yes")
        assert done.returncode == 0, done.stderr
        self.attributes = (root / ".gitattributes").read_text()

    def run(self, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.environment, input=given, capture_output=True, encoding="utf-8"
        )

    def git(self, *arguments: str, given: str = "") -> str:
        done = self.run("git", *arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def history(self, base: Rows, *others: list[Rows]) -> None:
        """``base``, and one branch per list with a commit for each of its states: ``b0``, ``b1``..."""
        stream = [_commit("base", 1, "", {".gitattributes": self.attributes, MANIFEST: written(base)})]
        for number, states in enumerate(others):
            parent = ":1"
            for step, state in enumerate(states):
                mark = 10 * (number + 1) + step
                stream.append(_commit(f"b{number}", mark, parent, {MANIFEST: written(state)}))
                parent = f":{mark}"
        self.git("fast-import", "--force", "--quiet", given="".join(stream))

    @property
    def text(self) -> str:
        return (self.root / MANIFEST).read_text(encoding="utf-8")

    def see(self, code: int, expected: Merged) -> None:
        """The work tree after a merge that ended with ``code`` is what the model says."""
        if not expected.conflicts:
            assert code == 0
            assert read(self.text) == expected.rows
            assert self.text == written(expected.rows)
            return
        assert code == 1
        with pytest.raises(ManifestError, match=rf"{MANIFEST}:\d+: an unresolved merge conflict") as caught:
            load(self.root / MANIFEST)
        assert "booktest-cassettes review" in caught.value.hint
        found = conflicts.read(Project.open(self.root))
        assert found is not None
        assert {
            (one.test_id, one.kind.value): (one.base, one.ours, one.theirs) for one in found.conflicts
        } == expected.conflicts
        assert read(found.manifest.dump()) == expected.rows


MANIFEST = "booktest.manifest.yaml"


def _commit(branch: str, mark: int, parent: str, files: dict[str, str]) -> str:
    where = f"from {parent}\n" if parent else ""
    lines = [f"reset refs/heads/{branch}\n{where}\n" if parent else f"reset refs/heads/{branch}\n"]
    lines.append(
        f"commit refs/heads/{branch}\nmark :{mark}\ncommitter Ada <ada@example.test> {mark} +0000\n"
        f"data 1\nc\n{where}"
    )
    for name, content in files.items():
        lines.append(f"M 100644 inline {name}\ndata {len(content.encode())}\n{content}\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("merging"))


def states(base: Rows, changes: list[dict[tuple[str, str], str | None]]) -> list[Rows]:
    found = []
    for change in changes:
        base = edited(base, change)
        found.append(base)
    return found


def merge_branches(repository: Repository, base: Rows, others: list[list[Rows]]) -> None:
    """``git merge``, one branch after the other, up to the first conflict."""
    repository.history(base, *others)
    repository.git("checkout", "--quiet", "--force", "--detach", "b0")
    ours = others[0][-1]
    for number, states in enumerate(others[1:], 1):
        done = repository.run("git", "merge", "--quiet", "--no-edit", f"b{number}")
        expected = model(base, ours, states[-1])
        repository.see(done.returncode, expected)
        ours = expected.rows
        if expected.conflicts:
            repository.git("merge", "--abort")
            return


def rebase_branch(repository: Repository, base: Rows, others: list[list[Rows]]) -> None:
    """``git rebase``: each commit of the second branch is merged, its parent the base."""
    repository.history(base, *others[:2])
    repository.git("checkout", "--quiet", "--force", "--detach", "b1")
    done = repository.run("git", "rebase", "--quiet", "--reapply-cherry-picks", "--empty=drop", "b0")
    ours, parent = others[0][-1], base
    for state in others[1]:
        expected = model(parent, ours, state)
        if expected.conflicts:
            break
        ours, parent = expected.rows, state
    repository.see(done.returncode, expected)
    if done.returncode:
        repository.git("rebase", "--abort")


def pick_commit(repository: Repository, base: Rows, others: list[list[Rows]]) -> None:
    """``git cherry-pick`` of the second branch's last commit."""
    repository.history(base, *others[:2])
    repository.git("checkout", "--quiet", "--force", "--detach", "b0")
    done = repository.run("git", "cherry-pick", "--allow-empty", "--keep-redundant-commits", "b1")
    parent = others[1][-2] if len(others[1]) > 1 else base
    repository.see(done.returncode, model(parent, others[0][-1], others[1][-1]))
    if done.returncode:
        repository.git("cherry-pick", "--abort")


def test_branches_that_were_merged_with_each_other_twice_still_merge(repository):
    """Their base is one that Git made, by this driver, with conflicts in it."""
    a, b = ("t.py::a", "http"), ("t.py::b", "http")
    zero, one, two, _ = DIGESTS
    repository.history({a: zero, b: zero}, [{a: one, b: zero}], [{a: two, b: zero}])
    tips = [repository.git("rev-parse", f"b{number}").strip() for number in (0, 1)]
    for branch, other, settled in (("b0", tips[1], {a: one, b: one}), ("b1", tips[0], {a: two, b: zero})):
        repository.git("checkout", "--quiet", "--force", branch)
        assert repository.run("git", "merge", "--quiet", other).returncode == 1
        (repository.root / MANIFEST).write_text(written(settled), encoding="utf-8")
        repository.git("add", "--all")
        repository.git("commit", "--quiet", "--message=settled")
    done = repository.run("git", "merge", "--quiet", "b0")
    repository.see(done.returncode, Merged({b: one}, {a: (None, two, one)}))
    assert done.stderr.count("in conflict") == 1
    repository.git("merge", "--abort")


ways = st.sampled_from([merge_branches, rebase_branch, pick_commit])
history = given(way=ways, base=rows, changes=st.lists(branches, min_size=2, max_size=3))
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def check(repository, way, base, changes):
    way(repository, base, [states(base, change) for change in changes])


@settings(max_examples=20, suppress_health_check=QUIET)
@history
def test_merges_are_in_conflict_exactly_where_both_sides_changed_a_snapshot(repository, way, base, changes):
    check(repository, way, base, changes)


@pytest.mark.nightly
@settings(max_examples=500, suppress_health_check=QUIET)
@history
def test_500_histories_merge_without_losing_or_doubling_an_entry(repository, way, base, changes):
    check(repository, way, base, changes)
