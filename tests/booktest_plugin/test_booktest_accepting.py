"""Accepting a result approves the snapshots it was made with, first; and nothing else."""

from __future__ import annotations

import pytest
from booktest_desk import CALLS, ENV, FILE, QUIET, Desk, told
from dvc_share import blob_path, init_dvc

LINE = "import booktest_cassettes.booktest_plugin\n"
PARALLEL_AT_NIGHT = pytest.mark.parametrize(
    "how", [[], pytest.param(["-p2"], marks=pytest.mark.nightly)], ids=["serial", "p2"]
)


def test_a_accepts_what_differs_with_its_snapshots(desk: Desk) -> None:
    before = desk.lines()
    code, text = desk.ours("-S", "--", "-a", WHO="bob")
    assert code == 0, text
    after = desk.lines()
    assert after[ENV] != before[ENV]
    assert after[CALLS] != before[CALLS]
    assert desk.result("test_env") == "bob\n"
    assert after[QUIET] == before[QUIET], "its result did not differ: -a says nothing about it"
    assert desk.waiting() == {QUIET}
    assert desk.ours()[0] == 0


@PARALLEL_AT_NIGHT
def test_u_accepts_what_passed_with_its_snapshots(desk: Desk, how: list[str]) -> None:
    before = desk.lines()
    code, text = desk.ours("-S", "-u", *how, "--", QUIET, FILE, WHO="bob")
    assert code == 0, text
    assert desk.lines()[QUIET] != before[QUIET]
    assert desk.waiting() == set()
    assert desk.result("FilesBook/test_file") == "a file\n"
    assert (desk.root / "books/test/dice_book.py/FilesBook/test_file/note.txt").read_text() == "note"


def test_s_accepts_a_test_that_passed_with_what_was_missing(desk: Desk) -> None:
    desk.write(
        "test/dice_book.py",
        (desk.root / "test/dice_book.py").read_text().replace('("WHO")', '("WHO", "WHY")'),
    )
    before = desk.lines()
    code, text = desk.ours("-s", "--", QUIET, WHO="bob", WHY="so")
    assert code == 0, text
    assert desk.lines()[QUIET] != before[QUIET]
    assert '"ada"' in (desk.root / "books/test/dice_book.py/test_quiet/_snapshots/env.json").read_text()


def test_w_accepts_the_last_run_and_no_other_recording(desk: Desk) -> None:
    desk.write("test/__booktest__.py", LINE)
    before = desk.lines()
    assert desk.stock("-S", "-p2", ENV, QUIET, WHO="bob")[0] != 0
    assert desk.lines() == before
    code, text = desk.stock("-w", "-a", ENV, QUIET)
    assert code == 0, text
    assert desk.result("test_env") == "bob\n"
    assert {test for test in before if desk.lines()[test] != before[test]} == {ENV}


def test_a_person_accepts_one_test_at_a_time(desk: Desk) -> None:
    desk.write("test/__booktest__.py", LINE)
    before = desk.lines()
    code, text = desk.stock("-S", "-i", ENV, CALLS, given="a\nc\n", WHO="bob")
    assert code != 0, text
    assert {test for test in before if desk.lines()[test] != before[test]} == {CALLS}
    assert desk.waiting() == {ENV}


def test_accepting_a_replay_leaves_an_older_recording_to_its_review(waiting: Desk) -> None:
    before = waiting.lines()
    source = waiting.root / "test/dice_book.py"
    source.write_text(
        source.read_text().replace('t.tln(os.environ["WHO"])', 't.tln("by " + os.environ["WHO"])')
    )
    code, text = waiting.ours("--", "-a", ENV)
    assert code == 0, text
    assert waiting.result("test_env") == "by ada\n"
    assert waiting.lines() == before
    assert waiting.waiting() == {ENV}


def test_what_was_recorded_anew_meanwhile_is_not_accepted(waiting: Desk) -> None:
    waiting.write("test/__booktest__.py", LINE)
    output = waiting.root / "books/.out/test/dice_book.py"
    kept = {path: path.read_bytes() for path in output.glob("test_env.*") if path.is_file()}
    assert waiting.stock("-S", ENV, WHO="eve")[0] != 0
    for path, data in kept.items():  # as in a second copy of the outputs
        path.write_bytes(data)
    before = waiting.files()
    code, text = waiting.stock("-w", "-a", ENV)
    assert code == 2, text
    assert f"{ENV}: its result is not accepted" in text
    assert "was recorded anew since its result was written" in text
    assert waiting.files() == before


@PARALLEL_AT_NIGHT
def test_what_looks_like_a_credential_is_not_accepted(desk: Desk, how: list[str]) -> None:
    before = desk.files()
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    code, text = desk.ours("-S", *how, "--", "-a", ENV, WHO=token)
    assert code == 4, text
    assert "FAIL" in told(text)[ENV] or "DIFF" in told(text)[ENV]
    assert f"{ENV}: its result is not accepted" in text
    assert token not in text.partition("its result is not accepted")[2].partition("FAILURE REPORT")[0]
    assert desk.files() == before


def test_a_test_that_fails_stages_nothing_and_an_earlier_recording_stays(waiting: Desk) -> None:
    record = next((waiting.root / ".booktest_cache/staging/pending").glob("*.json"))
    staged = record.read_bytes()
    source = waiting.root / "test/dice_book.py"
    source.write_text(source.read_text().replace('t.tln(os.environ["WHO"])', "raise ValueError('no')"))
    code, text = waiting.ours("-S", "--", "-a", ENV, WHO="eve")
    assert code == 1, text
    assert record.read_bytes() == staged
    assert waiting.waiting() == {ENV}


@PARALLEL_AT_NIGHT
def test_what_the_remote_refused_is_accepted_later_without_another_run(desk: Desk, how: list[str]) -> None:
    desk.write("test/__booktest__.py", LINE)
    desk.write("booktest.toml", '[storage]\nmode = "dvc"\n')
    share = desk.root.parent / "share"
    init_dvc(desk.root, share)
    before = desk.files()
    code, text = desk.ours("-S", *how, "--", "-a", ENV, WHO="bob")
    assert code == 5, text
    assert text.count(f"{ENV}: its result is not accepted") == 1
    assert desk.files() == before
    share.mkdir()
    code, text = desk.stock("-w", "-a", ENV)
    assert code == 0, text
    assert desk.result("test_env") == "bob\n"
    assert blob_path(share, "env", desk.lines()[ENV]["env"]).is_file()


@PARALLEL_AT_NIGHT
def test_a_run_commits_all_that_it_accepted_at_once_where_the_project_wants_it(
    desk: Desk, how: list[str]
) -> None:
    desk.write("booktest.toml", '[storage]\nmode = "git"\n[review]\ncommit_on_approve = true\n')
    desk.write(".gitignore", "books/.out/\n")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.test"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "before"]):
        assert desk.run("git", *command)[0] == 0
    desk.write("other.txt", "somebody's")
    desk.run("git", "config", "user.name", "Ada")
    desk.run("git", "config", "user.email", "ada@example.test")
    desk.run("git", "add", "other.txt")
    code, text = desk.ours("-S", *how, "--", "-a", ENV, CALLS, WHO="bob")
    assert code == 0, text
    assert "committed what was accepted of 2 tests" in text
    _, said = desk.run("git", "log", "--format=%s", "--name-only", "-1")
    assert said.split("\n")[0] == "Accept 2 tests"
    assert sorted(said.split()[3:]) == [
        "books/test/dice_book.py/test_calls.md",
        "books/test/dice_book.py/test_calls/_snapshots/func.json",
        "books/test/dice_book.py/test_env.md",
        "books/test/dice_book.py/test_env/_snapshots/env.json",
        "booktest.manifest.yaml",
    ]
    assert desk.run("git", "status", "--porcelain")[1] == "A  other.txt\n"
