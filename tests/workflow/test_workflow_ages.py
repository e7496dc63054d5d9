"""Ages: when the line of a recording was last changed, as real Git tells it."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.cli.commands import group
from booktest_cassettes.errors import CassetteError, UsageError
from booktest_cassettes.workflow import ages

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
MANIFEST = "booktest.manifest.yaml"


class History:
    """A project whose commits are as old as they are said to be."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = bench
        self.monkeypatch = monkeypatch
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, days: float = 0) -> str:
        when = f"{(NOW - timedelta(days=days)).timestamp():.0f} +0000"
        self.monkeypatch.setenv("GIT_COMMITTER_DATE", when)
        self.monkeypatch.setenv("GIT_AUTHOR_DATE", when)
        done = subprocess.run(["git", *arguments], cwd=self.bench.root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, *, days: float) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "work", days=days)

    def approved(self, test_id: str, *, days: float, **blobs: bytes | None) -> None:
        self.bench.approved(test_id, **blobs)
        self.commit(days=days)

    def ages(self, limit: str = "0h") -> list[tuple[str, str, int]]:
        """Test, kind and days, the oldest first."""
        found = ages.older_than(self.bench.project(), ages.span(limit), NOW)
        return [(age.test_id, age.kind.value, age.age.days) for age in found]


@pytest.fixture
def history(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> History:
    return History(bench, monkeypatch)


def test_the_age_is_that_of_the_commit_that_brought_the_digest_oldest_first(history):
    history.approved(USERS, days=200, http=http("1"), env=env(A="1"))
    history.approved(ORDERS, days=100, http=http("2"))
    history.approved(LOGIN, days=10, http=http("3"))
    history.approved(USERS, days=5, http=http("other"))
    everything = [(USERS, "env", 200), (ORDERS, "http", 100), (LOGIN, "http", 10), (USERS, "http", 5)]
    assert history.ages() == everything
    assert history.ages("90d") == everything[:2]
    assert history.ages("2w") == everything[:2]
    assert history.ages("1y") == []


def test_equal_digests_of_two_tests_have_each_the_age_of_their_own_line(history):
    history.approved(USERS, days=50, http=http("same"))
    history.approved(ORDERS, days=40, http=http("same"))
    assert history.ages() == [(USERS, "http", 50), (ORDERS, "http", 40)]


def test_what_is_not_committed_is_new(history):
    history.approved(USERS, days=50, http=http("1"), env=env(A="1"))
    history.bench.approved(USERS, http=http("2"))
    history.bench.approved(ORDERS, http=http("3"))
    assert history.ages() == [(USERS, "env", 50)]
    found = ages.read(history.bench.project(), NOW)
    assert {(age.test_id, age.since, age.commit) for age in found if not age.age} == {
        (USERS, None, ""),
        (ORDERS, None, ""),
    }


def test_a_manifest_that_no_commit_holds_is_new_as_a_whole(history):
    history.bench.approved(USERS, http=http("1"))
    assert [age.age for age in ages.read(history.bench.project(), NOW)] == [timedelta()]


def test_no_manifest_has_nothing_old(history):
    assert history.ages() == []


def test_a_manifest_that_moved_keeps_its_ages(history):
    history.approved(USERS, days=50, http=http("1"))
    (history.bench.root / "deep").mkdir()
    history.git("mv", MANIFEST, "deep/recordings.yaml")
    (history.bench.root / "booktest.toml").write_text(
        '[storage]\nmode = "git"\nmanifest = "deep/recordings.yaml"\n'
    )
    history.commit(days=10)
    assert history.ages() == [(USERS, "http", 50)]


def test_a_line_that_came_with_a_merge_is_as_old_as_on_its_branch(history):
    history.approved(USERS, days=50, http=http("1"))
    history.git("switch", "--quiet", "--create", "branch")
    history.approved(LOGIN, days=40, http=http("2"))
    history.git("switch", "--quiet", "main")
    history.approved(USERS, days=30, env=env(A="1"))
    history.git("merge", "--quiet", "--no-edit", "branch", days=1)
    assert history.ages() == [(USERS, "http", 50), (LOGIN, "http", 40), (USERS, "env", 30)]


def test_a_manifest_that_was_written_by_hand_has_ages_too(history):
    history.approved(USERS, days=50, http=http("1"), env=env(A="1"))
    history.approved(ORDERS, days=40, http=http("2"))
    manifest = history.bench.root / MANIFEST
    digests = re.findall(r"sha256:\w+", manifest.read_text())
    orders, users_env, users_http = digests
    manifest.write_text(
        f"storage_mode: git\n# {'sha256:' + '0' * 64}\n"
        f"'{USERS}': {{http: '{users_http}', env: {users_env}}}\n{ORDERS}:\n    http: {orders}\n"
    )
    history.commit(days=7)
    assert sorted(history.ages()) == sorted([(USERS, "http", 7), (USERS, "env", 7), (ORDERS, "http", 7)])


def test_a_persons_settings_for_blame_change_no_age(history):
    history.approved(USERS, days=50, http=http("1"))
    history.approved(USERS, days=5, http=http("2"))
    newest = history.git("rev-parse", "HEAD")
    (history.bench.root / "ignored").write_text(newest)
    history.git("config", "blame.ignoreRevsFile", "ignored")
    assert history.ages() == [(USERS, "http", 5)]


def test_a_commit_of_tomorrow_is_no_time_old(history):
    history.approved(USERS, days=-3, http=http("1"))
    assert [age.age for age in ages.read(history.bench.project(), NOW)] == [timedelta()]


def test_a_commit_of_a_year_that_no_calendar_has_is_no_crash(history, monkeypatch):
    history.bench.approved(USERS, http=http("1"))
    history.bench.git("add", "--all")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "@99999999999999 +0000")
    history.bench.git("commit", "--quiet", "--message=work")
    assert history.ages() == []


# --- clones that were cut off


@pytest.fixture
def shallow(history: History, tmp_path: Path) -> Bench:
    """Its history begins with the second of three commits."""
    history.approved(USERS, days=200, http=http("1"))
    history.approved(ORDERS, days=100, http=http("2"))
    history.approved(LOGIN, days=10, http=http("3"))
    clone = tmp_path / "clone"
    source = history.bench.root.as_uri()
    subprocess.run(["git", "clone", "--quiet", "--depth", "2", source, clone], check=True)
    return Bench(clone)


def test_a_shallow_clone_that_cannot_tell_refuses_and_says_what_to_fetch(shallow):
    with pytest.raises(UsageError, match="shallow, and 2 snapshots") as caught:
        ages.older_than(shallow.project(), ages.span("150d"), NOW)
    assert "git fetch --unshallow" in caught.value.hint
    assert "fetch-depth: 0" in caught.value.hint


def test_a_shallow_clone_says_at_least_where_that_is_enough(shallow):
    found = ages.older_than(shallow.project(), ages.span("90d"), NOW)
    assert [(age.test_id, age.age.days, age.at_least) for age in found] == [
        (ORDERS, 100, True),
        (USERS, 100, True),
    ]
    subprocess.run(["git", "fetch", "--quiet", "--unshallow"], cwd=shallow.root, check=True)
    found = ages.older_than(shallow.project(), ages.span("90d"), NOW)
    assert [(age.test_id, age.age.days, age.at_least) for age in found] == [
        (USERS, 200, False),
        (ORDERS, 100, False),
    ]


# --- the command


@pytest.mark.parametrize(
    ("text", "hours"), [("12h", 12), ("90d", 2160), ("6w", 1008), ("1y", 8760), (" 0d ", 0)]
)
def test_spans_are_hours_days_weeks_and_years(text, hours):
    assert ages.span(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "90", "d", "3m", "1.5d", "-1d", "1d2h", "٣d", "9" * 6 + "d"])
def test_any_other_span_is_refused(text):
    with pytest.raises(UsageError, match="is no span of time"):
        ages.span(text)


def test_outside_of_git_nobody_knows(bench):
    bench.approved(USERS, http=http("1"))
    with pytest.raises(UsageError, match="is in no Git repository"):
        ages.older_than(bench.project(), ages.span("1d"))


def _status(history: History, *arguments: str) -> str:
    history.monkeypatch.chdir(history.bench.root)
    runner = CliRunner()
    done = runner.invoke(group, ["status", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_status_lists_them_with_date_age_test_and_kind(history):
    history.approved(USERS, days=1000, http=http("1"))
    history.approved(ORDERS, days=900, http=http("2"))
    lines = _status(history, "--older-than", "1y").splitlines()
    assert lines[0] == "older than 1y: 2 snapshots"
    assert re.fullmatch(rf"  2022-09-05  +\d+d  {re.escape(USERS)}  http", lines[1])
    assert re.fullmatch(rf"  2022-12-14  +\d+d  {re.escape(ORDERS)}  http", lines[2])
    assert "run --record verify" in lines[3]
    assert _status(history, "--older-than", "90y") == "older than 90y: 0 snapshots\n"


def test_status_gives_machines_the_same(history):
    history.approved(USERS, days=1000, http=http("1"))
    (found,) = json.loads(_status(history, "--older-than", "1y", "--json"))
    commit = history.git("rev-parse", "HEAD").strip()
    assert found["days"] >= 1000
    assert {name: found[name] for name in ("test", "kind", "date", "at_least", "commit")} == {
        "test": USERS, "kind": "http", "date": "2022-09-05T12:00:00+00:00", "at_least": False,
        "commit": commit,
    }  # fmt: skip


def test_an_age_is_no_question_for_a_gate(history):
    with pytest.raises(CassetteError, match="two questions"):
        _status(history, "--older-than", "1y", "--ci")
