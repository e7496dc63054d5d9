"""``commit_on_approve``: exactly the manifest and the payloads, in a real Git repository."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from workflow_bench import LOGIN, ORDERS, USERS, Bench, http

from booktest_cassettes.errors import UsageError
from booktest_cassettes.workflow.commit import commit

ONE, TWO = http("one"), http("two")
PAYLOAD = "books/tests/test_api.py/test_users/_snapshots/http.json"


@pytest.fixture
def repository(bench: Bench) -> Bench:
    (bench.root / "mine.txt").write_text("mine\n")
    (bench.root / ".gitignore").write_text(".booktest_cache/\n")
    bench.init_git()
    return bench


def committed(bench: Bench) -> dict[str, str]:
    """What the last commit did, by path: A, M or D."""
    lines = bench.git("-c", "core.quotePath=false", "show", "--format=", "--name-status", "--no-renames")
    return {path: state for state, path in (line.split("\t") for line in lines.splitlines())}


def status(bench: Bench) -> list[str]:
    return bench.git("status", "--porcelain").splitlines()


def test_a_new_recording_is_committed_with_the_manifest_and_nothing_else(repository):
    repository.stage(USERS, http=ONE)
    (repository.root / "untracked.txt").write_text("")
    assert commit(repository.root, repository.approve(), "Approve")
    assert committed(repository) == {
        "booktest.manifest.yaml": "A",
        "books/.gitattributes": "A",
        PAYLOAD: "A",
    }
    assert repository.git("log", "-1", "--format=%s").strip() == "Approve"
    assert status(repository) == ["?? untracked.txt"]


def test_an_updated_and_a_removed_recording_are_committed(repository):
    for test_id in (USERS, ORDERS):
        repository.stage(test_id, http=ONE)
    commit(repository.root, repository.approve(), "first")
    repository.stage(USERS, http=TWO)
    repository.stage(ORDERS, http=None)
    commit(repository.root, repository.approve(), "second")
    assert committed(repository) == {
        "booktest.manifest.yaml": "M",
        PAYLOAD: "M",
        PAYLOAD.replace("users", "orders"): "D",
    }
    assert status(repository) == []


def test_what_else_is_staged_stays_staged_and_what_is_changed_stays_changed(repository):
    (repository.root / "mine.txt").write_text("staged\n")
    (repository.root / "new.txt").write_text("staged too\n")
    repository.git("add", "mine.txt", "new.txt")
    (repository.root / "mine.txt").write_text("staged, and changed again\n")
    repository.stage(USERS, http=ONE)
    commit(repository.root, repository.approve(), "Approve")
    assert "mine.txt" not in committed(repository)
    assert status(repository) == ["MM mine.txt", "A  new.txt"]
    assert repository.git("show", ":mine.txt") == "staged\n"


def test_brackets_in_a_path_are_no_pattern(repository):
    """``test_list[ab]`` as a pattern means ``test_lista``, which nobody approved here."""
    repository.approved("t.py::test_lista", http=ONE)
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=first")
    other = repository.payload("t.py::test_lista")
    other.write_bytes(b"changed by hand")
    repository.stage("t.py::test_list[ab]", http=TWO)
    commit(repository.root, repository.approve(), "second")
    assert committed(repository) == {
        "booktest.manifest.yaml": "M",
        "books/t.py/test_list[ab]/_snapshots/http.json": "A",
    }
    assert status(repository) == [" M books/t.py/test_lista/_snapshots/http.json"]


def test_a_recording_that_was_staged_and_then_went_away_leaves_no_trace(repository):
    repository.approved(ORDERS, http=ONE)
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=first")
    repository.approved(USERS, http=ONE)
    repository.git("add", "--all")
    repository.stage(USERS, http=None)
    commit(repository.root, repository.approve(), "second")
    assert status(repository) == []


def test_committing_what_git_has_already_is_no_error(repository):
    repository.stage(USERS, http=ONE)
    paths = repository.approve()
    assert commit(repository.root, paths, "first")
    assert not commit(repository.root, paths, "again")
    assert repository.git("log", "-1", "--format=%s").strip() == "first"


def test_the_very_first_commit_of_a_repository_can_be_an_approval(bench):
    bench.git("init", "--quiet")
    bench.stage(USERS, http=ONE)
    assert commit(bench.root, [*bench.approve(), "gone.txt"], "first")
    assert set(committed(bench)) == {"booktest.manifest.yaml", "books/.gitattributes", PAYLOAD}


def test_paths_that_git_ignores_are_committed_all_the_same(repository):
    (repository.root / ".gitignore").write_text("books/\n*.yaml\n.booktest_cache/\n")
    repository.stage(USERS, http=ONE)
    commit(repository.root, repository.approve(), "Approve")
    assert PAYLOAD in committed(repository)


def test_a_project_below_the_top_of_its_repository_works(tmp_path):
    top = Bench(tmp_path)
    top.init_git()
    below = Bench(tmp_path / "sub [x]" / "é")
    below.stage(LOGIN, http=ONE)
    commit(below.root, below.approve(), "Approve")
    assert all(path.startswith("sub [x]/é/") for path in committed(top))
    assert len(committed(top)) == 3


def test_snapshots_outside_of_the_root_but_inside_the_repository_work(tmp_path):
    Bench(tmp_path).init_git()
    below = Bench(tmp_path / "sub", '[storage]\nmode = "git"\n[paths]\nsnapshots_dir = "../shared"\n')
    below.stage(USERS, http=ONE)
    commit(below.root, below.approve(), "Approve")
    assert {path.split("/")[0] for path in committed(below)} == {"shared", "sub"}


def test_thousands_of_paths_fit(repository):
    names = [f"many/{'x' * 200}{number:05}.txt" for number in range(2000)]
    (repository.root / "many").mkdir()
    for name in names[::2]:
        (repository.root / name).write_text(name)
    commit(repository.root, names, "many")
    assert sorted(committed(repository)) == names[::2]


def test_a_hook_that_refuses_is_told_with_its_words(repository):
    hook = repository.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'no commits on Fridays' >&2\nexit 1\n")
    hook.chmod(hook.stat().st_mode | stat.S_IEXEC)
    repository.stage(USERS, http=ONE)
    with pytest.raises(UsageError, match="no commits on Fridays") as caught:
        commit(repository.root, repository.approve(), "Approve")
    assert "approval itself is done" in caught.value.hint
    repository.see_that_payloads_are_what_the_manifest_says()


def test_a_hook_sees_git_as_it_always_is(repository):
    hook = repository.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\ngit ls-files ':(glob)*.txt' > .git/seen\nenv | grep -c LITERAL >> .git/seen\ntrue\n"
    )
    hook.chmod(hook.stat().st_mode | stat.S_IEXEC)
    repository.stage(USERS, http=ONE)
    commit(repository.root, repository.approve(), "Approve")
    assert (repository.root / ".git/seen").read_text() == "mine.txt\n0\n"


def test_no_repository_is_told(bench):
    bench.stage(USERS, http=ONE)
    with pytest.raises(UsageError, match="not a git repository"):
        commit(bench.root, bench.approve(), "Approve")


def test_no_git_is_told(repository, monkeypatch, tmp_path):
    repository.stage(USERS, http=ONE)
    paths = repository.approve()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git, which is not installed"):
        commit(repository.root, paths, "Approve")


def test_a_message_is_taken_as_it_is(repository):
    repository.stage(USERS, http=ONE)
    commit(repository.root, repository.approve(), "--amend\n\n-m 'é'")
    assert repository.git("log", "-1", "--format=%B").strip() == "--amend\n\n-m 'é'"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_a_root_reached_through_a_symbolic_link_works(repository, tmp_path):
    (tmp_path / "link").symlink_to(repository.root)
    linked = Bench(Path(tmp_path / "link"))
    linked.stage(USERS, http=ONE)
    commit(linked.root, linked.approve(), "Approve")
    assert PAYLOAD in committed(repository)
    assert status(repository) == []
