"""Which digests are reachable, whatever a manifest's place, form or age; with real Git."""

from __future__ import annotations

import os
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gc_mark_lab import NAME, Lab, key, text
from hypothesis import given, settings
from hypothesis import strategies as st

from booktest_cassettes import manifest_text
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import IntegrityError, ManifestError, UsageError
from booktest_cassettes.store.pending import Change, Pending
from booktest_cassettes.workflow.gc import history
from booktest_cassettes.workflow.gc.marking import Wanted, mark

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "project")
    made.commit("main")
    return made


def test_the_work_tree_and_the_index_count(lab):
    lab.write("added")
    lab.git("add", "--all")
    lab.write("edited")
    assert lab.reached("main", "added", "edited", "nothing") == {
        "main": "refs/heads/main",
        "added": "index",
        "edited": "work tree",
    }


def test_a_new_manifest_that_git_does_not_know_yet_counts_and_so_does_one_it_ignores(tmp_path):
    lab = Lab(tmp_path / "project")
    lab.write("new")
    assert lab.reached("new") == {"new": "work tree"}
    (lab.top / ".gitignore").write_text(NAME)
    assert lab.reached("new") == {"new": "work tree"}


def test_a_manifest_that_is_only_meant_to_be_added_counts_as_it_is_on_disk(tmp_path):
    lab = Lab(tmp_path / "project")
    lab.write("new")
    lab.git("add", "--intent-to-add", NAME)
    assert lab.reached("new") == {"new": "work tree"}


def test_a_repository_of_the_longer_hash_is_read_as_any_other(tmp_path):
    (tmp_path / "project").mkdir()
    subprocess.run(["git", "init", "-q", "--object-format=sha256"], cwd=tmp_path / "project", check=True)
    lab = Lab(tmp_path / "project")
    lab.commit("first")
    lab.commit("deep", path=f"a/b/{NAME}")
    (lab.top / "c").mkdir()
    (lab.top / "c" / NAME).symlink_to("../a/b/" + NAME)
    lab.commit("last")
    assert set(lab.reached("first", "deep", "last")) == {"deep", "last"}
    assert set(lab.reached("first", since=datetime(2020, 1, 1, tzinfo=UTC))) == {"first"}


def test_every_manifest_of_a_monorepo_counts_wherever_it_is(lab):
    lab.write("shop", path=f"services/shop/{NAME}")
    lab.write("deep", path=f"a/b/c/d/é/{NAME}")
    lab.commit()
    lab.git("rm", "-r", "--quiet", "services", "a")
    lab.git("tag", "old")
    lab.commit()
    lab.write("new", path=f"services/pay/{NAME}")
    assert lab.reached("main", "shop", "deep", "new") == {
        "main": "refs/heads/main",
        "shop": "refs/tags/old",
        "deep": "refs/tags/old",
        "new": "work tree",
    }


def test_a_project_below_the_top_is_no_different(tmp_path):
    lab = Lab(tmp_path / "mono", below="services/shop")
    lab.commit("shop")
    lab.commit("other", path=f"other/{NAME}")
    lab.write("shop-edited")
    found = lab.reached("shop", "other", "shop-edited")
    assert found == {"shop": "refs/heads/main", "other": "refs/heads/main", "shop-edited": "work tree"}


def test_a_manifest_of_another_name_counts_and_the_usual_name_still_does(lab):
    lab.git("branch", "old")
    lab.git("rm", "--quiet", NAME)
    (lab.root / "booktest.toml").write_text('[storage]\nmode = "git"\nmanifest = "snap/[x]*.yaml"\n')
    lab.commit("renamed", path="snap/[x]*.yaml")
    lab.git("tag", "v2")
    lab.commit("later", path="snap/[x]*.yaml")
    lab.commit("decoy", path="snap/[x]yz.yaml")
    assert lab.reached("main", "renamed", "later", "decoy") == {
        "main": "refs/heads/old",
        "renamed": "refs/tags/v2",
        "later": "refs/heads/main",
    }


def test_a_manifest_that_is_a_link_counts_as_what_it_leads_to_from_each_place(lab):
    lab.git("rm", "--quiet", NAME)
    lab.write("shared", path="shared/snap.yaml")
    lab.write("other", path="x/shared/snap.yaml")
    for directory in ("a", "x/a"):
        (lab.top / directory).mkdir(parents=True)
        (lab.top / directory / NAME).symlink_to("../shared/snap.yaml")
    lab.commit("plain", path=f"plain/{NAME}")
    assert set(lab.reached("shared", "other", "plain")) == {"shared", "other", "plain"}
    lab.git("tag", "linked")
    lab.git("rm", "-r", "--quiet", ".")
    lab.git("commit", "--quiet", "--message", "all gone")
    assert lab.reached("shared", "other", "plain") == dict.fromkeys(
        ("shared", "other", "plain"), "refs/tags/linked"
    )


def test_a_link_to_nothing_is_passed_over_with_a_note_and_one_out_of_git_stops(lab, tmp_path):
    (lab.top / "a").mkdir()
    (lab.top / "a" / NAME).symlink_to("gone.yaml")
    lab.commit()
    assert lab.mark().notes == (f"refs/heads/main:a/{NAME} is a symbolic link to nothing: passed over",)
    (lab.top / "a" / NAME).unlink()
    (tmp_path / "outside.yaml").write_text(text("outside"))
    (lab.top / "a" / NAME).symlink_to(tmp_path / "outside.yaml")
    lab.commit()
    with pytest.raises(UsageError, match=f"refs/heads/main:a/{NAME} is a symbolic link to something outside"):
        lab.mark()


def test_a_directory_whose_name_has_a_line_break_hides_nothing(lab):
    lab.commit("odd", path=f"a\nb/{NAME}")
    assert "odd" in lab.reached("odd")


def test_a_copy_under_another_name_hides_nothing(lab):
    lab.write("copied", path="a-copy.yaml")
    lab.write("copied", path=f"z/{NAME}")
    lab.commit()
    lab.git("rm", "-r", "--quiet", "--cached", "z")
    (lab.top / "z" / NAME).unlink()
    assert lab.reached("copied") == {"copied": "refs/heads/main"}


def test_submodules_are_no_part_of_the_repository(lab, tmp_path):
    other = Lab(tmp_path / "other")
    other.commit("theirs")
    lab.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.top), "sub")
    lab.commit()
    assert set(lab.reached("main", "theirs")) == {"main"}


def test_a_file_in_a_directory_called_like_a_manifest_is_none(lab):
    lab.write("inside", path=f"a/{NAME}/notes.txt")
    lab.commit()
    assert set(lab.reached("main", "inside")) == {"main"}


def test_a_conflict_counts_with_all_its_versions_and_what_was_put_between_the_markers(lab):
    lab.commit("base", "z")
    lab.on("side", "theirs", "z")
    lab.commit("ours", "z")
    with pytest.raises(AssertionError):
        lab.git("merge", "--quiet", "side")
    lab.git("branch", "--quiet", "-D", "side")
    (lab.top / ".git" / "MERGE_HEAD").unlink()
    file = lab.root / NAME
    by_hand = f't.py::test_hand:\n  http: "{key("hand").digest}"\n'
    file.write_text(file.read_text() + by_hand)
    words = ("base", "ours", "theirs", "z", "hand")
    assert set(lab.reached(*words)) == set(words)


@pytest.mark.parametrize("where", ["file", "index", "HEAD", "tag", "stash"])
def test_a_manifest_that_cannot_be_read_stops_wherever_it_is(lab, where):
    (lab.root / NAME).write_text(text("a") + "rubbish\n")
    if where != "file":
        lab.git("add", "--all")
    if where in {"HEAD", "tag"}:
        lab.git("commit", "--quiet", "--message", "bad")
    if where == "tag":
        lab.git("tag", "bad")
        lab.git("reset", "--quiet", "--hard", "HEAD~1")
        (lab.top / ".git" / "ORIG_HEAD").unlink()
    if where == "stash":
        lab.git("stash", "--quiet")
    if where == "index":
        lab.write("fine")
    with pytest.raises(ManifestError) as caught:
        lab.mark()
    assert caught.value.exit_code == 4
    assert NAME in caught.value.message
    assert "nothing was deleted" in caught.value.message
    assert "--branches" in caught.value.hint


def test_a_manifest_written_by_hand_is_read_as_any_other(lab):
    lab.root.joinpath(NAME).write_text("# by hand\n" + text("hand").split("\n", 1)[1].replace('"', "'"))
    lab.commit()
    lab.write("main")
    assert lab.reached("hand") == {"hand": "refs/heads/main"}


def test_what_is_pending_and_what_is_not_pushed_is_reachable_from_every_work_tree(lab, tmp_path):
    project = lab.project()
    project.prepare_cache()
    change = {Kind.HTTP: Change(key("before").digest, key("after").digest)}
    project.pending.save(Pending("t.py::test_a", change))
    project.unpushed.add([key("unpushed")])
    assert lab.reached("before", "after", "unpushed") == {
        "before": "pending",
        "after": "pending",
        "unpushed": "unpushed",
    }
    assert lab.mark().staged == {key("after")}
    linked = tmp_path / "linked"
    lab.git("worktree", "add", "--quiet", "--detach", str(linked))
    here, lab.root = lab.root, linked
    assert lab.reached("after", "unpushed") == {
        "after": f"pending in work tree {here}",
        "unpushed": f"unpushed in work tree {here}",
    }


def test_a_damaged_pending_record_stops(lab):
    project = lab.project()
    project.prepare_cache()
    project.pending.root.mkdir(parents=True)
    (project.pending.root / "x.json").write_text("{")
    with pytest.raises(IntegrityError, match="damaged pending record"):
        lab.mark()


# --- windows of time


def dated(lab: Lab, monkeypatch: pytest.MonkeyPatch, days: float, *words: str) -> str:
    when = f"{(NOW - timedelta(days=days)).timestamp():.0f} +0000"
    monkeypatch.setenv("GIT_COMMITTER_DATE", when)
    monkeypatch.setenv("GIT_AUTHOR_DATE", when)
    return lab.commit(*words)


def test_since_brings_what_was_named_at_any_moment_of_the_window(lab, monkeypatch):
    for days, word in ((200, "ancient"), (100, "before"), (50, "within"), (5, "tip")):
        sha = dated(lab, monkeypatch, days, word)
        if word == "within":
            within = sha
    words = ("ancient", "before", "within", "tip")
    assert set(lab.reached(*words)) == {"tip"}
    found = lab.reached(*words, since=NOW - timedelta(days=60))
    assert (
        found
        == {
            "before": found["before"],  # it still stood when the window began
            "within": f"commit {within[:12]} of 2025-04-12",
            "tip": "refs/heads/main",
        }
    )
    assert set(lab.reached(*words, since=NOW - timedelta(days=150))) == set(words)


def test_since_looks_past_a_commit_whose_clock_was_slow(lab, monkeypatch):
    dated(lab, monkeypatch, 10, "recent")
    dated(lab, monkeypatch, 3_000, "slow clock")
    for number in range(10):
        dated(lab, monkeypatch, 3_000 - number, f"slow {number}")
    dated(lab, monkeypatch, 1, "tip")
    assert "recent" in lab.reached("recent", since=NOW - timedelta(days=30))


def test_moments_are_spans_or_dates():
    assert history.moment("90d", NOW) == NOW - timedelta(days=90)
    assert history.moment("2025-01-31") == datetime(2025, 1, 31, tzinfo=UTC)
    assert history.moment("2025-01-31T12:00+02:00") == datetime(2025, 1, 31, 10, tzinfo=UTC)
    assert history.moment("9999y", NOW) == datetime(1970, 1, 1, tzinfo=UTC)
    for text_ in ("", "yesterday", "3", "d", "2025-13-01"):
        with pytest.raises(UsageError, match="neither a span of time nor a date"):
            history.moment(text_)


# --- again, and once each


def test_marking_again_keeps_what_was_marked_and_reads_only_what_is_new(lab, monkeypatch):
    lab.on("side", "side")
    project = lab.project()
    before = mark(project, Wanted())
    lab.git("branch", "--quiet", "-D", "side")
    lab.on("new", "new")
    read: list[tuple[int, int]] = []
    after = mark(project, Wanted(), lambda done, total, _size: read.append((done, total)), before=before)
    assert read == [(1, 1)]
    assert {key("side"), key("new"), key("main")} <= after.reasons.keys()
    assert after.reasons[key("new")] == "refs/heads/new"


def test_a_manifest_that_many_commits_share_is_read_once(lab):
    for number in range(5):
        lab.git("commit", "--quiet", "--allow-empty", "--message", str(number))
        lab.git("tag", f"v{number}")
    read: list[int] = []
    marked = mark(lab.project(), Wanted(), lambda _done, total, _size: read.append(total))
    assert read == [1]
    assert (marked.tips, marked.commits) == (5, 5)


# --- any history


def expected(lab: Lab) -> set[str]:
    """The words that Git's own commands find, file by file, with a pattern instead of our readers."""
    revisions = lab.git("for-each-ref", "--format=%(objectname)").split()
    if "refs/stash" in lab.git("for-each-ref", "--format=%(refname)"):
        revisions += lab.git("log", "--walk-reflogs", "--format=%H %P", "refs/stash").split()
    texts = [(lab.root / NAME).read_text() if (lab.root / NAME).exists() else ""]
    for revision in {*revisions, "HEAD", ""}:
        command = ["git", "show", f"{revision}:{NAME}"]
        shown = subprocess.run(command, cwd=lab.top, capture_output=True, text=True)
        texts.append(shown.stdout if shown.returncode == 0 else "")
    return {
        line.split("test_")[1].rstrip(":") for one in texts for line in one.splitlines() if "test_" in line
    }


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32))
def test_whatever_a_history_looks_like_exactly_what_git_shows_is_reachable(tmp_path_factory, seed):
    chance = random.Random(seed)
    lab = Lab(tmp_path_factory.mktemp("history") / "project")
    words = [f"w{number}" for number in range(12)]
    lab.commit(*chance.sample(words, 3))
    for step in range(10):
        act = chance.choice(["commit", "branch", "tag", "delete", "stash", "edit", "merge"])
        branches = lab.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        lab.git("checkout", "--quiet", "--force", chance.choice(branches))
        if act == "commit":
            lab.commit(*chance.sample(words, 3))
        elif act == "branch":
            lab.git("checkout", "--quiet", "-b", f"b{step}")
            lab.commit(*chance.sample(words, 2))
        elif act == "tag":
            lab.git("tag", f"t{step}")
        elif act == "delete" and len(branches) > 1:
            current = lab.git("branch", "--show-current")
            lab.git("branch", "--quiet", "-D", chance.choice([name for name in branches if name != current]))
        elif act == "stash":
            lab.write(*chance.sample(words, 2))
            lab.git("stash", "--quiet")
        elif act == "merge":
            lab.git("merge", "--quiet", "--strategy=ours", "--message", "merge", chance.choice(branches))
        lab.write(*chance.sample(words, 2))
    (lab.top / ".git" / "ORIG_HEAD").unlink(missing_ok=True)
    assert set(lab.reached(*words)) == expected(lab)


def test_all_versions_of_a_long_history_are_marked(lab):
    entries = {f"t.py::test_{number:03}": {Kind.HTTP: key(str(number)).digest} for number in range(300)}
    stream = []
    for version in range(500):
        entries[f"t.py::test_{version % 300:03}"] = {Kind.HTTP: key(f"v{version}").digest}
        data = manifest_text.write("dvc", entries)
        stream.append(
            f"commit refs/heads/many\ncommitter a <a@b.c> {1_700_000_000 + version} +0000\ndata 1\nx\n"
            f"M 100644 inline {NAME}\ndata {len(data)}\n{data}\n"
        )
    lab.git("fast-import", "--quiet", given="".join(stream))
    marked = lab.mark(since=datetime(2020, 1, 1, tzinfo=UTC))
    assert marked.manifests >= 500
    assert {key(f"v{version}") for version in range(500)} <= marked.reasons.keys()
    assert os.environ.get("GIT_NO_LAZY_FETCH") is None
