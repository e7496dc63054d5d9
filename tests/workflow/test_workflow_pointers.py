"""The mode ``dvc-pointers``: Git has pointers, DVC has the payloads, the manifest has the last word."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_share import init_dvc
from remote_bench import RemoteBench, Terminal
from workflow_bench import LOGIN, ORDERS, USERS, env, http

from booktest_cassettes.errors import BlobCorrupt, BlobMissing

ONE, TWO, THREE = http("one"), http("two"), http("three")
POINTERS = '[storage]\nmode = "dvc-pointers"\n'


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class PointerBench(RemoteBench):
    """A project in a real Git repository, whose payloads DVC keeps."""

    def __init__(self, root: Path, share: Path) -> None:
        if not (root / ".dvc").exists():
            root.mkdir(parents=True, exist_ok=True)
            init_dvc(root, share)
        super().__init__(root, share, POINTERS)
        if not (root / ".git").exists():
            self.init_git()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=snapshots")

    def clone(self) -> PointerBench:
        """What a colleague has after ``git clone``."""
        other = self.root.with_name("clone")
        self.git("clone", "--quiet", ".", str(other))
        return PointerBench(other, self.share)

    def pointer(self, test_id: str, kind: str = "http") -> Path:
        payload = self.payload(test_id, kind)
        return payload.with_name(payload.name + ".dvc")

    def changed(self) -> list[str]:
        """What ``git status`` shows."""
        return [line[3:] for line in self.git("status", "--short", "--untracked-files=all").splitlines()]

    def object_of(self, data: bytes) -> Path:
        """Where DVC has it on the share."""
        md5 = hashlib.md5(data).hexdigest()
        return self.share / "files/md5" / md5[:2] / md5[2:]

    def see_dvc_has(self, *blobs: bytes) -> None:
        """On the share: these, with the right bytes, and nothing else."""
        assert {path: path.read_bytes() for path in self.share.rglob("*") if path.is_file()} == {
            self.object_of(data): data for data in blobs
        }


@pytest.fixture(autouse=True)
def _no_state_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


@pytest.fixture
def bench(tmp_path: Path) -> PointerBench:
    return PointerBench(tmp_path / "project", tmp_path / "share")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def dvc(bench: PointerBench, *arguments: str) -> str:
    """DVC's own command."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=bench.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_git_sees_pointers_an_ignore_file_and_the_manifest_and_dvc_has_the_payloads(bench, run):
    bench.stage(USERS, http=ONE, env=env(A="1"))
    assert run(bench, "approve", "--all") == 0, run.text
    assert "pushed: 2 blobs" in run.text
    directory = "books/tests/test_api.py/test_users/_snapshots"
    assert sorted(bench.changed()) == sorted(
        [
            "books/.gitignore",
            "booktest.manifest.yaml",
            f"{directory}/env.json.dvc",
            f"{directory}/http.json.dvc",
        ]
    )
    assert bench.payload(USERS).read_bytes() == ONE
    assert bench.manifest().splitlines()[1] == "storage_mode: dvc"
    assert hashlib.md5(ONE).hexdigest() in bench.pointer(USERS).read_text()
    assert digest(ONE)[7:] in bench.pointer(USERS).read_text()
    bench.see_dvc_has(ONE, env(A="1"))
    bench.see_that_everything_named_can_be_read()
    assert bench.waiting() == bench.pending() == bench.staged_files() == []


def test_a_second_approval_a_kind_that_goes_and_a_rejection(bench):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.commit()
    bench.stage(USERS, http=TWO, env=None)
    before = bench.worktree()
    bench.reject()
    assert bench.worktree() == before
    assert bench.changed() == []
    bench.stage(USERS, http=TWO, env=None)
    bench.approve()
    assert bench.lines() == {USERS: {"http": digest(TWO)}}
    assert not bench.payload(USERS, "env").exists()
    assert not bench.pointer(USERS, "env").exists()
    assert hashlib.md5(TWO).hexdigest() in bench.pointer(USERS).read_text()
    assert bench.kept_files() == []
    bench.see_dvc_has(ONE, TWO, env(A="1"))
    bench.stage(USERS, http=None)
    bench.approve()
    bench.commit()
    assert bench.changed() == []
    assert not bench.payload(USERS).parent.exists()


def test_a_fresh_clone_pulls_by_our_command_and_sees_it_all(bench, run):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.approved(ORDERS, http=TWO)
    bench.commit()
    clone = bench.clone()
    assert not clone.payload(USERS).exists()
    with pytest.raises(BlobMissing, match="is missing"):
        clone.see_that_everything_named_can_be_read()
    assert run(clone, "status", "--ci", "--json") == 0, run.text
    assert json.loads(run.text)["unfetched"] == 3
    for command in (["verify"], ["verify", "--remote"], ["verify", "--deep"]):
        assert run(clone, *command) == 0, run.text
    assert "3 blobs intact" in run.text
    assert run(clone, "pull", ORDERS) == 0, run.text
    assert not clone.payload(USERS).exists()
    assert run(clone, "pull") == 0, run.text
    clone.see_that_payloads_are_what_the_manifest_says()
    assert clone.changed() == []
    assert clone.worktree() == bench.worktree()
    assert run(clone, "push", "--json") == 0, run.text
    assert (json.loads(run.text)["moved"], json.loads(run.text)["there"]) == (0, 3)
    assert clone.pull().blobs == 0


def test_dvcs_own_commands_do_the_same(bench):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.commit()
    clone = bench.clone()
    dvc(clone, "pull", "--quiet")
    clone.see_that_payloads_are_what_the_manifest_says()
    clone.see_that_everything_named_can_be_read()
    assert clone.changed() == []
    assert "up to date" in dvc(clone, "status")


def test_no_push_is_shown_by_status_and_made_up_for_by_push(bench, run):
    bench.unpushed(USERS, http=ONE)
    bench.commit()
    bench.see_dvc_has()
    assert run(bench, "status") == 0
    assert "not pushed yet: 1 blob" in run.text
    clone = bench.clone()
    assert run(clone, "status", "--ci") == 4
    assert f"lost: {USERS} http" in run.text
    assert run(clone, "verify", "--remote") == 4
    assert run(clone, "pull") == 4
    assert run(bench, "push") == 0
    bench.see_dvc_has(ONE)
    assert bench.waiting() == []
    assert run(clone, "pull") == 0
    assert run(clone, "status", "--ci") == 0


def test_what_was_approved_for_the_remote_itself_is_pushed_there_by_the_next_push(bench):
    bench.say("dvc")
    bench.unpushed(USERS, http=ONE)
    bench.say("dvc-pointers")
    bench.unpushed(ORDERS, http=TWO)
    bench.push()
    assert bench.waiting() == []
    assert bench.remote_path(digest(ONE)).exists()
    assert bench.object_of(TWO).exists()


def test_a_payload_that_is_older_than_its_pointer_is_pulled_anew(bench, run):
    """After ``git pull``: the payload is ignored, so it is still the one from before."""
    bench.approved(USERS, http=ONE)
    bench.commit()
    clone = bench.clone()
    clone.pull()
    bench.approved(USERS, http=TWO)
    bench.commit()
    clone.git("pull", "--quiet")
    assert clone.payload(USERS).read_bytes() == ONE
    with pytest.raises(BlobCorrupt, match="corrupt") as caught:
        clone.see_that_everything_named_can_be_read()
    assert "booktest-cassettes pull" in caught.value.hint
    assert run(clone, "status", "--ci") == 0, run.text
    assert run(clone, "pull") == 0
    assert clone.payload(USERS).read_bytes() == TWO
    clone.see_that_everything_named_can_be_read()


def test_corrupt_objects_are_found_by_a_deep_look_and_never_installed(bench, run):
    bench.approved(USERS, http=ONE)
    bench.commit()
    clone = bench.clone()
    bench.object_of(ONE).chmod(0o644)
    bench.object_of(ONE).write_bytes(ONE[:-1] + b" ")
    assert run(clone, "verify", "--deep") == 4, run.text
    assert "corrupt" in run.text
    assert run(clone, "pull") == 4
    assert not clone.payload(USERS).exists()
    assert bench.object_of(ONE).exists()
    assert run(bench, "push") == 0
    bench.see_dvc_has(ONE)
    assert run(clone, "pull") == 0


def test_an_unreachable_share_is_5_and_changes_no_manifest(bench, run):
    bench.approved(USERS, http=ONE)
    bench.commit()
    clone = bench.clone()
    bench.stage(USERS, http=TWO)
    bench.share.rename(bench.share.with_name("away"))
    manifest = bench.manifest()
    assert run(bench, "approve", "--all") == 5, run.text
    assert "there is no directory" in run.text
    assert bench.manifest() == manifest
    bench.see_that_everything_named_can_be_read()
    for command in (["pull"], ["verify", "--remote"], ["status", "--ci"]):
        assert run(clone, *command) == 5, run.text
    bench.share.with_name("away").rename(bench.share)
    assert run(bench, "approve", "--all") == 0
    bench.see_dvc_has(ONE, TWO)
    assert bench.lines() == {USERS: {"http": digest(TWO)}}


def test_an_approval_that_the_share_refused_can_be_rejected(bench, run):
    bench.approved(USERS, http=ONE)
    bench.commit()
    bench.stage(USERS, http=TWO)
    bench.stage(LOGIN, http=THREE)
    bench.share.rename(bench.share.with_name("away"))
    assert run(bench, "approve", "--all") == 5
    assert run(bench, "reject", "--all") == 0, run.text
    assert bench.changed() == []
    assert bench.payload(USERS).read_bytes() == ONE
    assert bench.kept_files() == []


def test_a_test_moves_from_pointers_to_the_remote_and_leaves_no_pointer(bench, run):
    bench.approved(USERS, http=ONE)
    bench.commit()
    bench.say("dvc")
    bench.approved(USERS, http=TWO)
    assert not bench.payload(USERS).exists()
    assert not bench.pointer(USERS).exists()
    bench.commit()
    clone = bench.clone()
    dvc(clone, "pull", "--quiet")
    assert run(clone, "pull") == 0
    clone.see_that_everything_named_can_be_read()


def test_tests_that_live_in_git_stay_there_and_are_not_looked_for_on_the_remote(bench, run):
    bench.say("git")
    bench.approved(USERS, http=ONE)
    bench.commit()
    bench.say("dvc-pointers")
    bench.approved(ORDERS, http=TWO)
    bench.commit()
    clone = bench.clone()
    assert run(clone, "pull", "--json") == 0, run.text
    assert (json.loads(run.text)["moved"], json.loads(run.text)["there"]) == (1, 1)
    for command in (["status", "--ci"], ["verify", "--remote"], ["verify", "--deep"], ["push"]):
        assert run(clone, *command) == 0, (command, run.text)
    clone.see_that_payloads_are_what_the_manifest_says()
    bench.see_dvc_has(TWO)
