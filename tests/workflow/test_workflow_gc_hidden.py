"""What a clone holds in odd corners, and what has Git see less than there is; with real Git."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gc_mark_lab import NAME, Lab

from booktest_cassettes.errors import UsageError


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "project")
    made.commit("main")
    return made


@pytest.fixture
def other(tmp_path: Path) -> Lab:
    """A repository to fetch from, with two branches."""
    made = Lab(tmp_path / "other")
    made.commit("theirs")
    made.on("wip/x", "wip")
    return made


def refusal(lab: Lab, **wanted: object) -> UsageError:
    with pytest.raises(UsageError, match="nothing was deleted") as caught:
        lab.mark(**wanted)
    return caught.value


# --- refs that are neither branches nor tags


def test_branches_that_are_fetched_to_a_place_of_their_own_count(lab, other):
    lab.git("remote", "add", "origin", str(other.top))
    lab.git("config", "remote.origin.fetch", "+refs/heads/*:refs/up/*")
    lab.git("fetch", "--quiet", "origin")
    (lab.top / ".git" / "FETCH_HEAD").unlink()
    assert lab.reached("theirs", "wip") == {"theirs": "refs/up/main", "wip": "refs/up/wip/x"}


def test_of_a_mirror_branches_and_tags_count_and_requests_only_when_asked_for(lab, tmp_path):
    lab.git("update-ref", "refs/pull/7/head", lab.on("x", "request"))
    lab.git("branch", "--quiet", "-D", "x")
    lab.git("clone", "--quiet", "--mirror", str(lab.top), str(tmp_path / "mirror.git"))
    lab.root = tmp_path / "mirror.git"
    assert set(lab.reached("main", "request")) == {"main"}
    assert "1 ref below refs/pull/: not counted; --pr-refs 'refs/pull/*' counts them" in lab.mark().notes
    assert set(lab.reached("request", pr_refs=("refs/pull/*",))) == {"request"}
    assert not any("refs/pull" in note for note in lab.mark(pr_refs=("refs/pull/*",)).notes)


def test_what_git_shows_in_place_of_a_commit_counts_beside_it(lab):
    lab.git("replace", "main", lab.on("x", "instead"))
    lab.git("branch", "--quiet", "-D", "x")
    assert set(lab.reached("main", "instead")) == {"main", "instead"}


def test_what_maintenance_fetched_beforehand_counts(lab):
    lab.git("update-ref", "refs/prefetch/remotes/origin/main", lab.on("x", "early"))
    lab.git("branch", "--quiet", "-D", "x")
    assert lab.reached("early") == {"early": "refs/prefetch/remotes/origin/main"}


# --- stashes and what is not finished


def test_a_stash_without_a_reflog_has_its_index_and_untracked_files(lab):
    lab.write("untracked", path=f"sub/{NAME}")
    lab.write("index")
    lab.git("add", NAME)
    lab.write("main")
    lab.git("stash", "--quiet", "--include-untracked")
    (lab.top / ".git" / "logs" / "refs" / "stash").unlink()
    assert set(lab.reached("untracked", "index")) == {"untracked", "index"}


def test_the_autostash_of_a_rebase_has_its_index(lab):
    lab.commit("more", path="other.txt")
    lab.write("index")
    lab.git("add", NAME)
    lab.write("file")
    subprocess.run(
        ["git", "rebase", "--quiet", "--interactive", "--autostash", "HEAD~1"],
        cwd=lab.top,
        env=os.environ | {"GIT_SEQUENCE_EDITOR": "sed -i s/pick/edit/"},
        check=True,
        capture_output=True,
    )
    assert set(lab.reached("index", "file")) == {"index", "file"}


def test_the_detached_head_that_a_bisection_goes_back_to_counts(lab):
    good = lab.git("rev-parse", "HEAD")
    lab.commit("later")
    lab.git("checkout", "--quiet", "--detach")
    lab.commit("start")
    lab.git("bisect", "start", "main", good)
    lab.git("checkout", "--quiet", "main")
    (lab.top / ".git" / "ORIG_HEAD").unlink(missing_ok=True)
    assert lab.reached("start") == {"start": "BISECT_START"}


# --- names and configuration


def test_a_manifest_that_is_spelled_with_other_capitals_counts(lab):
    for place in ("committed", "added", "untracked"):
        lab.write(place, path=f"{place}/Booktest.Manifest.YAML")
        if place != "untracked":
            lab.git("add", place)
        if place == "committed":
            lab.git("commit", "--quiet", "--message", "it")
    assert lab.reached("committed", "added", "untracked") == {
        "committed": "refs/heads/main",
        "added": "index",
        "untracked": "work tree",
    }


def test_a_configuration_that_has_git_say_more_hides_nothing(lab):
    lab.git("config", "log.showSignature", "true")
    lab.write("stashed")
    lab.git("stash", "--quiet")
    found = lab.reached("stashed", "main", since=datetime(2020, 1, 1, tzinfo=UTC))
    assert set(found) == {"stashed", "main"}


@pytest.mark.parametrize("how", ["LITERAL", "GLOB", "NOGLOB", "ICASE"])
def test_an_environment_that_changes_patterns_hides_nothing(lab, monkeypatch, how):
    lab.write("index")
    lab.git("add", NAME)
    lab.write("untracked", path=f"sub/{NAME}")
    monkeypatch.setenv(f"GIT_{how}_PATHSPECS", "1")
    assert set(lab.reached("index", "untracked")) == {"index", "untracked"}


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_SHALLOW_FILE"])
def test_an_environment_that_has_git_look_elsewhere_is_refused(lab, monkeypatch, name):
    monkeypatch.setenv(name, str(lab.top / ".git" / "index"))
    error = refusal(lab)
    assert error.message.startswith(f"{name} in the environment")
    assert error.hint == f"env -u {name} booktest-cassettes gc"


def test_a_repository_that_git_does_not_trust_is_refused_in_its_own_words(lab, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UsageError, match=r"(?s)dubious ownership.*safe\.directory") as caught:
        lab.mark()
    assert "nothing was deleted" in caught.value.hint


# --- clones that cannot know


def test_a_manifest_in_another_repository_is_refused(lab):
    Lab(lab.top / "sub").commit("inner")
    (lab.root / "booktest.toml").write_text(f'[storage]\nmode = "git"\nmanifest = "sub/{NAME}"\n')
    assert "is not in the repository of" in refusal(lab).message


def test_a_remote_whose_branches_are_not_all_fetched_is_refused_beside_one_that_is(lab, other):
    lab.git("remote", "add", "-t", "main", "origin", str(other.top))
    lab.git("remote", "add", "mine", str(other.top))
    lab.git("fetch", "--quiet", "--all")
    error = refusal(lab)
    assert "only some branches of 'origin' (refs/heads/main)" in error.message
    assert "git remote set-branches origin '*' && git fetch origin" in error.hint
    assert "theirs" in lab.reached("theirs", branches=("*",))
    lab.git("remote", "set-branches", "origin", "*")
    assert "theirs" in lab.reached("theirs")


@pytest.mark.parametrize("spec", ["+refs/pull/*/head:refs/pull/*/head", "main"])
def test_a_clone_that_keeps_no_branches_of_its_remote_is_refused(lab, other, spec):
    lab.git("remote", "add", "origin", str(other.top))
    lab.git("config", "remote.origin.fetch", spec)
    lab.git("fetch", "--quiet", "origin")
    assert "only some branches of 'origin'" in refusal(lab).message


def test_a_tag_of_a_tree_is_no_autostash_whatever_it_is_called(lab):
    lab.git("tag", "autostash", "HEAD^{tree}")
    assert "main" in lab.reached("main")


def test_a_remote_of_which_branches_are_left_out_is_refused(lab, other):
    lab.git("remote", "add", "origin", str(other.top))
    lab.git("config", "--add", "remote.origin.fetch", "^refs/heads/wip/*")
    lab.git("fetch", "--quiet", "origin")
    assert "(^refs/heads/wip/*)" in refusal(lab).message


def test_a_remote_of_which_hardly_a_branch_is_known_is_mentioned(lab, other):
    lab.git("remote", "add", "origin", str(other.top))
    lab.git("remote", "add", "never", str(other.top))
    lab.git("fetch", "--quiet", "origin", "+refs/heads/main:refs/remotes/origin/main")  # as CI does
    assert lab.mark().notes == (
        "of 'origin' only refs/remotes/origin/main is known here; if there are more: git fetch origin",
        "of 'never' no branch is known here; if there are more: git fetch never",
    )
    lab.git("fetch", "--quiet", "--all")
    assert lab.mark().notes == ()
