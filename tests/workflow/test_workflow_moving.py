"""Moving between Git payloads, the DVC remote and DVC pointers: digests stay, and a kill loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from dvc_share import init_dvc
from remote_bench import RemoteBench, Terminal, Wrapping, drop, swap
from workflow_bench import LOGIN, ORDERS, USERS, env, http

from booktest_cassettes.config import load_config
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import CassetteError, RemoteError, UsageError
from booktest_cassettes.workflow import mode_setting, moving

ONE, TWO, THREE = http("one"), http("two"), http("three")
MODES = ["git", "dvc", "dvc-pointers"]
QUICK = [("dvc-pointers", "git")]
HEADERS = {"git": "git", "dvc": "dvc", "dvc-pointers": "dvc"}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class MovingBench(RemoteBench):
    """A project in a real Git repository, with its share beside its files."""

    def __init__(self, root: Path) -> None:
        if not (root / ".dvc").exists():
            root.mkdir(parents=True, exist_ok=True)
            init_dvc(root, "../share")
        super().__init__(root, root / "share")
        if not (root / ".git").exists():
            (root / ".gitignore").write_text("/share/\n")
            self.init_git()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=snapshots")

    def move(self, to: str, *patterns: str) -> moving.Outcome:
        return moving.execute(moving.plan(self.project(), to, patterns))

    def pointer(self, test_id: str, kind: str = "http") -> Path:
        payload = self.payload(test_id, kind)
        return payload.with_name(payload.name + ".dvc")

    def tracked(self) -> set[str]:
        return set(self.git("ls-files").splitlines())

    def colleague(self) -> MovingBench:
        """What somebody else has after ``git clone``, and the share mounted at the same place."""
        other = self.root.with_name(f"{self.root.name}-clone")
        shutil.rmtree(other, ignore_errors=True)
        self.git("clone", "--quiet", ".", str(other))
        (other / "share").symlink_to(self.share)
        return MovingBench(other)

    def see_it_lives_in(self, mode: str) -> None:
        """In the work tree, in Git's index, and for a clone that pulls."""
        books = {name for name in self.tracked() if name.startswith("books/")}
        found = {"payloads": 0, "pointers": 0}
        for test_id, kinds in self.lines().items():
            for kind in kinds:
                payload, pointer = self.payload(test_id, kind), self.pointer(test_id, kind)
                found["payloads"] += payload.exists()
                found["pointers"] += pointer.exists()
                name = payload.relative_to(self.root).as_posix()
                assert (name in books) == (mode == "git")
                assert (f"{name}.dvc" in books) == (mode == "dvc-pointers")
        number = sum(len(kinds) for kinds in self.lines().values())
        assert found == {
            "payloads": 0 if mode == "dvc" else number,
            "pointers": number if mode == "dvc-pointers" else 0,
        }
        assert bool(self.kept_files()) == (mode == "dvc")
        assert self.project().storage.mode == mode
        assert self.git("status", "--porcelain") == ""
        self.see_that_everything_named_can_be_read()
        clone = self.colleague()
        assert clone.pull().exit_code == 0 if mode != "git" else True
        clone.see_that_everything_named_can_be_read()


@pytest.fixture(autouse=True)
def _no_state_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


@pytest.fixture
def bench(tmp_path: Path) -> MovingBench:
    return MovingBench(tmp_path / "project")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def _approved_in(bench: MovingBench, mode: str) -> None:
    """Three tests, two with the same recording, one with a result; committed."""
    bench.say(mode)
    bench.approved(USERS, http=ONE, env=env(A="1"), result="for people\n")
    bench.approved(ORDERS, http=ONE)
    bench.approved(LOGIN, http=TWO)
    bench.commit()


@pytest.mark.parametrize(("start", "end"), list(permutations(MODES, 2)))
def test_a_project_moves_whole_with_its_setting_and_a_second_time_changes_nothing(bench, start, end):
    _approved_in(bench, start)
    bench.see_it_lives_in(start)
    lines = bench.lines()
    outcome = bench.move(end)
    assert outcome.exit_code == 0, outcome.lines()
    assert outcome.lines()[-1].startswith("next: git add --all -- ")
    subprocess.run(
        outcome.lines()[-1].removeprefix("next: ") + " -qm moved", shell=True, cwd=bench.root, check=True
    )
    assert bench.lines() == lines
    assert bench.manifest().splitlines()[1] == f"storage_mode: {HEADERS[end]}"
    assert bench.result(USERS) == "for people\n"
    bench.see_it_lives_in(end)
    before = bench.files()
    again = bench.move(end)
    assert (len(again.plan.moving), again.paths) == (0, ())
    assert bench.files() == before


def test_around_the_circle_every_file_but_the_old_homes_comes_back(bench):
    _approved_in(bench, "git")
    before = bench.worktree()
    for mode in ("dvc", "dvc-pointers", "git"):
        bench.move(mode)
        bench.commit()
    after = bench.worktree()
    cache = {name for name in after if name.startswith(".dvc/")}
    assert {name: data for name, data in after.items() if name not in cache} == {
        name: data for name, data in before.items() if not name.startswith(".dvc/")
    }


@pytest.mark.parametrize(("start", "end"), [("git", "dvc"), ("dvc", "git"), ("dvc-pointers", "git")])
def test_some_tests_move_and_the_mode_stays(bench, run, start, end):
    _approved_in(bench, start)
    header = bench.manifest().splitlines()[1]
    bench.move(end, USERS)
    bench.commit()
    assert bench.manifest().splitlines()[1] == header
    assert bench.project().storage.mode == start
    assert bench.payload(USERS).exists() == (end == "git")
    assert bench.payload(ORDERS).exists() == (start != "dvc")
    assert not bench.pointer(USERS).exists()
    assert bench.pointer(ORDERS).exists() == (start == "dvc-pointers")
    assert (bench.payload(USERS).relative_to(bench.root).as_posix() in bench.tracked()) == (end == "git")
    bench.see_that_everything_named_can_be_read()
    clone = bench.colleague()
    assert run(clone, "pull") == 0, run.text
    clone.see_that_everything_named_can_be_read()
    assert run(clone, "status", "--ci") == 0, run.text
    bench.move(end)
    bench.commit()
    bench.see_it_lives_in(end)


@pytest.mark.parametrize(
    ("mode", "to"), [("git", "dvc-pointers"), ("dvc", "dvc-pointers"), ("dvc-pointers", "dvc")]
)
def test_some_tests_do_not_move_to_where_the_others_mode_does_not_look(bench, mode, to):
    _approved_in(bench, mode)
    before = bench.files()
    with pytest.raises(UsageError, match="no clone would find them") as caught:
        bench.move(to, USERS)
    assert f"migrate --to {to}" in caught.value.hint
    assert bench.files() == before


def test_a_test_of_git_moves_behind_pointers_where_they_are_the_mode(bench):
    _approved_in(bench, "git")
    bench.say("dvc-pointers")
    bench.move("dvc-pointers", USERS)
    assert bench.pointer(USERS).exists()
    assert not bench.pointer(ORDERS).exists()


def test_what_waits_for_review_waits_on_and_is_approved_into_the_new_home(bench):
    _approved_in(bench, "git")
    bench.stage(ORDERS, http=THREE)
    outcome = bench.move("dvc")
    assert outcome.pending == 1
    assert "pending review, as before: 1" in outcome.lines()
    assert bench.pending() == [ORDERS]
    bench.approve()
    bench.commit()
    assert bench.lines()[ORDERS] == {"http": digest(THREE)}
    bench.see_it_lives_in("dvc")


def test_after_a_killed_approval_what_is_approved_moves_and_what_waits_can_be_approved(bench):
    """The payload has the new bytes already, the cache holds those that the manifest names."""
    _approved_in(bench, "git")
    bench.stage(ORDERS, http=THREE)
    key = BlobKey(Kind.HTTP, Digest.of(ONE))
    bench.project().keep.put(key, ONE)
    bench.payload(ORDERS).write_bytes(THREE)
    bench.move("dvc-pointers")
    assert bench.payload(ORDERS).read_bytes() == ONE
    bench.see_that_everything_named_can_be_read()
    assert [name for name in bench.files() if "/quarantine/" in name] == []
    bench.approve()
    assert bench.payload(ORDERS).read_bytes() == THREE
    bench.commit()
    bench.see_it_lives_in("dvc-pointers")


@pytest.mark.parametrize("lie", [drop, swap])
@pytest.mark.parametrize("mode", ["git", "dvc-pointers"])
def test_a_remote_that_lies_stops_the_move_and_the_old_home_stays(bench, monkeypatch, lie, mode):
    _approved_in(bench, mode)
    before = bench.worktree()
    wrapping = Wrapping(monkeypatch)
    wrapping(lie)
    with pytest.raises(RemoteError):
        bench.move("dvc")
    assert bench.worktree() == before
    wrapping.end()
    bench.move("dvc")
    bench.commit()
    bench.see_it_lives_in("dvc")


def test_an_unreachable_share_leaves_no_pointers_behind(bench, run):
    _approved_in(bench, "git")
    before = bench.worktree()
    bench.share.rename(bench.root / "away")
    assert run(bench, "run", "--migrate-to-dvc") == 5, run.text
    with pytest.raises(CassetteError):
        bench.move("dvc-pointers")
    after = {name: data for name, data in bench.worktree().items() if not name.startswith((".dvc/", "away/"))}
    assert after == {name: data for name, data in before.items() if not name.startswith(".dvc/")}


def test_what_is_nowhere_stops_the_move_before_anything_changed(bench, run):
    _approved_in(bench, "git")
    bench.payload(LOGIN).unlink()
    before = bench.worktree()
    for mode in ("dvc", "dvc-pointers"):
        outcome = bench.move(mode)
        assert outcome.exit_code == 4
        assert f"lost: {LOGIN} http" in outcome.lines()[0]
        assert "nothing was moved" in outcome.lines()[-1]
        assert bench.worktree() == before
    bench.git("checkout", "--", ".")
    assert bench.move("dvc").exit_code == 0


def test_a_corrupt_payload_that_has_no_other_copy_is_said_and_left_where_it_is(bench):
    _approved_in(bench, "git")
    bench.payload(LOGIN).write_bytes(TWO[:-3])
    before = bench.worktree()
    for mode in ("dvc", "dvc-pointers"):
        outcome = bench.move(mode)
        assert outcome.exit_code == 4
        assert "corrupt http snapshot" in outcome.lines()[0]
        assert bench.worktree() == before


def test_a_payload_of_other_bytes_is_set_aside_not_deleted(bench):
    _approved_in(bench, "git")
    bench.move("dvc")
    path = bench.payload(USERS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"edited by hand")
    bench.move("dvc")
    assert not path.exists()
    aside = [data for name, data in bench.files().items() if "/quarantine/" in name]
    assert aside == [b"edited by hand"]


def test_a_payload_that_another_tests_copy_can_replace_is_no_loss(bench):
    _approved_in(bench, "git")
    bench.payload(ORDERS).unlink()
    bench.move("dvc-pointers")
    bench.commit()
    bench.see_it_lives_in("dvc-pointers")


def test_a_clone_that_pulled_nothing_moves_as_well(bench):
    for start, end in (("dvc", "git"), ("dvc-pointers", "git"), ("dvc-pointers", "dvc")):
        _approved_in(bench, start) if not bench.manifest() else bench.move(start)
        bench.commit()
        clone = bench.colleague()
        assert clone.move(end).exit_code == 0
        clone.git("-c", "user.name=T", "-c", "user.email=t@e.test", "add", "--all")
        clone.see_that_everything_named_can_be_read()


def test_what_was_never_pushed_reaches_the_new_home(bench):
    bench.say("dvc")
    bench.unpushed(USERS, http=ONE)
    bench.unpushed(ORDERS, http=TWO)
    bench.commit()
    bench.move("git", USERS)
    assert bench.waiting() == [digest(TWO)]
    assert bench.payload(USERS).read_bytes() == ONE
    bench.move("dvc-pointers")
    assert bench.waiting() == []
    bench.commit()
    bench.see_it_lives_in("dvc-pointers")


def test_the_commands_show_what_they_would_do_and_do_it(bench, run):
    _approved_in(bench, "git")
    before = bench.files()
    plan = moving.plan(bench.project(), "dvc")
    assert plan.lines() == [
        "would move to the DVC remote: 4 snapshots of 3 tests",
        "  from Git payloads: 4",
        'would set storage.mode = "dvc" in booktest.toml:2',
    ]
    assert run(bench, "migrate", "--to", "dvc", "--dry-run") == 0, run.text
    assert run.text == "\n".join([*plan.lines(), ""])
    assert run(bench, "migrate", "--to", "dvc", "--dry-run", "--json", USERS) == 0, run.text
    assert json.loads(run.text)["from"] == {"git": 2}
    assert bench.files() == before
    assert run(bench, "run", "--migrate-to-dvc", "-s") == 2, run.text
    assert run(bench, "run", "--migrate-to-dvc", "--", "-k", "users") == 2, run.text
    assert run(bench, "run", "--migrate-to-dvc", "tests/test_login.py") == 0, run.text
    assert "moved to the DVC remote: 1 snapshot of 1 test\n" in run.text
    assert bench.project().storage.mode == "git"
    assert run(bench, "test", "--migrate-to-dvc") == 0, run.text
    assert "moved to the DVC remote: 3 snapshots of 2 tests; 1 was there" in run.text
    assert 'set storage.mode = "dvc" in booktest.toml:2' in run.text
    bench.commit()
    bench.see_it_lives_in("dvc")


def test_push_names_the_command_that_moves_tests_out_of_git(bench, run):
    _approved_in(bench, "git")
    bench.say("dvc")
    assert run(bench, "push") == 0
    assert "in Git, not on the remote: 4 (booktest-cassettes migrate --to dvc moves them there)" in run.text


@pytest.mark.parametrize("mode", ["auto", "dvs"])
def test_what_is_no_home_is_refused(bench, mode):
    _approved_in(bench, "git")
    with pytest.raises(UsageError):
        bench.move(mode)


def test_json_says_it_for_machines(bench):
    _approved_in(bench, "git")
    said: dict[str, Any] = json.loads(json.dumps(bench.move("dvc").as_json()))
    assert (said["to"], said["snapshots"], said["tests"], said["there"]) == ("dvc", 4, 3, 0)
    assert said["delivered"]["moved"] == 3
    assert said["paths"] == ["books", "booktest.manifest.yaml", "booktest.toml"]


# --- the configured mode ------------------------------------------------------------------------------

WRITTEN = {
    "booktest.toml": [
        '[storage]\nmode = "git"  # for now\nremote = "r"\n',
        "# ours\r\n[storage]\r\n  mode='git'\r\n\r\n[cassettes]\r\nunused = \"warn\"\r\n",
        'storage.mode = "dvc-manifest"',
        '[cassettes]\nunused = "warn"',
        '[storage]\nremote = "r"\n',
        "",
    ],
    ".booktest": ["storage.mode=git\nstorage.dvc.remote=r\n"],
    "booktest.ini": ["# booktest's\n[storage]\nmode = git\n"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in WRITTEN for text in WRITTEN[name]])
def test_one_value_changes_and_the_rest_of_the_file_stays(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    before = load_config(tmp_path, environ={})
    made = mode_setting.setting(tmp_path, "dvc-pointers")
    made.write()
    after = load_config(tmp_path, environ={})
    assert (after.storage_mode, made.by_hand) == ("dvc-pointers", "")
    assert after.remote == before.remote
    assert after.unused == before.unused
    data = (tmp_path / name).read_bytes().decode()
    changed = [line for line in data.splitlines(keepends=True) if line not in text.splitlines(keepends=True)]
    assert sum("mode" in line for line in changed) == 1
    assert ("\r\n" in data) == ("\r\n" in text)
    assert "#" not in text or data.count("#") == text.count("#")
    assert mode_setting.setting(tmp_path, "dvc-pointers") == mode_setting.Setting("dvc-pointers")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pyproject.toml", '[tool.booktest-cassettes.storage]\nmode = "git"\n', "in pyproject.toml:2"),
        (
            "pyproject.toml",
            '[tool.booktest-cassettes]\nstorage.manifest = "m.yaml"\n',
            "in pyproject.toml, in",
        ),
        ("booktest.toml", 'storage = { mode = "git" }\n', "in booktest.toml:1"),
    ],
)
def test_where_we_do_not_write_a_person_is_told_exactly_what_to_set(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    made = mode_setting.setting(tmp_path, "dvc")
    made.write()
    assert made.lines()[0].startswith("set by hand: ")
    assert said in made.lines()[0]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == text


def test_a_variable_that_says_otherwise_is_named(bench, monkeypatch):
    _approved_in(bench, "git")
    monkeypatch.setenv("BOOKTEST_STORAGE_MODE", "git")
    lines = bench.move("dvc").lines()
    assert 'set storage.mode = "dvc" in booktest.toml:2' in lines
    assert "set by hand: BOOKTEST_STORAGE_MODE=dvc in the environment, or unset it (it says git now)" in lines


# --- kill -9, full and broken disks at every step ---------------------------------------------------------


def _runs(job: str, mode: str, template: Path, copies: Path) -> list[tuple[MovingBench, dict[str, Any]]]:
    faults = Path(__file__).with_name("faults.py")
    command = [sys.executable, str(faults), job, mode, str(template), str(copies)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert reports[-1]["code"] == 100, reports[-1]
    return [(MovingBench(copies / f"{number:03}"), report) for number, report in enumerate(reports, 1)]


def _see_it_is_completed(bench: MovingBench, end: str, lines: dict[str, dict[str, str]]) -> None:
    assert bench.lines() == lines
    assert bench.pending() == [LOGIN]
    bench.see_that_everything_named_can_be_read()
    assert bench.move(end).exit_code == 0
    bench.commit()
    assert bench.lines() == lines
    assert bench.pending() == [LOGIN]
    assert bench.result(USERS) == "for people\n"
    assert [name for name in bench.worktree() if name.endswith(".tmp") and "/_snapshots/" in name] == []


def _scene(root: Path, start: str) -> MovingBench:
    bench = MovingBench(root)
    bench.say(start)
    bench.approved(USERS, http=ONE, env=env(A="1"), result="for people\n")
    bench.approved(ORDERS, http=ONE)
    bench.commit()
    bench.stage(LOGIN, http=TWO)
    return bench


@pytest.mark.skipif(os.name == "nt", reason="needs fork and SIGKILL")
@pytest.mark.parametrize(
    ("start", "end"),
    [
        # Those with DVC's own steps in them are many.
        pytest.param(*pair, marks=() if pair in QUICK else pytest.mark.nightly)
        for pair in permutations(MODES, 2)
    ],
)
def test_a_kill_at_any_step_loses_nothing_and_the_same_command_completes_it(tmp_path, start, end):
    before = _scene(tmp_path / "before", start)
    lines = before.lines()
    runs = _runs(f"move-to-{end}", "kill", before.root, tmp_path / "copies")
    assert len(runs) > 5
    last = runs[-1][0]
    last.commit()
    last.see_it_lives_in(end)
    wanted = {name: data for name, data in last.worktree().items() if not name.startswith(".dvc/")}
    for bench, report in runs[:-1]:
        _see_it_is_completed(bench, end, lines)
        found = {name: data for name, data in bench.worktree().items() if not name.startswith(".dvc/")}
        assert found == wanted, report
        assert bench.kept_files() == last.kept_files(), report
        assert bench.tracked() == last.tracked(), report


@pytest.mark.nightly
@pytest.mark.skipif(os.name == "nt", reason="needs fork")
@pytest.mark.parametrize(("start", "end"), [("git", "dvc"), ("dvc", "git"), ("git", "dvc-pointers")])
@pytest.mark.parametrize("mode", ["disk-full", "input-output-error"])
def test_a_disk_that_refuses_any_step_is_a_clear_error_and_the_same_command_completes_it(
    tmp_path, mode, start, end
):
    before = _scene(tmp_path / "before", start)
    lines = before.lines()
    for bench, report in _runs(f"move-to-{end}", mode, before.root, tmp_path / "copies"):
        assert report["code"] in (0, 4, 5, 100), report
        if report["code"] in (4, 5):
            assert "next: " in report["message"], report
        _see_it_is_completed(bench, end, lines)
