"""Which refs count, and what a clone must be for anything to be deleted; with real Git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gc_mark_lab import NAME, Lab

from booktest_cassettes.errors import CassetteError, UsageError
from booktest_cassettes.workflow.gc import clone as clones
from booktest_cassettes.workflow.gc.refs import Globs, Root, chosen


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "project")
    made.commit("main")
    return made


def test_every_branch_and_tag_and_every_fetched_branch_counts(lab, tmp_path):
    lab.on("side", "side")
    lab.on("gone", "tagged")
    lab.git("tag", "light", "gone")
    lab.git("branch", "--quiet", "-D", "gone")
    other = Lab(tmp_path / "other")
    other.commit("theirs")
    lab.git("remote", "add", "origin", str(other.top))
    lab.git("fetch", "--quiet", "origin")
    assert lab.reached("main", "side", "tagged", "theirs", "nothing") == {
        "main": "refs/heads/main",
        "side": "refs/heads/side",
        "tagged": "refs/tags/light",
        "theirs": "refs/remotes/origin/main",
    }


def test_what_no_ref_reaches_any_more_is_not_reachable(lab):
    lab.on("side", "side")
    assert "side" in lab.reached("side")
    lab.git("branch", "--quiet", "-D", "side")
    assert lab.reached("side", "main") == {"main": "refs/heads/main"}


def test_globs_narrow_branches_and_tags_and_add_pull_requests(lab):
    for name in ("release/1", "release/2", "wip"):
        lab.git("branch", "--quiet", name, lab.on(f"x-{name}", name))
        lab.git("branch", "--quiet", "-D", f"x-{name}")
    for name, where in (("v1", "refs/tags/v1"), ("v2", "refs/tags/v2"), ("pr", "refs/pull/7/head")):
        lab.git("update-ref", where, lab.on(f"x-{name}", name))
        lab.git("branch", "--quiet", "-D", f"x-{name}")
    words = ("main", "release/1", "release/2", "wip", "v1", "v2", "pr")
    assert set(lab.reached(*words)) == set(words) - {"pr"}
    assert set(lab.reached(*words, branches=("release/*",), tags=("v2",))) == {
        *("release/1", "release/2", "v2", "main")  # which is checked out
    }
    assert lab.reached(*words, pr_refs=("refs/pull/*/head",))["pr"] == "refs/pull/7/head"
    assert "wip" in lab.reached("wip", branches=("refs/heads/w*",), tags=("*",))


def test_a_fetched_branch_is_meant_by_its_name_with_and_without_the_remotes():
    refs = [Root("1", "refs/remotes/origin/release/1"), Root("2", "refs/remotes/origin/wip")]
    for glob in ("release/*", "origin/release/*", "refs/remotes/origin/release/1"):
        assert chosen(refs, Globs((glob,), (), ())) == (refs[:1], [])


@pytest.mark.parametrize("option", ["branches", "tags", "pr_refs"])
def test_a_glob_that_means_no_ref_stops(lab, option):
    lab.git("tag", "v1")
    with pytest.raises(UsageError, match=r"'nowhere/\*' means no ref here; nothing was deleted") as caught:
        lab.mark(**{option: ("nowhere/*",)})
    assert "git" in caught.value.hint


def test_a_tag_of_a_tag_and_one_of_a_tree_are_followed_and_one_of_a_file_is_passed_over(lab):
    lab.on("side", "nested")
    lab.git("tag", "--annotate", "--message", "one", "one", "side")
    lab.git("tag", "--annotate", "--message", "two", "two", "one")
    lab.git("tag", "--delete", "one")
    lab.on("other", "treed")
    lab.git("tag", "tree", "other^{tree}")
    lab.git("tag", "file", f"other:{NAME}")
    lab.git("tag", "--annotate", "--message", "x", "tagged-file", "file")
    lab.git("branch", "--quiet", "-D", "side", "other")
    marked = lab.mark()
    assert lab.reached("nested", "treed") == {"nested": "refs/tags/two", "treed": "refs/tags/tree"}
    assert sorted(marked.notes) == [
        "refs/tags/file is no commit, but a single file: passed over",
        "refs/tags/tagged-file is no commit, but a single file: passed over",
    ]


def test_a_branch_whose_name_is_no_text_counts(lab):
    sha = lab.on("side", "odd")
    lab.git("branch", "--quiet", "-D", "side")
    packed = lab.top / ".git" / "packed-refs"
    packed.write_bytes(
        b"# pack-refs with: peeled fully-peeled sorted \n" + sha.encode() + b" refs/heads/\xff\xe9\n"
    )
    assert lab.reached("odd") == {"odd": os.fsdecode(b"refs/heads/\xff\xe9")}


def test_a_detached_head_counts(lab):
    lab.git("checkout", "--quiet", "--detach")
    lab.commit("detached")
    lab.write("main")
    lab.git("add", "--all")
    assert lab.reached("detached") == {"detached": "HEAD"}


def test_a_repository_without_a_commit_has_its_work_tree(tmp_path):
    lab = Lab(tmp_path / "new")
    lab.write("fresh")
    assert lab.reached("fresh") == {"fresh": "work tree"}
    assert lab.mark().commits == 0


def test_a_linked_work_trees_head_index_and_files_count_from_either_side(lab, tmp_path):
    linked = tmp_path / "linked"
    lab.git("worktree", "add", "--quiet", "--detach", str(linked))
    lab.commit("their-head", at=linked)
    lab.write("their-index", at=linked)
    lab.git("add", "--all", at=linked)
    lab.write("their-file", at=linked)
    words = ("main", "their-head", "their-index", "their-file")
    found = lab.reached(*words)
    name = f"work tree {linked}"
    assert found == {
        "main": "refs/heads/main",
        "their-head": f"HEAD of {name}",
        "their-index": f"index of {name}",
        "their-file": f"work tree of {name}",
    }
    lab.root = linked
    there = lab.reached(*words)
    assert set(there) == set(words)
    assert there["their-file"] == "work tree"


def test_a_linked_work_tree_whose_files_are_gone_still_holds_its_head_and_index(lab, tmp_path):
    linked = tmp_path / "linked"
    lab.git("worktree", "add", "--quiet", "--detach", str(linked))
    lab.commit("their-head", at=linked)
    lab.write("their-index", at=linked)
    lab.git("add", "--all", at=linked)
    linked.rename(tmp_path / "unplugged")
    assert set(lab.reached("their-head", "their-index")) == {"their-head", "their-index"}


def test_every_stash_counts_with_its_index_and_its_untracked_files(lab):
    lab.write("first-index")
    lab.git("add", "--all")
    lab.write("first-file")
    lab.git("stash", "push", "--quiet")
    lab.write("untracked", path=f"other/{NAME}")
    lab.git("stash", "push", "--quiet", "--include-untracked")
    assert lab.reached("first-index", "first-file", "untracked", "main") == {
        "first-index": "stash@{1}",
        "first-file": "stash@{1}",
        "untracked": "stash@{0}",
        "main": "refs/heads/main",
    }
    lab.git("stash", "drop", "--quiet", "stash@{1}")
    assert set(lab.reached("first-index", "first-file", "untracked")) == {"untracked"}


def test_a_merge_in_progress_counts_with_the_other_side_and_all_versions(lab):
    lab.commit("a", "shared")
    theirs = lab.on("theirs", "b", "shared")
    lab.git("checkout", "--quiet", "--detach")
    lab.commit("c", "shared")
    with pytest.raises(AssertionError):
        lab.git("merge", "--quiet", theirs)
    lab.git("branch", "--quiet", "-D", "theirs")
    assert "<<<<<<<" in (lab.root / NAME).read_text()
    found = lab.reached("a", "b", "c", "shared")
    assert set(found) == {"a", "b", "c", "shared"}
    assert found["b"] == "MERGE_HEAD"


def test_a_rebase_in_progress_counts_with_where_it_began(lab):
    lab.git("checkout", "--quiet", "-b", "topic")
    lab.commit("one")
    lab.commit("two")
    lab.git("checkout", "--quiet", "main")
    lab.commit("base")
    onto = lab.git("rev-parse", "HEAD")
    lab.git("checkout", "--quiet", "topic")
    with pytest.raises(AssertionError):
        lab.git("rebase", "--quiet", onto)
    lab.git("update-ref", "-d", "refs/heads/topic")  # nothing but the rebase remembers it now
    found = lab.reached("one", "two", "base")
    assert set(found) == {"one", "two", "base"}
    assert "rebase-merge/orig-head" in found["two"] or "REBASE_HEAD" in found["two"] or "ORIG" in found["two"]


def test_what_a_reset_left_is_held_until_the_next_one_and_may_be_gone_from_git(lab):
    sha = lab.commit("before")
    lab.git("reset", "--quiet", "--hard", "HEAD~1")
    assert lab.reached("before") == {"before": "ORIG_HEAD"}
    (lab.top / ".git" / "ORIG_HEAD").write_text("1" * 40 + "\n")
    assert lab.reached("before", "main") == {"main": "refs/heads/main"}
    assert sha


def test_a_bare_repository_has_its_refs(lab, tmp_path):
    lab.on("side", "side")
    bare = tmp_path / "bare.git"
    lab.git("clone", "--quiet", "--bare", str(lab.top), str(bare))
    lab.root = bare
    assert lab.reached("main", "side") == {"main": "refs/heads/main", "side": "refs/heads/side"}


# --- what stops it


def refused(lab: Lab, **wanted: object) -> CassetteError:
    with pytest.raises(CassetteError) as caught:
        lab.mark(**wanted)
    assert "nothing was deleted" in caught.value.message + caught.value.hint
    assert caught.value.hint
    return caught.value


def test_no_repository_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    lab = Lab(tmp_path / "project")
    (tmp_path / "plain").mkdir()
    lab.root = tmp_path / "plain"
    assert "in no Git repository" in refused(lab).message


def test_a_shallow_clone_is_refused(lab, tmp_path):
    lab.commit("later")
    shallow = tmp_path / "shallow"
    lab.git("clone", "--quiet", "--depth", "1", "--no-local", str(lab.top), str(shallow))
    lab.root = shallow
    error = refused(lab)
    assert "shallow" in error.message
    assert "git fetch --unshallow" in error.hint


def test_a_clone_of_one_branch_is_refused_until_a_person_names_the_branches(lab, tmp_path):
    lab.on("side", "side")
    narrow = tmp_path / "narrow"
    lab.git("clone", "--quiet", "--single-branch", str(lab.top), str(narrow))
    lab.root = narrow
    assert "only some branches" in refused(lab).message
    assert lab.reached("main", "side", branches=("*",)) == {"main": "refs/heads/main"}


@pytest.mark.parametrize("what", ["blob:none", "tree:0"])
def test_a_partial_clone_that_lacks_what_it_needs_is_refused_and_fetches_nothing(lab, tmp_path, what):
    lab.on("side", "side")
    lab.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    lab.git("clone", "--quiet", "--no-local", f"--filter={what}", str(lab.top), str(partial))
    before = sorted((partial / ".git" / "objects").rglob("*"))
    lab.root = partial
    refused(lab)
    assert sorted((partial / ".git" / "objects").rglob("*")) == before


def test_a_partial_clone_that_has_what_it_needs_is_taken(lab, tmp_path):
    (lab.top / "big.bin").write_text("x" * 5000)
    lab.commit()
    (lab.top / "big.bin").unlink()
    lab.commit("main")
    lab.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    lab.git("clone", "--quiet", "--no-local", "--filter=blob:limit=1k", str(lab.top), str(partial))
    lab.root = partial
    assert "main" in lab.reached("main")


def test_a_ref_to_nothing_is_refused(lab):
    (lab.top / ".git" / "refs" / "heads" / "lost").write_text("1" * 40 + "\n")
    assert "refs/heads/lost" in refused(lab).message


def test_a_ref_that_git_only_warns_about_is_refused(lab):
    (lab.top / ".git" / "refs" / "heads" / "torn").write_text("")
    assert "broken ref" in refused(lab).message


def test_a_fetched_default_branch_that_is_gone_is_no_harm(lab):
    lab.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/gone")
    assert "main" in lab.reached("main")


def test_a_missing_manifest_object_is_refused(lab):
    sha = lab.git("rev-parse", f"HEAD:{NAME}")
    (lab.top / ".git" / "objects" / sha[:2] / sha[2:]).unlink()
    refused(lab)


def test_a_head_that_cannot_be_read_is_refused(lab):
    found = clones.read(lab.root)
    assert found.top == lab.top.resolve()
    (lab.top / ".git" / "HEAD").write_text("1" * 40 + "\n")
    refused(lab)


def test_a_damaged_object_is_refused(lab):
    sha = lab.git("rev-parse", f"HEAD:{NAME}")
    path = lab.top / ".git" / "objects" / sha[:2] / sha[2:]
    path.chmod(0o644)
    path.write_bytes(b"rubbish")
    refused(lab)


def test_a_manifest_elsewhere_in_history_that_is_rubbish_is_refused(lab):
    (lab.root / NAME).write_text("<<<<<<< HEAD\n")
    lab.commit()
    lab.git("tag", "bad")
    lab.commit("good")
    error = refused(lab)
    assert f"refs/tags/bad:{NAME}:1" in error.message
    assert error.exit_code == 4
    lab.git("tag", "fine")
    assert "good" in lab.reached("good", tags=("fine",))
