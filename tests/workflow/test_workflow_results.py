"""Result files in the workflow: approved, rejected, forgotten, committed and shared with their recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from remote_bench import RemoteBench, Terminal
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.digest import Digest
from booktest_cassettes.errors import IntegrityError, SecretFound, UsageError
from booktest_cassettes.store.pending import Pending, ResultChange
from booktest_cassettes.store.results import ResultFiles
from booktest_cassettes.workflow import approve, results, status
from booktest_cassettes.workflow.commit import commit
from booktest_cassettes.workflow.forget import forget

ONE, TWO = http("one"), http("two")
FILE = "books/tests/test_api.py/test_users/result.md"
KEY = "ghp_" + "a1B2" * 9


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def shared(tmp_path: Path) -> RemoteBench:
    return RemoteBench(tmp_path / "project", tmp_path / "share")


# -- approve and reject ------------------------------------------------------------------------------


def test_a_result_alone_is_one_file_and_no_line_of_the_manifest(bench):
    bench.approved(ORDERS, http=ONE)
    manifest = bench.manifest()
    bench.stage(USERS, result="# Users\n")
    assert bench.approve() == [FILE, "books/.gitattributes"]
    assert (bench.root / FILE).read_bytes() == b"# Users\n"
    assert bench.manifest() == manifest
    assert bench.pending() == []


def test_the_first_approval_of_all_makes_no_manifest_for_a_result(bench):
    bench.stage(USERS, result="# Users\n")
    assert bench.approve() == [FILE, "books/.gitattributes"]
    assert bench.manifest() is None
    assert "**/result.md text eol=lf" in (bench.root / "books/.gitattributes").read_text()


@pytest.mark.parametrize("mode", ["dvc", "dvc-pointers"])
def test_in_every_storage_mode_it_is_a_file_in_git_and_alone_it_needs_no_remote(shared, mode):
    shared.say(mode)
    shared.init_git()
    shared.approved(ORDERS, http=ONE, result="orders\n")
    shared.share.rename(shared.share.with_name("gone"))
    manifest = shared.manifest()
    shared.stage(USERS, result="# Users\n")
    shared.approve()
    assert shared.result(USERS) == "# Users\n"
    assert shared.result(ORDERS) == "orders\n"
    assert shared.manifest() == manifest
    assert "books/.gitattributes" in shared.files()
    shared.git("add", "--all")
    assert FILE in shared.git("ls-files").splitlines()


def test_it_is_approved_with_the_recording_that_it_came_from(bench):
    bench.stage(USERS, http=ONE, result="# Users\n")
    bench.approve()
    assert set(bench.lines()) == {USERS}
    assert bench.result(USERS) == "# Users\n"


def test_one_that_is_gone_takes_its_file_and_empty_directories_along(bench):
    bench.approved(USERS, result="a\n")
    bench.stage(USERS, result=None)
    assert bench.approve() == [FILE]
    assert not (bench.root / "books/tests").exists()


def test_a_file_that_was_changed_since_is_not_overwritten(bench):
    bench.approved(USERS, result="a\n")
    bench.stage(USERS, result="b\n")
    (bench.root / FILE).write_text("somebody's\n")
    with pytest.raises(UsageError, match="approved anew"):
        bench.approve()
    assert bench.result(USERS) == "somebody's\n"
    assert bench.pending() == [USERS]


def test_a_file_that_is_written_already_is_approved_again_without_harm(bench):
    bench.stage(USERS, result="a\n")
    (bench.root / FILE).parent.mkdir(parents=True)
    (bench.root / FILE).write_text("a\n")
    assert status.read(bench.project()).pending == (), "somebody else approved the very same"
    bench.approve()
    assert bench.result(USERS) == "a\n"
    assert bench.pending() == []


def test_line_ends_of_a_checkout_on_windows_make_no_difference(bench):
    bench.approved(USERS, result="a\nb\n")
    (bench.root / FILE).write_bytes(b"a\r\nb\r\n")
    assert bench.project().results.read(USERS) == "a\nb\n"
    bench.stage(USERS, result="c\n")
    bench.approve()
    assert (bench.root / FILE).read_bytes() == b"c\n"


def test_what_looks_like_a_credential_is_not_approved_unless_somebody_says_so(bench):
    bench.stage(USERS, result=f"# Users\n\n{KEY}\n")
    with pytest.raises(SecretFound) as caught:
        bench.approve()
    assert "line 3: looks like a GitHub token" in caught.value.message
    assert KEY not in str(caught.value)
    assert bench.result(USERS) is None
    project = bench.project()
    approve.execute(project, approve.plan(project, allow_secrets=True))
    assert KEY in (bench.result(USERS) or "")


def test_a_secret_that_a_person_looked_at_is_allowed_for_its_test_alone(bench):
    bench.stage(USERS, result=f"{KEY}\n")
    bench.stage(ORDERS, result=f"{KEY}\n")
    project = bench.project()
    with pytest.raises(SecretFound, match="test_orders"):
        approve.plan_of(project, project.pending, allow_secrets={USERS})
    assert approve.plan_of(project, project.pending, allow_secrets={USERS, ORDERS}).pending


def test_rejecting_leaves_the_approved_file(bench):
    bench.approved(USERS, http=ONE, result="a\n")
    before = bench.worktree()
    bench.stage(USERS, http=TWO, result="b\n")
    assert bench.reject() == [USERS]
    assert bench.worktree() == before
    assert bench.pending() == []


def test_a_result_that_was_written_anew_while_the_approval_was_prepared_is_not_approved(bench):
    bench.stage(USERS, result="a\n")
    project = bench.project()
    plan = approve.plan(project)
    bench.stage(USERS, result="b\n")
    with pytest.raises(UsageError, match="recorded anew"):
        approve.execute(project, plan)
    assert bench.result(USERS) is None


def test_the_recording_can_be_approved_and_the_result_left_to_wait(bench):
    bench.stage(USERS, http=ONE, result="a\n")
    project = bench.project()
    approve.execute(project, approve.plan(project, kinds=["http"]))
    assert set(bench.lines()) == {USERS}
    assert bench.result(USERS) is None
    assert bench.project().pending.load(USERS) == Pending(USERS, {}, ResultChange(None, "a\n"))
    bench.approve()
    assert bench.result(USERS) == "a\n"


# -- the command line --------------------------------------------------------------------------------


def test_status_names_results_that_wait(bench, run):
    bench.approved(ORDERS, result="a\n")
    bench.approved(LOGIN, result="a\n")
    bench.stage(USERS, http=ONE, result="a\n")
    bench.stage(ORDERS, result="b\n")
    bench.stage(LOGIN, result=None)
    assert run(bench, "status") == 0
    assert f"{USERS}  (http new, result new)" in run.text
    assert f"{ORDERS}  (result updated)" in run.text
    assert f"{LOGIN}  (result gone)" in run.text
    assert run(bench, "status", "--json") == 0
    pending = json.loads(run.text)["pending"]
    assert pending[ORDERS] == {"result": {"approved": "a\n", "staged": "b\n"}}
    assert run(bench, "status", "--ci") == 3


def test_show_shows_the_result_that_waits_beside_the_recording_and_the_approved_one_when_asked(bench, run):
    bench.approved(USERS, http=ONE, result="# Users\n\nold\n")
    assert run(bench, "show", USERS) == 0
    assert run.text.endswith("result\n  # Users\n\n  old\n")
    bench.stage(USERS, result="new\x1b[2J\n")
    assert run(bench, "show", USERS) == 0
    assert "GET http://api.example/users" in run.text
    assert run.text.endswith("result\n  new\\x1b[2J\n")
    assert run(bench, "show", USERS, "--approved", "--kind", "result") == 0
    assert "GET" not in run.text
    assert run.text.endswith("  old\n")
    assert run(bench, "show", USERS, "--json") == 0
    assert json.loads(run.text)["result"] == "new\x1b[2J\n"
    bench.approved(LOGIN, result="alone\n")
    assert run(bench, "show", LOGIN) == 0
    assert "  alone" in run.text
    assert run(bench, "show", ORDERS) == 2


def test_rejecting_what_a_killed_approval_left_takes_back_no_result_that_it_had_approved(bench, monkeypatch):
    bench.approved(USERS, result="# old\n", http=ONE, env=env(A="1"))
    bench.stage(USERS, result="# new\n", http=TWO, env=env(A="2"))
    project = bench.project()
    plan = approve.plan(project, kinds=["http", "result"])
    with monkeypatch.context() as killed:
        killed.setattr("booktest_cassettes.workflow.staging.drop", lambda *_: None)
        approve.execute(project, plan)
    bench.reject(USERS)
    assert bench.result(USERS) == "# new\n"
    assert bench.lines()[USERS]["http"] == Digest.of(TWO)
    bench.see_that_payloads_are_what_the_manifest_says()


def test_the_command_to_type_after_an_approval_adds_what_there_is(bench, run):
    bench.init_git()
    bench.stage(USERS, result="a\n")
    assert run(bench, "approve", "--all") == 0
    assert "approved: 1 result of 1 test" in run.text
    command = run.text.rpartition("next: ")[2].partition(" && git commit")[0]
    bench.git(*command.split()[1:])
    assert FILE in bench.git("diff", "--cached", "--name-only")


# -- forget ------------------------------------------------------------------------------------------


def test_a_forgotten_test_takes_its_result_along(bench):
    bench.approved(USERS, http=ONE, result="a\n")
    bench.approved(ORDERS, http=ONE, result="a\n")
    assert forget(bench.project(), [USERS]) == [USERS]
    assert bench.result(USERS) is None
    assert bench.result(ORDERS) == "a\n"


def test_a_test_with_nothing_but_a_result_is_forgotten_by_its_file_and_by_its_id(bench):
    bench.approved(USERS, result="a\n")
    bench.approved(LOGIN, result="a\n")  # [a/b]: its path says too little, its id does not
    assert forget(bench.project(), ["tests/test_api.py"]) == [USERS]
    assert forget(bench.project(), [LOGIN]) == [LOGIN]
    assert [name for name in bench.files() if name.endswith(".md")] == []
    assert bench.manifest() is None


def test_a_result_that_waits_is_not_lost_with_the_test(bench):
    bench.approved(USERS, result="a\n")
    bench.stage(USERS, result="b\n")
    with pytest.raises(UsageError, match="waits for review"):
        forget(bench.project(), [USERS])
    assert bench.result(USERS) == "a\n"


# -- Git and colleagues ------------------------------------------------------------------------------


def test_the_result_is_committed_with_the_approval_and_nothing_else(bench):
    (bench.root / ".gitignore").write_text(".booktest_cache/\n")
    bench.init_git()
    bench.approved(ORDERS, result="a\n")
    bench.git("add", "--all")
    bench.git("commit", "--quiet", "--message=first")
    bench.stage(USERS, http=ONE, result="# Users\n")
    bench.stage(ORDERS, result=None)
    (bench.root / "mine.txt").write_text("mine\n")
    assert commit(bench.root, bench.approve(), "Approve")
    lines = bench.git("show", "--format=", "--name-status", "--no-renames").splitlines()
    assert dict(reversed(line.split("\t")) for line in lines) == {
        "booktest.manifest.yaml": "A",
        FILE: "A",
        FILE.replace("users", "orders"): "D",
        "books/tests/test_api.py/test_users/_snapshots/http.json": "A",
    }


def test_git_gives_it_the_line_ends_that_we_wrote_on_every_system(bench):
    bench.approved(USERS, result="a\nb\n")
    bench.init_git()
    (bench.root / FILE).unlink()
    bench.git("-c", "core.autocrlf=true", "checkout", "--", FILE)
    assert (bench.root / FILE).read_bytes() == b"a\nb\n"


def test_a_shared_recording_brings_its_result_along(shared, run):
    shared.stage(USERS, http=ONE, result="# Users\n")
    shared.stage(ORDERS, result="# Orders\n")
    assert run(shared, "push", "--staged") == 0
    colleague = shared.colleague()
    assert run(colleague, "pull", "--staged") == 0
    assert colleague.pending() == [ORDERS, USERS]
    assert run(colleague, "approve", "--all") == 0
    assert colleague.result(USERS) == "# Users\n"
    assert colleague.result(ORDERS) == "# Orders\n"


def test_a_shared_result_against_another_approved_one_is_left_there(shared, run):
    shared.stage(USERS, result="mine\n")
    run(shared, "push", "--staged")
    colleague = shared.colleague()
    colleague.approved(USERS, result="theirs\n")
    assert run(colleague, "pull", "--staged") == 0
    assert "another approved snapshot" in run.text
    assert colleague.pending() == []


@pytest.mark.parametrize(
    "result",
    [
        "text",
        [None],
        [None, "a\n", "b\n"],
        [3, "a\n"],
        [None, ["a\n"]],
        [None, None],
        ["a\n", "a\n"],
        [None, "no line end"],
        [None, "a\r\n"],
        [None, "half a character \ud800\n"],
    ],
    ids=repr,
)
def test_a_record_whose_result_is_not_as_we_write_it_is_refused(bench, result):
    bench.stage(USERS, result="a\n")
    path = bench.project().pending.path(USERS)
    document = json.loads(path.read_text())
    assert document["result"] == [None, "a\n"]
    path.write_text(json.dumps({**document, "result": result}))
    with pytest.raises(IntegrityError, match="damaged pending record"):
        list(bench.project().pending)


# -- names -------------------------------------------------------------------------------------------

IDS = [
    USERS,
    LOGIN,
    "t.py::t[GET]",
    "t.py::t[get]",
    "t.py::t[../z]",
    "t.py::t[é]",
    "t.py::t[" + "x" * 4096 + "]",
    "t.py::t[" + "x" * 4095 + "y]",
    "t.py::result.md",
    "t.py::result.md::t",
    "t.py::RESULT.MD",
    "t.py",
]


def test_tests_of_any_name_have_files_of_their_own_below_the_directory(tmp_path):
    files = ResultFiles(tmp_path / "books")
    for test_id in IDS:
        files.write(test_id, f"{test_id!a}\n")
    assert len({str(files.path(test_id)).casefold() for test_id in IDS}) == len(IDS)
    for test_id in IDS:
        assert files.read(test_id) == f"{test_id!a}\n"
        assert files.root in files.path(test_id).resolve().parents
    assert {USERS, "t.py::t[get]", "t.py"} <= set(files.ids()) <= set(IDS)
    for test_id in IDS:
        files.write(test_id, None)
    assert list(files.root.iterdir()) == []


# -- between revisions -------------------------------------------------------------------------------


def test_results_are_compared_between_revisions_and_with_the_work_tree(bench):
    bench.approved(USERS, result="a\n")
    bench.approved(LOGIN, http=ONE, result="a\n")
    bench.approved(ORDERS, result="a\n")
    (bench.root / ".gitignore").write_text(".booktest_cache/\n")
    bench.init_git()
    bench.approved(USERS, result="b\nc\n")
    bench.approved(ORDERS, result=None)
    bench.git("add", "--all")
    bench.git("commit", "--quiet", "--message=second")
    bench.approved(LOGIN, result="b\n")
    bench.approved("tests/test_new.py::test_new", result="new\n")
    project = bench.project()
    assert results.changed(project, "HEAD~1", "HEAD") == [ORDERS, USERS]
    assert results.changed(project, "HEAD", None) == [LOGIN, "tests/test_new.py::test_new"]
    assert results.changed(project, "HEAD", "HEAD") == []
    assert results.at(project, "HEAD~1", USERS) == "a\n"
    assert results.at(project, "HEAD", USERS) == "b\nc\n"
    assert results.at(project, "HEAD", ORDERS) is None
    assert results.at(project, "HEAD", LOGIN) == "a\n"
    with pytest.raises(UsageError):
        results.changed(project, "nowhere", None)


def test_results_of_a_project_below_the_top_of_the_repository_are_found(tmp_path):
    top, project = Bench(tmp_path / "top"), Bench(tmp_path / "top" / "below")
    project.approved(USERS, result="a\n")
    (project.root / ".gitignore").write_text(".booktest_cache/\n")
    top.init_git()
    project.approved(USERS, result="b\n")
    assert results.changed(project.project(), "HEAD", None) == [USERS]
    assert results.at(project.project(), "HEAD", USERS) == "a\n"
