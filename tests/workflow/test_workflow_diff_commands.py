"""``diff`` and ``show`` as they are typed: which argument is which, what is fetched, and the exit codes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from dvc_share import blob_path, init_dvc
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes import cli
from booktest_cassettes.digest import Digest
from booktest_cassettes.errors import RemoteError
from booktest_cassettes.project import Project
from booktest_cassettes.store.pending import Pending, ResultChange
from booktest_cassettes.workflow import diff

ONE, TWO, THREE = (
    http(f'{{"name": "{name}"}}', **{"Content-Type": "application/json"}) for name in ("1", "2", "3")
)


@dataclass
class Done:
    code: int
    out: str
    err: str


class Terminal:
    """Types commands in the project's root."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, bench: Bench, *arguments: str) -> Done:
        self._monkeypatch.chdir(bench.root)
        self._monkeypatch.setattr("sys.argv", ["booktest-cassettes", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        assert isinstance(code, int)
        return Done(code, *self._capsys.readouterr())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_a_name_with_two_points_is_that_test_where_there_is_one(bench, run):
    bench.stage("tests/a..b.py::test", http=ONE)
    assert "http  new" in run(bench, "diff", "tests/a..b.py").out
    assert run(bench, "diff", "tests/c..d.py").code == 2


def test_a_test_whose_name_turns_text_around_is_listed_and_refused_inert(bench, run):
    bench.stage("tests/\u202etest.py::test", http=ONE)
    for arguments, code in ((["status"], 0), (["show", "\u202eno.py"], 2)):
        done = run(bench, *arguments)
        assert (done.code, "\u202e" in done.out + done.err) == (code, False)
        assert "\\u202e" in done.out + done.err


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a Unix shell does")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_no_hindrance(closed, bench):
    bench.stage(USERS, http=ONE)
    command = f'exec "$0" -m booktest_cassettes review {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], cwd=bench.root, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, b"")


@pytest.fixture
def repo(bench: Bench) -> Bench:
    bench.approved(USERS, http=ONE)
    bench.approved(ORDERS, http=ONE, env=env(HOME="a"))
    bench.init_git()
    return bench


def named(text: str) -> list[str]:
    return re.findall(r"(?m)^tests/\S+", text)


# --- which argument is which ------------------------------------------------------------------------


def test_a_word_that_is_a_test_is_a_test_even_where_a_branch_has_that_name(repo, run):
    repo.git("branch", "tests")
    repo.stage(USERS, http=TWO)
    assert named(run(repo, "diff", "tests").out) == [USERS]
    assert run(repo, "diff", "--from", "tests").out == "no recording changed\n"
    assert run(repo, "diff", "main").out == "no recording changed\n"
    assert named(run(repo, "diff").out) == [USERS]


@pytest.mark.parametrize(
    "arguments",
    [
        ["main"],
        ["--from", "main"],
        ["HEAD~0"],
        ["--from", "main", ORDERS, USERS],
        ["main", "tests/test_api.py"],
    ],
)
def test_a_revision_is_compared_with_the_work_tree(repo, run, arguments):
    repo.approved(USERS, http=TWO)
    assert named(run(repo, "diff", *arguments).out) == [USERS]


@pytest.mark.parametrize(
    "arguments",
    [["main..HEAD"], ["main.."], ["--from", "main..HEAD"], ["main...HEAD", USERS], [USERS, "main..HEAD"]],
)
def test_two_revisions_are_compared_with_each_other(repo, run, arguments):
    repo.git("checkout", "--quiet", "-b", "branch")
    repo.approved(USERS, http=TWO)
    repo.git("commit", "--quiet", "--all", "--message=two")
    repo.approved(ORDERS, http=THREE)
    assert named(run(repo, "diff", *arguments).out) == [USERS]


def test_three_dots_begin_where_the_branches_parted(repo, run):
    repo.git("checkout", "--quiet", "-b", "branch")
    repo.approved(USERS, http=TWO)
    repo.git("commit", "--quiet", "--all", "--message=two")
    repo.git("checkout", "--quiet", "main")
    repo.approved(ORDERS, http=THREE)
    repo.git("commit", "--quiet", "--all", "--message=three")
    assert named(run(repo, "diff", "main..branch").out) == [ORDERS, USERS]
    assert named(run(repo, "diff", "main...branch").out) == [USERS]
    repo.git("checkout", "--quiet", "--orphan", "alone")
    repo.git("commit", "--quiet", "--message=alone")
    done = run(repo, "diff", "main...alone")
    assert (done.code, "no commit in common" in done.err) == (2, True)


def test_two_dots_in_a_tests_parameters_are_no_revisions(repo, run):
    odd = "tests/test_api.py::test_path[../z..y]"
    repo.stage(odd, http=ONE)
    assert named(run(repo, "diff", odd).out) == [odd]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere..HEAD"], "no commit 'nowhere'"),
        (["main..nowhere"], "no commit 'nowhere'"),
        (["--from", "nowhere"], "no commit 'nowhere'"),
        (["--from", "--all"], "no commit '--all'"),
        (["nowhere"], "nothing here matches 'nowhere'"),
        (["main", "nowhere"], "nothing here matches 'nowhere'"),
        (["main..HEAD", "HEAD..main"], "two comparisons"),
        (["--from", "main", "main..HEAD"], "two comparisons"),
    ],
)
def test_what_is_neither_is_refused_with_the_next_command(repo, run, arguments, message):
    repo.stage(USERS, http=TWO)
    done = run(repo, "diff", *arguments)
    assert done.code == 2
    assert message in done.err
    assert "next: " in done.err


def test_the_exit_code_tells_of_differences_only_when_it_is_asked_to(repo, run):
    assert run(repo, "diff").out == "nothing waits for review\n"
    assert run(repo, "diff", "--exit-code").code == 0
    repo.stage(USERS, http=TWO)
    assert run(repo, "diff").code == 0
    assert run(repo, "diff", "--exit-code").code == 1
    assert run(repo, "diff", "--exit-code", "--format", "json").code == 1


def test_an_empty_comparison_is_a_document_too(repo, run):
    assert json.loads(run(repo, "diff", "--format", "json").out)["tests"] == []
    assert run(repo, "diff", "main", "--format", "md").out.startswith("### Recordings: no change")


def test_nothing_is_written_by_a_comparison(repo, run):
    repo.stage(USERS, http=TWO)
    before = repo.files()
    for arguments in ((), ("main",), ("--format", "md"), ("--full",)):
        assert run(repo, "diff", *arguments).code == 0
    assert repo.files() == before


# --- result files -----------------------------------------------------------------------------------


def test_a_result_file_is_compared_by_line(repo, run):
    project = repo.project()
    project.results.write(USERS, "# Users\none\n")
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message=result")
    project.prepare_cache()
    with project.pending.exclusive():
        project.pending.save(Pending(USERS, {}, ResultChange("# Users\none\n", "# Users\ntwo\n")))
    told = f"{USERS}\n  result  updated\n      text line 2\n        - one\n        + two\n"
    assert run(repo, "diff").out == told
    project.results.write(USERS, "# Users\ntwo\n")
    assert run(repo, "diff", "main").out == told
    assert "result  new" in run(repo, "diff", "HEAD~1").out
    assert "result  gone" in run(repo, "diff", "HEAD..HEAD~1").out
    assert run(repo, "diff", "main", ORDERS).out == "no recording changed\n"


def test_a_result_that_looks_like_it_holds_a_credential_has_a_warning(repo, run):
    secret = "ghp_" + "a1" * 18
    repo.project().results.write(USERS, f"# {secret[:4]}\n{secret}\n")
    assert "looks like a secret: GitHub token in the result, line 2" in run(repo, "diff", "main").out


# --- on a remote ------------------------------------------------------------------------------------


@pytest.fixture(params=["dvc", "dvc-pointers"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Three approved tests on a share, committed."""
    share = tmp_path / "share"
    share.mkdir()
    bench = Bench(tmp_path / "project", f'[storage]\nmode = "{request.param}"\n')
    bench.git("init", "--quiet", "--initial-branch=main")
    init_dvc(bench.root, share)
    for test, blob in ((USERS, ONE), (ORDERS, TWO), (LOGIN, THREE)):
        bench.stage(test, http=blob)
    bench.approve()
    bench.git("add", "--all")
    bench.git("commit", "--quiet", "--message=start")
    return bench


def test_what_a_commit_named_is_fetched_from_the_remote(shared, run):
    shared.stage(USERS, http=http("other"))
    shared.stage(ORDERS, http=ONE)
    shared.approve()
    for place in (".booktest_cache", ".dvc/cache"):
        shutil.rmtree(shared.root / place, ignore_errors=True)
        done = run(shared, "diff", "main")
        assert (done.code, named(done.out), "cannot be compared" in done.out) == (
            0,
            [ORDERS, USERS],
            False,
        )
        assert '- "2"' in done.out
        assert '+ "1"' in done.out


def test_all_that_is_absent_is_fetched_in_one_batch(shared, run, monkeypatch):
    if shared.project().storage.mode == "dvc-pointers":
        shared.root.joinpath("booktest.toml").write_text('[storage]\nmode = "dvc"\n')
    for test in (USERS, ORDERS, LOGIN):
        shared.stage(test, http=http(test))
    shared.project()
    asked: list[int] = []
    fetch = Project.fetch

    def counted(self, keys, jobs=None):
        keys = list(keys)
        asked.append(len(keys))
        return fetch(self, keys, jobs)

    monkeypatch.setattr(Project, "fetch", counted)
    shutil.rmtree(shared.root / ".booktest_cache" / "http", ignore_errors=True)
    shutil.rmtree(shared.root / "books", ignore_errors=True)
    run(shared, "diff")
    assert asked == [3]


def test_a_blob_that_is_gone_from_the_remote_is_named_and_the_others_are_shown(tmp_path, run):
    share = tmp_path / "share"
    share.mkdir()
    bench = Bench(tmp_path / "project", '[storage]\nmode = "dvc"\n')
    init_dvc(bench.root, share)
    for test in (USERS, ORDERS):
        bench.approved(test, http=ONE if test == USERS else TWO)
    bench.init_git()
    for test in (USERS, ORDERS):
        bench.approved(test, http=THREE)
    shutil.rmtree(bench.root / ".booktest_cache")
    blob_path(share, "http", Digest.of(ONE)).unlink()
    done = run(bench, "diff", "main")
    assert done.code == 4
    assert f"{Digest.of(ONE)} -> {Digest.of(THREE)}" in done.out
    assert "next: " in done.out
    assert '- "2"' in done.out
    problem = json.loads(run(bench, "diff", "main", "--format", "json").out)["tests"][1]["problems"][0]
    assert problem["error"] == "BlobMissing"

    blob_path(share, "http", Digest.of(TWO)).write_bytes(b"other bytes")
    shutil.rmtree(bench.root / ".booktest_cache")
    assert "BlobCorrupt" in run(bench, "diff", "main", "--format", "json").out

    shutil.rmtree(bench.root / ".booktest_cache")
    share.rename(tmp_path / "away")
    done = run(bench, "diff", "main")
    assert done.code == 5
    assert done.out.count("cannot be compared") == 2
    found = diff.between(bench.project(), "main", None)
    assert all(isinstance(one.problems[0], RemoteError) for one in found)


# --- show -------------------------------------------------------------------------------------------


def test_show_writes_har_and_curl(repo, run):
    har = json.loads(run(repo, "show", USERS, "--har").out)
    assert [one["request"]["url"] for one in har["log"]["entries"]] == ["http://api.example/users"]
    assert "curl --globoff" in run(repo, "show", ORDERS, "--curl").out


def test_har_and_curl_of_what_is_no_http_are_refused(repo, run):
    repo.approved(LOGIN, env=env(HOME="a"))
    for arguments in ((LOGIN, "--har"), (LOGIN, "--curl"), (ORDERS, "--kind", "env", "--har")):
        done = run(repo, "show", *arguments)
        assert (done.code, "no HTTP traffic" in done.err, "next: " in done.err) == (2, True, True)
    assert run(repo, "show", USERS, "--har", "--curl").code == 2


def test_har_of_a_pending_recording_is_the_pending_one_unless_the_approved_is_asked_for(repo, run):
    repo.stage(USERS, http=TWO)

    def body(*more: str) -> str:
        return json.loads(run(repo, "show", USERS, "--har", *more).out)["log"]["entries"][0]["response"][
            "content"
        ]["text"]

    assert (body(), body("--approved")) == ('{"name": "2"}', '{"name": "1"}')
