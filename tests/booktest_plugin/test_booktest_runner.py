"""What cassettes ask of a booktest process, and what booktest hears from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from booktest_cassettes import cassette, runner
from booktest_cassettes.booktest_plugin import projects
from booktest_cassettes.booktest_plugin.runner import BooktestRunner, has_failed, mode_of
from booktest_cassettes.booktest_plugin.running import Runs
from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import SnapshotMissing, UsageError
from booktest_cassettes.modes import RecordMode
from booktest_cassettes.session import Result

NAME = "test/a_test.py::test_it"


class Case:
    """As much of a TestCaseRun as a runner needs."""

    def __init__(self, body: Callable[..., Any], **config: object) -> None:
        self.test_path = NAME
        self.config = config
        self.run = SimpleNamespace(tests=SimpleNamespace(get_case=lambda _: body))
        self.snapshot_usage: dict[str, dict[str, Any]] = {}
        self.errors = 0
        self.line_error: int | None = None
        self.line_markers: list[tuple[int, int, str]] = []

    def report_snapshot_usage(self, kind: str, digest: str, state: Any, details: dict[str, object]) -> None:
        self.snapshot_usage[kind] = {"hash": digest, "state": state.value, "details": details}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BooktestRunner]:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BOOKTEST_RECORD_MODE", raising=False)
    monkeypatch.setattr(projects, "_base", [tmp_path])
    monkeypatch.setattr(projects, "_projects", [])
    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    monkeypatch.setenv("STAGE", "blue")
    found = BooktestRunner()
    yield found
    found.leave(found.case)


def body(t: object) -> None: ...


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        ({}, RecordMode.NONE),
        ({"complete_snapshots": True}, RecordMode.NEW_EPISODES),
        ({"refresh_snapshots": True}, RecordMode.REWRITE),
        ({"refresh_snapshots": True, "complete_snapshots": True}, RecordMode.REWRITE),
    ],
)
def test_booktest_records_only_when_it_is_asked_to(asked, config, mode):
    asked.enter(Case(body, **config))
    assert mode_of(config) is mode
    assert asked.project().config.record_mode == mode
    assert asked.project() is asked.project()


def test_a_project_is_opened_again_when_its_manifest_changed(asked, tmp_path):
    asked.enter(Case(body))
    first = asked.project()
    assert first.manifest.entries == {}
    (tmp_path / "booktest.manifest.yaml").write_text(
        f'storage_mode: git\n{NAME}:\n  http: "sha256:{"0" * 64}"\n'
    )
    assert asked.project() is not first
    assert list(asked.project().manifest.entries) == [NAME]


def test_it_is_asked_while_a_test_runs_and_whoever_was_before_that_afterwards(asked):
    before = runner.running()
    case = Case(body)
    asked.enter(case)
    asked.enter(case)
    assert runner.running() is asked
    assert asked.origin() == NAME
    asked.leave(Case(body))
    assert runner.running() is asked, "another test's end is not this one's"
    asked.leave(case)
    asked.leave(case)
    assert runner.running() is before
    assert (asked.origin(), asked.test_id(None)) == ("", None)


def test_the_body_of_a_test_is_found_below_all_its_decorators(asked):
    def helper(t: object) -> None: ...

    class Book:
        @cassette
        def test_it(self, t: object) -> None: ...

    @wraps(cassette(body))
    async def booktests_own(t: object) -> None: ...

    asked.enter(Case(booktests_own))
    assert asked.test_id(body) == NAME
    assert asked.test_id(helper) is None
    assert asked.test_id(None) == NAME
    assert not asked.covers(body)
    asked.leave(asked.case)
    asked.enter(Case(Book().test_it))
    assert asked.test_id(Book.__dict__["test_it"].__wrapped__) == NAME
    assert asked.test_id(body) is None
    asked.leave(asked.case)
    asked.enter(Case(partial(body, 3)))
    assert asked.test_id(body) == NAME, "nothing tells what a partial, or a lambda, calls"


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({}, False),
        ({"errors": 1}, True),
        ({"line_error": 0}, True),
        ({"line_markers": [(0, 3, "diff")]}, False),
        ({"line_markers": [(0, 3, "diff"), (0, 9, "fail")]}, True),
    ],
)
def test_a_test_that_has_failed_without_raising_has_failed(failure, expected):
    case = Case(body)
    vars(case).update(failure)
    assert has_failed(case) is expected


def test_what_is_recorded_is_said_to_booktest_and_taken_back_when_the_test_fails(asked):
    case = Case(body, refresh_snapshots=True)
    asked.enter(case)
    with cassette(env=["STAGE"]):
        assert os.environ["STAGE"] == "blue"
    usage = case.snapshot_usage["env"]
    assert (usage["state"], usage["details"]) == ("updated", {"count": 1})
    assert Digest(usage["hash"])

    case.errors = 1
    asked.leave(case)

    assert case.snapshot_usage == {}


def test_what_booktest_knows_worse_about_a_kind_stands(asked):
    case = Case(body)
    asked.enter(case)
    session = SimpleNamespace(
        test_id=NAME, records=False, verdict=lambda: None, env={}, base={}, calls=None, traffic={}
    )
    digest = Digest.of(b"it")
    case.snapshot_usage["env"] = {"state": "updated", "hash": "theirs"}
    asked.report(session, [Result(Kind.ENV, "INTACT", digest)])
    assert case.snapshot_usage["env"]["hash"] == "theirs"
    session.verdict = lambda: SnapshotMissing("it")
    asked.report(session, [Result(Kind.ENV, "FAIL", digest)])
    assert case.snapshot_usage["env"]["state"] == "fail"
    assert case.snapshot_usage["env"]["hash"] == digest


def test_a_miss_names_the_command_of_booktest(asked):
    asked.enter(Case(body))
    with pytest.raises(SnapshotMissing) as caught, cassette(env=["STAGE"]):
        pass
    assert caught.value.hint.startswith(f"booktest -s {NAME}\n")


@pytest.mark.parametrize(
    ("config", "mode"), [({}, "git"), ({"storage.mode": "auto"}, "auto"), ({"storage.mode": "dvc"}, "dvc")]
)
@pytest.mark.usefixtures("asked")
def test_without_our_storage_booktest_has_the_one_that_it_is_told(config, mode):
    given = []

    def run_tests(_exp, _out, _tests, _cases, config, _cache, _setup):
        given.append(config)
        return 0

    assert Runs().run_tests(run_tests)("books", "books/.out", None, [], config, None, None) == 0
    assert [each["storage.mode"] for each in given] == [mode]


def test_one_id_is_not_recorded_twice_with_different_content(asked, monkeypatch):
    case = Case(body, refresh_snapshots=True)
    asked.enter(case)
    with cassette("one/id", env=["STAGE"]):
        pass
    with cassette("one/id", env=["STAGE"]):
        pass
    monkeypatch.setenv("STAGE", "green")
    with pytest.raises(UsageError, match="recorded twice"), cassette("one/id", env=["STAGE"]):
        pass


@pytest.mark.parametrize("mode", ["none", "off"])
def test_there_is_no_result_beside_the_one_of_booktest(asked, mode):
    asked.enter(Case(body))
    with pytest.raises(UsageError, match=r"t\.tln"), cassette(record_mode=mode):
        cassette.result.line("for people")
