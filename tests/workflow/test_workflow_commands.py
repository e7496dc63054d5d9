"""The commands end with the exit codes of promise 13, whatever is wrong, and never with a traceback."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

import pytest
from workflow_bench import ORDERS, SETTINGS, USERS, Bench, http

from booktest_cassettes import cli

ONE, TWO = http("one"), http("two")


@dataclass
class Done:
    code: int
    out: str
    err: str


class Terminal:
    """Types commands in the project's root."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        monkeypatch.chdir(bench.root)
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> Done:
        self._monkeypatch.setattr("sys.argv", ["booktest-cassettes", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        assert isinstance(code, int)
        return Done(code, *self._capsys.readouterr())


@pytest.fixture
def run(bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(bench, monkeypatch, capsys)


def test_the_everyday_way(bench, run):
    bench.stage(USERS, http=ONE)
    assert run("status").code == 0
    assert run("status", "--ci").code == 3
    assert run("approve", USERS).code == 0
    assert run("status", "--ci").code == 0
    bench.stage(USERS, http=TWO)
    assert run("reject", "--all").code == 0
    assert run("status", "--ci").code == 0
    assert bench.payload(USERS).read_bytes() == ONE


@pytest.mark.parametrize("command", ["approve", "reject"])
@pytest.mark.parametrize("arguments", [["typo"], [USERS + "x"], [], ["--all", USERS], ["--typo"], ["*typo*"]])
def test_usage_errors_end_with_2_and_change_nothing(bench, run, command, arguments):
    bench.stage(USERS, http=ONE)
    before = bench.files()
    done = run(command, *arguments)
    assert done.code == 2
    assert done.err
    assert bench.files() == before


def test_show_of_an_unknown_test_ends_with_2(run):
    assert run("show", "typo").code == 2


def test_a_secret_ends_with_4_and_the_command_that_takes_it_works_as_given(bench, run):
    bench.stage(USERS, http=http("AKIA" + "A1B2C3D4E5F6G7H8"))
    done = run("approve", "--all")
    assert done.code == 4
    assert "A1B2C3D4E5F6G7H8" not in done.out + done.err
    (named,) = re.findall(r"booktest-cassettes (approve .*)", done.err)
    assert run(*shlex.split(named)).code == 0


@pytest.mark.parametrize("command", [["approve", "--all"], ["reject", "--all"], ["status"], ["show", USERS]])
@pytest.mark.parametrize("what", ["manifest", "record", "unreadable record", "staged", "cache", "books"])
def test_whatever_is_damaged_it_ends_with_4_or_is_none_of_its_business(bench, run, command, what):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    if what == "manifest":
        bench.manifest_path.write_text("<<<<<<< HEAD\n" + (bench.manifest() or ""))
    elif what == "record":
        bench.project().pending.path(USERS).write_text("{")
    elif what == "unreadable record":
        bench.project().pending.path(ORDERS).mkdir()
    elif what == "staged":
        (bench.root / bench.staged_files()[0]).write_bytes(b"torn")
    else:
        directory = bench.root / {"cache": ".booktest_cache", "books": "books"}[what]
        directory.rename(bench.root / "moved")
        directory.write_text("in the way")
    before = bench.worktree()
    done = run(*command)
    untouched = {("staged", "reject"), ("staged", "status"), ("books", "show")}
    assert done.code == (0 if (what, command[0]) in untouched else 4), done.err
    assert done.code == 0 or done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert bench.worktree() == before


def test_status_is_json_for_machines(bench, run):
    bench.stage("t.py::t[é]", http=ONE)
    found = json.loads(run("status", "--json").out)
    assert set(found) == {
        *("root", "storage", "notice", "remote", "tests", "snapshots"),
        *("pending", "unfetched", "unpushed", "reclaimable", "lost"),
    }
    assert list(found["pending"]) == ["t.py::t[é]"]


def test_show_prints_escape_sequences_inert(bench, run):
    bench.stage(USERS, http=http("\x1b[31mred\x9b0m"))
    out = run("show", USERS).out
    assert r"\x1b[31mred\x9b0m" in out
    assert "\x1b" not in out
    assert "\x9b" not in out


def test_show_is_json_for_machines(bench, run):
    bench.stage(USERS, http=ONE)
    assert json.loads(run("show", USERS, "--json").out)["http"]["kind"] == "http"


def test_an_approval_is_committed_where_the_configuration_says_so(bench, run):
    bench.init_git()
    (bench.root / "booktest.toml").write_text(SETTINGS + "[review]\ncommit_on_approve = true\n")
    bench.stage(USERS, http=ONE)
    done = run("approve", "--all", "-m", "Snapshots of users")
    assert done.code == 0
    assert "committed" in done.out
    assert bench.git("log", "-1", "--format=%s").strip() == "Snapshots of users"
    assert bench.git("status", "--porcelain").splitlines() == [" M booktest.toml"]


def test_a_commit_that_git_refuses_ends_with_2_and_the_approval_stands(bench, run):
    (bench.root / "booktest.toml").write_text(SETTINGS + "[review]\ncommit_on_approve = true\n")
    bench.stage(USERS, http=ONE)
    done = run("approve", "--all")
    assert done.code == 2
    assert "not a git repository" in done.err
    assert "the approval itself is done" in done.err
    bench.see_that_payloads_are_what_the_manifest_says()
