"""Approved blobs on a remote: pushed before the manifest names them, pulled, verified, shared, lost."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_share import digest_of
from remote_bench import (
    RemoteBench,
    Terminal,
    Wrapping,
    broken,
    drop,
    empty,
    full,
    read_only,
    swap,
    truncate,
)
from workflow_bench import LOGIN, ORDERS, USERS, env, http

from booktest_cassettes.errors import BlobCorrupt, BlobMissing, RemoteError, UsageError
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import approve

ONE, TWO, THREE = http("one" * 300), http("two"), http("three")


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture
def bench(tmp_path: Path) -> RemoteBench:
    return RemoteBench(tmp_path / "project", tmp_path / "share")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Wrapping:
    return Wrapping(monkeypatch)


# --- approve ----------------------------------------------------------------------------------------


def test_what_is_approved_is_on_the_remote_with_the_right_bytes(bench, run):
    bench.stage(USERS, http=ONE, env=env(A="1"))
    bench.stage(ORDERS, http=TWO)
    assert run(bench, "approve", "--all") == 0, run.text
    assert "pushed: 3 blobs" in run.text
    assert f"remote 'share' ({bench.share})" in run.text
    assert bench.lines() == {
        USERS: {"env": digest(env(A="1")), "http": digest(ONE)},
        ORDERS: {"http": digest(TWO)},
    }
    bench.see_that_the_remote_has_what_the_manifest_names()
    assert bench.manifest().splitlines()[1] == "storage_mode: dvc"
    assert len(bench.on_share()) == 3
    assert bench.staged_files() == bench.pending() == bench.waiting() == []
    assert {name.partition("/")[0] for name in bench.worktree()} == {
        ".dvc",
        ".dvcignore",
        "booktest.manifest.yaml",
        "booktest.toml",
    }


def test_blobs_are_compressed_on_the_remote_unless_the_project_says_otherwise(bench):
    bench.approved(USERS, http=ONE)
    assert bench.remote_path(digest(ONE)).read_bytes()[:2] == b"\x1f\x8b"
    (bench.root / "booktest.toml").write_text('[storage]\nmode = "dvc"\ncompress = false\n')
    bench.approved(ORDERS, http=ONE + b"\n"[:0], env=env(A="1" * 3000))
    assert bench.remote_path(digest(env(A="1" * 3000)), "env").read_bytes() == env(A="1" * 3000)
    colleague = bench.colleague()
    assert colleague.pull().blobs == 2
    colleague.see_that_everything_named_can_be_read()


def test_an_approval_that_changes_no_blob_needs_no_write(bench):
    bench.approved(USERS, http=ONE)
    before = bench.on_share()
    bench.approved(ORDERS, http=ONE)
    bench.stage(USERS, http=None)
    bench.approve()
    assert bench.on_share() == before
    assert bench.lines() == {ORDERS: {"http": digest(ONE)}}


@pytest.mark.parametrize("there", [b"", b"garbage", b"\x1f\x8bgarbage"], ids=["empty", "other", "bad gzip"])
def test_an_approval_replaces_corrupt_bytes_that_the_remote_has_under_its_name(bench, there):
    path = bench.remote_path(digest(ONE))
    path.parent.mkdir(parents=True)
    path.write_bytes(there)
    bench.approved(USERS, http=ONE)
    bench.see_that_the_remote_has_what_the_manifest_names()


def _two_staged(bench: RemoteBench) -> str | None:
    """A manifest with one test, a second and a third staged; the manifest."""
    bench.approved(LOGIN, http=THREE)
    bench.stage(USERS, http=ONE, env=env(A="1"))
    bench.stage(ORDERS, http=TWO)
    return bench.manifest()


def _see_it_completed(bench: RemoteBench, run: Terminal) -> None:
    assert run(bench, "approve", "--all") == 0, run.text
    assert sorted(bench.lines()) == sorted([USERS, ORDERS, LOGIN])
    bench.see_that_the_remote_has_what_the_manifest_names()
    bench.colleague().pull()
    assert bench.pending() == bench.waiting() == []


@pytest.mark.parametrize("how", [drop, truncate, empty, swap, full, read_only, broken])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_remote_that_fails_or_lies_at_any_write_changes_nothing_and_the_next_approval_completes_it(
    bench, run, remote, how, number
):
    before = _two_staged(bench)
    remote(how, number)
    assert run(bench, "approve", "--all") == 5
    assert "remote 'share'" in run.text
    assert "next: " in run.text
    assert bench.manifest() == before
    assert bench.pending() == sorted([USERS, ORDERS])
    remote.end()
    _see_it_completed(bench, run)


def test_a_remote_that_lies_once_is_caught_once(bench, run, remote):
    before = _two_staged(bench)
    remote(swap, 2, 2)
    assert run(bench, "approve", "--all") == 5
    assert "reads back as something else" in run.text
    assert bench.manifest() == before
    remote.end()
    _see_it_completed(bench, run)


def test_a_share_that_is_gone_changes_nothing_and_is_not_made(bench, run):
    before = _two_staged(bench)
    bench.share.rename(bench.share.with_name("away"))
    assert run(bench, "approve", "--all") == 5
    assert f"there is no directory {bench.share}" in run.text
    assert "mount the share" in run.text
    assert bench.manifest() == before
    assert not bench.share.exists()
    bench.share.with_name("away").rename(bench.share)
    _see_it_completed(bench, run)


@pytest.mark.parametrize(
    ("how", "what"),
    [(full, "no space is left"), (read_only, "mounted read-only"), (broken, "input/output error")],
)
def test_what_a_share_refuses_is_said_in_words(bench, run, remote, how, what):
    bench.stage(USERS, http=ONE)
    remote(how)
    assert run(bench, "approve", "--all") == 5
    assert what in run.text


def test_a_file_in_the_way_on_the_share_is_a_remote_error(bench, run):
    bench.stage(USERS, http=ONE)
    (bench.share / "booktest").write_text("somebody else's")
    assert run(bench, "approve", "--all") == 5
    assert "a file is where a directory should be" in run.text
    assert bench.manifest() is None


def test_a_remote_that_is_missing_from_the_configuration_stops_the_approval_before_anything(bench, run):
    bench.stage(USERS, http=ONE)
    (bench.root / ".dvc/config").write_text("[core]\n    remote = share\n")
    before = bench.files()
    assert run(bench, "approve", "--all") == 5
    assert bench.files() == before


# --- --no-push, push --------------------------------------------------------------------------------


def test_no_push_leaves_a_list_that_status_shows_and_push_clears(bench, run):
    bench.stage(USERS, http=ONE, env=env(A="1"))
    assert run(bench, "approve", "--all", "--no-push") == 0
    assert "\npushed" not in run.text
    assert "not pushed: 2 blobs; booktest-cassettes push" in run.text
    assert bench.on_share() == {}
    assert sorted(bench.waiting()) == sorted([digest(ONE), digest(env(A="1"))])
    assert run(bench, "status") == 0
    assert "not pushed yet: 2 blobs" in run.text
    assert digest(ONE) in run.text
    assert run(bench, "status", "--json") == 0
    assert {entry["digest"] for entry in json.loads(run.text)["unpushed"]} == set(bench.waiting())
    assert run(bench, "push") == 0
    assert "pushed: 2 blobs" in run.text
    assert bench.waiting() == []
    bench.see_that_the_remote_has_what_the_manifest_names()
    assert run(bench, "status") == 0
    assert "not pushed" not in run.text


def test_no_push_needs_no_remote_at_the_other_end(bench, run):
    bench.share.rmdir()
    bench.stage(USERS, http=ONE)
    assert run(bench, "approve", "--all", "--no-push") == 0
    bench.see_that_everything_named_can_be_read()
    assert run(bench, "push") == 5
    assert bench.waiting() == [digest(ONE)]


def test_an_approval_with_push_takes_only_its_own_off_the_list(bench):
    bench.unpushed(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    assert bench.waiting() == [digest(ONE)]
    bench.approved(LOGIN, http=ONE)
    assert bench.waiting() == []
    bench.see_that_the_remote_has_what_the_manifest_names()


def test_a_second_push_moves_nothing(bench):
    bench.unpushed(USERS, http=ONE)
    assert (bench.push().blobs, bench.push().blobs) == (1, 0)
    assert bench.push().there == 1


def test_a_push_brings_back_what_the_remote_lost(bench):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.remote_path(digest(ONE)).unlink()
    assert (moved := bench.push()).blobs == 1
    assert moved.exit_code == 0
    bench.see_that_the_remote_has_what_the_manifest_names()


def test_a_push_that_fails_keeps_the_list_and_the_next_one_sends_the_rest(bench, run, remote):
    for number in range(3):
        bench.unpushed(f"t.py::t{number}", http=http(f"answer {number}"))
    remote(full, 2)
    assert run(bench, "push") == 5
    assert len(bench.waiting()) == 3
    remote.end()
    assert run(bench, "push") == 0
    assert "2 blobs" in run.text
    assert bench.waiting() == []


def test_a_push_after_the_cache_was_lost_names_what_is_nowhere(bench, run):
    bench.approved(USERS, http=ONE)
    bench.unpushed(ORDERS, http=TWO)
    bench.lose_the_cache()
    assert run(bench, "push") == 4
    assert f"lost: {ORDERS} http" in run.text
    assert USERS not in run.text
    assert "next: " in run.text
    assert bench.waiting() == [digest(TWO)]
    assert run(bench, "push", "--json") == 4
    assert [entry["test"] for entry in json.loads(run.text)["lost"]] == [ORDERS]


def test_every_test_with_a_lost_digest_is_named_by_a_push(bench, run):
    bench.unpushed(USERS, http=ONE)
    bench.unpushed(ORDERS, http=ONE)
    bench.lose_the_cache()
    assert run(bench, "push") == 4
    assert USERS in run.text or ORDERS in run.text


def test_what_somebody_else_pushed_comes_off_the_list_even_if_our_cache_is_gone(bench):
    bench.unpushed(USERS, http=ONE)
    colleague = bench.colleague()
    colleague.approved(ORDERS, http=ONE)
    bench.lose_the_cache()
    assert bench.push().exit_code == 0
    assert bench.waiting() == []


def test_what_no_test_needs_and_no_cache_has_does_not_stay_on_the_list_for_ever(bench):
    bench.unpushed(USERS, http=ONE)
    bench.lose_the_cache()
    bench.approved(USERS, http=TWO)
    assert bench.waiting() == [digest(ONE)]
    moved = bench.push()
    assert moved.exit_code == 0
    assert any(digest(ONE) in note for note in moved.notes)
    assert bench.waiting() == []


def test_a_superseded_blob_that_was_never_pushed_is_pushed_with_the_rest(bench):
    """Its digest is in Git's history."""
    bench.unpushed(USERS, http=ONE)
    bench.unpushed(USERS, http=TWO)
    assert bench.push().blobs == 2
    assert digest_of(bench.remote_path(digest(ONE)).read_bytes()) == digest(ONE)


def test_a_corrupt_copy_in_the_cache_is_never_pushed(bench, run):
    bench.unpushed(USERS, http=ONE)
    bench.kept_path(digest(ONE)).write_bytes(b"garbage")
    assert run(bench, "push") == 4
    assert "corrupt" in run.text
    assert bench.on_share() == {}
    assert bench.waiting() == [digest(ONE)]


def test_a_damaged_list_is_an_error_that_says_where_it_is(bench, run):
    bench.unpushed(USERS, http=ONE)
    (bench.root / ".booktest_cache/unpushed").write_text("http sha256:garbage\n")
    for command in ("status", "push"):
        assert run(bench, command) == 4
        assert str(bench.root / ".booktest_cache/unpushed") in run.text


def test_foreign_objects_beside_ours_are_left_alone_by_everything(bench, run):
    foreign = {
        "files/md5/ab/cdef": b"dvc's",
        "booktest/README": b"somebody's",
        "booktest/blobs/http/sha256/ab/short": b"not a digest",
        "booktest/blobs/http/sha256/zz/" + "z" * 64: b"not hexadecimal",
        "booktest/blobs/other/sha256/ab/" + "a" * 64: b"no kind of ours",
    }
    for name, data in foreign.items():
        path = bench.share / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    bench.approved(USERS, http=ONE)
    colleague = bench.colleague()
    for command in (["push"], ["pull"], ["verify", "--deep"], ["status", "--ci"], ["push", "--staged"]):
        assert run(bench, *command) == 0, run.text
        assert run(colleague, *command) == 0, run.text
    found = bench.on_share()
    assert {name: found.pop(name) for name in foreign} == foreign
    assert len(found) == 1


# --- pull -------------------------------------------------------------------------------------------


def test_a_colleague_pulls_everything_and_then_nothing(bench, run):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.approved(ORDERS, http=ONE)
    colleague = bench.colleague()
    assert run(colleague, "pull") == 0
    assert "pulled: 2 blobs" in run.text
    colleague.see_that_everything_named_can_be_read()
    colleague.see_that_the_cache_is_whole()
    assert colleague.worktree() == bench.worktree()
    before = colleague.files()
    assert run(colleague, "pull", "--json") == 0
    nothing: dict[str, list[str]] = {"notes": [], "damaged": [], "lost": []}
    assert json.loads(run.text) == {"moved": 0, "bytes": 0, "there": 2, **nothing}
    assert colleague.files() == before


def test_patterns_choose_what_is_pulled_and_a_typo_is_a_usage_error(bench, run):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.approved(LOGIN, http=THREE)
    colleague = bench.colleague()
    assert run(colleague, "pull", "tests/test_login.py") == 0
    assert [Path(name).name for name in colleague.kept_files()] == [digest(THREE)[7:]]
    assert run(colleague, "pull", "*::test_users") == 0
    assert len(colleague.kept_files()) == 2
    assert run(colleague, "pull", "typo") == 2
    assert "'typo'" in run.text
    assert len(colleague.kept_files()) == 2


PULL = """
import sys
sys.argv = ["booktest-cassettes", "pull"]
from booktest_cassettes.cli import main
try:
    main()
finally:
    print([name for name in ("dvc", "asyncio", "concurrent.futures", "yaml") if name in sys.modules])
"""


def test_a_pull_with_nothing_to_do_loads_neither_dvc_nor_an_event_loop(bench):
    bench.approved(USERS, http=ONE)
    done = subprocess.run(
        [sys.executable, "-c", PULL], cwd=bench.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["pulled: 0 blobs, 0 B; 1 was there", "[]"]


def test_missing_corrupt_and_unreachable_are_three_errors(bench, run):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.approved(LOGIN, http=THREE)
    colleague = bench.colleague()
    bench.remote_path(digest(ONE)).unlink()
    bench.remote_path(digest(TWO)).write_bytes(b"garbage")
    assert run(colleague, "pull") == 4
    assert f"lost: {USERS} http" in run.text
    assert "missing" in run.text
    assert f"lost: {ORDERS} http" in run.text
    assert "corrupt" in run.text
    assert LOGIN not in run.text
    assert [Path(name).name for name in colleague.kept_files()] == [digest(THREE)[7:]]
    bench.share.rename(bench.share.with_name("away"))
    assert run(colleague, "pull") == 5
    assert "is missing" not in run.text
    project = colleague.project()
    with pytest.raises(RemoteError):
        project.approved(USERS, *_line(project, USERS))
    bench.share.with_name("away").rename(bench.share)
    project = colleague.project()
    with pytest.raises(BlobMissing, match="missing"):
        project.approved(USERS, *_line(project, USERS))
    with pytest.raises(BlobCorrupt, match="corrupt"):
        project.approved(ORDERS, *_line(project, ORDERS))
    assert project.approved(LOGIN, *_line(project, LOGIN)) == THREE
    assert len(colleague.kept_files()) == 1


def _line(project: Project, test_id: str):
    return next(iter(project.manifest.get(test_id).items()))


@pytest.mark.parametrize("stored", [b"", b"garbage", b"\x1f\x8b", TWO], ids=["empty", "other", "gzip", "two"])
def test_whatever_the_remote_has_instead_is_never_installed(bench, stored):
    bench.approved(USERS, http=ONE)
    bench.remote_path(digest(ONE)).write_bytes(stored)
    colleague = bench.colleague()
    assert colleague.pull().exit_code == 4
    assert colleague.kept_files() == []


def test_a_remote_that_is_down_is_asked_once_and_not_for_every_test(bench, monkeypatch):
    for number in range(5):
        bench.approved(f"t.py::t{number}", http=http(f"answer {number}"))
    colleague = bench.colleague()
    bench.share.rename(bench.share.with_name("away"))
    project = colleague.project()
    opened = []
    monkeypatch.setattr(
        project, "remote", lambda jobs=None: opened.append(jobs) or Project.remote(project, jobs)
    )
    for test_id in project.manifest.entries:
        with pytest.raises(RemoteError, match="there is no directory"):
            project.approved(test_id, *_line(project, test_id))
    assert len(opened) == 1


PULLER = """
import sys
from pathlib import Path
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import sync
project = Project.open(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
moved = sync.pull(project)
assert moved.exit_code == 0, moved
"""

APPROVER = """
import sys
from pathlib import Path
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import approve
project = Project.open(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
approve.execute(project, approve.plan(project, sys.argv[2:]))
"""


def _at_once(script: str, *arguments: list[str]) -> None:
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", script, *mine], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        for mine in arguments
    ]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate()
        assert worker.returncode == 0, errors


def test_processes_that_pull_the_same_digests_at_once_both_succeed(bench):
    for number in range(60):
        bench.stage(f"t.py::t{number}", http=http(f"answer {number}"))
    bench.approve()
    colleague = bench.colleague()
    _at_once(PULLER, *[[str(colleague.root)]] * 2)
    assert len(colleague.kept_files()) == 60
    colleague.see_that_the_cache_is_whole()
    assert not [name for name in colleague.files() if name.endswith(".tmp")]


def test_processes_that_approve_at_once_lose_nothing(bench):
    ids = [[f"t{worker}.py::t{number}" for number in range(8)] for worker in range(2)]
    for mine in ids:
        for number, test_id in enumerate(mine):
            bench.stage(test_id, http=http(f"answer {number}"), env=env(A="same"))
    _at_once(APPROVER, *([str(bench.root), *mine] for mine in ids))
    assert len(bench.lines()) == 16
    assert bench.pending() == bench.staged_files() == bench.waiting() == []
    bench.see_that_the_remote_has_what_the_manifest_names()


def test_two_clones_that_approve_the_same_bytes_at_once_agree(bench):
    colleague = bench.colleague()
    for one in (bench, colleague):
        for number in range(8):
            one.stage(f"t.py::t{number}", http=http(f"answer {number}"))
    _at_once(APPROVER, [str(bench.root)], [str(colleague.root)])
    assert bench.manifest() == colleague.manifest()
    bench.see_that_the_remote_has_what_the_manifest_names()
    assert len(bench.on_share()) == 8


# --- verify -----------------------------------------------------------------------------------------


def test_verify_counts_what_is_here_and_what_is_not(bench, run):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    assert run(bench, "verify") == 0
    assert "verified: 2 snapshots here" in run.text
    colleague = bench.colleague()
    colleague.pull()
    colleague.kept_path(digest(ONE)).unlink()
    assert run(colleague, "verify") == 0
    assert "1 snapshot here, 1 not fetched" in run.text
    assert run(colleague, "verify", "--remote", "--json") == 0
    assert json.loads(run.text) == {"intact": 1, "absent": 1, "remote": 2, "troubles": []}
    assert run(colleague, "verify", "typo") == 2


def test_verify_without_the_remote_needs_none(bench, run):
    bench.approved(USERS, http=ONE)
    bench.share.rename(bench.share.with_name("away"))
    assert run(bench, "verify") == 0
    for option in ("--remote", "--deep"):
        assert run(bench, "verify", option) == 5


@pytest.mark.parametrize("bad", [b"", b"garbage", b"\x1f\x8bgarbage"])
def test_a_corrupt_copy_is_set_aside_with_its_bytes_never_replayed_and_fetched_anew(bench, run, bad):
    bench.approved(USERS, http=ONE)
    bench.kept_path(digest(ONE)).write_bytes(bad)
    with pytest.raises(BlobCorrupt):
        bench.see_that_everything_named_can_be_read()
    assert bench.kept_path(digest(ONE)).read_bytes() == bad  # reading moves nothing
    assert run(bench, "verify", "--json") == 4
    assert [trouble["what"] for trouble in json.loads(run.text)["troubles"]] == ["corrupt"]
    aside = bench.root / ".booktest_cache/quarantine"
    assert [path.read_bytes() for path in aside.iterdir()] == [bad]
    assert bench.kept_files() == []
    assert run(bench, "verify") == 0
    assert run(bench, "pull") == 0
    assert run(bench, "verify") == 0
    bench.see_that_everything_named_can_be_read()
    assert [path.read_bytes() for path in aside.iterdir()] == [bad]
    assert run(bench, "approve", "--all") == 0
    assert run(bench, "push") == 0
    assert [path.read_bytes() for path in aside.iterdir()] == [bad]


def test_every_test_of_a_corrupt_copy_is_counted_and_it_is_set_aside_once(bench, run):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=ONE)
    bench.kept_path(digest(ONE)).write_bytes(b"garbage")
    assert run(bench, "verify", "--json") == 4
    found = json.loads(run.text)
    assert len(found["troubles"]) >= 1
    assert found["intact"] == 0
    assert len(list((bench.root / ".booktest_cache/quarantine").iterdir())) == 1


def test_verify_remote_finds_what_is_not_there_and_deep_what_is_wrong(bench, run):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.remote_path(digest(ONE)).unlink()
    bench.remote_path(digest(TWO)).write_bytes(b"garbage")
    assert run(bench, "verify") == 0
    assert run(bench, "verify", "--remote", "--json") == 4
    assert [(one["what"], one["test"]) for one in json.loads(run.text)["troubles"]] == [("lost", USERS)]
    assert run(bench, "verify", "--deep", "--json") == 4
    found = json.loads(run.text)
    assert sorted((one["what"], one["test"]) for one in found["troubles"]) == [
        ("corrupt", ORDERS),
        ("lost", USERS),
    ]
    assert (found["intact"], found["remote"]) == (2, 0)
    assert bench.remote_path(digest(TWO)).read_bytes() == b"garbage"
    assert not (bench.root / ".booktest_cache/quarantine").exists()


def test_verify_fetches_nothing_into_the_cache(bench, run):
    bench.approved(USERS, http=ONE)
    colleague = bench.colleague()
    assert run(colleague, "verify", "--deep") == 0
    assert "1 blob intact" in run.text
    assert colleague.kept_files() == []


# --- mixed projects ---------------------------------------------------------------------------------


def test_some_tests_live_in_git_and_others_on_the_remote(bench, run):
    bench.say("git")
    bench.approved(USERS, http=ONE)
    bench.say("dvc")
    bench.approved(ORDERS, http=TWO)
    assert bench.payload(USERS).exists()
    assert not bench.payload(ORDERS).exists()
    assert not bench.remote_path(digest(ONE)).exists()
    colleague = bench.colleague()
    for mode in ("git", "dvc"):
        colleague.say(mode)
        colleague.lose_the_cache()
        assert run(colleague, "pull") == 0, run.text
        assert "pulled: 1 blob" in run.text
        colleague.see_that_everything_named_can_be_read()
        for command in (["status", "--ci"], ["verify"], ["verify", "--remote"], ["verify", "--deep"]):
            assert run(colleague, *command) == 0, (command, run.text)
    assert run(bench, "push") == 0
    assert not bench.remote_path(digest(ONE)).exists()


def test_a_test_moves_to_the_remote_by_being_approved_there_and_back(bench, run):
    bench.say("git")
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.say("dvc")
    bench.stage(USERS, http=TWO, env=env(A="2"))
    assert run(bench, "approve", "--all") == 0
    assert not bench.payload(USERS).exists()
    assert not bench.payload(USERS, "env").exists()
    colleague = bench.colleague()
    colleague.pull()
    colleague.see_that_everything_named_can_be_read()
    bench.say("git")
    bench.stage(USERS, http=THREE)
    assert run(bench, "approve", "--all") == 0
    assert bench.payload(USERS).read_bytes() == THREE
    bench.see_that_everything_named_can_be_read()
    assert digest_of(bench.remote_path(digest(TWO)).read_bytes()) == digest(TWO)


def test_a_test_that_moves_to_git_keeps_what_was_never_pushed(bench):
    """An earlier commit names it, and it is nowhere else."""
    bench.unpushed(USERS, http=ONE)
    bench.say("git")
    bench.approved(USERS, http=TWO)
    assert bench.waiting() == [digest(ONE)]
    bench.say("dvc")
    assert bench.push().exit_code == 0
    assert digest_of(bench.remote_path(digest(ONE)).read_bytes()) == digest(ONE)


def test_a_rejection_keeps_what_was_never_pushed(bench):
    bench.unpushed(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    manifest = bench.manifest()
    bench.unpushed(USERS, http=THREE)
    assert bench.manifest() != manifest
    for mode in ("git", "dvc"):
        bench.say(mode)
        bench.stage(USERS, http=TWO)
        bench.reject()
    assert sorted(bench.waiting()) == sorted([digest(ONE), digest(THREE)])
    assert bench.push().blobs == 2


def test_a_payload_in_git_that_was_changed_is_an_error_and_the_remote_is_not_asked(bench, run):
    bench.say("git")
    bench.approved(USERS, http=ONE)
    bench.payload(USERS).write_bytes(TWO)
    bench.say("dvc")
    with pytest.raises(BlobCorrupt):
        bench.see_that_everything_named_can_be_read()
    assert run(bench, "verify") == 4
    assert "corrupt" in run.text


def test_big_payloads_in_git_are_warned_about_by_test_and_those_on_the_remote_are_not(bench, run):
    big = http("x" * 3000)
    settings = '[storage]\nmode = "{}"\ngit_snapshot_size_limit = "2KB"\n'
    (bench.root / "booktest.toml").write_text(settings.format("git"))
    bench.stage(USERS, http=big)
    bench.stage(ORDERS, http=TWO)
    assert run(bench, "approve", "--all") == 0
    assert f"warning: {USERS}: its http snapshot has {len(big):,} bytes" in run.text
    assert f"warning: {ORDERS}" not in run.text
    (bench.root / "booktest.toml").write_text(settings.format("dvc"))
    bench.stage(LOGIN, http=big)
    assert run(bench, "approve", "--all") == 0
    assert "warning" not in run.text


# --- status -----------------------------------------------------------------------------------------


def test_status_says_where_snapshots_live_and_what_is_not_here(bench, run):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    colleague = bench.colleague()
    assert run(colleague, "status") == 0
    assert "(storage dvc)" in run.text
    assert f"remote: 'share' ({bench.share})" in run.text
    assert "approved: 2 snapshots of 1 test" in run.text
    assert "not fetched yet: 2 snapshots" in run.text
    assert run(colleague, "status", "--ci", "--json") == 0
    found = json.loads(run.text)
    assert found["storage"] == "dvc"
    assert str(bench.share) in found["remote"]
    assert (found["tests"], found["snapshots"], found["unfetched"]) == (1, 2, 2)
    assert found["lost"] == found["unpushed"] == []
    assert colleague.kept_files() == []


def test_status_in_ci_fails_when_a_digest_is_nowhere(bench, run):
    bench.approved(USERS, http=ONE)
    bench.unpushed(ORDERS, http=TWO)
    colleague = bench.colleague()
    assert run(colleague, "status") == 0
    assert run(colleague, "status", "--ci") == 4
    assert f"lost: {ORDERS} http" in run.text
    assert USERS not in run.text
    assert run(colleague, "status", "--ci", "--json") == 4
    found = json.loads(run.text)
    assert [entry["test"] for entry in found["lost"]] == [ORDERS]
    assert found["unfetched"] == 1


def test_status_in_ci_finds_a_corrupt_copy_and_ends_with_5_where_the_remote_cannot_be_asked(bench, run):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.kept_path(digest(ONE)).write_bytes(b"garbage")
    assert run(bench, "status") == 0
    assert run(bench, "status", "--ci") == 4
    assert f"lost: {USERS} http" in run.text
    colleague = bench.colleague()
    bench.share.rename(bench.share.with_name("away"))
    assert run(colleague, "status") == 0
    assert run(colleague, "status", "--ci") == 5


def test_status_of_a_fallback_says_why(bench, run):
    bench.say("auto")
    (bench.root / ".dvc/config").write_text("")
    assert run(bench, "status") == 0
    assert "(storage git)" in run.text
    assert "no default remote" in run.text


# --- shared for review ------------------------------------------------------------------------------


def test_a_colleague_reviews_and_approves_what_was_shared(bench, run):
    bench.approved(ORDERS, http=TWO)
    colleague = bench.colleague()
    bench.stage(USERS, http=ONE, env=env(A="1"))
    bench.stage(ORDERS, http=None)
    assert run(bench, "push", "--staged") == 0
    assert "shared for review: 2 tests" in run.text
    assert bench.lines() == {ORDERS: {"http": digest(TWO)}}
    assert not bench.remote_path(digest(ONE)).exists()
    assert run(colleague, "pull", "--staged") == 0
    assert "pulled: 2 blobs" in run.text
    assert colleague.pending() == sorted([USERS, ORDERS])
    assert run(colleague, "show", USERS) == 0
    assert "http://api.example/users" in run.text
    assert run(colleague, "approve", "--all") == 0
    assert colleague.lines() == {USERS: {"env": digest(env(A="1")), "http": digest(ONE)}}
    colleague.see_that_the_remote_has_what_the_manifest_names()


def test_pulling_what_was_shared_again_changes_nothing(bench, run):
    bench.stage(USERS, http=ONE)
    assert run(bench, "push", "--staged") == 0
    assert run(bench, "push", "--staged") == 0
    assert "pushed: 0 blobs" in run.text
    colleague = bench.colleague()
    assert run(colleague, "pull", "--staged") == 0
    before = colleague.files()
    assert run(colleague, "pull", "--staged") == 0
    assert colleague.files() == before
    colleague.approve()
    assert run(colleague, "pull", "--staged") == 0
    assert colleague.pending() == colleague.staged_files() == []


def test_what_is_pending_on_both_sides_is_left_as_it_is(bench, run):
    bench.stage(USERS, http=ONE)
    run(bench, "push", "--staged")
    colleague = bench.colleague()
    colleague.stage(USERS, http=TWO)
    before = colleague.files()
    assert run(colleague, "pull", "--staged") == 0
    assert f"{USERS}: is pending here, too, and differs" in run.text
    assert colleague.files() == before


def test_a_stale_share_is_left_there(bench, run):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    run(bench, "push", "--staged")
    bench.reject()
    bench.approved(USERS, http=THREE)
    colleague = bench.colleague()
    assert run(colleague, "pull", "--staged") == 0
    assert "another approved snapshot" in run.text
    assert colleague.pending() == colleague.staged_files() == []


def test_a_shared_blob_that_is_gone_or_corrupt_leaves_its_test_out_and_a_second_push_heals_it(bench, run):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=TWO)
    bench.stage(LOGIN, http=THREE)
    run(bench, "push", "--staged")
    shared = bench.share / "booktest/blobs/staging"
    colleague = bench.colleague()
    (shared / "http/sha256" / digest(ONE)[7:9] / digest(ONE)[7:]).unlink()
    (shared / "http/sha256" / digest(TWO)[7:9] / digest(TWO)[7:]).write_bytes(b"garbage")
    assert run(colleague, "pull", "--staged") == 4
    assert f"lost: {USERS} http" in run.text
    assert f"lost: {ORDERS} http" in run.text
    assert colleague.pending() == [LOGIN]
    assert len(colleague.staged_files()) == 1
    assert run(bench, "push", "--staged") == 0
    assert run(colleague, "pull", "--staged") == 0
    assert colleague.pending() == sorted([USERS, ORDERS, LOGIN])


def test_a_shared_blob_that_is_gone_leaves_out_every_test_that_has_it(bench, run):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=ONE)
    run(bench, "push", "--staged")
    (bench.share / "booktest/blobs/staging/http/sha256" / digest(ONE)[7:9] / digest(ONE)[7:]).unlink()
    colleague = bench.colleague()
    assert run(colleague, "pull", "--staged") == 4
    assert colleague.pending() == []


@pytest.mark.parametrize("how", [drop, truncate, swap, full])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_remote_that_fails_or_lies_about_what_is_shared_is_found_out(bench, run, remote, how, number):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=TWO)
    remote(how, number, number)
    assert run(bench, "push", "--staged") == 5
    remote.end()
    assert run(bench, "push", "--staged") == 0
    colleague = bench.colleague()
    assert run(colleague, "pull", "--staged") == 0
    assert colleague.pending() == sorted([USERS, ORDERS])


def test_a_record_never_reaches_the_remote_before_its_blobs(bench, run, remote):
    bench.stage(USERS, http=ONE, env=env(A="1"))
    remote(full, 2)
    assert run(bench, "push", "--staged") == 5
    assert not [name for name in bench.on_share() if name.endswith(".json")]


def test_a_damaged_record_on_the_remote_is_an_error_that_says_where_it_is(bench, run):
    bench.stage(USERS, http=ONE)
    run(bench, "push", "--staged")
    (record,) = (bench.share / "booktest/blobs/staging/pending").iterdir()
    record.write_bytes(b"{")
    colleague = bench.colleague()
    assert run(colleague, "pull", "--staged") == 4
    assert "remote 'share'" in run.text
    assert f"staging/pending/{record.name}" in run.text
    assert colleague.pending() == []


def test_a_test_recorded_here_while_shared_ones_are_fetched_keeps_its_own_recording(bench, monkeypatch):
    from booktest_cassettes.workflow import sharing

    bench.stage(USERS, http=ONE)
    sharing.push(bench.project())
    colleague = bench.colleague()
    original = sharing._fits

    def recorded_meanwhile(project, record, moved):
        fits = original(project, record, moved)
        colleague.stage(USERS, http=TWO)
        return fits

    monkeypatch.setattr(sharing, "_fits", recorded_meanwhile)
    sharing.pull(colleague.project())
    (pending,) = colleague.project().pending
    assert {change.staged for change in pending.changes.values()} == {digest(TWO)}


def test_sharing_without_anything_pending_is_fine_and_a_pattern_that_means_nothing_is_not(bench, run):
    assert run(bench, "push", "--staged") == 0
    assert run(bench, "pull", "--staged") == 0
    assert run(bench, "pull", "--staged", "typo") == 2


def test_staged_recordings_can_be_shared_in_a_project_that_keeps_snapshots_in_git(bench, run):
    bench.say("git")
    bench.stage(USERS, http=ONE)
    assert run(bench, "push", "--staged") == 0, run.text
    colleague = bench.colleague()
    assert run(colleague, "pull", "--staged") == 0
    assert colleague.pending() == [USERS]


# --- without a remote -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["push"], ["approve", "--all", "--push"], ["verify", "--remote"]])
def test_commands_that_need_a_remote_say_how_to_get_one(tmp_path, run, command):
    from workflow_bench import Bench

    bench = Bench(tmp_path / "alone")
    bench.stage(USERS, http=ONE)
    assert run(bench, *command) == 5
    assert "dvc remote add" in run.text
    assert bench.manifest() is None


def test_a_plan_that_was_rejected_meanwhile_pushes_nothing(bench):
    bench.stage(USERS, http=ONE)
    project = bench.project()
    plan = approve.plan(project)
    bench.reject()
    with pytest.raises(UsageError, match="rejected"):
        approve.execute(project, plan)
    assert bench.on_share() == {}
