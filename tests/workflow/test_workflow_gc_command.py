"""The command: the plan, what it says, what it refuses, and the life of a blob from end to end."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from dvc_share import files_below
from remote_bench import RemoteBench
from workflow_bench import ORDERS, USERS, http

from booktest_cassettes.cli.commands import group
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import CassetteError
from booktest_cassettes.workflow.gc import collection
from booktest_cassettes.workflow.gc.marking import Marked, Wanted

DAY = 86_400


@dataclass
class Said:
    code: int
    out: str
    error: CassetteError | None


class Shop(RemoteBench):
    """A project in Git whose remote is a share, and time that passes on demand."""

    def __init__(self, root: Path, share: Path) -> None:
        super().__init__(root, share)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "work")

    def gc(self, *arguments: str) -> Said:
        done = CliRunner().invoke(group, ["gc", *arguments], standalone_mode=False)
        error = done.exception if isinstance(done.exception, CassetteError) else None
        if done.exception is not None and error is None:
            raise done.exception
        code = error.exit_code if error else int(done.return_value or 0)
        return Said(code, done.stdout, error)

    def plan(self, *arguments: str) -> dict[str, Any]:
        said = self.gc("--json", *arguments)
        assert said.error is None, said.error
        return {place["place"]: place for place in json.loads(said.out)["places"]}

    def actions(self, place: str, *arguments: str) -> dict[str, str]:
        """What is done with each blob, by the first eight digits."""
        objects = self.plan(*arguments)[place]["objects"]
        return {one["digest"][7:15]: one["action"] for one in objects if one["what"] == "keep"}

    def pass_days(self, days: float) -> None:
        """Everything that is there becomes older."""
        for directory in (self.root / ".booktest_cache", self.share):
            for path in directory.rglob("*"):
                if path.is_file():
                    then = path.stat().st_mtime - days * DAY
                    os.utime(path, (then, then))

    def state(self) -> dict[str, bytes]:
        """Every byte of the cache and the share, but for locks."""
        found = {f"share/{name}": data for name, data in files_below(self.share).items()}
        return {**self.files(), **found}


def name(data: bytes) -> str:
    return Digest.of(data).hex[:8]


def see_that_the_rows_add_up(told: str) -> None:
    """A plan's rows have as many objects as its head says."""
    heads = [
        (found[1], found.end()) for found in re.finditer(r"^\S.*: ([\d,]+) objects?, ", told, re.MULTILINE)
    ]
    assert heads
    for number, end in heads:
        rows = re.match(r".*\n((?: +[\d,]+ .*\n)*)", told[end:])[1].splitlines()
        assert sum(int(row.split()[0].replace(",", "")) for row in rows) == int(number.replace(",", "")), told


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(tmp_path / "project", tmp_path / "share")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def aged(shop: Shop) -> Shop:
    """Three old blobs, one of which nothing names any more."""
    shop.approved(USERS, http=http("one"))
    shop.approved(ORDERS, http=http("kept"))
    shop.approved("t.py::test_third", http=http("third"))
    shop.pass_days(20)
    shop.approved(USERS, http=http("two"))
    shop.commit()
    return shop


def test_the_plan_says_what_and_why_and_changes_nothing(aged):
    before = aged.state()
    said = aged.gc()
    assert said.code == 0
    assert "reachable: 3 digests" in said.out
    assert re.search(r"cache \(.*\): 4 objects", said.out)
    assert re.search(r"remote 'share' \(.*\): 4 objects", said.out)
    assert len(re.findall(r"^ +1 +\d+ B  to tombstone$", said.out, re.MULTILINE)) == 2
    assert said.out.endswith("nothing was changed; next: booktest-cassettes gc --execute\n")
    assert aged.state() == before


def test_json_has_every_object_with_its_reason(aged):
    found = aged.plan("--remote")
    assert list(found) == ["remote"]
    place = found["remote"]
    by_digest = {one["digest"][7:15]: one for one in place["objects"]}
    assert by_digest[name(http("one"))]["action"] == "tombstone"
    assert by_digest[name(http("one"))]["reason"] == "nothing names it"
    assert by_digest[name(http("two"))]["reason"] == "refs/heads/main"
    assert place["sums"]["reachable"]["objects"] == 3
    assert place["sums"]["to_tombstone"]["objects"] == 1
    assert set(by_digest[name(http("two"))]) == {
        *("path", "what", "kind", "digest", "bytes", "modified", "action", "reason", "due")
    }
    assert set(place) == {"place", "where", "now", "is_large", "sums", "objects", "swept"}


@pytest.mark.parametrize("place", ["local", "remote"])
def test_a_blob_that_nothing_names_is_tombstoned_waits_and_goes(aged, place):
    old = name(http("one"))
    option = f"--{place}"
    assert aged.actions(place, option)[old] == "tombstone"
    told = aged.gc(option, "--execute").out
    assert "tombstoned 1 blob" in told
    date = re.search(r"^  nothing is freed yet: they go in a run after (.+) UTC$", told, re.MULTILINE)
    there = aged.root / ".booktest_cache" if place == "local" else aged.share
    (stone,) = (path for path in there.rglob("*") if path.is_file() and "tombstones" in path.parts)
    due = datetime.fromtimestamp(stone.stat().st_mtime, UTC) + timedelta(days=14)
    said = datetime.strptime(date[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert timedelta(minutes=-1) < said - due < timedelta(minutes=2)
    see_that_the_rows_add_up(aged.gc().out)
    assert aged.actions(place, option)[old] == "wait"
    assert "may go from" in aged.gc(option).out
    assert "nothing to do" in aged.gc(option, "--execute").out
    aged.pass_days(14.1)
    assert aged.actions(place, option)[old] == "delete"
    see_that_the_rows_add_up(aged.gc().out)
    assert "deleted 1 blob" in aged.gc(option, "--execute").out
    assert old not in aged.actions(place, option)
    assert len(aged.actions(place, option)) == 3
    assert "nothing to do" in aged.gc(option).out
    aged.see_that_everything_named_can_be_read()


def test_what_a_branch_names_again_before_it_goes_stays(aged):
    old = name(http("one"))
    aged.gc("--execute")
    aged.pass_days(15)
    aged.git("checkout", "--quiet", "-b", "back")
    aged.approved(USERS, http=http("one"))
    aged.commit()
    aged.git("checkout", "--quiet", "main")
    assert aged.actions("remote")[old] == "keep"
    aged.gc("--execute")
    aged.pass_days(100)
    aged.gc("--execute")
    assert aged.actions("remote")[old] == "keep"
    aged.git("checkout", "--quiet", "back")
    aged.see_that_everything_named_can_be_read()


def test_a_window_of_history_keeps_what_was_named_in_it(shop):
    shop.approved(USERS, http=http("one"))
    shop.commit()
    shop.approved(USERS, http=http("two"))
    shop.commit()
    shop.pass_days(30)
    assert shop.actions("remote")[name(http("one"))] == "tombstone"
    found = shop.plan("--since", "90d")["remote"]["objects"]
    reasons = {one["digest"][7:15]: one["reason"] for one in found}
    assert re.fullmatch(r"commit [0-9a-f]{12} of \d{4}-\d\d-\d\d", reasons[name(http("one"))])


def test_more_than_half_is_refused_until_it_is_really_meant(shop):
    for number in range(3):
        shop.approved(USERS, http=http(f"{number}"))
    shop.commit()
    shop.pass_days(20)
    assert shop.gc("--execute").code == 0
    shop.pass_days(20)
    before = shop.state()
    planned = shop.gc()
    assert "--execute --yes-really" in planned.out
    refused = shop.gc("--execute")
    assert refused.code == 2
    assert (
        "this would delete 2 of 3 approved blobs, more than half; nothing was deleted"
        in refused.error.message
    )
    assert "--yes-really" in refused.error.hint
    assert shop.state() == before
    assert shop.gc("--execute", "--yes-really").code == 0
    assert list(shop.actions("remote")) == [name(http("2"))]


def test_a_manifest_that_is_nowhere_is_refused(aged):
    (aged.root / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')
    aged.git("rm", "--quiet", "booktest.manifest.yaml")
    aged.git("commit", "--quiet", "--amend", "--message", "x")
    before = aged.state()
    refused = aged.gc("--execute", "--local")
    assert "no manifest 'booktest.manifest.yaml' was found anywhere" in refused.error.message
    assert "`manifest`" in refused.error.hint
    assert aged.state() == before


def test_where_nothing_at_all_is_reachable_only_who_really_means_it_goes_on(shop):
    """An empty manifest is found, and a first run deletes nothing, let alone half; yet it is a mistake."""
    shop.approved(USERS, http=http("one"))
    shop.commit()
    shop.manifest_path.write_text("".join(shop.manifest().splitlines(keepends=True)[:2]))
    shop.git("checkout", "--quiet", "--orphan", "new")
    shop.commit()
    shop.git("branch", "--quiet", "-D", "main")
    shop.pass_days(20)
    before = shop.state()
    assert "--execute --yes-really  (nothing at all is reachable)" in shop.gc("--remote").out
    refused = shop.gc("--execute", "--remote")
    assert refused.code == 2
    assert "nothing at all is reachable" in refused.error.message
    assert "--yes-really" in refused.error.hint
    assert shop.state() == before
    assert "tombstoned 1 blob" in shop.gc("--execute", "--remote", "--yes-really").out


def test_a_manifest_counts_once_however_many_places_have_it(shop):
    shop.approved(USERS, http=http("one"))
    shop.commit()
    assert "1 digest of 1 manifest, in 1 commit and the work tree" in shop.gc().out
    shop.manifest_path.write_bytes(shop.manifest_path.read_bytes().replace(b"\n", b"\r\n"))
    assert "of 1 manifest," in shop.gc().out
    shop.approved(USERS, http=http("two"))
    assert "2 digests of 2 manifests," in shop.gc().out


def test_what_waits_for_review_stays_and_what_was_staged_long_ago_goes(aged):
    aged.stage(USERS, http=http("pending"))
    project = aged.project()
    lost = BlobKey(Kind.HTTP, Digest.of(http("lost")))
    project.staging.put(lost, http("lost"))
    aged.pass_days(6)
    assert aged.plan("--local")["local"]["sums"]["staged_old"]["objects"] == 0
    sums = aged.plan("--local", "--staging-days", "5")["local"]["sums"]
    assert (sums["staged_old"]["objects"], sums["staged"]["objects"]) == (1, 1)
    aged.pass_days(2)
    assert "deleted 1 staged object" in aged.gc("--local", "--execute").out
    assert aged.pending() == [USERS]
    assert len(aged.staged_files()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grace", "soon"], "no span of time"),
        (["--since", "soon"], "neither a span of time nor a date"),
        (["--branches", "nope"], "means no ref here"),
        (["--tags", "v*"], "means no ref here"),
        (["--pr-refs", "refs/pull/*/head"], "means no ref here"),
    ],
)
def test_what_is_asked_wrongly_is_refused_before_anything_changes(aged, arguments, message):
    before = aged.state()
    said = aged.gc("--execute", *arguments)
    assert said.code == 2
    assert message in said.error.message
    assert said.error.hint
    assert aged.state() == before


def test_an_unreachable_remote_stops_before_the_cache_is_touched(aged):
    aged.share.rename(aged.share.with_name("elsewhere"))
    before = aged.files()
    said = aged.gc("--execute")
    assert said.code == 5
    assert aged.files() == before


def test_an_unreadable_manifest_stops_with_its_name_and_line(aged):
    aged.git("tag", "fine")
    aged.manifest_path.write_text(aged.manifest().replace("sha256:", "sha999:", 1))
    aged.commit()
    aged.git("tag", "bad")
    aged.git("reset", "--quiet", "--hard", "HEAD~1")
    (aged.root / ".git" / "ORIG_HEAD").unlink()
    before = aged.state()
    said = aged.gc("--execute")
    assert said.code == 4
    assert "refs/tags/bad:booktest.manifest.yaml:" in said.error.message
    assert aged.state() == before
    assert aged.gc("--execute", "--tags", "fine").code == 0


def test_a_share_that_may_only_be_read_can_still_be_planned_for(aged, monkeypatch):
    def refuse(_place: object) -> None:
        raise CassetteRefusal("it is read-only")

    class CassetteRefusal(collection.RemoteError):
        pass

    monkeypatch.setattr(collection.places, "clock", refuse)
    said = aged.gc("--remote")
    assert said.code == 0
    assert "ages are by this machine's clock: it is read-only" in said.out
    assert aged.gc("--remote", "--execute").code == 5


@pytest.mark.parametrize("length", [8, None])
def test_one_digest_is_explained(aged, length):
    digest = Digest.of(http("one"))
    said = aged.gc("--explain", digest if length is None else digest.hex[:length])
    assert said.code == 0
    assert said.out.count(f"http {digest}") == 1
    assert "local: tombstone, 20 days old: nothing names it" in said.out
    assert "remote: tombstone, 20 days old: nothing names it" in said.out
    kept = aged.gc("--explain", Digest.of(http("two")).hex, "--remote").out
    assert "remote: keep, 0 days old: refs/heads/main" in kept


def test_a_digest_that_is_nowhere_is_said_to_be_and_rubbish_is_refused(aged):
    said = aged.gc("--explain", "0" * 64)
    assert "no digest that begins with" in said.error.message
    assert aged.gc("--explain", "xyz").code == 2
    aged.approved(USERS, http=http("three"))
    digest = Digest.of(http("three"))
    (aged.share / "booktest" / "blobs" / BlobKey(Kind.HTTP, digest).path).unlink()
    assert "reachable: work tree" in aged.gc("--explain", digest, "--remote").out


def test_a_grace_of_hours_is_warned_about(aged):
    assert "commits that are not pushed yet" in aged.gc("--grace", "1h").out
    assert "commits that are not pushed yet" not in aged.gc("--grace", "1d").out


def test_a_project_in_git_has_a_cache_and_no_remote(tmp_path, monkeypatch):
    root = tmp_path / "plain"
    root.mkdir()
    (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    monkeypatch.chdir(root)
    done = CliRunner().invoke(group, ["gc"], standalone_mode=False)
    assert done.exception is None
    assert "nothing to do" in done.stdout
    done = CliRunner().invoke(group, ["gc", "--remote"], standalone_mode=False)
    assert isinstance(done.exception, collection.RemoteError)
    done = CliRunner().invoke(group, ["gc", "--local"], standalone_mode=False)
    assert "there is no cache at .booktest_cache" in done.stdout


def test_a_shell_completes_the_command_and_its_options():
    shell = ShellComplete(group, {}, "booktest-cassettes", "_X")
    assert [found.value for found in shell.get_completions([], "gc")] == ["gc"]
    assert [found.value for found in shell.get_completions(["gc"], "--st")] == ["--staging-days"]


# --- status


def test_status_says_what_could_be_had_back_and_asks_no_remote(aged):
    aged.share.rename(aged.share.with_name("elsewhere"))
    said = CliRunner().invoke(group, ["status"], standalone_mode=False)
    size = (aged.root / ".booktest_cache" / BlobKey(Kind.HTTP, Digest.of(http("one"))).path).stat().st_size
    assert f"reclaimable here: {size} B  (booktest-cassettes gc --local)" in said.stdout
    assert collection.reclaimable(aged.project()) == size


def test_status_reads_no_git_while_the_manifest_names_all_there_is(shop, monkeypatch):
    shop.approved(USERS, http=http("one"))
    shop.pass_days(100)

    def refuse(*_: object) -> None:
        raise AssertionError("Git was read")

    monkeypatch.setattr(collection.marking, "mark", refuse)
    assert collection.reclaimable(shop.project()) == 0


def test_status_does_not_know_what_takes_long_to_tell(aged):
    tip = aged.git("rev-parse", "HEAD")
    for number in range(101):
        aged.git("update-ref", f"refs/tags/t{number}", tip)
    assert collection.reclaimable(aged.project()) is None
    said = CliRunner().invoke(group, ["status"], standalone_mode=False)
    assert "reclaimable" not in said.stdout


def test_status_does_not_fail_where_git_cannot_tell(aged):
    (aged.root / ".git" / "refs" / "heads" / "torn").write_text("")
    assert collection.reclaimable(aged.project()) is None


# --- pointers


@pytest.fixture
def pointed(shop: Shop) -> Shop:
    shop.say("dvc-pointers")
    shop.approved(USERS, http=http("one"))
    shop.approved(USERS, http=http("two"))
    shop.commit()
    return shop


def objects(shop: Shop) -> int:
    return sum(name.startswith("files/md5/") for name in files_below(shop.share))


def test_in_pointers_mode_dvc_is_asked_and_what_it_would_do_is_shown(pointed):
    assert objects(pointed) == 2
    said = pointed.gc("--remote")
    assert "snapshots are DVC's here" in said.out
    assert "$ dvc gc -w -c -r share --all-branches --all-tags --dry" in said.out
    assert objects(pointed) == 2
    assert pointed.gc("--remote", "--execute").code == 0
    assert objects(pointed) == 1
    pointed.see_that_everything_named_can_be_read()


def test_in_pointers_mode_a_branch_that_dvc_does_not_look_at_stops_it(pointed):
    pointed.git("checkout", "--quiet", "-b", "theirs")
    pointed.approved(USERS, http=http("theirs"))
    pointed.commit()
    tip = pointed.git("rev-parse", "HEAD")
    pointed.git("checkout", "--quiet", "main")
    pointed.git("update-ref", "refs/remotes/origin/theirs", tip)
    pointed.git("branch", "--quiet", "-D", "theirs")
    before = objects(pointed)
    said = pointed.gc("--remote", "--execute")
    assert said.code == 2
    assert "origin/theirs would lose what only they need" in said.error.message
    assert objects(pointed) == before
    pointed.git("branch", "theirs", "origin/theirs")
    assert pointed.gc("--remote", "--execute").code == 0


def test_in_pointers_mode_what_stops_it_stops_it_before_dvc_deletes(pointed):
    before = objects(pointed)
    pointed.git("config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    for option in ((), ("--branches", "*")):  # which DVC would know nothing of
        said = pointed.gc("--remote", "--execute", *option)
        assert said.code == 2
        assert "only some branches of 'origin'" in said.error.message
    pointed.git("config", "--unset", "remote.origin.fetch")
    pointed.manifest_path.write_text("rubbish\n")
    assert pointed.gc("--remote", "--execute").code == 4
    assert objects(pointed) == before


def test_what_is_written_while_git_is_read_is_young_however_short_the_grace_is(aged, monkeypatch):
    mark, late = collection.marking.mark, http("meanwhile")

    def slow(*arguments: Any, **options: Any) -> Marked:
        found = mark(*arguments, **options)
        path = aged.share / "booktest" / "blobs" / BlobKey(Kind.HTTP, Digest.of(late)).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(late)
        return found

    monkeypatch.setattr(collection.marking, "mark", slow)
    assert aged.actions("remote", "--grace", "0d")[name(late)] == "keep-young"


def test_marking_twice_gives_the_same(aged):
    first = collection.marking.mark(aged.project(), Wanted())
    assert collection.marking.mark(aged.project(), Wanted(), before=first) == first
