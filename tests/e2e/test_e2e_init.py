"""``booktest-cassettes init`` as a person runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_workspace import Workspace


@pytest.fixture
def bare(tmp_path: Path) -> Workspace:
    """A repository that knows nothing of us yet."""
    workspace = Workspace(tmp_path)
    workspace.git("init", "--quiet")
    workspace.git("config", "user.email", "ada@example.test")
    workspace.git("config", "user.name", "Ada")
    return workspace


def test_a_first_run_says_each_thing_and_what_comes_next_and_a_second_does_nothing(bare):
    bare.write("tests/test_a.py", "import unittest\n")
    done = bare.cli("init")
    assert done.code == 0
    assert done.text.splitlines() == [
        f"project: {bare.root}",
        'done: booktest.toml (written, storage.mode = "git")',
        "done: .gitattributes (booktest.manifest.yaml merges by test)",
        "done: .gitignore (Git ignores .booktest_cache/ and books/_reports/)",
        "done: merge.booktest-manifest (the merge driver, in Git's configuration of this clone)",
        "next: git add booktest.toml .gitattributes .gitignore && git commit",
        "then: put @cassette on a test, and booktest-cassettes run (pytest, which runs unittest's tests)",
    ]
    again = bare.cli("init", "--yes")
    assert again.code == 0
    assert "done:" not in again.text
    assert again.text.endswith("nothing to do\n")
    bare.git("config", "--remove-section", "merge.booktest-manifest")
    clone = bare.cli("init")
    assert clone.text.splitlines()[-1].startswith("done: merge.booktest-manifest"), "a clone is set up"


def test_a_booktest_project_is_told_of_its_own_commands(bare):
    bare.write("test/a_test.py", "import booktest as bt\n")
    bare.write("books/test/a_test.py/test_x.snapshots.json", "{}")
    assert bare.cli("init").text.splitlines()[-1] == (
        "then: booktest-cassettes migrate --from booktest --delete-originals, and booktest-cassettes run"
    )
    (bare.root / "books/test/a_test.py/test_x.snapshots.json").unlink()
    bare.write("booktest.toml", "[storage]\n")
    (bare.root / ".gitignore").unlink()
    assert bare.cli("init").text.splitlines()[-1] == (
        "then: booktest-cassettes run --runner booktest -s -- -a, which records, and accepts the results"
    )


def test_machines_get_json(bare):
    done = bare.cli("init", "--json", "--storage-mode", "dvc-manifest")
    told = json.loads(done.text)
    assert [(step["name"], step["done"]) for step in told["steps"]] == [
        ("booktest.toml", True),
        (".gitattributes", True),
        (".gitignore", True),
        ("merge.booktest-manifest", True),
    ]
    assert 'mode = "dvc"' in (bare.root / "booktest.toml").read_text()
    assert not any(step["done"] for step in json.loads(bare.cli("init", "--json").text)["steps"])


def test_what_was_set_up_merges_in_another_worktree_too(bare):
    """The driver is in the configuration that all worktrees of a clone share."""
    assert bare.cli("init", "--yes").code == 0
    line = '  http: "sha256:{}"\n'
    header = "storage_mode: git\n"
    bare.write("booktest.manifest.yaml", header + "m.py::m:\n" + line.format("0" * 64))
    bare.commit()
    bare.git("branch", "theirs")
    text = (bare.root / "booktest.manifest.yaml").read_text()
    bare.write("booktest.manifest.yaml", text + "z.py::a:\n" + line.format("a" * 64))
    bare.commit()
    other = Workspace(bare.root / "elsewhere")
    bare.git("worktree", "add", "--quiet", str(other.root), "theirs")
    other.write("booktest.manifest.yaml", text + "z.py::b:\n" + line.format("b" * 64))
    other.commit()
    other.git("merge", "--quiet", "--no-edit", bare.git("rev-parse", "HEAD").strip())
    assert [line for line in other.manifest.splitlines() if "::" in line] == [
        "m.py::m:",
        "z.py::a:",
        "z.py::b:",
    ]


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals")
def test_the_one_question_is_which_of_dvcs_remotes(bare):
    bare.write(".dvc/config", "['remote \"one\"']\n    url = /x\n['remote \"two\"']\n    url = /y\n")
    main, side = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "booktest_cassettes", "init"],
        cwd=bare.root,
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    shown = b""
    while b"decide later" not in shown:
        shown += os.read(main, 4096)
    os.write(main, b"three\n")
    while shown.count(b"decide later") < 2:
        shown += os.read(main, 4096)
    os.write(main, b"two\n")
    while b"then:" not in shown:
        shown += os.read(main, 4096)
    assert running.wait(30) == 0
    os.close(main)
    assert b"there are: one, two" in shown
    assert "DVC has no remote 'three'" in shown.decode()
    assert 'mode = "dvc"' in (bare.root / "booktest.toml").read_text()
    assert 'remote = "two"' in (bare.root / "booktest.toml").read_text()


def test_a_git_that_is_not_installed_is_no_crash(bare, tmp_path):
    empty = bare.root / "empty"
    empty.mkdir()
    done = bare.cli("init", "--yes", PATH=str(empty))
    assert done.code == 0
    assert "Traceback" not in done.text
    assert "missing: not in a Git repository" in done.text
