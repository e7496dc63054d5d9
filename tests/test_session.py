"""One test's session: what each record mode keeps, and what becomes of a test that fails."""

from __future__ import annotations

import pytest

from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import (
    BlobMissing,
    NetworkRefused,
    SnapshotDrift,
    SnapshotMissing,
    SnapshotPending,
    UnhandledRequest,
    UnusedInteractions,
    UsageError,
)
from booktest_cassettes.options import Options, resolve
from booktest_cassettes.project import Project
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Request, Response
from booktest_cassettes.session import Session
from booktest_cassettes.workflow import approve

ID = "tests/test_api.py::test_users"


class Lab:
    """A project, and a pretend client that asks a session as adapters do."""

    def __init__(self, root, monkeypatch):
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
        for name in ("CI", "BOOKTEST_RECORD_MODE"):
            monkeypatch.delenv(name, raising=False)
        self.root = root

    def session(self, mode: str, **options) -> Session:
        project = Project.open(self.root, {"record_mode": mode})
        return Session(project, ID, resolve(project.config, Options(**options)))

    def ask(self, session: Session, path: str, live: str = "") -> str:
        traffic = session.traffic[Kind.HTTP]
        clean = traffic.clean(Request("GET", f"http://api.test{path}"))
        item = traffic.play(clean)
        if item is not None:
            assert isinstance(item.outcome, Response)
            return item.outcome.body.content.decode()
        if session.strict:
            raise session.miss(Kind.HTTP, clean)
        traffic.record(clean).finish(Response(200, "OK", body=Body(live.encode())))
        return live

    def record(self, mode: str, *asked: tuple[str, str], approved: bool = True) -> dict[str, str]:
        session = self.session(mode)
        for path, live in asked:
            self.ask(session, path, live)
        results = session.results(passed=True)
        if approved:
            approve.execute(session.project, approve.plan(session.project))
        return {result.kind.value: result.state for result in results}

    def approved(self) -> list[tuple[str, str]]:
        """Path and answer of every approved interaction, in order."""
        loaded = self.session("none").traffic[Kind.HTTP].loaded
        return [(item.request.url[15:], item.outcome.body.content.decode()) for item in loaded]


@pytest.fixture
def lab(tmp_path, monkeypatch):
    return Lab(tmp_path, monkeypatch)


def test_once_records_a_test_that_has_nothing_approved(lab):
    assert lab.record("once", ("/a", "1"), ("/b", "2")) == {"http": "NEW"}
    assert lab.approved() == [("/a", "1"), ("/b", "2")]


def test_once_replays_strictly_what_is_approved(lab):
    lab.record("once", ("/a", "1"))
    session = lab.session("once")
    assert session.strict
    assert lab.ask(session, "/a", "live") == "1"
    with pytest.raises(UnhandledRequest):
        lab.ask(session, "/b", "live")


def test_new_episodes_replays_what_is_there_and_adds_the_rest(lab):
    lab.record("once", ("/a", "1"))
    session = lab.session("new_episodes")
    assert [lab.ask(session, "/a", "live"), lab.ask(session, "/b", "2")] == ["1", "2"]
    session.results(passed=True)
    approve.execute(session.project, approve.plan(session.project))
    assert lab.approved() == [("/a", "1"), ("/b", "2")]


def test_all_asks_everything_again_and_keeps_what_was_not_asked(lab):
    lab.record("once", ("/a", "1"), ("/b", "2"))
    assert lab.record("all", ("/a", "new")) == {"http": "UPDATED"}
    assert lab.approved() == [("/b", "2"), ("/a", "new")]


def test_rewrite_begins_with_an_empty_cassette(lab):
    lab.record("once", ("/a", "1"), ("/b", "2"))
    assert lab.record("rewrite", ("/b", "2")) == {"http": "UPDATED"}
    assert lab.approved() == [("/b", "2")]


def test_a_kind_that_is_recorded_no_more_is_gone_not_updated(lab):
    lab.record("once", ("/a", "1"))
    assert lab.record("rewrite") == {"http": "GONE"}
    assert lab.approved() == []


def test_rewriting_the_same_is_intact_and_leaves_nothing_pending(lab):
    lab.record("once", ("/a", "1"))
    lab.record("rewrite", ("/a", "other"), approved=False)
    assert lab.record("rewrite", ("/a", "1"), approved=False) == {"http": "INTACT"}
    assert list(lab.session("none").project.pending) == []


def test_a_test_without_traffic_any_more_loses_its_line_when_that_is_approved(lab):
    lab.record("once", ("/a", "1"))
    lab.record("rewrite")
    assert lab.session("none").base == {}


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_a_failed_test_stages_nothing_in_any_mode(lab, mode):
    lab.record("once", ("/a", "1"))
    session = lab.session(mode)
    if not session.strict:
        lab.ask(session, "/new", "2")
    assert [result.state for result in session.results(passed=False)] == ["FAIL"]
    assert list(session.project.pending) == []


def test_a_miss_is_remembered_even_when_its_exception_is_swallowed(lab):
    lab.record("once", ("/a", "1"))
    session = lab.session("none")
    for _ in range(2):
        with pytest.raises(UnhandledRequest):
            lab.ask(session, "/b")
    assert isinstance(session.verdict(), UnhandledRequest)
    assert len(session.problems) == 1


def test_several_problems_make_one_error_of_the_gravest_kind(lab):
    lab.record("once", ("/a", "1"))
    session = lab.session("none")
    session.refuse(NetworkRefused("first"))
    session.refuse(SnapshotMissing("second", hint="do it"))
    verdict = session.verdict()
    assert isinstance(verdict, SnapshotMissing)
    assert verdict.message == "first\nsecond"
    assert verdict.hint == "do it"


def test_nothing_approved_is_missing_and_nothing_approved_but_staged_is_pending(lab):
    with pytest.raises(SnapshotMissing):
        lab.ask(lab.session("none"), "/a")
    lab.record("once", ("/a", "1"), approved=False)
    with pytest.raises(SnapshotPending):
        lab.ask(lab.session("none"), "/a")


def test_a_test_without_traffic_needs_no_snapshot(lab):
    session = lab.session("none")
    assert session.verdict() is None
    assert session.results(passed=True) == []


def test_unused_is_an_error_only_where_it_was_asked_for(lab):
    lab.record("once", ("/a", "1"), ("/b", "2"))
    for unused, expected in (("ignore", None), ("warn", None), ("error", UnusedInteractions)):
        session = lab.session("none", unused=unused)
        lab.ask(session, "/a")
        assert type(session.verdict()) is (expected or type(None))


def test_a_lost_blob_is_found_before_the_test_begins(lab):
    lab.record("once", ("/a", "1"))
    for payload in lab.root.glob("books/**/http.json"):
        payload.unlink()
    with pytest.raises(BlobMissing):
        lab.session("none")
    assert lab.session("rewrite").strict is False, "recording anew is how it is healed"


def test_env_lacking_in_the_snapshot_is_missing_before_the_test_begins(lab, monkeypatch):
    monkeypatch.setenv("REGION", "eu")
    session = lab.session("once", env=["REGION"])
    session.results(passed=True)
    approve.execute(session.project, approve.plan(session.project))
    assert lab.session("none", env=["REGION"]).env == {"REGION": "eu"}
    with pytest.raises(SnapshotMissing, match="ZONE"):
        lab.session("none", env=["REGION", "ZONE"])


def test_a_refusal_that_is_repeated_is_told_once_and_counted(lab):
    lab.record("rewrite", ("/one", "1"))
    session = lab.session("none")
    for path in ("/two", "/two", "/three", "/two"):
        with pytest.raises(UnhandledRequest):
            lab.ask(session, path)
    text = str(session.verdict())
    assert text.count("GET http://api.test/two is not in its http cassette") == 1
    assert "refused 3 times" in text
    assert text.count("refused") == 1


# --- mode verify


def test_verify_asks_live_and_finds_an_unchanged_answer_intact(lab):
    lab.record("once", ("/a", "1"))
    session = lab.session("verify")
    assert lab.ask(session, "/a", "1") == "1"
    assert session.verdict() is None
    assert [result.state for result in session.results(passed=True)] == ["INTACT"]
    assert list(session.project.pending) == []


def test_verify_gives_the_test_the_live_answer_and_fails_it_with_what_differs(lab):
    lab.record("once", ("/a", "1"), ("/b", "2"))
    session = lab.session("verify")
    assert [lab.ask(session, "/a", "live"), lab.ask(session, "/b", "2")] == ["live", "2"]
    verdict = session.verdict()
    assert isinstance(verdict, SnapshotDrift)
    assert verdict.exit_code == 1
    assert "GET http://api.test/a\n" in verdict.message
    assert "live now, 1 recorded" in verdict.message
    assert "/b" not in verdict.message
    assert "run -S -- tests/test_api.py::test_users, then booktest-cassettes review" in verdict.hint
    assert [result.state for result in session.results(passed=False)] == ["DRIFT"]
    assert list(session.project.pending) == []


def test_a_recorded_request_that_is_not_made_is_no_drift_but_unplayed(lab):
    lab.record("once", ("/a", "1"), ("/b", "2"))
    for unused, expected in (("warn", type(None)), ("error", UnusedInteractions)):
        session = lab.session("verify", unused=unused)
        lab.ask(session, "/a", "1")
        assert type(session.verdict()) is expected
        assert [request.url for _, request in session.unused()] == ["http://api.test/b"]


def test_verify_refuses_an_unknown_request_before_the_first_live_answer_and_sends_it_after(lab):
    lab.record("once", ("/a", "1"))
    session = lab.session("verify")
    with pytest.raises(UnhandledRequest):
        lab.ask(session, "/new", "2")
    session = lab.session("verify")
    assert [lab.ask(session, "/a", "1"), lab.ask(session, "/new", "2")] == ["1", "2"]
    assert "GET http://api.test/new is not recorded" in str(session.verdict())


def test_a_request_that_was_sent_but_not_answered_leads_to_no_unknown_one(lab):
    lab.record("once", ("/a", "1"))
    session = lab.session("verify")
    traffic = session.traffic[Kind.HTTP]
    clean = traffic.clean(Request("GET", "http://api.test/a"))
    assert traffic.play(clean) is None
    traffic.record(clean)
    with pytest.raises(UnhandledRequest):
        lab.ask(session, "/new", "2")


def test_an_answer_still_being_read_counts_when_the_test_is_over_and_not_before(lab):
    lab.record("once", ("/a", "whole"))
    session = lab.session("verify")
    traffic = session.traffic[Kind.HTTP]
    clean = traffic.clean(Request("GET", "http://api.test/a"))
    assert traffic.play(clean) is None
    traffic.record(clean).unfinished = lambda: Response(200, "OK", body=Body(b"wh"), cut=True)
    assert session.verdict() is None
    assert [result.state for result in session.results(passed=True)] == ["DRIFT"]
    assert isinstance(session.verdict(), SnapshotDrift)


def test_an_adapter_that_gives_its_bytes_away_is_asked_once_and_when_the_exchange_is_over(lab, monkeypatch):
    lab.record("once", ("/a", "1"))
    monkeypatch.setenv("BOOKTEST_CASSETTES_STAGE_DRIFT", "1")
    session = lab.session("verify")
    traffic = session.traffic[Kind.HTTP]
    clean = traffic.clean(Request("GET", "http://api.test/a"))
    assert traffic.play(clean) is None
    bodies = [b"live"]
    slot = traffic.record(clean)
    slot.unfinished = lambda: Response(200, "OK", body=Body(bodies.pop()))
    assert session.verdict() is None
    slot.settle()
    assert isinstance(session.verdict(), SnapshotDrift)
    session.returned = True
    assert [result.state for result in session.results(passed=False)] == ["DRIFT"]
    approve.execute(session.project, approve.plan(session.project))
    assert lab.approved() == [("/a", "live")]


def test_verify_without_an_approved_snapshot_is_strict(lab):
    session = lab.session("verify")
    assert session.strict
    with pytest.raises(SnapshotMissing):
        lab.ask(session, "/a", "1")


@pytest.mark.parametrize(("returned", "staged"), [(True, True), (False, False)])
def test_drift_is_staged_where_that_was_asked_for_and_the_test_came_to_its_end(
    lab, monkeypatch, returned, staged
):
    lab.record("once", ("/a", "1"), ("/b", "2"))
    monkeypatch.setenv("BOOKTEST_CASSETTES_STAGE_DRIFT", "1")
    session = lab.session("verify")
    lab.ask(session, "/a", "live")
    session.returned = returned
    assert [result.state for result in session.results(passed=False)] == ["DRIFT"]
    assert bool(list(session.project.pending)) is session.staged is staged
    if staged:
        assert "booktest-cassettes review tests" in session.verdict().hint
        approve.execute(session.project, approve.plan(session.project))
        assert lab.approved() == [("/a", "live")]


def test_verify_restores_plain_variables_and_takes_redacted_ones_from_the_environment(lab, monkeypatch):
    monkeypatch.setenv("REGION", "eu")
    monkeypatch.setenv("API_KEY", "the-real-one")
    monkeypatch.setenv("SHOP_URL", "https://ada:pw-4711-x@shop.test/")
    names = ["REGION", "API_KEY", "SHOP_URL", "UNSET"]
    session = lab.session("once", env=names)
    session.results(passed=True)
    approve.execute(session.project, approve.plan(session.project))
    monkeypatch.setenv("REGION", "us")
    monkeypatch.setenv("UNSET", "set by now")
    assert lab.session("verify", env=names).env == {
        "REGION": "eu",
        "API_KEY": "the-real-one",
        "SHOP_URL": "https://ada:pw-4711-x@shop.test/",
        "UNSET": None,
    }
    monkeypatch.delenv("API_KEY")
    with pytest.raises(UsageError, match="API_KEY was recorded redacted"):
        lab.session("verify", env=names)


def test_a_refusal_names_what_leaves_nothing_unplayed(lab):
    """Rewriting while something recorded was not asked for; adding once all of it was played."""
    lab.record("once", ("/a", "1"), ("/b", "2"))
    session = lab.session("none")
    lab.ask(session, "/a", "live")
    with pytest.raises(UnhandledRequest) as changed:
        lab.ask(session, "/b?page=2", "live")
    assert f"booktest-cassettes run -S -- {ID}" in changed.value.hint
    lab.ask(session, "/b", "live")
    for path in ("/c", "/a"):
        with pytest.raises(UnhandledRequest) as added:
            lab.ask(session, path, "live")
        assert f"booktest-cassettes run -s -- {ID}" in added.value.hint
        assert added.value.hint.endswith(f"\n  then: booktest-cassettes review {ID}")


def test_a_declared_secret_in_a_test_id_is_refused_before_anything_is_recorded_under_it(lab):
    project = Project.open(lab.root, {"record_mode": "once"})
    settings = resolve(project.config, Options(secrets=["s3cret-value-1"]))
    with pytest.raises(UsageError, match="declared secret in this test's id") as caught:
        Session(project, f"{ID}[s3cret-value-1]", settings)
    assert "s3cret-value-1" not in str(caught.value)
    assert "pytest.param" in caught.value.hint
