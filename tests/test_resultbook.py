"""What becomes of a test's result: in each mode, against what is approved, beside what was recorded."""

from __future__ import annotations

import pytest

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import (
    CheckFailed,
    ResultDiffers,
    SnapshotMissing,
    SnapshotPending,
    UnhandledRequest,
    UsageError,
)
from booktest_cassettes.options import Options, resolve
from booktest_cassettes.project import Project
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Request, Response
from booktest_cassettes.session import Session
from booktest_cassettes.store.pending import ResultChange
from booktest_cassettes.use import Run
from booktest_cassettes.workflow import approve

ID = "tests/test_api.py::test_users"
RECORDING = ("new_episodes", "all", "rewrite")


class Lab:
    """A project in which tests run that write a result and may ask for one thing."""

    def __init__(self, root, monkeypatch):
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
        for name in ("CI", "BOOKTEST_RECORD_MODE"):
            monkeypatch.delenv(name, raising=False)
        # As a script has it: the suite's own runner hears nothing of these tests.
        monkeypatch.setattr("booktest_cassettes.use.running", lambda: None)
        self.root = root

    def project(self, mode: str = "once") -> Project:
        return Project.open(self.root, {"record_mode": mode})

    def run(self, mode: str, text: str = "", *, live: str = "", **options) -> Session:
        """One test, by the steps of a decorated one; raises what it fails with."""
        run = Run(self.project(mode), ID, Options(**options))
        run.begin()
        session = run.session
        assert session is not None
        if text:
            session.result.line(text)
        if live:
            self.ask(session, live)
        run.end(None)
        return session

    def ask(self, session: Session, live: str) -> None:
        traffic = session.traffic[Kind.HTTP]
        clean = traffic.clean(Request("GET", "http://api.test/users"))
        if traffic.play(clean) is None:
            if session.strict:
                raise session.miss(Kind.HTTP, clean)
            traffic.record(clean).finish(Response(200, "OK", body=Body(live.encode())))

    def approve(self) -> None:
        project = self.project()
        approve.execute(project, approve.plan(project))

    def approved(self, text: str = "", live: str = "") -> None:
        self.run("rewrite", text, live=live)
        self.approve()

    def waiting(self) -> ResultChange | None:
        record = self.project().pending.load(ID)
        return record.result if record else None

    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(self.root.rglob("*")) if path.is_file()}


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


# -- new, equal, changed, gone -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["once", *RECORDING])
def test_a_first_result_waits_for_review_and_the_test_passes(lab, mode):
    assert lab.run(mode, "a").result_book.state == "NEW"
    assert lab.waiting() == ResultChange(None, "a\n")


@pytest.mark.parametrize("mode", ["once", *RECORDING])
def test_it_waits_together_with_what_was_recorded(lab, mode):
    lab.run(mode, "a", live="1")
    record = lab.project().pending.load(ID)
    assert record
    assert set(record.changes) == {Kind.HTTP}
    assert record.result == ResultChange(None, "a\n")


def test_a_replay_of_an_approved_one_touches_no_file(lab):
    lab.approved("a", live="1")
    before = lab.files()
    for mode in ("none", "once"):
        assert lab.run(mode, "a", live="1").result_book.state == "INTACT"
    assert lab.files() == before


def test_without_an_approved_one_strict_mode_fails_and_says_where_it_would_be(lab):
    with pytest.raises(SnapshotMissing, match=r"books/tests/test_api\.py/test_users/result\.md"):
        lab.run("none", "a")
    assert lab.waiting() is None


def test_what_waits_for_review_is_told_from_what_is_missing(lab):
    lab.run("once", "a")
    with pytest.raises(SnapshotPending, match="waits for review"):
        lab.run("none", "a")
    with pytest.raises(SnapshotMissing):
        lab.run("none", "b")


def test_a_changed_one_fails_strict_mode_with_its_lines_and_nothing_is_written(lab):
    lab.approved("same\nold", live="1")
    before = lab.files()
    with pytest.raises(ResultDiffers) as caught:
        lab.run("none", "same\nnew", live="1")
    assert "- old\n  + new" in caught.value.message
    assert "same" not in caught.value.message.replace("its result", "")
    assert lab.files() == before


@pytest.mark.parametrize("live", ["", "1"])
def test_a_changed_one_fails_mode_once_too_and_waits_for_review(lab, live):
    lab.approved("old", live=live)
    with pytest.raises(ResultDiffers) as caught:
        lab.run("once", "new", live=live)
    assert f"booktest-cassettes review {ID}" in caught.value.hint
    assert lab.waiting() == ResultChange("old\n", "new\n")
    lab.approve()
    assert lab.run("none", "new", live=live).result_book.state == "INTACT"


@pytest.mark.parametrize("mode", RECORDING)
def test_a_changed_one_is_recorded_where_recording_was_asked_for(lab, mode):
    lab.approved("old", live="1")
    assert lab.run(mode, "new", live="1").result_book.state == "UPDATED"
    assert lab.waiting() == ResultChange("old\n", "new\n")


@pytest.mark.parametrize("live", ["", "1"])
def test_one_that_is_right_again_waits_no_longer(lab, live):
    lab.approved("old", live=live)
    with pytest.raises(ResultDiffers):
        lab.run("once", "new", live=live)
    lab.run("once", "old", live=live)
    assert lab.project().pending.load(ID) is None


def test_one_that_is_no_longer_written_is_told_failed_or_ignored_as_unused_interactions_are(lab):
    lab.approved("old", live="1")
    before = lab.files()
    for mode in ("none", "once"):
        assert lab.run(mode, live="1").result_book.state == "UNWRITTEN"
        assert lab.run(mode, live="1", unused="ignore").result_book.state == ""
        with pytest.raises(ResultDiffers, match="writes no result any more"):
            lab.run(mode, live="1", unused="error")
    assert lab.files() == before


@pytest.mark.parametrize("mode", RECORDING)
def test_recording_takes_away_what_is_no_longer_written_once_that_is_approved(lab, mode):
    lab.approved("old", live="1")
    assert lab.run(mode, live="1").result_book.state == "GONE"
    assert lab.waiting() == ResultChange("old\n", None)
    lab.approve()
    assert lab.project().results.read(ID) is None


def test_a_test_that_writes_nothing_has_no_result_at_all(lab):
    for mode in ("none", "once", *RECORDING):
        assert lab.run(mode).result_book.state == ""
    assert lab.waiting() is None
    assert not (lab.root / "books").exists()


# -- beside a recording ------------------------------------------------------------------------------


def test_mode_once_leaves_another_recording_that_waits_as_it_is(lab):
    lab.approved("old", live="1")
    lab.run("rewrite", "of the new recording", live="2")
    record = lab.project().pending.load(ID)
    for text in ("old", "new"):
        if text == "old":
            lab.run("once", text, live="1")
        else:
            with pytest.raises(ResultDiffers, match="not staged: another recording"):
                lab.run("once", text, live="1")
        assert lab.project().pending.load(ID) == record


def test_a_first_result_waits_behind_a_recording_that_waits(lab):
    lab.approved(live="1")
    lab.run("rewrite", live="2")
    record = lab.project().pending.load(ID)
    assert lab.run("once", "a", live="1").result_book.state == "WAITING"
    assert lab.project().pending.load(ID) == record


def test_mode_once_stages_what_it_recorded_with_a_result_that_differs(lab):
    lab.approved("old")
    with pytest.raises(ResultDiffers):
        lab.run("once", "new", live="1")
    record = lab.project().pending.load(ID)
    assert record
    assert set(record.changes) == {Kind.HTTP}
    assert record.result == ResultChange("old\n", "new\n")


# -- tests that fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["once", *RECORDING])
def test_a_failed_check_fails_the_test_and_stages_nothing(lab, mode):
    run = Run(lab.project(mode), ID, Options())
    run.begin()
    assert run.session
    run.session.result.check("all is well", ok=False)
    run.session.result.line("and the rest is written")
    lab.ask(run.session, "1")
    with pytest.raises(CheckFailed, match="all is well"):
        run.end(None)
    assert run.session.result_book.state == "FAIL"
    assert lab.project().pending.load(ID) is None


@pytest.mark.parametrize("mode", ["once", *RECORDING])
def test_a_test_that_fails_by_itself_stages_nothing_and_hears_nothing_about_its_result(lab, mode):
    lab.approved("old")
    run = Run(lab.project(mode), ID, Options())
    run.begin()
    assert run.session
    run.session.result.line("half of it")
    error = AssertionError("mine")
    run.end(error)
    assert getattr(error, "__notes__", []) == []
    assert lab.waiting() is None


def test_what_was_refused_is_told_before_the_result_that_follows_from_it(lab):
    lab.approved("old", live="1")
    run = Run(lab.project("once"), ID, Options())
    run.begin()
    assert run.session
    lab.ask(run.session, "1")
    with pytest.raises(UnhandledRequest):
        lab.ask(run.session, "once more")
    run.session.result.line("something else")
    with pytest.raises(UnhandledRequest) as caught:
        run.end(None)
    assert "something else" not in str(caught.value)
    assert lab.waiting() is None


def test_after_the_test_nothing_is_written_any_more(lab):
    session = lab.run("once", "a")
    with pytest.raises(UsageError, match="has ended"):
        session.result.line("late")


# -- secrets -----------------------------------------------------------------------------------------


def test_secrets_are_in_no_result_and_make_no_difference_between_machines(lab, monkeypatch):
    (lab.root / "booktest.toml").write_text(
        '[storage]\nmode = "git"\n[redact]\nsecrets = ["THE_KEY"]\npatterns = ["cust-[0-9]+"]\n'
    )
    texts = set()
    for key, customer in (("hunter2-hunter2", "cust-1"), ("a-much-longer-secret-than-that", "cust-987654")):
        monkeypatch.setenv("THE_KEY", key)
        session = Session(lab.project(), ID, resolve(lab.project().config, Options(secrets=["sesame"])))
        session.result.h1(f"Key {key} of sesame")
        session.result.table([{"customer": customer, "key": key}])
        session.result.line(f"https://ada:{key}@api.test/?token=0123abc")
        session.result.code(f'{{"password": "swordfish", "id": "{customer}"}}', "json")
        text = session.result.text()
        assert text
        for secret in (key, "sesame", customer, "0123abc", "swordfish"):
            assert secret not in text
        texts.add(text)
    assert len(texts) == 1


def test_halves_of_characters_are_no_hindrance_to_finding_secrets(lab):
    session = Session(lab.project(), ID, resolve(lab.project().config, Options(secrets=["sesame"])))
    session.result.line("\ud800 sesame")
    assert session.result.text() == "\\ud800 REDACTED\n"


def test_a_result_is_no_part_of_any_blob(lab):
    lab.approved(live="1")
    digest = lab.project().manifest.get(ID)[Kind.HTTP]
    lab.approved("a", live="1")
    assert lab.project().manifest.get(ID) == {Kind.HTTP: Digest.parse(digest)}
