"""Approve and reject: what goes where, what is refused, and what stays when it is."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import (
    BlobCorrupt,
    BlobMissing,
    IntegrityError,
    ManifestError,
    SecretFound,
    StorageError,
    UsageError,
)
from booktest_cassettes.project import Project
from booktest_cassettes.store.git import GitStore
from booktest_cassettes.store.local import LocalStore
from booktest_cassettes.workflow import approve

ONE, TWO, THREE = http("one"), http("two"), http("three")


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- what goes where --------------------------------------------------------------------------------


def test_a_payload_is_the_bytes_whose_sha256_the_manifest_holds(bench):
    bench.stage(USERS, http=ONE, env=env(API_URL="http://x"))
    bench.approve()
    assert bench.lines() == {USERS: {"env": digest(env(API_URL="http://x")), "http": digest(ONE)}}
    assert bench.payload(USERS).read_bytes() == ONE
    assert bench.payload(USERS) == bench.root / "books/tests/test_api.py/test_users/_snapshots/http.json"
    bench.see_that_payloads_are_what_the_manifest_says()


def test_after_an_approval_nothing_is_pending_staged_or_kept(bench):
    bench.approved(USERS, http=ONE)
    bench.approved(USERS, http=TWO)
    assert bench.pending() == []
    assert bench.staged_files() == []
    assert bench.kept_files() == []
    assert set(bench.worktree()) == {
        "booktest.manifest.yaml",
        "booktest.toml",
        "books/.gitattributes",
        "books/tests/test_api.py/test_users/_snapshots/http.json",
    }


def test_approving_one_of_three_leaves_the_others_pending(bench):
    for test_id, data in ((USERS, ONE), (ORDERS, TWO), (LOGIN, THREE)):
        bench.stage(test_id, http=data)
    bench.approve(ORDERS)
    assert bench.lines() == {ORDERS: {"http": digest(TWO)}}
    assert bench.pending() == sorted([USERS, LOGIN])
    assert not bench.payload(USERS).exists()
    bench.approve()
    assert bench.lines() == {
        USERS: {"http": digest(ONE)},
        ORDERS: {"http": digest(TWO)},
        LOGIN: {"http": digest(THREE)},
    }
    bench.see_that_payloads_are_what_the_manifest_says()


def test_the_paths_that_changed_are_told(bench):
    bench.stage(USERS, http=ONE)
    assert bench.approve() == [
        "booktest.manifest.yaml",
        "books/tests/test_api.py/test_users/_snapshots/http.json",
        "books/.gitattributes",
    ]


def test_approving_nothing_writes_nothing(bench):
    before = bench.files()
    assert bench.approve() == []
    assert bench.files() == before


def test_planning_writes_nothing(bench):
    bench.stage(USERS, http=ONE)
    before = bench.files()
    plan = approve.plan(bench.project())
    assert plan.changes == {USERS: {Kind.HTTP: Digest.of(ONE)}}
    assert bench.files() == before


def test_a_kind_that_is_gone_loses_its_line_and_its_payload(bench):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.approved(USERS, env=None)
    assert bench.lines() == {USERS: {"http": digest(ONE)}}
    assert not bench.payload(USERS, "env").exists()
    assert bench.payload(USERS).read_bytes() == ONE


def test_a_test_whose_last_kind_is_gone_leaves_no_directory(bench):
    bench.approved(USERS, http=ONE)
    bench.approved("tests/deep/test_x.py::test_y", http=TWO)
    bench.approved("tests/deep/test_x.py::test_y", http=None)
    assert bench.lines() == {USERS: {"http": digest(ONE)}}
    assert sorted(path.name for path in (bench.root / "books/tests").iterdir()) == ["test_api.py"]


def test_a_person_s_own_files_beside_a_payload_stay(bench):
    bench.approved(USERS, http=ONE)
    notes = bench.payload(USERS).parent / "notes.md"
    notes.write_text("mine")
    bench.approved(USERS, http=None)
    assert notes.read_text() == "mine"
    assert not bench.payload(USERS).exists()


def test_two_tests_with_equal_bytes_have_a_payload_each(bench):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=ONE)
    bench.approve(USERS)
    assert bench.pending() == [ORDERS]
    assert len(bench.staged_files()) == 1
    assert not bench.payload(ORDERS).exists()
    bench.approve()
    bench.see_that_payloads_are_what_the_manifest_says()
    bench.approved(USERS, http=TWO)
    bench.see_that_payloads_are_what_the_manifest_says()
    assert bench.lines() == {USERS: {"http": digest(TWO)}, ORDERS: {"http": digest(ONE)}}
    bench.approved(ORDERS, http=None)
    bench.see_that_everything_named_can_be_read()


def test_the_payload_of_another_test_with_equal_bytes_is_not_touched(bench):
    """It may live in another place, or somebody changed it: that is to be noticed, not mended."""
    bench.approved(USERS, http=ONE)
    bench.payload(USERS).write_bytes(b"changed")
    bench.approved(ORDERS, http=ONE)
    assert bench.payload(USERS).read_bytes() == b"changed"
    with pytest.raises(BlobCorrupt):
        bench.see_that_everything_named_can_be_read()


def test_two_tests_may_swap_their_bytes(bench):
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=TWO)
    bench.stage(USERS, http=TWO)
    bench.stage(ORDERS, http=ONE)
    bench.approve()
    bench.see_that_payloads_are_what_the_manifest_says()
    assert bench.kept_files() == []


def test_recording_anew_heals_a_corrupt_payload(bench):
    bench.approved(USERS, http=ONE)
    bench.payload(USERS).write_bytes(b"torn")
    bench.approved(USERS, http=TWO)
    bench.see_that_payloads_are_what_the_manifest_says()


def test_the_copy_in_the_cache_stays_where_it_may_be_the_last(bench):
    """ORDERS has no payload: like a test whose recording was fetched from a remote."""
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=ONE)
    bench.payload(ORDERS).unlink()
    bench.project().keep.put(BlobKey(Kind.HTTP, Digest.of(ONE)), ONE)
    bench.approved(USERS, http=TWO)
    bench.see_that_everything_named_can_be_read()


def test_a_manifest_that_says_the_same_already_is_not_rewritten(bench):
    bench.stage(USERS, http=ONE)
    bench.approve()
    text = "# by hand\n" + (bench.manifest() or "")
    bench.manifest_path.write_text(text)
    bench.stage(USERS, http=ONE)
    bench.approve()
    assert bench.manifest() == text
    assert bench.pending() == []


@pytest.mark.parametrize(
    "test_id",
    [
        "t.py::t[a/b]",
        "t.py::t[x::y]",
        "t.py::t[../z]",
        "t.py::t[é]",
        "t.py::t[👩\u200d💻]",
        "t.py::t[" + "x" * 4096 + "]",
        "t.py::t['\"]",
        "t.py::t[: #]",
        "../outside.py::t",
        "/etc/passwd",
    ],
    ids=lambda test_id: ascii(test_id[:16]),
)
def test_any_printable_id_goes_all_the_way(bench, test_id):
    bench.approved(test_id, http=ONE)
    project = bench.project()
    assert project.manifest.get(test_id) == {Kind.HTTP: Digest.of(ONE)}
    assert project.approved(test_id, Kind.HTTP, Digest.of(ONE)) == ONE
    assert bench.payload(test_id).is_relative_to(bench.root / "books")
    bench.approved(test_id, http=None)
    assert not bench.payload(test_id).exists()


# --- what is refused --------------------------------------------------------------------------------


def _is_refused(bench: Bench, error: type[Exception], match: str, *patterns: str) -> Exception:
    before = bench.files()
    with pytest.raises(error, match=match) as caught:
        bench.approve(*patterns)
    assert bench.files() == before
    return caught.value


@pytest.mark.parametrize("pattern", ["tests/test_api.py::test_user", "test_users", "", "*nothing*", "tests/"])
def test_a_pattern_that_means_nothing_is_an_error(bench, pattern):
    bench.stage("test/t.py::test_users", http=ONE)
    error = _is_refused(bench, UsageError, "nothing here matches", pattern)
    assert isinstance(error, UsageError)
    assert error.exit_code == 2


def test_one_typo_among_good_patterns_approves_nothing(bench):
    bench.stage(USERS, http=ONE)
    _is_refused(bench, UsageError, "typo", USERS, "typo")


def test_a_recording_against_an_older_approval_is_refused(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    mine = bench.manifest() or ""
    bench.manifest_path.write_text(mine.replace(digest(ONE), digest(THREE)))
    error = _is_refused(bench, UsageError, "approved anew")
    assert isinstance(error, UsageError)
    assert "booktest-cassettes run -S -- " in error.hint
    bench.manifest_path.write_text(mine.replace(digest(ONE), digest(TWO)))
    bench.approve()
    assert bench.lines() == {USERS: {"http": digest(TWO)}}


def test_a_hint_can_be_pasted_into_a_shell(bench):
    test_id = "t.py::t[a b'$(x)]"
    bench.approved(test_id, http=ONE)
    bench.stage(test_id, http=TWO)
    bench.manifest_path.write_text((bench.manifest() or "").replace(digest(ONE), digest(THREE)))
    with pytest.raises(UsageError) as caught:
        bench.approve()
    command = caught.value.hint.split(" -- ")[1].split(", to record")[0]
    done = subprocess.run(f"printf %s {command}", shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == test_id


def test_a_manifest_that_changes_between_plan_and_execution_is_seen(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    project = bench.project()
    plan = approve.plan(project)
    bench.manifest_path.write_text((bench.manifest() or "").replace(digest(ONE), digest(THREE)))
    before = bench.files()
    with pytest.raises(UsageError, match="approved anew"):
        approve.execute(project, plan)
    assert bench.files() == before


def test_a_recording_made_after_the_plan_is_not_approved_unseen_nor_lost(bench):
    bench.stage(USERS, http=ONE)
    project = bench.project()
    plan = approve.plan(project)
    bench.stage(USERS, http=TWO)
    with pytest.raises(UsageError, match="recorded anew"):
        approve.execute(project, plan)
    assert bench.lines() == {}
    bench.approve()
    assert bench.lines() == {USERS: {"http": digest(TWO)}}


def test_what_was_rejected_after_the_plan_is_not_approved(bench):
    bench.stage(USERS, http=ONE)
    project = bench.project()
    plan = approve.plan(project)
    bench.reject(USERS)
    with pytest.raises(UsageError, match="rejected"):
        approve.execute(project, plan)
    assert bench.lines() == {}


def test_what_another_process_approved_after_the_plan_is_done_already(bench):
    bench.stage(USERS, http=ONE)
    project = bench.project()
    plan = approve.plan(project)
    bench.approve()
    before = bench.files()
    approve.execute(project, plan)
    assert bench.files() == before


def test_what_another_process_approves_while_we_plan_is_passed_over(bench, monkeypatch):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=TWO)
    project = bench.project()
    records = list(project.pending)
    bench.approve(ORDERS)
    monkeypatch.setattr(approve, "select", lambda *_: records)
    assert [pending.test_id for pending in approve.plan(project).pending] == [USERS]


def test_staged_bytes_that_are_gone_are_an_error(bench):
    bench.stage(USERS, http=ONE)
    (bench.root / bench.staged_files()[0]).unlink()
    error = _is_refused(bench, BlobMissing, "staged http snapshot is gone")
    assert isinstance(error, BlobMissing)
    assert USERS in error.hint


def test_staged_bytes_that_changed_are_an_error(bench):
    bench.stage(USERS, http=ONE)
    staged = bench.root / bench.staged_files()[0]
    staged.write_bytes(staged.read_bytes()[:-1])
    _is_refused(bench, BlobCorrupt, "corrupt http snapshot")


SECRET = "ghp_" + "a1B2" * 9


def test_a_secret_leaves_everything_as_it_is_and_is_not_printed(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=http(f"token {SECRET}"))
    bench.stage(ORDERS, http=TWO)
    error = _is_refused(bench, SecretFound, "looks like a GitHub token")
    assert isinstance(error, SecretFound)
    assert SECRET not in str(error)
    assert USERS in error.message
    assert "line " in error.message


def test_a_secret_in_one_test_does_not_keep_another_from_being_approved(bench):
    bench.stage(USERS, http=http(f"token {SECRET}"))
    bench.stage(ORDERS, http=TWO)
    bench.approve(ORDERS)
    assert list(bench.lines()) == [ORDERS]


def test_a_secret_may_be_approved_on_demand(bench):
    bench.stage(USERS, http=http(f"token {SECRET}"))
    project = bench.project()
    approve.execute(project, approve.plan(project, allow_secrets=True))
    assert list(bench.lines()) == [USERS]


@pytest.mark.parametrize(
    "broken",
    [
        "{text}{text}",
        "<<<<<<< HEAD\n{text}=======\n>>>>>>> theirs\n",
        "{text}x: [\n",
        "storage_mode: git\na.py::t:\n  http: sha256:123\n",
        "storage_mode: git\na.py::t: {{http: {digest}}}\na.py::t: {{http: {digest}}}\n",
        "\0",
    ],
    ids=["twice", "merge markers", "half", "digest", "duplicate", "nul"],
)
def test_a_broken_manifest_is_refused_and_nothing_is_lost(bench, broken):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    whole = bench.manifest() or ""
    bench.manifest_path.write_text(broken.format(text=whole, digest=digest(ONE)))
    _is_refused(bench, ManifestError, r"booktest\.manifest\.yaml:\d+: ")
    before = bench.files()
    with pytest.raises(ManifestError):
        bench.reject()
    assert bench.files() == before
    bench.manifest_path.write_text(whole)
    bench.approve()
    assert bench.lines() == {USERS: {"http": digest(TWO)}}


def test_an_id_that_no_manifest_can_hold_is_refused_before_anything_is_written(bench):
    bench.stage("t.py::t[\x1b]", http=ONE)
    before = bench.worktree()
    with pytest.raises(UsageError, match=r"U\+001B"):
        bench.approve()
    assert bench.worktree() == before
    assert bench.pending() == ["t.py::t[\x1b]"]


# --- the disk refuses -------------------------------------------------------------------------------


def test_a_file_where_the_snapshots_directory_should_be_is_a_storage_error(bench):
    bench.stage(USERS, http=ONE)
    (bench.root / "books").write_text("in the way")
    error = _is_refused(bench, StorageError, "books")
    assert isinstance(error, StorageError)
    assert error.exit_code == 4


def test_a_directory_where_a_payload_should_be_is_a_storage_error(bench):
    bench.stage(USERS, http=ONE)
    bench.payload(USERS).mkdir(parents=True)
    with pytest.raises(StorageError, match=r"http\.json"):
        bench.approve()
    assert bench.manifest() is None
    assert bench.pending() == [USERS]
    bench.payload(USERS).rmdir()
    bench.approve()
    bench.see_that_payloads_are_what_the_manifest_says()


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_a_file_where_the_cache_directory_should_be_is_a_storage_error(bench, act):
    (bench.root / ".booktest_cache").write_text("in the way")
    with pytest.raises(StorageError, match=r"\.booktest_cache"):
        getattr(bench, act)()


def test_a_directory_where_the_manifest_should_be_is_refused(bench):
    bench.stage(USERS, http=ONE)
    bench.manifest_path.mkdir()
    _is_refused(bench, ManifestError, "is a directory")


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_a_damaged_record_is_refused_by_name_and_the_others_stay(bench, act):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=TWO)
    record = bench.project().pending.path(ORDERS)
    record.write_bytes(record.read_bytes()[:20])
    before = bench.files()
    with pytest.raises(IntegrityError, match="damaged pending record") as caught:
        getattr(bench, act)()
    assert str(record) in caught.value.message
    assert bench.files() == before


def test_an_unreadable_record_is_a_storage_error(bench):
    bench.stage(USERS, http=ONE)
    bench.project().pending.path(ORDERS).mkdir()
    _is_refused(bench, StorageError, "test_orders")


# --- reject -----------------------------------------------------------------------------------------


def test_rejecting_forgets_the_recording_and_keeps_what_is_approved(bench):
    bench.approved(USERS, http=ONE)
    before = bench.files()
    bench.stage(USERS, http=TWO, env=env(A="1"))
    assert bench.reject() == [USERS]
    assert bench.files() == before


def test_rejecting_one_of_two_keeps_bytes_that_the_other_needs(bench):
    bench.stage(USERS, http=ONE)
    bench.stage(ORDERS, http=ONE)
    assert bench.reject(USERS) == [USERS]
    assert bench.pending() == [ORDERS]
    bench.approve()
    bench.see_that_payloads_are_what_the_manifest_says()


def test_rejecting_nothing_writes_nothing(bench):
    before = bench.files()
    assert bench.reject() == []
    assert bench.files() == before


def test_rejecting_with_a_typo_rejects_nothing(bench):
    bench.stage(USERS, http=ONE)
    with pytest.raises(UsageError, match="nothing here matches"):
        bench.reject(USERS, "typo")
    assert bench.pending() == [USERS]


def test_a_record_written_while_it_is_rejected_stays(bench, monkeypatch):
    bench.stage(USERS, http=ONE)
    seen = list(bench.project().pending)
    bench.stage(USERS, http=TWO)
    with monkeypatch.context() as patch:
        patch.setattr(approve, "select", lambda *_: seen)
        bench.reject()
    assert bench.pending() == [USERS]
    bench.approve()
    assert bench.lines() == {USERS: {"http": digest(TWO)}}


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_equal_bytes_that_are_staged_at_the_last_moment_are_not_swept_away(bench, monkeypatch, act):
    """ORDERS is recorded after the records were looked at and before the bytes they no longer name go."""
    bench.stage(USERS, http=ONE)
    recorder = threading.Thread(target=lambda: bench.stage(ORDERS, http=ONE))
    real = LocalStore.delete

    def delete(store: LocalStore, key: BlobKey) -> None:
        if store.root.name == "staging":
            recorder.start()
            recorder.join(0.1)  # with the lock it waits for us, not we for it
        real(store, key)

    monkeypatch.setattr(LocalStore, "delete", delete)
    getattr(bench, act)(USERS)
    recorder.join()
    monkeypatch.undo()
    assert bench.pending() == [ORDERS]
    bench.approve()
    assert bench.lines()[ORDERS] == {"http": digest(ONE)}


# --- promise 12: several processes ------------------------------------------------------------------

WORKER = """
import sys
from pathlib import Path
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import approve
project = Project.open(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for test_id in sys.argv[2:]:
    approve.execute(project, approve.plan(project, [test_id]))
"""


def _run_at_once(root: Path, script: str, arguments: list[list[str]]) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(root), *mine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
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


def test_processes_that_approve_different_tests_at_once_lose_nothing(bench):
    ids = [[f"t{worker}.py::t{number}" for number in range(8)] for worker in range(3)]
    for mine in ids:
        for number, test_id in enumerate(mine):
            bench.stage(test_id, http=http(f"answer {number}"), env=env(A="same"))
    _run_at_once(bench.root, WORKER, ids)
    assert sorted(bench.lines()) == sorted(test_id for mine in ids for test_id in mine)
    assert bench.pending() == []
    assert bench.staged_files() == []
    bench.see_that_payloads_are_what_the_manifest_says()


EVERYTHING = """
import sys
from pathlib import Path
from booktest_cassettes.project import Project
from booktest_cassettes.workflow import approve
project = Project.open(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
approve.execute(project, approve.plan(project))
"""


def test_processes_that_approve_the_same_tests_at_once_agree(bench):
    for number in range(6):
        bench.stage(f"t.py::t{number}", http=http(f"answer {number}"))
    _run_at_once(bench.root, EVERYTHING, [[], [], []])
    assert len(bench.lines()) == 6
    assert bench.pending() == []
    bench.see_that_payloads_are_what_the_manifest_says()


RECORDER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from workflow_bench import Bench, env
from booktest_cassettes.workflow import approve
bench, role = Bench(Path(sys.argv[1])), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    test_id = f"{role}.py::t{number}"
    bench.stage(test_id, env=env(A=str(number)))
    if role == "approver":
        bench.approve(test_id)
    elif role == "rejecter":
        bench.reject(test_id)
"""


def test_what_is_recorded_while_others_approve_and_reject_equal_bytes_is_not_lost(bench):
    here = str(Path(__file__).parent)
    _run_at_once(bench.root, RECORDER, [[here, role] for role in ("recorder", "approver", "rejecter")])
    assert sorted(bench.pending()) == sorted(f"recorder.py::t{number}" for number in range(25))
    bench.approve()
    assert len(bench.lines()) == 50
    assert bench.staged_files() == []
    bench.see_that_payloads_are_what_the_manifest_says()


# --- Git on other systems ---------------------------------------------------------------------------


def test_a_clone_that_converts_line_ends_has_the_same_payloads(bench, tmp_path):
    bench.init_git()
    bench.approved(USERS, http=http("several\nlines\n"), env=env(A="1"))
    bench.git("add", "--all")
    bench.git("commit", "--quiet", "--message=snapshots")
    bench.git("clone", "--quiet", "-c", "core.autocrlf=true", ".", str(tmp_path / "clone"))
    clone = Bench(tmp_path / "clone")
    assert b"\r\n" in clone.manifest_path.read_bytes()
    clone.see_that_everything_named_can_be_read()
    assert clone.payload(USERS).read_bytes() == bench.payload(USERS).read_bytes()


def test_somebody_elses_attributes_file_is_left_alone(bench):
    (bench.root / "books").mkdir()
    (bench.root / "books/.gitattributes").write_text("*.json -text\n")
    bench.stage(USERS, http=ONE)
    assert "books/.gitattributes" not in bench.approve()
    assert (bench.root / "books/.gitattributes").read_text() == "*.json -text\n"


def test_the_store_of_a_project_names_payloads_by_the_manifest(bench):
    bench.approved(USERS, http=ONE)
    project = Project.open(bench.root)
    store = project.git_store()
    assert isinstance(store, GitStore)
    assert list(store.keys()) == [BlobKey(Kind.HTTP, Digest.of(ONE))]
    assert store.get(BlobKey(Kind.HTTP, Digest.of(ONE))) == ONE
